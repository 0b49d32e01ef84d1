"""Networks as tables of cases, and oracles of their results, written from the definitions."""

from dataclasses import dataclass, replace
from itertools import pairwise, product

import numpy as np

from sklearn_metabp._kernels.network.dropout_fallback import dropout_factors

ACTIVATIONS = (
    "identity",
    "logistic",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "softplus",
)
REGRESSION = ("squared_error", "absolute_error", "huber")
OUTPUTS = (
    *product(REGRESSION, ("identity", "logistic", "tanh", "relu", "softmax", "exp")),
    ("log_loss", "logistic"),
    ("log_loss", "softmax"),
    ("poisson", "exp"),
)
# Every valid combination of activation, loss and output activation.
FUNCTIONS = [(activation, loss, out) for activation, (loss, out) in product(ACTIVATIONS, OUTPUTS)]
# Every hidden function and every pair of loss and output at least once. The full product would take
# too long.
SOME_FUNCTIONS = [
    (activation, *OUTPUTS[3 * i % len(OUTPUTS)]) for i, activation in enumerate(ACTIVATIONS)
]
SOME_FUNCTIONS += [(ACTIVATIONS[i % len(ACTIVATIONS)], *output) for i, output in enumerate(OUTPUTS)]

TOLERANCES = {np.float64: 1e-12, np.float32: 1e-5}


def normal_tail(a):
    """Return the probability above a >= 0 of the normal distribution.

    The series is used below 3, and the continued fraction above.
    """
    a = np.asarray(a, np.longdouble)
    density = np.exp(-a * a / 2) / np.sqrt(8 * np.arctan(np.longdouble(1)))
    near = np.minimum(a, 3)
    term = total = near
    for k in range(1, 60):
        term = term * near * near / (2 * k + 1)
        total = total + term
    far = np.maximum(a, 3)
    fraction = far
    for k in range(70, 0, -1):
        fraction = far + k / fraction
    return np.where(a < 3, np.longdouble(0.5) - density * total, density / fraction)


def normal_share(z):
    """Return Phi(z), the normal distribution function."""
    tail = normal_tail(np.abs(z))
    return np.where(z < 0, tail, 1 - tail)


# The constants of Klambauer et al. (2017), from their formulas, to 20 digits.
SELU_SCALE = np.longdouble("1.05070098735548049342")
SELU_ALPHA = np.longdouble("1.67326324235437728482")


def mish_share(z):
    """Return tanh(log(1 + e^z))."""
    small = np.exp(np.minimum(z, 0))
    large = np.tanh(np.log1p(np.exp(np.maximum(z, 0))))
    return np.where(z < 0, small * (small + 2) / (small * (small + 2) + 2), large)


def _softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


LONG_FUNCTIONS = {
    "identity": lambda z: z,
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.where(z > 0, z, 0),
    "softmax": _softmax,
    "exp": np.exp,
    "leaky_relu": lambda z: np.where(z > 0, z, z / 100),
    "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
    "softplus": lambda z: np.where(z > 0, z, 0) + np.log1p(np.exp(-np.abs(z))),
    "gelu": lambda z: z * normal_share(z),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "selu": lambda z: np.where(
        z > 0, SELU_SCALE * z, SELU_SCALE * SELU_ALPHA * np.expm1(np.minimum(z, 0))
    ),
    # tanh(log(1 + n)) = 1 - 2 / (1 + (1 + n)^2), and n (n + 2) / (n (n + 2) + 2) for small n
    "mish": lambda z: z * mish_share(z),
}

# Functions with a jump of the slope.
KINKED = {"relu", "leaky_relu", "elu", "selu"}


@dataclass(frozen=True)
class Problem:
    """A network with its weights and the rows to train on, in long doubles."""

    layer_sizes: tuple
    activations: tuple
    loss: str
    out_activation: str
    params: np.ndarray
    X: np.ndarray
    targets: np.ndarray
    sample_weight: np.ndarray
    alpha: float
    out_groups: tuple | None = None
    dropout: float | tuple = 0.0  # of all hidden layers, or of each
    dropout_key: int | None = None
    input_gradient_penalty: float = 0.0
    input_gradient_norm: str = "l2"

    def arrays(self, dtype):
        """Return parameters, X, targets and sample weights in one dtype."""
        return [a.astype(dtype) for a in (self.params, self.X, self.targets, self.sample_weight)]

    def backprop(
        self,
        kernels,
        dtype=np.float64,
        *,
        order=None,
        weighted=True,
        max_batch=None,
        rows_as=np.asarray,
        **options,
    ):
        """Return the loaded kernel. Its gradients are NaN until it writes them."""
        params, X, targets, sample_weight = self.arrays(dtype)
        backprop = kernels.Backprop(
            self.layer_sizes,
            self.activations,
            self.out_activation,
            self.loss,
            params,
            np.full_like(params, np.nan),
            max_batch=max_batch or len(X),
            alpha=self.alpha,
            out_groups=self.out_groups,
            dropout_key=self.dropout_key,
            input_gradient_penalty=self.input_gradient_penalty,
            input_gradient_norm=self.input_gradient_norm,
            **options,
        )
        backprop.dropout[...] = self.dropout
        backprop.load(rows_as(X), targets, sample_weight if weighted else None, order)
        return backprop


def make_problem(
    layer_sizes,
    activation,
    loss,
    out_activation,
    *,
    n=9,
    seed=0,
    scale=1.0,
    alpha=0.3,
    out_groups=None,
    dropout=0.0,
    dropout_key=None,
    density=1.0,
    **input_gradient,
) -> Problem:
    """Return a random problem in which no small change crosses a kink.

    ``activation`` is one name for all hidden layers, or a tuple with one name for each.
    """
    rng = np.random.default_rng([seed, n, *layer_sizes])
    n_params = sum((a + 1) * b for a, b in pairwise(layer_sizes))
    n_hidden = len(layer_sizes) - 2
    for _ in range(1000):
        params = rng.standard_normal(n_params) / np.sqrt(max(layer_sizes[:-1]))
        X = scale * rng.standard_normal((n, layer_sizes[0]))
        if density < 1:
            X *= rng.uniform(size=X.shape) < density
        targets = rng.uniform(0, 1, (n, layer_sizes[-1]))
        if loss == "huber":
            targets *= 3  # on both sides of its corner
        sample_weight = rng.uniform(0.5, 2, n)
        sample_weight[0] = 0 if n > 2 else 1
        problem = Problem(
            tuple(layer_sizes),
            (activation,) * n_hidden if isinstance(activation, str) else activation,
            loss,
            out_activation,
            *(a.astype(np.longdouble) for a in (params, X, targets, sample_weight)),
            alpha,
            out_groups,
            dropout,
            dropout_key,
            **input_gradient,
        )
        if n * max(layer_sizes) > 500 or is_clear_of_kinks(problem):
            return problem
    raise AssertionError("no problem that stays clear of its kinks")


def is_clear_of_kinks(problem, least=1e-3):
    """Return whether every net input and every error is far from a corner of its function."""
    functions = (*problem.activations, problem.out_activation)
    nets = net_inputs(problem, problem.params)
    from_corners = [np.abs(z) for z, name in zip(nets, functions, strict=True) if name in KINKED]
    error = np.abs(problem.targets - outputs_of(problem, nets[-1]))
    from_corners += {"absolute_error": [error], "huber": [np.abs(error - 1)]}.get(problem.loss, [])
    return all(distance.min() > least for distance in from_corners)


def split(params, layer_sizes):
    """Return the weight matrices and bias vectors of a flat vector, cut one after another."""
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


def net_inputs(problem, params, rows=slice(None), step=1):
    """Apply rule (1) to every layer after the input, with the dropped neurons of a step."""
    nets, x = [], problem.X[rows]
    weights, biases = split(params, problem.layer_sizes)
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        nets.append(x @ w + b)
        if layer < len(problem.activations):
            x = LONG_FUNCTIONS[problem.activations[layer]](nets[-1])
            if problem.dropout_key is not None:
                share = np.broadcast_to(problem.dropout, len(problem.activations))[layer]
                x = x * dropout_factors(
                    problem.dropout_key, step, layer, *x.shape, float(share), float
                )
    return nets


def outputs_of(problem, z):
    """Return the outputs of these net inputs; softmax is taken in every group by itself."""
    function = LONG_FUNCTIONS[problem.out_activation]
    if problem.out_groups is None:
        return function(z)
    bounds = np.cumsum(problem.out_groups)[:-1]
    return np.hstack([function(part) for part in np.split(z, bounds, axis=1)])


def losses_by_definition(problem, params, rows=slice(None), step=1):
    """Return the loss of every pattern, without penalties."""
    y = outputs_of(problem, net_inputs(problem, params, rows, step)[-1])
    t = problem.targets[rows]
    e = np.abs(t - y)
    if problem.loss == "log_loss" and problem.out_activation == "logistic":
        return -(t * np.log(y) + (1 - t) * np.log(1 - y)).sum(axis=1)
    losses = {
        "squared_error": lambda: e**2 / 2,
        "absolute_error": lambda: e,
        "huber": lambda: np.where(e < 1, e**2 / 2, e - 0.5),
        "poisson": lambda: t * np.log(t / y) - t + y,
        "log_loss": lambda: -t * np.log(y),
    }[problem.loss]()
    return losses.sum(axis=1)


def input_gradients_by_definition(problem, params, rows=slice(None), step=1, h=1e-6):
    """Return the derivatives of every pattern's loss by its inputs, one input at a time."""
    gradients = np.empty_like(problem.X[rows])
    for i in range(gradients.shape[1]):
        change = np.zeros_like(problem.X)
        change[:, i] = h
        ahead = losses_by_definition(replace(problem, X=problem.X + change), params, rows, step)
        behind = losses_by_definition(replace(problem, X=problem.X - change), params, rows, step)
        gradients[:, i] = (ahead - behind) / (2 * np.longdouble(h))
    return gradients


def loss_by_definition(problem, params, rows=slice(None), weighted=True, step=1):
    """Return the weighted mean of the patterns' losses plus the penalties, by definition."""
    losses = losses_by_definition(problem, params, rows, step)
    if problem.input_gradient_penalty:
        g = input_gradients_by_definition(problem, params, rows, step)
        norms = (g**2).sum(axis=1) / 2
        if problem.input_gradient_norm == "l1":
            norms = np.abs(g).sum(axis=1)
        losses = losses + problem.input_gradient_penalty * norms
    n = len(losses)
    sample_weight = problem.sample_weight[rows] if weighted else np.ones(n, np.longdouble)
    weights, _ = split(params, problem.layer_sizes)
    penalty = problem.alpha / 2 * sum((w**2).sum() for w in weights)
    return ((losses * sample_weight).sum() + penalty) / sample_weight.sum()


def central_differences(problem, rows=slice(None), weighted=True, step=1, h=1e-5):
    """Return the gradient of the defined loss, one parameter at a time."""
    gradients = np.empty(len(problem.params))
    for i in range(len(gradients)):
        ahead, behind = problem.params.copy(), problem.params.copy()
        ahead[i] += h
        behind[i] -= h
        rise = loss_by_definition(problem, ahead, rows, weighted, step)
        rise -= loss_by_definition(problem, behind, rows, weighted, step)
        gradients[i] = rise / (2 * h)
    return gradients


def assert_near(actual, expected, tolerance, what="array", least=0.0):
    """Assert that arrays are equal up to a share of the largest expected magnitude.

    NaN and infinity must be where they are expected. Where terms cancel, ``least`` is their
    magnitude, because the expected values are smaller.
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
