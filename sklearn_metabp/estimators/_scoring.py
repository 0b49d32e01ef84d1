"""The score of parameters on validation rows, by ``scoring``."""

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.metrics import check_scoring

from sklearn_metabp.estimators._metrics import (
    advice,
    explain_mismatch,
    option,
    option_names,
    scores_probabilities,
)
from sklearn_metabp.estimators._rows import Rows
from sklearn_metabp.targets import ClassTargets, Targets


class ScorerOfParameters:
    """The score of parameters on the validation rows, by the estimator's ``scoring``.

    Parameters
    ----------
    estimator : estimator
        ``scoring`` is not None.
    fitted_attributes : callable
        Returns the attributes that make a copy of the estimator ready to predict with parameters.
    targets : Targets
    rows : Rows
        The validation rows.

    Raises
    ------
    ValueError
        If ``scoring`` is no scorer, or a scorer of scikit-learn that cannot use these labels.
    """

    def __init__(
        self,
        estimator: Any,
        fitted_attributes: Callable[[np.ndarray], dict[str, Any]],
        targets: Targets,
        rows: Rows,
    ):
        self._estimator, self._targets = estimator, targets
        self._fitted_attributes = fitted_attributes
        self._scorer = check_scoring(estimator, estimator.scoring)
        problem = explain_mismatch(estimator.scoring, self._scorer, targets)
        if problem is not None:
            raise ValueError(f"scoring={estimator.scoring!r} cannot score these labels. {problem}")
        self._X, y, sample_weight = rows
        self._y = y.toarray() if issparse(y) else y  # not every metric takes it sparse
        self._lacking, self._has_warned_of_nan = np.array([]), False
        if isinstance(targets, ClassTargets) and not targets.is_multilabel:
            self._lacking = np.setdiff1d(targets.classes, np.unique(y))
        names = option_names(self._scorer)
        self._options: dict[str, Any] = {}
        if sample_weight is not None and not names.isdisjoint({"sample_weight", "**"}):
            self._options["sample_weight"] = sample_weight
        tells_classes = "labels" in names and option(self._scorer, "labels") is None
        if len(self._lacking) and tells_classes and scores_probabilities(self._scorer):
            # Without labels scikit-learn takes the classes of the rows for those of the
            # probabilities.
            self._options["labels"] = targets.classes  # type: ignore[attr-defined]

    def __call__(self, params: np.ndarray) -> float:
        """Score the validation rows.

        Raises
        ------
        ValueError
            If the scorer fails. The message has its error and advice.

        Warns
        -----
        UserWarning
            Once, if the score is not defined because the rows lack a class.
        """
        model = copy.copy(self._estimator)
        model.__dict__.update(self._fitted_attributes(params))
        model.__dict__.pop("feature_names_in_", None)  # the rows are arrays
        try:
            # Only with routing does a scorer pass on other metadata than sample weights.
            routing = {"enable_metadata_routing": True} if "labels" in self._options else {}
            with config_context(**routing):
                score = float(self._scorer(model, self._X, self._y, **self._options))
        except Exception as error:
            raise ValueError(
                f"scoring={self._estimator.scoring!r} failed on the {self._X.shape[0]} validation "
                f"rows ({type(error).__name__}: {error}). {self._advice()}"
            ) from error
        if np.isnan(score) and len(self._lacking) and not self._has_warned_of_nan:
            self._has_warned_of_nan = True
            warnings.warn(
                f"scoring={self._estimator.scoring!r} is NaN on the validation rows, so no epoch "
                f"is the best. {self._advice()}",
                stacklevel=2,
            )
        return score

    def _advice(self) -> str:
        return advice(self._estimator.scoring, self._scorer, self._targets, self._lacking)
