"""Rows of a sparse matrix as arrays that a kernel can walk over."""

from typing import NamedTuple

import numpy as np


class CSRRows(NamedTuple):
    """The three arrays of a CSR matrix, checked.

    Attributes
    ----------
    values : ndarray of shape (n_values,)
        Not copied.
    columns : ndarray of int32 of shape (n_values,)
        Copied where the matrix has others than int32: no layer has more units than int32 counts.
    indptr : ndarray of int64 of shape (n_rows + 1,)
    """

    values: np.ndarray
    columns: np.ndarray
    indptr: np.ndarray


def check_csr(X) -> CSRRows:
    """The arrays of a CSR matrix; sorted or not, with duplicates, which add up, or zeros.

    Raises
    ------
    ValueError
        If X is of another format, or its arrays do not make a matrix.
    """
    if X.format != "csr":
        raise ValueError(f"a sparse X must be of the format CSR, got {X.format.upper()}: use X.tocsr().")
    n, n_features = X.shape
    values = np.ascontiguousarray(X.data)
    indptr = np.ascontiguousarray(X.indptr, np.int64)
    stop = min(len(values), len(X.indices))
    if len(indptr) != n + 1 or indptr[0] < 0 or indptr[-1] > stop or (np.diff(indptr) < 0).any():
        raise ValueError("X is no CSR matrix: its indptr does not cut its values into rows.")
    columns = X.indices
    if len(columns) and (columns.min() < 0 or columns.max() >= n_features):
        raise ValueError(f"X is no CSR matrix: it has column indices outside 0 to {n_features - 1}.")
    return CSRRows(values, np.ascontiguousarray(columns, np.int32), indptr)
