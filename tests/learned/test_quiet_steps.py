"""Learned rules take the same steps in epochs without Python as in the loop that calls them."""

import numpy as np
import pytest
from helpers.callbacks import SomeSteps, StepCounter
from helpers.data import classes
from helpers.kernels import compiled_only
from numpy.testing import assert_array_equal

from sklearn_metabp import BackpropMLPClassifier, LearnedUpdateRule
from sklearn_metabp._kernels.scopes import LAYER_CONTROLS, LAYER_INPUTS, LINK_INPUTS
from sklearn_metabp.training.epochs import Epochs

pytestmark = [
    compiled_only,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

PYTHON_ALONE = ("activation", "delta")  # means over the batch


def drawn(scope, **options):
    """A rule whose MLP is random, with steps that do not diverge."""
    inputs = options.pop("inputs", None)
    rule = LearnedUpdateRule(scope=scope, inputs=inputs, random_state=0).initialize(**options)
    rng = np.random.default_rng(0)
    vector = rule.meta_params_.copy()
    return rule.with_meta_params(vector + 0.05 * rng.standard_normal(len(vector)))


RULES = {
    "link": drawn("link", normalizer="1", scale=0.01),
    "link, rms": drawn("link", normalizer="rms_0.9", scale=0.01),
    "link, most inputs": drawn(
        "link",
        inputs=[name for name in LINK_INPUTS if name not in PYTHON_ALONE],
        normalizer="stride",
        scale=0.1,
        first_step=0.01,
    ),
    "layer": drawn("layer", start="averaged_adamw"),
    "layer, all": drawn(
        "layer", inputs=list(LAYER_INPUTS), start="adam", controls=list(LAYER_CONTROLS)
    ),
}


@pytest.fixture
def quiet_steps(monkeypatch):
    """Numbers of steps that ran without Python."""
    counts = []
    run_quiet = Epochs._run_quiet

    def counted(self, n_steps, *args):
        counts.append(n_steps)
        return run_quiet(self, n_steps, *args)

    monkeypatch.setattr(Epochs, "_run_quiet", counted)
    return counts


def train(rule, dtype, callback=None):
    X, y = classes("multiclass")
    model = BackpropMLPClassifier(
        (9, 5), update_rule=rule, batch_size=16, max_iter=7, n_iter_no_change=100, random_state=3
    )
    if callback is not None:
        model.set_callbacks(callback)
    return model.fit(X.astype(dtype), y)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", RULES)
def test_steps_are_those_of_the_loop_that_calls_the_rule(name, dtype, quiet_steps):
    quiet = train(RULES[name], dtype)
    assert sum(quiet_steps) == quiet._training_state.n_steps
    quiet_steps.clear()
    called = train(RULES[name], dtype, StepCounter())
    assert not quiet_steps
    assert_array_equal(quiet.params_, called.params_)
    assert quiet.loss_curve_ == called.loss_curve_


@pytest.mark.parametrize("every", [2, 5])
@pytest.mark.parametrize("name", RULES)
def test_some_steps_may_be_called(name, every, quiet_steps):
    quiet = train(RULES[name], np.float64)
    mixed = train(RULES[name], np.float64, SomeSteps(every))
    assert len(quiet_steps) > 2
    assert_array_equal(quiet.params_, mixed.params_)
    assert quiet.loss_curve_ == mixed.loss_curve_


def test_a_rule_that_needs_python_is_called_at_every_step(quiet_steps):
    rule = drawn("link", inputs=["gradient/rms_0.9", "activation"], normalizer="1", scale=0.01)
    train(rule, np.float64)
    assert not quiet_steps


def test_training_goes_on_with_the_count_of_the_steps_before(quiet_steps):
    X, y = classes("multiclass")
    models = []
    for pieces in ((8,), (3, 5)):
        model = BackpropMLPClassifier(
            (6,), update_rule=RULES["layer"], batch_size=16, n_iter_no_change=100, random_state=0
        )
        model.set_params(warm_start=True)
        for n_epochs in pieces:
            model.set_params(max_iter=n_epochs).fit(X, y)
        models.append(model)
    assert sum(quiet_steps) == sum(model._training_state.n_steps for model in models)
    assert models[0].t_ == models[1].t_


def test_a_class_that_computes_its_own_update_is_called(quiet_steps):
    class Halved(LearnedUpdateRule):
        def compute_update(self, step, state):
            return super().compute_update(step, state) / 2

    rule = Halved(scope="link", random_state=0).initialize(normalizer="1", scale=0.01)
    train(rule, np.float64)
    assert not quiet_steps
