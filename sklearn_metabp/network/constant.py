"""The best prediction that does not depend on X: one number for every output."""

from typing import Any

import numpy as np

from sklearn_metabp._kernels.functions import ACTIVATIONS, LOSSES, weighted_means
from sklearn_metabp._kernels.network import Backprop
from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp._kernels.recurrent import flat_targets
from sklearn_metabp.network.base import BaseNetwork
from sklearn_metabp.network.mean_loss import MeanLoss


def constant_biases(
    network: BaseNetwork,
    targets: np.ndarray | SparseTargets,
    sample_weight: Any = None,
) -> np.ndarray:
    """Return the biases with which an output layer without inputs predicts the best constant.

    The best output depends on the loss. It is the weighted mean of the targets for the squared
    error, and their weighted median for the absolute error. For softmax it is the weighted mean for
    every loss. The bias is the net input at which the output activation has this value.

    Parameters
    ----------
    network : BaseNetwork
    targets : ndarray or SparseTargets of shape (n_samples, n_outputs)
    sample_weight : ndarray of shape (n_samples,), default=None
        Not negative, with a sum above 0.

    Returns
    -------
    biases : ndarray of shape (n_outputs,) of float64
        Finite. A share of 0 or 1 is reached only in the limit. It is replaced by 1 / (2 n_samples),
        which is half a row, or by 1 minus this number.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp.network import Network, ParameterLayout, constant_biases
    >>> network = Network(ParameterLayout((4, 1)), (), "logistic", "log_loss")
    >>> targets = np.array([[1.0], [1.0], [1.0], [0.0]])
    >>> constant_biases(network, targets).round(4)  # log(3 / 1)
    array([1.0986])
    """
    targets, sample_weight = flat_targets(targets, sample_weight)
    if not isinstance(targets, SparseTargets):
        targets = np.asarray(targets, np.float64)
    weights = (
        np.ones(len(targets)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    )
    half_a_row = 0.5 / len(targets)
    activation = ACTIVATIONS[network.out_activation]
    if activation.sums_to_one:
        means = weighted_means(targets, weights)
        return _log_shares(means, network.out_groups or (len(means),), half_a_row)
    assert activation.inverse is not None
    best_constant = LOSSES[network.loss].best_constant
    if best_constant is not weighted_means:  # only means are computed from the stored values
        targets = np.asarray(targets, np.float64)
    outputs = best_constant(targets, weights)
    return activation.inverse(outputs, half_a_row)


def constant_loss(
    network: BaseNetwork,
    targets: np.ndarray | SparseTargets,
    sample_weight: np.ndarray | None = None,
) -> float:
    """Compute the mean loss of the best constant prediction, without penalty.

    Parameters
    ----------
    network : BaseNetwork
    targets : ndarray or SparseTargets of shape (n_samples, n_outputs)
    sample_weight : ndarray of shape (n_samples,), default=None

    Returns
    -------
    loss : float
        Loss of a network that has only biases, computed by the same kernels in float64.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp.network import Network, ParameterLayout, constant_loss
    >>> network = Network(ParameterLayout((4, 1)), (), "identity", "squared_error")
    >>> constant_loss(network, np.array([[1.0], [3.0]]))  # half the variance
    0.5
    """
    # one input, which is 0, with weights that are 0 too
    targets, sample_weight = flat_targets(targets, sample_weight)
    n_outputs, X = targets.shape[1], np.zeros((len(targets), 1))
    params = np.append(np.zeros(n_outputs), constant_biases(network, targets, sample_weight))

    def make_kernel(params: np.ndarray, gradients: Any, max_batch: int) -> Backprop:
        return Backprop(
            (1, n_outputs),
            (),
            network.out_activation,
            network.loss,
            params,
            gradients,
            max_batch=max_batch,
            out_groups=network.out_groups,
        )

    return MeanLoss(make_kernel, params, X, targets, sample_weight).compute()


def _log_shares(means: np.ndarray, groups: tuple[int, ...], half_a_row: float) -> np.ndarray:
    """Return logarithms of the means, as shares of the sum over their group."""
    shares = np.maximum(means, 0)
    shares = np.where(shares > 0, shares, half_a_row)
    parts = np.split(shares, np.cumsum(groups)[:-1])
    return np.concatenate([np.log(part / part.sum()) for part in parts])
