"""Tables with numbers, categories, booleans and missing values as one matrix of numbers."""

import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context, clone
from sklearn.utils import Tags
from sklearn.utils._param_validation import HasMethods, Interval, Options
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from sklearn_metabp.did_you_mean import ExplainsParameters
from sklearn_metabp.doc_links import DocLinkMixin
from sklearn_metabp.preprocessing.category_encoder import CategoryEncoder
from sklearn_metabp.preprocessing.robust_smooth_clipper import RobustSmoothClipper
from sklearn_metabp.preprocessing.table_columns import (
    Table,
    as_numbers,
    as_table,
    check_no_infinity,
    is_frame,
    sort_columns,
)


class TablePreprocessor(ExplainsParameters, DocLinkMixin, TransformerMixin, BaseEstimator):
    """Transformer of a whole table into the inputs of a network.

    The kind of a column of a data frame or an array decides about its output:

    - Numbers are scaled and clipped by :class:`RobustSmoothClipper`. A missing value becomes the
      median. If ``fit`` has seen missing values, the column gets a second output column, which is 1
      where a value is missing.
    - Categories, which are strings and the dtype ``category``, become columns of 0 and 1, one for
      each category. Rare categories share one column, and categories that ``fit`` has not seen
      belong to it too. Missing values have their own column.
    - Booleans become 0 and 1. Missing values are treated as those of numbers.
    - Columns that have one value in all rows are dropped.

    The kind of a column of dtype ``object`` is that of its values. Missing values are None, NaN and
    ``pandas.NA``, also if they appear for the first time after ``fit``. Dates are an error, because
    they can be used in many ways.

    Parameters
    ----------
    min_frequency : int or float, default=5
        Smallest number of rows, or share of the rows, of a category that gets its own column.
    max_categories : int or None, default=100
        Largest number of output columns for one column of categories. The most frequent categories
        get them. None means no limit.
    scaler : transformer or None, default=None
        Transformer of the columns of numbers. In ``fit`` missing numbers are NaN. None means
        ``RobustSmoothClipper()``.
    add_indicator : bool, default=True
        If True, columns with missing values in ``fit`` get a second column, which is 1 where a
        value is missing.
    dtype : {numpy.float32, numpy.float64}, default=numpy.float32
        Type of the result. All computations are in float64.

    Attributes
    ----------
    n_numeric_ : int
        Number of output columns of numbers. They come first, so they are ``slice(0, n_numeric_)``.
    numbers_ : list of int
        Positions of the columns of numbers in X.
    booleans_ : list of int
        Positions of the columns of booleans in X.
    categories_ : list of int
        Positions of the columns of categories in X.
    dropped_ : list of int
        Positions of the columns of X without information, because all their values are the same or
        missing.
    fill_values_ : ndarray of shape (n_numbers + n_booleans,)
        Values that replace missing values, first of the numbers, then of the booleans.
    gaps_ : ndarray of int
        Indices of the elements of ``fill_values_`` whose columns had missing values in ``fit`` and
        get a second column.
    scaler_ : transformer or None
        The fitted ``scaler``. None without numbers.
    encoders_ : list of CategoryEncoder
        Categories and output columns of each column of categories.
    n_features_in_ : int
        Number of columns of X in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of X in ``fit``, if all of them are strings.

    See Also
    --------
    RobustSmoothClipper : The scaling of the numbers.
    TabularMLPClassifier : Classifier that uses this transformer.
    TabularMLPRegressor : Regressor that uses this transformer.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_metabp import TablePreprocessor
    >>> people = pd.DataFrame({
    ...     "age": [31, None, 45, 60],
    ...     "member": [True, False, False, True],
    ...     "city": ["Ulm", "Bern", "Ulm", None],
    ... })
    >>> preprocessor = TablePreprocessor(min_frequency=2).set_output(transform="pandas")
    >>> preprocessor.fit_transform(people).round(2)
        age  age_missing  member  city_Ulm  city_infrequent
    0 -0.92          0.0     1.0       1.0              0.0
    1  0.00          1.0     0.0       0.0              1.0
    2  0.00          0.0     0.0       1.0              0.0
    3  0.98          0.0     1.0       0.0              1.0
    """

    _names_seen: list[Any] | None  # of a data frame in fit
    _parameters_elsewhere = {"max_levels": "max_categories", "min_count": "min_frequency"}
    _parameter_constraints: dict = {
        "min_frequency": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
        ],
        "max_categories": [Interval(Integral, 1, None, closed="left"), None],
        "scaler": [HasMethods(["fit", "transform"]), None],
        "add_indicator": ["boolean"],
        "dtype": [Options(type, {np.float32, np.float64})],
    }

    def __init__(
        self,
        *,
        min_frequency: float = 5,
        max_categories: int | None = 100,
        scaler: BaseEstimator | None = None,
        add_indicator: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.scaler = scaler
        self.add_indicator = add_indicator
        self.dtype = dtype

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn the kinds of the columns, and their medians, scales and categories.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            Table with a column for each feature.
        y : None
            Ignored.

        Returns
        -------
        self : TablePreprocessor

        Raises
        ------
        ValueError
            If a column holds dates, complex numbers or infinity, or if X has no rows or columns.
        TypeError
            If X is sparse.

        Warns
        -----
        UserWarning
            If all values of a column are missing.
        """
        table = self._check_table(X, reset=True)
        kinds = sort_columns(table)
        if kinds.empty:
            names = ", ".join(repr(table.names[position]) for position in kinds.empty)
            warnings.warn(
                f"All values of {names} are missing, so they are not used: drop them, or find "
                "out where the values were lost.",
                stacklevel=3,
            )
        self.numbers_: list[int] = []
        self.booleans_: list[int] = []
        fills: list[float] = []
        gaps: list[int] = []
        matrix: list[np.ndarray] = []
        for positions, kept in ((kinds.numbers, self.numbers_), (kinds.booleans, self.booleans_)):
            for position in positions:
                values = as_numbers(table.columns[position], table.names[position])
                check_no_infinity(values[:, None], [table.names[position]])
                present = values[~np.isnan(values)]
                if len(present) == len(values) and present.min() == present.max():
                    continue
                if len(present) < len(values):
                    gaps.append(len(fills))
                fills.append(float(np.median(present)))
                matrix.append(values)
                kept.append(position)
        n_numbers = len(self.numbers_)
        self.fill_values_ = np.array(fills, np.float64)
        self.fill_values_[n_numbers:] = self.fill_values_[n_numbers:] > 0.5
        self.gaps_ = np.array(gaps if self.add_indicator else [], np.intp)
        self.scaler_ = self._fit_scaler(matrix[:n_numbers], table)
        self.categories_: list[int] = []
        self.encoders_: list[CategoryEncoder] = []
        least = self._least_frequency(table.n_rows)
        for position in kinds.categories:
            encoder = CategoryEncoder.learn(table.columns[position], least, self.max_categories)
            if encoder.n_outputs > 1:
                self.categories_.append(position)
                self.encoders_.append(encoder)
        used = {*self.numbers_, *self.booleans_, *self.categories_}
        self.dropped_ = [each for each in range(self.n_features_in_) if each not in used]
        return self

    def _least_frequency(self, n_rows: int) -> int:
        if isinstance(self.min_frequency, Integral):
            return int(self.min_frequency)
        return max(1, int(np.ceil(self.min_frequency * n_rows)))

    def _fit_scaler(self, matrix: list[np.ndarray], table: Table) -> Any:
        if not matrix:
            self.n_numeric_ = 0
            return None
        scaler = RobustSmoothClipper() if self.scaler is None else clone(self.scaler)
        scaler.fit(np.column_stack(matrix))
        filled = self.fill_values_[None, : len(matrix)]
        self.n_numeric_ = np.asarray(scaler.transform(filled)).shape[1]
        return scaler

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Return the columns of numbers, of missing values, of booleans and of categories.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            Table with the columns of ``fit``.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features_out)
            An array of the type ``dtype``. With ``set_output`` it is a data frame.

        Raises
        ------
        ValueError
            If X has other columns than in ``fit``, if a column of numbers has a value that is no
            number, or if a value is infinite.
        TypeError
            If X is sparse.
        """
        check_is_fitted(self)
        table = self._check_table(X, reset=False)
        columns, names = table.columns, table.names
        n_numbers, n_given = len(self.numbers_), len(self.fill_values_)
        values = np.empty((table.n_rows, n_given))
        given = (*self.numbers_, *self.booleans_)
        for place, position in enumerate(given):
            values[:, place] = as_numbers(columns[position], names[position])
        check_no_infinity(values, [names[position] for position in given])
        is_gap = np.isnan(values)
        np.copyto(values, self.fill_values_, where=is_gap)
        out = np.zeros((table.n_rows, self._n_outputs()), self.dtype)
        start = self.n_numeric_
        if n_numbers:
            out[:, :start] = self._scaled(values[:, :n_numbers])
        for part in (is_gap[:, self.gaps_], values[:, n_numbers:]):
            stop = start + part.shape[1]
            out[:, start:stop] = part
            start = stop
        for position, encoder in zip(self.categories_, self.encoders_, strict=True):
            stop = start + encoder.n_outputs
            encoder.write(columns[position], out[:, start:stop])
            start = stop
        return out

    def _scaled(self, numbers: np.ndarray) -> np.ndarray:
        if isinstance(self.scaler_, RobustSmoothClipper):
            self.scaler_.clip_in_place(numbers)  # for one row, checks take longer than the rest
            return numbers
        return self.scaler_.transform(numbers)

    def _n_outputs(self) -> int:
        of_categories = sum(encoder.n_outputs for encoder in self.encoders_)
        return self.n_numeric_ + len(self.gaps_) + len(self.booleans_) + of_categories

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> np.ndarray:
        """Return the names of the output columns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X. None means those of ``fit``.

        Returns
        -------
        names : ndarray of str
            ``age`` for a number or boolean, and ``age_missing`` for its missing values. A column of
            categories has names such as ``city_Ulm``, ``city_missing`` and ``city_infrequent``.
        """
        check_is_fitted(self)
        given = _check_feature_names_in(self, input_features)
        filled = given[[*self.numbers_, *self.booleans_]]
        n_numbers = len(self.numbers_)
        names: list[str] = []
        if self.scaler_ is not None:
            names += list(self.scaler_.get_feature_names_out(filled[:n_numbers]))
        names += [f"{name}_missing" for name in filled[self.gaps_]]
        names += list(filled[n_numbers:])
        for position, encoder in zip(self.categories_, self.encoders_, strict=True):
            names += encoder.names(given[position])
        return np.array(names, object)

    def _check_table(self, X: Any, *, reset: bool) -> Table:
        """Return the columns of X, after scikit-learn's checks of their number and names."""
        if issparse(X):
            raise TypeError(
                "X is sparse, but TablePreprocessor needs a dense table: pass X.toarray()."
            )
        if is_frame(X):
            if not reset and list(X.columns) == self._names_seen and X.shape[0]:
                return as_table(X)  # validate_data takes longer than the prediction of a row
            validate_data(self, X, reset=reset, skip_check_array=True)
            self._check_size(X)
            if reset:
                self._names_seen = list(X.columns)
            return as_table(X)
        if isinstance(X, (list, tuple)):
            X = _array_of_lists(X)
        with np.errstate(over="ignore", invalid="ignore"):  # it searches for infinity by a sum
            X = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite=False)
        if reset:
            self._names_seen = None
        return as_table(X)

    def _check_size(self, X: Any) -> None:
        for size, what in zip(X.shape, ("sample", "feature"), strict=True):
            if size < 1:
                raise ValueError(
                    f"Found array with 0 {what}(s) (shape={X.shape}) while a minimum of 1 is "
                    f"required by {type(self).__name__}."
                )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _array_of_lists(rows: Sequence) -> np.ndarray:
    """Return lists as an array in which numbers beside strings stay numbers."""
    array = np.asarray(rows)
    return np.asarray(rows, object) if array.dtype.kind == "U" else array
