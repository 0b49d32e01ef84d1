"""Checks of the estimators' parameters beyond their constraints."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import numpy as np
from joblib import cpu_count
from scipy.sparse import issparse
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_metabp.did_you_mean import did_you_mean
from sklearn_metabp.embeddings import resolve_embedding
from sklearn_metabp.estimators._rows import GivenData
from sklearn_metabp.network import (
    HIDDEN_ACTIVATIONS,
    INPUT_GRADIENT_NORMS,
    BaseNetwork,
    InputLayer,
)
from sklearn_metabp.update_rules import UPDATE_RULES, LinearBackprop, TrainingRule
from sklearn_metabp.update_rules.schedules import Schedule
from sklearn_metabp.update_rules.wrapper import WrapperRule

# Constraints of the parameters of multilayer perceptrons that predict y.
PERCEPTRON_CONSTRAINTS: dict = {
    "n_members": [Interval(Integral, 1, None, closed="left")],
    "parametric_activation": ["boolean"],
    "input_gradient_penalty": [Interval(Real, 0, None, closed="left")],
    "input_gradient_norm": [StrOptions(set(INPUT_GRADIENT_NORMS))],
}

INPUT_LAYER_CONSTRAINTS: dict = {
    "scaling_layer": ["boolean"],
    "numeric_embedding": "no_validation",  # resolve_embedding gives better errors
}

_OF_RULE = "of the update rule, as in update_rule="

# Parameters of scikit-learn's MLP, of skorch, Keras and PyTorch, and what to use in their place.
PARAMETERS_ELSEWHERE = {
    **dict.fromkeys(
        ("solver", "optimizer"),
        "update_rule, as in update_rule='sgd' or update_rule=Adam(learning_rate=0.01)",
    ),
    **dict.fromkeys(
        ("learning_rate_init", "lr", "eta"),
        f"learning_rate {_OF_RULE}Adam(learning_rate=0.01)",
    ),
    "learning_rate": (
        f"learning_rate {_OF_RULE}Adam(learning_rate=0.01), for a number, and schedule "
        f"{_OF_RULE}SGD(schedule='adaptive'), for 'constant', 'invscaling' or 'adaptive'"
    ),
    "power_t": f"schedule {_OF_RULE}SGD(schedule='invscaling'), which has a power of 0.5",
    **dict.fromkeys(
        ("scheduler", "lr_scheduler", "lr_schedule", "learning_rate_schedule"),
        f"schedule {_OF_RULE}Adam(schedule='cosine')",
    ),
    "momentum": f"momentum {_OF_RULE}SGD(momentum=0.9)",
    "nesterovs_momentum": f"nesterov {_OF_RULE}SGD(momentum=0.9, nesterov=True)",
    "beta_1": f"beta_1 {_OF_RULE}Adam(beta_1=0.9)",
    "beta_2": f"beta_2 {_OF_RULE}Adam(beta_2=0.999)",
    "betas": f"beta_1 and beta_2 {_OF_RULE}Adam(beta_1=0.9, beta_2=0.999)",
    **dict.fromkeys(("epsilon", "eps"), f"epsilon {_OF_RULE}Adam(epsilon=1e-8)"),
    "max_fun": f"max_fun {_OF_RULE}LBFGS(max_fun=15000)",
    "weight_decay": f"alpha, or weight_decay {_OF_RULE}AdamW(weight_decay=0.01)",
    **dict.fromkeys(
        ("clipnorm", "max_norm", "grad_clip", "gradient_clip_val", "gradient_clipping"),
        "a rule around the update rule, as in update_rule=Clipped(Adam(), max_norm=1.0)",
    ),
    **dict.fromkeys(("l2", "l2_reg", "reg_lambda", "lambda_", "regularization", "reg"), "alpha"),
    "C": "alpha, the strength of the L2 penalty: C=10 is alpha=0.1",
    **dict.fromkeys(
        (
            "epochs",
            "max_epochs",
            "n_epochs",
            "num_epochs",
            "nb_epoch",
            "n_iter",
            "n_iterations",
            "num_iterations",
            "iterations",
            "max_steps",
        ),
        "max_iter",
    ),
    **dict.fromkeys(("criterion", "loss_fn", "loss_function", "objective"), "loss"),
    **dict.fromkeys(("n_estimators", "n_ens", "ensemble_size", "n_ensemble"), "n_members"),
    **dict.fromkeys(
        (
            "hidden_units",
            "hidden_sizes",
            "hidden_dims",
            "hidden_dim",
            "hidden_layers",
            "hidden",
            "n_hidden",
            "units",
            "n_units",
            "n_neurons",
        ),
        "hidden_layer_sizes",
    ),
    **dict.fromkeys(
        ("layers", "layer_sizes"), "hidden_layer_sizes, without the inputs and outputs"
    ),
    **dict.fromkeys(
        ("n_layers", "num_layers", "depth", "width"),
        "hidden_layer_sizes, as in hidden_layer_sizes=(64,) * 3 for three layers of 64 neurons",
    ),
    **dict.fromkeys(("nonlinearity", "act", "act_fn"), "activation"),
    **dict.fromkeys(("dropout_rate", "drop_rate", "dropout_prob", "p_drop"), "dropout"),
    "noise": "input_noise",
    "gradient_penalty": "input_gradient_penalty",
    "patience": "n_iter_no_change",
    **dict.fromkeys(
        ("validation_split", "val_split"), "validation_fraction, with early_stopping=True"
    ),
    **dict.fromkeys(("validation_data", "eval_set"), "fit(X, y, X_val=..., y_val=...)"),
    **dict.fromkeys(("metrics", "metric", "eval_metric"), "scoring"),
    **dict.fromkeys(
        ("kernel_initializer", "weight_init", "init_method", "initializer"),
        "init",
    ),
    "sample_weight": "fit(X, y, sample_weight=...)",
    **dict.fromkeys(("seed", "random_seed"), "random_state"),
    "tolerance": "tol",
    "callbacks": "set_callbacks(...), a method",
    "n_jobs": (
        "n_threads, the threads of one fit, or n_jobs of a search over many fits, as in "
        "GridSearchCV(model, grid, n_jobs=2)"
    ),
}

# Parameters of other detectors and of PyOD's autoencoder, and what to use in their place.
DETECTOR_PARAMETERS_ELSEWHERE = {
    "nu": "contamination",
    "hidden_neuron_list": "hidden_layer_sizes",
    "hidden_activation_name": "activation",
    "epoch_num": "max_iter",
    "preprocessing": (
        "a step before the autoencoder: make_pipeline(StandardScaler(), BackpropAutoencoder())"
    ),
}


def check_hidden_layer_sizes(sizes: Any) -> tuple[int, ...]:
    """Check the sizes, and return the number of neurons of every hidden layer."""
    if not hasattr(sizes, "__iter__"):
        sizes = (sizes,)
    for position, size in enumerate(sizes):
        if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
            raise ValueError(
                "hidden_layer_sizes must be integers of 1 or more, one per hidden layer; got "
                f"{size!r} at position {position} of {tuple(sizes)}."
            )
    return tuple(int(size) for size in sizes)


def check_activations(activation: Any, n_hidden: int) -> tuple[str, ...]:
    """Check the names, and return the activation function of every hidden layer."""
    if isinstance(activation, str):
        return (activation,) * n_hidden
    activations = tuple(activation)
    unknown = [name for name in activations if name not in HIDDEN_ACTIVATIONS]
    if unknown or len(activations) != n_hidden:
        raise ValueError(
            f"activation must be one of {list(HIDDEN_ACTIVATIONS)}, or one of them for each of the "
            f"{n_hidden} hidden layers; got {activation!r}."
            f"{did_you_mean(unknown[0], HIDDEN_ACTIVATIONS) if unknown else ''}"
        )
    return activations


def rows_per_step(estimator: Any, n_samples: int, rule: TrainingRule) -> int:
    """Return the number of rows of a step, by the estimator's ``batch_size``."""
    batch_size = estimator.batch_size
    if rule.needs_fixed_loss or batch_size == "full" or (batch_size == "auto" and rule.full_batch):
        return n_samples
    return min(estimator._auto_batch_size if batch_size == "auto" else batch_size, n_samples)


def check_batch_size(estimator: Any, n_samples: int, rule: TrainingRule) -> int:
    """Return the number of rows of a step, and warn of a batch that is larger than the data."""
    batch_size, size = estimator.batch_size, rows_per_step(estimator, n_samples, rule)
    if not isinstance(batch_size, str) and batch_size > n_samples and not rule.needs_fixed_loss:
        warnings.warn(
            f"batch_size={batch_size} is larger than the {n_samples} samples: every batch has "
            "them all.",
            stacklevel=6,
        )
    return size


def check_dropout(dropout: float, schedule: str | Schedule, rule: TrainingRule) -> float:
    """Check that the rule allows dropout, and return the share of neurons to drop at first."""
    drops = dropout > 0 or rule.sets_dropout
    if rule.sets_dropout and schedule != "constant":
        raise ValueError(
            f"{type(rule).__name__} sets dropout in every step, and dropout_schedule="
            f"{schedule!r} would set it too: set dropout_schedule='constant'."
        )
    if drops and rule.needs_fixed_loss:
        what = f"dropout={dropout}" if dropout > 0 else "a rule with sets_dropout=True"
        raise ValueError(
            f"{what} drops other neurons in every step, so the loss changes while "
            f"{type(rule).__name__} searches for its minimum: set dropout=0 or use a rule that "
            "takes single steps."
        )
    # The class decides, and not acts_backward, because a learned rule of deltas supports dropout.
    within = rule.rules_within() if isinstance(rule, WrapperRule) else ()
    if drops and any(isinstance(one, LinearBackprop) for one in (rule, *within)):
        raise ValueError(
            "LinearBackprop sends errors back through every neuron, also through dropped ones: "
            "set dropout=0 on the estimator, and use no rule that sets dropout."
        )
    return float(dropout)


def check_input_noise(input_noise: float, rule: TrainingRule, X: Any) -> float:
    """Check that rule and rows allow noise of the inputs, and return its standard deviation."""
    if input_noise > 0 and rule.needs_fixed_loss:
        raise ValueError(
            f"input_noise={input_noise} changes the inputs in every step, so the loss changes "
            f"while {type(rule).__name__} searches for its minimum: set input_noise=0 or use a "
            "rule that takes single steps."
        )
    if input_noise > 0 and issparse(X):
        raise ValueError(
            f"input_noise={input_noise} adds noise to all numbers, also zeros, so a sparse X would "
            "become dense: pass X.toarray(), or use dropout instead."
        )
    return float(input_noise)


def check_input_gradient_penalty(penalty: float, rule: TrainingRule) -> float:
    """Check that the rule allows a penalty of the input gradients, and return its strength."""
    if penalty > 0 and rule.acts_backward:
        raise ValueError(
            f"input_gradient_penalty={penalty:g} needs the deltas of rule (6), but "
            f"{type(rule).__name__} computes other deltas: set input_gradient_penalty=0 or use "
            "another update rule."
        )
    return float(penalty)


def make_input_layer(
    estimator: Any, X: Any, before: BaseNetwork | None, penalty: float
) -> InputLayer | None:
    """Return the scales and the embedding in front of the first layer, or None without both.

    Parameters
    ----------
    estimator : BaseBackpropMLP
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Training rows.
    before : BaseNetwork or None
        The network of a training that is continued.
    penalty : float
        Strength of the penalty of the input gradients.
    """
    has_scales, numeric_embedding = estimator.scaling_layer, estimator.numeric_embedding
    if not has_scales and numeric_embedding is None:
        return None
    name = "numeric_embedding" if numeric_embedding is not None else "scaling_layer"
    if issparse(X):
        raise ValueError(
            f"{name} needs a dense X, but X is sparse: pass X.toarray(), or leave {name} out."
        )
    if penalty > 0:
        raise ValueError(
            f"input_gradient_penalty={penalty:g} and {name} do not work together: set "
            f"input_gradient_penalty=0, or leave {name} out."
        )
    layer_before = None if before is None else before.input_layer
    embedding = resolve_embedding(
        numeric_embedding,
        X,
        getattr(estimator, "feature_names_in_", None),
        None if layer_before is None else layer_before.embedding,
    )
    if not has_scales and embedding is None:
        return None
    return InputLayer(X.shape[1], bool(has_scales), embedding)


def check_parametric_activation(is_parametric: bool, rule: TrainingRule) -> bool:
    """Check that the rule allows trained activation functions, and return whether there are any."""
    if is_parametric and rule.acts_backward:
        raise ValueError(
            "parametric_activation=True needs the deltas of rule (6), but "
            f"{type(rule).__name__} computes other deltas: set parametric_activation=False or use "
            "another update rule."
        )
    return bool(is_parametric)


def count_threads(n_threads: int) -> int:
    """Return the number of threads. -1 is one for each processor that this process may use."""
    return cpu_count() if n_threads == -1 else n_threads


def rule_key(rule: TrainingRule) -> tuple[str, ...]:
    """Return the rule's ``state_key`` as names, so that a pickle does not need the classes.

    Raises
    ------
    TypeError
        If a part of the key has no unique name.
    """
    key = rule.state_key()
    return tuple(_key_name(part, rule) for part in (key if isinstance(key, tuple) else (key,)))


def _key_name(part: Any, rule: TrainingRule) -> str:
    """Return a name for a part of a key, different for every part."""
    if isinstance(part, (tuple, list)):
        return f"({', '.join(_key_name(one, rule) for one in part)})"
    if isinstance(part, dict):
        return _key_name(list(part.items()), rule)
    if isinstance(part, np.generic):
        return repr(part.item())
    if isinstance(part, np.ndarray):
        return _key_name([part.dtype.str, part.shape, part.tolist()], rule)
    if hasattr(part, "__qualname__"):
        return f"{part.__module__}.{part.__qualname__}"
    if type(part).__repr__ is object.__repr__:
        raise TypeError(
            f"{type(rule).__name__}.state_key must return a tuple of classes, strings, numbers "
            f"and arrays; it contains {part!r}, whose name changes from process to process."
        )
    return repr(part)


def takes_steps(estimator: Any) -> bool:
    """Return True if the rule can train on a part of the rows, as ``partial_fit`` does.

    Raises
    ------
    AttributeError
        If it cannot. ``hasattr(estimator, "partial_fit")`` is then False.
    """
    rule = estimator.update_rule
    rule_type: Any = UPDATE_RULES.get(rule, str) if isinstance(rule, str) else type(rule)
    if issubclass(rule_type, TrainingRule) and not rule_type.takes_steps:
        raise AttributeError(
            f"partial_fit takes single steps, and {rule_type.__name__} searches along lines over "
            "all rows: use fit with warm_start=True, or another update_rule."
        )
    return True


def check_same_layers(before: BaseNetwork, network: BaseNetwork, given: GivenData) -> None:
    """Raise ValueError if the layers have changed, or if a start is given to a continued fit."""
    if network.input_layer != before.input_layer:
        raise ValueError(
            "warm_start and partial_fit keep the input layer of the last fit, but scaling_layer or "
            "numeric_embedding has changed. Set warm_start=False to start afresh."
        )
    if network.layout != before.layout:
        raise ValueError(
            "warm_start and partial_fit keep the layers of the last fit, "
            f"{before.layout.layer_sizes}, but hidden_layer_sizes and the data now need "
            f"{network.layout.layer_sizes}. Set warm_start=False to start afresh."
        )
    if given.coef_init is not None or given.intercept_init is not None:
        raise ValueError(
            "coef_init and intercept_init start a training, but warm_start=True continues the last "
            "fit. Set warm_start=False, or leave them out."
        )


@contextmanager
def features_as_before_on_error(estimator: Any) -> Iterator[None]:
    """Restore the stored features of X if an error comes later."""
    names = {"n_features_in_", "feature_names_in_", "n_step_features_in_"}
    before = {name: value for name, value in vars(estimator).items() if name in names}
    try:
        yield
    except BaseException:
        for name in names:
            vars(estimator).pop(name, None)
        vars(estimator).update(before)
        raise
