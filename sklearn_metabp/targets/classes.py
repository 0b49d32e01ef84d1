"""Labels to the network's targets and back."""

import copy

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.metrics import accuracy_score
from sklearn.utils import check_consistent_length

from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp.targets.class_weights import column_weights, product_of_columns
from sklearn_metabp.targets.kinds import is_zero_or_one, n_columns, share_of_rows
from sklearn_metabp.targets.labels import as_labels, column_labels, some


class ClassTargets:
    """Classes as targets of the output units, and outputs as probabilities and labels.

    One unit for two classes, one a class for more, one a label for multilabel; softmax always has
    one a class. The target of a unit is 1 for yes and 0 for no, and with tanh units -1 for no.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,) or (n_samples, n_labels), or sparse matrix
        Labels to learn the classes from, as :func:`as_labels` returns them: y, or the classes
        themselves. Two columns or more are multilabel.
    out_activation : {"auto", "identity", "logistic", "tanh", "softmax"}
    loss : {"log_loss", "squared_error"}

    Raises
    ------
    ValueError
        If the output activation does not fit the loss or the kind of labels.
    """

    out_groups: tuple[int, ...] | None = None

    def __init__(self, labels, out_activation: str, loss: str):
        self.decodes_sparse = issparse(labels)
        if np.ndim(labels) == 2 or self.decodes_sparse:
            self.kind, self.classes = "multilabel-indicator", np.arange(labels.shape[1])
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
                raise ValueError(
                    f"{name} must be 0 and 1 alone, as before: whether a row has a label."
                )
            return
        if issparse(y) or n_columns(y) != 1:
            raise ValueError(f"{name} must have one class a row, as before; got shape {y.shape}.")
        self._check_column(np.ravel(y), name)

    def _check_column(self, labels: np.ndarray, name: str) -> None:
        seen = np.unique(column_labels(labels, name))
        if (seen.dtype.kind in "biuf") == (self.classes.dtype.kind in "biuf"):
            seen = np.setdiff1d(seen, self.classes)
        if len(seen):
            raise ValueError(
                f"`{name}` has classes not in `self.classes_`: {some(seen.tolist())}. `self.classes_` has "
                f"{some(self.classes.tolist())}."
            )

    def row_weights(self, class_weight, y) -> np.ndarray:
        """Class weights as weights of the rows, of shape (n_samples,)."""
        if self.is_multilabel:
            columns = y.tocsc() if issparse(y) else y
            each = (columns[:, [n]] for n in range(y.shape[1]))
            labels = (np.ravel(c.toarray() if issparse(c) else c).astype(int) for c in each)
            return product_of_columns(class_weight, [np.arange(2)] * y.shape[1], labels)
        return column_weights(class_weight, self.classes, column_labels(np.ravel(y)))

    def encode(self, y, dtype) -> np.ndarray | SparseTargets:
        """Targets of the output units, of shape (n_samples, n_outputs).

        A matrix, C-contiguous, for one unit, and for dense multilabel y, which is as large itself;
        otherwise the units of the classes: at thousands of classes targets are what memory is
        needed for.
        """
        no = -1.0 if self.out_activation == "tanh" else 0.0
        if self.is_multilabel and issparse(y):
            return SparseTargets.of_csr(y.tocsr(), dtype, no)
        if self.is_multilabel:
            targets = _dense(y, dtype)
        else:
            position = np.searchsorted(self.classes, column_labels(np.ravel(y)))
            if self.kind != "binary" or self.out_activation == "softmax":
                return SparseTargets.one_hot(position, max(2, len(self.classes)), dtype, no)
            targets = position[:, None].astype(dtype)
        if no:
            targets *= 2
            targets -= 1
        return targets

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs as probabilities, of shape (n_samples, n_classes).

        Those of softmax and of a single logistic unit are. Of the others the targets' range is
        mapped to [0, 1], what lies outside is cut off, and the classes of a row are scaled to add
        up to 1.
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
        yes = self._is_yes(outputs)
        if not self.is_multilabel:
            return self.classes[yes[:, 0].astype(int)]
        return csr_matrix(yes).astype(int) if self.decodes_sparse else yes.astype(int)

    def _is_yes(self, outputs: np.ndarray) -> np.ndarray:
        return outputs > (0.0 if self.out_activation == "tanh" else 0.5)

    def score(self, y, outputs: np.ndarray, sample_weight=None) -> float:
        """Share of rows whose label, or all of whose labels, are right."""
        y = as_labels(y)
        if not self.is_multilabel:
            return float(accuracy_score(y, self.decode(outputs), sample_weight=sample_weight))
        self.check_known(y)
        check_consistent_length(y, outputs)
        right = self._is_yes(outputs)
        np.equal(right, _dense(y, bool), out=right)
        return share_of_rows(np.all(right, axis=1), sample_weight)


def _dense(y, dtype) -> np.ndarray:
    """A copy of a matrix of 0 and 1, dense and C-contiguous."""
    return y.tocsr().astype(dtype).toarray(order="C") if issparse(y) else y.astype(dtype, order="C")
