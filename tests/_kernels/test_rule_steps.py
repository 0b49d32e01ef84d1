import numpy as np
import pytest
from helpers.kernels import compiled_only, fallback, installed
from helpers.networks import TOLERANCES, assert_near

# name, arrays of its state, the rest of its arguments; "t" stands for the number of the step
SETTINGS = [
    ("sgd_step", 0, (0.3,)),
    ("momentum_step", 1, (0.1, 0.9, False)),
    ("momentum_step", 1, (0.1, 0.9, True)),
    ("rprop_step", 2, (0.7, 1.2, 0.5, 1e-6, 50.0)),
    ("rprop_step", 2, (1.0, 2.0, 0.1, 0.01, 1.0)),
    ("adagrad_step", 1, (0.1, 1e-10)),
    ("adadelta_step", 2, (1.0, 0.9, 1e-6)),
    ("rmsprop_step", 1, (1e-3, 0.9, 1e-8)),
    ("adam_step", 2, (1e-3, 0.9, 0.999, 1e-8, "t")),
    ("adam_step", 2, (0.1, 0.5, 0.25, 0.5, "t")),
    ("adamax_step", 2, (2e-3, 0.9, 0.999, 1e-8, "t")),
    ("nadam_step", 2, (2e-3, 1e-3, 0.9, 0.999, 1e-8, "t")),
    ("radam_step", 2, (1e-3, 0.9, 0.999, 1e-8, True)),
    ("radam_step", 2, (1e-3, 0.9, 0.999, 1e-8, False)),
    ("lion_step", 1, (1e-4, 0.9, 0.99)),
    ("prodigy_step", 2, (1e-3, 0.5, 0.9, 0.999, 1e-8)),
    ("prodigy_step", 2, (2.0, 1.0, 0.5, 0.25, 0.5)),
]


@pytest.fixture(
    params=[
        pytest.param(installed, id="compiled", marks=compiled_only),
        pytest.param(fallback, id="fallback"),
    ]
)
def kernels(request):
    """Each of the two implementations of the rules' steps."""
    return request.param


def walk(kernels, name, n_states, settings, gradients):
    """States and updates after every step."""
    states = [np.zeros_like(gradients[0]) for _ in range(n_states)]
    if name == "rprop_step":
        states[1][...] = 0.05
    seen = []
    for t, gradient in enumerate(gradients, start=1):
        updates = np.full_like(gradient, np.nan)
        arguments = [t if value == "t" else value for value in settings]
        getattr(kernels, name)(gradient, *states, updates, *arguments)
        seen.append([np.copy(a) for a in (*states, updates)])
    return seen


@compiled_only
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 7, 8, 1003])
@pytest.mark.parametrize(("name", "n_states", "settings"), SETTINGS, ids=str)
def test_compiled_steps_are_those_of_the_fallback(name, n_states, settings, n, dtype):
    rng = np.random.default_rng(n)
    scales = np.geomspace(1e-6, 1e3, n)
    gradients = [(rng.standard_normal(n) * scales).astype(dtype) for _ in range(60)]
    compiled = walk(installed, name, n_states, settings, gradients)
    by_fallback = walk(fallback, name, n_states, settings, gradients)
    for t, (ours, theirs) in enumerate(zip(compiled, by_fallback, strict=True)):
        for which, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert_near(a / scales, b / scales, TOLERANCES[dtype], f"step {t}, array {which}")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "n_states", "settings"), SETTINGS, ids=str)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_reach_the_updates_or_the_state(
    kernels, name, n_states, settings, bad, dtype
):
    """Signs and maxima swallow NaN easily; the loop finds it in the updates or the state."""
    gradients = [np.array([1.0, bad, -1.0], dtype)] * 2
    if name in ("rprop_step", "lion_step") and np.isinf(bad):
        return  # infinity has a sign
    *_, seen = walk(kernels, name, n_states, settings, gradients)
    assert np.isfinite(np.array(seen)[:, [0, 2]]).all()
    assert not np.isfinite(np.array(seen)[:, 1]).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 8, 1003])
def test_decay_average_and_norm_are_those_of_their_definitions(kernels, n, dtype):
    rng = np.random.default_rng(n)
    w, u, a = (rng.standard_normal(n).astype(dtype) for _ in range(3))
    decayed, averaged = u.copy(), a.copy()
    kernels.decay_step(w, decayed, 0.25)
    kernels.average_step(w, u, averaged, 0.25)
    exact = [array.astype(np.longdouble) for array in (w, u, a)]
    assert_near(decayed, (exact[1] - exact[0] / 4).astype(dtype), TOLERANCES[dtype])
    assert_near(
        averaged, (0.75 * exact[2] + (exact[0] + exact[1]) / 4).astype(dtype), TOLERANCES[dtype]
    )
    assert kernels.norm(w) == pytest.approx(float(np.sqrt((exact[0] ** 2).sum())), rel=1e-14)
    assert kernels.norm(np.full(n, 1e30, dtype)) == pytest.approx(1e30 * np.sqrt(n), rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 8, 1003])
def test_cautious_decay_leaves_out_weights_that_grow(kernels, n, dtype):
    rng = np.random.default_rng(n)
    w, u, factors, shares = (rng.standard_normal(n).astype(dtype) for _ in range(4))
    w[::5] = 0
    u[::7] = 0
    exact_w, exact_u = w.astype(np.longdouble), u.astype(np.longdouble)
    decays = ~((w > 0) & (u > 0) | (w < 0) & (u < 0))
    decayed = u.copy()
    kernels.cautious_decay_step(w, decayed, 0.25)
    assert_near(decayed, (exact_u - decays * exact_w / 4).astype(dtype), TOLERANCES[dtype])
    for cautious, counts in ((False, np.ones(n)), (True, decays)):
        scaled = u.copy()
        kernels.layerwise_step(w, factors, shares, scaled, cautious)
        expected = factors * exact_u - counts * shares * exact_w
        assert_near(scaled, expected.astype(dtype), TOLERANCES[dtype])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_cautious_decay_by_hand(kernels, dtype):
    """Updates 1, -1, 0 of a weight of 2 and of -2: it does not decay where it grows."""
    weights = np.array([2, 2, 2, -2, -2, -2, 0], dtype)
    updates = np.array([1, -1, 0, 1, -1, 0, 1], dtype)
    kernels.cautious_decay_step(weights, updates, 0.25)
    np.testing.assert_array_equal(updates, [1, -1.5, -0.5, 1.5, -1, 0.5, 1])
    tiny = np.finfo(dtype).tiny
    updates = np.array([tiny, -tiny], dtype)  # their products with tiny weights are zero
    kernels.cautious_decay_step(np.full(2, tiny, dtype), updates, 0.5)
    np.testing.assert_array_equal(updates, np.array([tiny, -1.5 * tiny], dtype))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 8, 1003])
def test_schedule_free_steps_are_those_of_three_points(kernels, n, dtype):
    rng = np.random.default_rng(n)
    z, x, u = (rng.standard_normal(n).astype(dtype) for _ in range(3))
    exact_z, exact_x, exact_u = (array.astype(np.longdouble) for array in (z, x, u))
    offset = (exact_x - exact_z).astype(dtype)
    after_z = exact_z + 0.5 * exact_u
    after_x = 0.875 * exact_x + 0.125 * after_z
    moved = 0.25 * (after_z - exact_z) + 0.75 * (after_x - exact_x)
    kernels.schedule_free_step(offset, u, 0.75, 0.5, 0.125)
    assert_near(offset, (after_x - after_z).astype(dtype), TOLERANCES[dtype])
    assert_near(u, moved.astype(dtype), TOLERANCES[dtype])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 7, 8, 1003])
def test_sums_of_the_distance_are_what_they_say(kernels, n, dtype):
    rng = np.random.default_rng(n)
    g, w, s = (rng.standard_normal(n).astype(dtype) for _ in range(3))
    start = (w + 1e-5 * rng.standard_normal(n)).astype(dtype)  # the weights have hardly moved
    way = start.astype(np.longdouble) - w
    expected_s = 0.75 * s.astype(np.longdouble) + 2 * g.astype(np.longdouble)
    dot, size = kernels.distance_sums(g, w, start, s, 0.75, 2.0)
    assert_near(s, expected_s.astype(dtype), TOLERANCES[dtype])
    scale = float((np.abs(g) * np.abs(way)).sum())
    assert dot == pytest.approx(float((g * way).sum()), abs=1e-13 * scale)
    assert size == pytest.approx(float(np.abs(s.astype(np.longdouble)).sum()), rel=1e-13)


def test_steps_leave_the_gradients_alone(kernels):
    gradients = np.linspace(-1, 1, 9)
    for name, n_states, settings in SETTINGS:
        walk(kernels, name, n_states, settings, [gradients])
        np.testing.assert_array_equal(gradients, np.linspace(-1, 1, 9))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_apply_updates_adds(kernels, dtype):
    params = np.array([1.0, -2.0, 0.5], dtype)
    assert kernels.apply_updates(params, np.array([0.25, 2.0, -1.0], dtype)) is True
    np.testing.assert_array_equal(params, [1.25, 0, -0.5])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("position", [0, 8, 12])
def test_apply_updates_returns_false_if_a_result_is_not_finite(kernels, bad, position, dtype):
    updates = np.ones(13, dtype)
    params = np.zeros(13, dtype)
    params[position] = np.finfo(dtype).max
    assert kernels.apply_updates(params, updates) is True
    updates[position] = bad
    assert kernels.apply_updates(params, updates) is False


@compiled_only
@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.zeros(3), np.zeros(4)), "same length"),
        ((np.zeros(3), np.zeros(3, np.float32)), "same length and dtype"),
        ((np.zeros((3, 1)), np.zeros((3, 1))), "flat"),
        ((np.zeros(0), np.zeros(0)), "not empty"),
        ((np.zeros(3, int), np.zeros(3, int)), "float32 or float64"),
    ],
)
def test_compiled_steps_refuse_arrays_that_do_not_fit(arrays, message):
    for call in (
        lambda g, u: installed.sgd_step(g, u, 0.1),
        lambda g, u: installed.momentum_step(g, u.copy(), u, 0.1, 0.9, False),
        lambda g, u: installed.adam_step(g, u.copy(), u.copy(), u, 0.1, 0.9, 0.99, 1e-8, 1),
        lambda g, u: installed.rprop_step(g, u.copy(), u.copy(), u, 1.0, 1.2, 0.5, 1e-6, 50.0),
        lambda g, u: installed.adadelta_step(g, u.copy(), u.copy(), u, 1.0, 0.9, 1e-6),
        lambda g, u: installed.nadam_step(g, u.copy(), u.copy(), u, 0.1, 0.1, 0.9, 0.99, 1e-8, 1),
        lambda g, u: installed.lion_step(g, u.copy(), u, 0.1, 0.9, 0.99),
        lambda g, u: installed.decay_step(g, u, 0.1),
        lambda g, u: installed.cautious_decay_step(g, u, 0.1),
        lambda g, u: installed.layerwise_step(g, g, g, u, False),
        lambda g, u: installed.schedule_free_step(g, u, 0.9, 1.0, 0.5),
        lambda g, u: installed.distance_sums(g, g, g, u, 0.9, 1.0),
        lambda g, u: installed.prodigy_step(g, u.copy(), u.copy(), u, 1.0, 1.0, 0.9, 0.9, 0.1),
        lambda g, u: installed.average_step(g, u, u.copy(), 0.1),
        lambda g, u: installed.apply_updates(u, g),
    ):
        with pytest.raises(ValueError, match=message):
            call(*arrays)


@compiled_only
def test_compiled_steps_refuse_to_write_what_is_read_only_or_scattered():
    gradients, updates = np.ones(3), np.zeros(3)
    updates.flags.writeable = False
    with pytest.raises((ValueError, BufferError)):
        installed.sgd_step(gradients, updates, 0.1)
    with pytest.raises((ValueError, BufferError)):
        installed.sgd_step(gradients, np.zeros(6)[::2], 0.1)
    gradients.flags.writeable = False
    written = np.zeros(3)
    installed.sgd_step(gradients, written, 0.5)
    np.testing.assert_array_equal(written, -0.5)
