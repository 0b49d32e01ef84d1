import itertools
from contextlib import nullcontext as does_not_raise

import numpy as np
import pytest
from helpers.kernels import compiled_only, fallback, installed
from helpers.networks import LONG_FUNCTIONS, TOLERANCES, assert_near, split

from sklearn_metabp._kernels.scopes import (
    LINK_INPUTS,
    LINK_NORMALIZERS,
    link_history,
    remember_steps,
)
from sklearn_metabp.network import ParameterLayout

BLOCK = 64  # as in shared_loops.h
ALL = np.arange(len(LINK_INPUTS))
EPSILON = 1e-8
FIRST_STEP = 0.01


def code(name):
    return LINK_INPUTS.index(name)


def count_params(sizes):
    return sum((a + 1) * b for a, b in itertools.pairwise(sizes))


def draw(sizes, n_steps, seed, dtype):
    """Return the values of a network of these sizes at every step."""
    rng = np.random.default_rng([seed, *sizes])
    n = count_params(sizes)
    for _ in range(n_steps):
        gradients = rng.standard_normal(n) * rng.exponential(size=n) * 10.0 ** rng.integers(-5, 3)
        facts = (
            gradients,
            rng.standard_normal(n),
            rng.uniform(-20, 20, sum(sizes[:-1])),
            (rng.uniform(-20, 20, sum(sizes[1:]))),
        )
        yield tuple(a.astype(dtype) for a in facts)


def remembers_steps(codes):
    return code("last_step") in codes


def steps_taken(gradients, t):
    """Steps of another rule: some along the gradient, some against it, some close to none."""
    rng = np.random.default_rng(t)
    return gradients * rng.choice([-1.0, 0.5, 1e-4, 0.0], len(gradients))


def walk_inputs(kernels, sizes, codes, n_steps, seed, dtype=np.float64, updates=None):
    """Inputs and history after every step; ``updates`` are the steps that were taken, by number."""
    history = link_history(codes, count_params(sizes), dtype)
    for t, (g, w, x, delta) in enumerate(draw(sizes, n_steps, seed, dtype), start=1):
        matrix = np.full((len(g), len(codes) + 1 + remembers_steps(codes)), np.nan, dtype)
        kernels.link_inputs(
            g,
            w,
            history,
            t,
            ParameterLayout(sizes).table,
            codes,
            x if code("activation") in codes else None,
            delta if code("delta") in codes else None,
            EPSILON,
            matrix,
        )
        yield matrix, history.copy()
        if remembers_steps(codes):
            update = steps_taken(g, t) if updates is None else updates[t - 1]
            remember_steps(update.astype(dtype), *history[-2:])


def inputs_by_definition(sizes, n_steps, seed):
    """All inputs at the last step, link by link, from the sums that the averages are."""
    facts = list(draw(sizes, n_steps, seed, np.float64))
    G = np.array([g for g, *_ in facts])
    _, w, x, delta = facts[-1]
    t = n_steps

    def average(values, decay):
        shares = (1 - decay) * decay ** np.arange(t - 1, -1, -1) / (1 - decay**t)
        return shares @ values

    rms = {f"rms_{d}": np.sqrt(average(G**2, d)) + EPSILON for d in (0.9, 0.999)}
    ages = np.arange(t - 1, -1, -1)[:, None]
    below = rms | {
        "peak_0.999": (0.999**ages * np.abs(G)).max(axis=0) + EPSILON,
        "norm": np.linalg.norm(G, axis=0) + EPSILON,
    }
    last, strides = np.zeros(len(w)), np.full(len(w), np.finfo(float).tiny)
    for number, g in enumerate(G[:-1], start=1):
        last = steps_taken(g, number)
        for link in range(len(w)):
            if abs(last[link]) > strides[link] / 4:
                strides[link] = abs(last[link])
    above = {"gradient": G[-1]} | {f"momentum_{d}": average(G, d) for d in (0.5, 0.9, 0.99)}
    above["rms_0.9"] = rms["rms_0.9"]
    columns = {"last_step": -np.sign(G[-1]) * last / strides}
    for name in LINK_INPUTS:
        if "/" in name:
            numerator, denominator = name.split("/")
            columns[name] = above[numerator] / below[denominator]

    n_layers = len(sizes) - 1
    rows = {name: [] for name in LINK_INPUTS if name not in columns}
    weights, biases = split(w, sizes)
    for is_bias, tensors in ((0, weights), (1, biases)):
        for layer, tensor in enumerate(tensors):
            sources = x[sum(sizes[:layer]) :]
            sinks = delta[sum(sizes[1 : layer + 1]) :]
            for place in np.ndindex(tensor.shape):
                rows["weight"].append(tensor[place] / np.sqrt((tensor**2).mean()))
                rows["activation"].append(1 if is_bias else sources[place[0]])
                rows["delta"].append(sinks[place[-1]])
                rows["is_bias"].append(is_bias)
                rows["is_output"].append(int(layer == n_layers - 1))
                rows["depth"].append(layer / max(1, n_layers - 1))
                rows["warmup_0.9"].append(1 - 0.9**t)
                rows["warmup_0.99"].append(1 - 0.99**t)
                rows["warmup_0.999"].append(1 - 0.999**t)
    columns |= rows
    inputs = [np.clip(columns[name], -10, 10) for name in LINK_INPUTS]
    return np.column_stack([*inputs, rms["rms_0.9"], -np.sign(G[-1]) * strides])


@pytest.mark.parametrize("n_steps", [1, 2, 40])
@pytest.mark.parametrize("sizes", [(3, 2), (4, 3, 2), (7, 11, 9, 1)], ids=str)
def test_inputs_are_what_their_names_say(kernels, sizes, n_steps):
    *_, (matrix, _) = walk_inputs(kernels, sizes, ALL, n_steps, seed=n_steps)
    expected = inputs_by_definition(sizes, n_steps, seed=n_steps)
    for column, name in enumerate([*LINK_INPUTS, "rms_0.9", "stride"]):
        assert_near(matrix[:, column], expected[:, column], 1e-11, name)


def test_momentum_and_root_mean_square_of_a_constant_gradient_equal_it(kernels):
    tensors, gradient = ParameterLayout((1, 1)).table, np.array([0.02, -3.0])
    history, matrix = link_history(ALL, 2, float), np.zeros((2, len(LINK_INPUTS) + 2))
    x = delta = np.ones(1)
    for t in range(1, 30):
        kernels.link_inputs(gradient, gradient, history, t, tensors, ALL, x, delta, 1e-300, matrix)
        for name in ("gradient", "momentum_0.5", "momentum_0.9", "momentum_0.99"):
            for rms in ("rms_0.9", "rms_0.999"):
                np.testing.assert_allclose(matrix[:, code(f"{name}/{rms}")], [1, -1], rtol=1e-12)
        np.testing.assert_allclose(matrix[:, code("momentum_0.9/peak_0.999")], [1, -1], rtol=1e-12)
        np.testing.assert_allclose(
            matrix[:, code("gradient/norm")], [t**-0.5, -(t**-0.5)], rtol=1e-12
        )
        np.testing.assert_allclose(matrix[:, -2], [0.02, 3], rtol=1e-12)


@compiled_only
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "codes", [ALL, ALL[:9], ALL[::-2].copy(), ALL[-4:-1].copy(), ALL[:0]], ids=len
)
@pytest.mark.parametrize("sizes", [(1, 1), (7, 9, 3), (BLOCK, 1), (30, 10, 20, 5)], ids=str)
def test_compiled_inputs_are_those_of_the_fallback(sizes, codes, dtype):
    both = zip(
        walk_inputs(installed, sizes, codes, 80, 1, dtype),
        walk_inputs(fallback, sizes, codes, 80, 1, dtype),
        strict=True,
    )
    for (matrix, history), (fallback_matrix, fallback_history) in both:
        for column in range(matrix.shape[1]):
            assert_near(matrix[:, column], fallback_matrix[:, column], TOLERANCES[dtype])
        for row in range(len(history)):
            assert_near(history[row], fallback_history[row], TOLERANCES[dtype])


def walk_updates(kernels, sizes, codes, mlp, n_steps, seed, normalizer, dtype=np.float64):
    """Updates of one rule and the inputs they came from, step by step."""
    n, mlp_sizes = count_params(sizes), (len(codes), *mlp["hidden_sizes"], 1)
    rng = np.random.default_rng([seed, *mlp_sizes])
    mlp_params = rng.standard_normal(count_params(mlp_sizes)).astype(dtype)
    history, taken = link_history(codes, n, dtype), []
    inputs = walk_inputs(kernels, sizes, codes, n_steps, seed, dtype, taken)
    gradients, params, updates = np.zeros((3, n), dtype)
    rule = kernels.LinkRule(
        gradients,
        params,
        history,
        updates,
        ParameterLayout(sizes).table,
        codes,
        EPSILON,
        mlp_params,
        np.array(mlp_sizes),
        mlp["hidden"],
        mlp["output"],
        -0.25,
        LINK_NORMALIZERS.index(normalizer),
        FIRST_STEP,
    )
    for t, (g, w, x, delta) in enumerate(draw(sizes, n_steps, seed, dtype), start=1):
        gradients[...], params[...], updates[...] = g, w, np.nan
        rule.update(
            t,
            x if code("activation") in codes else None,
            delta if code("delta") in codes else None,
        )
        taken.append(updates.copy())
        matrix, expected_history = next(inputs)
        n_rows = len(history) - 2 * remembers_steps(codes)
        np.testing.assert_array_equal(history[:n_rows], expected_history[:n_rows])
        yield updates.copy(), matrix, mlp_params, mlp_sizes


MLPS = [
    {"hidden_sizes": (), "hidden": "relu", "output": "identity"},
    {"hidden_sizes": (4,), "hidden": "relu", "output": "identity"},
    {"hidden_sizes": (9, 5), "hidden": "tanh", "output": "tanh"},
    {"hidden_sizes": (17,), "hidden": "logistic", "output": "identity"},
    {"hidden_sizes": (3, 8), "hidden": "identity", "output": "logistic"},
]


@pytest.mark.parametrize("normalizer", LINK_NORMALIZERS)
@pytest.mark.parametrize("mlp", MLPS, ids=str)
def test_updates_are_the_mlp_of_the_inputs_in_the_normalizer_of_the_link(kernels, mlp, normalizer):
    steps = walk_updates(kernels, (5, 7, 3), ALL, mlp, 7, 3, normalizer)
    for number, (updates, matrix, params, mlp_sizes) in enumerate(steps):
        x = matrix[:, :-2].astype(np.longdouble)
        weights, biases = split(params, mlp_sizes)
        for layer, (w, b) in enumerate(zip(weights, biases, strict=True), start=1):
            x = LONG_FUNCTIONS[mlp["hidden" if layer < len(weights) else "output"]](x @ w + b)
        measured_in = {"1": 1.0, "rms_0.9": matrix[:, -2], "stride": matrix[:, -1]}[normalizer]
        expected = (-0.25 * measured_in * x[:, 0]).astype(float)
        if normalizer == "stride" and not number:  # no link has taken a step yet
            expected = FIRST_STEP * np.sign(matrix[:, -1])
        assert_near(updates, expected, 1e-12)


@compiled_only
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("codes", [ALL, ALL[:10]], ids=len)
@pytest.mark.parametrize("sizes", [(1, 1), (7, 9, 3), (BLOCK, 2), (33, 5, 4)], ids=str)
@pytest.mark.parametrize("mlp", MLPS, ids=str)
def test_compiled_updates_are_those_of_the_fallback(mlp, sizes, codes, dtype):
    for normalizer in LINK_NORMALIZERS[: 2 + remembers_steps(codes)]:
        arguments = (sizes, codes, mlp, 25, 2, normalizer, dtype)
        ours, theirs = walk_updates(installed, *arguments), walk_updates(fallback, *arguments)
        for (updates, *_), (fallback_updates, *_) in zip(ours, theirs, strict=True):
            assert_near(updates, fallback_updates, TOLERANCES[dtype])


def step_once(kernels, gradients, **changed):
    """One step of the ``LinkRule`` of a (2, 1) network under a constant MLP."""
    arguments = {
        "gradients": gradients,
        "params": np.ones(3),
        "history": np.zeros((5, 3)),
        "tensors": ParameterLayout((2, 1)).table,
        "codes": np.array([code("is_bias")]),
        "epsilon": EPSILON,
        "mlp_params": np.array([0.0, 1.0]),  # no weight, bias 1
        "mlp_sizes": np.array([1, 1]),
        "hidden": "relu",
        "output": "identity",
        "scale": -0.5,
        "normalizer": 0,
        "first_step": 0.0,
        "updates": np.full(3, np.nan),
    } | changed
    kernels.LinkRule(**arguments).update(1)
    return arguments["updates"]


def test_a_link_that_never_saw_a_gradient_stays(kernels):
    updates = step_once(kernels, np.array([0.0, 2.0, -3.0]))
    np.testing.assert_array_equal(updates, [0, -0.5, -0.5])


def test_a_gradient_that_is_nan_makes_the_update_nan(kernels):
    updates = step_once(kernels, np.array([np.nan, 2.0, 0.0]), normalizer=1)
    assert np.isnan(updates[0])
    np.testing.assert_allclose(updates[1:], [-1, 0], rtol=1e-7)


BAD = [
    {"gradients": np.ones(4)},
    {"params": np.ones(2)},
    {"history": np.zeros((4, 3))},
    {"history": np.zeros((5, 4))},
    {"history": np.zeros((6, 3))},
    {"codes": np.array([code("last_step")])},
    {"normalizer": LINK_NORMALIZERS.index("stride")},
    {"normalizer": len(LINK_NORMALIZERS)},
    {"normalizer": -1},
    {"tensors": ParameterLayout((3, 1)).table},
    {"updates": np.zeros(2)},
    {"mlp_params": np.zeros(3)},
    {"mlp_sizes": np.array([2, 1])},
    {"mlp_sizes": np.array([1, 2]), "mlp_params": np.zeros(4)},
    {"mlp_sizes": np.array([1, -1, 3, 1])},  # as many parameters as are there
    {"mlp_sizes": np.array([1, 0, 1]), "mlp_params": np.zeros(1)},
    {"mlp_sizes": np.array([], np.int64)},
    {"tensors": ParameterLayout((2, 1)).table - [[0, 0, 0, 0, 1, 0, 0]]},
    {"tensors": ParameterLayout((2, 1)).table[:, :4].copy()},
    {"codes": np.array([code("activation")])},
    {"codes": np.array([code("delta")])},
    {"codes": np.array([len(LINK_INPUTS)])},
    {"codes": np.array([-1])},
    {"params": np.ones(3, np.float32)},
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: "-".join(bad))
def test_updates_refuse_arrays_that_do_not_fit(kernels, bad):
    with pytest.raises(ValueError):
        step_once(kernels, **({"gradients": np.ones(3)} | bad))


@pytest.mark.parametrize("name", ["activation", "delta"])
@pytest.mark.parametrize("wanted", [True, False], ids=["too few", "not asked for"])
def test_neurons_are_given_where_they_are_an_input_and_nowhere_else(kernels, name, wanted):
    rule = kernels.LinkRule(
        gradients=np.ones(3),
        params=np.ones(3),
        history=np.zeros((5, 3)),
        updates=np.zeros(3),
        tensors=ParameterLayout((2, 1)).table,
        codes=np.array([code(name if wanted else "is_bias")]),
        epsilon=EPSILON,
        mlp_params=np.array([0.0, 1.0]),
        mlp_sizes=np.array([1, 1]),
        hidden="relu",
        output="identity",
        scale=1.0,
        normalizer=0,
        first_step=0.0,
    )
    neurons = {"activations": np.zeros(2), "deltas": np.zeros(1)}
    given = neurons[name + "s"][:-1] if wanted else neurons[name + "s"]
    with pytest.raises(ValueError, match="must hold their neurons where they are an input"):
        rule.update(1, **{name + "s": given})
    with pytest.raises(ValueError) if wanted else does_not_raise():
        rule.update(1)


@compiled_only
@pytest.mark.parametrize("shape", [(3, 1), (2, 2), (4, 2)], ids=str)
def test_compiled_inputs_refuse_a_matrix_that_does_not_fit(shape):
    codes = np.array([code("is_bias")])
    with pytest.raises(ValueError, match=r"matrix must have shape \(3, 2\)"):
        installed.link_inputs(
            np.ones(3),
            np.ones(3),
            np.zeros((5, 3)),
            1,
            ParameterLayout((2, 1)).table,
            codes,
            None,
            None,
            EPSILON,
            np.zeros(shape),
        )
