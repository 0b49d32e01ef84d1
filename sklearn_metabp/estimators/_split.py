"""The split into rows to train on and rows to validate on."""

import numpy as np
from sklearn.model_selection import train_test_split

from sklearn_metabp.estimators._rows import Rows
from sklearn_metabp.targets.labels import column_labels
from sklearn_metabp.training import TrainingState
from sklearn_metabp.training.random_numbers import copy_random_state


def split(
    rows: Rows, fraction: float, labels: np.ndarray | None, state: TrainingState
) -> tuple[Rows, Rows]:
    """Return rows to train on and rows to validate on.

    A training that continues with the same number of rows gets the same split.

    Parameters
    ----------
    rows : Rows
    fraction : float
        Share of the rows to validate on.
    labels : ndarray of shape (n_samples,) or (n_samples, n_columns), or None
        Classes. If there is one column, both parts have its classes in the same shares. The row of
        a class with a single row becomes a training row. If there are too few rows to have every
        class in both parts, at least one row of every class becomes a training row.
    state : TrainingState
        It has the random numbers that draw the rows, and keeps a copy to draw the same rows again.

    Raises
    ------
    ValueError
        If fewer than two rows are left for validation.
    """
    n_samples = rows.X.shape[0]
    n_validation = int(np.ceil(fraction * n_samples))
    if n_validation < 2 or n_samples - n_validation < 1:
        raise ValueError(
            "The validation set is too small or leaves nothing to train on: "
            f"validation_fraction={fraction} of {n_samples} samples are {n_validation}. Raise "
            "'validation_fraction', add rows, or pass X_val and y_val."
        )
    if state.split_random_state is None:
        state.split_random_state = copy_random_state(state.random_state)
        random_state = state.random_state
    else:
        random_state = copy_random_state(state.split_random_state)
    train, validate = _draw(n_samples, n_validation, labels, random_state)
    return _part(rows, train), _part(rows, validate)


def _draw(
    n_samples: int,
    n_validation: int,
    labels: np.ndarray | None,
    random_state: np.random.RandomState,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the indices of the training rows and of the validation rows."""
    kept, stratify = np.array([], np.intp), None
    if labels is not None and labels.ndim == 2:
        kept = np.unique(np.concatenate([_rows_alone(column) for column in labels.T]))
    elif labels is not None:
        kept = _rows_alone(labels)
        n_classes = len(np.unique(labels)) - len(kept)
        stratify = labels
        if min(n_validation, n_samples - len(kept) - n_validation) < n_classes:
            order = random_state.permutation(n_samples)
            kept, stratify = order[np.unique(labels[order], return_index=True)[1]], None
    free = np.setdiff1d(np.arange(n_samples), kept)
    if min(n_validation, len(free)) < 2:
        # Nearly every class has a single row, so that no split can keep all of them in training.
        kept, free, stratify = kept[:0], np.arange(n_samples), None
    if len(free) <= n_validation:
        return kept, free
    train, validate = train_test_split(
        free,
        test_size=n_validation,
        stratify=None if stratify is None else stratify[free],
        random_state=random_state,
    )
    return np.concatenate([train, kept]), validate


def _rows_alone(labels: np.ndarray) -> np.ndarray:
    """Return the indices of the rows that are the only row of their class."""
    first, counts = np.unique(column_labels(labels), return_index=True, return_counts=True)[1:]
    return first[counts == 1]


def _part(rows: Rows, numbers: np.ndarray) -> Rows:
    X, y, sample_weight = rows
    return Rows(X[numbers], y[numbers], None if sample_weight is None else sample_weight[numbers])
