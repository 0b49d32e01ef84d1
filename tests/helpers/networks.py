"""Networks as tables of cases, and what they compute, written from the definitions."""

from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
OUTPUTS = (
    ("squared_error", "identity"),
    ("squared_error", "logistic"),
    ("squared_error", "tanh"),
    ("squared_error", "relu"),
    ("squared_error", "softmax"),
    ("log_loss", "logistic"),
    ("log_loss", "softmax"),
)
# Every activation x loss x output activation that goes together.
FUNCTIONS = [(activation, loss, out) for activation, (loss, out) in product(ACTIVATIONS, OUTPUTS)]

TOLERANCES = {np.float64: 1e-12, np.float32: 1e-5}

LONG_FUNCTIONS = {
    "identity": lambda z: z,
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.where(z > 0, z, 0),
    "softmax": lambda z: (
        np.exp(z - z.max(axis=1, keepdims=True))
        / np.exp(z - z.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True)
    ),
}


@dataclass(frozen=True)
class Problem:
    """A network with its weights and the rows to train on, in long doubles."""

    layer_sizes: tuple
    activation: str
    loss: str
    out_activation: str
    params: np.ndarray
    X: np.ndarray
    targets: np.ndarray
    sample_weight: np.ndarray
    alpha: float

    def arrays(self, dtype):
        """Parameters, X, targets and sample weights in one dtype."""
        return [a.astype(dtype) for a in (self.params, self.X, self.targets, self.sample_weight)]

    def backprop(self, kernels, dtype=np.float64, *, order=None, weighted=True, max_batch=None):
        """The kernel, loaded, with gradients that are NaN until it writes them."""
        params, X, targets, sample_weight = self.arrays(dtype)
        backprop = kernels.Backprop(
            self.layer_sizes,
            self.activation,
            self.out_activation,
            self.loss,
            params,
            np.full_like(params, np.nan),
            max_batch=max_batch or len(X),
            alpha=self.alpha,
        )
        backprop.load(X, targets, sample_weight if weighted else None, order)
        return backprop


def make_problem(
    layer_sizes, activation, loss, out_activation, *, n=9, seed=0, scale=1.0, alpha=0.3
) -> Problem:
    """A random problem; no relu unit is so near its kink that a small change crosses it."""
    rng = np.random.default_rng([seed, n, *layer_sizes])
    n_params = sum((a + 1) * b for a, b in pairwise(layer_sizes))
    for _ in range(100):
        params = rng.standard_normal(n_params) / np.sqrt(max(layer_sizes[:-1]))
        X = scale * rng.standard_normal((n, layer_sizes[0]))
        targets = rng.uniform(0, 1, (n, layer_sizes[-1]))
        sample_weight = rng.uniform(0.5, 2, n)
        sample_weight[0] = 0 if n > 2 else 1
        problem = Problem(
            tuple(layer_sizes),
            activation,
            loss,
            out_activation,
            *(a.astype(np.longdouble) for a in (params, X, targets, sample_weight)),
            alpha,
        )
        if "relu" not in (activation, out_activation) or n * max(layer_sizes) > 500:
            return problem
        if min(np.abs(net).min() for net in net_inputs(problem, problem.params)) > 1e-3:
            return problem
    raise AssertionError("no problem whose relu units stay clear of their kinks")


def split(params, layer_sizes):
    """Weight matrices and bias vectors of a flat vector, cut one after another."""
    pairs = list(pairwise(layer_sizes))
    weights, biases, start = [], [], 0
    for a, b in pairs:
        weights.append(params[start : start + a * b].reshape(a, b))
        start += a * b
    for _, b in pairs:
        biases.append(params[start : start + b])
        start += b
    assert start == len(params)
    return weights, biases


def net_inputs(problem, params):
    """Rule (1) for every layer after the input."""
    nets, x = [], problem.X
    weights, biases = split(params, problem.layer_sizes)
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True), start=1):
        nets.append(x @ w + b)
        hidden = layer < len(weights)
        x = LONG_FUNCTIONS[problem.activation if hidden else problem.out_activation](nets[-1])
    return nets


def loss_by_definition(problem, params, rows=slice(None), weighted=True):
    """Weighted mean of the patterns' losses plus the penalty, from the definitions."""
    y = LONG_FUNCTIONS[problem.out_activation](net_inputs(problem, params)[-1])[rows]
    t = problem.targets[rows]
    sample_weight = problem.sample_weight[rows] if weighted else np.ones(len(t), np.longdouble)
    if problem.loss == "squared_error":
        losses = ((t - y) ** 2).sum(axis=1) / 2
    elif problem.out_activation == "softmax":
        losses = -(t * np.log(y)).sum(axis=1)
    else:
        losses = -(t * np.log(y) + (1 - t) * np.log(1 - y)).sum(axis=1)
    weights, _ = split(params, problem.layer_sizes)
    penalty = problem.alpha / 2 * sum((w**2).sum() for w in weights)
    return ((losses * sample_weight).sum() + penalty) / sample_weight.sum()


def central_differences(problem, rows=slice(None), weighted=True, h=1e-5):
    """Gradient of the defined loss, one parameter at a time."""
    gradients = np.empty(len(problem.params))
    for i in range(len(gradients)):
        ahead, behind = problem.params.copy(), problem.params.copy()
        ahead[i] += h
        behind[i] -= h
        rise = loss_by_definition(problem, ahead, rows, weighted)
        rise -= loss_by_definition(problem, behind, rows, weighted)
        gradients[i] = rise / (2 * h)
    return gradients


def assert_near(actual, expected, tolerance, what="array", least=0.0):
    """Equal up to a share of the largest expected magnitude; NaN and infinity where expected.

    ``least`` is the magnitude of the terms where they cancel, so that less is left of them.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, what
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(actual[~finite], expected[~finite], err_msg=what)
    if not finite.any():
        return
    error = np.abs(actual[finite].astype(float) - expected[finite].astype(float)).max()
    largest = max(np.abs(expected[finite]).max(), least, np.finfo(expected.dtype).tiny)
    assert error <= tolerance * largest, (
        f"{what}: off by {error / largest:.2g} of the largest value, {tolerance:g} allowed"
    )
