"""Targets that differ at a few neurons from that of all others."""

import copy
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from sklearn_metabp._kernels.arrays import readable
from sklearn_metabp._kernels.network.csr_rows import entry_positions


class SparseTargets:
    """Targets of classes or of a sparse matrix: some output neurons of every row have ``yes``.

    The targets of all other neurons are ``no``.

    A row with one class takes 12 bytes. In a matrix it takes the number of classes times 4 or 8.
    Kernels write the rows of a batch into their buffer. Indexed by rows, the targets give a matrix,
    as a matrix of targets does.

    Parameters
    ----------
    neurons : ndarray of shape (n_entries,)
        Numbers of the output neurons whose target is ``yes``, row after row; copied as int32.
    indptr : ndarray of shape (n_samples + 1,)
        Where the neurons of each row begin, as in a CSR matrix; copied as int64.
    n_outputs : int
    dtype : dtype
        Dtype of the matrices, float32 or float64.
    no, yes : float or array-like of shape (n_outputs,), default=0.0 and 1.0
        One for all neurons, or one for each.
    values : ndarray of shape (n_entries,), default=None
        Targets of the entries, in place of ``yes``. They are not copied if they are of this dtype.

    Attributes
    ----------
    shape : tuple of (n_samples, n_outputs)
    dtype : dtype
    no, yes : ndarray of float64 of shape (n_outputs,)
    values : ndarray of shape (n_entries,) or None

    Raises
    ------
    ValueError
        If the arrays do not make rows of neurons.

    Examples
    --------
    >>> from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
    >>> targets = SparseTargets.one_hot([2, 0, 1], 3, float)
    >>> targets[:2]
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """

    def __init__(
        self,
        neurons: ArrayLike,
        indptr: ArrayLike,
        n_outputs: int,
        dtype: DTypeLike,
        no: ArrayLike = 0.0,
        yes: ArrayLike = 1.0,
        values: np.ndarray | None = None,
    ) -> None:
        self.neurons, self.indptr = np.array(neurons, np.int32), np.array(indptr, np.int64)
        self.dtype = np.dtype(dtype)
        self.no, self.yes = np.empty((2, int(n_outputs)))
        self.no[...], self.yes[...] = no, yes
        self.values = None if values is None else readable(values, self.dtype)
        if self.values is not None and self.values.shape != self.neurons.shape:
            raise ValueError("targets need a value for each of their neurons.")
        one_row = self.indptr.ndim == 1 and len(self.indptr) > 0 and self.neurons.ndim == 1
        if not one_row or self.indptr[0] < 0 or self.indptr[-1] > len(self.neurons):
            raise ValueError("indptr must cut the neurons of the targets into rows.")
        if (np.diff(self.indptr) < 0).any():
            raise ValueError("indptr must not fall: it cuts the neurons of the targets into rows.")
        self.shape = len(self.indptr) - 1, int(n_outputs)
        check_neurons(self.neurons, n_outputs)

    @classmethod
    def one_hot(
        cls,
        neurons: ArrayLike,
        n_outputs: int,
        dtype: DTypeLike,
        no: float = 0.0,
        yes: float = 1.0,
    ) -> Self:
        """Return targets that have ``yes`` at one neuron of each row and column of ``neurons``.

        Parameters
        ----------
        neurons : array-like of int of shape (n_samples,) or (n_samples, n_columns)
        n_outputs, dtype, no, yes
            As for the class.
        """
        table = np.asarray(neurons)
        n_columns = 1 if table.ndim == 1 else table.shape[1]
        return cls(table.ravel(), n_columns * np.arange(len(table) + 1), n_outputs, dtype, no, yes)

    def column_means(self, weights: np.ndarray) -> np.ndarray:
        """Return the mean of every column, (n_outputs,), with weights that add up to 1."""
        of_entries = np.repeat(weights, np.diff(self.indptr))
        entries = slice(self.indptr[0], self.indptr[-1])
        neurons, rise = self.neurons[entries], self.yes - self.no
        if self.values is not None:
            with np.errstate(over="ignore"):
                of_entries = of_entries * (self.values[entries].astype(float) - self.no[neurons])
            rise = np.ones_like(rise)
        return self.no + rise * np.bincount(neurons, of_entries, minlength=self.shape[1])

    @classmethod
    def of_csr(cls, matrix: Any, dtype: DTypeLike, no: float = 0.0, yes: float = 1.0) -> Self:
        """Return targets that are ``yes`` where a CSR matrix (n_samples, n_outputs) is not 0."""
        present = matrix.data != 0
        before = np.concatenate([[0], np.cumsum(present)])
        return cls(matrix.indices[present], before[matrix.indptr], matrix.shape[1], dtype, no, yes)

    @classmethod
    def matrix(cls, matrix: Any, dtype: DTypeLike) -> Self:
        """Return the numbers of a CSR matrix (n_samples, n_outputs) as targets."""
        if not matrix.has_canonical_format:  # two entries of one place are one number
            matrix = matrix.copy()
            matrix.sum_duplicates()
        return cls(matrix.indices, matrix.indptr, matrix.shape[1], dtype, values=matrix.data)

    @classmethod
    def side_by_side(cls, parts: "list[SparseTargets | np.ndarray]") -> "SparseTargets":
        """Return targets of the neurons of all parts, numbered on from part to part.

        Parameters
        ----------
        parts : list of SparseTargets and of ndarray of shape (n_samples, n_neurons)
            All have one dtype, ``no`` and ``yes``, the same for every neuron. At least one is
            sparse, and the matrices have no other values.
        """
        like = next(part for part in parts if isinstance(part, SparseTargets))
        no, yes = float(like.no[0]), float(like.yes[0])
        rows: list[np.ndarray] = []
        neurons: list[np.ndarray] = []
        width = 0
        for part in parts:
            if isinstance(part, SparseTargets):
                rows.append(np.repeat(np.arange(len(part)), np.diff(part.indptr)))
                neurons.append(part.neurons[part.indptr[0] : part.indptr[-1]] + width)
            else:
                part_rows, part_neurons = np.nonzero(part == yes)
                rows.append(part_rows)
                neurons.append(part_neurons + width)
            width += part.shape[1]
        every_row = np.concatenate(rows)
        indptr = np.concatenate([[0], np.cumsum(np.bincount(every_row, minlength=len(like)))])
        by_row = np.argsort(every_row, kind="stable")
        return cls(np.concatenate(neurons)[by_row], indptr, width, like.dtype, no, yes)

    def mixed(self, share: float, others: ArrayLike) -> Self:
        """Return the targets (1 - share) t + share o.

        Parameters
        ----------
        share : float
            Between 0 and 1.
        others : array-like of shape (n_outputs,)
            o, the same in all rows.
        """
        assert self.values is None
        targets = copy.copy(self)
        added = share * np.asarray(others, float)
        targets.no, targets.yes = (1 - share) * self.no + added, (1 - share) * self.yes + added
        return targets

    @property
    def are_zero_and_one(self) -> bool:
        """True if ``no`` is 0 and ``yes`` is 1 at every neuron."""
        return self.values is None and bool((self.no == 0).all() and (self.yes == 1).all())

    def is_yes_once_in(self, groups: np.ndarray) -> bool:
        """Return whether every row has ``yes`` at one neuron of each group.

        False also if the neurons of a group differ in ``no`` or ``yes``.

        Parameters
        ----------
        groups : ndarray of int of shape (n_groups,)
            Widths of the groups that the neurons are cut into.
        """
        if self.values is not None or (np.diff(self.indptr) != len(groups)).any():
            return False
        stops = np.cumsum(groups)
        for levels in (self.no, self.yes):
            if (levels != np.repeat(levels[stops - groups], groups)).any():
                return False
        labels = self.neurons[self.indptr[0] : self.indptr[-1]].reshape(-1, len(groups))
        return bool((labels < stops).all() and (labels >= stops - groups).all())

    def astype(self, dtype: DTypeLike) -> Self:
        """Return the same targets in another dtype."""
        targets = copy.copy(self)
        targets.dtype = np.dtype(dtype)
        if self.values is not None:
            targets.values = self.values.astype(dtype, copy=False)
        return targets

    def vary(self, counts: np.ndarray) -> bool:
        """Return whether a neuron has several targets among the rows that count.

        Parameters
        ----------
        counts : ndarray of bool of shape (n_samples,)
        """
        entries = slice(self.indptr[0], self.indptr[-1])
        of_entries = np.repeat(counts, np.diff(self.indptr))
        neurons = self.neurons[entries][of_entries]
        in_rows = np.bincount(neurons, minlength=self.shape[1])
        if self.values is None:
            return bool(((in_rows > 0) & (in_rows < counts.sum())).any())
        values = self.values[entries][of_entries]
        lowest, highest = np.zeros((2, self.shape[1]), self.dtype)
        full = in_rows == counts.sum()
        lowest[full], highest[full] = np.inf, -np.inf
        np.minimum.at(lowest, neurons, values)
        np.maximum.at(highest, neurons, values)
        return bool((lowest < highest).any())

    def with_arrays(self, replacement: Callable[[np.ndarray], np.ndarray]) -> Self:
        """Return the same targets in other arrays, ``replacement(array)`` of each."""
        targets = copy.copy(self)
        targets.neurons, targets.indptr = replacement(self.neurons), replacement(self.indptr)
        if self.values is not None:
            targets.values = replacement(self.values)
        return targets

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        of_values = 0 if self.values is None else self.values.nbytes
        return self.neurons.nbytes + self.indptr.nbytes + of_values

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Return the matrix of some rows, of shape (n_rows, n_outputs)."""
        starts = self.indptr[:-1][rows]
        counts = self.indptr[1:][rows] - starts
        targets = np.full((len(starts), self.shape[1]), self.no.astype(self.dtype))
        entries = entry_positions(starts, counts)
        neurons = self.neurons[entries]
        check_neurons(neurons, self.shape[1])
        yes = self.yes[neurons] if self.values is None else self.values[entries]
        targets[np.repeat(np.arange(len(starts)), counts), neurons] = yes
        return targets

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """Return the matrix of all rows."""
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)


def check_neurons(neurons: np.ndarray, n_outputs: int) -> None:
    """Raise ValueError unless all are numbers of output neurons."""
    if len(neurons) and (neurons.min() < 0 or neurons.max() >= n_outputs):
        raise ValueError(f"targets have neurons outside 0 to {n_outputs - 1}.")
