"""Rules (2) and (5) in NumPy: losses and output deltas, written as the equations read."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.special import logsumexp, softmax, xlogy

from sklearn_metabp._kernels.functions import DERIVATIVES


def _split_groups(array: np.ndarray, groups: Sequence[int]) -> list[np.ndarray]:
    """Return the columns of every group, as views."""
    bounds = np.concatenate([[0], np.cumsum(groups)])
    return [array[:, start:stop] for start, stop in pairwise(bounds)]


def softmax_of_groups(net_inputs: np.ndarray, groups: Sequence[int]) -> np.ndarray:
    """Return the softmax over each group of neurons."""
    return np.hstack([softmax(part, axis=1) for part in _split_groups(net_inputs, groups)])


def output_rules(
    loss: str,
    function: str,
    net_outputs: np.ndarray,
    outputs: np.ndarray,
    targets: np.ndarray,
    groups: Sequence[int],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the loss of every pattern, rule (2), and the output deltas, rule (5).

    Parameters
    ----------
    loss, function : str
        Loss, and activation function of the output layer.
    net_outputs, outputs, targets : ndarray of shape (n, n_outputs)
    groups : tuple of int
        Widths of the groups that softmax is taken over.

    Returns
    -------
    losses : ndarray of shape (n,)
    deltas : ndarray of shape (n, n_outputs)
    """
    if loss == "log_loss" and function == "softmax":
        return _softmax_log_loss(net_outputs, outputs, targets, groups)
    if loss == "log_loss":
        # -t log y - (1 - t) log(1 - y), written so that neither logarithm meets a zero.
        losses = (
            np.maximum(net_outputs, 0)
            - targets * net_outputs
            + np.log1p(np.exp(-np.abs(net_outputs)))
        )
        return losses.sum(axis=1), targets - outputs
    if loss == "poisson":  # t log(t / y) - t + y, with y = e^in
        losses = xlogy(targets, targets) - targets * (net_outputs + 1) + outputs
        return losses.sum(axis=1), targets - outputs
    losses, pull = _REGRESSION[loss](targets - outputs)
    if function != "softmax":
        return losses.sum(axis=1), pull * DERIVATIVES[function](outputs)
    parts = zip(_split_groups(pull, groups), _split_groups(outputs, groups), strict=True)
    deltas = [y * (p - (p * y).sum(axis=1, keepdims=True)) for p, y in parts]
    return losses.sum(axis=1), np.hstack(deltas)


def _softmax_log_loss(
    net_outputs: np.ndarray, outputs: np.ndarray, targets: np.ndarray, groups: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    losses = np.zeros(len(targets), targets.dtype)
    deltas = np.empty_like(targets)
    nets, ys, ts = (_split_groups(array, groups) for array in (net_outputs, outputs, targets))
    for net, y, t, delta in zip(nets, ys, ts, _split_groups(deltas, groups), strict=True):
        mass = t.sum(axis=1)
        shifted = net - net.max(axis=1, keepdims=True)
        losses += mass * logsumexp(shifted, axis=1) - (t * shifted).sum(axis=1)
        delta[...] = t - mass[:, None] * y
    return losses, deltas


# Of the error e = t - y: the loss, and minus its derivative by y.
_REGRESSION = {
    "squared_error": lambda e: (0.5 * e**2, e),
    "absolute_error": lambda e: (np.abs(e), np.sign(e)),
    "huber": lambda e: (np.where(np.abs(e) <= 1, 0.5 * e**2, np.abs(e) - 0.5), np.clip(e, -1, 1)),
}
