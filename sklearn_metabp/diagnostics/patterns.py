r"""The gradients of the patterns of a batch, as pairs of factors.

The loss of a batch is :math:`J = (\sum_p s_p J_p + \frac{\alpha}{2} \sum w^2) / S` with the sample
weights :math:`s_p`, which are 1 by default, and their sum :math:`S`. A recorded delta is
:math:`\delta_p = -s_p\, \partial J_p / \partial in`. By rule (3) of Jakša and Katrák (2006) the
gradient of a batch of n patterns is the mean of n gradients

.. math::
    g_p = -\frac{n}{S}\, x_p \otimes \delta_p + \frac{\alpha}{S} w

for a weight matrix between activations :math:`x` and net inputs, and
:math:`g_p = -\frac{n}{S}\, \delta_p` for biases. The penalty adds the same to every :math:`g_p`. An
outer product has these properties, so no :math:`g_p` must be computed:

.. math::
    |x \otimes \delta|^2 = |x|^2 |\delta|^2, \qquad
    \langle x \otimes \delta, V \rangle = (x V) \cdot \delta, \qquad
    \sum_p (x_p \otimes \delta_p)^2 = (X^2)^\top D^2

The squares are elementwise. The rows of X and D are the activations and deltas.
"""

from functools import cached_property
from typing import Any

import numpy as np

from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp.network import Network, mixes_of

# The variables of a step that the gradients of its patterns need.
NEEDS = ("params", "gradients", "activations", "deltas")

# The gradient of the batch and the mean over its patterns differ only by rounding. A difference
# above this share of the gradient comes from a term of the loss that the factors do not contain.
_ROUNDING = {np.dtype(np.float64): 1e-6, np.dtype(np.float32): 1e-2}


class BatchGradient:
    """The gradient of one step, in two parts, for every network.

    Parameters
    ----------
    step : Step or recorded step
        Has ``params``, ``gradients`` and ``deltas``.
    n_rows : int
        Number of rows of the batch.

    Attributes
    ----------
    penalty_gradient : ndarray of shape (n_params,)
        The gradient of the penalty.
    penalty : float
        The penalty in the loss.
    data_gradient : ndarray of shape (n_params,)
        The rest of the gradient.
    """

    def __init__(self, step: Any, n_rows: int) -> None:
        self._layout = step.layout
        self._dtype = step.gradients.dtype
        self._gradients = np.asarray(step.gradients, np.float64)
        self._deltas = [np.asarray(deltas, np.float64) for deltas in step.deltas]
        self._n_rows = n_rows
        weights = np.asarray(step.params[: self._layout.n_weights], np.float64)
        self.penalty_gradient = np.zeros_like(self._gradients)
        self.penalty_gradient[: len(weights)] = step.network.alpha / self._total * weights
        self.penalty = 0.5 * step.network.alpha / self._total * float(weights @ weights)
        self.data_gradient = self._gradients - self.penalty_gradient

    @cached_property
    def _total(self) -> float:
        """Sum S of the sample weights, from the biases: their gradients are -sum(δ) / S.

        It is n if it differs from n only by rounding.
        """
        n = self._n_rows
        sums = np.concatenate([deltas.sum(axis=0) for deltas in self._deltas])
        first, layout = self._layout.n_weights, self._layout
        biases = self._gradients[first : first + layout.n_biases]
        square = float(biases @ biases)
        if square == 0:
            return float(n)
        total = -float(sums @ biases) / square
        sizes = np.concatenate([np.abs(deltas).sum(axis=0) for deltas in self._deltas])
        rounding = 64 * np.finfo(self._dtype).eps * np.linalg.norm(sizes) / np.sqrt(square)
        return total if abs(total - n) > rounding and total > 0 else float(n)


class PatternGradients(BatchGradient):
    """Gradients of the loss of every pattern of one step.

    Parameters
    ----------
    step : Step or recorded step
        Has ``params``, ``gradients``, ``activations`` and ``deltas``.

    Attributes
    ----------
    n_patterns : int

    Raises
    ------
    TypeError
        If the layers of the network do not follow each other.
    """

    def __init__(self, step: Any) -> None:
        if type(step.network) is not Network:
            raise TypeError(
                "this quantity needs a network whose layers follow each other, so that the "
                f"gradient of a pattern is an outer product; got {type(step.network).__name__}."
            )
        layer, layout = step.network.input_layer, step.layout
        self.n_patterns = len(step.deltas[-1])
        self._inputs = [np.asarray(x, np.float64) for x in step.activations[:-1]]
        super().__init__(step, self.n_patterns)
        pulls = [np.zeros((self.n_patterns, 0))]  # minus the gradients of the extras
        params = np.asarray(step.params, np.float64)
        if layer is not None:
            start = layout.dense.n_params
            X, extras = self._inputs[0], params[start : start + layer.n_params]
            self._inputs[0] = layer.embed(X, extras)
            received = self._deltas[0] @ layout.coefs(params)[0].T
            pulls.append(layer.pulls(X, received, extras))
        for number in step.network.parametric_layers:
            pulls.append(self._pulls_of_mixes(step.network, number, params))
        self._pulls = np.hstack(pulls)

    def _pulls_of_mixes(self, network: Network, number: int, params: np.ndarray) -> np.ndarray:
        """Return (f(in) - in) sum_h delta_h w_hi of a layer, times the factors of dropout."""
        coefs, intercepts = self._layout.coefs(params), self._layout.intercepts(params)
        net_inputs = self._inputs[number] @ coefs[number] + intercepts[number]
        gaps = ACTIVATIONS[network.activations[number]].function(net_inputs) - net_inputs
        name = mixes_of(number, net_inputs.shape[1]).name
        kept = net_inputs + self._layout.extras_of(params)[name] * gaps
        factors = np.ones_like(kept)
        np.divide(self._inputs[number + 1], kept, out=factors, where=kept != 0)
        return factors * gaps * (self._deltas[number + 1] @ coefs[number + 1].T)

    @cached_property
    def mismatch(self) -> float:
        """Distance of the mean over the patterns from the gradient, as a share of the larger.

        It is 0 if the distance is not larger than the rounding of a sum over the patterns.
        """
        summed = self._layout_flat(
            [x.T @ deltas for x, deltas in zip(self._inputs, self._deltas, strict=True)],
            [deltas.sum(axis=0) for deltas in self._deltas],
            self._pulls.sum(axis=0),
        )
        mean = -summed / self._total
        distance = float(np.linalg.norm(self.data_gradient - mean))
        typical = float(np.sqrt(self.squared_norms().sum(axis=1)).mean())
        if distance <= 64 * np.finfo(self._dtype).eps * typical:
            return 0.0
        return distance / float(max(np.linalg.norm(self.data_gradient), np.linalg.norm(mean)))

    @property
    def is_weighted(self) -> bool:
        """True if the patterns have sample weights."""
        return self._total != self.n_patterns

    @property
    def is_complete(self) -> bool:
        """True if the gradients of the patterns add up to that of the batch."""
        return self.mismatch <= _ROUNDING[self._dtype]

    def check(self) -> None:
        """Raise ValueError if the loss has a term that the factors do not contain."""
        if not self.is_complete:
            raise ValueError(
                "the gradients of the patterns do not add up to the gradient of the batch: they "
                f"differ by {self.mismatch:.2g} of it. The loss has a term that is not a function "
                "of activations and deltas, or they are not those of the weights that were "
                "recorded."
            )

    def _layout_flat(
        self, matrices: list[np.ndarray], vectors: list[np.ndarray], extras: np.ndarray
    ) -> np.ndarray:
        return np.concatenate([array.ravel() for array in (*matrices, *vectors, extras)])

    @cached_property
    def _squares(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """|x|² and |δ|² of every layer and pattern."""
        return (
            [np.einsum("ij,ij->i", x, x) for x in self._inputs],
            [np.einsum("ij,ij->i", deltas, deltas) for deltas in self._deltas],
        )

    def squared_norms(self) -> np.ndarray:
        """Return |g_p|² without the penalty, by pattern and tensor, (n_patterns, n_tensors)."""
        of_inputs, of_deltas = self._squares
        by_tensor = [x * deltas for x, deltas in zip(of_inputs, of_deltas, strict=True)]
        scale = self.n_patterns / self._total
        start = self._layout.dense.n_params
        of_extras = [
            (self._pulls[:, t.slice.start - start : t.slice.stop - start] ** 2).sum(axis=1)
            for t in self._layout.tensors
            if t.is_extra
        ]
        return scale**2 * np.stack([*by_tensor, *of_deltas, *of_extras], axis=1)

    def products(self, vector: np.ndarray) -> np.ndarray:
        """Return the inner product of every g_p, penalty included, with a vector, (n_patterns,)."""
        vector = np.asarray(vector, np.float64)
        total = np.zeros(self.n_patterns)
        layers = zip(
            self._inputs,
            self._deltas,
            self._layout.coefs(vector),
            self._layout.intercepts(vector),
            strict=True,
        )
        for x, deltas, by_weights, by_biases in layers:
            total -= np.einsum("ij,ij->i", x @ by_weights + by_biases, deltas)
        total -= self._pulls @ vector[self._layout.dense.n_params :]
        return self.n_patterns / self._total * total + self.penalty_gradient @ vector

    def second_moments(self) -> np.ndarray:
        """Return the mean over the patterns of g_p² without the penalty, (n_params,)."""
        squared = self._layout_flat(
            [(x**2).T @ deltas**2 for x, deltas in zip(self._inputs, self._deltas, strict=True)],
            [(deltas**2).sum(axis=0) for deltas in self._deltas],
            (self._pulls**2).sum(axis=0),
        )
        return self.n_patterns / self._total**2 * squared

    def variances(self) -> np.ndarray:
        """Return the summed variance of the g_p of every tensor, (n_tensors,).

        It is the unbiased trace of the covariance, divided by n - 1. NaN for one pattern.
        """
        n = self.n_patterns
        if n < 2:
            return np.full(len(self._layout.tensors), np.nan)
        means = squares_by_tensor(self._layout, self.data_gradient)
        spread = self.squared_norms().mean(axis=0) - means
        return np.maximum(spread, 0.0) * n / (n - 1)


def squares_by_tensor(layout: Any, flat: np.ndarray) -> np.ndarray:
    """Return the sum of squares of every weight matrix and bias vector, (n_tensors,)."""
    flat = np.asarray(flat, np.float64)
    starts = [tensor.slice.start for tensor in layout.tensors]
    return np.add.reduceat(flat * flat, starts)


def pattern_gradients(step: Any) -> PatternGradients:
    """Return the gradients of the patterns of a step, after a check that they are complete.

    Raises
    ------
    TypeError, ValueError
        If the gradients of this network or loss have no factors.
    """
    gradients = PatternGradients(step)
    gradients.check()
    return gradients
