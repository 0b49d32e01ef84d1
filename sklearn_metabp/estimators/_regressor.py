"""The regressor."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import spmatrix
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.neural_network import MLPRegressor
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from sklearn_metabp.embeddings import NumericEmbedding
from sklearn_metabp.estimators._base import BaseBackpropMLP
from sklearn_metabp.estimators._parameters import (
    INPUT_LAYER_CONSTRAINTS,
    PERCEPTRON_CONSTRAINTS,
    takes_steps,
)
from sklearn_metabp.estimators._rows import GivenData, Rows
from sklearn_metabp.estimators._sklearn_mlp import ExchangedWithSklearn
from sklearn_metabp.network import NUMBER_LOSSES, OUT_ACTIVATIONS
from sklearn_metabp.targets.numbers import NumberTargets
from sklearn_metabp.update_rules import TrainingRule
from sklearn_metabp.update_rules.schedules import Schedule


class BackpropMLPRegressor(RegressorMixin, ExchangedWithSklearn, BaseBackpropMLP):
    """Multilayer perceptron regressor with a pluggable update rule.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of neurons of every hidden layer. ``()`` means no hidden layer.
    activation : str or list of str, default="relu"
        Activation function of the hidden layers, or one for each: ``"identity"``, ``"logistic"``,
        ``"tanh"``, ``"relu"``, ``"leaky_relu"``, ``"elu"``, ``"selu"``, ``"gelu"``, ``"silu"``,
        ``"mish"``, ``"softplus"``.
    parametric_activation : bool, default=False
        If True, every hidden neuron also trains a factor a, 1 at first, of its activation function
        f: its output is (1 - a) in + a f(in). ``extras_`` has the factors of a layer by a name such
        as ``"activation_mixes_[0]"``.
    loss : {"squared_error", "absolute_error", "huber", \
            "poisson"}, default="squared_error"
        Sum over the outputs, mean over the batch: ``"squared_error"`` is half the square of the
        error, ``"absolute_error"`` is the absolute value of the error, ``"huber"`` is half the
        square of the error up to an error of 1, and linear beyond, ``"poisson"`` is half the
        Poisson deviance, for y of 0 and above.
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
        ``min(200, n_samples)``, or all rows if the update rule is meant for them. Rules that search
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
        Validation score, as in ``cross_val_score``. None is R². A scorer that takes sample weights
        gets them.
    tied_epochs : {"first", "last"}, default="first"
        Epoch whose weights ``early_stopping`` keeps if several epochs have the best score, which is
        often so for accuracies of few rows. Patience counts from the first of them in both cases.
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
        step. It needs a dense X. Scale the columns, because the noise is the same for all of them.
    input_gradient_penalty : float, default=0.0
        Strength beta of a penalty on the input gradients, the derivatives of the loss of a row by
        its inputs. The loss of a training step then has an additional term: beta times the weighted
        mean, over the rows, of the norm of the input gradient. Losses on validation rows do not
        contain it. It is not possible with update rules that compute deltas themselves. A sparse X
        is made dense batch by batch.
    input_gradient_norm : {"l2", "l1"}, default="l2"
        Norm of an input gradient in this penalty: ``"l2"`` is half the sum of the squares,
        ``"l1"`` is the sum of the absolute values.
    scaling_layer : bool, default=False
        If True, every column of X is multiplied by a trained factor before the first layer. The
        factors start at 1. X must be dense.
    numeric_embedding : {"periodic", "piecewise_linear"}, embedding or None, default=None
        Trained functions of single columns that replace the columns before the first layer: a
        :class:`PeriodicEmbedding` or a :class:`PiecewiseLinearEmbedding`. A name means the default
        parameters. The scaling layer comes before the embedding. X must be dense.
    init : str or callable, default="glorot_uniform"
        Starting weights: ``"glorot_uniform"``, ``"glorot_normal"``, ``"he_uniform"``,
        ``"he_normal"``, ``"lecun_normal"``, ``"orthogonal"``, ``"data"``, or a function of layout,
        activations and random state that returns the parameters. With ``"data"`` all net inputs
        have variance 1 over the first training rows, and each net input is 0 at one of these rows.
    init_output_bias : {"init", "targets"}, default="init"
        Starting biases of the output neurons. ``"init"`` gives those of ``init``, around 0.
        ``"targets"`` gives those of the best constant prediction for the first training rows: the
        weighted mean of y, the median for the absolute error, and the logarithm of the mean for exp
        outputs. This helps if y is far from 0. The parameter has no effect if ``intercept_init`` is
        given, or if training continues.
    verbose : bool, default=False
        If True, the loss of every epoch is printed.
    n_threads : int, default=1
        Number of threads for the large matrix products of a training or a prediction. -1 is one for
        each processor that the process may use. The networks of an ensemble train in parallel on
        them, unless there are callbacks. The number does not change any result. Small layers, and
        machines without AVX2 or NEON, use one thread for products. A search that runs several fits
        at once multiplies the number: ``GridSearchCV(model, grid, n_jobs=2)`` has twice as many.
    n_members : int, default=1
        Number of networks that a fit trains. A prediction is the mean of their outputs. Every
        network has its own seed, and so its own start, order of the rows and, with
        ``early_stopping``, validation rows. See :ref:`members`.

    Attributes
    ----------
    members_ : list of estimators
        The fitted networks, each as an estimator with one network. Defined only if ``n_members`` is
        greater than 1. Then ``coefs_``, ``intercepts_``, ``params_`` and the attributes of losses
        and scores are defined for each member, and not for the ensemble.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights, as views of ``params_``. You can write to them, also item by item. Predictions and
        a continued training then use the new values.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases, as views of ``params_``. You can write to them too.
    extras_ : dict of str to ndarray
        The parameters of the scaling layer and the numeric embedding by name, as views of
        ``params_``: ``"input_scales_"`` of shape (n_features_in_,) and ``"embedding_..."``.
    params_ : ndarray of shape (n_params,)
        All weights in layer order, then all biases, then the parameters of the scaling layer and
        the numeric embedding. They are those of the last step, those with the best validation score
        under ``early_stopping``, or an average that the update rule keeps.
    layout_ : ParameterLayout
        Names, shapes and slices of the parameters in ``params_``.
    network_ : Network
        Layers, activation functions and loss of the network.
    update_rule_ : UpdateRule
        Rule that trained the network.
    targets_ : NumberTargets
        Conversion of y to targets of the output neurons, and of outputs to predictions.
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
    best_epoch_ : int or None
        Number of the epoch with this score, from 1.
    validation_loss_curve_ : list of float or None
        Mean loss on the validation rows after every epoch, without the penalty.
    n_iter_ : int
        Number of epochs, or of iterations of a rule that searches along lines. With ``warm_start``
        and ``partial_fit`` it counts those of all calls. For an ensemble it is the largest number.
    t_ : int
        Number of rows presented to the network, over all epochs. For an ensemble it is the sum.
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
    BackpropMLPClassifier : The classifier.

    Notes
    -----
    The regressor of scikit-learn is ``sklearn.neural_network.MLPRegressor``.

    ``fit`` gives a ``ConvergenceWarning`` in five cases: the training reached ``max_iter``, it
    diverged after a best epoch, its loss rose far above the first one, the network predicts no
    better than a constant, or no weight changed.

    The equations are rules (1) to (6) of R. Jakša and M. Katrák, "Neural Network Model of the
    Backpropagation Algorithm" (2006), for minibatches. The gradient is exactly that of the loss
    above. In scikit-learn, the loss averages over the outputs, and the gradient does not.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import BackpropMLPRegressor
    >>> X, y = make_regression(n_samples=300, n_features=5, noise=1.0, random_state=0)
    >>> model = BackpropMLPRegressor(random_state=0, max_iter=400).fit(X, scale(y))
    >>> print(f"R2 {model.score(X, scale(y)):.2f}")
    R2 1.00
    """

    _sklearn_class = MLPRegressor
    _parameter_constraints: dict = {
        **BaseBackpropMLP._parameter_constraints,
        **PERCEPTRON_CONSTRAINTS,
        **INPUT_LAYER_CONSTRAINTS,
        "loss": [StrOptions(set(NUMBER_LOSSES))],
        "out_activation": [StrOptions({"auto", *OUT_ACTIVATIONS})],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Sequence[str] = "relu",
        *,
        parametric_activation: bool = False,
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
        tied_epochs: str = "first",
        warm_start: bool = False,
        dropout: float = 0.0,
        dropout_schedule: str | Schedule = "constant",
        input_noise: float = 0.0,
        input_gradient_penalty: float = 0.0,
        input_gradient_norm: str = "l2",
        scaling_layer: bool = False,
        numeric_embedding: str | NumericEmbedding | None = None,
        init: str | Callable = "glorot_uniform",
        init_output_bias: str = "init",
        verbose: bool = False,
        n_threads: int = 1,
        n_members: int = 1,
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
        self.parametric_activation = parametric_activation
        self.input_gradient_penalty = input_gradient_penalty
        self.input_gradient_norm = input_gradient_norm
        self.tied_epochs = tied_epochs
        self.n_members = n_members
        self.scaling_layer = scaling_layer
        self.numeric_embedding = numeric_embedding

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike | spmatrix,
        y: ArrayLike | spmatrix,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | spmatrix | None = None,
        y_val: ArrayLike | spmatrix | None = None,
        sample_weight_val: ArrayLike | None = None,
        coef_init: Sequence[ArrayLike] | None = None,
        intercept_init: Sequence[ArrayLike] | None = None,
    ) -> Self:
        """Fit the network to data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows. If X is float32, all computations are in float32, otherwise in float64. A
            sparse matrix is used as CSR and is not made dense.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers to predict. Training takes long unless their order of magnitude is 1. Scale them
            by ``TransformedTargetRegressor``, or see ``init_output_bias``.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. The loss of a batch is the weighted mean.
        X_val : {array-like, sparse matrix} of shape (n_val_samples, n_features), default=None
            Validation rows. The network is scored on them after every epoch. They need ``y_val``.
        y_val : array-like of shape (n_val_samples,) or (n_val_samples, n_outputs), default=None
            Numbers of the validation rows, with the columns of y.
        sample_weight_val : array-like of shape (n_val_samples,), default=None
            Weights of the validation rows, not negative, for the validation loss and for a score
            that takes weights.
        coef_init : list of array-like of shape (fan_in, fan_out), default=None
            Starting weights, one matrix per layer.
        intercept_init : list of array-like of shape (fan_out,), default=None
            Starting biases, one vector per layer.

        Returns
        -------
        self : BackpropMLPRegressor
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
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | spmatrix | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Continue training for one epoch over the given rows.

        The result of n calls is identical to that of a ``fit`` of n epochs that patience does not
        end. Patience never ends a ``partial_fit``. Schedules of the learning rate are planned for
        ``max_iter`` calls. With ``early_stopping`` the estimator has the weights with the best
        validation score so far.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers to predict.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative.
        X_val, y_val, sample_weight_val : array-like, default=None
            Validation rows, their y and their weights, as in :meth:`fit`.

        Returns
        -------
        self : BackpropMLPRegressor
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

    def _learn_targets(self, rows: Rows, classes: Any) -> NumberTargets:
        return NumberTargets(self.out_activation, self.loss)

    def predict(self, X: ArrayLike | spmatrix) -> np.ndarray:
        """Predict numbers: the outputs of the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            It has the dtype of the network.

        Warns
        -----
        RuntimeWarning
            If a prediction is not finite, because X is far from the training rows.
        """
        y = NumberTargets.decode(self._outputs(X))
        if not np.isfinite(y).all():
            n_rows = int((~np.isfinite(y.reshape(len(y), -1)).all(axis=1)).sum())
            warnings.warn(
                f"The predictions for {n_rows} of {len(y)} rows are not finite: X lies so far "
                f"beyond the rows of fit that {self.out_activation_} outputs overflow {y.dtype}. "
                "Scale X as it was for fit, or clip it.",
                RuntimeWarning,
                stacklevel=2,
            )
        return y
