"""The autoencoder: a network that gives its input back, as a detector and as a transformer."""

from collections.abc import Callable, Iterator, Sequence
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse, spmatrix
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    OutlierMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import Tags, check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_metabp.estimators._base import BaseBackpropMLP
from sklearn_metabp.estimators._parameters import (
    DETECTOR_PARAMETERS_ELSEWHERE,
    PARAMETERS_ELSEWHERE,
    check_hidden_layer_sizes,
    count_threads,
    takes_steps,
)
from sklearn_metabp.estimators._rows import (
    GivenData,
    Rows,
    check_rows_alone,
    check_X,
)
from sklearn_metabp.network import (
    NUMBER_LOSSES,
    OUT_ACTIVATIONS,
    BaseNetwork,
    Network,
    ParameterLayout,
)
from sklearn_metabp.targets import Targets
from sklearn_metabp.targets.rows import RowTargets, as_signs, weighted_center
from sklearn_metabp.targets.thresholds import separating_threshold, upper_fence, weighted_quantile
from sklearn_metabp.update_rules import TrainingRule
from sklearn_metabp.update_rules.schedules import Schedule

# Number of values whose residuals are in memory at once.
_BLOCK_VALUES = 1 << 20
# The RMS of a column is at least this share of the RMS of all columns. Otherwise a column that was
# constant in the training would dominate the error.
_LEAST_SHARE = 0.01
_ROUNDING = 1e-7


class BackpropAutoencoder(
    OutlierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseBackpropMLP
):
    """Autoencoder: a multilayer perceptron whose output is a copy of its input.

    The network has a narrow layer between the input and the copy. So it can copy only rows that are
    similar to its training rows, and copies other rows badly. This detects outliers, and needs no
    examples of them. The activations of the narrow layer are a code of the row, with fewer numbers
    than the row has, so the autoencoder is a transformer too.

    Scale the columns of X, for example by ``StandardScaler``. The loss is a sum over the columns,
    so columns of large numbers have more influence on the training.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(16,)
        Number of neurons of every hidden layer, those of the decoder included: ``(64, 8, 64)`` has
        a code of 8 numbers. The narrowest layer is the code. If several layers are narrowest, it is
        the one nearest to the middle.
    activation : str or list of str, default="relu"
        Activation function of the hidden layers, or one for each: ``"identity"``, ``"logistic"``,
        ``"tanh"``, ``"relu"``, ``"leaky_relu"``, ``"elu"``, ``"selu"``, ``"gelu"``, ``"silu"``,
        ``"mish"``, ``"softplus"``.
    contamination : "auto" or float, default="auto"
        Share of the training rows that :meth:`predict` calls outliers, in (0, 0.5]. With ``"auto"``
        an outlier has an error above the fence Q3 + 1.5 (Q3 - Q1) of the errors of the training
        rows, as in a box plot. If y has rows of -1, the threshold is the one that separates the
        training rows of 1 from those of -1 with the best balanced accuracy. A share is a share of
        the rows of 1.
    loss : {"squared_error", "absolute_error", "huber", "poisson"}, default="squared_error"
        Sum over the outputs, mean over the batch: ``"squared_error"`` is half the square of the
        error, ``"absolute_error"`` is the absolute value of the error, ``"huber"`` is half the
        square of the error up to an error of 1, and linear beyond, ``"poisson"`` is half the
        Poisson deviance, for X of 0 and above.
    out_activation : {"auto", "identity", "logistic", "tanh", "softmax", "exp"}, default="auto"
        Activation function of the output neurons. ``"auto"`` is ``"exp"`` for the Poisson loss,
        which needs it, and ``"identity"`` otherwise.
    update_rule : str or UpdateRule, default="adam"
        Rule that computes the change of the weights: the name of a rule in lower case, as
        ``"sgd"`` or ``"lbfgs"``, ``"learned"`` for the rule of :func:`load_pretrained`, an
        :class:`UpdateRule`, a fitted :class:`LearnedUpdateRule`, or a ``FrozenEstimator`` of one.
    alpha : float, default=1e-4
        Strength of the L2 penalty ``alpha / 2 * sum(w**2) / n_batch``. Biases are not penalised.
        With sample weights, n_batch is their sum, because a row of weight 2 counts as two rows.
    batch_size : int, "auto" or "full", default="auto"
        Number of rows of a step. 1 is online learning, ``"full"`` is batch learning. ``"auto"`` is
        ``min(32, n_samples)``, or all rows if the update rule is meant for them. Rules that search
        along lines always use all rows.
    max_iter : int, default=200
        Largest number of epochs.
    shuffle : bool, default=True
        If True, the rows are put into a new order in every epoch.
    random_state : int, RandomState instance or None, default=None
        Random numbers for the starting weights and the order of the rows. With the same integer,
        results are identical, and start and order are those of scikit-learn's MLP.
    tol : float, default=1e-4
        Smallest decrease of the best loss that counts as an improvement.
    n_iter_no_change : int or inf, default=10
        Number of epochs in a row without improvement that ends the training. With inf it always
        lasts ``max_iter`` epochs.
    early_stopping : bool, default=False
        If True, training ends when the score on validation rows stops improving, and the weights
        with the best score are kept. If False, the training loss decides. The validation rows are a
        part of X, unless ``fit`` gets ``X_val``.
    validation_fraction : float, default=0.1
        Share of the rows of X, in (0, 1), that become validation rows.
    scoring : str, callable or None, default=None
        Validation score, as in ``cross_val_score``. None is R² of the copies. A scorer gets the
        signs of the validation rows as y, so ``"roc_auc"`` needs rows of -1 among them.
    warm_start : bool, default=False
        If True, ``fit`` continues the last fit, with its weights, the state of the rule, the order
        of the rows and the counters. The result is identical to that of one longer training.
    dropout : float, default=0.0
        Probability, in [0, 1), that the output of a hidden neuron is set to 0 in a training step.
        The other outputs are divided by ``1 - dropout``. If the update rule sets dropout, its value
        holds.
    dropout_schedule : str or callable, default="constant"
        Schedule of ``dropout`` over the epochs: ``"constant"``, ``"invscaling"``, ``"cosine"``,
        ``"one_cycle"``, ``"flat_cosine"``, ``"coslog4"``, or a function ``(t, t_planned) ->
        factor`` of the number of the epoch's first step, from 1, and the number of planned steps.
        See :doc:`/update_rules`.
    input_noise : float, default=0.0
        Standard deviation of the normal noise that is added to every number of X in a training
        step. The target is the row without noise, so this is a denoising autoencoder. It needs a
        dense X. Scale the columns, because the noise is the same for all of them.
    init : str or callable, default="glorot_uniform"
        Starting weights: ``"glorot_uniform"``, ``"glorot_normal"``, ``"he_uniform"``,
        ``"he_normal"``, ``"lecun_normal"``, ``"orthogonal"``, ``"data"``, or a function of layout,
        activations and random state that returns the parameters. With ``"data"`` all net inputs
        have variance 1 over the first training rows, and each net input is 0 at one of these rows.
    init_output_bias : {"init", "targets"}, default="init"
        Starting biases of the output neurons. ``"init"`` gives those of ``init``, around 0.
        ``"targets"`` gives those of the best constant copy of the first training rows, such as
        their mean. This helps if X is far from 0. The parameter has no effect if ``intercept_init``
        is given, or if training continues.
    verbose : bool, default=False
        If True, the loss of every epoch is printed.
    n_threads : int, default=1
        Number of threads for the large matrix products of a training or a prediction. -1 is one for
        each processor that the process may use. The number does not change any result. Small
        layers, and machines without AVX2 or NEON, use one thread. A search that runs several fits
        at once multiplies the number: ``GridSearchCV(model, grid, n_jobs=2)`` has twice as many.

    Attributes
    ----------
    offset_ : float
        Threshold of the scores: ``decision_function`` is ``score_samples - offset_``.
    residual_scale_ : ndarray of shape (n_features_in_,)
        Root mean square of the residuals of every column over the training rows of 1, at least
        1 % of the root mean square of all columns.
    center_ : ndarray of shape (n_features_in_,)
        Mean of the training rows of 1, at which rows of -1 are mirrored.
    code_layer_ : int
        Number of the hidden layer that is the code, from 0.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights, as views of ``params_``. You can write to them, also item by item. Predictions and
        a continued training then use the new values.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases, as views of ``params_``. You can write to them too.
    params_ : ndarray of shape (n_params,)
        All weights in layer order, then all biases. They are those of the last step, or those with
        the best validation score under ``early_stopping``, or an average that the update rule
        keeps.
    layout_ : ParameterLayout
        Names, shapes and slices of the parameters in ``params_``.
    network_ : Network
        Layers, activation functions and loss of the network.
    update_rule_ : UpdateRule
        Rule that trained the network.
    targets_ : RowTargets
        Conversion of rows to targets of the output neurons.
    loss_ : float
        Mean loss of the last epoch.
    best_loss_ : float
        Lowest mean loss of an epoch.
    loss_curve_ : list of float
        Mean loss of every epoch.
    validation_scores_ : list of float or None
        Score on the validation rows after every epoch, NaN for an epoch without validation rows.
        None if no epoch had validation rows.
    best_validation_score_ : float or None
        Highest score since the last change of the validation rows or of the scoring, or since
        somebody set the weights.
    validation_loss_curve_ : list of float or None
        Mean loss on the validation rows after every epoch, without the penalty.
    n_iter_ : int
        Number of epochs, or of iterations of a rule that searches along lines. With ``warm_start``
        and ``partial_fit`` it counts those of all calls.
    t_ : int
        Number of rows presented to the network, over all epochs.
    n_layers_ : int
        Number of layers, with the input and the output layer.
    n_outputs_ : int
        Number of output neurons.
    out_activation_ : str
        Activation function of the output layer.
    n_features_in_ : int
        Number of features in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features in ``fit``. Defined only if X has names and all are strings.

    See Also
    --------
    BackpropMLPClassifier : Learns to separate classes from examples of each class.
    sklearn.ensemble.IsolationForest : Detects outliers by random trees.
    sklearn.decomposition.PCA : The linear code with the smallest squared error.

    Notes
    -----
    The error of a row is the mean over the columns of its squared residuals, each divided by the
    root mean square of its column over the training rows. Without this division, a column that is
    hard to copy would dominate the error.

    The idea to recognise rows by the error of their copy, if examples of other rows are missing, is
    that of N. Japkowicz, C. Myers and M. Gluck, "A Novelty Detection Approach to Classification"
    (1995), and of N. Japkowicz, S. J. Hanson and M. A. Gluck, "Nonlinear Autoassociation is not
    Equivalent to PCA" (2000). One linear hidden layer with the squared error learns the subspace of
    the first principal components: P. Baldi and K. Hornik, "Neural networks and principal component
    analysis: learning from examples without local minima" (1989). The denoising autoencoder is that
    of P. Vincent, H. Larochelle, Y. Bengio and P.-A. Manzagol (2008).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp import BackpropAutoencoder
    >>> angle = np.random.default_rng(0).uniform(0, np.pi, 300)
    >>> X = np.column_stack([np.cos(angle), np.sin(angle)])  # half of a circle
    >>> model = BackpropAutoencoder((8, 1, 8), "tanh", update_rule="lbfgs", max_iter=1000,
    ...                            random_state=0)
    >>> model.fit(X).predict([[0, 1], [0, 0.5], [0, 2]])
    array([ 1, -1, -1])
    >>> model.transform(X).shape
    (300, 1)
    """

    _parameters_elsewhere = PARAMETERS_ELSEWHERE | DETECTOR_PARAMETERS_ELSEWHERE
    _auto_batch_size = 32  # a detector often has a few hundred rows, and needs some steps
    targets_: RowTargets
    _parameter_constraints: dict = {
        **BaseBackpropMLP._parameter_constraints,
        "loss": [StrOptions(set(NUMBER_LOSSES))],
        "out_activation": [StrOptions({"auto", *OUT_ACTIVATIONS})],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (16,),
        activation: str | Sequence[str] = "relu",
        *,
        contamination: float | str = "auto",
        loss: str = "squared_error",
        out_activation: str = "auto",
        update_rule: str | TrainingRule | BaseEstimator = "adam",
        alpha: float = 1e-4,
        batch_size: int | str = "auto",
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        n_iter_no_change: float = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        scoring: str | Callable | None = None,
        warm_start: bool = False,
        dropout: float = 0.0,
        dropout_schedule: str | Schedule = "constant",
        input_noise: float = 0.0,
        init: str | Callable = "glorot_uniform",
        init_output_bias: str = "init",
        verbose: bool = False,
        n_threads: int = 1,
    ):
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            loss=loss,
            out_activation=out_activation,
            update_rule=update_rule,
            alpha=alpha,
            batch_size=batch_size,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            n_iter_no_change=n_iter_no_change,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            scoring=scoring,
            warm_start=warm_start,
            dropout=dropout,
            dropout_schedule=dropout_schedule,
            input_noise=input_noise,
            init=init,
            init_output_bias=init_output_bias,
            verbose=verbose,
            n_threads=n_threads,
        )
        self.contamination = contamination

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike | spmatrix,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | spmatrix | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
        coef_init: Sequence[ArrayLike] | None = None,
        intercept_init: Sequence[ArrayLike] | None = None,
    ) -> Self:
        """Fit the network to rows, and then the scale of the residuals and the threshold.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows. float32 is computed in float32, and every other type in float64. A sparse
            matrix is used as CSR, and at most one batch of it is made dense.
        y : array-like of shape (n_samples,), default=None
            Signs of the rows, if all values are 1 or -1. The network learns to copy rows of 1. Rows
            of -1 are counterexamples: the network learns to mirror them at the centre of the rows
            of 1, so x becomes 2 ``center_`` - x. Any other y is ignored, as transformers ignore it.
            So if a classifier follows in a pipeline, name its classes 0 and 1, not -1 and 1.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative, for the loss, the scale of the residuals and the
            threshold.
        X_val : {array-like, sparse matrix} of shape (n_val_samples, n_features), default=None
            Validation rows. The network is scored on them after every epoch.
        y_val : array-like of shape (n_val_samples,), default=None
            Signs of the validation rows, in the form of y.
        sample_weight_val : array-like of shape (n_val_samples,), default=None
            Weights of the validation rows, not negative.
        coef_init : list of array-like of shape (fan_in, fan_out), default=None
            Starting weights, one matrix per layer.
        intercept_init : list of array-like of shape (fan_out,), default=None
            Starting biases, one vector per layer.

        Returns
        -------
        self : BackpropAutoencoder
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, the data or the given start is not valid.
        DivergenceError
            If a loss or a weight becomes infinite or NaN, and no best epoch was kept. The estimator
            does not change then.
        """
        return self._fit(
            GivenData(
                X, y, sample_weight, X_val, y_val, sample_weight_val, coef_init, intercept_init
            )
        )

    @available_if(takes_steps)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike | spmatrix,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | spmatrix | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Continue training for one epoch over the given rows.

        The result of n calls with the same rows is identical to that of a ``fit`` of n epochs that
        patience does not end. If the rows change, the scale of the residuals and the threshold are
        those of the last call, and the centre is that of the first call.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,), default=None
            Signs, as in :meth:`fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative.
        X_val, y_val, sample_weight_val : array-like, default=None
            Validation rows, their signs and their weights, as in :meth:`fit`.

        Returns
        -------
        self : BackpropAutoencoder
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are not valid, or do not match those of earlier calls.
        AttributeError
            If the update rule searches along lines, which needs all rows at once.
        DivergenceError
            If a loss or a weight becomes infinite or NaN, and no best epoch was kept. The estimator
            does not change then.
        """
        given = GivenData(X, y, sample_weight, X_val, y_val, sample_weight_val)
        return self._fit(given, incremental=True)

    def _check_rows(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool, y_name: str = "y"
    ) -> Rows:
        rows = check_rows_alone(self, X, sample_weight, reset=reset)
        if y is not None:
            check_consistent_length(rows.X, y)
        return rows._replace(y=as_signs(y, rows.X.shape[0]))

    def _learn_targets(self, rows: Rows, classes: Any) -> RowTargets:
        weight = _weight_of(rows) * (rows.y > 0)
        if not weight.any():
            raise ValueError("sample_weight is 0 for every row to recognise.")
        center = weighted_center(rows.X, weight)
        return RowTargets(self.out_activation, self.loss, center)

    def _labels_to_split_by(self, y: Any, targets: Any) -> np.ndarray | None:
        return y if (y < 0).any() else None

    def _new_network(
        self,
        X: Any,
        n_outputs: int,
        dtype: np.dtype,
        targets: Targets,
        rule: TrainingRule,
        before: BaseNetwork | None,
    ) -> Network:
        if not check_hidden_layer_sizes(self.hidden_layer_sizes):
            raise ValueError(
                "hidden_layer_sizes=() leaves no layer for a code of the rows: an autoencoder "
                "needs a hidden layer."
            )
        return super()._new_network(X, n_outputs, dtype, targets, rule, before)

    def _attributes_from_rows(
        self, network: Network, rows: Rows, params: np.ndarray
    ) -> dict[str, Any]:
        sizes = network.layout.layer_sizes[1:-1]
        places = [k for k, size in enumerate(sizes) if size == min(sizes)]
        code_layer = min(places, key=lambda k: abs(2 * k + 1 - len(sizes)))
        X, signs, _ = rows
        weight = _weight_of(rows)
        of_positives = weight * (signs > 0)
        squares = np.zeros(X.shape[1])
        with np.errstate(over="ignore", invalid="ignore"):
            for part, residuals in self._residual_blocks(network, params, X):
                squares += of_positives[part] @ residuals**2
            squares /= of_positives.sum() or 1.0
            scale = np.sqrt(np.maximum(squares, _LEAST_SHARE**2 * squares.mean()))
        scale[scale == 0] = 1.0
        threshold = self._threshold(self._scores(network, params, scale, X), signs, weight)
        return {
            "code_layer_": code_layer,
            "residual_scale_": scale,
            # A training row at the threshold is no outlier, also after rounding.
            "offset_": threshold - _ROUNDING * abs(threshold),
        }

    def _threshold(self, scores: np.ndarray, signs: np.ndarray, weight: np.ndarray) -> float:
        """Return the threshold of the scores of the training rows, by ``contamination``."""
        if not isinstance(self.contamination, str):
            return weighted_quantile(scores, self.contamination, weight * (signs > 0))
        if (weight * (signs < 0)).any():
            return separating_threshold(scores, signs, weight)
        return -upper_fence(-scores, weight)

    def _residual_blocks(
        self, network: Network, params: np.ndarray, X: Any
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield slices of rows and the residuals of these rows, of float64."""
        n_threads, n_rows = count_threads(self.n_threads), X.shape[0]
        size = max(1, _BLOCK_VALUES // X.shape[1])
        for start in range(0, n_rows, size):
            part = slice(start, min(start + size, n_rows))
            block = X[part]
            outputs = network.outputs(params, block, n_threads=n_threads)
            dense = block.toarray() if issparse(block) else block
            yield part, np.subtract(dense, outputs, dtype=np.float64)

    def _scores(
        self, network: Network, params: np.ndarray, scale: np.ndarray, X: Any
    ) -> np.ndarray:
        """Return minus the mean square of the residuals in units of their scale."""
        scores = np.empty(X.shape[0])
        with np.errstate(over="ignore"):
            for part, residuals in self._residual_blocks(network, params, X):
                residuals /= scale
                scores[part] = -np.einsum("ij,ij->i", residuals, residuals) / X.shape[1]
        return scores

    def reconstruct(self, X: ArrayLike | spmatrix) -> np.ndarray:
        """Return the copies of rows: the outputs of the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        X_reconstructed : ndarray of shape (n_samples, n_features)
            It has the dtype of the network.
        """
        return self._outputs(X)

    def residuals(self, X: ArrayLike | spmatrix) -> np.ndarray:
        """Return the residuals, each divided by that of its column in the training.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        residuals : ndarray of shape (n_samples, n_features)
            ``(X - reconstruct(X)) / residual_scale_``. The columns with the largest absolute values
            make a row unusual. ``score_samples`` is minus the mean of their squares.
        """
        check_is_fitted(self)
        X = check_X(self, X)
        residuals = np.empty(X.shape)
        for part, block in self._residual_blocks(self.network_, self.params_, X):
            residuals[part] = block / self.residual_scale_
        return residuals

    def score_samples(self, X: ArrayLike | spmatrix) -> np.ndarray:
        """Return minus the mean of the squared :meth:`residuals` of each row, low for outliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            0 for a row that is equal to its copy. The mean over the training rows is -1.
        """
        check_is_fitted(self)
        return self._scores(self.network_, self.params_, self.residual_scale_, check_X(self, X))

    def decision_function(self, X: ArrayLike | spmatrix) -> np.ndarray:
        """Return the scores above the threshold: negative for outliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        decisions : ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike | spmatrix) -> np.ndarray:
        """Return 1 for rows of the kind that was trained on, and -1 for outliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        signs : ndarray of int of shape (n_samples,)
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def score(
        self, X: ArrayLike | spmatrix, y: Any = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return R² of the copies: the share of the variance of X that they explain.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : ignored
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        r2 : float
            At most 1.
        """
        outputs = self._outputs(X)
        X = check_X(self, X)
        return self.targets_.score_rows(X, np.ones(X.shape[0]), outputs, sample_weight)

    def transform(self, X: ArrayLike | spmatrix) -> np.ndarray:
        """Return the code of rows: the activations of the narrowest layer.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        codes : ndarray of shape (n_samples, n_codes)
            It has the dtype of the network.
        """
        check_is_fitted(self)
        return self.network_.outputs(
            self.params_,
            check_X(self, X),
            layer=self.code_layer_,
            n_threads=count_threads(self.n_threads),
        )

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Return the rows that belong to codes: the layers from the code to the output.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_codes)
            Codes, such as those of :meth:`transform`.

        Returns
        -------
        X_reconstructed : ndarray of shape (n_samples, n_features)
            It has the dtype of the network.
        """
        check_is_fitted(self)
        codes = check_array(X, dtype=self.layout_.dtype)
        first = self.code_layer_ + 1
        network = self.network_
        layout = ParameterLayout(network.layout.layer_sizes[first:], network.layout.dtype)
        if codes.shape[1] != layout.layer_sizes[0]:
            raise ValueError(
                f"a code has {layout.layer_sizes[0]} numbers, one for each neuron of the narrowest "
                f"layer, got X of shape {codes.shape}."
            )
        decoder = Network(layout, network.activations[first:], network.out_activation, network.loss)
        params = layout.flatten(self.coefs_[first:], self.intercepts_[first:])
        return decoder.outputs(params, codes, n_threads=count_threads(self.n_threads))

    @property
    def _n_features_out(self) -> int:
        return self.layout_.layer_sizes[self.code_layer_ + 1]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _weight_of(rows: Rows) -> np.ndarray:
    """Return the weights of rows in float64, 1 without weights."""
    if rows.sample_weight is None:
        return np.ones(rows.X.shape[0])
    return rows.sample_weight.astype(np.float64)
