"""Several columns of classes as targets of the output neurons, and back."""

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import issparse

from sklearn_metabp._kernels.functions import ACTIVATIONS, LOSSES
from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp.targets.class_weights import product_of_columns
from sklearn_metabp.targets.classes import ClassTargets, mixed
from sklearn_metabp.targets.kinds import share_of_rows
from sklearn_metabp.targets.labels import as_labels, column_labels
from sklearn_metabp.targets.targets import TargetsOfY


class MultiOutputTargets(TargetsOfY):
    """Several classifications at once: every column of y has its own classes and neurons.

    Parameters
    ----------
    labels : sequence of array-like
        Labels of every column, to learn its classes from.
    out_activation, loss : str
        As for :class:`ClassTargets`; ``"auto"`` is softmax under log-loss, one for every column.
    """

    kind = "multiclass-multioutput"

    def __init__(self, labels: Iterable, out_activation: str, loss: str):
        self.columns = [
            ClassTargets(column, self._column_activation(out_activation, loss), loss)
            for column in labels
        ]
        self.classes = [column.classes for column in self.columns]
        self._measure()

    @staticmethod
    def _column_activation(out_activation: str, loss: str) -> str:
        of_several = LOSSES[loss].class_output or out_activation
        return of_several if out_activation == "auto" else out_activation

    def _measure(self) -> None:
        self.out_activation = self.columns[0].out_activation
        self.widths = [column.n_outputs() for column in self.columns]
        self.out_groups = (
            tuple(self.widths) if ACTIVATIONS[self.out_activation].sums_to_one else None
        )

    def for_output(self, out_activation: str, loss: str) -> "MultiOutputTargets":
        """Return targets of the same classes for other output neurons or another loss."""
        targets = copy.copy(self)
        activation = self._column_activation(out_activation, loss)
        targets.columns = [column.for_output(activation, loss) for column in self.columns]
        targets._measure()
        return targets

    @property
    def fitted_attributes(self) -> dict[str, Any]:
        """The attribute ``classes_``, a list of arrays."""
        return {"classes_": self.classes}

    def check_known(self, y: Any, name: str = "y") -> None:
        """Raise ValueError if y has other columns, or a column has an unknown class."""
        if issparse(y) or y.ndim != 2 or y.shape[1] != len(self.columns):
            kind = "sparse, of shape" if issparse(y) else "shape"
            raise ValueError(
                f"{name} must have {len(self.columns)} columns as before, dense; got {kind} "
                f"{y.shape}."
            )
        for n, (column, labels) in enumerate(zip(self.columns, y.T, strict=True)):
            column.check_known(labels, f"{name}[:, {n}]")

    def row_weights(self, class_weight: Any, y: Any) -> np.ndarray:
        """Return the product of the columns' class weights for every row, of shape (n_samples,)."""
        return product_of_columns(
            class_weight, self.classes, (column_labels(labels) for labels in y.T)
        )

    def n_outputs(self, y: Any = None) -> int:
        """Return the number of output neurons of all columns."""
        return sum(self.widths)

    def encode(self, y: Any, dtype: DTypeLike) -> np.ndarray | SparseTargets:
        """Return the targets of all columns side by side, of shape (n_samples, n_outputs)."""
        parts = [
            column.encode(labels, dtype) for column, labels in zip(self.columns, y.T, strict=True)
        ]
        if any(isinstance(part, SparseTargets) for part in parts):
            return SparseTargets.side_by_side(parts)
        return np.ascontiguousarray(np.hstack(parts))

    def smoothed(
        self, targets: np.ndarray | SparseTargets, share: float
    ) -> np.ndarray | SparseTargets:
        """Return encoded targets with a share of the mean of all classes, column by column."""
        means = np.concatenate([column.mean_targets for column in self.columns])
        return mixed(targets, share, means)

    def _parts(self, outputs: np.ndarray) -> Iterable[tuple[ClassTargets, np.ndarray]]:
        return zip(
            self.columns, np.split(outputs, np.cumsum(self.widths)[:-1], axis=1), strict=True
        )

    def probabilities(self, outputs: np.ndarray) -> list[np.ndarray]:
        """Return the probabilities of every column's classes, each (n_samples, n_classes)."""
        return [column.probabilities(part) for column, part in self._parts(outputs)]

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return outputs as labels, of shape (n_samples, n_columns).

        They are objects if columns of numbers and of strings are mixed.
        """
        columns = [column.decode(part) for column, part in self._parts(outputs)]
        if len({column.dtype.kind in "biuf" for column in columns}) > 1:
            columns = [column.astype(object) for column in columns]
        return np.column_stack(columns)

    def score(self, y: Any, outputs: np.ndarray, sample_weight: Any = None) -> float:
        """Return the share of rows with all columns right, as ``MultiOutputClassifier``."""
        y = as_labels(y)
        if issparse(y) or np.shape(y) != (len(outputs), len(self.columns)):
            raise ValueError(
                f"y must be dense, of shape {(len(outputs), len(self.columns))}; got "
                f"{'sparse, of ' if issparse(y) else ''}shape {np.shape(y)}."
            )
        right = [
            y[:, n] == column.decode(part) for n, (column, part) in enumerate(self._parts(outputs))
        ]
        return share_of_rows(np.all(right, axis=0), sample_weight)
