"""What kind of classification y and the announced classes are."""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from sklearn_metabp.targets.classes import (
    ClassTargets,
    MultiOutputTargets,
    is_zero_or_one,
    n_columns,
    plain,
)


def learn_targets(y, classes, out_activation: str, loss: str) -> ClassTargets | MultiOutputTargets:
    """Targets for y, of the classes that were announced or else of those in it.

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
        y = plain(column_or_1d(y, warn=True) if y.ndim == 2 else y)
        check_classification_targets(y)
        return ClassTargets(y if classes is None else plain(np.asarray(classes)), *output)
    if is_multilabel(y) and not by_column:
        if classes is not None and not np.array_equal(np.unique(classes), np.arange(y.shape[1])):
            raise ValueError(
                f"classes of multilabel y are the numbers of its {y.shape[1]} columns, or None; and for "
                f"columns of classes a list of {y.shape[1]} arrays. Got {classes!r}."
            )
        return ClassTargets(y, *output)
    return MultiOutputTargets(_columns_of_classes(y, classes, by_column), *output)


def is_multilabel(y) -> bool:
    """Whether y is a matrix of 0 and 1 alone: what type_of_target takes for labels may be others."""
    return y.ndim == 2 and y.shape[1] > 1 and is_zero_or_one(y)


def _columns_of_classes(y, classes, by_column: bool) -> list[np.ndarray]:
    """For every column of y the labels to learn its classes from."""
    if issparse(y):
        raise ValueError("Sparse y must be multilabel: 0 and 1 alone. Pass columns of classes dense.")
    if classes is not None and (not by_column or len(classes) != y.shape[1]):
        raise ValueError(
            f"y has {y.shape[1]} columns: classes must be a list of so many arrays, got {classes!r}."
        )
    if y.dtype != object:
        check_classification_targets(y)
    columns = [plain(labels) for labels in y.T]
    for n, labels in enumerate(columns):
        if labels.dtype == object:
            raise ValueError(f"y[:, {n}] has labels of several types, which have no order.")
        check_classification_targets(labels)
    return columns if classes is None else [plain(np.asarray(labels)) for labels in classes]


def same_classes(classes, others) -> bool:
    """Whether others are the classes, or of every column the classes, that are known."""
    if isinstance(classes, list):
        return len(classes) == len(others) and all(map(same_classes, classes, others))
    return np.ndim(others) == 1 and np.array_equal(classes, np.unique(others))
