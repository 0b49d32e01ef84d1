"""Classes learned from y, or announced by the user."""

import warnings
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from sklearn_metabp.targets.classes import ClassTargets
from sklearn_metabp.targets.columns import MultiOutputTargets
from sklearn_metabp.targets.kinds import is_multilabel, is_one_hot, n_columns
from sklearn_metabp.targets.labels import as_labels, column_labels

# scikit-learn takes so few integers or strings as classes without a warning.
_FEW_ROWS = 20
_ONE_HOT = (
    "Every row of y has exactly one label: if they are the classes of one-hot encoded rows, pass "
    "y.argmax(axis=1), or y.idxmax(axis=1) of a data frame."
)


def learn_targets(
    y: Any, classes: Any, out_activation: str, loss: str
) -> ClassTargets | MultiOutputTargets:
    """Return targets for y, with the announced classes or else the classes of y.

    Raises
    ------
    ValueError
        If y is no classification, or the classes do not fit it.
    """
    by_column = classes is not None and all(np.ndim(labels) == 1 for labels in classes)
    output = out_activation, loss
    if n_columns(y) == 1:
        if by_column:
            raise ValueError(f"y has one column: classes must be one array, got {classes!r}.")
        y = column_or_1d(y, warn=True) if y.ndim == 2 else y
        if len(y) > _FEW_ROWS or y.dtype.kind not in "biuU":
            check_classification_targets(y)
        return ClassTargets(y if classes is None else as_labels(classes, "classes"), *output)
    if is_multilabel(y) and not by_column:
        if classes is not None and not np.array_equal(np.unique(classes), np.arange(y.shape[1])):
            raise ValueError(
                f"classes of multilabel y are the numbers of its {y.shape[1]} columns, or None; "
                f"and for columns of classes a list of {y.shape[1]} arrays. Got {classes!r}."
            )
        one_hot = is_one_hot(y)
        if one_hot and out_activation == "softmax":
            raise ValueError(
                "out_activation='softmax' gives every row one class, but a matrix of 0 "
                f"and 1 is multilabel. {_ONE_HOT}"
            )
        targets = ClassTargets(y, *output)
        if one_hot:
            warnings.warn(
                "A matrix of 0 and 1 is multilabel: every column is learned on its own, and "
                f"predict may give a row no label, or several. {_ONE_HOT}",
                stacklevel=6,
            )
        return targets
    return MultiOutputTargets(_columns_of_classes(y, classes, by_column), *output)


def _columns_of_classes(y: Any, classes: Any, by_column: bool) -> list[np.ndarray]:
    """Return for every column of y the labels to learn its classes from."""
    if issparse(y):
        raise ValueError(
            "Sparse y must be multilabel: 0 and 1 alone. Pass columns of classes dense."
        )
    if classes is not None and (not by_column or len(classes) != y.shape[1]):
        raise ValueError(
            f"y has {y.shape[1]} columns: classes must be a list with one array per column, got "
            f"{classes!r}."
        )
    columns = [column_labels(labels, f"y[:, {n}]") for n, labels in enumerate(y.T)]
    for labels in columns:
        check_classification_targets(labels)
    if classes is None:
        return columns
    return [as_labels(labels, f"classes[{n}]") for n, labels in enumerate(classes)]


def check_announced(classes: Any, known: Any, y: Any) -> None:
    """Raise ValueError unless ``partial_fit`` was given the classes, the same as before.

    Parameters
    ----------
    classes : array-like, list of array-like or None
        Classes that this call announces.
    known : ndarray, list of ndarray or None
        Classes of the calls before; None in the first call.
    y : array-like or sparse matrix
        Labels as they were passed. Multilabel y needs no announced classes.
    """
    if known is None and classes is None and not is_multilabel(as_labels(y)):
        raise ValueError("classes must be passed on the first call to partial_fit.")
    if known is not None and classes is not None and not same_classes(known, classes):
        raise ValueError(
            f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {known!r}"
        )


def same_classes(classes: Any, others: Any) -> bool:
    """Return whether others are the same classes, in every column."""
    if isinstance(classes, list):
        return len(classes) == len(others) and all(map(same_classes, classes, others))
    others = as_labels(others, "classes")
    return np.ndim(others) == 1 and np.array_equal(classes, np.unique(others))
