"""Rules (2) and (5) in NumPy: losses and output deltas, written as the equations read; see ``reference``."""

from itertools import pairwise

import numpy as np
from scipy.special import logsumexp, softmax, xlogy

from sklearn_metabp._kernels.functions import DERIVATIVES


def _groups_of(array, groups):
    """Columns of every group, as views."""
    bounds = np.concatenate([[0], np.cumsum(groups)])
    return [array[:, start:stop] for start, stop in pairwise(bounds)]


def softmax_of_groups(net_inputs, groups):
    """Softmax over each group of units."""
    return np.hstack([softmax(part, axis=1) for part in _groups_of(net_inputs, groups)])


def output_rules(loss, function, net_outputs, outputs, targets, groups):
    """Rules (2) and (5): the loss of every pattern and the output deltas.

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
    parts = zip(_groups_of(pull, groups), _groups_of(outputs, groups), strict=True)
    deltas = [y * (p - (p * y).sum(axis=1, keepdims=True)) for p, y in parts]
    return losses.sum(axis=1), np.hstack(deltas)


def _softmax_log_loss(net_outputs, outputs, targets, groups):
    losses = np.zeros(len(targets), targets.dtype)
    deltas = np.empty_like(targets)
    nets, ys, ts = (_groups_of(array, groups) for array in (net_outputs, outputs, targets))
    for net, y, t, delta in zip(nets, ys, ts, _groups_of(deltas, groups), strict=True):
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
