"""The losses in C against long doubles, and their bits with several sets of vector units."""

import ctypes

import numpy as np
import pytest
from helpers.loops import CPU, VECTOR_UNITS, at, compile_loops

from sklearn_metabp._kernels.functions import ACTIVATIONS, LOSSES

PROGRAM = """
double rules(int is_double, int loss, int function, void *x, const void *t, void *d,
             const void *weight, int64_t n, int64_t width, const int64_t *groups, int64_t n_groups)
{
    return output_rules(is_double, loss, function, x, t, d, weight, n, width, groups, n_groups);
}
double of_labels(int is_double, void *x, const int32_t *labels, const void *no, const void *yes,
                 void *d, const void *weight, int64_t n, int64_t width, const int64_t *groups,
                 int64_t n_groups)
{
    return softmax_labels_log_loss(is_double, x, labels, no, yes, d, weight, n, width, groups,
                                   n_groups);
}
void outputs(int is_double, void *x, int64_t n, int64_t width, const int64_t *groups,
             int64_t n_groups)
{
    softmax(is_double, x, n, width, groups, n_groups);
}
int labels_of(int32_t *labels, const int32_t *neurons, const int64_t *groups, int64_t n_groups)
{
    return row_labels(labels, neurons, groups, n_groups);
}
void logs(int is_double, void *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (is_double) ((double *)x)[i] = log_lane_f64(((double *)x)[i]);
        else ((float *)x)[i] = log_lane_f32(((float *)x)[i]);
}
"""
DTYPES = [np.float64, np.float32]
WIDTHS = [*range(1, 71), 500]
GROUPS = [(3, 2), (1, 1, 1), (2, 40), (17, 16, 33, 1), (64, 64)]
N_ROWS = [1, 5, 16, 67]


def compiled(folder, flags):
    loops = compile_loops(folder, PROGRAM, *flags)
    loops.rules.restype = loops.of_labels.restype = ctypes.c_double
    return loops


@pytest.fixture(scope="module")
def loops(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("baseline"), [])


def call(function, is_double, *arguments):
    """Call a function of the program; arrays are passed by address, numbers as int or int64."""
    converted = [
        at(a) if a is None or isinstance(a, np.ndarray) else ctypes.c_int64(a) for a in arguments
    ]
    return function(is_double, *converted)


def apply_rules(loops, loss, out, net, targets, weight=None, groups=None):
    """Return loss, outputs and deltas."""
    x, n, width = net.copy(), *net.shape
    deltas = np.full_like(x, np.nan)
    groups = np.array(groups or [width], np.int64)
    codes = LOSSES[loss].code, ACTIVATIONS[out].code
    is_double = x.dtype == np.float64
    value = loops.rules(
        *map(int, (is_double, *codes)),
        *map(at, (x, targets, deltas, weight)),
        ctypes.c_int64(n),
        ctypes.c_int64(width),
        at(groups),
        ctypes.c_int64(len(groups)),
    )
    return value, x, deltas


def apply_labels(loops, net, labels, weight=None, groups=None, no=None, yes=None):
    x, n, width = net.copy(), *net.shape
    deltas = np.full_like(x, np.nan)
    groups = np.array(groups or [width], np.int64)
    labels = np.ascontiguousarray(labels, np.int32)
    is_double = int(x.dtype == np.float64)
    value = call(
        loops.of_labels,
        is_double,
        x,
        labels,
        no,
        yes,
        deltas,
        weight,
        n,
        width,
        groups,
        len(groups),
    )
    return value, x, deltas


def softmax_problem(n, groups, dtype, seed=0, spread=3.0):
    """Net inputs, labels (n, n_groups), the same as a matrix, and sample weights."""
    rng = np.random.default_rng(seed)
    width = sum(groups)
    net = (spread * rng.standard_normal((n, width))).astype(dtype)
    starts = np.cumsum([0, *groups[:-1]])
    labels = np.column_stack(
        [s + rng.integers(0, g, n) for s, g in zip(starts, groups, strict=True)]
    )
    matrix = np.zeros((n, width), dtype)
    np.put_along_axis(matrix, labels, 1, axis=1)
    return net, labels, matrix, rng.uniform(0.5, 2, n).astype(dtype)


def long_softmax(net, targets, weight, groups):
    """Loss, outputs and deltas by definition, in long doubles."""
    net, targets = net.astype(np.longdouble), targets.astype(np.longdouble)
    s = np.ones((len(net), 1)) if weight is None else weight.astype(np.longdouble)[:, None]
    losses, outputs, deltas, start = np.zeros(len(net), np.longdouble), [], [], 0
    for size in groups:
        z, t = net[:, start : start + size], targets[:, start : start + size]
        z = z - z.max(axis=1, keepdims=True)
        powers = np.exp(z)
        total = powers.sum(axis=1, keepdims=True)
        losses += (t * (np.log(total) - z)).sum(axis=1)
        outputs.append(powers / total)
        deltas.append(s * (t - t.sum(axis=1, keepdims=True) * outputs[-1]))
        start += size
    return (losses * s[:, 0]).sum(), np.hstack(outputs), np.hstack(deltas)


def long_values(loss, net, t):
    """Loss of every value, outputs and deltas by definition, in long doubles."""
    net, t = net.astype(np.longdouble), t.astype(np.longdouble)
    if loss == "log_loss":
        y = 1 / (1 + np.exp(-net))
        return np.maximum(net, 0) - t * net + np.log1p(np.exp(-np.abs(net))), y, t - y
    if loss == "poisson":
        y = np.exp(net)
        return np.where(t == 0, 0, t * np.log(np.where(t == 0, 1, t))) - t * (net + 1) + y, y, t - y
    e = t - net
    if loss == "squared_error":
        return e**2 / 2, net, e
    if loss == "absolute_error":
        return np.abs(e), net, np.sign(e)
    return np.where(np.abs(e) <= 1, e**2 / 2, np.abs(e) - 0.5), net, np.clip(e, -1, 1)


def assert_same_bits(one, other):
    for a, b in zip(one, other, strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_logarithms_are_right_to_the_last_bits(loops, dtype):
    info = np.finfo(dtype)
    x = np.concatenate(
        [
            np.exp2(np.linspace(info.minexp - info.nmant, info.maxexp - 0.01, 100_001)),
            np.linspace(0.5, 2, 100_001),
            1 + np.geomspace(1e-6, 0.4, 1000),
            [1.0, float(info.smallest_subnormal), float(info.tiny), float(info.max)],
        ]
    ).astype(dtype)
    found = x.copy()
    call(loops.logs, int(dtype == np.float64), found, len(x))
    expected = np.log(x.astype(np.longdouble))
    ulps = np.abs(found - expected) / np.where(expected == 0, 1, np.abs(expected)) / info.eps
    assert ulps.max() < 3
    beyond = np.array([np.inf, np.nan], dtype)
    call(loops.logs, int(dtype == np.float64), beyond, 2)
    assert beyond[0] == np.inf and np.isnan(beyond[1])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", [*((width,) for width in WIDTHS), *GROUPS], ids=str)
def test_softmax_and_its_loss_are_those_of_long_doubles(loops, groups, dtype, weighted):
    eps = np.finfo(dtype).eps
    for n in N_ROWS:
        net, _, matrix, weight = softmax_problem(n, groups, dtype, seed=n)
        weight = weight if weighted else None
        masses = np.random.default_rng(n).uniform(0, 2, matrix.shape).astype(dtype)
        for targets in (matrix, masses):
            loss, outputs, deltas = apply_rules(
                loops, "log_loss", "softmax", net, targets, weight, groups
            )
            expected = long_softmax(net, targets, weight, groups)
            size = np.abs(targets).sum(axis=1).max() * (1 + np.log(max(groups)))
            np.testing.assert_allclose(loss, float(expected[0]), rtol=20 * eps, atol=20 * n * eps)
            np.testing.assert_allclose(outputs, expected[1].astype(float), rtol=20 * eps)
            np.testing.assert_allclose(
                deltas, expected[2].astype(float), rtol=20 * eps, atol=20 * size * eps
            )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", [*((width,) for width in WIDTHS), *GROUPS], ids=str)
def test_labels_give_the_bits_of_their_matrix(loops, groups, dtype, weighted):
    for n in N_ROWS:
        net, labels, matrix, weight = softmax_problem(n, groups, dtype, seed=n, spread=30)
        weight = weight if weighted else None
        if n == 67:  # one that is far below, and one that is level
            net[3], net[5, 0] = 0, -1e30
        of_matrix = apply_rules(loops, "log_loss", "softmax", net, matrix, weight, groups)
        assert np.isfinite(of_matrix[0])
        assert_same_bits(apply_labels(loops, net, labels, weight, groups), of_matrix)
        outputs, sizes = net.copy(), np.array(groups, np.int64)
        call(
            loops.outputs,
            int(dtype == np.float64),
            outputs,
            n,
            net.shape[1],
            sizes,
            len(groups),
        )
        assert_same_bits([outputs], [of_matrix[1]])


def smoothed_problem(n, groups, dtype, share=0.1):
    """As ``softmax_problem``, with smoothed targets, and those of no and of yes."""
    net, labels, matrix, weight = softmax_problem(n, groups, dtype, seed=n, spread=30)
    means = np.repeat(1 / np.array(groups), groups)
    no = (share * means).astype(dtype)
    yes = (1 - share + share * means).astype(dtype)
    return net, labels, np.where(matrix == 1, yes, no), weight, no, yes


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", [*((width,) for width in WIDTHS), *GROUPS], ids=str)
def test_smoothed_labels_give_the_bits_of_their_matrix(loops, groups, dtype, weighted):
    for n in N_ROWS:
        net, labels, matrix, weight, no, yes = smoothed_problem(n, groups, dtype)
        weight = weight if weighted else None
        assert_same_bits(
            apply_labels(loops, net, labels, weight, groups, no, yes),
            apply_rules(loops, "log_loss", "softmax", net, matrix, weight, groups),
        )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [1, 2, 3, 10, 16, 17, 40, 500])
def test_a_net_input_that_is_not_finite_makes_the_loss_so(loops, width, dtype, bad):
    for n in (1, 20):
        for position in {0, width // 2, width - 1}:
            net, labels, matrix, _ = softmax_problem(n, (width,), dtype)
            net[n - 1, position] = bad
            assert not np.isfinite(apply_rules(loops, "log_loss", "softmax", net, matrix)[0])
            assert not np.isfinite(apply_labels(loops, net, labels)[0])
            _, _, _, _, no, yes = smoothed_problem(n, (width,), dtype)
            assert not np.isfinite(apply_labels(loops, net, labels, no=no, yes=yes)[0])


def test_a_label_outside_its_group_is_found(loops):
    groups, labels = np.array([3, 2], np.int64), np.zeros(2, np.int32)
    for neurons, outside in (
        ([0, 3], 0),
        ([2, 4], 0),
        ([3, 3], 1),
        ([0, 2], 1),
        ([0, 5], 1),
        ([-1, 3], 1),
        ([0, -(2**31)], 1),
    ):
        found = loops.labels_of(
            at(labels), at(np.array(neurons, np.int32)), at(groups), ctypes.c_int64(2)
        )
        assert found == outside
        if not outside:
            assert labels.tolist() == neurons


VALUE_LOSSES = [
    ("squared_error", "identity"),
    ("absolute_error", "identity"),
    ("huber", "identity"),
    ("log_loss", "logistic"),
    ("poisson", "exp"),
]


def value_problem(loss, n, width, dtype, seed=0):
    rng = np.random.default_rng(seed)
    net = rng.uniform(-20, 20, (n, width)).astype(dtype)
    targets = rng.uniform(0, 1, (n, width)) if loss == "log_loss" else rng.poisson(2, (n, width))
    return net, targets.astype(dtype), rng.uniform(0.5, 2, n).astype(dtype)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("loss", "out"), VALUE_LOSSES)
def test_losses_of_values_are_those_of_long_doubles(loops, loss, out, dtype, weighted):
    eps = np.finfo(dtype).eps
    for n, width in [(1, 1), (1, 7), (1000, 1), (33, 3), (7, 8), (3, 500), (256, 1), (257, 1)]:
        net, targets, weight = value_problem(loss, n, width, dtype, seed=n)
        found = apply_rules(loops, loss, out, net, targets, weight if weighted else None)
        losses, outputs, deltas = long_values(loss, net, targets)
        s = weight.astype(np.longdouble)[:, None] if weighted else 1
        terms = float((s * (losses + np.abs(targets * net))).sum())  # which may cancel
        np.testing.assert_allclose(found[0], float((s * losses).sum()), atol=4 * eps * terms)
        np.testing.assert_allclose(found[1], outputs.astype(float), rtol=8 * eps)
        np.testing.assert_allclose(
            found[2], (s * deltas).astype(float), rtol=16 * eps, atol=8 * eps * (1 + outputs.max())
        )


@pytest.mark.parametrize(("loss", "out"), [*VALUE_LOSSES, ("log_loss", "softmax")])
def test_losses_of_float32_are_summed_in_double(loops, loss, out):
    """In float32, a million equal losses would add up to a sum that is wrong from 1e-4 on."""
    net, targets = np.full((2**20, 2), 0.3, np.float32), np.full((2**20, 2), 0.0, np.float32)
    net[:, 1], targets[:, 1] = 0, 1
    one = apply_rules(loops, loss, out, net[:1], targets[:1])[0]
    many = apply_rules(loops, loss, out, net, targets)[0]
    assert many == pytest.approx(2**20 * one, rel=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("loss", "out"), VALUE_LOSSES)
def test_one_value_that_is_not_finite_makes_the_loss_so(loops, loss, out, dtype, bad):
    for position in (0, 8, 300, 510):
        net, targets, _ = value_problem(loss, 511, 1, dtype)
        net[position] = bad
        assert not np.isfinite(apply_rules(loops, loss, out, net, targets)[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_sample_weights_of_one_change_no_bit(loops, dtype):
    for loss, out in [*VALUE_LOSSES, ("log_loss", "softmax")]:
        net, targets, _ = value_problem(loss, 77, 5, dtype)
        plain = apply_rules(loops, loss, out, net, targets)
        assert_same_bits(apply_rules(loops, loss, out, net, targets, np.ones(77, dtype)), plain)


@pytest.mark.parametrize("units", ["avx2", "avx512f"])
def test_the_bits_are_the_same_with_all_vector_units(loops, units, tmp_path):
    flags = CPU.read_text().split() if CPU.exists() else []
    if units not in flags or "fma" not in flags:
        pytest.skip(f"needs a processor with {units}")
    other = compiled(tmp_path, VECTOR_UNITS[units])
    for dtype in DTYPES:
        for groups in [(2,), (3,), (10,), (16,), (17,), (20,), (31,), (500,), *GROUPS]:
            net, labels, matrix, weight = softmax_problem(67, groups, dtype)
            masses = np.random.default_rng(1).uniform(size=matrix.shape).astype(dtype)
            assert_same_bits(
                apply_labels(loops, net, labels, weight, groups),
                apply_labels(other, net, labels, weight, groups),
            )
            net, labels, _, weight, no, yes = smoothed_problem(67, groups, dtype)
            assert_same_bits(
                apply_labels(loops, net, labels, weight, groups, no, yes),
                apply_labels(other, net, labels, weight, groups, no, yes),
            )
            arguments = ("log_loss", "softmax", net, masses, weight, groups)
            assert_same_bits(apply_rules(loops, *arguments), apply_rules(other, *arguments))
        for loss, out in VALUE_LOSSES:
            net, targets, weight = value_problem(loss, 67, 11, dtype)
            for s in (None, weight):
                arguments = (loss, out, net, targets, s)
                assert_same_bits(apply_rules(loops, *arguments), apply_rules(other, *arguments))
