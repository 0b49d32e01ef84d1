"""The classifier."""

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted, column_or_1d

from sklearn_metabp.estimators._base import BaseBackpropMLP
from sklearn_metabp.estimators._targets import ClassTargets
from sklearn_metabp.network import LOSSES


class BackpropMLPClassifier(ClassifierMixin, BaseBackpropMLP):
    """Multilayer perceptron classifier with a pluggable update rule.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of every hidden layer; ``()`` for none.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Activation function f of the hidden layers: ``in``, ``1 / (1 + exp(-in))``, ``tanh(in)`` or
        ``max(0, in)``.
    loss : {"log_loss", "squared_error"}, default="log_loss"
        Minus the log-likelihood of the classes, or half the sum of squares over the output units.
    out_activation : {"auto", "identity", "logistic", "tanh", "softmax"}, default="auto"
        Activation function of the output units. ``"auto"`` is ``"softmax"`` for three classes or more
        under log-loss and ``"logistic"`` otherwise. ``"identity"`` and ``"tanh"`` need
        ``loss="squared_error"``; the targets of tanh units are -1 and 1.
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
    classes_ : ndarray of shape (n_classes,)
        Class labels, or the numbers of the labels for multilabel.
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
    BackpropMLPRegressor : The regressor.
    sklearn.neural_network.MLPClassifier : scikit-learn's.

    Notes
    -----
    Rules (1) to (6) of R. Jakša and M. Katrák, "Neural Network Model of the Backpropagation
    Algorithm" (2006), for minibatches. The starting weights are those of X. Glorot and Y. Bengio,
    "Understanding the difficulty of training deep feedforward neural networks" (2010).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_metabp import BackpropMLPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    >>> model = BackpropMLPClassifier(random_state=0, max_iter=300).fit(X_train, y_train)
    >>> model.score(X_test, y_test) > 0.95
    True
    """

    _parameter_constraints: dict = {
        **BaseBackpropMLP._parameter_constraints,
        "loss": [StrOptions(set(LOSSES))],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="log_loss",
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
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or a 0/1 matrix for multilabel.
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative; the loss of a batch is the weighted mean.
        coef_init : list of array-like of shape (fan_in, fan_out), default=None
            Weights to start from, one matrix per layer.
        intercept_init : list of array-like of shape (fan_out,), default=None
            Biases to start from, one vector per layer.

        Returns
        -------
        self : BackpropMLPClassifier

        Raises
        ------
        ValueError
            If a parameter, the data or a start does not fit.
        DivergenceError
            If a loss or a weight stops being finite; the estimator is then as it was before.
        """
        return self._fit(X, y, sample_weight, coef_init, intercept_init)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch over the given rows, going on from where training was.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
        classes : array-like of shape (n_classes,), default=None
            All classes that any call will bring. Needed in the first call, except for multilabel y.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : BackpropMLPClassifier
        """
        first = not self.__sklearn_is_fitted__()
        multilabel = first and type_of_target(y).startswith("multilabel")
        if first and classes is None and not multilabel:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if not first and classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: "
                f"{self.classes_!r}"
            )
        self._announced_classes = None if classes is None or multilabel else np.asarray(classes)
        try:
            return self._fit(X, y, sample_weight, incremental=True)
        finally:
            del self._announced_classes

    def _encode_targets(self, y, goes_on, dtype):
        check_classification_targets(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if goes_on:
            targets = self._targets
            targets.check_known(y)
        else:
            announced = getattr(self, "_announced_classes", None)
            targets = ClassTargets(y if announced is None else announced, self.out_activation, self.loss)
            if announced is not None:
                targets.check_known(y)
        attributes = {"classes_": targets.classes, "_targets": targets}
        return targets.encode(y, dtype), targets.out_activation, attributes

    def predict(self, X):
        """Most probable class of every row, or every label more probable than not.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        outputs = self._outputs(X)
        return self._targets.decode(outputs)

    def predict_proba(self, X):
        """Probability of every class, in the order of ``classes_``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            With ``loss="squared_error"`` the outputs scaled to add up to 1, which are no better
            calibrated than that. For multilabel the probability of every label on its own.
        """
        outputs = self._outputs(X)
        return self._targets.probabilities(outputs)

    def predict_log_proba(self, X):
        """Logarithm of :meth:`predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Minus infinity where a probability is 0.
        """
        check_is_fitted(self)
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
