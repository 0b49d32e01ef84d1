"""The best prediction that does not look at X: one number for every output unit."""

import numpy as np
from scipy.special import logit

from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp.network.layout import ParameterLayout
from sklearn_metabp.network.network import Network


def constant_biases(
    network: Network, targets: np.ndarray | SparseTargets, sample_weight=None
) -> np.ndarray:
    """Biases with which output units that get nothing else make the best constant prediction.

    The best output is the weighted mean of the targets for the squared error, the log-loss and the
    Poisson loss, the weighted median for the absolute error, and the point where the clipped errors
    add up to 0 for Huber's; softmax units have the mean under any loss. The bias is the inverse of
    the output activation: log-odds for logistic units, logarithms of the shares for softmax, half
    the log-odds of (1 + y) / 2 for tanh, the logarithm for exp.

    Parameters
    ----------
    network : Network
    targets : ndarray or SparseTargets of shape (n_samples, n_outputs)
    sample_weight : ndarray of shape (n_samples,), default=None
        Not negative, with a sum above 0.

    Returns
    -------
    biases : ndarray of shape (n_outputs,) of float64
        Finite. An output that the units reach only in the limit, such as a share of 0 or 1, counts
        as half a row's: a share of 1 / (2 n_samples), or one less that much.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp.network import Network, ParameterLayout, constant_biases
    >>> network = Network(ParameterLayout((4, 1)), (), "logistic", "log_loss")
    >>> constant_biases(network, np.array([[1.0], [1.0], [1.0], [0.0]])).round(4)  # log(3 / 1)
    array([1.0986])
    """
    if not isinstance(targets, SparseTargets):
        targets = np.asarray(targets, np.float64)
    weights = (
        np.ones(len(targets)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    )
    half_a_row = 0.5 / len(targets)
    if network.out_activation == "softmax":
        means = _means(targets, weights)
        return _log_shares(means, network.out_groups or (len(means),), half_a_row)
    location = _LOCATIONS.get(network.loss, _means)(targets, weights)
    return _INVERSES[network.out_activation](location, half_a_row)


def constant_loss(
    network: Network, targets: np.ndarray | SparseTargets, sample_weight=None
) -> float:
    """Mean loss of the best constant prediction, without penalty.

    Parameters
    ----------
    network : Network
    targets : ndarray or SparseTargets of shape (n_samples, n_outputs)
    sample_weight : ndarray of shape (n_samples,), default=None

    Returns
    -------
    loss : float
        That of a network of biases alone, computed by the same kernels in float64.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp.network import Network, ParameterLayout, constant_loss
    >>> network = Network(ParameterLayout((4, 1)), (), "identity", "squared_error")
    >>> constant_loss(network, np.array([[1.0], [3.0]]))  # half the variance
    0.5
    """
    layout = ParameterLayout((1, targets.shape[1]))
    biases = constant_biases(network, targets, sample_weight)
    params = layout.flatten([np.zeros((1, len(biases)))], [biases])
    alone = Network(layout, (), network.out_activation, network.loss, out_groups=network.out_groups)
    return alone.mean_loss(params, np.zeros((len(targets), 1)), targets, sample_weight)


def _means(targets, weights) -> np.ndarray:
    shares = weights / weights.sum()
    if isinstance(targets, SparseTargets):
        of_entries = np.repeat(shares, np.diff(targets.indptr))
        units = targets.neurons[targets.indptr[0] : targets.indptr[-1]]
        share_of_yes = np.bincount(units, of_entries, minlength=targets.shape[1])
        return targets.no + (targets.yes - targets.no) * share_of_yes
    with np.errstate(over="ignore"):
        return shares @ targets


def _medians(targets, weights) -> np.ndarray:
    """Lowest value with half the weight at or below it."""
    order = np.argsort(targets, axis=0, kind="stable")
    below = np.cumsum(weights[order], axis=0)
    return np.take_along_axis(targets, order, axis=0)[
        (below < below[-1] / 2).sum(axis=0), np.arange(targets.shape[1])
    ]


def _huber_centres(targets, weights) -> np.ndarray:
    """Zero of the sum of the errors clipped to [-1, 1], which falls piece by piece along straight lines."""
    return np.array([_huber_centre(column, weights) for column in targets.T])


def _huber_centre(column, weights) -> float:
    corners = np.concatenate([column - 1, column + 1])
    order = np.argsort(corners, kind="stable")
    corners = corners[order]
    slopes = np.cumsum(np.concatenate([weights, -weights])[order])[:-1]
    fallen = np.concatenate([[0.0], np.cumsum(slopes * np.diff(corners))])
    return float(
        np.interp(weights.sum(), fallen, corners)
    )  # from the sum of the weights, all at +1, to 0


_LOCATIONS = {"absolute_error": _medians, "huber": _huber_centres}


def _log_shares(location, groups, half_a_row) -> np.ndarray:
    shares = np.maximum(location, 0)
    shares = np.where(shares > 0, shares, half_a_row)
    parts = np.split(shares, np.cumsum(groups)[:-1])
    return np.concatenate([np.log(part / part.sum()) for part in parts])


def _log_odds(share, half_a_row) -> np.ndarray:
    nearly_all = 1 - 1e-12  # a sum of weights is rounded
    share = np.where(share <= 0, half_a_row, np.where(share >= nearly_all, 1 - half_a_row, share))
    return logit(share)


# Of an output activation: from its output to its net input.
_INVERSES = {
    "identity": lambda y, half_a_row: y,
    "logistic": _log_odds,
    "tanh": lambda y, half_a_row: _log_odds((1 + y) / 2, half_a_row) / 2,
    "exp": lambda y, half_a_row: np.log(np.where(y > 0, y, half_a_row)),
}
