"""Whole epochs in C take the same steps as the loop that calls the rule at every step."""

import numpy as np
import pytest
from helpers.callbacks import StepCounter
from helpers.data import classes, numbers
from helpers.elementwise import NAMES, RULES, assert_same_states
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from sklearn_metabp import (
    SGD,
    Adam,
    AdamW,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Clipped,
    NAdam,
    RAdam,
)
from sklearn_metabp._kernels.network import instruction_sets, use_instruction_set
from sklearn_metabp.training import DivergenceError
from sklearn_metabp.training.epochs import Epochs

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(params=instruction_sets())
def instruction_set(request):
    before = instruction_sets()[0]
    use_instruction_set(request.param)
    yield request.param
    use_instruction_set(before)


@pytest.fixture
def steps_in_c(monkeypatch):
    """Counts of the steps that ran without Python, a count for every call."""
    counts = []
    run_quiet = Epochs._run_quiet

    def counted(self, n_steps, *args):
        counts.append(n_steps)
        return run_quiet(self, n_steps, *args)

    monkeypatch.setattr(Epochs, "_run_quiet", counted)
    return counts


def assert_same_training(model, other):
    """The weights, the losses and the state of two models are the same to the last bit."""
    for ours, theirs in zip(
        [*model.coefs_, *model.intercepts_], [*other.coefs_, *other.intercepts_], strict=True
    ):
        assert_array_equal(ours, theirs)
    assert_array_equal(model.loss_curve_, other.loss_curve_)
    assert model._training_state.n_steps == other._training_state.n_steps
    assert model._training_state.n_rows == other._training_state.n_rows
    assert_same_states(model._training_state.rule_state, other._training_state.rule_state)


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_rule_takes_the_same_steps(rule, dtype, steps_in_c):
    X, y = classes("multiclass", n=53, dtype=dtype)
    params = {"hidden_layer_sizes": (7, 5), "batch_size": 8, "max_iter": 9, "random_state": 3}
    params |= {"update_rule": rule, "alpha": 0.01, "n_iter_no_change": 5}
    model = BackpropMLPClassifier(**params).fit(X, y)
    assert sum(steps_in_c) == model._training_state.n_steps
    seen = BackpropMLPClassifier(**params).set_callbacks(StepCounter()).fit(X, y)
    assert sum(steps_in_c) == model._training_state.n_steps
    assert_same_training(model, seen)


CASES = {
    "tanh, dropout": {"activation": "tanh", "dropout": 0.3},
    "noise": {"input_noise": 0.3},
    "noise, dropout, one batch": {"input_noise": 0.1, "dropout": 0.2, "batch_size": "full"},
    "gelu": {"activation": "gelu"},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "no penalty": {"alpha": 0.0},
    "no shuffle": {"shuffle": False},
    "one batch": {"batch_size": "full", "update_rule": "rprop"},
    "a row a batch": {"batch_size": 1},
    "validation": {"early_stopping": True, "n_iter_no_change": 2},
    "no patience": {"n_iter_no_change": np.inf},
    "little patience": {"n_iter_no_change": 2, "tol": 0.1},
    "wide": {"hidden_layer_sizes": (70, 33)},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("Estimator", [BackpropMLPClassifier, BackpropMLPRegressor])
def test_a_training_takes_the_same_steps(Estimator, case, instruction_set, steps_in_c):
    X, y = classes("binary", n=71) if Estimator is BackpropMLPClassifier else numbers(2, n=71)
    params = {"hidden_layer_sizes": (6,), "batch_size": 16, "max_iter": 12, "random_state": 5}
    params |= {"alpha": 0.1, **CASES[case]}
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    if "early_stopping" in CASES[case]:
        weight = None
    model = Estimator(**params).fit(X, y, sample_weight=weight)
    seen = Estimator(**params).set_callbacks(StepCounter()).fit(X, y, sample_weight=weight)
    assert sum(steps_in_c) == model._training_state.n_steps
    assert_same_training(model, seen)


def test_sparse_rows_take_the_same_steps(steps_in_c):
    X, y = classes("multiclass", n=60, n_features=30)
    X = csr_array(np.where(np.random.default_rng(1).random(X.shape) < 0.2, X, 0))
    params = {"hidden_layer_sizes": (9,), "batch_size": 8, "max_iter": 6, "random_state": 1}
    model = BackpropMLPClassifier(**params).fit(X, y)
    seen = BackpropMLPClassifier(**params).set_callbacks(StepCounter()).fit(X, y)
    assert_same_training(model, seen)


def test_a_rule_that_overrides_a_verb_is_called_at_every_step(steps_in_c):
    class Slow(Adam):
        def compute_update(self, step, state):
            return 0.5 * Adam(0.01).compute_update(step, state)

    class Bound(Adam):
        def bind(self, step, state):
            compute_update = super().bind(step, state)
            return lambda: 0.5 * compute_update()

    X, y = classes("binary")
    full = BackpropMLPClassifier(update_rule=Adam(), max_iter=2, random_state=0).fit(X, y)
    assert sum(steps_in_c) == 2
    for rule in (Slow(), Bound(), Averaged(Bound()), Clipped(Slow())):
        model = BackpropMLPClassifier(update_rule=rule, max_iter=2, random_state=0).fit(X, y)
        assert sum(steps_in_c) == 2
        assert not np.array_equal(model.coefs_[0], full.coefs_[0])


def test_a_divergence_is_the_same(steps_in_c):
    X, y = numbers(n=40)
    texts = []
    for callbacks in ((), (StepCounter(),)):
        model = BackpropMLPRegressor(
            update_rule=SGD(1e3), max_iter=50, batch_size=8, random_state=0
        ).set_callbacks(*callbacks)
        with pytest.raises(DivergenceError) as raised:
            model.fit(1e3 * X, y)
        error = raised.value
        texts.append((str(error), error.epoch, error.step, error.last_loss, error.loss_curve))
    assert texts[0] == texts[1]
    assert len(steps_in_c) == 1


def test_training_goes_on_as_if_it_had_not_stopped():
    X, y = classes("multiclass", n=50)
    for rule in (NAdam(0.01), Averaged(RAdam(0.01)), AdamW(decay_epochs=4)):
        params = {"update_rule": rule, "batch_size": 7, "random_state": 2}
        whole = BackpropMLPClassifier(max_iter=6, n_iter_no_change=99, **params)
        parts = BackpropMLPClassifier(max_iter=1, **params)
        for _ in range(6):
            parts.partial_fit(X, y, classes=np.unique(y))
        assert_same_training(whole.fit(X, y), parts)
