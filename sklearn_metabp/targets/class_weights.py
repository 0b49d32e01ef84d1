"""Weights of rows: from class weights and sample weights."""

import warnings
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from sklearn.utils.class_weight import compute_sample_weight

from sklearn_metabp.targets.labels import abbreviate


def column_weights(
    class_weight: Any, classes: np.ndarray, labels: np.ndarray, column: int | None = None
) -> np.ndarray:
    """Return the weight of every row by its label in one column, of shape (n_samples,).

    Parameters
    ----------
    class_weight : "balanced" or dict
        A dict may name some of the classes. The others have the weight 1. Unknown classes are
        ignored, because a split of the rows may lack a class.
    classes : ndarray of shape (n_classes,)
        All classes of the column, sorted. The rows may lack some.
    labels : ndarray of shape (n_samples,)
    column : int, default=None
        Number of the column among several, for messages.

    Raises
    ------
    ValueError
        If a weight is not a finite number of 0 or more.

    Warns
    -----
    UserWarning
        If no key of a dict is a class.
    """
    if isinstance(class_weight, str):
        return compute_sample_weight(class_weight, labels)
    if not isinstance(class_weight, dict):
        raise ValueError(
            "class_weight must be a dict or 'balanced' for one column of y, and a list with one "
            f"dict per column or 'balanced' for several; got {class_weight!r}."
        )
    position = {label: n for n, label in enumerate(classes)}
    weights = np.ones(len(classes))
    for label, weight in class_weight.items():
        if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
            raise ValueError(
                f"class_weight must have finite numbers of 0 or more; that of class {label!r} is "
                f"{weight!r}."
            )
        if label in position:
            weights[position[label]] = weight
    if class_weight and position.keys().isdisjoint(class_weight):
        _warn_of_unknown_classes(class_weight, classes, column)
    return weights[np.searchsorted(classes, labels)]


def _warn_of_unknown_classes(class_weight: dict, classes: np.ndarray, column: int | None) -> None:
    names = ("class_weight", "classes_")
    if column is not None:
        names = (f"class_weight[{column}]", f"the classes of y[:, {column}]")
    encoded = ""
    if classes.dtype.kind in "iu" and np.array_equal(classes, np.arange(len(classes))):
        encoded = (
            " If an estimator around this one encodes y, the keys must be the numbers of the "
            "sorted classes, from 0."
        )
    warnings.warn(
        f"{names[0]} names no class of y, so every class has the weight 1: its keys are "
        f"{abbreviate(list(class_weight))}, and {names[1]} are "
        f"{abbreviate(classes.tolist())}.{encoded}",
        stacklevel=9,
    )


def product_of_columns(
    class_weight: Any, classes: list[np.ndarray], columns: Iterable
) -> np.ndarray:
    """Return the product over the columns of the weights of every row, of shape (n_samples,)."""
    n_columns = len(classes)
    each = [class_weight] * n_columns if isinstance(class_weight, str) else class_weight
    if not isinstance(each, list) or len(each) != n_columns:
        raise ValueError(
            f"class_weight must be 'balanced' or a list of {n_columns} dicts, one per column of y; "
            f"got {class_weight!r}."
        )
    product: Any = 1.0
    for n, (weights, known, labels) in enumerate(zip(each, classes, columns, strict=True)):
        product = product * column_weights(weights, known, labels, n)
    return product


def training_weights(
    class_weight: Any, sample_weight: np.ndarray | None, targets: Any, y: Any
) -> np.ndarray | None:
    """Return the weight of every row in the loss: its class weight times its sample weight.

    Parameters
    ----------
    class_weight : "balanced", dict, list of dict or None
    sample_weight : ndarray of shape (n_samples,) or None
    targets : ClassTargets, MultiOutputTargets or, without class weights, NumberTargets
    y : ndarray of shape (n_samples,) or (n_samples, n_columns), or CSR

    Returns
    -------
    weights : ndarray of shape (n_samples,) or None
        None if there are neither.
    """
    if class_weight is None:
        return sample_weight
    weight = targets.row_weights(class_weight, y)
    if sample_weight is None:
        return weight
    with np.errstate(over="ignore"):  # an infinite product is an error of its own
        return weight * sample_weight


def check_row_weights(weight: np.ndarray, dtype: DTypeLike, names: str, rows: str) -> np.ndarray:
    """Check weights of rows, and return them in the dtype of the network.

    Parameters
    ----------
    weight : ndarray of shape (n_samples,)
        Not negative.
    dtype : dtype
    names, rows : str
        For messages: the parameters that the weights come from, and the kind of rows.

    Raises
    ------
    ValueError
        If their sum, by which a mean divides, is 0 or not finite.
    """
    with np.errstate(over="ignore", under="ignore"):
        weight = weight.astype(dtype, copy=False)
        total = weight.sum()
    if not total < np.inf:
        raise ValueError(
            f"{names}: the weights of the {rows} rows add up to more than {np.dtype(dtype)} "
            "holds. Divide them by their mean: only their ratios matter."
        )
    if total < np.finfo(dtype).tiny:
        raise ValueError(f"{names}: no {rows} row has a weight above 0 in {np.dtype(dtype)}.")
    return weight
