"""Recorded trainings, and the gradient of every pattern of a step, formed one by one."""

import warnings
from dataclasses import replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_metabp import BackpropMLPClassifier, BackpropMLPRegressor, TraceRecorder

FIXED = {"n_iter_no_change": np.inf, "max_iter": 3, "random_state": 0}


def problem(seed=0, n=60, n_features=4, n_classes=3, dtype=np.float64):
    """Return rows, labels and numbers to predict."""
    random = np.random.RandomState(seed)
    X = random.normal(size=(n, n_features)).astype(dtype)
    scores = X @ random.normal(size=(n_features, n_classes)) + random.normal(size=(n, n_classes))
    return X, scores.argmax(axis=1), np.sin(scores[:, :2])


def record(model, X, y, variables="all", **fit):
    recorder = TraceRecorder(variables)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # trainings that go wrong are meant
        model.set_callbacks(recorder).fit(X, y, **fit)
    return recorder.trace_


def classifier(sizes=(5,), rule="adam", **params):
    return BackpropMLPClassifier(sizes, update_rule=rule, **{"batch_size": 16, **FIXED, **params})


def regressor(sizes=(5,), rule="adam", **params):
    return BackpropMLPRegressor(sizes, update_rule=rule, **{"batch_size": 16, **FIXED, **params})


def gradients_one_by_one(step, sample_weight=None):
    """Return the gradient of every pattern, (n_patterns, n_params), whose mean is the batch's.

    Every pattern goes through the network by itself.
    """
    layout, network, n = step.layout, step.network, step.n_patterns
    weight = np.ones(n) if sample_weight is None else np.asarray(sample_weight, float)
    params = np.array(step.params, np.float64)
    penalty = network.alpha * params
    penalty[layout.n_weights :] = 0
    rows = []
    for p in range(n):
        gradient = np.zeros_like(params)
        kernel = type(network)(
            replace(layout, dtype=params.dtype), network.activations, network.out_activation,
            network.loss, out_groups=network.out_groups, input_layer=network.input_layer,
        ).backprop(params, gradient, 1)  # fmt: skip
        kernel.load(
            np.array(step.activations[0][p : p + 1], np.float64),
            np.array(step.targets[p : p + 1], np.float64),
        )
        kernel.gradients(0, 1)
        rows.append((n * weight[p] * gradient + penalty) / weight.sum())
    return np.array(rows)


def gradients_as_products(step):
    """Return -x ⊗ δ of every pattern, for steps with dropout, without penalty and weights."""
    return np.array(
        [
            -np.concatenate(
                [
                    *(np.outer(x[p], d[p]).ravel() for x, d in zip(step.activations, step.deltas)),  # noqa: B905
                    *(d[p] for d in step.deltas),
                ]
            )
            for p in range(step.n_patterns)
        ]
    )
