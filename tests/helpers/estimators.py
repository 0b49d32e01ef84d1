"""Estimators and data for them, as a table of cases."""

import numpy as np
from sklearn.base import is_classifier

from helpers.data import classes, numbers
from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, BackpropMLPRegressor

# Pairs of an estimator and the kind of its targets.
CASES = [
    (BackpropMLPClassifier, "binary"),
    (BackpropMLPClassifier, "multiclass"),
    (BackpropMLPClassifier, "multilabel"),
    (BackpropMLPClassifier, "strings"),
    (BackpropMLPRegressor, "one output"),
    (BackpropMLPRegressor, "three outputs"),
]
RULES = [SGD(0.1), SGD(0.05, 0.9), SGD(0.05, 0.9, nesterov=True), Adam(0.01)]


def data(kind, **options):
    if kind.endswith("output"):
        return numbers(1, **options)
    return numbers(3, **options) if kind.endswith("outputs") else classes(kind, **options)


def make(case, **setting):
    return case[0](
        **(
            {"hidden_layer_sizes": (6,), "max_iter": 4, "batch_size": 16, "random_state": 0}
            | setting
        )
    )


def all_classes(case, y):
    return {"classes": np.unique(y)} if is_classifier(make(case)) and y.ndim == 1 else {}
