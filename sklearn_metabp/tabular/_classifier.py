"""The classifier for tables."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_sample_weight

from sklearn_metabp.estimators import BackpropMLPClassifier
from sklearn_metabp.tabular import recipe
from sklearn_metabp.tabular._base import BaseTabularMLP
from sklearn_metabp.targets import as_labels, learn_targets
from sklearn_metabp.update_rules import TrainingRule


class TabularMLPClassifier(ClassifierMixin, BaseTabularMLP):
    """Multilayer perceptron classifier for tables, with nothing to choose."""

    network_: BackpropMLPClassifier
    _parameter_constraints: dict = {
        **BaseTabularMLP._parameter_constraints,
        "network": [BackpropMLPClassifier, None],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
        "calibration": [StrOptions({"temperature"}), None],
    }

    def __init__(
        self,
        *,
        preprocessor: BaseEstimator | None = None,
        network: BackpropMLPClassifier | None = None,
        update_rule: str | TrainingRule | BaseEstimator | None = None,
        max_iter: int | None = None,
        validation_fraction: float = 0.2,
        scoring: str | Callable | None = None,
        calibration: str | None = "temperature",
        refit: bool = False,
        class_weight: dict | list[dict] | str | None = None,
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
        self.calibration = calibration
        self.class_weight = class_weight

    @staticmethod
    def default_network() -> BackpropMLPClassifier:
        """Return the network that is taken without one, with the parameters of the recipe."""
        return recipe.network_for_classes()

    def _make_parts(self, n_rows: int) -> tuple[Any, Any]:
        preprocessor, network = super()._make_parts(n_rows)
        network.set_params(calibration=self.calibration)
        return preprocessor, network

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
        if self.class_weight is not None:
            labels = as_labels(y)
            targets = learn_targets(labels, None, "auto", "log_loss")
            sample_weight = self._weigh(targets, labels, sample_weight)
            if y_val is not None:
                labels = as_labels(y_val, "y_val")
                sample_weight_val = self._weigh(targets, labels, sample_weight_val)
        return self._fit_parts(X, y, sample_weight, X_val, y_val, sample_weight_val)

    def _weigh(self, targets: Any, labels: Any, sample_weight: Any) -> np.ndarray:
        """Return the weights of rows, multiplied by those of their classes."""
        weights = targets.row_weights(self.class_weight, labels)
        if sample_weight is None:
            return weights
        return weights * _check_sample_weight(sample_weight, labels, ensure_non_negative=True)

    def _train_again(self, inputs: np.ndarray, y: Any, sample_weight: Any) -> BackpropMLPClassifier:
        network = super()._train_again(inputs, y, sample_weight)
        temperature = self.validated_network_.temperature_
        network.coefs_[-1] = network.coefs_[-1] / temperature
        network.intercepts_[-1] = network.intercepts_[-1] / temperature
        network.temperature_ = temperature
        return network

    @property
    def classes_(self) -> Any:
        """Class labels, as of the network."""
        return self.network_.classes_

    def predict(self, X: ArrayLike) -> Any:
        """Predict the most probable class of every row."""
        inputs = self._inputs(X)
        return self.network_.predict(inputs)

    def predict_proba(self, X: ArrayLike) -> Any:
        """Predict the probability of every class, in the order of ``classes_``."""
        inputs = self._inputs(X)
        return self.network_.predict_proba(inputs)

    def predict_log_proba(self, X: ArrayLike) -> Any:
        """Predict the logarithm of the probabilities of :meth:`predict_proba`."""
        inputs = self._inputs(X)
        return self.network_.predict_log_proba(inputs)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the share of rows of which all labels are predicted right."""
        inputs = self._inputs(X)
        return self.network_.score(inputs, y, sample_weight)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags
