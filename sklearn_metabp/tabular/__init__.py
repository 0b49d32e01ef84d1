"""Estimators for tables of several types, with defaults that need no choice."""

from sklearn_metabp.tabular._classifier import TabularMLPClassifier
from sklearn_metabp.tabular._regressor import TabularMLPRegressor
from sklearn_metabp.tabular.recipe import InputRates

__all__ = ["InputRates", "TabularMLPClassifier", "TabularMLPRegressor"]
