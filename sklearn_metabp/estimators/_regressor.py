"""The regressor."""

import warnings

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from sklearn_metabp.estimators._base import BaseBackpropMLP
from sklearn_metabp.estimators._parameters import takes_steps
from sklearn_metabp.estimators._rows import GivenData
from sklearn_metabp.network import OUT_ACTIVATIONS
from sklearn_metabp.targets.numbers import NumberTargets


class BackpropMLPRegressor(RegressorMixin, BaseBackpropMLP):
    """Multilayer perceptron regressor with a pluggable update rule.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of every hidden layer; ``()`` for none.
    activation : str or list of str, default="relu"
        Activation function of the hidden layers, or one for each: ``"identity"``, ``"logistic"``,
        ``"tanh"``, ``"relu"``, ``"leaky_relu"``, ``"elu"``, ``"gelu"``, ``"silu"``, ``"softplus"``.
    loss : {"squared_error", "absolute_error", "huber", "poisson"}, default="squared_error"
        Sum over the outputs, mean over the batch, of: half the square of the error; its absolute
        value; half the square up to an error of 1 and linear beyond; half the Poisson deviance, for
        y of 0 and above.
    out_activation : {"auto", "identity", "logistic", "tanh", "softmax", "exp"}, default="auto"
        Activation function of the output units; ``"auto"`` is ``"exp"`` for the Poisson loss, which
        needs it, and ``"identity"`` otherwise.
    update_rule : str or UpdateRule, default="adam"
        What turns gradients into updates: the name of a rule in lower case, as ``"sgd"`` or
        ``"lbfgs"``, an :class:`UpdateRule`, a fitted :class:`LearnedUpdateRule`, or a
        ``FrozenEstimator`` of one.
    alpha : float, default=1e-4
        Strength of the L2 penalty ``alpha / 2 * sum(w**2) / n_batch``; biases are not penalised.
        With sample weights n_batch is their sum, as a row of weight 2 is one given twice.
    batch_size : int, "auto" or "full", default="auto"
        Rows of a step: 1 is online learning, ``"full"`` batch learning, ``"auto"`` is ``min(200,
        n_samples)``, or all rows where the update rule is meant for them. Rules that search along
        lines always take all.
    max_iter : int, default=200
        Epochs at the most.
    shuffle : bool, default=True
        Whether every epoch goes through the rows in a new order.
    random_state : int, RandomState instance or None, default=None
        Draws the starting weights and the order of the rows. One value gives the same bits
        every time, and the start and the order of scikit-learn's MLP.
    tol : float, default=1e-4
        An epoch that does not lower the best loss by this much counts as no improvement.
    n_iter_no_change : int or inf, default=10
        Epochs without improvement, one after another, that end the training; inf trains for
        ``max_iter`` epochs whatever the loss does.
    early_stopping : bool, default=False
        Whether patience listens to a validation score instead of the loss, and the weights with
        the best score are kept. Rows are set aside for it, unless ``fit`` is given ``X_val``.
    validation_fraction : float, default=0.1
        Share of the rows to set aside, in (0, 1).
    scoring : str, callable or None, default=None
        The validation score, as in ``cross_val_score``; None is R². Sample weights go to a scorer
        that takes them.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last one: its weights, the rule's state, the order of
        the rows and the counters, as if training had not stopped.
    dropout : float, default=0.0
        Probability, in [0, 1), that the output of a hidden unit is set to 0 in a training step; the
        others are divided by ``1 - dropout``.
    init : str or callable, default="glorot_uniform"
        Where training starts: ``"glorot_uniform"``, ``"glorot_normal"``, ``"he_uniform"``,
        ``"he_normal"``, ``"lecun_normal"``, ``"orthogonal"``, or a function of layout, activations
        and random state that returns the parameters.
    init_output_bias : {"init", "targets"}, default="init"
        Where the biases of the output units start: where ``init`` puts them, which is around 0, or
        where they make the best constant prediction for the first rows: the mean of y, its median
        for the absolute error, the logarithm of the mean for exp outputs; weights count. It helps
        where y is far from 0. ``intercept_init`` wins, and a training that goes on keeps its
        biases.
    verbose : bool, default=False
        Whether to print the loss of every epoch.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights, as views of ``params_``. They can be written, item by item too: predictions use
        what was written, and training goes on from it.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases, as views of ``params_``; as writable.
    params_ : ndarray of shape (n_params,)
        All weights in layer order, then all biases: those of the last step, those with the best
        validation score under ``early_stopping``, or an average where the update rule keeps one.
    layout_ : ParameterLayout
        Which slice of ``params_`` is what.
    network_ : Network
        Layers, activation functions and loss.
    update_rule_ : UpdateRule
        The rule that trained.
    loss_ : float
        Mean loss of the last epoch.
    best_loss_ : float
        Lowest mean loss of an epoch.
    loss_curve_ : list of float
        Mean loss of every epoch.
    validation_scores_ : list of float or None
        Score on the validation rows after every epoch, NaN of an epoch without; None if there were
        never such rows.
    best_validation_score_ : float or None
        The highest of them, since the rows, the scoring or, by hand, the weights last changed.
    validation_loss_curve_ : list of float or None
        Mean loss on the validation rows after every epoch, without the penalty.
    n_iter_ : int
        Epochs so far, or iterations of a rule that searches along lines; with ``warm_start`` and
        ``partial_fit`` those of all calls.
    t_ : int
        Rows presented so far.
    n_layers_ : int
        Layers, those of inputs and outputs included.
    n_outputs_ : int
        Output units.
    out_activation_ : str
        Activation function of the output layer.
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has names that are all strings.

    See Also
    --------
    BackpropMLPClassifier : The classifier.

    Notes
    -----
    scikit-learn's is ``sklearn.neural_network.MLPRegressor``.

    A ``ConvergenceWarning`` tells of a training that reached ``max_iter``, diverged after a best
    epoch, blew up and stayed finite, learned no more than a constant, or changed no weight.

    Rules (1) to (6) of R. Jakša and M. Katrák, "Neural Network Model of the Backpropagation
    Algorithm" (2006), for minibatches. The gradient is that of the loss as it is written here;
    scikit-learn's loss averages over the outputs while its gradient does not.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import BackpropMLPRegressor
    >>> X, y = make_regression(n_samples=300, n_features=5, noise=1.0, random_state=0)
    >>> model = BackpropMLPRegressor(random_state=0, max_iter=400).fit(X, scale(y))
    >>> model.score(X, scale(y)) > 0.95
    True
    """

    _parameter_constraints: dict = {
        **BaseBackpropMLP._parameter_constraints,
        "loss": [StrOptions({"squared_error", "absolute_error", "huber", "poisson"})],
        "out_activation": [StrOptions({"auto", *OUT_ACTIVATIONS})],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="squared_error",
        out_activation="auto",
        update_rule="adam",
        alpha=1e-4,
        batch_size="auto",
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        n_iter_no_change=10,
        early_stopping=False,
        validation_fraction=0.1,
        scoring=None,
        warm_start=False,
        dropout=0.0,
        init="glorot_uniform",
        init_output_bias="init",
        verbose=False,
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
            init=init,
            init_output_bias=init_output_bias,
            verbose=verbose,
        )

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        coef_init=None,
        intercept_init=None,
    ):
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs. float32 is computed in float32, anything else in float64. Of a CSR matrix only
            the non-zeros are computed with; other sparse formats are converted to it.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers to predict; of an order of magnitude of 1, or training takes long. Scale them,
            as by ``TransformedTargetRegressor``, or see ``init_output_bias``.
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative; the loss of a batch is the weighted mean.
        X_val : {array-like, sparse matrix} of shape (n_val_samples, n_features), default=None
            Rows to validate on after every epoch; together with ``y_val``.
        y_val : array-like of shape (n_val_samples,) or (n_val_samples, n_outputs), default=None
            Their numbers, as many a row as in y.
        sample_weight_val : array-like of shape (n_val_samples,), default=None
            Weights of these rows, not negative: in the validation loss, and in a score that takes
            weights.
        coef_init : list of array-like of shape (fan_in, fan_out), default=None
            Weights to start from, one matrix per layer.
        intercept_init : list of array-like of shape (fan_out,), default=None
            Biases to start from, one vector per layer.

        Returns
        -------
        self : BackpropMLPRegressor

        Raises
        ------
        ValueError
            If a parameter, the data or a start does not fit.
        DivergenceError
            If a loss or a weight stops being finite and no best epoch was kept; nothing of it
            stays.
        """
        return self._fit(
            GivenData(
                X, y, sample_weight, X_val, y_val, sample_weight_val, coef_init, intercept_init
            )
        )

    @available_if(takes_steps)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None
    ):
        """Train for one epoch over the given rows, going on from where training was.

        n calls are a ``fit`` of n epochs, to the bit, as long as patience lasts; it stops no
        ``partial_fit``. Schedules of the learning rate reckon with ``max_iter`` calls. With
        ``early_stopping`` the weights with the best validation score so far are those of the
        estimator.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
        X_val, y_val, sample_weight_val : array-like, default=None
            Rows to validate on after the epoch, and their weights, as in :meth:`fit`.

        Returns
        -------
        self : BackpropMLPRegressor

        Raises
        ------
        ValueError
            If a parameter or the data do not fit, or are not of the kind that training began with.
        AttributeError
            If the update rule searches along lines: it needs all rows at once.
        DivergenceError
            If a loss or a weight stops being finite and no best epoch was kept; nothing of it
            stays.
        """
        given = GivenData(X, y, sample_weight, X_val, y_val, sample_weight_val)
        return self._fit(given, incremental=True)

    def _learn_targets(self, y, classes):
        return NumberTargets(self.out_activation, self.loss)

    def predict(self, X):
        """Outputs of the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)

        Warns
        -----
        RuntimeWarning
            If a prediction is not finite: X then lies far beyond the rows that were trained on.
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
