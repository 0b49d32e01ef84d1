"""Statistics of tensors and layers: the kernel, its fallback, and NumPy."""

import numpy as np
import pytest
from helpers.kernels import compiled_only, fallback, installed
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp._kernels.summaries.summaries_fallback import (
    MOST_VALUES,
    QUANTILES,
    LayerArrays,
    places_of_sample,
)

IMPLEMENTATIONS = pytest.mark.parametrize("kernels", [installed, fallback], ids=["kernel", "numpy"])


def of_one(kernels, values):
    """Return the row of one tensor."""
    statistics = kernels.StepStatistics([values], [0, len(values)], [])
    statistics.take(1)
    return statistics.tensors[0, 0]


@IMPLEMENTATIONS
def test_statistics_of_a_tensor_by_hand(kernels):
    row = of_one(kernels, np.array([3.0, -4.0, 0.0, 0.0, 5.0]))
    # l1, l2, max, mean, zeros; the sorted values are -4, 0, 0, 3, 5
    assert_allclose(row[:5], [12, np.sqrt(50), 5, 0.8, 0.4])
    assert_allclose(row[5:], [-3.2, 0, 0, 3, 4.6])


def draws(seed):
    """Values of many kinds: sizes, repeats, zeros, one sign, many powers of ten."""
    rng = np.random.default_rng(seed)
    for n in (1, 2, 3, 63, 64, 65, 100, 511, 512, 513, 4000):
        values = rng.standard_normal(n)
        yield values
        yield np.where(rng.random(n) < 0.7, 0, values)
        yield np.round(values)
        yield -np.abs(values) * 10.0 ** rng.integers(-30, 30, n)
        yield np.full(n, values[0])
        yield np.zeros(n)
        yield np.sort(values)[::-1].copy()


@IMPLEMENTATIONS
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("seed", range(2))
def test_statistics_are_those_of_numpy(kernels, dtype, seed):
    tolerance = 1e-12 if dtype == np.float64 else 1e-6
    for values in draws(seed):
        values = values.astype(dtype)
        row, wide = of_one(kernels, values), values.astype(float)
        size = np.abs(wide).max()
        assert_allclose(row[0], np.linalg.norm(wide, 1), rtol=tolerance)
        assert_allclose(row[1], np.linalg.norm(wide), rtol=tolerance)
        assert row[2] == size
        assert_allclose(row[3], wide.mean(), rtol=tolerance, atol=tolerance * size)
        assert row[4] == (wide == 0).mean()
        expected = np.quantile(wide[places_of_sample(len(wide))], QUANTILES)
        assert_allclose(row[5:], expected, rtol=1e-12, atol=1e-15 * size)


def test_a_sample_is_spread_over_rows_and_columns():
    assert_array_equal(places_of_sample(MOST_VALUES), np.arange(MOST_VALUES))
    for shape in [(64, 64), (64, 100), (100, 10), (784, 512), (512, 3)]:
        places = places_of_sample(np.prod(shape))
        assert len(places) == MOST_VALUES and (np.diff(places) > 0).all()
        assert places[0] >= 0 and places[-1] < np.prod(shape)
        rows, columns = np.unravel_index(places, shape)
        for found, n in ((rows, shape[0]), (columns, shape[1])):
            # as even as independent draws at least: chi-square over its degrees of freedom
            n_bins = min(n, 16)
            counts = np.histogram(found, n_bins, (0, n))[0]
            widths = np.histogram(np.arange(n), n_bins, (0, n))[0]
            expected = MOST_VALUES * widths / n
            assert ((counts - expected) ** 2 / expected).sum() / (n_bins - 1) < 1.5


def layer(rng, n_rows, width, dtype, slopes=False):
    outputs = np.maximum(rng.standard_normal((n_rows, width)), 0)
    outputs[:, rng.random(width) < 0.3] = 0
    deltas = 7 + 1e-3 * rng.standard_normal((n_rows, width))
    arrays = [outputs.astype(dtype), deltas.astype(dtype)]
    if slopes:
        return LayerArrays(*arrays, (outputs / 9).astype(dtype), -0.01, 0.01)
    return LayerArrays(*arrays, None, 0.0, np.inf)


@IMPLEMENTATIONS
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("slopes", [False, True])
def test_statistics_of_layers_are_those_of_numpy(kernels, dtype, slopes):
    rng = np.random.default_rng(1)
    layers = [layer(rng, 20, width, dtype, slopes) for width in (1, 9, 33)]
    statistics = kernels.StepStatistics([np.ones(2, dtype)], [0, 2], layers)
    for n in (20, 7):
        statistics.take(n)
        for number, one in enumerate(layers):
            outputs, deltas = one.outputs[:n].astype(float), one.deltas[:n].astype(float)
            for values, row in ((outputs, statistics.outputs), (deltas, statistics.deltas)):
                expected = values.mean(), values.std(), np.abs(values).max(), (values == 0).mean()
                assert_allclose(row[number, :4], expected, rtol=1e-9, atol=1e-12)
            is_flat = np.abs(one.slopes[:n]) < 0.01 if slopes else outputs <= 0
            assert_allclose(statistics.outputs[number, 4], is_flat.mean())
            assert_allclose(statistics.outputs[number, 5], is_flat.all(axis=0).mean())


@compiled_only
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_kernel_is_its_fallback(dtype):
    rng = np.random.default_rng(2)
    bounds = [0, 6400, 7400, 7500, 7510]
    vectors = [rng.standard_normal(7510).astype(dtype) for _ in range(3)]
    layers = [layer(rng, 200, 100, dtype), layer(rng, 200, 10, dtype, slopes=True)]
    ours, theirs = (k.StepStatistics(vectors, bounds, layers) for k in (installed, fallback))
    for n in (200, 31):
        ours.take(n)
        theirs.take(n)
        assert_allclose(ours.numbers, theirs.numbers, rtol=1e-12, atol=1e-12)


@IMPLEMENTATIONS
def test_what_is_not_finite_is_no_error(kernels):
    values = np.random.default_rng(0).standard_normal(100)
    values[[3, 50]] = np.inf, np.nan
    of_one(kernels, values)
    of_one(kernels, np.full(100, np.nan))


@IMPLEMENTATIONS
def test_arrays_that_do_not_fit_are_refused(kernels):
    vector, one = np.ones(4), LayerArrays(np.ones((3, 2)), np.ones((3, 2)), None, 0.0, 1.0)
    with pytest.raises(ValueError, match="of one dtype"):
        kernels.StepStatistics([vector, vector.astype(np.float32)], [0, 4], [])
    with pytest.raises(ValueError, match="end at the last bound"):
        kernels.StepStatistics([vector], [0, 5], [])
    with pytest.raises(ValueError, match="begin at 0 and increase"):
        kernels.StepStatistics([vector], [0, 2, 2, 4], [])
    with pytest.raises(ValueError, match="of one shape"):
        kernels.StepStatistics([vector], [0, 4], [one._replace(deltas=np.ones((3, 3)))])
    with pytest.raises(ValueError, match="the same batch"):
        kernels.StepStatistics(
            [vector], [0, 4], [one, LayerArrays(np.ones((2, 2)), np.ones((2, 2)), None, 0.0, 1.0)]
        )
    with pytest.raises(IndexError, match="4 patterns"):
        kernels.StepStatistics([vector], [0, 4], [one]).take(4)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_functions_are_flat_where_the_derivative_is_small(name):
    function = ACTIVATIONS[name]
    if name == "softmax":
        outputs = np.linspace(0, 1, 100_001)
        slopes = outputs * (1 - outputs)
    else:
        net = np.linspace(-12, 12, 240_001)
        outputs, slopes = function.function(net), function.slope(net)
    if name == "exp":  # has no largest derivative, and is never flat
        assert function.steep_outputs == (-np.inf, np.inf)
        return
    assert_allclose(np.abs(slopes).max(), function.steepest, rtol=1e-5)
    if function.needs_net_inputs:
        return
    small = np.abs(slopes) < 0.01 * function.steepest
    low, high = function.steep_outputs
    is_flat = ~((low < outputs) & (outputs < high))
    near = np.isclose(np.abs(slopes), 0.01 * function.steepest, rtol=1e-3)
    assert_array_equal(is_flat[~near], small[~near])
