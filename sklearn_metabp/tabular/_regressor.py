"""The regressor for tables."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils.validation import _check_sample_weight, _check_y, column_or_1d

from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp.estimators import BackpropMLPRegressor
from sklearn_metabp.tabular import recipe
from sklearn_metabp.tabular._base import BaseTabularMLP
from sklearn_metabp.targets import NumberTargets
from sklearn_metabp.update_rules import TrainingRule


class TabularMLPRegressor(RegressorMixin, BaseTabularMLP):
    """Multilayer perceptron regressor for tables, with defaults that need no choice.

    X is a data frame with columns of numbers, categories, strings and booleans, also with missing
    values. A preprocessor makes one matrix of numbers from it, y is scaled, and a network with
    strong defaults learns from both. You can look at all parts and replace them. See
    :ref:`tabular_mlp`.

    Parameters
    ----------
    preprocessor : transformer or None, default=None
        Transformer of the table into a dense matrix of numbers. None means
        :class:`TablePreprocessor` with its defaults.
    network : BackpropMLPRegressor or None, default=None
        The unfitted network, with its parameters. None means :meth:`default_network`. ``fit`` makes
        a copy of it, and sets ``early_stopping=True`` and the parameters of this estimator from
        ``max_iter`` to ``n_threads`` in the copy.
    update_rule : str or UpdateRule, default=None
        Update rule that replaces that of the network, such as ``"learned"``. None keeps that of the
        network. A learned rule trains only weights and biases, so the default network then has
        no scaling layer and no embedding.
    max_iter : int or None, default=None
        Number of epochs. None means 256 for tables of up to 3,125 rows, and fewer for larger
        tables, but at least 48. The network then receives about 800,000 rows in all.
    validation_fraction : float, default=0.2
        Share of the rows of X, in (0, 1), that become validation rows. The network is not trained
        on them, and they choose the epoch whose weights are kept.
    scoring : str, callable or None, default=None
        Score on these rows, as in ``cross_val_score``. None means R². If several epochs have the
        best score, the last one is kept.
    refit : bool, default=False
        If True, a second training uses all rows. It has as many epochs as the best epoch of the
        first training, with the same learning rates.
    n_members : int, default=1
        Number of networks. A prediction is the mean of their predictions. Each network has its own
        starting weights and validation rows.
    scale_target : bool, default=True
        If True, the network learns y with mean 0 and standard deviation 1, column by column.
    clip_predictions : bool, default=True
        If True, predictions are limited to the range of y in ``fit``.
    random_state : int, RandomState instance or None, default=None
        Random numbers for the starting weights, the validation rows and the order of the training
        rows.
    verbose : bool, default=False
        If True, the loss of every epoch is printed.
    n_threads : int, default=1
        Number of threads for large matrix products. -1 is one for each processor.

    Attributes
    ----------
    target_mean_, target_scale_ : ndarray of shape () or (n_outputs,)
        Mean and standard deviation of y in ``fit``. 0 and 1 without ``scale_target``.
    target_range_ : tuple of two ndarray of shape () or (n_outputs,)
        Least and largest y in ``fit``.
    preprocessor_ : transformer
        The fitted preprocessor.
    network_ : BackpropMLPRegressor
        The fitted network. The inputs are the rows of ``preprocessor_.transform(X)``, and its
        targets are ``(y - target_mean_) / target_scale_``.
    validated_network_ : BackpropMLPRegressor
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
    TabularMLPClassifier : The classifier.
    TablePreprocessor : The default preprocessor.
    BackpropMLPRegressor : The network.

    Notes
    -----
    Pass callbacks and trace recorders by ``set_callbacks``. They receive the training of the
    network, with the output of the preprocessor as X, as if the network were fitted by itself. With
    ``refit`` they receive the first training only.

    There is no ``partial_fit`` and no ``warm_start``, because the medians and categories of the
    columns, the number of epochs and the schedule of the learning rate depend on all rows. To
    continue the training of the network, use ``network_``.

    Sample weights count in the training loss, in the choice of the epoch and in the scale of y.
    They do not count in the preprocessing.

    References
    ----------
    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default: Strong pre-tuned MLPs and
    boosted trees on tabular data", Advances in Neural Information Processing Systems 37, 2024,
    arXiv:2407.04491.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_metabp import TabularMLPRegressor
    >>> flats = pd.DataFrame({
    ...     "area": [50, 70, 30, None, 90, 65, 40, 55, 80, 35] * 10,
    ...     "district": [
    ...         "old", "new", "old", "new", "old", "new", None, "old", "new", "new"
    ...     ] * 10,
    ... })
    >>> rent = [600, 700, 450, 800, 950, 650, 500, 640, 780, 400] * 10
    >>> model = TabularMLPRegressor(max_iter=60, random_state=0).fit(flats, rent)
    >>> print(f"R2 {model.score(flats, rent):.2f}")
    R2 0.99
    """

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
        n_members: int = 1,
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
            n_members=n_members,
            random_state=random_state,
            verbose=verbose,
            n_threads=n_threads,
        )
        self.scale_target = scale_target
        self.clip_predictions = clip_predictions

    @staticmethod
    def default_network() -> BackpropMLPRegressor:
        """Return the network that is used if ``network`` is None.

        Returns
        -------
        network : BackpropMLPRegressor
        """
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
        """Fit the preprocessor and the network to a table.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            Table with a column for each feature. Columns may have numbers, categories, strings and
            booleans, and every column may have missing values.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers to predict.
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
        self : TabularMLPRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are not valid, such as a column of dates, infinite numbers, a
            y with missing values, or too few rows for a validation set.
        TypeError
            If X is sparse.
        """
        y = self._check_target(y)
        mean, scale = np.zeros(y.shape[1:]), np.ones(y.shape[1:])
        if self.scale_target:
            mean, scale = _mean_and_scale(y, sample_weight)
        if y_val is not None:
            y_val = (self._check_target(y_val) - mean) / scale
        self._fit_parts(X, (y - mean) / scale, sample_weight, X_val, y_val, sample_weight_val)
        self.target_mean_, self.target_scale_ = mean, scale
        self.target_range_ = y.min(axis=0), y.max(axis=0)
        return self

    def _check_target(self, y: Any) -> np.ndarray:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        y = _check_y(y, multi_output=True, y_numeric=True, estimator=self).astype(np.float64)
        return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _make_network(self, n_rows: int, n_numeric: int) -> Any:
        network = super()._make_network(n_rows, n_numeric)
        out_activation = NumberTargets(network.out_activation, network.loss).out_activation
        low, high = ACTIVATIONS[out_activation].output_range
        if self.scale_target and np.isfinite([low, high]).any():
            raise ValueError(
                f"The {out_activation} outputs of the network are between {low:g} and {high:g}, "
                "but a y with mean 0 and standard deviation 1 is not: set scale_target=False."
            )
        return network

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict numbers.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            Table with the columns of ``fit``.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), dtype float64
        """
        inputs = self._inputs(X)
        y = self.network_.predict(inputs) * self.target_scale_ + self.target_mean_
        return np.clip(y, *self.target_range_) if self.clip_predictions else y

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _mean_and_scale(y: np.ndarray, sample_weight: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of every column. It is 1 for a constant column."""
    weight = None
    if sample_weight is not None:
        weight = _check_sample_weight(sample_weight, y, ensure_non_negative=True)
        weight = None if not weight.any() else weight  # the network explains it
    mean = np.average(y, axis=0, weights=weight)
    with np.errstate(over="ignore"):
        scale = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight))
    return mean, np.where((scale > 0) & np.isfinite(scale), scale, 1.0)
