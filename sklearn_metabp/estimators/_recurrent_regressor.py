"""The recurrent regressor."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from sklearn_metabp.estimators._parameters import takes_steps
from sklearn_metabp.estimators._recurrent import BaseBackpropRNN
from sklearn_metabp.estimators._rows import GivenData
from sklearn_metabp.network import NUMBER_LOSSES, OUT_ACTIVATIONS
from sklearn_metabp.targets.numbers import NumberTargets
from sklearn_metabp.update_rules import TrainingRule
from sklearn_metabp.update_rules.schedules import Schedule


class BackpropRNNRegressor(RegressorMixin, BaseBackpropRNN):
    """Recurrent neural network that predicts numbers from sequences.

    One recurrent layer, trained by backpropagation through time with a pluggable update rule.

    Parameters
    ----------
    hidden_size : int, default=32
        Number of neurons of the recurrent layer.
    cell : {"elman", "gru"}, default="elman"
        Recurrent cell. ``"elman"`` is a layer that also receives its own outputs of the time step
        before. ``"gru"`` has gates, which control how much of them is kept.
    activation : str, default="tanh"
        Activation function of an Elman layer: ``"identity"``, ``"logistic"``, ``"tanh"``,
        ``"relu"``, ``"leaky_relu"``, ``"elu"``, ``"selu"``, ``"gelu"``, ``"silu"``, ``"mish"``,
        ``"softplus"``. A GRU has ``"tanh"``.
    return_sequences : bool, default=False
        If True, y has a value at every time step. If False, it has one for every sequence, and the
        network predicts it after the last time step.
    n_timesteps : int, default=None
        Number of time steps of a row, if X is a matrix. The features of the first time step come
        first. With None every column is a time step with one feature. It is not used if X has three
        axes.
    bptt_steps : int, default=None
        Number of time steps of truncated backpropagation through time. Sequences are cut into
        windows of this length, counted from their ends. Errors do not go back to an earlier window,
        but states continue from window to window. None means the whole gradient.
    loss : {"squared_error", "absolute_error", "huber", "poisson"}, default="squared_error"
        Sum over the outputs, mean over the sequences, as in :class:`BackpropMLPRegressor`.
    out_activation : {"auto", "identity", "logistic", "tanh", "softmax", "exp"}, default="auto"
        Activation function of the output neurons. ``"auto"`` is ``"exp"`` for the Poisson loss,
        which needs it, and ``"identity"`` otherwise.
    update_rule : str or UpdateRule, default="adam"
        Rule that computes the change of the weights: the name of a rule in lower case, as
        ``"sgd"`` or ``"lbfgs"``, ``"learned"`` for the rule of :func:`load_pretrained`, an
        :class:`UpdateRule`, a fitted :class:`LearnedUpdateRule`, or a ``FrozenEstimator`` of one.
        Rules that compute deltas themselves cannot train a recurrent layer. Long sequences may need
        ``Clipped``.
    alpha : float, default=1e-4
        Strength of the L2 penalty ``alpha / 2 * sum(w**2) / n_batch``. Biases are not penalised.
        With sample weights, n_batch is their sum, because a row of weight 2 counts as two rows.
    batch_size : int, "auto" or "full", default="auto"
        Number of sequences of a step. ``"auto"`` is ``min(200, n_samples)``, or all sequences if
        the update rule is meant for them. Rules that search along lines always use all.
    max_iter : int, default=200
        Largest number of epochs.
    shuffle : bool, default=True
        If True, the sequences are put into a new order in every epoch.
    random_state : int, RandomState instance or None, default=None
        Random numbers for the starting weights and the order of the sequences. With the same
        integer, results are identical.
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
        Share of the sequences, in (0, 1), that are set aside for validation.
    scoring : str, callable or None, default=None
        Validation score, as in ``cross_val_score``. None is R².
    warm_start : bool, default=False
        If True, ``fit`` continues the last fit, with its weights, the state of the rule, the order
        of the sequences and the counters. The result is identical to that of one longer training.
    dropout : float, default=0.0
        Probability, in [0, 1), that a state is set to 0 on its way to the outputs in a training
        step. The other states are divided by ``1 - dropout``. States on their way to the next time
        step are not dropped.
    dropout_schedule : str or callable, default="constant"
        Schedule of ``dropout`` over the epochs: ``"constant"``, ``"invscaling"``, ``"cosine"``,
        ``"one_cycle"``, ``"flat_cosine"``, ``"coslog4"``, or a function ``(t, t_planned) ->
        factor`` of the number of the epoch's first step, from 1, and the number of planned steps.
        See :doc:`/update_rules`.
    init : str or callable, default="glorot_uniform"
        Starting weights: ``"glorot_uniform"``, ``"glorot_normal"``, ``"he_uniform"``,
        ``"he_normal"``, ``"lecun_normal"``, ``"orthogonal"``, or a function of layout, activations
        and random state that returns the parameters.
    init_output_bias : {"init", "targets"}, default="init"
        Starting biases of the output neurons. ``"init"`` gives those of ``init``, around 0.
        ``"targets"`` gives those of the best constant prediction for the first training rows. The
        parameter has no effect if ``intercept_init`` is given, or if training continues.
    verbose : bool, default=False
        If True, the loss of every epoch is printed.

    Attributes
    ----------
    coefs_ : list of ndarray
        Weights of the inputs (n_step_features_in_, n_gates * hidden_size), of the states
        (hidden_size, n_gates * hidden_size) and of the outputs (hidden_size, n_outputs_), as views
        of ``params_``. ``n_gates`` is 1 for an Elman cell. It is 3 for a GRU, in the order reset,
        update, new state, as in PyTorch. You can write to them.
    intercepts_ : list of ndarray
        Biases of the product with the inputs, in a GRU of the product with the states, and of the
        outputs.
    params_ : ndarray of shape (n_params,)
        All weights, then all biases. They are those of the last step, or those with the best
        validation score under ``early_stopping``, or an average that the update rule keeps.
    layout_ : ParameterLayout
        Names, shapes and slices of the parameters in ``params_``.
    network_ : RecurrentNetwork
        Cell, activation functions and loss of the network.
    update_rule_ : UpdateRule
        Rule that trained the network.
    targets_ : Targets
        Conversion of y to targets of the output neurons, and of outputs to predictions.
    loss_ : float
        Mean loss of the last epoch.
    best_loss_ : float
        Lowest mean loss of an epoch.
    loss_curve_ : list of float
        Mean loss of every epoch.
    validation_scores_ : list of float or None
        Score on the validation rows after every epoch.
    best_validation_score_ : float or None
        Highest score since the last change of the validation rows or of the scoring, or since
        somebody set the weights.
    validation_loss_curve_ : list of float or None
        Mean loss on the validation rows after every epoch, without the penalty.
    n_iter_ : int
        Number of epochs, or of iterations of a rule that searches along lines.
    t_ : int
        Number of sequences presented to the network, over all epochs.
    n_layers_ : int
        Number of layers: 3, with inputs and outputs.
    n_outputs_ : int
        Number of output neurons.
    out_activation_ : str
        Activation function of the output layer.
    n_features_in_ : int
        Number of columns of X in ``fit`` if X was a matrix, and otherwise the number of features of
        a time step.
    n_step_features_in_ : int
        Number of features of a time step.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns in ``fit``. Defined only if X has names and all are strings.

    See Also
    --------
    BackpropRNNClassifier : The classifier.
    BackpropMLPRegressor : The regressor without time.

    Notes
    -----
    The gradient is the sum over the time steps: Werbos (1990), "Backpropagation through time: what
    it does and how to do it". The cells are those of Elman (1990), "Finding structure in time", and
    Cho et al. (2014), "Learning phrase representations using RNN encoder-decoder", in the form in
    which the reset gate multiplies after the product. With outputs at every time step, the loss of
    a sequence is the mean over its time steps. So the influence of a sequence is its sample weight
    and does not depend on its length.

    Examples
    --------
    The sum of a sequence:

    >>> import numpy as np
    >>> from sklearn_metabp import BackpropRNNRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 10, 1)) / 3
    >>> y = X.sum(axis=(1, 2))
    >>> model = BackpropRNNRegressor(
    ...     8, update_rule="lbfgs", tol=2e-3, random_state=0
    ... ).fit(X, y)
    >>> print(f"{model.score(X, y):.2f}")
    1.00
    >>> X[:, 6:] = np.nan  # shorter sequences
    >>> model.predict(X).shape
    (200,)
    """

    _parameter_constraints: dict = {
        **BaseBackpropRNN._parameter_constraints,
        "loss": [StrOptions(set(NUMBER_LOSSES))],
        "out_activation": [StrOptions({"auto", *OUT_ACTIVATIONS})],
    }

    def __init__(
        self,
        hidden_size: int = 32,
        cell: str = "elman",
        *,
        activation: str = "tanh",
        return_sequences: bool = False,
        n_timesteps: int | None = None,
        bptt_steps: int | None = None,
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
        init: str | Callable = "glorot_uniform",
        init_output_bias: str = "init",
        verbose: bool = False,
    ):
        super().__init__(
            hidden_size=hidden_size,
            cell=cell,
            activation=activation,
            return_sequences=return_sequences,
            n_timesteps=n_timesteps,
            bptt_steps=bptt_steps,
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
            init=init,
            init_output_bias=init_output_bias,
            verbose=verbose,
        )

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
        coef_init: Sequence[ArrayLike] | None = None,
        intercept_init: Sequence[ArrayLike] | None = None,
    ) -> Self:
        """Fit the network to sequences.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, n_features), list of array-like of shape \
                (n_timesteps_i, n_features), or array-like of shape (n_samples, n_columns)
            Sequences. Shorter sequences end with time steps of NaN, or are shorter arrays of a
            list. For a matrix see ``n_timesteps``. If X is float32, all computations are in
            float32, otherwise in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers to predict. With ``return_sequences=True`` an array of shape (n_samples,
            n_timesteps) or (n_samples, n_timesteps, n_outputs), or a list of arrays. Values in the
            padding are not read.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the sequences, not negative. The weight does not depend on the length of a
            sequence, because its loss is the mean over its time steps.
        X_val, y_val, sample_weight_val : array-like, default=None
            Validation sequences, their y and their weights. The network is scored on them after
            every epoch.
        coef_init, intercept_init : list of array-like, default=None
            Starting weights and biases, with the shapes of ``coefs_`` and ``intercepts_``.

        Returns
        -------
        self : BackpropRNNRegressor
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
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Continue training for one epoch over the given sequences.

        The result of n calls with the same rows is identical to that of a ``fit`` of n epochs that
        patience does not end. The sequences of a call may have other lengths than earlier ones.

        Parameters
        ----------
        X : array-like
            Sequences, as in :meth:`fit`.
        y : array-like
            Values to predict, as in :meth:`fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the sequences, not negative.
        X_val, y_val, sample_weight_val : array-like, default=None
            Validation sequences, their y and their weights, as in :meth:`fit`.

        Returns
        -------
        self : BackpropRNNRegressor
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

    def _learn_step_targets(self, y: Any, classes: Any) -> NumberTargets:
        return NumberTargets(self.out_activation, self.loss)

    def predict(self, X: ArrayLike) -> Any:
        """Predict numbers: the outputs of the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, n_features), list of array-like of shape \
                (n_timesteps_i, n_features), or array-like of shape (n_samples, n_columns)
            Sequences. Shorter sequences end with time steps of NaN, or are shorter arrays of a
            list. For a matrix see ``n_timesteps``. If X is float32, all computations are in
            float32, otherwise in float64.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            With ``return_sequences=True`` an array of shape (n_samples, n_timesteps) or (n_samples,
            n_timesteps, n_outputs), or a list of one array for every sequence where some are
            padded.
        """
        outputs = self._outputs(X)
        return self.targets_.decode(outputs)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return R², over all time steps where there are outputs at each.

        Parameters
        ----------
        X : array-like
            Sequences, as in :meth:`fit`.
        y : array-like
            True values, as in :meth:`fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the sequences. Every time step has that of its sequence.

        Returns
        -------
        score : float
        """
        return self._score(X, y, sample_weight)
