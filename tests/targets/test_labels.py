"""Labels of every container and type are read by one function."""

import enum
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from sklearn_metabp.targets import as_labels


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.array([1, 2], dtype=object), np.array([1, 2])),
        (np.array([True, np.False_], dtype=object), np.array([True, False])),
        (np.array([1, True], dtype=object), np.array([1, 1])),
        (np.array([1, 2.0], dtype=object), np.array([1.0, 2.0])),
        (np.array([np.str_("a"), "bc"], dtype=object), np.array(["a", "bc"])),
        (np.array([Size.SMALL, Size.LARGE], dtype=object), np.array([1, 2])),
        (np.array([2**62, 2**63 + 1], dtype=object), np.array([2**62, 2**63 + 1], dtype=np.uint64)),
        (["a", "b"], np.array(["a", "b"])),
        ([[0, 1], [True, False]], np.array([[0, 1], [1, 0]])),
        (np.array([[0, True], [1, 0]], dtype=object), np.array([[0, 1], [1, 0]])),
        (np.array([["a", "b"], ["c", "d"]], dtype=object), np.array([["a", "b"], ["c", "d"]])),
        (pd.DataFrame({"sparse": [0, 1]}, dtype="Int64"), np.array([[0], [1]])),
        (np.array([], dtype=object), np.array([], dtype=object)),
        (np.array([1, 0], dtype=np.int8), np.array([1, 0], dtype=np.int8)),
    ],
    ids=range(14),
)
def test_labels_get_the_type_that_all_of_them_have(given, expected):
    labels = as_labels(given)
    assert labels.dtype == expected.dtype
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize(
    "given", [[["a", 1], ["b", np.int64(2)]], pd.DataFrame({"x": ["a", "b"], "y": [1, 2]})]
)
def test_columns_of_several_kinds_stay_what_they_are(given):
    labels = as_labels(given)
    assert labels.dtype == object
    assert labels.tolist() == [["a", 1], ["b", 2]]
    assert all(type(label) is int for label in labels[:, 1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.array([1, "a"], dtype=object), r"^y has labels of several types.*: int and str\."),
        ([1, "a"], r"several types.*: int and str"),
        ([["a", "b"], [1, "b"]], r"^y\[:, 0\] has labels of several types"),
        (
            np.array([Decimal(1), Decimal(2)], dtype=object),
            r"^Unknown label type: .* of type Decimal",
        ),
        (
            np.array([Colour.RED, Colour.RED], dtype=object),
            r"^Unknown label type: .* of type Colour",
        ),
        (np.array([{1, 2}, {3}], dtype=object), r"^Unknown label type: .* of type set"),
        (np.array([2**70, 1], dtype=object), r"do not fit 64 bits"),
        (["a", None], r"^Input y contains NaN: the label of row 1 is missing"),
        ([["a", 1], ["b", float("nan")]], r"^Input y\[:, 1\] contains NaN: the label of row 1"),
        (
            np.ma.array([[1, 0], [0, 1]], mask=[[0, 0], [0, 1]]),
            r"^Input y contains NaN: the label of row 1",
        ),
    ],
    ids=range(10),
)
def test_invalid_labels_are_errors_that_say_so(given, message):
    with pytest.raises(ValueError, match=message):
        as_labels(given)


def test_objects_that_are_no_arrays_are_passed_to_scikit_learn():
    matrix = sp.csr_array(np.eye(2))
    assert as_labels(matrix) is matrix
    assert as_labels(None) is None
    assert as_labels("ab") == "ab"
    assert as_labels(np.array([(1, 2), (3,)], dtype=object)).dtype == object


def test_a_frame_of_sparse_columns_stays_sparse():
    matrix = np.eye(3, dtype=int)
    labels = as_labels(pd.DataFrame.sparse.from_spmatrix(sp.csr_matrix(matrix)))
    assert sp.issparse(labels)
    np.testing.assert_array_equal(labels.toarray(), matrix)


def test_labels_of_arrow_and_of_polars_are_plain():
    pa, pl = pytest.importorskip("pyarrow"), pytest.importorskip("polars")
    words, numbers = ["b", "a", "b"], [1, 0, 1]
    for series in (pd.Series(words, dtype="string[pyarrow]"), pl.Series(words), pa.array(words)):
        np.testing.assert_array_equal(as_labels(series), np.array(words))
    for series in (
        pd.Series(numbers, dtype="int64[pyarrow]"),
        pl.Series(numbers),
        pa.array(numbers),
    ):
        assert as_labels(series).dtype == np.int64
    frame = pl.DataFrame({"a": words, "b": numbers})
    assert as_labels(frame).tolist() == [["b", 1], ["a", 0], ["b", 1]]
    with pytest.raises(ValueError, match="the label of row 1 is missing"):
        as_labels(pl.Series(["a", None]))
