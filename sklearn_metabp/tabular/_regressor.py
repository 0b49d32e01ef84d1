"""The regressor for tables."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils.validation import _check_sample_weight, _check_y, column_or_1d

from sklearn_metabp.estimators import BackpropMLPRegressor
from sklearn_metabp.tabular import recipe
from sklearn_metabp.tabular._base import BaseTabularMLP
from sklearn_metabp.update_rules import TrainingRule


class TabularMLPRegressor(RegressorMixin, BaseTabularMLP):
    """Multilayer perceptron regressor for tables, with nothing to choose."""

    network_: BackpropMLPRegressor
    _parameter_constraints: dict = {
        **BaseTabularMLP._parameter_constraints,
        "network": [BackpropMLPRegressor, None],
        "scale_target": ["boolean"],
        "clip_predictions": ["boolean"],
    }

    def __init__(
        self,
        *,
        preprocessor: BaseEstimator | None = None,
        network: BackpropMLPRegressor | None = None,
        update_rule: str | TrainingRule | BaseEstimator | None = None,
        max_iter: int | None = None,
        validation_fraction: float = 0.2,
        scoring: str | Callable | None = None,
        refit: bool = False,
        scale_target: bool = True,
        clip_predictions: bool = True,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
        n_threads: int = 1,
    ):
        super().__init__(
            preprocessor=preprocessor,
            network=network,
            update_rule=update_rule,
            max_iter=max_iter,
            validation_fraction=validation_fraction,
            scoring=scoring,
            refit=refit,
            random_state=random_state,
            verbose=verbose,
            n_threads=n_threads,
        )
        self.scale_target = scale_target
        self.clip_predictions = clip_predictions

    @staticmethod
    def default_network() -> BackpropMLPRegressor:
        """Return the network that is taken without one, with the parameters of the recipe."""
        return recipe.network_for_numbers()

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Fit the preprocessor and the network to a table."""
        y = self._check_target(y)
        self.target_mean_, self.target_scale_ = np.zeros(y.shape[1:]), np.ones(y.shape[1:])
        self.target_range_ = y.min(axis=0), y.max(axis=0)
        if self.scale_target:
            weight = None
            if sample_weight is not None:
                weight = _check_sample_weight(sample_weight, y, ensure_non_negative=True)
            self.target_mean_ = np.average(y, axis=0, weights=weight)
            spread = np.sqrt(np.average((y - self.target_mean_) ** 2, axis=0, weights=weight))
            self.target_scale_ = np.where(spread > 0, spread, 1.0)
        if y_val is not None:
            y_val = self._scaled(self._check_target(y_val))
        return self._fit_parts(X, self._scaled(y), sample_weight, X_val, y_val, sample_weight_val)

    def _check_target(self, y: Any) -> np.ndarray:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        y = _check_y(y, multi_output=True, y_numeric=True, estimator=self).astype(np.float64)
        return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _scaled(self, y: np.ndarray) -> np.ndarray:
        return (y - self.target_mean_) / self.target_scale_

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict numbers."""
        inputs = self._inputs(X)
        y = self.network_.predict(inputs) * self.target_scale_ + self.target_mean_
        return np.clip(y, *self.target_range_) if self.clip_predictions else y

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
