"""The passes behind the backward pass that a penalty of the input gradients takes, in NumPy."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sklearn_metabp._kernels.functions import InputGradientNorm


class InputGradientPasses(NamedTuple):
    """The results of the passes for one batch.

    Attributes
    ----------
    penalty : float
        Sum over the patterns of the norm of dJ_p/dx, times beta and the sample weights.
    changes : list of ndarray of shape (n, n_neurons)
        c of every layer but the last, the input first: the rates of the activations.
    delta_changes : list of ndarray of shape (n, n_neurons)
        Rates of the deltas of every layer after the input, times the sample weights: minus rho.
    """

    penalty: float
    changes: list[np.ndarray]
    delta_changes: list[np.ndarray]


def input_gradient_passes(
    norm: InputGradientNorm,
    beta: float,
    weights: Sequence[np.ndarray],
    deltas: Sequence[np.ndarray],
    slopes: Sequence[np.ndarray],
    curvatures: Sequence[np.ndarray | None],
    sample_weight: np.ndarray,
    output_changes: Callable[[np.ndarray], np.ndarray],
) -> InputGradientPasses:
    """Go forward on derivatives and back once more: S. Demyanov et al., arXiv:1502.04434.

    The penalty of a pattern is P = beta |g|, with g = dJ/dx. A change of the weights changes P by c
    times the change of g, where c = beta d|g|/dg. So the gradient of P is the rate of the gradient
    of J where the inputs have the rate c. Every value of both passes then has a rate, R of B. A.
    Pearlmutter, "Fast exact multiplication by the Hessian" (1994). With s = sum_h delta_h w_hi of
    rule (6):

        e^l = c^(l-1) W^l                         R of rule (1), without the biases
        c^l = e^l f'(in)
        R{delta^L} = -H e^L                       R of rule (5), with the Hessian H of the loss
        R{delta^l} = R{s} f'(in) + s f''(in) e^l  R of rule (6)

    Then R of rule (3) is the gradient: -R{delta} x - delta c for weights, -R{delta} for biases.

    Parameters
    ----------
    norm : InputGradientNorm
    beta : float
    weights : sequence of ndarray of shape (fan_in, n_neurons)
    deltas : sequence of ndarray of shape (n, n_neurons)
        By rules (5) and (6), of every layer after the input, times the sample weights.
    slopes : sequence of ndarray of shape (n, n_neurons)
        f'(in) of every hidden layer, after dropout.
    curvatures : sequence of ndarray of shape (n, n_neurons), or None
        f''(in) of every hidden layer, after dropout. None where it is 0 everywhere.
    sample_weight : ndarray of shape (n,)
    output_changes : callable
        ``output_changes(e)`` returns the rate of the output deltas, without the sample weights.
    """
    weight = sample_weight[:, None]
    pulled = deltas[0] @ weights[0].T  # -g times the sample weight
    gradients = -np.divide(pulled, weight, out=np.zeros_like(pulled), where=weight != 0)
    penalty = beta * float(norm.value(gradients) @ sample_weight.astype(float))
    changes, net_changes = [(beta * norm.slope(gradients)).astype(pulled.dtype)], []
    for layer, layer_weights in enumerate(weights):
        net_changes.append(changes[layer] @ layer_weights)
        if layer < len(slopes):
            changes.append(net_changes[layer] * slopes[layer])
    delta_changes = [output_changes(net_changes[-1]) * weight]
    for layer in reversed(range(len(slopes))):
        change = (delta_changes[0] @ weights[layer + 1].T) * slopes[layer]
        curvature = curvatures[layer]
        if curvature is not None:
            sent = deltas[layer + 1] @ weights[layer + 1].T
            change += sent * curvature * net_changes[layer]
        delta_changes.insert(0, change)
    return InputGradientPasses(penalty, changes, delta_changes)
