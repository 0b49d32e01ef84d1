"""Several columns of classes to the network's targets and back."""

import copy

import numpy as np
from scipy.sparse import issparse

from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp.targets.class_weights import product_of_columns
from sklearn_metabp.targets.classes import ClassTargets
from sklearn_metabp.targets.kinds import share_of_rows
from sklearn_metabp.targets.labels import as_labels, column_labels


class MultiOutputTargets:
    """Several classifications at once: every column of y has its own classes and its own output units.

    Parameters
    ----------
    labels : sequence of array-like
        For every column labels to learn its classes from.
    out_activation, loss : str
        As for :class:`ClassTargets`; ``"auto"`` is softmax under log-loss, one for every column.
    """

    kind = "multiclass-multioutput"
    is_multilabel = False

    def __init__(self, labels, out_activation: str, loss: str):
        self.columns = [
            ClassTargets(column, self._of_columns(out_activation, loss), loss) for column in labels
        ]
        self.classes = [column.classes for column in self.columns]
        self._measure()

    @staticmethod
    def _of_columns(out_activation: str, loss: str) -> str:
        return "softmax" if out_activation == "auto" and loss == "log_loss" else out_activation

    def _measure(self) -> None:
        self.out_activation = self.columns[0].out_activation
        self.widths = [column.encode(column.classes[:1], float).shape[1] for column in self.columns]
        self.out_groups = tuple(self.widths) if self.out_activation == "softmax" else None

    def for_output(self, out_activation: str, loss: str) -> "MultiOutputTargets":
        """Targets of the same classes for other output units or another loss."""
        targets = copy.copy(self)
        of_columns = self._of_columns(out_activation, loss)
        targets.columns = [column.for_output(of_columns, loss) for column in self.columns]
        targets._measure()
        return targets

    @property
    def fitted_attributes(self) -> dict:
        """What a fitted estimator shows of them."""
        return {"classes_": self.classes}

    def check_known(self, y, name: str = "y") -> None:
        """Raise ValueError if y has another number of columns, or a column a class it had not before."""
        if issparse(y) or y.ndim != 2 or y.shape[1] != len(self.columns):
            kind = "sparse, of shape" if issparse(y) else "shape"
            raise ValueError(
                f"{name} must have {len(self.columns)} columns as before, dense; got {kind} {y.shape}."
            )
        for n, (column, labels) in enumerate(zip(self.columns, y.T, strict=True)):
            column.check_known(labels, f"{name}[:, {n}]")

    def row_weights(self, class_weight, y) -> np.ndarray:
        """Class weights as weights of the rows, of shape (n_samples,); those of the columns multiplied."""
        return product_of_columns(
            class_weight, self.classes, (column_labels(labels) for labels in y.T)
        )

    def encode(self, y, dtype) -> np.ndarray | SparseTargets:
        """Targets of the output units of all columns side by side, (n_samples, n_outputs)."""
        parts = [
            column.encode(labels, dtype) for column, labels in zip(self.columns, y.T, strict=True)
        ]
        if any(isinstance(part, SparseTargets) for part in parts):
            return SparseTargets.side_by_side(parts)
        return np.ascontiguousarray(np.hstack(parts))

    def _parts(self, outputs):
        return zip(
            self.columns, np.split(outputs, np.cumsum(self.widths)[:-1], axis=1), strict=True
        )

    def probabilities(self, outputs: np.ndarray) -> list[np.ndarray]:
        """Of every column the probabilities of its classes, (n_samples, n_classes)."""
        return [column.probabilities(part) for column, part in self._parts(outputs)]

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs as labels, of shape (n_samples, n_columns); objects where columns differ in kind."""
        columns = [column.decode(part) for column, part in self._parts(outputs)]
        if len({column.dtype.kind in "biuf" for column in columns}) > 1:
            columns = [column.astype(object) for column in columns]
        return np.column_stack(columns)

    def score(self, y, outputs: np.ndarray, sample_weight=None) -> float:
        """Share of rows of which all columns are right, as ``MultiOutputClassifier`` has it."""
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
