"""The arrays of a step obey the equations, in rules, callbacks and recorders."""

import itertools

import numpy as np
import pytest
from helpers.callbacks import StepNotes
from helpers.networks import LONG_FUNCTIONS, normal_share, split

from sklearn_metabp import SGD, BackpropMLPRegressor, UpdateRule

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SLOPES = {
    "identity": np.ones_like,
    "logistic": lambda net: np.exp(-net) / (1 + np.exp(-net)) ** 2,
    "tanh": lambda net: 1 / np.cosh(net) ** 2,
    "relu": lambda net: (net > 0).astype(float),
    "leaky_relu": lambda net: np.where(net > 0, 1, 0.01),
    "elu": lambda net: np.where(net > 0, 1, np.exp(net)),
    "softplus": lambda net: 1 / (1 + np.exp(-net)),
    "gelu": lambda net: (
        normal_share(net).astype(float) + net * np.exp(-(net**2) / 2) / np.sqrt(2 * np.pi)
    ),
    "silu": lambda net: (1 + np.exp(-net) * (1 + net)) / (1 + np.exp(-net)) ** 2,
    "selu": lambda net: np.where(
        net > 0, 1.0507009873554805, 1.7580993408473766 * np.exp(np.minimum(net, 0))
    ),
    "mish": lambda net: (
        np.tanh(np.log1p(np.exp(net)))
        + net / np.cosh(np.log1p(np.exp(net))) ** 2 / (1 + np.exp(-net))
    ),
    "softmax": lambda net: LONG_FUNCTIONS["softmax"](net) * (1 - LONG_FUNCTIONS["softmax"](net)),
}
N, EPOCHS, ALPHA, RATE = 23, 3, 0.2, 0.05
CASES = [
    ((4,), "tanh", "identity", 5, True, False),
    ((4,), "relu", "tanh", 5, True, True),
    ((5, 3), "logistic", "logistic", 23, True, True),
    ((3, 4), "identity", "softmax", 8, False, True),
    ((), "relu", "identity", 1, True, False),
    ((6,), "relu", "identity", "full", False, False),
    ((4, 3), "leaky_relu", "identity", 5, True, True),
    ((4, 3), "elu", "tanh", 5, True, True),
    ((4, 3), "softplus", "identity", 8, True, True),
    ((4, 3), "gelu", "softmax", 8, True, True),
    ((4, 3), "silu", "identity", 23, True, False),
    ((4, 3), "selu", "identity", 5, True, True),
    ((4, 3), "mish", "tanh", 8, True, True),
]


def data(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, 3))
    X[:, 0] = np.arange(N) / N  # the number of the row
    return X, rng.uniform(0.1, 0.9, (N, 2)), rng.uniform(0.5, 2, N)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_steps_obey_the_equations(case):
    hidden, activation, out, batch_size, shuffle, weighted = case
    X, T, sample_weight = data(len(activation))
    notes = StepNotes()
    model = BackpropMLPRegressor(
        hidden,
        activation,
        out_activation=out,
        update_rule=SGD(RATE),
        alpha=ALPHA,
        batch_size=batch_size,
        max_iter=EPOCHS,
        shuffle=shuffle,
        random_state=1,
    )
    model.set_callbacks(notes).fit(X, T, sample_weight if weighted else None)

    size = N if batch_size == "full" else batch_size
    per_epoch = -(-N // size)
    assert [step["index"] for step in notes.steps] == list(range(1, EPOCHS * per_epoch + 1))
    assert [step["epoch"] for step in notes.steps] == [
        e for e in range(EPOCHS) for _ in range(per_epoch)
    ]
    assert {step["n_planned"] for step in notes.steps} == {EPOCHS * per_epoch}
    assert {step["steps_per_epoch"] for step in notes.steps} == {per_epoch}

    functions = [activation] * len(hidden) + [out]
    sizes = (3, *hidden, 2)
    seen = []
    for step in notes.steps:
        rows = np.rint(step["activations"][0][:, 0] * N).astype(int)
        seen.append(rows)
        assert step["n_patterns"] == len(rows)
        np.testing.assert_array_equal(step["activations"][0], X[rows])
        np.testing.assert_array_equal(step["targets"], T[rows])
        weights, biases = split(step["params"], sizes)
        for ours, theirs in zip(
            (*weights, *biases), (*step["coefs"], *step["intercepts"]), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)

        nets = []
        x = X[rows]
        for layer, function in enumerate(functions):
            nets.append(x @ weights[layer] + biases[layer])
            x = LONG_FUNCTIONS[function](nets[-1])
            np.testing.assert_allclose(step["net_inputs"][layer], nets[-1], rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(step["activations"][layer + 1], x, rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(
                step["derivatives"][layer], SLOPES[function](nets[-1]), rtol=1e-11
            )
        np.testing.assert_array_equal(step["outputs"], step["activations"][-1])

        s = sample_weight[rows] if weighted else np.ones(len(rows))
        error = T[rows] - x
        delta = SLOPES[out](nets[-1]) * error
        if out == "softmax":
            delta = x * (error - (error * x).sum(axis=1, keepdims=True))
        delta = delta * s[:, None]
        gradients = [None] * 2 * len(functions)
        for layer in reversed(range(len(functions))):
            np.testing.assert_allclose(step["deltas"][layer], delta, rtol=1e-11, atol=1e-15)
            inputs = step["activations"][layer]
            gradients[layer] = (-(inputs.T @ delta) + ALPHA * weights[layer]) / s.sum()
            gradients[len(functions) + layer] = -delta.sum(axis=0) / s.sum()
            if layer:
                delta = SLOPES[functions[layer - 1]](nets[layer - 1]) * (delta @ weights[layer].T)
        flat = np.concatenate([g.ravel() for g in gradients])
        np.testing.assert_allclose(step["gradients"], flat, rtol=1e-10, atol=1e-15)
        np.testing.assert_allclose(step["updates"], -RATE * flat, rtol=1e-10, atol=1e-15)
        penalty = ALPHA / 2 * sum((w**2).sum() for w in weights) / s.sum()
        loss = s @ (error**2).sum(axis=1) / 2 / s.sum() + penalty
        assert step["loss"] == pytest.approx(float(loss), rel=1e-12)

    for before, after in zip(notes.steps, notes.steps[1:], strict=False):
        np.testing.assert_array_equal(before["params"] + before["updates"], after["params"])
    last = notes.steps[-1]
    np.testing.assert_array_equal(last["params"] + last["updates"], model.params_)

    for epoch in range(EPOCHS):
        order = np.concatenate(seen[epoch * per_epoch : (epoch + 1) * per_epoch])
        assert sorted(order) == list(range(N))
        assert (list(order) == list(range(N))) == (not shuffle or size == N)
        steps = notes.steps[epoch * per_epoch : (epoch + 1) * per_epoch]
        mean_loss = sum(step["loss"] * step["n_patterns"] for step in steps) / N
        assert model.loss_curve_[epoch] == pytest.approx(mean_loss, rel=1e-14)


class Reader(UpdateRule):
    """Plain descent that keeps copies of the step's arrays for the test."""

    def __init__(self, look):
        self.look = look

    def init_state(self, layout):
        return []

    def compute_update(self, step, state):
        state.append(self.look(step))
        return -0.1 * step.gradients


@pytest.mark.parametrize("listened_to", [False, True])
def test_a_rule_sees_the_parameters_before_the_step(listened_to):
    X, T, _ = data(0)
    rule = Reader(lambda step: (step.params.copy(), step.gradients.copy(), step.index))
    model = BackpropMLPRegressor((4,), update_rule=rule, max_iter=2, batch_size=7, random_state=0)
    if listened_to:
        model.set_callbacks(StepNotes())
    model.fit(X, T)
    seen = model._training_state.rule_state
    assert [index for *_, index in seen] == list(range(1, 9))
    for (params, gradients, _), (after, *_) in itertools.pairwise(seen):
        np.testing.assert_array_equal(params - 0.1 * gradients, after)


@pytest.mark.parametrize(
    "name",
    ["params", "gradients", "activations", "deltas", "outputs", "targets", "coefs", "intercepts"],
)
def test_arrays_of_a_step_are_read_only(name):
    def write(step):
        value = getattr(step, name)
        for array in value if isinstance(value, list) else [value]:
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
        return True

    X, T, _ = data(1)
    model = BackpropMLPRegressor((4,), update_rule=Reader(write), max_iter=1, batch_size=9).fit(
        X, T
    )
    assert model._training_state.rule_state == [True] * 3
