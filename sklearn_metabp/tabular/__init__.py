"""Estimators for tables as people have them, with nothing to choose."""

from sklearn_metabp.tabular._classifier import TabularMLPClassifier
from sklearn_metabp.tabular._regressor import TabularMLPRegressor
from sklearn_metabp.tabular.recipe import InputRates

__all__ = ["InputRates", "TabularMLPClassifier", "TabularMLPRegressor"]
