"""Multilayer perceptrons for scikit-learn whose training can be watched, recorded and learned."""

from sklearn_metabp.estimators import BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.training import DivergenceError
from sklearn_metabp.update_rules import SGD, Adam, UpdateRule

__all__ = [
    "SGD",
    "Adam",
    "BackpropMLPClassifier",
    "BackpropMLPRegressor",
    "DivergenceError",
    "UpdateRule",
]
