"""The libraries that ``fit_speed.py`` compares, each doing the same work.

A side is a module with one function, ``prepare(work)``. It does what does not count: conversions,
models, compilation where it is possible beforehand. It returns a function without arguments that
makes one whole fit from the start weights and returns the trained weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp
from workloads import Workload

from sklearn_metabp import BackpropMLPClassifier
from sklearn_metabp.callbacks.base import Callback

Weights = list[tuple[np.ndarray, np.ndarray]]
"""Weights of shape (fan_in, fan_out) and biases of every layer."""


class Side(NamedTuple):
    """A library of the comparison.

    Attributes
    ----------
    library : str
        The module that a user imports.
    module : str
        The module with ``prepare``.
    takes_sparse : bool
        Whether it trains on CSR matrices. Others leave out the workloads with sparse rows.
    """

    library: str
    module: str
    takes_sparse: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether the library is there."""
        return find_spec(self.library) is not None

    def prepare(self, work: "Work") -> Callable[[], Weights]:
        """Import the library and return a function that fits."""
        return import_module(self.module).prepare(work)


SIDES = {
    "ours": Side("sklearn_metabp", "sides.ours", takes_sparse=True),
    "sklearn": Side("sklearn.neural_network", "sides.scikit_learn", takes_sparse=True),
    "jax": Side("jax", "sides.jax_whole_fit"),
    "torch": Side("torch", "sides.torch_eager"),
    "skorch": Side("skorch", "sides.skorch_net"),
    "keras": Side("keras", "sides.keras_model"),
}


class _FirstStep(Callback):
    """Callback that copies the start weights and the rows of every batch."""

    def __init__(self):
        self.start: Weights = []
        self.batches: list[np.ndarray] = []

    def on_step_end(self, estimator, context, step):
        if not self.start:
            layers = zip(step.coefs, step.intercepts, strict=True)
            self.start = [(coef.copy(), intercept.copy()) for coef, intercept in layers]
        order = step.rows.order
        batch = np.arange(step.start, step.stop)
        self.batches.append(batch if order is None else order[batch])


@dataclass(frozen=True)
class Work:
    """One workload in one precision, with all that makes two fits the same.

    Every side starts from ``start``, takes ``batches`` in their order, adds ``alpha / n_batch``
    times the weights, not the biases, to the gradient of the mean loss of the batch, and has
    Adam(0.001, 0.9, 0.999, 1e-8).
    """

    workload: Workload
    dtype: type
    alpha: float = 1e-4

    @cached_property
    def X(self):
        """Rows in the precision of the fit."""
        return self.workload.X.astype(self.dtype)

    @property
    def y(self) -> np.ndarray:
        """Classes from 0."""
        return self.workload.y

    @property
    def is_binary(self) -> bool:
        """Whether the network has one logistic output."""
        return self.workload.layer_sizes[-1] == 1

    @cached_property
    def _watched(self) -> _FirstStep:
        watch = _FirstStep()
        model = BackpropMLPClassifier(alpha=self.alpha, **self.workload.params())
        model.set_callbacks(watch).fit(self.X, self.y)
        return watch

    @property
    def start(self) -> Weights:
        """Weights and biases before the first step, as our estimator draws them."""
        return self._watched.start

    @property
    def batches(self) -> list[np.ndarray]:
        """Numbers of the rows of every batch of the training, as our estimator draws them."""
        return self._watched.batches

    def loss(self, weights: Weights) -> float:
        """Return the mean log loss of all rows, computed in float64."""
        outputs = self.workload.X
        for number, (coef, intercept) in enumerate(weights):
            hidden = np.maximum(outputs, 0) if number else outputs
            outputs = hidden @ np.asarray(coef, np.float64) + np.asarray(intercept, np.float64)
        if self.is_binary:
            sign = 2 * self.y - 1
            return float(np.logaddexp(0, -sign * outputs[:, 0]).mean())
        of_class = np.take_along_axis(outputs, self.y[:, None], axis=1)[:, 0]
        return float((logsumexp(outputs, axis=1) - of_class).mean())
