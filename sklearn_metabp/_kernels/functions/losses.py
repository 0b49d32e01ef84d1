"""The table of losses: a record holds all that depends on which one it is.

Rules (2) and (5) stand here in NumPy, the fallback of ``loss_loops_template.h``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import logsumexp, xlogy

from sklearn_metabp._kernels.functions.activations import (
    ACTIVATIONS,
    OUT_ACTIVATIONS,
    column_groups,
)

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class ErrorLoss:
    """A loss of one output as a function of the error e = t - y alone.

    Attributes
    ----------
    value : callable
        J(e).
    pull : callable
        Minus the derivative of J by the output y.
    curvature : callable
        Second derivative of J by y.
    """

    value: Function
    pull: Function
    curvature: Function


# Loss of every pattern, (n,), from net inputs, outputs and targets, each (n, n_outputs).
NetInputLoss = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def weighted_means(targets: Any, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of every column, of a matrix or of ``SparseTargets``."""
    shares = weights / weights.sum()
    if not isinstance(targets, np.ndarray):
        return targets.column_means(shares)
    with np.errstate(over="ignore"):
        return shares @ targets


def weighted_medians(targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return for every column the lowest value with half the weight at or below it."""
    order = np.argsort(targets, axis=0, kind="stable")
    below = np.cumsum(weights[order], axis=0)
    position = (below < below[-1] / 2).sum(axis=0)
    return np.take_along_axis(targets, order, axis=0)[position, np.arange(targets.shape[1])]


def huber_centres(targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return for every column the value at which the errors, clipped to [-1, 1], add up to 0."""
    return np.array([_huber_centre(column, weights) for column in targets.T])


def _huber_centre(column: np.ndarray, weights: np.ndarray) -> float:
    # The sum of the clipped errors is piecewise linear, with corners where an error is 1 or -1.
    corners = np.concatenate([column - 1, column + 1])
    order = np.argsort(corners, kind="stable")
    corners = corners[order]
    slopes = np.cumsum(np.concatenate([weights, -weights])[order])[:-1]
    fallen = np.concatenate([[0.0], np.cumsum(slopes * np.diff(corners))])
    # It starts at the sum of the weights, where all errors are clipped to 1.
    return float(np.interp(weights.sum(), fallen, corners))


@dataclass(frozen=True, eq=False)
class Loss:
    """One loss J, summed over the outputs of a pattern.

    A loss is either a function of the error, and then goes with every output activation. Or it is
    written in terms of the net inputs of the output layer, for some output activations. With these
    f' cancels, which leaves the output deltas t - y.

    Attributes
    ----------
    name : str
    code : int
        Number of the loss in ``layer_loops.h``.
    description : str
        The loss in words, as the docstrings of the estimators give it.
    of_error : ErrorLoss or None
        The loss as a function of the error.
    of_net_inputs : dict of str to callable
        The loss in terms of the net inputs, by output activation. It is computed within the groups
        of an activation whose outputs add up to 1. Empty if ``of_error`` is there.
    needs : str
        Reason why other output activations do not go with it.
    number_output : str or None
        Output activation that ``"auto"`` stands for in regression. None if the loss is not for
        numbers.
    class_output : str or None
        Output activation that ``"auto"`` stands for with three classes or more; with two, and for
        multilabel targets, it is logistic. None if the loss is not for classes.
    best_constant : callable
        ``best_constant(targets, weights)``, the output of every column that has the lowest weighted
        loss if it is the same for all patterns.
    lowest_target : float
        Targets must not be lower.
    target_kind : str
        Kind of targets that the loss is for, where there is a lowest one.
    names_elsewhere : tuple of str
        Names of the loss in other libraries, in lower case and without underscores.
    """

    name: str
    code: int
    description: str
    of_error: ErrorLoss | None = None
    of_net_inputs: Mapping[str, NetInputLoss] = field(default_factory=dict)
    needs: str = ""
    number_output: str | None = None
    class_output: str | None = None
    best_constant: Callable[[Any, np.ndarray], np.ndarray] = weighted_means
    lowest_target: float = -np.inf
    target_kind: str = ""
    names_elsewhere: tuple[str, ...] = ()

    def check_output(self, out_activation: str, *more: str, hint: str = "") -> None:
        """Raise ValueError unless the output activation goes with the loss.

        Parameters
        ----------
        out_activation : str
        *more : str
            Further values of the parameter that the message lists as possible.
        hint : str, default=""
            End of the message.
        """
        if self.of_error is not None or out_activation in self.of_net_inputs:
            return
        *first, last = map(repr, (*more, *self.of_net_inputs))
        choices = f"{', '.join(first)} or {last}" if first else last
        raise ValueError(
            f"loss={self.name!r} needs {self.needs}: out_activation must be {choices}, got "
            f"{out_activation!r}.{hint}"
        )

    def check_targets(self, targets: np.ndarray, name: str = "y") -> None:
        """Raise ValueError if a target is lower than the loss allows; they are called ``name``."""
        if targets.size and targets.min() < self.lowest_target:
            lowest = "negative" if self.lowest_target == 0 else f"below {self.lowest_target:g}"
            raise ValueError(
                f"loss={self.name!r} is for {self.target_kind}: {name} must not be {lowest}, its "
                f"lowest value is {targets.min():g}."
            )


def _logistic_log_loss(net: np.ndarray, y: np.ndarray, t: np.ndarray) -> np.ndarray:
    # -t log y - (1 - t) log(1 - y), written so that neither logarithm meets a zero.
    losses = np.maximum(net, 0) - t * net + np.log1p(np.exp(-np.abs(net)))
    return losses.sum(axis=1)


def _softmax_log_loss(net: np.ndarray, y: np.ndarray, t: np.ndarray) -> np.ndarray:
    # -sum_k t_k log y_k, with the logarithms taken before anything is divided
    shifted = net - net.max(axis=1, keepdims=True)
    return t.sum(axis=1) * logsumexp(shifted, axis=1) - (t * shifted).sum(axis=1)


def _poisson(net: np.ndarray, y: np.ndarray, t: np.ndarray) -> np.ndarray:
    # t log(t / y) - t + y, with y = e^in
    return (xlogy(t, t) - t * (net + 1) + y).sum(axis=1)


_TABLE = (
    Loss(
        "squared_error",
        code=0,
        description="half the square of the error",
        of_error=ErrorLoss(
            value=lambda e: 0.5 * e**2,
            pull=lambda e: e,
            curvature=np.ones_like,
        ),
        number_output="identity",
        class_output="logistic",
        names_elsewhere=("mse", "l2", "ls", "mseloss", "meansquarederror", "squaredloss"),
    ),
    Loss(
        "log_loss",
        code=1,
        description="minus the log-likelihood of the classes",
        of_net_inputs={"logistic": _logistic_log_loss, "softmax": _softmax_log_loss},
        needs="probabilities",
        class_output="softmax",
        names_elsewhere=(
            "crossentropy",
            "crossentropyloss",
            "binarycrossentropy",
            "categoricalcrossentropy",
            "sparsecategoricalcrossentropy",
            "bce",
            "bceloss",
            "bcewithlogitsloss",
            "deviance",
            "log",
            "nll",
        ),
    ),
    Loss(
        "absolute_error",
        code=2,
        description="the absolute value of the error",
        of_error=ErrorLoss(value=np.abs, pull=np.sign, curvature=np.zeros_like),
        number_output="identity",
        best_constant=weighted_medians,
        names_elsewhere=("mae", "l1", "l1loss", "lad", "meanabsoluteerror"),
    ),
    Loss(
        "huber",
        code=3,
        description="half the square of the error up to an error of 1, and linear beyond",
        of_error=ErrorLoss(
            value=lambda e: np.where(np.abs(e) <= 1, 0.5 * e**2, np.abs(e) - 0.5),
            pull=lambda e: np.clip(e, -1, 1),
            curvature=lambda e: (np.abs(e) <= 1).astype(e.dtype),
        ),
        number_output="identity",
        best_constant=huber_centres,
        names_elsewhere=("smoothl1", "smoothl1loss"),
    ),
    Loss(
        "poisson",
        code=4,
        description="half the Poisson deviance, for y of 0 and above",
        of_net_inputs={"exp": _poisson},
        needs="positive outputs",
        number_output="exp",
        lowest_target=0.0,
        target_kind="counts and rates",
        names_elsewhere=("poissonnllloss",),
    ),
)
LOSSES: dict[str, Loss] = {loss.name: loss for loss in _TABLE}

NUMBER_LOSSES = tuple(loss.name for loss in _TABLE if loss.number_output is not None)
CLASS_LOSSES = tuple(loss.name for loss in _TABLE if loss.class_output is not None)


def check_functions(
    activations: Sequence[str],
    out_activation: str,
    loss: str,
    n_layers: int,
    n_outputs: int,
    out_groups: Sequence[int] | None,
) -> None:
    """Raise ValueError unless the names are known, one per hidden layer, and go together.

    ``n_layers`` counts the hidden layers and the output layer.
    """
    if isinstance(activations, str) or len(activations) != n_layers - 1:
        raise ValueError(
            f"activations must be one name per hidden layer, of which there are {n_layers - 1}; "
            f"got {activations!r}."
        )
    hidden = [one.name for one in ACTIVATIONS.values() if one.is_hidden]
    for name in activations:
        if name not in hidden:
            raise ValueError(f"unknown activation function {name!r}: there are {hidden}.")
    if out_activation not in ACTIVATIONS or not ACTIVATIONS[out_activation].is_output:
        raise ValueError(
            f"unknown activation function {out_activation!r} of the output layer: there are "
            f"{list(OUT_ACTIVATIONS)}."
        )
    if loss not in LOSSES:
        raise ValueError(f"unknown loss {loss!r}: there are {list(LOSSES)}.")
    LOSSES[loss].check_output(out_activation)
    if out_groups is None:
        return
    if not ACTIVATIONS[out_activation].sums_to_one:
        raise ValueError(f"out_groups need out_activation='softmax', got {out_activation!r}.")
    if not out_groups or min(out_groups) < 1 or sum(out_groups) != n_outputs:
        raise ValueError(
            f"out_groups must be widths of 1 or more that add up to the {n_outputs} outputs, got "
            f"{out_groups}."
        )


def output_rules(
    loss: str,
    out_activation: str,
    net_inputs: np.ndarray,
    outputs: np.ndarray,
    targets: np.ndarray,
    groups: Sequence[int],
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the loss of every pattern and the output deltas: rules (2) and (5).

    Parameters
    ----------
    loss, out_activation : str
    net_inputs, outputs, targets : ndarray of shape (n, n_outputs)
        Values of the output layer.
    groups : tuple of int
        Widths of the groups that softmax is taken over.

    Returns
    -------
    losses : ndarray of shape (n,)
    deltas : ndarray of shape (n, n_outputs)
    """
    rule = LOSSES[loss]
    if rule.of_error is not None:
        errors = targets - outputs
        losses = rule.of_error.value(errors).sum(axis=1)
        return losses, _times_slope(out_activation, rule.of_error.pull(errors), outputs, groups)
    losses_of = rule.of_net_inputs[out_activation]
    if not ACTIVATIONS[out_activation].sums_to_one:
        return losses_of(net_inputs, outputs, targets), targets - outputs
    losses = np.zeros(len(targets), targets.dtype)
    deltas = np.empty_like(targets)
    parts = (column_groups(array, groups) for array in (net_inputs, outputs, targets, deltas))
    for net, y, t, delta in zip(*parts, strict=True):
        losses += losses_of(net, y, t)
        delta[...] = t - t.sum(axis=1)[:, None] * y  # targets of a group may not add up to 1
    return losses, deltas


def _times_slope(
    out_activation: str, pull: np.ndarray, outputs: np.ndarray, groups: Sequence[int]
) -> np.ndarray:
    """Multiply by the derivative of the output activation, a matrix within a group of softmax."""
    activation = ACTIVATIONS[out_activation]
    if not activation.sums_to_one:
        return pull * activation.derivative(outputs)
    parts = zip(column_groups(pull, groups), column_groups(outputs, groups), strict=True)
    return np.hstack([y * (p - (p * y).sum(axis=1, keepdims=True)) for p, y in parts])


def output_delta_changes(
    loss: str,
    out_activation: str,
    net_inputs: np.ndarray,
    outputs: np.ndarray,
    targets: np.ndarray,
    net_changes: np.ndarray,
    groups: Sequence[int],
) -> np.ndarray:
    """Compute the rate of the output deltas where the net inputs have the rate ``net_changes``.

    This is minus the product of the Hessian of a pattern's loss by the net inputs and their rate.

    Parameters
    ----------
    loss, out_activation : str
    net_inputs, outputs, targets, net_changes : ndarray of shape (n, n_outputs)
        Values of the output layer.
    groups : tuple of int
        Widths of the groups that softmax is taken over.

    Returns
    -------
    changes : ndarray of shape (n, n_outputs)
    """
    rule, activation = LOSSES[loss], ACTIVATIONS[out_activation]
    changes = _times_slope(out_activation, net_changes, outputs, groups)  # of the outputs
    if rule.of_error is None:
        if not activation.sums_to_one:
            return -changes
        parts = zip(column_groups(changes, groups), column_groups(targets, groups), strict=True)
        return np.hstack([-t.sum(axis=1)[:, None] * change for change, t in parts])
    errors = targets - outputs
    pull = rule.of_error.pull(errors)
    through_loss = _times_slope(
        out_activation, -rule.of_error.curvature(errors) * changes, outputs, groups
    )
    if not activation.sums_to_one:
        assert activation.curvature is not None
        return through_loss + pull * activation.curvature(net_inputs) * net_changes
    of_groups = (column_groups(array, groups) for array in (pull, outputs, changes))
    through_slope = [
        change * (p - (p * y).sum(axis=1)[:, None]) - y * (p * change).sum(axis=1)[:, None]
        for p, y, change in zip(*of_groups, strict=True)
    ]
    return through_loss + np.hstack(through_slope)
