"""The Brier score, by which the classifier for tables chooses the epoch."""

from typing import Any

import numpy as np


def negative_brier_score(model: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
    r"""Return minus the mean squared distance of probabilities from the truth.

    The distance of a row is :math:`\sum_k (p_k - [k = y])^2`, over its classes, over its labels if
    y is multilabel, and over the classes of all columns if y has several. Unlike the accuracy, it
    is rarely equal for two epochs. Unlike the log-loss, it does not grow much if a few rows are
    wrong with certainty, which a temperature corrects later. scikit-learn's score of the same name
    does not accept a multilabel y.

    G. W. Brier, "Verification of forecasts expressed in terms of probability" (1950).

    Parameters
    ----------
    model : classifier
        A fitted model.
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,), (n_samples, n_labels) or (n_samples, n_columns)
    sample_weight : ndarray of shape (n_samples,), default=None

    Returns
    -------
    score : float
        Between -2 and 0 for one column of classes. Higher is better.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn_metabp.tabular.brier import negative_brier_score
    >>> X, y = np.zeros((4, 1)), np.array(["no", "no", "no", "yes"])
    >>> negative_brier_score(DummyClassifier(strategy="prior").fit(X, y), X, y)
    -0.375
    """
    probabilities, classes = model.predict_proba(X), model.classes_
    if isinstance(probabilities, list):
        columns = zip(probabilities, classes, np.asarray(y).T, strict=True)
        distances = sum(_distances(*column) for column in columns)
    elif np.ndim(y) == 2 and np.shape(y)[1] > 1:
        distances = np.square(probabilities - y).sum(axis=1)
    else:
        distances = _distances(probabilities, classes, np.ravel(y))
    return -float(np.average(distances, weights=sample_weight))


def _distances(probabilities: np.ndarray, classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    position = np.searchsorted(classes, labels)
    of_truth = probabilities[np.arange(len(position)), position]
    return np.square(probabilities).sum(axis=1) - 2.0 * of_truth + 1.0
