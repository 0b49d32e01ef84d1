"""Where training starts."""

from itertools import pairwise

import numpy as np

from sklearn_metabp.network.layout import ParameterLayout


def glorot_uniform(layout: ParameterLayout, activations: tuple[str, ...], rng) -> np.ndarray:
    """Weights and biases uniform in ±sqrt(c / (fan_in + fan_out)).

    c is 6, and 2 for logistic units: Glorot and Bengio (2010), as scikit-learn's MLP has it. The output
    layer has the c of the last hidden one. The
    numbers are drawn layer by layer, weights before biases, so that one ``random_state`` gives
    the start that scikit-learn's MLP has.

    Parameters
    ----------
    layout : ParameterLayout
    activations : tuple of str
        Activation function of every hidden layer.
    rng : numpy.random.RandomState

    Returns
    -------
    params : ndarray of shape (n_params,)
    """
    coefs, intercepts = [], []
    functions = (*activations, activations[-1] if activations else "identity")
    for function, (fan_in, fan_out) in zip(functions, pairwise(layout.layer_sizes), strict=True):
        bound = np.sqrt((2.0 if function == "logistic" else 6.0) / (fan_in + fan_out))
        coefs.append(rng.uniform(-bound, bound, (fan_in, fan_out)))
        intercepts.append(rng.uniform(-bound, bound, fan_out))
    return layout.flatten(coefs, intercepts)
