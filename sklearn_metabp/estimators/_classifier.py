"""The classifier."""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import spmatrix
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.neural_network import MLPClassifier
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_metabp.embeddings import NumericEmbedding
from sklearn_metabp.estimators._base import BaseBackpropMLP
from sklearn_metabp.estimators._calibration import at_temperature, best_temperature
from sklearn_metabp.estimators._fit import FitStart
from sklearn_metabp.estimators._parameters import (
    INPUT_LAYER_CONSTRAINTS,
    PERCEPTRON_CONSTRAINTS,
    takes_steps,
)
from sklearn_metabp.estimators._row_weights import check_needs_no_counts
from sklearn_metabp.estimators._rows import GivenData, Rows
from sklearn_metabp.estimators._sklearn_mlp import ExchangedWithSklearn
from sklearn_metabp.network import CLASS_LOSSES, CLASS_OUT_ACTIVATIONS
from sklearn_metabp.targets import ClassTargets, MultiOutputTargets, learn_targets
from sklearn_metabp.targets.learn import check_announced
from sklearn_metabp.update_rules import TrainingRule
from sklearn_metabp.update_rules.schedules import Schedule


class BackpropMLPClassifier(ClassifierMixin, ExchangedWithSklearn, BaseBackpropMLP):
    """Multilayer perceptron classifier with a pluggable update rule.

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
    loss : {"log_loss", "squared_error"}, default="log_loss"
        Sum over the outputs, mean over the batch: ``"log_loss"`` is minus the log-likelihood of the
        classes, ``"squared_error"`` is half the square of the error.
    out_activation : {"auto", "identity", "logistic", "tanh", "softmax"}, default="auto"
        Activation function of the output neurons. ``"auto"`` is ``"softmax"`` for three classes or
        more under log-loss and ``"logistic"`` otherwise. ``"identity"`` and ``"tanh"`` need
        ``loss="squared_error"``. The targets of tanh neurons are -1 and 1.
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
        Share of the rows of X, in (0, 1), that become validation rows, the same in every class. If
        a class has a single row, this row stays in the training rows.
    scoring : str, callable or None, default=None
        Validation score, as in ``cross_val_score``. None is accuracy. A scorer that takes sample
        weights gets them.
    tied_epochs : {"first", "last"}, default="first"
        Epoch whose weights ``early_stopping`` keeps if several epochs have the best score, which is
        often so for accuracies of few rows. Patience counts from the first of them in both cases.
    calibration : {"temperature"}, float or None, default=None
        Temperature T, which divides the net inputs of the output neurons after the training. It
        changes probabilities, but not predicted classes. ``"temperature"`` finds T by the
        validation rows: T minimises the sum of their log-losses plus ``5 * log(T)**2``, which keeps
        T near 1 if the rows are few. A number is T itself. ``loss`` must be ``"log_loss"``. The
        weights of the last layer are those of the training, divided by T.
    warm_start : bool, default=False
        If True, ``fit`` continues the last fit, with its weights, the state of the rule, the order
        of the rows and the counters. The result is identical to that of one longer training.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weight of every class in the training loss, finite and not negative. A class that a dict
        does not name has weight 1, and keys that are no class are ignored. ``"balanced"`` is
        ``n_samples / (n_classes * count)``. If y has several columns, it is a list of one dict per
        column, and the weights of the columns are multiplied.
    label_smoothing : float, default=0.0
        Share ε in [0, 1) of every target that is given to all classes in equal parts. With K
        classes, a target y becomes (1 - ε) y + ε / K. With two classes on one neuron, and for a
        label of multilabel y, it becomes (1 - ε) y + ε / 2. Losses on validation rows are those
        without smoothing.
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
        ``"targets"`` gives those of the best constant prediction for the first training rows, which
        helps with rare classes. The parameter has no effect if ``intercept_init`` is given.
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
    classes_ : ndarray of shape (n_classes,) or list of ndarray
        Class labels. For multilabel y they are the numbers of the labels. If y has several columns
        of classes, they are a list with one array for each column.
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
    targets_ : ClassTargets or MultiOutputTargets
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
    temperature_ : float
        Divisor of the net inputs of the output neurons. 1 without ``calibration``. Every member of
        an ensemble has its own.
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
    BackpropMLPRegressor : The regressor.
    sklearn.neural_network.MLPClassifier : The classifier of scikit-learn.

    Notes
    -----
    ``fit`` gives a ``ConvergenceWarning`` in five cases: the training reached ``max_iter``, it
    diverged after a best epoch, its loss rose far above the first one, the network predicts no
    better than a constant, or no weight changed.

    The equations are rules (1) to (6) of R. Jakša and M. Katrák, "Neural Network Model of the
    Backpropagation Algorithm" (2006), for minibatches. The starting weights are those of X. Glorot
    and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks"
    (2010). The temperature is that of C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On
    Calibration of Modern Neural Networks" (2017), equation 9, with a prior.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_metabp import BackpropMLPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    >>> model = BackpropMLPClassifier(random_state=0, max_iter=300).fit(X_train, y_train)
    >>> print(f"accuracy {model.score(X_test, y_test):.2f}")
    accuracy 0.98
    """

    targets_: ClassTargets | MultiOutputTargets
    _sklearn_class = MLPClassifier
    _parameter_constraints: dict = {
        **BaseBackpropMLP._parameter_constraints,
        **PERCEPTRON_CONSTRAINTS,
        **INPUT_LAYER_CONSTRAINTS,
        "loss": [StrOptions(set(CLASS_LOSSES))],
        "out_activation": [StrOptions({"auto", *CLASS_OUT_ACTIVATIONS})],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
        "calibration": [
            StrOptions({"temperature"}),
            Interval(Real, 0, None, closed="neither"),
            None,
        ],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Sequence[str] = "relu",
        *,
        parametric_activation: bool = False,
        loss: str = "log_loss",
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
        calibration: str | float | None = None,
        warm_start: bool = False,
        class_weight: dict | list[dict] | str | None = None,
        label_smoothing: float = 0.0,
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
        self.calibration = calibration
        self.n_members = n_members
        self.scaling_layer = scaling_layer
        self.numeric_embedding = numeric_embedding
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing

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
        y : {array-like, sparse matrix} of shape (n_samples,) or (n_samples, n_labels)
            Class labels, a matrix of 0 and 1 for multilabel, or several columns of class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. The loss of a batch is the weighted mean.
        X_val : {array-like, sparse matrix} of shape (n_val_samples, n_features), default=None
            Validation rows. The network is scored on them after every epoch. They need ``y_val``.
        y_val : {array-like, sparse matrix} of shape (n_val_samples,) or \
                (n_val_samples, n_labels), default=None
            Labels of the validation rows, of the same kind as y.
        sample_weight_val : array-like of shape (n_val_samples,), default=None
            Weights of the validation rows, not negative, for the validation loss and for a score
            that takes weights.
        coef_init : list of array-like of shape (fan_in, fan_out), default=None
            Starting weights, one matrix per layer.
        intercept_init : list of array-like of shape (fan_out,), default=None
            Starting biases, one vector per layer.

        Returns
        -------
        self : BackpropMLPClassifier
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
        y: ArrayLike | spmatrix,
        classes: ArrayLike | Sequence[ArrayLike] | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | spmatrix | None = None,
        y_val: ArrayLike | spmatrix | None = None,
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
        y : {array-like, sparse matrix} of shape (n_samples,) or (n_samples, n_labels)
            Labels, as in :meth:`fit`.
        classes : array-like of shape (n_classes,) or list of array-like, default=None
            All classes of all calls. The first call needs it, unless y is multilabel. A list with
            one array for each column means that y has columns of classes. Without such a list, a
            matrix of 0 and 1 is multilabel.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative.
        X_val, y_val, sample_weight_val : array-like, default=None
            Validation rows, their y and their weights, as in :meth:`fit`.

        Returns
        -------
        self : BackpropMLPClassifier
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
        check_announced(classes, self.classes_ if self.__sklearn_is_fitted__() else None, y)
        check_needs_no_counts(self.class_weight)
        given = GivenData(X, y, sample_weight, X_val, y_val, sample_weight_val)
        return self._fit(given, classes, incremental=True)

    def _learn_targets(self, rows: Rows, classes: Any) -> ClassTargets | MultiOutputTargets:
        return learn_targets(rows.y, classes, self.out_activation, self.loss)

    def _calibrate(self, start: FitStart) -> tuple[np.ndarray | None, dict[str, Any]]:
        training, temperature = start.training, self.calibration
        if temperature is None:
            return None, {"temperature_": 1.0}
        if isinstance(temperature, str):
            temperature = best_temperature(training, start.validation)
        return at_temperature(training, temperature), {"temperature_": float(temperature)}

    def _refit_parameters(self) -> dict[str, Any]:
        return {"calibration": None if self.calibration is None else self.temperature_}

    def _labels_to_split_by(self, y: Any, targets: Any) -> np.ndarray | None:
        if targets.is_multilabel:
            return None
        return y if targets.kind == "multiclass-multioutput" else np.ravel(y)

    def predict(self, X: ArrayLike | spmatrix) -> Any:
        """Predict the most probable class of a row, or all labels with a probability above 1/2.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels, of the same type as y in :meth:`fit`. Sparse if y was sparse.
        """
        outputs = self._outputs(X)
        return self.targets_.decode(outputs)

    def predict_proba(self, X: ArrayLike | spmatrix) -> Any:
        """Predict the probability of every class, in the order of ``classes_``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), or a list of them
            For multilabel y each label has its own probability. With ``loss="squared_error"`` they
            are the outputs, scaled so that their sum is 1, and may be badly calibrated.
        """
        outputs = self._outputs(X)
        return self.targets_.probabilities(outputs)

    def predict_log_proba(self, X: ArrayLike | spmatrix) -> Any:
        """Predict the logarithm of the probabilities of :meth:`predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes), or a list of them
            Minus infinity for a probability of 0.
        """
        check_is_fitted(self)
        probabilities = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            if isinstance(probabilities, list):
                return [np.log(column) for column in probabilities]
            return np.log(probabilities)

    def score(
        self,
        X: ArrayLike | spmatrix,
        y: ArrayLike | spmatrix,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Return the share of rows whose labels are all predicted correctly.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            True labels of the rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        accuracy : float
            Between 0 and 1.
        """
        outputs = self._outputs(X)
        return self.targets_.score(y, outputs, sample_weight)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags
