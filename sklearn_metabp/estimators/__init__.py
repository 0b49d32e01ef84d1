"""The estimators: multilayer perceptrons with a pluggable update rule."""

from sklearn_metabp.estimators._autoencoder import BackpropAutoencoder
from sklearn_metabp.estimators._base import BaseBackprop, BaseBackpropMLP
from sklearn_metabp.estimators._callbacks import (
    CallbackSupportMixin,
    IterationListener,
    lend_callbacks,
)
from sklearn_metabp.estimators._checked import check_data, count_batches, fit_checked, trust_data
from sklearn_metabp.estimators._classifier import BackpropMLPClassifier
from sklearn_metabp.estimators._members import members_of
from sklearn_metabp.estimators._parameters import PARAMETERS_ELSEWHERE
from sklearn_metabp.estimators._recurrent_classifier import BackpropRNNClassifier
from sklearn_metabp.estimators._recurrent_regressor import BackpropRNNRegressor
from sklearn_metabp.estimators._refit import refit_on_all_rows
from sklearn_metabp.estimators._regressor import BackpropMLPRegressor
from sklearn_metabp.estimators._rows import FitData, check_rows
from sklearn_metabp.estimators._summary import LayerSummary, ModelSummary

__all__ = [
    "PARAMETERS_ELSEWHERE",
    "BackpropAutoencoder",
    "BackpropMLPClassifier",
    "BackpropMLPRegressor",
    "BackpropRNNClassifier",
    "BackpropRNNRegressor",
    "BaseBackprop",
    "BaseBackpropMLP",
    "CallbackSupportMixin",
    "FitData",
    "IterationListener",
    "LayerSummary",
    "ModelSummary",
    "check_data",
    "check_rows",
    "count_batches",
    "fit_checked",
    "lend_callbacks",
    "members_of",
    "refit_on_all_rows",
    "trust_data",
]
