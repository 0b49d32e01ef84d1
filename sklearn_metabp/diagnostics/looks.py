"""Looks at single steps: the few numbers of a step that verdicts are made from."""

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
        Of a recurrent network, the sequences.
    loss, data_loss : float
        With the penalty and without it.
    square, variance : float
        Squared norm of the gradient without the penalty, and the trace of the covariance of the
        gradients of patterns. The latter is NaN where it is not known.
    penalty : float
        Norm of the penalty's gradient over that of the rest.
    weight_norms, update_norms : ndarray of shape (n_tensors,)
    delta_sizes : ndarray
        Root mean square of deltas, from the last place of the way back to the first: of every layer
        after the input, or of a recurrent layer at the first and the last time steps.
    idle : list of ndarray of bool of shape (n_neurons,)
        Hidden neurons without a slope, by layer.
    saturated : ndarray of shape (n_hidden_layers,)
        Share of neurons and patterns that are saturated; NaN where a layer cannot be.
    pull, cost : float
        Change of the loss of the next batch along the update: minus its linear part, and its
        quadratic part. NaN without a next step.
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

        0 where the loss has no minimum along it, and below 0 where the step goes uphill.
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
        self._gradients = np.array(step.gradients, np.float64)
        self._update = np.array(step.updates, np.float64)

    def complete(self, step: Any, probe: Probe | None) -> None:
        """Fill in what the next step shows. Without a probe it is the direction alone."""
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
