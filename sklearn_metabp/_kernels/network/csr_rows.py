"""The rows of a sparse matrix as the arrays that a kernel reads."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, csr_matrix

from sklearn_metabp._kernels.arrays import readable

# A training takes minutes, and X belongs to its caller: a callback or a thread may write to it.
X_CHANGED = (
    "X changed while a kernel held it: it has column indices outside 0 to {0}, which it had not "
    "when it was loaded. Do not write to X, nor to its indices, before the training has ended."
)


class CSRRows(NamedTuple):
    """The three arrays of a CSR matrix, checked.

    Attributes
    ----------
    values : ndarray of shape (n_values,)
        Copied only if they are at an odd address.
    columns : ndarray of int32 of shape (n_values,)
        Copied in the same case, and if the matrix has another dtype: no layer has more neurons than
        int32 counts. They may be the array of the matrix, which can change, so loops check every
        column before they use it.
    indptr : ndarray of int64 of shape (n_rows + 1,)
        A copy, so that changes of the matrix do not move the rows.
    """

    values: np.ndarray
    columns: np.ndarray
    indptr: np.ndarray


def check_csr(X: csr_array | csr_matrix) -> CSRRows:
    """Return the arrays of a CSR matrix.

    It may be unsorted, and have zeros and duplicates, which add up.

    Raises
    ------
    ValueError
        If X is of another format, or its arrays do not make a matrix.
    """
    if X.format != "csr":
        raise ValueError(
            f"a sparse X must be of the format CSR, got {X.format.upper()}: use X.tocsr()."
        )
    n, n_features = X.shape
    values, indptr = readable(X.data), np.array(X.indptr, np.int64)
    stop = min(len(values), len(X.indices))
    if len(indptr) != n + 1 or indptr[0] < 0 or indptr[-1] > stop or (np.diff(indptr) < 0).any():
        raise ValueError("X is no CSR matrix: its indptr does not cut its values into rows.")
    columns = X.indices
    if len(columns) and (columns.min() < 0 or columns.max() >= n_features):
        raise ValueError(
            f"X is no CSR matrix: it has column indices outside 0 to {n_features - 1}."
        )
    return CSRRows(values, readable(columns, np.int32), indptr)


def entry_positions(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the positions of the entries of rows, by where each begins and how many it has."""
    before = np.cumsum(counts) - counts
    return np.arange(int(counts.sum())) + np.repeat(starts - before, counts)


def take_csr(X: CSRRows, taken: slice | np.ndarray, n_features: int) -> csr_array:
    """Return some rows of a sparse X, in arrays of their own.

    Raises
    ------
    ValueError
        If the column indices have changed to some that do not exist.
    """
    starts = X.indptr[:-1][taken]
    counts = X.indptr[1:][taken] - starts
    entries = entry_positions(starts, counts)
    columns = X.columns[entries]
    if len(columns) and (columns.min() < 0 or columns.max() >= n_features):
        raise ValueError(X_CHANGED.format(n_features - 1))
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return csr_array((X.values[entries], columns, indptr), (len(starts), n_features))
