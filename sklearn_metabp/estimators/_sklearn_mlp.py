"""scikit-learn's multilayer perceptrons as estimators of this package, and back."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import is_classifier
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import check_is_fitted

from sklearn_metabp.estimators._fit import Training, start_state
from sklearn_metabp.estimators._parameters import rows_per_step
from sklearn_metabp.estimators._rows import GivenData
from sklearn_metabp.targets import ClassTargets, MultiOutputTargets, NumberTargets
from sklearn_metabp.training import Curve
from sklearn_metabp.update_rules import LBFGS, SGD, Adam, TrainingRule, resolve_update_rule

# Parameters that have the same name and meaning in both packages.
_SHARED = (
    "hidden_layer_sizes",
    "activation",
    "alpha",
    "batch_size",
    "max_iter",
    "shuffle",
    "random_state",
    "tol",
    "n_iter_no_change",
    "early_stopping",
    "validation_fraction",
    "warm_start",
    "verbose",
)
_THEIR_ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
_THEIR_LOSSES = ("squared_error", "poisson")
# Parameters without a counterpart in scikit-learn, and the values that change nothing. The
# predictions depend on the first ones, and only the training on the others.
_OF_NETWORK = {
    "parametric_activation": False,
    "scaling_layer": False,
    "numeric_embedding": None,
    "n_members": 1,
}
_OF_TRAINING = {
    "calibration": None,
    "class_weight": None,
    "dropout": 0,
    "init": "glorot_uniform",
    "init_output_bias": "init",
    "input_gradient_penalty": 0,
    "input_noise": 0,
    "label_smoothing": 0,
    "scoring": None,
    "tied_epochs": "first",
}


class ExchangedWithSklearn:
    """The methods ``from_sklearn`` and ``to_sklearn`` of the multilayer perceptrons."""

    _sklearn_class: ClassVar[Any]

    @classmethod
    def from_sklearn(cls, mlp: Any) -> Self:
        """Make an estimator from scikit-learn's, with its parameters and, if fitted, its weights.

        The parameters of the solver become those of an update rule: ``solver="adam"`` becomes
        ``update_rule=Adam(...)``.

        Parameters
        ----------
        mlp : MLPClassifier for the classifier, MLPRegressor for the regressor
            It is not changed.

        Returns
        -------
        estimator : estimator of this class
            If ``mlp`` is fitted, it is fitted too, and predicts the same. ``partial_fit`` and
            ``fit`` with ``warm_start=True`` continue from these weights. The moments of the update
            rule start anew. Loss curve, validation scores and counters are those of ``mlp``.

        Raises
        ------
        TypeError
            If ``mlp`` is another kind of object.
        ValueError
            If a parameter of ``mlp`` is not valid.

        Warns
        -----
        UserWarning
            If ``mlp`` has ``learning_rate="invscaling"``, whose rates this package does not have.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.neural_network import MLPClassifier
        >>> from sklearn_metabp import BackpropMLPClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> mlp = MLPClassifier((8,), max_iter=1000, tol=1e-3, random_state=0).fit(X, y)
        >>> model = BackpropMLPClassifier.from_sklearn(mlp)
        >>> model.update_rule
        Adam()
        >>> model.predict_proba(X[-1:]).round(4), mlp.predict_proba(X[-1:]).round(4)
        (array([[...]]), array([[...]]))
        """
        if not isinstance(mlp, cls._sklearn_class):
            hint = " Pass an object: add parentheses." if isinstance(mlp, type) else ""
            raise TypeError(
                f"{cls.__name__}.from_sklearn takes an {cls._sklearn_class.__name__} of "
                f"scikit-learn, got {mlp!r}.{hint}"
            )
        mlp._validate_params()
        parameters = {name: getattr(mlp, name) for name in _SHARED}
        if "loss" in mlp.get_params():
            parameters["loss"] = mlp.loss
        new: Any = cls
        estimator = new(update_rule=_rule_of(mlp), **parameters)
        if hasattr(mlp, "coefs_"):
            for name, value in _fitted_attributes(estimator, mlp).items():
                setattr(estimator, name, value)
        return estimator

    def to_sklearn(self, *, predictions_only: bool = False) -> Any:
        """Make scikit-learn's estimator, with the same parameters and, if fitted, weights.

        Parameters
        ----------
        predictions_only : bool, default=False
            True to leave out parameters that scikit-learn does not have, if only the training
            depends on them, such as ``dropout`` or an update rule. The estimator must be fitted.

        Returns
        -------
        mlp : MLPClassifier or MLPRegressor
            If this estimator is fitted, it is fitted too, and predicts the same. It has no moments:
            its ``partial_fit`` starts the solver anew at these weights. If y had one class,
            ``predict_proba`` of scikit-learn has two columns, and that of this package has one.

        Raises
        ------
        ValueError
            If a parameter has no counterpart in scikit-learn. The message names all of them.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_metabp import SGD, BackpropMLPClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = BackpropMLPClassifier((8,), update_rule=SGD(0.1), tol=1e-3, random_state=0)
        >>> mlp = model.fit(X - X.mean(axis=0), y).to_sklearn()
        >>> mlp
        MLPClassifier(hidden_layer_sizes=(8,), learning_rate_init=0.1, momentum=0.0,
                      random_state=0, solver='sgd', tol=0.001)
        >>> mlp.score(X - X.mean(axis=0), y) == model.score(X - X.mean(axis=0), y)
        True
        """
        if predictions_only:
            check_is_fitted(self)
        theirs = self._sklearn_class.__name__
        lacking = list(_lacks_of_network(self))
        if lacking:
            raise ValueError(
                f"{theirs} of scikit-learn cannot compute what this {type(self).__name__} "
                f"computes, because it has no counterpart of {', '.join(lacking)}. "
                "sklearn_metabp.onnx exports every model."
            )
        parameters, lacking = _their_parameters(self)
        if lacking and not predictions_only:
            remedy = "Set other values."
            if self.__sklearn_is_fitted__():  # type: ignore[attr-defined]
                remedy = (
                    "Only the training depends on them: to_sklearn(predictions_only=True) leaves "
                    "them out."
                )
            raise ValueError(
                f"{theirs} of scikit-learn has no counterpart of {', '.join(lacking)}. {remedy}"
            )
        mlp = self._sklearn_class(**parameters)
        if self.__sklearn_is_fitted__():  # type: ignore[attr-defined]
            vars(mlp).update(_their_fitted_attributes(self, mlp))
        return mlp


def _rule_of(mlp: Any) -> TrainingRule:
    """Return the update rule that a solver of scikit-learn is."""
    if mlp.solver == "adam":
        return Adam(mlp.learning_rate_init, mlp.beta_1, mlp.beta_2, mlp.epsilon)
    if mlp.solver == "lbfgs":
        return LBFGS(max_fun=mlp.max_fun)
    if mlp.learning_rate == "invscaling":
        warnings.warn(
            f"learning_rate='invscaling' with power_t={mlp.power_t} becomes SGD(schedule="
            "'invscaling'), whose power is 0.5 and which counts steps, where scikit-learn counts "
            "rows: trainings will differ. Predictions do not depend on it.",
            stacklevel=3,
        )
    looks_ahead = bool(mlp.nesterovs_momentum and mlp.momentum > 0)
    return SGD(mlp.learning_rate_init, mlp.momentum, looks_ahead, mlp.learning_rate)


def _fitted_attributes(estimator: Any, mlp: Any) -> dict[str, Any]:
    """Return the attributes that make an estimator fitted as one of scikit-learn is."""
    rule = resolve_update_rule(estimator.update_rule)
    targets = _targets_of(mlp)
    network = estimator._new_network(
        np.empty((0, mlp.n_features_in_)),
        mlp.n_outputs_,
        mlp.coefs_[0].dtype,
        targets,
        rule,
        None,
    )
    given = GivenData(None, None, coef_init=mlp.coefs_, intercept_init=mlp.intercepts_)
    state = start_state(estimator, network, rule, given)
    state = replace(state, **_course_of(estimator, mlp, rule))
    features = ("n_features_in_", "feature_names_in_")
    attributes = Training(network, targets, rule, state).fitted_attributes()
    attributes |= {name: getattr(mlp, name) for name in features if hasattr(mlp, name)}
    attributes["n_iter_"] = mlp.n_iter_
    if is_classifier(mlp):
        attributes["temperature_"] = 1.0
    return attributes


def _course_of(estimator: Any, mlp: Any, rule: TrainingRule) -> dict[str, Any]:
    """Return the fields of a training state that tell the course of scikit-learn's training."""
    n_epochs, n_rows = mlp.n_iter_, int(mlp.t_)
    losses = Curve(map(float, getattr(mlp, "loss_curve_", ())))
    course: dict[str, Any] = {
        "loss_curve": losses,
        "n_rows": n_rows,
        "start_loss": float(mlp.loss_),
    }
    if n_rows and n_epochs:
        n_rows_of_epoch = max(1, n_rows // n_epochs)
        n_batches = -(-n_rows_of_epoch // rows_per_step(estimator, n_rows_of_epoch, rule))
        course["n_steps"] = n_epochs * n_batches
    scores = getattr(mlp, "validation_scores_", None)
    if scores:
        course["validation_scores"] = Curve(map(float, scores))
        course["validation_loss_curve"] = Curve([np.nan] * len(scores))
        course["best_score"] = float(mlp.best_validation_score_)
    return course


def _lacks_of_network(model: Any) -> Iterator[str]:
    """Yield what scikit-learn's network would need to predict the same, and does not have."""
    for name, neutral in _OF_NETWORK.items():
        if getattr(model, name) != neutral:
            yield f"{name}={getattr(model, name)!r}"
    if _their_activation(model) is None:
        yield f"activation={model.activation!r}"
    if not model.__sklearn_is_fitted__():
        if model.out_activation != "auto":
            yield f"out_activation={model.out_activation!r}"
        return
    if isinstance(model.targets_, MultiOutputTargets):
        yield "several columns of classes"
        return
    if is_classifier(model):
        expected = "softmax" if model.targets_.kind == "multiclass" else "logistic"
    else:
        expected = "exp" if model.loss == "poisson" else "identity"
    if model.out_activation_ != expected:
        yield f"out_activation_={model.out_activation_!r} (it has {expected!r})"


def _their_activation(model: Any) -> str | None:
    """Return the one activation function of all hidden layers, or None if scikit-learn has none."""
    given = model.activation
    names = {given} if isinstance(given, str) else set(given) or {"relu"}
    return names.pop() if len(names) == 1 and names <= {*_THEIR_ACTIVATIONS} else None


def _their_parameters(model: Any) -> tuple[dict[str, Any], list[str]]:
    """Return parameters of scikit-learn, and the names and values of those without counterpart."""
    parameters = {name: getattr(model, name) for name in _SHARED}
    parameters["activation"] = _their_activation(model)
    lacking = [
        f"{name}={getattr(model, name)!r}"
        for name, neutral in _OF_TRAINING.items()
        if getattr(model, name, neutral) != neutral
    ]
    rule = resolve_update_rule(model.update_rule)
    solver = _solver_of(rule)
    if solver is None:
        lacking.append(f"update_rule={' '.join(repr(rule).split())}")
    parameters |= solver or {}
    if model.batch_size == "full":
        parameters["batch_size"] = "auto"
        if solver is None or solver["solver"] != "lbfgs":
            lacking.append("batch_size='full'")
    if "loss" in model._sklearn_class._parameter_constraints:
        parameters["loss"] = model.loss if model.loss in _THEIR_LOSSES else "squared_error"
        if model.loss not in _THEIR_LOSSES:
            lacking.append(f"loss={model.loss!r}")
    elif model.loss != "log_loss":
        lacking.append(f"loss={model.loss!r}")
    return parameters, lacking


def _solver_of(rule: TrainingRule) -> dict[str, Any] | None:
    """Return the solver of scikit-learn that an update rule is; None if it is none."""
    if type(rule) is Adam and rule.schedule == "constant":
        return {
            "solver": "adam",
            "learning_rate_init": rule.learning_rate,
            "beta_1": rule.beta_1,
            "beta_2": rule.beta_2,
            "epsilon": rule.epsilon,
        }
    if type(rule) is SGD and rule.schedule in ("constant", "adaptive"):
        solver = {
            "solver": "sgd",
            "learning_rate_init": rule.learning_rate,
            "learning_rate": rule.schedule,
            "momentum": rule.momentum,
        }
        return solver if not rule.momentum else solver | {"nesterovs_momentum": rule.nesterov}
    if type(rule) is LBFGS and rule.memory == LBFGS().memory:
        return {"solver": "lbfgs", "max_fun": rule.max_fun}
    return None


def _their_fitted_attributes(model: Any, mlp: Any) -> dict[str, Any]:
    """Return the attributes that make an estimator of scikit-learn fitted as a model is."""
    coefs, intercepts = [[a.copy() for a in arrays] for arrays in (model.coefs_, model.intercepts_)]
    losses = getattr(model, "loss_curve_", [])  # a compact model has none
    scores = getattr(model, "validation_scores_", None)
    attributes = {
        "coefs_": coefs,
        "intercepts_": intercepts,
        "n_layers_": model.n_layers_,
        "n_outputs_": model.n_outputs_,
        "out_activation_": model.out_activation_,
        "n_iter_": model.n_iter_,
        "t_": model.t_,
        "loss_": getattr(model, "loss_", np.nan),
        "n_features_in_": model.n_features_in_,
    }
    if hasattr(model, "feature_names_in_"):
        attributes["feature_names_in_"] = model.feature_names_in_
    if mlp.solver != "lbfgs":
        attributes |= {
            "loss_curve_": losses,
            "best_loss_": None if mlp.early_stopping else min(losses, default=np.inf),
            "validation_scores_": (scores or []) if mlp.early_stopping else None,
            "best_validation_score_": None,
            "_no_improvement_count": 0,
            "_best_coefs": [array.copy() for array in coefs],
            "_best_intercepts": [array.copy() for array in intercepts],
        }
        if mlp.early_stopping:
            best = getattr(model, "best_validation_score_", None)
            attributes["best_validation_score_"] = -np.inf if best is None else best
    if is_classifier(model):
        attributes["_label_binarizer"] = binarizer = _binarizer_of(model.targets_)
        attributes["classes_"] = binarizer.classes_
    return attributes


def _targets_of(mlp: Any) -> ClassTargets | NumberTargets:
    """Return the targets of a fitted estimator of scikit-learn."""
    if not is_classifier(mlp):
        return NumberTargets("auto", mlp.loss)
    labels, binarizer = mlp.classes_, mlp._label_binarizer
    if binarizer.y_type_.startswith("multilabel"):
        labels = _no_labels(len(labels), binarizer.sparse_input_)
    return ClassTargets(labels, "auto", "log_loss")


def _binarizer_of(targets: ClassTargets) -> LabelBinarizer:
    """Return scikit-learn's encoder of the same classes."""
    labels = targets.classes
    if targets.is_multilabel:
        labels = _no_labels(len(labels), targets.decodes_sparse)
    return LabelBinarizer().fit(labels)


def _no_labels(n_labels: int, is_sparse: bool) -> Any:
    """Return multilabel y of one row without labels."""
    labels = np.zeros((1, n_labels), dtype=int)
    return csr_array(labels) if is_sparse else labels
