"""The estimators: multilayer perceptrons with a pluggable update rule."""

from sklearn_metabp.estimators._checked import check_data, fit_checked
from sklearn_metabp.estimators._classifier import BackpropMLPClassifier
from sklearn_metabp.estimators._regressor import BackpropMLPRegressor

__all__ = ["BackpropMLPClassifier", "BackpropMLPRegressor", "check_data", "fit_checked"]
