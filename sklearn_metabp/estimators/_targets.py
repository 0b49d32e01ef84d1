"""Labels to the network's targets and back."""

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import unique_labels


class ClassTargets:
    """Classes as targets of the output units, and outputs as probabilities and labels.

    One unit for two classes, one a class for more, one a label for multilabel; softmax always has
    one a class. The target of a unit is 1 for yes and 0 for no, and with tanh units -1 for no.

    Parameters
    ----------
    labels : array-like
        Labels to learn the classes from: y, or the classes themselves.
    out_activation : {"auto", "identity", "logistic", "tanh", "softmax"}
    loss : {"log_loss", "squared_error"}

    Raises
    ------
    ValueError
        If the output activation does not fit the loss or the kind of labels.
    """

    out_groups: tuple[int, ...] | None = None

    def __init__(self, labels, out_activation: str, loss: str):
        self.binarizer: Any = None
        if np.ndim(labels) == 2 or issparse(labels):
            self.binarizer = LabelBinarizer().fit(labels)
            self.kind, self.classes = self.binarizer.y_type_, self.binarizer.classes_
        else:
            self.classes = np.unique(labels)
            self.kind = "binary" if len(self.classes) <= 2 else "multiclass"
        if out_activation == "auto":
            softmax = self.kind == "multiclass" and loss == "log_loss"
            out_activation = "softmax" if softmax else "logistic"
        self.out_activation = out_activation
        if loss == "log_loss" and out_activation not in ("logistic", "softmax"):
            raise ValueError(
                f"loss='log_loss' needs probabilities: out_activation must be 'auto', 'logistic' or 'softmax'"
                f", got {out_activation!r}. With loss='squared_error' any out_activation goes."
            )
        if out_activation == "softmax" and self.is_multilabel:
            raise ValueError(
                "out_activation='softmax' lets one class exclude the others, but y is multilabel: use "
                "'auto' or 'logistic'."
            )

    @property
    def fitted_attributes(self) -> dict:
        """What a fitted estimator shows of them."""
        return {"classes_": self.classes}

    @property
    def is_multilabel(self) -> bool:
        """Whether a row may have several labels."""
        return self.kind.startswith("multilabel")

    def check_known(self, y) -> None:
        """Raise ValueError if y has a class that was not there when the targets were made."""
        unknown = np.setdiff1d(unique_labels(y), self.classes)
        if len(unknown):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes}. 'y' has "
                f"{unique_labels(y)}."
            )

    def encode(self, y, dtype) -> np.ndarray:
        """Targets of the output units, C-contiguous, of shape (n_samples, n_outputs)."""
        if self.is_multilabel:
            targets = np.asarray(self.binarizer.transform(y), dtype)
        else:
            position = np.searchsorted(self.classes, np.ravel(y))
            if self.kind == "binary" and self.out_activation != "softmax":
                targets = position[:, None].astype(dtype)
            else:
                targets = np.zeros((len(position), max(2, len(self.classes))), dtype)
                targets[np.arange(len(position)), position] = 1
        if self.out_activation == "tanh":
            targets = 2 * targets - 1
        return np.ascontiguousarray(targets)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs as probabilities, of shape (n_samples, n_classes).

        Those of softmax and of a single logistic unit are. Of the others the targets' range is
        mapped to [0, 1], what lies outside is cut off, and the classes of a row are scaled to add up
        to 1.
        """
        if len(self.classes) == 1 and not self.is_multilabel:
            return np.ones((len(outputs), 1), outputs.dtype)
        shares = outputs
        if self.out_activation == "tanh":
            shares = (shares + 1) / 2
        elif self.out_activation == "identity":
            shares = np.clip(shares, 0, 1)
        if self.is_multilabel or self.out_activation == "softmax":
            return shares
        if shares.shape[1] == 1:
            return np.hstack([1 - shares, shares])
        total = shares.sum(axis=1, keepdims=True)
        return np.where(total > 0, shares / np.where(total > 0, total, 1), 1 / shares.shape[1])

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs as labels, of shape (n_samples,) or (n_samples, n_labels)."""
        if len(self.classes) == 1 and not self.is_multilabel:
            return np.repeat(self.classes, len(outputs))
        if not self.is_multilabel and outputs.shape[1] > 1:
            return self.classes[outputs.argmax(axis=1)]
        middle = 0.0 if self.out_activation == "tanh" else 0.5
        if self.is_multilabel:
            return self.binarizer.inverse_transform((outputs > middle).astype(int))
        return self.classes[(outputs[:, 0] > middle).astype(int)]

    def score(self, y, outputs: np.ndarray, sample_weight=None) -> float:
        """Share of rows whose label, or all of whose labels, are right."""
        return float(accuracy_score(y, self.decode(outputs), sample_weight=sample_weight))


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
        if out_activation == "auto" and loss == "log_loss":
            out_activation = "softmax"
        self.columns = [ClassTargets(column, out_activation, loss) for column in labels]
        self.out_activation = self.columns[0].out_activation
        self.classes = [column.classes for column in self.columns]
        self.widths = [column.encode(column.classes[:1], float).shape[1] for column in self.columns]
        self.out_groups = tuple(self.widths) if self.out_activation == "softmax" else None

    @property
    def fitted_attributes(self) -> dict:
        """What a fitted estimator shows of them."""
        return {"classes_": self.classes}

    def check_known(self, y) -> None:
        """Raise ValueError if y has another number of columns, or a column a class it had not before."""
        if y.ndim != 2 or y.shape[1] != len(self.columns):
            raise ValueError(f"y must have {len(self.columns)} columns as before, got shape {y.shape}.")
        for column, labels in zip(self.columns, y.T, strict=True):
            column.check_known(labels)

    def encode(self, y, dtype) -> np.ndarray:
        """Targets of the output units of all columns side by side, (n_samples, n_outputs)."""
        parts = [column.encode(labels, dtype) for column, labels in zip(self.columns, y.T, strict=True)]
        return np.ascontiguousarray(np.hstack(parts))

    def _parts(self, outputs):
        return zip(self.columns, np.split(outputs, np.cumsum(self.widths)[:-1], axis=1), strict=True)

    def probabilities(self, outputs: np.ndarray) -> list[np.ndarray]:
        """Of every column the probabilities of its classes, (n_samples, n_classes)."""
        return [column.probabilities(part) for column, part in self._parts(outputs)]

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs as labels, of shape (n_samples, n_columns)."""
        return np.column_stack([column.decode(part) for column, part in self._parts(outputs)])

    def score(self, y, outputs: np.ndarray, sample_weight=None) -> float:
        """Share of rows of which all columns are right, as ``MultiOutputClassifier`` has it."""
        right = np.all(np.asarray(y) == self.decode(outputs), axis=1)
        return float(np.average(right, weights=sample_weight))
