"""Robust scaling with smooth clipping, the preprocessing of RealMLP."""

from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from scipy.sparse import issparse, spmatrix
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_metabp.did_you_mean import ExplainsParameters
from sklearn_metabp.doc_links import DocLinkMixin

#: z / clip at which clip(z) is the limit to rounding, in float64 too. The square is finite in
#: float32.
FAR = 2.0**30


class RobustSmoothClipper(
    ExplainsParameters, OneToOneFeatureMixin, DocLinkMixin, TransformerMixin, BaseEstimator
):
    r"""Robust scaling and smooth clipping of every column, for columns with outliers.

    The median of a column becomes 0, and its interquartile range becomes 1. Then a smooth function
    moves all values into the interval from -3 to 3. Values near the median hardly change. Outliers
    of any size end near the limits, in their order. So one wrong number does not push the other
    rows together, and does not dominate the inputs of a network.

    With the quantiles :math:`q_p` of the column in the rows of ``fit``, a value :math:`x` becomes

    .. math::

        f(s (x - q_{1/2})), \qquad f(z) = \frac{z}{\sqrt{1 + (z / 3)^2}}, \qquad
        s = \begin{cases}
            1 / (q_{3/4} - q_{1/4}) & \text{if } q_{3/4} \ne q_{1/4} \\
            2 / (q_1 - q_0) & \text{if } q_{3/4} = q_{1/4} \text{ and } q_1 \ne q_0 \\
            0 & \text{otherwise}
        \end{cases}

    The second case is for columns that have the same value in most rows. In the third case the
    column is constant: all values become 0, also in later rows.

    Parameters
    ----------
    clip : float or None, default=3.0
        Limit of the absolute values, the 3 of the equation, above 0. With None or inf nothing is
        clipped, and outliers stay far away.
    quantile_range : tuple of (float, float), default=(25.0, 75.0)
        Percentages of the quantiles whose distance becomes 1, with
        ``0 <= quantile_range[0] < quantile_range[1] <= 100``.
    copy : bool, default=True
        If True, X does not change. If False, the result is written into X if that is possible, for
        example into an array of floats.

    Attributes
    ----------
    center_ : ndarray of shape (n_features_in_,), dtype float64
        Median of every column.
    scale_ : ndarray of shape (n_features_in_,), dtype float64
        Divisor of every column, :math:`1 / s`. It is 0 for a constant column.
    n_features_in_ : int
        Number of columns of X in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of X in ``fit``, if all of them are strings.

    See Also
    --------
    BackpropMLPClassifier : Network whose inputs should have one scale.
    sklearn.preprocessing.RobustScaler : The scaling without the clipping. If the quantiles are
        equal, it divides by 1 instead of half the range.

    Notes
    -----
    Missing values (NaN) do not count in ``fit`` and stay NaN in ``transform``. A column without any
    number counts as constant, with ``center_`` 0.

    With a limit, finite rows become finite rows, also if a difference from the median is larger
    than the largest float of the type. With ``clip=None`` such a difference or quotient becomes
    infinite.

    There is no ``sample_weight``, as in scikit-learn's ``RobustScaler``.

    References
    ----------
    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default: Strong pre-tuned MLPs and
    boosted trees on tabular data", Advances in Neural Information Processing Systems 37, 2024,
    arXiv:2407.04491: the paragraph on data preprocessing of the section that introduces RealMLP.

    Examples
    --------
    The last of these prices lacks its decimal point:

    >>> import numpy as np
    >>> from sklearn_metabp import RobustSmoothClipper
    >>> prices = np.array([[1.0], [2.0], [3.0], [4.0], [50000.0]])
    >>> clipper = RobustSmoothClipper().fit(prices)
    >>> clipper.center_, clipper.scale_
    (array([3.]), array([2.]))
    >>> clipper.transform(prices).ravel().round(2)
    array([-0.95, -0.49,  0.  ,  0.49,  3.  ])
    """

    _parameters_elsewhere = {"max_absolute_value": "clip"}
    _parameter_constraints: dict = {
        "clip": [Interval(Real, 0, None, closed="right"), None],
        "quantile_range": [tuple],
        "copy": ["boolean"],
    }

    def __init__(
        self,
        clip: float | None = 3.0,
        *,
        quantile_range: tuple[float, float] = (25.0, 75.0),
        copy: bool = True,
    ) -> None:
        self.clip = clip
        self.quantile_range = quantile_range
        self.copy = copy

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Compute the median and the divisor of every column.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of numbers. NaN is a missing value.
        y : None
            Ignored.

        Returns
        -------
        self : RobustSmoothClipper

        Raises
        ------
        ValueError
            If X has infinite values, or if a parameter is invalid.
        TypeError
            If X is sparse.
        """
        percentages = self._check_quantile_range()
        rows = self._check_rows(X, reset=True)
        statistics = [_center_and_scale(column, percentages) for column in rows.T]
        self.center_, self.scale_ = np.array(statistics).T.copy()
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Scale and clip every column.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of numbers. NaN stays NaN.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features)
            Values from ``-clip`` to ``clip``, in float32 if X has this type, else in float64. They
            reach the limits only by rounding. With ``set_output`` the result is a data frame.

        Raises
        ------
        ValueError
            If X has infinite values, or other columns than in ``fit``.
        TypeError
            If X is sparse.
        """
        check_is_fitted(self)
        values = self._check_rows(X, reset=False, copy=self.copy)
        self.clip_in_place(values)
        return values

    def clip_in_place(self, values: np.ndarray) -> None:
        """Scale and clip rows in place, as :meth:`transform` does but without its checks.

        Parameters
        ----------
        values : ndarray of shape (n_samples, n_features), dtype float32 or float64
            Rows without infinite values.
        """
        is_constant = self.scale_ == 0
        if is_constant.any():
            values[:, is_constant] = np.where(np.isnan(values[:, is_constant]), np.nan, 0)
        center, scale = self.shift_and_divisor(values.dtype)
        # An overflow gives inf, which is clipped to the limit.
        with np.errstate(over="ignore"):
            values -= center
            values /= scale
            if (limit := self.limit(values.dtype)) is not None:
                shares = values / limit
                np.clip(shares, -FAR, FAR, out=shares)  # the square would overflow
                shares *= shares
                shares += 1
                values /= np.sqrt(shares, out=shares)
                np.clip(values, -limit, limit, out=values)

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        r"""Return the original values of X, a result of :meth:`transform`.

        The inverse of the clipping is :math:`z = f / \sqrt{1 - (f / 3)^2}`. It is infinite at the
        limits, which :meth:`transform` reaches by rounding. So a value at a limit counts as the
        nearest number inside. With the default limit, a larger outlier than about 2e8 times the
        divisor in float64, or 9e3 times in float32, becomes an outlier of this size. The original
        of a value close to a limit has few correct digits.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Values from ``-clip`` to ``clip``. NaN stays NaN.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Values in the units of the rows of ``fit``. A constant column gets its constant.

        Raises
        ------
        ValueError
            If X has infinite values or values beyond the limits, or other columns than in ``fit``.
        TypeError
            If X is sparse.
        """
        check_is_fitted(self)
        values = self._check_rows(X, reset=False, copy=self.copy)
        if (limit := self.limit(values.dtype)) is not None:
            if (is_beyond := np.abs(values) > limit).any():
                row, column = np.argwhere(is_beyond)[0]
                raise ValueError(
                    f"X[{row}, {column}] is {values[row, column]:.6g}, but transform gives values "
                    f"from {-limit:g} to {limit:g} only, so no row becomes this one. If it is a "
                    "prediction, limit it first, by np.clip."
                )
            values /= limit
            inside = np.nextafter(values.dtype.type(1), values.dtype.type(0))
            np.clip(values, -inside, inside, out=values)
            values /= np.sqrt((1 - values) * (1 + values))
            values *= limit
        values *= _nearest_finite(self.scale_, values.dtype)
        values += _nearest_finite(self.center_, values.dtype)
        return values

    def shift_and_divisor(self, dtype: DTypeLike) -> tuple[np.ndarray, np.ndarray]:
        """Return the shift and the divisor of every column, in another type.

        A shift that the type cannot represent becomes the nearest finite number, and such a divisor
        the nearest number above 0. The divisor of a constant column is 1, because its values are
        set to 0.

        Parameters
        ----------
        dtype : dtype
            ``numpy.float32`` or ``numpy.float64``.

        Returns
        -------
        shift : ndarray of shape (n_features_in_,)
        divisor : ndarray of shape (n_features_in_,)
        """
        check_is_fitted(self)
        is_constant = self.scale_ == 0
        shift = np.where(is_constant, 0, self.center_)
        divisor = np.where(is_constant, 1, self.scale_)
        divisor = np.maximum(divisor, np.finfo(dtype).smallest_subnormal)
        return _nearest_finite(shift, dtype), _nearest_finite(divisor, dtype)

    def limit(self, dtype: DTypeLike) -> np.floating | None:
        """Return the limit of the absolute values in another type, or None if there is none."""
        if self.clip is None or np.isinf(self.clip):
            return None
        info = np.finfo(dtype)
        return info.dtype.type(np.clip(self.clip, info.tiny, info.max))

    def _check_quantile_range(self) -> tuple[float, float]:
        given = self.quantile_range
        if len(given) != 2 or not 0 <= given[0] < given[1] <= 100:
            raise ValueError(
                "quantile_range must be two percentages, the lower one first, with "
                f"0 <= lower < upper <= 100, such as (25.0, 75.0). It is {given!r}."
            )
        return given

    def _check_rows(self, X: ArrayLike | spmatrix, *, reset: bool, copy: bool = False) -> Any:
        if issparse(X):
            raise TypeError(
                "X is sparse, and RobustSmoothClipper takes a dense X only, because a sparse X is "
                "no longer sparse once the median is subtracted. Call X.toarray(), or use "
                "sklearn.preprocessing.MaxAbsScaler, which keeps zeros."
            )
        # The search for infinite values adds all values, and inf - inf would warn.
        with np.errstate(invalid="ignore"):
            return validate_data(
                self,
                X,
                reset=reset,
                copy=copy,
                dtype=[np.float64, np.float32],
                force_writeable=not reset,
                ensure_all_finite="allow-nan",
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _nearest_finite(values: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """Return values in another type. Values beyond its range become its largest floats."""
    info = np.finfo(dtype)
    return np.clip(values, info.min, info.max).astype(dtype)


def _center_and_scale(column: np.ndarray, percentages: tuple[float, float]) -> tuple[float, float]:
    """Return the median and the divisor of a column, in float64, without NaN."""
    numbers = column[~np.isnan(column)].astype(np.float64)
    if not len(numbers):
        return 0.0, 0.0
    # Differences of the largest floats overflow. A smaller power of two does not change the digits.
    unit = 4.0 if np.abs(numbers).max() > np.finfo(np.float64).max / 4 else 1.0
    shares = np.array([percentages[0], 50.0, percentages[1]]) / 100
    low, center, high = np.quantile(numbers / unit, shares)
    scale = high - low
    if scale == 0:
        scale = (numbers.max() / unit - numbers.min() / unit) / 2
    return center * unit, min(scale, np.finfo(np.float64).max / unit) * unit
