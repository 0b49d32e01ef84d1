"""A callback that receives some of the steps sees them as one that receives all of them."""

import numpy as np
import pytest
from helpers.callbacks import Notes, SomeSteps, StepNotes
from helpers.data import classes, numbers
from helpers.elementwise import NAMES, RULES, assert_same_states
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from sklearn_metabp import SGD, BackpropMLPClassifier, BackpropMLPRegressor, Muon, Safeguarded
from sklearn_metabp._kernels.network import COMPILED
from sklearn_metabp.training import DivergenceError
from sklearn_metabp.training.epochs import Epochs

if COMPILED:
    from sklearn_metabp._kernels.network import _backprop

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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


def assert_same_steps(some, every_step):
    """The steps of the first are those of the second with the same numbers, to the last bit."""
    assert some
    for note in some:
        other = every_step[note["index"] - 1]
        for name, value in note.items():
            for ours, theirs in zip(
                value if isinstance(value, list) else [value],
                other[name] if isinstance(value, list) else [other[name]],
                strict=True,
            ):
                assert_array_equal(ours, theirs, err_msg=name)


def fit_three(Estimator, X, y, every, **params):
    """Train without a callback, with one of every step, and with one of some; compare."""
    params = {
        "hidden_layer_sizes": (7,),
        "batch_size": 8,
        "max_iter": 6,
        "random_state": 4,
    } | params
    params |= {"n_iter_no_change": 50}
    plain, all_steps, some = Estimator(**params), StepNotes(), SomeSteps(every)
    plain.fit(X, y)
    Estimator(**params).set_callbacks(all_steps).fit(X, y)
    model = Estimator(**params).set_callbacks(some).fit(X, y)
    assert_array_equal(model.params_, plain.params_)
    assert model.loss_curve_ == plain.loss_curve_
    ours, theirs = model._training_state, plain._training_state
    assert (ours.n_steps, ours.n_rows) == (theirs.n_steps, theirs.n_rows)
    assert_same_states(ours.rule_state, theirs.rule_state)
    assert [note["index"] for note in some.steps] == list(range(1, ours.n_steps + 1, every))
    assert_same_steps(some.steps, all_steps.steps)
    return model


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
@pytest.mark.parametrize("every", [2, 5])
def test_under_every_rule(rule, every, quiet_steps):
    X, y = classes("multiclass", n=45)
    model = fit_three(BackpropMLPClassifier, X, y, every, update_rule=rule, alpha=0.01)
    n_steps = model._training_state.n_steps
    assert sum(quiet_steps) == n_steps + n_steps - -(-n_steps // every)


CASES = {
    "every step": ({}, 1),
    "fewer than one an epoch": ({}, 13),
    "the first alone": ({}, 10_000),
    "the first of every epoch": ({}, 6),
    "one batch": ({"batch_size": "full"}, 2),
    "no shuffle, dropout": ({"shuffle": False, "dropout": 0.4}, 4),
    "gelu, float32": ({"activation": "gelu"}, 4),
    "validation": ({"early_stopping": True}, 3),
    "a rule in Python": ({"update_rule": Muon()}, 3),
    "a rule around a rule in Python": ({"update_rule": Safeguarded(SGD(0.1))}, 3),
    "a line search": ({"update_rule": "lbfgs"}, 3),
}


@pytest.mark.parametrize("case", CASES)
def test_in_every_training(case):
    params, every = CASES[case]
    X, y = numbers(2, n=43, dtype=np.float32 if "float32" in case else np.float64)
    fit_three(BackpropMLPRegressor, X, y, every, **params)


@pytest.mark.skipif(not COMPILED, reason="the fallback does not let weights wait")
def test_weights_of_sparse_rows_that_wait_are_there_when_a_step_is_seen(monkeypatch):
    monkeypatch.setattr(_backprop, "is_worthwhile", lambda X, shape, n: True)
    X, y = classes("multiclass", n=60, n_features=30)
    X = csr_array(np.where(np.random.default_rng(1).random(X.shape) < 0.2, X, 0))
    fit_three(BackpropMLPClassifier, X, y, 3, alpha=0)


def test_a_divergence_is_the_same():
    X, y = numbers(n=40)
    texts = []
    for callbacks in ((), (SomeSteps(3),)):
        model = BackpropMLPRegressor(
            update_rule=SGD(1e3), max_iter=50, batch_size=8, random_state=0
        ).set_callbacks(*callbacks)
        with pytest.raises(DivergenceError) as raised:
            model.fit(1e3 * X, y)
        error = raised.value
        texts.append((str(error), error.epoch, error.step, error.last_loss, error.loss_curve))
    assert texts[0] == texts[1]


def test_an_error_of_a_callback_ends_the_training_between_quiet_steps():
    X, y = numbers(n=40)
    broken = SomeSteps(3, raise_at_step=7, error=RuntimeError("full"))
    model = BackpropMLPRegressor(batch_size=8, random_state=0).set_callbacks(broken)
    with pytest.raises(RuntimeError, match="full"):
        model.fit(X, y)
    assert broken.calls[-1] == "teardown"
    assert [note["index"] for note in broken.steps] == [1, 4, 7]


def test_training_continues_in_parts():
    X, y = classes("multiclass", n=50)
    params = {"batch_size": 7, "random_state": 2}
    some = SomeSteps(5)
    whole = BackpropMLPClassifier(max_iter=6, n_iter_no_change=99, **params).fit(X, y)
    parts = BackpropMLPClassifier(max_iter=1, **params).set_callbacks(some)
    for _ in range(6):
        parts.partial_fit(X, y, classes=np.unique(y))
    assert_array_equal(parts.params_, whole.params_)
    assert [note["index"] for note in some.steps] == list(range(1, 49, 5))


def test_epochs_have_tasks_only_where_a_callback_needs_them():
    X, y = classes("multiclass", n=50)
    alone, beside, other = SomeSteps(5), SomeSteps(5), Notes()
    model = BackpropMLPClassifier(batch_size=7, max_iter=2, random_state=2)
    model.set_callbacks(alone).fit(X, y)
    assert alone.calls == ["setup", "begin fit", "end fit", "teardown"]
    model.set_callbacks(beside, other).fit(X, y)
    assert other.calls.count("begin epoch") == beside.calls.count("end epoch") == 2


def test_a_callback_learns_how_many_steps_a_training_took():
    class Counts(SomeSteps):
        def on_training_end(self, estimator, context, n_steps):
            self.calls.append(n_steps)

    X, y = classes("multiclass", n=50)
    counts = Counts(5)
    model = BackpropMLPClassifier(batch_size=7, max_iter=2, random_state=2, warm_start=True)
    model.set_callbacks(counts).fit(X, y).fit(X, y)
    assert [call for call in counts.calls if isinstance(call, int)] == [16, 32]
