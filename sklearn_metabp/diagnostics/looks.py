"""Looks at single steps: the few numbers of a step that verdicts are made from."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_metabp.diagnostics.neurons import idle_neurons, saturation
from sklearn_metabp.diagnostics.patterns import PatternGradients, squares_by_tensor

# The variables of a step that a look needs.
NEEDS = ("params", "gradients", "updates", "activations", "derivatives", "deltas", "targets")
# Share of the largest slope below which a neuron is saturated.
SATURATED_BELOW = 0.1


@dataclass
class Look:
    """Numbers of one step.

    Attributes
    ----------
    index, epoch, n_patterns : int
    loss : float
    square, variance : float
        Squared norm of the gradient without the penalty, and the trace of the covariance of the
        gradients of patterns. The latter is NaN where it is not known.
    penalty : float
        Norm of the penalty's gradient over that of the rest.
    weight_norms, update_norms : ndarray of shape (n_tensors,)
    delta_sizes : ndarray of shape (n_layers,)
        Root mean square of the deltas of every layer after the input.
    idle : list of ndarray of bool of shape (n_neurons,)
        Hidden neurons without a slope, by layer.
    saturated : ndarray of shape (n_hidden_layers,)
        Share of neurons and patterns that are saturated; NaN where a layer cannot be.
    pull, cost : float
        Change of the loss of the next batch along the update: minus its linear part, and its
        quadratic part. NaN without a next step.
    cosine : float
        Cosine between the update and the next one.
    """

    index: int
    epoch: int
    n_patterns: int
    loss: float
    square: float
    variance: float
    penalty: float
    weight_norms: np.ndarray
    update_norms: np.ndarray
    delta_sizes: np.ndarray
    idle: list[np.ndarray]
    saturated: np.ndarray
    pull: float = np.nan
    cost: float = np.nan
    cosine: float = np.nan

    @property
    def length(self) -> float:
        """Length of the step over that to the minimum along it, which is alpha + 1.

        0 where the loss has no minimum along it, and below 0 where the step goes uphill.
        """
        if not np.isfinite([self.pull, self.cost]).all() or self.pull == 0:
            return np.nan
        return 0.0 if self.cost < 0 else 2 * self.cost / self.pull


def look_at(step: Any, *, knows_noise: bool) -> Look:
    """Compute the numbers of one step.

    Parameters
    ----------
    step : Step or recorded step
    knows_noise : bool
        Whether the gradients of its patterns add up to that of the batch.
    """
    layout = step.layout
    gradients = PatternGradients(step)
    data = gradients.data_gradient
    square = float(data @ data)
    penalty = float(np.linalg.norm(gradients.penalty_gradient))
    variance = float(gradients.variances().sum()) if knows_noise else np.nan
    return Look(
        index=int(step.index),
        epoch=int(step.epoch),
        n_patterns=gradients.n_patterns,
        loss=float(step.loss),
        square=square,
        variance=variance,
        penalty=penalty / np.sqrt(square) if square > 0 else np.inf if penalty > 0 else 0.0,
        weight_norms=np.sqrt(squares_by_tensor(layout, step.params)),
        update_norms=np.sqrt(squares_by_tensor(layout, step.updates)),
        delta_sizes=np.array([_size(deltas) for deltas in step.deltas]),
        idle=idle_neurons(step),
        saturated=np.array([share.mean() for share in saturation(step, SATURATED_BELOW)]),
    )


def _size(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))


# Least squares of a parabola along a step, from the change of the loss and its slopes at both ends.
_FIT = np.linalg.pinv(np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 2.0]]))


class PendingLook:
    """A look at a step that waits for the next step.

    The next batch is looked at from both ends of the step. The step does not depend on it, so its
    noise does not look like curvature, as that of the step's own batch would.

    Parameters
    ----------
    look : Look
    step : Step or recorded step
    """

    def __init__(self, look: Look, step: Any) -> None:
        self.look = look
        self._params = np.array(step.params)
        self._update = np.array(step.updates, np.float64)

    def complete(self, step: Any, probe: "Probe") -> None:
        """Fill in what the next step shows."""
        update = self._update
        self.look.cosine = _cosine(update, step.updates)
        probe.load(step)
        loss_before, gradient_before = probe.at(self._params)
        slope_before = float(gradient_before @ update)
        loss_after, gradient_after = probe.here()
        change = np.array([loss_after - loss_before, slope_before, gradient_after @ update])
        if np.isfinite(change).all():
            linear, quadratic = _FIT @ change
            self.look.pull, self.look.cost = -float(linear), float(quadratic)


class Probe:
    """Loss and gradient of a step's batch at other parameters, nothing dropped or weighted.

    Parameters
    ----------
    step : Step or recorded step
        The first one.
    """

    def __init__(self, step: Any) -> None:
        gradients = PatternGradients(step)
        self._is_plain = (
            step.network.dropout == 0 and gradients.is_complete and not gradients.is_weighted
        )
        self._params = np.zeros_like(step.params)
        self._gradients = np.zeros_like(step.params)
        self._network, self._max_batch = step.network, 0
        self._n = 0

    def load(self, step: Any) -> None:
        """Take the rows of a step's batch."""
        self._step = step
        self._n = step.n_patterns
        if self._n > self._max_batch:
            self._kernel = self._network.backprop(self._params, self._gradients, self._n)
            self._max_batch = self._n
        dtype = self._params.dtype
        self._kernel.load(
            np.ascontiguousarray(step.activations[0], dtype),
            np.ascontiguousarray(step.targets, dtype),
        )

    def at(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss of the batch and a buffer with its gradient."""
        self._params[...] = params
        return self._kernel.gradients(0, self._n), self._gradients

    def here(self) -> tuple[float, np.ndarray]:
        """Return the loss and its gradient at the parameters of the step.

        Without dropout and weights they are those of the step itself.
        """
        if self._is_plain:
            return float(self._step.loss), self._step.gradients
        return self.at(self._step.params)


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size > 0 else np.nan
