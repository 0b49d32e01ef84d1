"""The columns of data frames and arrays, and their kinds: numbers, booleans, categories."""

import sys
from collections.abc import Iterable, Sequence
from datetime import date, time, timedelta
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils._missing import is_pandas_na

# An array of NumPy or of pandas, of shape (n_rows,).
Column = Any


class Table(NamedTuple):
    """The columns of a data frame or of an array.

    Attributes
    ----------
    columns : list of ndarray or pandas.api.extensions.ExtensionArray, of shape (n_rows,)
    names : list
        Names of the columns for messages, or their positions if they have no names.
    n_rows : int
    """

    columns: list[Column]
    names: list[Any]
    n_rows: int


class ColumnKinds(NamedTuple):
    """Positions of the columns of a table by kind.

    Attributes
    ----------
    numbers, booleans, categories : list of int
    empty : list of int
        Columns in which every value is missing.
    """

    numbers: list[int]
    booleans: list[int]
    categories: list[int]
    empty: list[int]


def is_frame(X: Any) -> bool:
    """Return whether X is a data frame of pandas or polars."""
    return _is_from("pandas", X) or _is_from("polars", X)


def _is_from(library: str, X: Any) -> bool:
    module = sys.modules.get(library)
    return module is not None and isinstance(X, module.DataFrame)


def as_table(X: Any) -> Table:
    """Return the columns of a data frame, or of an array with two axes."""
    n_rows, n_columns = X.shape
    if isinstance(X, np.ndarray):
        return Table(list(X.T), list(range(n_columns)), n_rows)
    if _is_from("polars", X):
        return Table([column.to_numpy() for column in X.iter_columns()], list(X.columns), n_rows)
    return Table(_pandas_columns(X), X.columns.tolist(), n_rows)


def _pandas_columns(X: Any) -> list[Column]:
    try:  # private in pandas, and ten times as fast as a Series of each column
        return [X._get_column_array(position) for position in range(X.shape[1])]
    except AttributeError:
        return [column.array for _, column in X.items()]


def sort_columns(table: Table) -> ColumnKinds:
    """Sort the columns of a table by kind.

    Integers and floats are numbers. Strings and the dtype ``category`` are categories, even if the
    categories are numbers. A column of objects has numbers if all values are numbers, booleans if
    all values are booleans, and categories otherwise.

    Raises
    ------
    ValueError
        If a column holds dates, times or complex numbers.
    """
    kinds = ColumnKinds([], [], [], [])
    for position, (column, name) in enumerate(zip(table.columns, table.names, strict=True)):
        _of_kind(kinds, column, name).append(position)
    return kinds


def _of_kind(kinds: ColumnKinds, column: Column, name: Any) -> list[int]:
    """Return the list for the kind of a column."""
    if is_categorical(column):
        return kinds.categories if (column.codes >= 0).any() else kinds.empty
    kind = column.dtype.kind
    if kind in "iufb":
        if np.isnan(as_numbers(column, name)).all():
            return kinds.empty
        return kinds.booleans if kind == "b" else kinds.numbers
    types = {type(value) for value in as_objects(column) if not is_missing(value)}
    if kind in "mM" or any(issubclass(each, _times()) for each in types):
        raise ValueError(
            f"Column {name!r} of X holds dates or times ({column.dtype}), and these may mean many "
            "numbers. Replace it by those that matter, such as X[name].dt.year, "
            "X[name].dt.dayofweek or the days since a date, (X[name] - date).dt.days; or drop it."
        )
    if kind == "c" or any(issubclass(each, (complex, np.complexfloating)) for each in types):
        raise ValueError(
            f"Complex data not supported: column {name!r} of X is of {column.dtype}. Replace it by "
            "its real and its imaginary part."
        )
    if not types:
        return kinds.empty
    if types <= {bool, np.bool_}:
        return kinds.booleans
    return kinds.numbers if all(map(_is_number, types)) else kinds.categories


def _times() -> tuple[type, ...]:
    pandas = sys.modules.get("pandas")
    of_pandas = () if pandas is None else (pandas.Period,)
    return (date, time, timedelta, np.datetime64, np.timedelta64, *of_pandas)


def _is_number(each: type) -> bool:
    """Return whether values of a type are numbers. Booleans beside numbers count as numbers."""
    return issubclass(each, (Real, np.bool_)) or each.__name__ == "Decimal"


def is_categorical(column: Column) -> bool:
    """Return whether a column is of the dtype ``category`` of pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(column, pandas.Categorical)


def is_missing(value: Any) -> bool:
    """Return whether a value of a column is None, NaN, NaT or pandas.NA."""
    if value is None or is_pandas_na(value):
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # of arrays
        return False


def as_objects(column: Column) -> list[Any]:
    """Return the values of a column as objects of Python."""
    return np.asarray(column, object).tolist()


def as_numbers(column: Column, name: Any) -> np.ndarray:
    """Return the values of a column in float64, with NaN for missing ones.

    Raises
    ------
    ValueError
        If a value is no number.
    """
    if isinstance(column, np.ndarray) and column.dtype.kind in "iufb":
        numbers = column
    elif column.dtype.kind in "iufb":  # a nullable column, or a sparse one
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        numbers = _numbers_of_objects(as_objects(column), name)
    return numbers.astype(np.float64, copy=False)


def check_no_infinity(values: np.ndarray, names: Sequence[Any]) -> None:
    """Raise ValueError if a value is infinite, with the name of its column."""
    is_infinite = np.isinf(values)
    if is_infinite.any():
        name = names[int(is_infinite.any(axis=0).argmax())]
        raise ValueError(
            f"Column {name!r} of X contains infinity or a value too large for float64. Replace it "
            "by NaN if it stands for a missing number."
        )


def _numbers_of_objects(values: Iterable[Any], name: Any) -> np.ndarray:
    numbers = [np.nan if is_missing(value) else value for value in values]
    for value in numbers:
        if not _is_number(type(value)):
            raise ValueError(
                f"Column {name!r} of X had numbers in fit, but now has {value!r}. "
                "Give it the type that it had in fit."
            )
    return np.array(numbers, dtype=np.float64)
