"""Errors about names and parameters of other libraries suggest those of this package."""

import inspect
import pickle
import re

import numpy as np
import pytest
from helpers.data import classes, numbers
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils._param_validation import (
    InvalidParameterError,
    validate_parameter_constraints,
)

from sklearn_metabp import (
    LBFGS,
    SGD,
    Adam,
    BackpropAutoencoder,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    BackpropRNNClassifier,
    ConjugateGradient,
    LearnedUpdateRule,
    RMSprop,
    TabularMLPClassifier,
    UpdateRule,
)
from sklearn_metabp.did_you_mean import did_you_mean
from sklearn_metabp.network import HIDDEN_ACTIVATIONS
from sklearn_metabp.update_rules import UPDATE_RULES, TrainingRule

ESTIMATORS = [BackpropMLPClassifier, BackpropMLPRegressor, BackpropAutoencoder]
THEIRS = {*MLPClassifier().get_params(), *MLPRegressor().get_params()}


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("name", sorted(THEIRS - set(BackpropMLPClassifier().get_params())))
def test_every_parameter_of_scikit_learns_mlp_is_answered_with_ours(estimator, name):
    with pytest.raises(TypeError, match=rf"no parameter '{name}'. Use .*update.rule") as raised:
        estimator(**{name: 1})
    with pytest.raises(ValueError, match=f"Invalid parameter '{name}'.* Use .*update.rule"):
        estimator().set_params(**{name: 1})
    for example in re.findall(r"update_rule=(\w+\([^)]*\)|'\w+')", str(raised.value)):
        rule = eval(example, {rule.__name__: rule for rule in UPDATE_RULES.values()})
        assert isinstance(rule, TrainingRule) or rule in UPDATE_RULES


# Parameters of Keras, PyTorch, skorch, Lightning, XGBoost and scikit-learn, and ours.
PARAMETERS = {
    "update_rule": ["solver", "optimizer"],
    "learning_rate of the update rule": ["lr", "eta", "learning_rate", "learning_rate_init"],
    "schedule of the update rule": ["scheduler", "lr_scheduler", "power_t"],
    "alpha": ["weight_decay", "l2", "l2_reg", "reg_lambda", "C"],
    "max_iter": ["epochs", "n_epochs", "num_epochs", "max_epochs", "n_iter", "iterations"],
    "loss": ["criterion", "loss_fn", "loss_function", "objective"],
    "hidden_layer_sizes": ["hidden_sizes", "hidden_units", "hidden_dims", "units", "n_layers"],
    "dropout": ["dropout_rate", "drop_rate"],
    "n_iter_no_change": ["patience"],
    "random_state": ["seed", "random_seed"],
    "init": ["kernel_initializer", "weight_init"],
    "set_callbacks": ["callbacks"],
    "fit(X, y, X_val=..., y_val=...)": ["validation_data", "eval_set"],
}


@pytest.mark.parametrize("estimator", [BackpropMLPClassifier, BackpropMLPRegressor])
@pytest.mark.parametrize("ours", PARAMETERS)
def test_parameters_of_other_libraries_are_answered_with_ours(estimator, ours):
    for name in PARAMETERS[ours]:
        with pytest.raises(TypeError, match=f"no parameter '{name}'. Use {re.escape(ours)}"):
            estimator(**{name: 1})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TabularMLPClassifier(n_neurons=3), "Use network__hidden_layer_sizes, a parameter"),
        (lambda: TabularMLPClassifier(lr=3), "Use learning_rate of the update rule"),
        (lambda: TabularMLPClassifier(n_epochs=3), "Use max_iter."),
        (lambda: BackpropRNNClassifier(units=3), "Use hidden_size."),
        (lambda: BackpropMLPClassifier(hidden_layer_size=3), "Did you mean 'hidden_layer_sizes'?"),
        (lambda: BackpropMLPClassifier(max_epochs=3), "Use max_iter"),
        (lambda: BackpropMLPRegressor(n_jobs=2), "n_threads, the threads of one fit"),
        (lambda: BackpropMLPRegressor(class_weights=None), "no parameter 'class_weights'."),
        (lambda: BackpropAutoencoder(nu=0.1), "Use contamination"),
        (lambda: BackpropAutoencoder(preprocessing=True), "make_pipeline(StandardScaler()"),
        (lambda: Adam(lr=0.1), "Use learning_rate"),
        (lambda: Adam(learning_rat=0.1), "Did you mean 'learning_rate'?"),
        (lambda: RMSprop(rho=0.1), "Use decay"),
        (lambda: SGD(nesterovs_momentum=True), "Use nesterov"),
        (lambda: LBFGS(history_size=3), "Use memory"),
        (lambda: LearnedUpdateRule(scopes="link"), "Did you mean 'scope'?"),
        (
            lambda: BackpropMLPClassifier().set_params(update_rule__lr=0.1),
            "Use learning_rate",
        ),
        (
            lambda: BackpropMLPClassifier().set_params(update_rule__beta1=0.1),
            "Did you mean 'beta_1'?",
        ),
    ],
)
def test_other_parameters_are_answered_too(make, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        make()


def test_no_advice_is_given_that_does_not_hold():
    with pytest.raises(TypeError, match=r"no parameter 'eps'\.$"):
        SGD(eps=1)
    with pytest.raises(TypeError, match=r"no parameter 'quite_other'\.$"):
        BackpropMLPClassifier(quite_other=1)


NAMES = [
    ("activation", "sigmoid", "logistic"),
    ("activation", "Linear", "identity"),
    ("activation", "swish", "silu"),
    ("activation", "ReLU", "relu"),
    ("activation", "LeakyReLU", "leaky_relu"),
    ("activation", ["tanh", "sigmoid"], "logistic"),
    ("activation", "soft-plus", "softplus"),
    ("out_activation", "sigmoid", "logistic"),
    ("out_activation", "Softmax", "softmax"),
    ("loss", "MSE", "squared_error"),
    ("loss", "mean_squared_error", "squared_error"),
    ("update_rule", "Adam", "adam"),
    ("update_rule", "adamax ", "adamax"),
    ("update_rule", "L-BFGS", "lbfgs"),
    ("update_rule", "rms_prop", "rmsprop"),
    ("update_rule", "conjugate_gradient", "conjugategradient"),
    ("update_rule", SGD(schedule="Cosine"), "cosine"),
    ("update_rule", SGD(schedule="inv_scaling"), "invscaling"),
    ("update_rule", ConjugateGradient("Polak-Ribiere"), "polak_ribiere"),
    ("init", "xavier", "glorot_uniform"),
    ("init", "kaiming_normal", "he_normal"),
    ("init", "GlorotUniform", "glorot_uniform"),
    ("batch_size", "Full", "full"),
]


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(("parameter", "given", "meant"), NAMES)
def test_names_of_other_libraries_and_spellings_are_answered(estimator, parameter, given, meant):
    X, y = classes("binary")
    with pytest.raises(ValueError, match=rf"Did you mean '{meant}'\?$") as raised:
        estimator((3, 3), **{parameter: given}).fit(X, y)
    if parameter in ("out_activation", "loss", "batch_size"):
        assert isinstance(raised.value, InvalidParameterError)


@pytest.mark.parametrize(
    ("estimator", "loss", "meant"),
    [
        (BackpropMLPClassifier, "cross_entropy", "log_loss"),
        (BackpropMLPClassifier, "CrossEntropyLoss", "log_loss"),
        (BackpropMLPClassifier, "binary_crossentropy", "log_loss"),
        (BackpropMLPClassifier, "BCEWithLogitsLoss", "log_loss"),
        (BackpropMLPRegressor, "mae", "absolute_error"),
        (BackpropMLPRegressor, "Huber", "huber"),
    ],
)
def test_losses(estimator, loss, meant):
    with pytest.raises(InvalidParameterError, match=f"Did you mean '{meant}'"):
        estimator(loss=loss).fit(*classes("binary"))


def test_rules_of_other_libraries_are_answered_with_the_name_of_ours():
    class AdamW:  # as those of PyTorch and Keras are called
        pass

    for given in (AdamW, AdamW()):
        with pytest.raises(TypeError, match="Did you mean 'adamw'"):
            BackpropMLPRegressor(update_rule=given).fit(*numbers())
    with pytest.raises(TypeError, match="add parentheses"):
        BackpropMLPRegressor(update_rule=Adam).fit(*numbers())


@pytest.mark.parametrize("given", ["", "quite other", None, 3, "x" * 500])
def test_a_name_that_resembles_none_gets_no_suggestion(given):
    assert did_you_mean(given, HIDDEN_ACTIVATIONS) == ""


@pytest.mark.parametrize("cls", [*ESTIMATORS, *UPDATE_RULES.values(), LearnedUpdateRule])
def test_signatures_are_those_of_the_parameters(cls):
    assert set(inspect.signature(cls).parameters) == set(cls._get_param_names())
    made = cls()
    for same in (clone(made), pickle.loads(pickle.dumps(made))):
        assert same.get_params() == made.get_params()


def test_a_rule_without_parameters_takes_none():
    class Plain(UpdateRule):
        def init_state(self, layout):
            return {}

        def compute_update(self, step, state):
            return -0.1 * step.gradients

    class Any(Plain):
        def __init__(self, rate=0.1, **others):
            self.rate = rate

    for arguments, named in ([(3,), {}], [(), {"rate": 3}]):
        with pytest.raises(TypeError, match="Plain"):
            Plain(*arguments, **named)
    assert Any(lr=3).rate == 0.1
    X, y = numbers()
    with pytest.warns(ConvergenceWarning):
        model = BackpropMLPRegressor(update_rule=Plain(), max_iter=2).fit(X, y)
    assert np.isfinite(model.params_).all()


class OfRate(SGD):
    def __init__(self, learning_rate=-1.0, momentum=0.0, nesterov=False, schedule="constant"):
        super().__init__(learning_rate, momentum, nesterov, schedule)


@pytest.mark.parametrize(
    "rule", [OfRate(), SGD(-1.0), SGD(momentum="0"), SGD(nesterov=1)], ids=["default", "", "", ""]
)
def test_parameters_are_validated_as_by_scikit_learn(rule):
    """Defaults too, if they are not valid."""
    with pytest.raises(InvalidParameterError) as expected:
        validate_parameter_constraints(
            rule._parameter_constraints, rule.get_params(deep=False), type(rule).__name__
        )
    with pytest.raises(InvalidParameterError) as raised:
        rule._validate_params()
    assert str(raised.value) == str(expected.value)
    SGD(0.5, momentum=np.float32(0.5), nesterov=np.True_)._validate_params()
