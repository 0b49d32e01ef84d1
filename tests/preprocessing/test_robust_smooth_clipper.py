"""Robust scaling and smooth clipping, held to its equation and to scikit-learn's RobustScaler."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import RobustScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_metabp import RobustSmoothClipper

SEEDS = (0, 1, 2)
DTYPES = (np.float32, np.float64)


def heavy_tails(seed, n=200, n_columns=4):
    """Rows with outliers, of several locations and scales."""
    rng = np.random.default_rng(seed)
    centers = [0, -3, 1000, 5][:n_columns]
    return rng.standard_t(1.5, (n, n_columns)) * 10.0 ** np.arange(n_columns) + centers


@parametrize_with_checks(
    [
        RobustSmoothClipper(),
        RobustSmoothClipper(clip=None, quantile_range=(10, 90)),
        RobustSmoothClipper(clip=0.5),
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_worked_by_hand():
    # Quartiles 2 and 4: z = (x - 3) / 2, and f(z) = z / sqrt(1 + z²/9).
    X = np.array([[1.0], [2.0], [3.0], [4.0], [11.0]])
    clipper = RobustSmoothClipper().fit(X)
    assert clipper.center_ == [3] and clipper.scale_ == [2]
    expected = [-1 / np.sqrt(10 / 9), -0.5 / np.sqrt(37 / 36), 0, 0.5 / np.sqrt(37 / 36), 2.4]
    np.testing.assert_allclose(clipper.transform(X).ravel(), expected, rtol=1e-15)


def test_equal_quartiles_divide_by_half_the_range():
    X = np.array([[0.0], [0], [0], [0], [0], [0], [0], [10], [-2], [0]])
    clipper = RobustSmoothClipper(clip=None).fit(X)
    assert clipper.scale_ == [6]
    np.testing.assert_allclose(clipper.transform([[10.0], [-2]]), [[10 / 6], [-1 / 3]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("clip", [3.0, None])
def test_a_constant_column_becomes_0_in_later_rows_too(clip, dtype):
    clipper = RobustSmoothClipper(clip).fit(np.full((5, 1), 1e20, dtype))
    assert clipper.scale_ == [0]
    later = np.array([[1e20], [-7], [0], [np.nan]], dtype)
    np.testing.assert_array_equal(clipper.transform(later), [[0], [0], [0], [np.nan]])
    np.testing.assert_array_equal(clipper.inverse_transform(np.zeros((1, 1), dtype)), later[:1])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("quantile_range", [(25.0, 75.0), (5, 80)])
def test_statistics_are_numpys_quantiles_without_nan(seed, quantile_range):
    X = heavy_tails(seed)
    X[np.random.default_rng(seed).random(X.shape) < 0.2] = np.nan
    clipper = RobustSmoothClipper(quantile_range=quantile_range).fit(X)
    low, high = np.nanquantile(X, np.array(quantile_range) / 100, axis=0)
    np.testing.assert_allclose(clipper.center_, np.nanmedian(X, axis=0), rtol=1e-14)
    np.testing.assert_allclose(clipper.scale_, high - low, rtol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("clip", [None, np.inf])
@pytest.mark.parametrize("seed", SEEDS)
def test_without_clipping_it_is_scikit_learns_robust_scaler(seed, clip, dtype):
    X = heavy_tails(seed).astype(dtype)
    X[::7, 1] = np.nan
    ours, theirs = RobustSmoothClipper(clip).fit(X), RobustScaler().fit(X)
    tolerance = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(
        ours.transform(X), theirs.transform(X), rtol=tolerance, atol=tolerance
    )
    np.testing.assert_allclose(
        ours.inverse_transform(ours.transform(X)), X, rtol=tolerance, atol=tolerance * 1000
    )


@pytest.mark.parametrize("clip", [0.5, 3.0, 1e6, 1e-300, 1e300])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_clipping_is_its_equation(seed, clip):
    X = heavy_tails(seed)
    z = RobustSmoothClipper(None).fit_transform(X)
    expected = z / np.hypot(1, z / clip)
    np.testing.assert_allclose(
        RobustSmoothClipper(clip).fit_transform(X), expected, rtol=1e-14, atol=0
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("clip", [0.1, 3.0, 7.0])
def test_results_are_bounded_odd_and_in_the_order_of_the_values(clip, dtype):
    info = np.finfo(dtype)
    positive = 2 ** np.linspace(info.minexp, info.maxexp - 0.01, 5000)
    X = np.concatenate([-positive[::-1], [0], positive]).astype(dtype)[:, None]
    clipper = RobustSmoothClipper(clip).fit(np.array([[-2], [-1], [0], [1], [2]], dtype))
    out = clipper.transform(X).ravel()
    assert out.dtype == dtype
    assert np.abs(out).max() <= dtype(clip)
    np.testing.assert_array_equal(out, -out[::-1])
    # Only results at the limit, to rounding, are level.
    assert (np.diff(out) >= -2 * info.eps * clip).all()
    is_far = np.abs(X.ravel()) > 0.05 * clip / np.sqrt(info.eps)
    assert (np.diff(out[~is_far]) > 0).all()


@pytest.mark.parametrize("clip", [3.0, None])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_inverse_returns_the_values(seed, clip):
    X = heavy_tails(seed)
    X[3, 2] = np.nan
    clipper = RobustSmoothClipper(clip).fit(X)
    back = clipper.inverse_transform(clipper.transform(X))
    # An error of eps in f is one of eps z³ / 9 in z.
    z = np.abs(X - clipper.center_) / clipper.scale_
    allowed = 8 * np.finfo(np.float64).eps * (1 + z**3) * clipper.scale_ + 1e-12
    assert (np.isnan(back) == np.isnan(X)).all()
    assert (np.abs(back - X)[~np.isnan(X)] <= allowed[~np.isnan(X)]).all()


@pytest.mark.parametrize(("dtype", "size"), [(np.float32, 8.7e3), (np.float64, 2.0e8)])
def test_values_at_the_limit_come_back_finite_and_values_beyond_are_an_error(dtype, size):
    clipper = RobustSmoothClipper().fit(np.array([[-2.0], [-1], [0], [1], [2]], dtype))
    back = clipper.inverse_transform(np.array([[3], [-3]], dtype))
    np.testing.assert_allclose(back.ravel(), [2 * size, -2 * size], rtol=0.02)
    with pytest.raises(ValueError, match=r"X\[1, 0\] is 3.2, but .* from -3 to 3 only"):
        clipper.inverse_transform(np.array([[0], [3.2]], dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_outliers_up_to_the_largest_floats_become_finite(dtype):
    largest = np.finfo(dtype).max
    X = np.array([[1, 0, -1], [2, 0, 1], [3, 0, -1], [4, 0, 1], [5, 0, 1]], dtype)
    X[0, 1] = 1e-30
    X[-1, :2] = [largest, -largest]
    X[:, 2] *= largest
    clipper = RobustSmoothClipper()
    out = clipper.fit_transform(X)
    assert np.isfinite(clipper.center_).all() and np.isfinite(clipper.scale_).all()
    assert np.isfinite(out).all() and out[-1, 0] == 3
    # Half the range of the second column is half its outlier, of which the clipping leaves this.
    np.testing.assert_allclose(out[-1, 1], -2 / np.sqrt(13 / 9), rtol=1e-6)
    assert (np.abs(clipper.transform(np.full((1, 3), largest))) <= 3).all()


def test_1e300_becomes_the_limit():
    X = np.array([[1.0], [2], [3], [4], [1e300]])
    assert RobustSmoothClipper().fit_transform(X)[-1] == 3
    clipper = RobustSmoothClipper().fit(np.array([[-1e-300], [0], [1e-300]]))
    assert clipper.transform([[-1e300]]) == -3


def test_statistics_that_float32_lacks_are_used_as_the_nearest_that_it_has():
    X = np.array([[-1e-60, 1e300], [-1e-60, 1e300], [0, 1e300], [1e-60, 2e300], [1e-60, 2e300]])
    clipper = RobustSmoothClipper().fit(X)
    out = clipper.transform(np.array([[0, 1], [1, 1]], np.float32))
    assert out.dtype == np.float32
    assert np.isfinite(out).all() and out[0, 0] == 0 and out[1, 0] == 3
    back = clipper.inverse_transform(np.zeros((1, 2), np.float32))
    assert back.tolist() == [[0, np.finfo(np.float32).max]]


@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.int64, bool, object])
def test_other_types_become_float64(dtype):
    X = np.array([[0], [1], [1], [0], [1]]).astype(dtype)
    out = RobustSmoothClipper().fit_transform(X)
    assert out.dtype == np.float64
    np.testing.assert_allclose(out.ravel(), np.array([-1, 0, 0, -1, 0]) / np.sqrt(10 / 9))


def test_nan_stays_and_a_column_of_nothing_else_is_constant():
    X = np.array([[np.nan, 1.0], [np.nan, np.nan], [np.nan, 3.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clipper = RobustSmoothClipper().fit(X)
    assert (clipper.center_ == [0, 2]).all() and (clipper.scale_ == [0, 1]).all()
    out = clipper.transform([[np.nan, np.nan], [5, 2]])
    np.testing.assert_array_equal(out, [[np.nan, np.nan], [0, 0]])


def test_copy_decides_whether_x_is_written():
    X = heavy_tails(0)
    for copy in (True, False):
        given = X.copy()
        clipper = RobustSmoothClipper(copy=copy).fit(given)
        np.testing.assert_array_equal(given, X)
        out = clipper.transform(given)
        assert np.shares_memory(out, given) is not copy
        assert np.array_equal(given, X) is copy


def test_frames_go_in_and_out():
    frame = pd.DataFrame(heavy_tails(0, n_columns=2), columns=["a", "b"])
    clipper = RobustSmoothClipper().set_output(transform="pandas")
    out = clipper.fit_transform(frame)
    assert list(out.columns) == list(clipper.get_feature_names_out()) == ["a", "b"]
    assert clipper.feature_names_in_.tolist() == ["a", "b"] and clipper.n_features_in_ == 2
    np.testing.assert_array_equal(out, RobustSmoothClipper().fit_transform(frame.to_numpy()))
    with pytest.raises(ValueError, match="feature names"):
        clipper.transform(frame.rename(columns={"b": "c"}))
    polars = pytest.importorskip("polars")
    out = clipper.set_output(transform="polars").transform(frame)
    assert isinstance(out, polars.DataFrame) and out.columns == ["a", "b"]


def test_a_copy_by_pickle_or_clone_does_the_same():
    X = heavy_tails(0)
    clipper = RobustSmoothClipper(2.0, quantile_range=(10.0, 90.0)).fit(X)
    for other in (pickle.loads(pickle.dumps(clipper)), clone(clipper).fit(X)):
        np.testing.assert_array_equal(other.transform(X), clipper.transform(X))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"clip": 0}, "'clip' parameter"),
        ({"clip": -1.0}, "'clip' parameter"),
        ({"clip": np.nan}, "'clip' parameter"),
        ({"clip": "3"}, "'clip' parameter"),
        ({"quantile_range": 25}, "'quantile_range' parameter"),
        ({"quantile_range": (75, 25)}, "two percentages, the lower one first"),
        ({"quantile_range": (25, 25)}, "two percentages"),
        ({"quantile_range": (-1, 75)}, "two percentages"),
        ({"quantile_range": (25, 101)}, "two percentages"),
        ({"quantile_range": (np.nan, 75)}, "two percentages"),
        ({"quantile_range": (25, 50, 75)}, "two percentages"),
        ({"copy": "no"}, "'copy' parameter"),
    ],
)
def test_an_invalid_parameter_is_named_and_leaves_the_last_fit(params, message):
    X = heavy_tails(0)
    clipper = RobustSmoothClipper().fit(X)
    before = clipper.center_
    with pytest.raises(ValueError, match=message):
        clipper.set_params(**params).fit(X + 1)
    assert clipper.center_ is before


def test_parameters_of_other_libraries_are_recognised():
    with pytest.raises(TypeError, match="Use clip"):
        RobustSmoothClipper(max_absolute_value=3.0)


def test_bad_rows_are_refused_in_words():
    X = heavy_tails(0)
    clipper = RobustSmoothClipper()
    with pytest.raises(NotFittedError):
        clipper.transform(X)
    clipper.fit(X)
    for method in (clipper.fit, clipper.transform, clipper.inverse_transform):
        with pytest.raises(TypeError, match="no longer sparse once the median is subtracted"):
            method(csr_array(X))
        with pytest.raises(ValueError, match="infinity"):
            method(np.where(X[0, 0] == X, np.inf, X))
    for method in (clipper.transform, clipper.inverse_transform):
        with pytest.raises(ValueError, match="expecting 4 features"):
            method(X[:, :2])
