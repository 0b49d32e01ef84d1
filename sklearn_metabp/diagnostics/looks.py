"""Looks: the few numbers of a step that a diagnosis needs."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_metabp.diagnostics.patterns import squares_by_tensor
from sklearn_metabp.diagnostics.readers import Probe, Reader

# The variables of a step that a look needs.
NEEDS = ("params", "gradients", "updates", "activations", "derivatives", "deltas", "targets")


@dataclass
class Look:
    """Numbers of one step.

    Attributes
    ----------
    index, epoch : int
    n_patterns : int
        For a recurrent network, the number of sequences.
    loss, data_loss : float
        With the penalty and without it.
    square, variance : float
        Squared norm of the gradient without the penalty, and the trace of the covariance of the
        gradients of patterns, which is NaN if it is unknown.
    penalty : float
        Norm of the gradient of the penalty over that of the rest.
    weight_norms, update_norms : ndarray of shape (n_tensors,)
    delta_sizes : ndarray
        Root mean square of deltas, from the first layer to the last one. For a recurrent layer it
        is that of the first and the last time steps.
    idle : list of ndarray of bool of shape (n_neurons,)
        For each layer, the hidden neurons whose activation function has no slope.
    saturated : ndarray of shape (n_hidden_layers,)
        Share of neurons and patterns that are saturated, or NaN if the function has no limits.
    pull, cost : float
        Change of the loss of the next batch along the update: ``pull`` is minus the linear part,
        and ``cost`` the quadratic part. NaN without a next step.
    cosine : float
        Cosine between the update and the next one.
    predictions : tuple of ndarray or None
        Outputs and targets of some patterns, for a network whose rows are not kept.
    """

    index: int
    epoch: int
    n_patterns: int
    loss: float
    data_loss: float
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
    predictions: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def length(self) -> float:
        """Length of the step over that to the minimum along it, which is alpha + 1.

        It is 0 if the loss has no minimum along the step, and below 0 if the loss rises from the
        start of the step on.
        """
        if not np.isfinite([self.pull, self.cost]).all() or self.pull == 0:
            return np.nan
        return 0.0 if self.cost < 0 else 2 * self.cost / self.pull


def look_at(step: Any, reader: Reader) -> Look:
    """Compute the numbers of one step."""
    layout = step.layout
    gradient = reader.gradient(step)
    data = gradient.data_gradient
    square = float(data @ data)
    penalty = float(np.linalg.norm(gradient.penalty_gradient))
    return Look(
        index=int(step.index),
        epoch=int(step.epoch),
        n_patterns=reader.n_rows(step),
        loss=float(step.loss),
        data_loss=float(step.loss) - gradient.penalty,
        square=square,
        variance=reader.variance(gradient),
        penalty=penalty / np.sqrt(square) if square > 0 else np.inf if penalty > 0 else 0.0,
        weight_norms=np.sqrt(squares_by_tensor(layout, step.params)),
        update_norms=np.sqrt(squares_by_tensor(layout, step.updates)),
        delta_sizes=np.array([_size(deltas) for deltas in reader.deltas_on_the_way_back(step)]),
        idle=reader.idle(step),
        saturated=np.array([share.mean() for share in reader.saturation(step)]),
        predictions=reader.predictions(step),
    )


def _size(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))


# Least squares fit of a parabola along a step, to the change of the loss and both slopes.
_FIT = np.linalg.pinv(np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 2.0]]))


class PendingLook:
    """A look at a step that waits for the next step.

    The loss of the next batch is computed at both ends of the step. The step does not depend on
    this batch, so its noise is not mistaken for curvature, as the noise of its own batch would be.

    Parameters
    ----------
    look : Look
    step : Step or recorded step
    """

    def __init__(self, look: Look, step: Any) -> None:
        self.look = look
        self._params = np.array(step.params)
        self._gradients = np.array(step.gradients, np.float64)
        self._update = np.array(step.updates, np.float64)

    def complete(self, step: Any, probe: Probe | None) -> None:
        """Add the numbers that need the next step. Without a probe it is only the direction."""
        update = self._update
        self.look.cosine = _cosine(update, step.updates)
        if probe is None:
            return
        probe.load(step)
        loss_before, gradient_before = probe.at(self._params)
        if probe.tells_noise:
            difference = gradient_before - self._gradients
            self.look.variance = 0.5 * self.look.n_patterns * float(difference @ difference)
        slope_before = float(gradient_before @ update)
        loss_after, gradient_after = probe.here()
        probe.forget()
        change = np.array([loss_after - loss_before, slope_before, gradient_after @ update])
        if np.isfinite(change).all():
            linear, quadratic = _FIT @ change
            self.look.pull, self.look.cost = -float(linear), float(quadratic)


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size > 0 else np.nan
