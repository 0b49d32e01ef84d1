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
from sklearn_metabp.tabular.brier import negative_brier_score
from sklearn_metabp.targets import as_labels, learn_targets
from sklearn_metabp.update_rules import TrainingRule


class TabularMLPClassifier(ClassifierMixin, BaseTabularMLP):
    """Multilayer perceptron classifier for tables, with defaults that need no choice.

    X is a data frame with columns of numbers, categories, strings and booleans, also with missing
    values. A preprocessor makes one matrix of numbers from it, and a network with strong defaults
    learns from this matrix. You can look at both parts and replace them. See :ref:`tabular_mlp`.

    Parameters
    ----------
    preprocessor : transformer or None, default=None
        Transformer of the table into a dense matrix of numbers. None means
        :class:`TablePreprocessor` with its defaults.
    network : BackpropMLPClassifier or None, default=None
        The unfitted network, with its parameters. None means :meth:`default_network`. ``fit`` makes
        a copy of it, and sets ``early_stopping=True`` and the parameters of this estimator from
        ``max_iter`` to ``n_threads`` in the copy.
    update_rule : str or UpdateRule, default=None
        Update rule that replaces that of the network, such as ``"learned"``. None keeps that of the
        network. A learned rule trains only weights and biases, so the default network then has
        no embedding.
    max_iter : int or None, default=None
        Number of epochs. None means 256 for tables of up to 3,125 rows, and fewer for larger
        tables, but at least 48. The network then receives about 800,000 rows in all.
    validation_fraction : float, default=0.2
        Share of the rows of X, in (0, 1), that become validation rows. The network is not trained
        on them, and they choose the epoch whose weights are kept.
    scoring : str, callable or None, default=None
        Score on these rows, as in ``cross_val_score``. None means minus the Brier score, the mean
        squared distance of the probabilities from the truth. If several epochs have the best score,
        the last one is kept.
    calibration : {"temperature"}, float or None, default="temperature"
        Temperature, as for :class:`BackpropMLPClassifier`: it divides the net inputs of the output
        neurons so that the probabilities fit the validation rows. Predicted classes do not change.
        Unless it is None, ``network`` must have ``loss="log_loss"``.
    refit : bool, default=False
        If True, a second training uses all rows. It has as many epochs as the best epoch of the
        first training, with the same learning rates.
    n_members : int, default=1
        Number of networks. A prediction is the mean of their predictions. Each network has its own
        starting weights and validation rows.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weight of every class. A class that a dict does not name has weight 1. ``"balanced"`` is
        ``n_samples / (n_classes * count)``. If y has several columns, it is a list of one dict per
        column.
    random_state : int, RandomState instance or None, default=None
        Random numbers for the starting weights, the validation rows and the order of the training
        rows.
    verbose : bool, default=False
        If True, the loss of every epoch is printed.
    n_threads : int, default=1
        Number of threads for large matrix products. -1 is one for each processor.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,) or list of ndarray
        Class labels. If y has several columns of classes, a list with one array for each column.
    preprocessor_ : transformer
        The fitted preprocessor.
    network_ : BackpropMLPClassifier
        The fitted network. The inputs are the rows of ``preprocessor_.transform(X)``.
    validated_network_ : BackpropMLPClassifier
        The network that was trained without the validation rows: ``network_``, except with
        ``refit``.
    loss_curve_ : list of float
        Mean loss of every epoch of this network.
    validation_scores_ : list of float
        Score on the validation rows after every epoch.
    validation_loss_curve_ : list of float
        Mean loss on the validation rows after every epoch.
    best_validation_score_ : float
        Highest score on the validation rows.
    best_epoch_ : int
        Number, from 1, of the epoch with this score. With several networks, the epoch, the score
        and the curves are attributes of each of them, such as
        ``validated_network_.members_[0].best_epoch_``.
    n_iter_ : int
        Number of epochs.
    n_features_in_ : int
        Number of columns of X in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of X in ``fit``, if all of them are strings.

    See Also
    --------
    TabularMLPRegressor : The regressor.
    TablePreprocessor : The default preprocessor.
    BackpropMLPClassifier : The network.

    Notes
    -----
    Pass callbacks and trace recorders by ``set_callbacks``. They receive the training of the
    network, with the output of the preprocessor as X, as if the network were fitted by itself. With
    ``refit`` they receive the first training only.

    There is no ``partial_fit`` and no ``warm_start``, because the medians and categories of the
    columns, the number of epochs and the schedule of the learning rate depend on all rows. To
    continue the training of the network, use ``network_``.

    Sample weights count in the training loss, in the choice of the epoch and in the temperature.
    They do not count in the preprocessing. Class weights multiply the weights of their rows, so
    they count in the same places. In :class:`BackpropMLPClassifier` they count in the training loss
    only.

    References
    ----------
    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default: Strong pre-tuned MLPs and
    boosted trees on tabular data", Advances in Neural Information Processing Systems 37, 2024,
    arXiv:2407.04491.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_metabp import TabularMLPClassifier
    >>> passengers = pd.DataFrame({
    ...     "age": [22, 38, None, 35, 28, 54, 2, 27, 14, None] * 10,
    ...     "port": ["S", "C", "S", None, "Q", "S", "S", "S", "C", "Q"] * 10,
    ...     "alone": [False, False, True, False, True, True, False, False, False, True]
    ...     * 10,
    ... })
    >>> survived = ["no", "yes", "yes", "yes", "no", "no", "no", "yes", "yes", "no"] * 10
    >>> model = TabularMLPClassifier(max_iter=60, random_state=0).fit(passengers, survived)
    >>> model.score(passengers, survived)
    1.0
    >>> model.preprocessor_.get_feature_names_out().tolist()
    ['age', 'age_missing', 'alone', 'port_C', 'port_Q', 'port_S', 'port_missing']
    """

    network_: BackpropMLPClassifier
    _set_in_the_network = (*BaseTabularMLP._set_in_the_network, "calibration")
    _parameter_constraints: dict = {
        **BaseTabularMLP._parameter_constraints,
        "network": [BackpropMLPClassifier, None],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
        "calibration": "no_validation",  # the network checks it
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
        calibration: str | float | None = "temperature",
        refit: bool = False,
        n_members: int = 1,
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
            n_members=n_members,
            random_state=random_state,
            verbose=verbose,
            n_threads=n_threads,
        )
        self.calibration = calibration
        self.class_weight = class_weight

    @staticmethod
    def default_network() -> BackpropMLPClassifier:
        """Return the network that is used if ``network`` is None.

        Returns
        -------
        network : BackpropMLPClassifier
        """
        return recipe.network_for_classes()

    def _make_network(self, n_rows: int, n_numeric: int) -> Any:
        network = super()._make_network(n_rows, n_numeric)
        if self.scoring is None:
            network.set_params(scoring=negative_brier_score)
        return network

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
        """Fit the preprocessor and the network to a table.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            Table with a column for each feature. Columns may have numbers, categories, strings and
            booleans, and every column may have missing values.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, a matrix of 0 and 1 for multilabel, or several columns of class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative.
        X_val : data frame or array-like of shape (n_val_samples, n_features), default=None
            Validation rows that choose the epoch, in place of a share of X. They need ``y_val``.
        y_val : array-like of shape (n_val_samples,) or (n_val_samples, n_outputs), default=None
            The y of these rows.
        sample_weight_val : array-like of shape (n_val_samples,), default=None
            The weights of these rows.

        Returns
        -------
        self : TabularMLPClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are not valid, such as a column of dates, infinite numbers, a
            y with missing values, or too few rows for a validation set.
        TypeError
            If X is sparse.
        """
        if self.class_weight is not None:
            labels = as_labels(y)
            targets = learn_targets(labels, None, "auto", "log_loss")
            sample_weight = self._weigh(targets, labels, sample_weight)
            if y_val is not None:
                labels = as_labels(y_val, "y_val")
                sample_weight_val = self._weigh(targets, labels, sample_weight_val)
        return self._fit_parts(X, y, sample_weight, X_val, y_val, sample_weight_val)

    def _weigh(self, targets: Any, labels: Any, sample_weight: Any) -> np.ndarray:
        """Return the weights of rows, multiplied by the weights of their classes."""
        weights = targets.row_weights(self.class_weight, labels)
        if sample_weight is None:
            return weights
        return weights * _check_sample_weight(sample_weight, labels, ensure_non_negative=True)

    @property
    def classes_(self) -> Any:
        """Class labels of the network."""
        return self.network_.classes_

    def predict(self, X: ArrayLike) -> Any:
        """Predict the most probable class of a row, or all labels with a probability above 1/2.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            Table with the columns of ``fit``.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels, of the same type as y in :meth:`fit`.
        """
        inputs = self._inputs(X)
        return self.network_.predict(inputs)

    def predict_proba(self, X: ArrayLike) -> Any:
        """Predict the probability of every class, in the order of ``classes_``.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            Table with the columns of ``fit``.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), or a list of them
            For multilabel y each label has its own probability.
        """
        inputs = self._inputs(X)
        return self.network_.predict_proba(inputs)

    def predict_log_proba(self, X: ArrayLike) -> Any:
        """Predict the logarithm of the probabilities of :meth:`predict_proba`.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            Table with the columns of ``fit``.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes), or a list of them
            Minus infinity for a probability of 0.
        """
        inputs = self._inputs(X)
        return self.network_.predict_log_proba(inputs)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the share of rows whose labels are all predicted correctly.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            Table with the columns of ``fit``.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            True labels of the rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        accuracy : float
            Between 0 and 1.
        """
        inputs = self._inputs(X)
        return self.network_.score(inputs, y, sample_weight)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags
