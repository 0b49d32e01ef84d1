"""The controller of layers: the compiled kernel against the fallback, and the fallback by hand."""

import numpy as np
import pytest
from helpers.kernels import compiled_only, fallback, installed

from sklearn_metabp._kernels.scopes import (
    LAYER_CONTROLS,
    LAYER_INPUTS,
    LayerStart,
    LayerTask,
    layer_inputs,
    layer_memory,
    layer_moments,
    note_validation,
)
from sklearn_metabp.network import ParameterLayout

TOLERANCES = {np.float64: 1e-12, np.float32: 1e-5}
ALL = np.arange(len(LAYER_INPUTS))
NO_STATISTICS = np.arange(LAYER_INPUTS.index("log_rms/first"))
SETS_ALL = np.arange(len(LAYER_CONTROLS))
STARTS = {
    "adam": LayerStart(0.001, cautious=True),
    "averaged": LayerStart(0.008, weight_decay=0.3, horizon=100.0),
    "dropping": LayerStart(0.008, dropout=0.1),
}


def task_of(sizes, n_rows=200, n_planned=40):
    return LayerTask.of(
        ParameterLayout(sizes).table,
        is_classification=True,
        is_saturating=False,
        n_rows=n_rows,
        n_planned=n_planned,
    )


def train(
    kernels,
    *,
    sizes=(7, 5, 3),
    start="averaged",
    codes=ALL,
    controls=SETS_ALL,
    hidden=(),
    scale=0.3,
    n_steps=25,
    dtype=np.float64,
    change=None,
    validations=(),
):
    """Parameters, memory and the updates of every step under gradients drawn at random.

    ``validations`` are the losses that are found after steps 5, 10, ...
    """
    rng = np.random.default_rng([len(codes), len(controls), *hidden])
    task = task_of(sizes)
    n = int(task.bounds[-1])
    mlp_sizes = np.array([len(codes), *hidden, len(controls)])
    mlp = scale * rng.standard_normal(int(((mlp_sizes[:-1] + 1) * mlp_sizes[1:]).sum()))
    params = rng.standard_normal(n).astype(dtype)
    gradients, updates = np.zeros(n, dtype), np.full(n, np.nan, dtype)
    memory = layer_memory(n, len(task.fixed), dtype, STARTS[start].dropout)
    dropout = np.full(len(sizes) - 2, np.nan)
    rule = kernels.LayerRule(
        gradients, params, updates, memory, task, STARTS[start], codes, controls, mlp, mlp_sizes,
        "tanh" if hidden else "identity", "identity", None, dropout,
    )  # fmt: skip
    taken = []
    for t in range(1, n_steps + 1):
        gradients[...] = rng.standard_normal(n) * 10.0 ** rng.integers(-4, 2)
        if change is not None:
            change(t, gradients)
        rule.update(t, t == 1, t // 5, float(rng.exponential() / t), int(rng.integers(1, 64)))
        params += updates
        taken.append(updates.copy())
        if t % 5 == 0 and t // 5 <= len(validations):
            note_validation(memory, validations[t // 5 - 1])
        np.testing.assert_array_equal(dropout, memory["dropout"])
        assert ((dropout >= 0) & (dropout <= 0.6)).all()
    return params, memory, np.array(taken)


@compiled_only
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"codes": NO_STATISTICS},
        {"codes": np.array([4, 18]), "controls": np.array([6, 0])},
        {"validations": (2.0, 1.5, 1.75, 0.5, 0.5)},
        {"validations": (0.0, np.inf, np.nan, -1.0)},
        {"hidden": (8,)},
        {"sizes": (1,) * 70, "n_steps": 4},  # more tensors than go through the MLP together
        {"sizes": (60, 61, 3)},
        {"scale": 30.0},  # every limit is met
    ],
    ids=lambda options: "-".join(options) or "all",
)
def test_the_kernel_computes_what_the_fallback_does(options, start, dtype):
    ours, theirs = (train(k, start=start, dtype=dtype, **options) for k in (installed, fallback))
    tolerance = TOLERANCES[dtype]
    np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-4 if dtype == np.float32 else 1e-11,
                               atol=tolerance * np.abs(theirs[2]).max())  # fmt: skip
    for name, value in theirs[1].items():
        atol = tolerance * np.abs(value).max()
        np.testing.assert_allclose(ours[1][name], value, rtol=100 * tolerance, atol=10 * atol)


def test_a_controller_of_zeros_is_adam_and_averaged_adamw_by_hand(kernels):
    """Over 100 steps, against the equations of Kingma and Ba, Loshchilov and Hutter, Polyak."""
    for start, rate, decay, beta in (("adam", 0.001, 0, 0), ("averaged", 0.008, 0.3, 0.99)):
        seen = []
        params, memory, updates = train(
            kernels,
            start=start,
            scale=0.0,
            n_steps=100,
            change=lambda t, g: seen.append(g.copy()),  # noqa: B023
        )
        w = params - updates.sum(axis=0)
        m = v = average = np.zeros_like(w)
        is_weight = np.arange(len(w)) < 7 * 5 + 5 * 3
        for t, g in enumerate(seen, start=1):
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            step = -rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            step -= rate * decay * is_weight * w
            np.testing.assert_allclose(updates[t - 1], step, rtol=1e-9, atol=1e-14)
            w = w + step
            average = beta * average + (1 - beta) * w
        np.testing.assert_allclose(memory["average"], average / (1 - beta**100), rtol=1e-9)


def bias_only(value, name, kernels, **options):
    """Updates of one step where one control has one value in all tensors."""
    rng = np.random.default_rng(3)
    task = task_of((4, 3, 2))
    n = int(task.bounds[-1])
    gradients, params, updates = rng.standard_normal((3, n))
    start = options.pop("start", LayerStart(0.01))
    memory = layer_memory(n, 4, float)
    rule = kernels.LayerRule(
        gradients, params, updates, memory, task, start, np.array([0]),
        np.array([LAYER_CONTROLS.index(name)]), np.array([0.0, value]), np.array([1, 1]),
        "identity", "identity",
    )  # fmt: skip
    rule.update(options.pop("t", 1), options.pop("is_first", True), 0, 1.0, 10)
    return gradients, params, updates, memory


def test_every_control_does_what_it_says(kernels):
    weights = np.arange(23) < 18
    g, w, plain, _ = bias_only(0.0, "step", kernels)
    np.testing.assert_allclose(plain, -0.01 * np.sign(g), rtol=1e-6)
    for value, factor in ((1.0, 4), (-0.5, 0.5), (9.0, 256), (np.finfo(float).max, 256)):
        found = bias_only(value, "step", kernels)[2]
        np.testing.assert_allclose(found, factor * plain, rtol=1e-12)
    # At the first step all means are the gradient: the mix has sum 1, whatever its parts.
    np.testing.assert_allclose(bias_only(3.0, "gradient", kernels)[2], plain, rtol=1e-12)
    # Half momentum against half gradient.
    np.testing.assert_allclose(bias_only(-1.0, "gradient", kernels)[2], 0 * plain, atol=1e-15)
    assert not bias_only(-1.0, "momentum_0.9", kernels)[2].any()
    np.testing.assert_allclose(bias_only(50.0, "fast_squares", kernels)[2], plain, rtol=1e-9)
    for value, decay in ((0.5, 0.5), (-3.0, 0.0), (99.0, 10.0)):
        expected = plain - 0.01 * decay * w * weights
        np.testing.assert_allclose(bias_only(value, "decay", kernels)[2], expected, rtol=1e-12)
    careful = bias_only(0.5, "decay", kernels, start=LayerStart(0.01, cautious=True))[2]
    np.testing.assert_allclose(careful, plain - 0.005 * w * weights * (plain * w < 0), rtol=1e-12)
    np.testing.assert_allclose(bias_only(-0.5, "gain", kernels)[2], plain - 0.5 * w, rtol=1e-12)
    np.testing.assert_allclose(bias_only(-9.0, "gain", kernels)[2], plain - 0.875 * w, rtol=1e-12)
    later = bias_only(-0.5, "gain", kernels, is_first=False)[2]
    np.testing.assert_allclose(later, plain, rtol=1e-12)
    first = bias_only(0.3, "gain", kernels)
    np.testing.assert_allclose(first[3]["average"], first[1] + first[2], rtol=1e-12)
    mass = bias_only(1.0, "horizon", kernels)[3]["tensors"][:, 0]
    np.testing.assert_allclose(mass, 1 / 4)
    mass = bias_only(-1.0, "horizon", kernels, start=LayerStart(0.01, horizon=8.0))[3]
    np.testing.assert_allclose(mass["tensors"][:, 0], 1 / 2)


@pytest.mark.parametrize(
    ("start", "value", "share"),
    [
        (0.0, 0.0, 0.0),
        (0.1, 0.0, 0.1),
        (0.6, 0.0, 0.6),
        (0.0, 0.5, 0.25),  # half the output is added, at 0 as elsewhere
        (0.1, -0.1, 0.05),
        (0.1, -0.3, 0.0),
        (0.1, 1.1, 0.6),
        (0.1, np.finfo(float).max, 0.6),
        (0.1, -np.finfo(float).max, 0.0),
    ],
)
def test_the_share_that_is_dropped_is_the_starts_plus_half_the_output(kernels, start, value, share):
    found = bias_only(value, "dropout", kernels, start=LayerStart(0.01, dropout=start))
    np.testing.assert_allclose(found[3]["dropout"], [share], rtol=1e-15, atol=1e-16)
    np.testing.assert_array_equal(found[2], bias_only(0.0, "step", kernels)[2])


def test_the_weight_matrix_after_a_hidden_layer_sets_its_dropout(kernels):
    """Not the first matrix, nor biases: each matrix says its own depth here."""
    task = task_of((2, 3, 4, 5, 2))
    n = int(task.bounds[-1])
    memory, dropout = layer_memory(n, 8, float, 0.3), np.zeros(3)
    codes = np.array([LAYER_INPUTS.index(name) for name in ("depth", "is_bias")])
    rule = kernels.LayerRule(
        *np.zeros((3, n)), memory, task, LayerStart(0.1, dropout=0.1), codes,
        np.array([LAYER_CONTROLS.index("dropout")]), np.array([0.3, 9.0, 0.0]), np.array([2, 1]),
        "identity", "identity", None, dropout,
    )  # fmt: skip
    rule.update(1, True, 0, 1.0, 10)
    np.testing.assert_allclose(dropout, [0.1 + 0.05, 0.1 + 0.1, 0.1 + 0.15])
    np.testing.assert_array_equal(memory["dropout"], dropout)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_nothing_that_is_not_finite_reaches_the_weights(kernels, bad):
    def spoil(t, gradients):
        if t in (1, 7):
            gradients[:5] = bad
        if t == 9:
            gradients[...] = bad

    for codes in (ALL, NO_STATISTICS):
        losses = (1.0, bad, 2.0)
        params, memory, updates = train(
            kernels, codes=codes, scale=5.0, change=spoil, validations=losses
        )
        assert np.isfinite(updates).all()
        assert np.isfinite(params).all()
        assert all(np.isfinite(array).all() for array in memory.values())


def test_a_step_is_bounded(kernels):
    def spike(t, gradients):
        gradients[...] = 1.0 if t == 20 else 0.0

    gradient = np.array([LAYER_CONTROLS.index("gradient")])
    _, _, updates = train(
        kernels, codes=np.array([0]), controls=gradient, scale=0.0, change=spike, start="adam"
    )
    assert np.abs(updates[19]).max() <= 8 * 0.001


def test_inputs_by_hand():
    rng = np.random.default_rng(0)
    sizes = (16, 4, 2)
    task = task_of(sizes, n_rows=1024, n_planned=300)
    n = int(task.bounds[-1])
    memory = layer_memory(n, 4, float)
    w = rng.standard_normal(n)
    first_w, mean_9 = w.copy(), np.zeros(n)
    for t, (loss, n_patterns) in enumerate(((4.0, 32), (1.0, 64)), start=1):
        g = rng.standard_normal(n)
        mean_9 = 0.9 * mean_9 + 0.1 * g
        x = layer_inputs(layer_moments(g, memory), w, memory, task, ALL, t, 3, loss, n_patterns)
        if t == 1:
            w *= 2
    known = dict(zip(LAYER_INPUTS, x.T, strict=True))
    fast = (0.09 * 4 + 0.1) / 0.19
    expected = {
        "progress": 2 / 300,
        "remaining": -np.log2(1.01 - 2 / 300),
        "early": np.tanh(16 / 300),
        "last_tenth": 0,
        "log_planned": 0,
        "warmup_10": np.tanh(0.2),
        "warmup_100": np.tanh(0.02),
        "log_epochs": 2 / 3,
        "log_batch": 0.5,
        "log_loss": np.log2(fast) / 4,
        "log_loss/first": np.log2(fast / 4) / 2,
        "log_loss_fast/slow": np.log2(fast / ((0.0099 * 4 + 0.01) / 0.0199)),
        "log_fan_in": [1, 0.5, 1, 0.5],
        "log_fan_out": [0.5, 0.25, 0.5, 0.25],
        "is_bias": [0, 0, 1, 1],
        "is_last": [0, 1, 0, 1],
        "is_first": [1, 0, 1, 0],
        "depth": [0, 1, 0, 1],
        "is_classification": 1,
        "is_saturating": 0,
        "log_rows": 1,
        "log_params/rows": np.log2(78 / 1024) / 2,
        "log_rms/first": 1,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(known[name], np.broadcast_to(value, 4), rtol=1e-9, err_msg=name)
    here = slice(0, 64)
    rms = 2 * np.sqrt(np.mean(first_w[here] ** 2))
    assert known["log_net_inputs"][0] == pytest.approx(np.log2(4 * rms) / 2)
    cosine = g[here] @ mean_9[here] / np.linalg.norm(g[here]) / np.linalg.norm(mean_9[here])
    assert known["cosine_0.9"][0] == pytest.approx((0.09 + 0.1 * cosine) / 0.19)
    assert (np.abs(x) <= 3).all()


VALIDATION = np.array(
    [
        LAYER_INPUTS.index(name)
        for name in (
            "has_validation",
            "log_validation/loss",
            "log_validation/best",
            "validations_since_best",
        )
    ]
)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([], [0, 0, 0, 0]),
        ([8.0], [1, 1.5 / 2, 0, 0]),  # over a training loss of 2 sqrt(2)
        ([8.0, 4.0], [1, 0.5 / 2, 0, 0]),
        ([4.0, 8.0], [1, 1.5 / 2, 1 / 2, 1 / 3]),
        ([8.0, 4.0, 16.0, 5.0, 32.0], [1, 3.5 / 2, 3 / 2, 2 / 3]),  # 3 since the lowest
        ([4.0, 4.0], [1, 0.5 / 2, 0, 1 / 3]),  # as low is no new lowest
        ([4.0, np.nan], [1, 3, 3, 1 / 3]),
        ([np.nan], [1, 3, 0, 0]),
        ([np.inf, 4.0], [1, 0.5 / 2, 0, 0]),
        ([0.0, 4.0], [1, 0.5 / 2, 3, 1 / 3]),
        ([1.0] * 1000, [1, -1.5 / 2, 0, 3]),
    ],
    ids=lambda value: str(value[:6]),
)
def test_inputs_of_validations_by_hand(kernels, losses, expected):
    """In NumPy, and in a kernel whose controls are the inputs."""
    task, n = task_of((3, 2)), 8
    rate = LayerStart(1.0)
    memory = layer_memory(n, 2, float)
    for loss in losses:
        note_validation(memory, loss)
    assert np.isfinite(memory["validation"]).all()
    g, w = np.ones(n), np.ones(n)
    training_loss = 2 * np.sqrt(2)
    x = layer_inputs(g, w, memory, task, VALIDATION, 1, 0, training_loss, 8)
    np.testing.assert_allclose(x, [expected] * 2, rtol=1e-9, atol=1e-9)
    for one, code in enumerate(VALIDATION):
        memory = layer_memory(n, 2, float)
        updates = np.zeros(n)
        rule = kernels.LayerRule(
            g, w, updates, memory, task, rate, np.array([code]),
            np.array([LAYER_CONTROLS.index("step")]), np.array([1.0, 0.0]), np.array([1, 1]),
            "identity", "identity",
        )  # fmt: skip
        for loss in losses:  # after the rule was bound, as in a training
            note_validation(memory, loss)
        rule.update(1, False, 0, training_loss, 8)
        np.testing.assert_allclose(-updates, 4.0 ** expected[one], rtol=1e-7)


def test_arrays_that_do_not_fit_are_refused(kernels):
    task = task_of((2, 2))
    good = {name: np.zeros(6) for name in ("gradients", "params", "updates")}
    memory = layer_memory(6, 2, float)
    read_only = np.zeros(0)
    read_only.flags.writeable = False
    rest = {
        "task": task, "start": LayerStart(0.1), "codes": np.array([0]),
        "controls": np.array([0]), "mlp_params": np.zeros(2), "mlp_sizes": np.array([1, 1]),
        "hidden": "identity", "output": "identity",
    }  # fmt: skip
    kernels.LayerRule(**good, memory=memory, **rest).update(1, True, 0, 1.0, 1)
    for change in (
        {"updates": np.zeros(5)},
        {"params": np.zeros(6, np.float32)},
        {"memory": layer_memory(6, 3, float)},
        {"memory": {**memory, "losses": np.zeros(3, np.float32)}},
        {"memory": {**memory, "validation": np.zeros(3)}},
        {"codes": np.array([len(LAYER_INPUTS)])},
        {"controls": np.array([-1])},
        {"mlp_sizes": np.array([1, 2])},
        {"mlp_params": np.zeros(3)},
        {"dropout": np.zeros(1)},
        {"dropout": np.zeros(0, np.float32)},
        {"dropout": read_only},
    ):
        with pytest.raises(ValueError, match=r"fit together|positions|does not fit"):
            kernels.LayerRule(**{**good, "memory": memory, **rest, **change})
