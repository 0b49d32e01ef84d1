"""The regressor."""

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import column_or_1d

from sklearn_metabp.estimators._base import BaseBackpropMLP


class BackpropMLPRegressor(RegressorMixin, BaseBackpropMLP):
    """Multilayer perceptron regressor with a pluggable update rule.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of every hidden layer; ``()`` for none.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Activation function f of the hidden layers: ``in``, ``1 / (1 + exp(-in))``, ``tanh(in)`` or
        ``max(0, in)``.
    loss : {"squared_error"}, default="squared_error"
        Half the sum of squares over the outputs, averaged over the batch.
    out_activation : {"auto", "identity", "logistic", "tanh", "softmax"}, default="auto"
        Activation function of the output units; ``"auto"`` is ``"identity"``.
    update_rule : str or UpdateRule, default="adam"
        What turns gradients into updates: ``"adam"``, ``"sgd"``, an :class:`UpdateRule`, a fitted
        :class:`LearnedUpdateRule`, or a ``FrozenEstimator`` of one.
    alpha : float, default=1e-4
        Strength of the L2 penalty ``alpha / 2 * sum(w**2) / n_batch``; biases are not penalised. With
        sample weights n_batch is their sum.
    batch_size : int, "auto" or "full", default="auto"
        Rows of a step: 1 is online learning, ``"full"`` batch learning, ``"auto"`` is
        ``min(200, n_samples)``.
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
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last one: its weights, the rule's state, the order of
        the rows and the counters, as if training had not stopped.
    verbose : bool, default=False
        Whether to print the loss of every epoch.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights, as views of ``params_``.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases, as views of ``params_``.
    params_ : ndarray of shape (n_params,)
        All weights in layer order, then all biases.
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
    n_iter_ : int
        Epochs so far; with ``warm_start`` and ``partial_fit`` those of all calls.
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
    sklearn.neural_network.MLPRegressor : scikit-learn's.

    Notes
    -----
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
        "loss": [StrOptions({"squared_error"})],
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
        warm_start=False,
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
            warm_start=warm_start,
            verbose=verbose,
        )

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, coef_init=None, intercept_init=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs. float32 is computed in float32, anything else in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers to predict; of an order of magnitude of 1, or training takes long.
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative; the loss of a batch is the weighted mean.
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
            If a loss or a weight stops being finite; the estimator is then as it was before.
        """
        return self._fit(X, y, sample_weight, coef_init, intercept_init)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch over the given rows, going on from where training was.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : BackpropMLPRegressor
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def _encode_targets(self, y, goes_on, dtype):
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        with np.errstate(over="ignore"):
            targets = np.ascontiguousarray(y.reshape(len(y), -1), dtype)
        if not np.isfinite(targets).all():
            raise ValueError(f"y has values too large for {np.dtype(dtype)}, the dtype of X.")
        out_activation = "identity" if self.out_activation == "auto" else self.out_activation
        if out_activation == "softmax" and targets.shape[1] == 1:
            raise ValueError("out_activation='softmax' makes a single output 1 whatever X is: use another.")
        return targets, out_activation, {}

    def predict(self, X):
        """Outputs of the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        outputs = self._outputs(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs
