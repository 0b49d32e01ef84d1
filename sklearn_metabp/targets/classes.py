"""Classes as targets of the output neurons, and back."""

import copy
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import csr_matrix, issparse
from sklearn.metrics import accuracy_score
from sklearn.utils import check_consistent_length

from sklearn_metabp._kernels.functions import ACTIVATIONS, CLASS_LOSSES, LOSSES, Activation
from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp.targets.class_weights import column_weights, product_of_columns
from sklearn_metabp.targets.kinds import is_zero_or_one, n_columns, share_of_rows
from sklearn_metabp.targets.labels import abbreviate, as_labels, column_labels
from sklearn_metabp.targets.targets import TargetsOfY


class ClassTargets(TargetsOfY):
    """Classes as targets of the output neurons, and outputs as probabilities and labels.

    Two classes share one neuron. More classes have one neuron each, and so have the labels of
    multilabel y. Softmax always has one neuron per class. The target of a neuron is 1 for yes and 0
    for no; with tanh neurons it is -1 for no.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,) or (n_samples, n_labels), or sparse matrix
        Labels to learn the classes from, as :func:`as_labels` returns them: y, or the classes
        themselves. Two columns or more are multilabel.
    out_activation : str
        ``"auto"`` or a name in ``CLASS_OUT_ACTIVATIONS``.
    loss : str
        Name in ``CLASS_LOSSES``.

    Raises
    ------
    ValueError
        If the output activation does not fit the loss or the kind of labels.
    """

    def __init__(self, labels: Any, out_activation: str, loss: str):
        self.decodes_sparse = issparse(labels)
        if np.ndim(labels) == 2 or self.decodes_sparse:
            self.kind, self.classes = "multilabel-indicator", np.arange(labels.shape[1])
        else:
            self.classes = np.unique(labels)
            self.kind = "binary" if len(self.classes) <= 2 else "multiclass"
        self._choose_output(out_activation, loss)

    def for_output(self, out_activation: str, loss: str) -> "ClassTargets":
        """Return targets of the same classes for other output neurons or another loss."""
        targets = copy.copy(self)
        targets._choose_output(out_activation, loss)
        return targets

    def _choose_output(self, out_activation: str, loss: str) -> None:
        if out_activation == "auto":
            of_several = LOSSES[loss].class_output if self.kind == "multiclass" else None
            out_activation = of_several or "logistic"
        self.out_activation = out_activation
        others = " or ".join(repr(name) for name in CLASS_LOSSES if LOSSES[name].of_error)
        hint = f" With loss={others} every out_activation is allowed."
        LOSSES[loss].check_output(out_activation, "auto", hint=hint)
        if self._output.sums_to_one and self.is_multilabel:
            raise ValueError(
                "out_activation='softmax' gives every row one class, but y is multilabel: "
                "use 'auto' or 'logistic'."
            )

    @property
    def _output(self) -> Activation:
        return ACTIVATIONS[self.out_activation]

    @property
    def _no_and_yes(self) -> tuple[float, float]:
        """Targets for no and for yes."""
        assert self._output.class_range is not None
        return self._output.class_range

    @property
    def fitted_attributes(self) -> dict[str, Any]:
        """The attribute ``classes_``."""
        return {"classes_": self.classes}

    @property
    def is_multilabel(self) -> bool:
        """True if a row may have several labels."""
        return self.kind.startswith("multilabel")

    def check_known(self, y: Any, name: str = "y") -> None:
        """Raise ValueError if y is of another kind than before, or has a new class."""
        if self.is_multilabel:
            n_labels = len(self.classes)
            if y.ndim != 2 or y.shape[1] != n_labels:
                raise ValueError(
                    f"{name} must have {n_labels} columns of 0 and 1, one per label, as before; "
                    f"got shape {y.shape}."
                )
            if not is_zero_or_one(y):
                raise ValueError(
                    f"{name} must be 0 and 1 alone, as before: whether a row has a label."
                )
            return
        if issparse(y) or n_columns(y) != 1:
            raise ValueError(f"{name} must have one class per row, as before; got shape {y.shape}.")
        self._check_column(np.ravel(y), name)

    def _check_column(self, labels: np.ndarray, name: str) -> None:
        labels = column_labels(labels, name)
        if labels.dtype.kind == self.classes.dtype.kind:
            nearest = self.classes.take(np.searchsorted(self.classes, labels), mode="clip")
            if (nearest == labels).all():
                return
        seen = np.unique(labels)
        if (seen.dtype.kind in "biuf") == (self.classes.dtype.kind in "biuf"):
            seen = np.setdiff1d(seen, self.classes)
        if len(seen):
            raise ValueError(
                f"`{name}` has classes not in `self.classes_`: {abbreviate(seen.tolist())}. "
                f"`self.classes_` has {abbreviate(self.classes.tolist())}."
            )

    def row_weights(self, class_weight: Any, y: Any) -> np.ndarray:
        """Return class weights as weights of the rows, of shape (n_samples,)."""
        if self.is_multilabel:
            columns = y.tocsc() if issparse(y) else y
            each = (columns[:, [n]] for n in range(y.shape[1]))
            labels = (np.ravel(c.toarray() if issparse(c) else c).astype(int) for c in each)
            return product_of_columns(class_weight, [np.arange(2)] * y.shape[1], labels)
        return column_weights(class_weight, self.classes, column_labels(np.ravel(y)))

    def encode(self, y: Any, dtype: DTypeLike) -> np.ndarray | SparseTargets:
        """Return targets of the output neurons, of shape (n_samples, n_outputs).

        They are a C-contiguous matrix for one neuron, and for dense multilabel y, which is as large
        itself. Otherwise only the neurons of the classes are stored, because a matrix for thousands
        of classes would take most of the memory of a fit.
        """
        no, _ = self._no_and_yes
        if self.is_multilabel and issparse(y):
            return SparseTargets.of_csr(y.tocsr(), dtype, no)
        if self.is_multilabel:
            targets = _dense(y, dtype)
        else:
            position = np.searchsorted(self.classes, column_labels(np.ravel(y)))
            if not self._has_one_neuron:
                return SparseTargets.one_hot(position, self.n_outputs(), dtype, no)
            targets = position[:, None].astype(dtype)
        if no:
            targets *= 2
            targets -= 1
        return targets

    def smoothed(
        self, targets: np.ndarray | SparseTargets, share: float
    ) -> np.ndarray | SparseTargets:
        """Return encoded targets with a share of the mean of all classes: label smoothing.

        With the share ε a target t becomes (1 - ε) t + ε m, where m is the mean target of a neuron
        if all classes are equally frequent: 1/K for one of K classes, and 1/2 for a single neuron
        and for a label. C. Szegedy et al., "Rethinking the Inception Architecture for Computer
        Vision" (2016), section 7.
        """
        return mixed(targets, share, self.mean_targets)

    @property
    def mean_targets(self) -> np.ndarray:
        """Targets on average over equally frequent classes, of shape (n_outputs,)."""
        no, yes = self._no_and_yes
        n_outputs = self.n_outputs()
        n_classes = 2 if self.is_multilabel or self._has_one_neuron else n_outputs
        return np.full(n_outputs, no + (yes - no) / n_classes)

    def n_outputs(self, y: Any = None) -> int:
        """Return the number of output neurons, which follows from the classes."""
        if self.is_multilabel:
            return len(self.classes)
        return 1 if self._has_one_neuron else max(2, len(self.classes))

    @property
    def _has_one_neuron(self) -> bool:
        """True if one neuron tells two classes apart."""
        return self.kind == "binary" and not self._output.sums_to_one

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return outputs as probabilities, of shape (n_samples, n_classes).

        Outputs of softmax and of a single logistic neuron are probabilities. Other outputs are
        mapped from the range of the targets to [0, 1], clipped to it, and scaled so that the
        classes of a row add up to 1.
        """
        if len(self.classes) == 1 and not self.is_multilabel:
            return np.ones((len(outputs), 1), outputs.dtype)
        no, yes = self._no_and_yes
        shares = outputs if (no, yes) == (0, 1) else (outputs - no) / (yes - no)
        if self._output.output_range != (no, yes):
            shares = np.clip(shares, 0, 1)
        if self.is_multilabel or self._output.sums_to_one:
            return shares
        if shares.shape[1] == 1:
            return np.hstack([1 - shares, shares])
        total = shares.sum(axis=1, keepdims=True)
        return np.where(total > 0, shares / np.where(total > 0, total, 1), 1 / shares.shape[1])

    def decode(self, outputs: np.ndarray) -> Any:
        """Return outputs as labels, of shape (n_samples,) or (n_samples, n_labels)."""
        if len(self.classes) == 1 and not self.is_multilabel:
            return np.repeat(self.classes, len(outputs))
        if not self.is_multilabel and outputs.shape[1] > 1:
            return self.classes[outputs.argmax(axis=1)]
        yes = self._is_yes(outputs)
        if not self.is_multilabel:
            return self.classes[yes[:, 0].astype(int)]
        return csr_matrix(yes).astype(int) if self.decodes_sparse else yes.astype(int)

    def _is_yes(self, outputs: np.ndarray) -> np.ndarray:
        return outputs > sum(self._no_and_yes) / 2

    def score(self, y: Any, outputs: np.ndarray, sample_weight: Any = None) -> float:
        """Return the share of rows with all labels right."""
        y = as_labels(y)
        if not self.is_multilabel:
            return float(accuracy_score(y, self.decode(outputs), sample_weight=sample_weight))
        self.check_known(y)
        check_consistent_length(y, outputs)
        right = self._is_yes(outputs)
        np.equal(right, _dense(y, bool), out=right)
        return share_of_rows(np.all(right, axis=1), sample_weight)


def mixed(
    targets: np.ndarray | SparseTargets, share: float, others: np.ndarray
) -> np.ndarray | SparseTargets:
    """Return (1 - share) t + share o; a matrix is changed in place."""
    if isinstance(targets, SparseTargets):
        return targets.mixed(share, others)
    targets *= 1 - share
    targets += (share * others).astype(targets.dtype)
    return targets


def _dense(y: Any, dtype: DTypeLike) -> np.ndarray:
    """Return a dense, C-contiguous copy of a matrix of 0 and 1."""
    return y.tocsr().astype(dtype).toarray(order="C") if issparse(y) else y.astype(dtype, order="C")
