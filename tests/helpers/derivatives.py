"""Networks of every kind whose derivatives are known from differences of their definitions."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from helpers.networks import ACTIVATIONS, KINKED, LONG_FUNCTIONS, split
from sklearn_metabp import BackpropMLPRegressor
from sklearn_metabp.network import Network, ParameterLayout
from sklearn_metabp.targets.numbers import NumberTargets

# Of outputs y, targets t and their distance e.
LOSSES = {
    "squared_error": lambda y, t, e: e**2 / 2,
    "absolute_error": lambda y, t, e: e,
    "huber": lambda y, t, e: np.where(e <= 1, e**2 / 2, e - 0.5),
    "poisson": lambda y, t, e: t * np.log(np.where(t > 0, t, 1) / y) - t + y,
}

# Loss, output activation, groups of softmax.
OUTPUTS = [
    *product(
        ("squared_error", "absolute_error", "huber"), ("identity", "logistic", "tanh"), (None,)
    ),
    ("squared_error", "softmax", None),
    ("squared_error", "softmax", (1, 2)),
    ("huber", "softmax", (1, 2)),
    ("squared_error", "exp", None),
    ("log_loss", "logistic", None),
    ("log_loss", "softmax", None),
    ("log_loss", "softmax", (1, 2)),
    ("poisson", "exp", None),
]
KINDS = [("tanh", *outputs) for outputs in OUTPUTS] + [
    (hidden, *outputs)
    for hidden in ACTIVATIONS
    for outputs in (
        ("log_loss", "softmax", (2, 1)),
        ("huber", "tanh", None),
        ("poisson", "exp", None),
    )
]


@dataclass(frozen=True)
class Case:
    """A network, its parameters and rows in long doubles; what it computes, from the definitions."""

    layer_sizes: tuple
    activations: tuple
    loss: str
    out_activation: str
    out_groups: tuple | None
    alpha: float
    params: np.ndarray
    X: np.ndarray
    targets: np.ndarray
    sample_weight: np.ndarray

    def net_inputs(self, params=None, X=None):
        """in of every layer."""
        x, nets = self.X if X is None else X, []
        layers = zip(
            *split(self.params if params is None else params, self.layer_sizes), strict=True
        )
        for (w, b), function in zip(layers, (*self.activations, None), strict=True):
            nets.append(x @ w + b)
            x = LONG_FUNCTIONS[function](nets[-1]) if function else None
        return nets

    def outputs(self, params=None, X=None):
        """Activations of the output layer."""
        net = self.net_inputs(params, X)[-1]
        if self.out_activation != "softmax":
            return LONG_FUNCTIONS[self.out_activation](net)
        groups = np.split(np.exp(net), np.cumsum(self.out_groups or (net.shape[1],))[:-1], axis=1)
        return np.concatenate(
            [group / group.sum(axis=1, keepdims=True) for group in groups], axis=1
        )

    def losses(self, params=None, X=None):
        """Loss of every row."""
        y, t = self.outputs(params, X), self.targets
        if self.loss == "log_loss":
            each = -t * np.log(y)
            if self.out_activation == "logistic":
                each -= (1 - t) * np.log(1 - y)
        else:
            each = LOSSES[self.loss](y, t, np.abs(y - t))
        return each.sum(axis=1)

    def total_loss(self, params):
        """Weighted mean and penalty."""
        penalty = self.alpha / 2 * sum((w**2).sum() for w in split(params, self.layer_sizes)[0])
        return (self.losses(params) @ self.sample_weight + penalty) / self.sample_weight.sum()

    def model(self, dtype=np.float64):
        """A regressor that is fitted with these parameters."""
        layout = ParameterLayout(self.layer_sizes, dtype)
        functions = (self.activations, self.out_activation, self.loss)
        network = Network(layout, *functions, alpha=self.alpha, out_groups=self.out_groups)
        model = BackpropMLPRegressor()
        model.layout_, model.network_, model.params_ = layout, network, self.params.astype(dtype)
        model.n_features_in_ = self.layer_sizes[0]
        model.targets_ = NumberTargets(self.out_activation, self.loss)
        return model

    def arrays(self, dtype=np.float64):
        """X, y and sample weights for the functions that are tested."""
        y = self.targets.ravel() if self.layer_sizes[-1] == 1 else self.targets
        return [a.astype(dtype) for a in (self.X, y, self.sample_weight)]


def make_case(
    layer_sizes, activations, loss, out_activation, out_groups=None, *, n=6, seed=0, alpha=0.3
):
    """A random case, none of whose units or errors is near a kink; the first row has no weight."""
    if isinstance(activations, str):
        activations = (activations,) * (len(layer_sizes) - 2)
    rng = np.random.default_rng([seed, n, *layer_sizes])
    for _ in range(200):
        params = rng.standard_normal(ParameterLayout(layer_sizes).n_params) / np.sqrt(
            max(layer_sizes[:-1])
        )
        X = rng.standard_normal((n, layer_sizes[0]))
        low, high = {"log_loss": (0, 1), "poisson": (0, 3)}.get(loss, (-2.5, 2.5))
        targets = rng.uniform(low, high, (n, layer_sizes[-1]))
        if loss == "poisson":
            targets[1 % n] = 0
        weight = rng.uniform(0.5, 2, n)
        weight[0] = 0 if n > 1 else 1
        arrays = (a.astype(np.longdouble) for a in (params, X, targets, weight))
        case = Case(
            tuple(layer_sizes), activations, loss, out_activation, out_groups, alpha, *arrays
        )
        hidden = zip(case.net_inputs()[:-1], activations, strict=True)
        clear = [np.abs(net).min() > 1e-2 for net, name in hidden if name in KINKED]
        errors = np.abs(case.outputs() - case.targets)
        if all(clear) and min(errors.min(), np.abs(errors - 1).min()) > 1e-3:
            return case
    raise AssertionError("no case that stays clear of all kinks")


def central_difference(function, at, direction, h=1e-5):
    """Derivative of an array-valued function along a direction."""
    return (function(at + h * direction) - function(at - h * direction)) / (2 * h)


def by_each(function, at, h=1e-5):
    """Derivatives by every number of a flat array, on a last axis."""
    directions = np.eye(len(at), dtype=at.dtype)
    return np.stack([central_difference(function, at, d, h) for d in directions], axis=-1)
