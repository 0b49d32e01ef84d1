"""Labels to the network's targets and back."""

import copy
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer

from sklearn_metabp.targets.class_weights import column_weights, product_of_columns


def n_columns(y) -> int:
    """Columns of y; a vector is one."""
    return 1 if y.ndim == 1 else y.shape[1]


def check_same_kind(y, y_val) -> None:
    """Raise ValueError if the rows to validate on have other columns than those to train on."""
    if n_columns(y) != n_columns(y_val):
        raise ValueError(
            f"y_val must have as many columns as y: y has shape {y.shape}, y_val has {y_val.shape}."
        )


def plain(labels: np.ndarray) -> np.ndarray:
    """Labels of shape (n_samples,) out of an object array, in the type they have where it is one.

    A frame with columns of several types is one object array.
    """
    if labels.dtype != object:
        return labels
    typed = np.array(labels.tolist())
    is_text = {isinstance(label, str) for label in labels}
    return typed if typed.ndim == 1 and is_text == {typed.dtype.kind == "U"} else labels


def is_zero_or_one(y) -> bool:
    """Whether y has no other values than 0 and 1."""
    values = y.data if issparse(y) else y
    return values.dtype.kind in "biuf" and bool(((values == 0) | (values == 1)).all())


def _some(values: np.ndarray, n: int = 8) -> str:
    listed = ", ".join(map(repr, values[:n].tolist()))
    return f"[{listed}]" if len(values) <= n else f"[{listed}, … {len(values) - n} more]"


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
        self._choose_output(out_activation, loss)

    def for_output(self, out_activation: str, loss: str) -> "ClassTargets":
        """Targets of the same classes for other output units or another loss."""
        targets = copy.copy(self)
        targets._choose_output(out_activation, loss)
        return targets

    def _choose_output(self, out_activation: str, loss: str) -> None:
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

    def check_known(self, y, name: str = "y") -> None:
        """Raise ValueError if y is of another kind, or has a class, that was not there before."""
        if self.is_multilabel:
            n_labels = len(self.classes)
            if y.ndim != 2 or y.shape[1] != n_labels:
                raise ValueError(
                    f"{name} must have {n_labels} columns of 0 and 1, one a label, as before; got shape "
                    f"{y.shape}."
                )
            if not is_zero_or_one(y):
                raise ValueError(f"{name} must be 0 and 1 alone, as before: whether a row has a label.")
            return
        if issparse(y) or n_columns(y) != 1:
            raise ValueError(f"{name} must have one class a row, as before; got shape {y.shape}.")
        self._check_column(np.ravel(y), name)

    def _check_column(self, labels: np.ndarray, name: str) -> None:
        try:
            seen = np.unique(plain(labels))
        except TypeError as error:
            raise ValueError(
                f"{name} has labels of several types in one column, which have no order: {error}."
            ) from error
        if (seen.dtype.kind in "biuf") == (self.classes.dtype.kind in "biuf"):
            seen = np.setdiff1d(seen, self.classes)
        if len(seen):
            raise ValueError(
                f"`{name}` has classes not in `self.classes_`: {_some(seen)}. `self.classes_` has "
                f"{_some(self.classes)}."
            )

    def row_weights(self, class_weight, y) -> np.ndarray:
        """Class weights as weights of the rows, of shape (n_samples,)."""
        if self.is_multilabel:
            columns = list((y.toarray() if issparse(y) else np.asarray(y)).astype(int).T)
            return product_of_columns(class_weight, [np.arange(2)] * len(columns), columns)
        return column_weights(class_weight, self.classes, plain(np.ravel(y)))

    def encode(self, y, dtype) -> np.ndarray:
        """Targets of the output units, C-contiguous, of shape (n_samples, n_outputs)."""
        if self.is_multilabel:
            targets = np.asarray(self.binarizer.transform(y), dtype)
        else:
            position = np.searchsorted(self.classes, plain(np.ravel(y)))
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
        return product_of_columns(class_weight, self.classes, [plain(labels) for labels in y.T])

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
        """Outputs as labels, of shape (n_samples, n_columns); objects where columns differ in kind."""
        columns = [column.decode(part) for column, part in self._parts(outputs)]
        if len({column.dtype.kind in "biuf" for column in columns}) > 1:
            columns = [column.astype(object) for column in columns]
        return np.column_stack(columns)

    def score(self, y, outputs: np.ndarray, sample_weight=None) -> float:
        """Share of rows of which all columns are right, as ``MultiOutputClassifier`` has it."""
        right = np.all(np.asarray(y) == self.decode(outputs), axis=1)
        return float(np.average(right, weights=sample_weight))
