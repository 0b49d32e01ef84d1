"""Targets that are one value in few places and another in all others, without the others."""

import copy

import numpy as np

from sklearn_metabp._kernels.network.csr_rows import entries_of


class SparseTargets:
    """Targets of classes: the units of every row whose target is ``yes``; those of the rest are ``no``.

    A class a row takes 12 bytes, where a matrix takes the number of classes times 4 or 8. Kernels
    write the rows of a batch into their buffer. Indexed by rows it gives a matrix, as a matrix of
    targets does.

    Parameters
    ----------
    units : ndarray of shape (n_entries,)
        Output units whose target is ``yes``, row after row; copied as int32.
    indptr : ndarray of shape (n_samples + 1,)
        Where the units of a row begin, as in a CSR matrix; copied as int64.
    n_outputs : int
    dtype : dtype
        float32 or float64, the one of the matrices.
    no, yes : float, default=0.0 and 1.0

    Attributes
    ----------
    shape : tuple of (n_samples, n_outputs)
    dtype : dtype

    Raises
    ------
    ValueError
        If the arrays do not make rows of units.

    Examples
    --------
    >>> from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
    >>> targets = SparseTargets.one_hot([2, 0, 1], 3, float)
    >>> targets[:2]
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """

    def __init__(self, units, indptr, n_outputs: int, dtype, no: float = 0.0, yes: float = 1.0):
        self.units, self.indptr = np.array(units, np.int32), np.array(indptr, np.int64)
        self.dtype = np.dtype(dtype)
        self.no, self.yes = no, yes
        one_row = self.indptr.ndim == 1 and len(self.indptr) > 0 and self.units.ndim == 1
        if not one_row or self.indptr[0] < 0 or self.indptr[-1] > len(self.units):
            raise ValueError("indptr must cut the units of the targets into rows.")
        if (np.diff(self.indptr) < 0).any():
            raise ValueError("indptr must not fall: it cuts the units of the targets into rows.")
        self.shape = len(self.indptr) - 1, int(n_outputs)
        check_units(self.units, n_outputs)

    @classmethod
    def one_hot(
        cls, units, n_outputs: int, dtype, no: float = 0.0, yes: float = 1.0
    ) -> "SparseTargets":
        """Targets of rows that have ``yes`` in one unit each, or in one a column of ``units``.

        Parameters
        ----------
        units : array-like of int of shape (n_samples,) or (n_samples, n_columns)
        n_outputs, dtype, no, yes
            As for the class.
        """
        units = np.asarray(units)
        n_columns = 1 if units.ndim == 1 else units.shape[1]
        return cls(units.ravel(), n_columns * np.arange(len(units) + 1), n_outputs, dtype, no, yes)

    @classmethod
    def of_csr(cls, matrix, dtype, no: float = 0.0, yes: float = 1.0) -> "SparseTargets":
        """Targets that are ``yes`` where a CSR matrix of shape (n_samples, n_outputs) is not 0."""
        present = matrix.data != 0
        before = np.concatenate([[0], np.cumsum(present)])
        return cls(matrix.indices[present], before[matrix.indptr], matrix.shape[1], dtype, no, yes)

    @classmethod
    def side_by_side(cls, parts: "list[SparseTargets | np.ndarray]") -> "SparseTargets":
        """Targets of the units of all parts, whose numbers go on from part to part.

        Parameters
        ----------
        parts : list of SparseTargets and of ndarray of shape (n_samples, n_units)
            Of one dtype, ``no`` and ``yes``; one at least is sparse, and the matrices have no other
            values.
        """
        like = next(part for part in parts if isinstance(part, SparseTargets))
        rows: list[np.ndarray] = []
        units: list[np.ndarray] = []
        width = 0
        for part in parts:
            if isinstance(part, SparseTargets):
                rows.append(np.repeat(np.arange(len(part)), np.diff(part.indptr)))
                units.append(part.units[part.indptr[0] : part.indptr[-1]] + width)
            else:
                of_rows, of_units = np.nonzero(part == like.yes)
                rows.append(of_rows)
                units.append(of_units + width)
            width += part.shape[1]
        every_row = np.concatenate(rows)
        indptr = np.concatenate([[0], np.cumsum(np.bincount(every_row, minlength=len(like)))])
        by_row = np.argsort(every_row, kind="stable")
        return cls(np.concatenate(units)[by_row], indptr, width, like.dtype, like.no, like.yes)

    def astype(self, dtype) -> "SparseTargets":
        """Targets whose matrices are of another dtype."""
        targets = copy.copy(self)
        targets.dtype = np.dtype(dtype)
        return targets

    def with_arrays(self, replacement) -> "SparseTargets":
        """The same targets in other arrays: ``replacement(array)`` of each."""
        targets = copy.copy(self)
        targets.units, targets.indptr = replacement(self.units), replacement(self.indptr)
        return targets

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.units.nbytes + self.indptr.nbytes

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows) -> np.ndarray:
        """Matrix of some rows, of shape (n_rows, n_outputs)."""
        starts = self.indptr[:-1][rows]
        counts = self.indptr[1:][rows] - starts
        targets = np.full((len(starts), self.shape[1]), self.no, self.dtype)
        units = self.units[entries_of(starts, counts)]
        check_units(units, self.shape[1])
        targets[np.repeat(np.arange(len(starts)), counts), units] = self.yes
        return targets

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """Matrix of all rows."""
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)


def check_units(units: np.ndarray, n_outputs: int) -> None:
    """Raise ValueError unless all are output units."""
    if len(units) and (units.min() < 0 or units.max() >= n_outputs):
        raise ValueError(f"targets have units outside 0 to {n_outputs - 1}.")
