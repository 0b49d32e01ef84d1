"""The base class of callbacks, objects without it, and what is no callback."""

import inspect
import pickle

import numpy as np
import pytest
from helpers.callbacks import Notes
from helpers.data import classes
from sklearn.base import clone
from sklearn.callback import FitCallback
from sklearn.model_selection import cross_val_score

from sklearn_metabp import (
    SGD,
    BackpropMLPClassifier,
    Callback,
    Checkpoint,
    EarlyStopping,
    HistoryLogger,
    TabularMLPClassifier,
    TrainingDoctor,
)
from sklearn_metabp.callbacks.base import HOOKS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
EPOCHS = 4


def model(**params):
    setting = {"max_iter": EPOCHS, "n_iter_no_change": np.inf, "batch_size": 32, "random_state": 0}
    return BackpropMLPClassifier((4,), update_rule=SGD(0.1), **setting | params)


def n_steps_of_epoch():
    X, _ = classes("multiclass")
    return -(-len(X) // 32)


class Losses(Callback):
    def __init__(self):
        self.losses = []

    def on_epoch_end(self, estimator, context, state, params):
        self.losses.append(state.loss_curve[-1])


class PlainLosses:
    """Without a base class."""

    def __init__(self):
        self.losses = []

    def on_epoch_end(self, estimator, context, state, params):
        self.losses.append(state.loss_curve[-1])


class PlainSteps:
    def __init__(self):
        self.numbers = []

    def on_step_end(self, estimator, context, step):
        self.numbers.append(step.index)


class PlainThirdSteps(PlainSteps):
    def next_step(self, estimator, index):
        return index + (-index) % 3


class PlainStop:
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, estimator, context, state, params):
        return state.n_epochs == self.epoch


@pytest.mark.parametrize("kind", [Losses, PlainLosses])
def test_a_class_with_one_hook_of_epochs_is_a_callback(kind):
    callback = kind()
    fitted = model().set_callbacks(callback).fit(*classes("multiclass"))
    assert callback.losses == fitted.loss_curve_
    assert len(callback.losses) == EPOCHS


@pytest.mark.parametrize("kind", [PlainSteps, type("Steps", (PlainSteps, Callback), {})])
def test_a_class_with_one_hook_of_steps_is_a_callback(kind):
    callback = kind()
    model().set_callbacks(callback).fit(*classes("multiclass"))
    assert callback.numbers == list(range(1, 1 + EPOCHS * n_steps_of_epoch()))


def test_next_step_of_a_plain_class_is_asked():
    callback = PlainThirdSteps()
    model().set_callbacks(callback).fit(*classes("multiclass"))
    assert callback.numbers == list(range(3, 1 + EPOCHS * n_steps_of_epoch(), 3))


def test_a_plain_class_may_stop_the_training():
    assert model().set_callbacks(PlainStop(2)).fit(*classes("multiclass")).n_iter_ == 2


def test_every_hook_of_the_base_class_may_be_the_only_one():
    X, y = classes("multiclass")
    alone = model().fit(X, y)
    calls = {}

    def counting(name):
        def hook(self, *args, **kwargs):
            calls[name] = calls.get(name, 0) + 1

        return hook

    for name in set(HOOKS) - {"skips_epochs", "next_step"}:
        only = type("Only", (Callback,), {name: counting(name)})
        fitted = model().set_callbacks(only()).fit(X, y)
        np.testing.assert_array_equal(fitted.params_, alone.params_)
    fit, epochs, steps = 1, EPOCHS, EPOCHS * n_steps_of_epoch()
    assert calls == {
        "setup": fit,
        "on_fit_task_begin": fit + epochs,
        "on_fit_task_end": fit + epochs,
        "resume_training": fit,
        "on_training_begin": fit,
        "on_step_end": steps,
        "on_epoch_end": epochs,
        "on_training_end": fit,
        "save_training": epochs + fit,
        "teardown": fit,
    }  # memory_key is asked when a training is continued


def test_hooks_are_called_in_the_order_that_the_docstring_says():
    order = []

    def noting(name):
        def hook(self, estimator, context, *args, **kwargs):
            order.append(f"{name} {context.task_name}")

        return hook

    names = [n for n in HOOKS if n not in ("skips_epochs", "next_step", "memory_key")]
    everything = type("Everything", (Callback,), {name: noting(name) for name in names})
    X, y = classes("multiclass")
    model(max_iter=1, batch_size="full").set_callbacks(everything()).fit(X, y)
    assert order == [
        "setup fit",
        "on_fit_task_begin fit",
        "resume_training fit",
        "on_training_begin fit",
        "on_fit_task_begin epoch",
        "on_step_end epoch",
        "on_epoch_end epoch",
        "on_fit_task_end epoch",
        "save_training epoch",
        "on_training_end fit",
        "save_training fit",
        "on_fit_task_end fit",
        "teardown fit",
    ]


def test_empty_hooks_are_not_called(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("called")

    for name in ("on_step_end", "on_training_begin", "on_epoch_end", "save_training"):
        monkeypatch.setattr(Callback, name, fail)
    model().set_callbacks(Callback()).fit(*classes("multiclass"))


@pytest.mark.parametrize(
    "made",
    [Callback(), Checkpoint("."), EarlyStopping(), HistoryLogger(), TrainingDoctor()],
    ids=lambda made: type(made).__name__,
)
def test_callbacks_of_the_package_inherit_and_keep_the_arguments(made):
    assert isinstance(made, Callback)
    assert isinstance(made, FitCallback)
    for name in set(HOOKS) - {"skips_epochs"}:
        base = inspect.signature(getattr(Callback, name)).parameters
        own = inspect.signature(getattr(type(made), name)).parameters
        assert list(own)[: len(base)] == list(base), name


def test_every_hook_is_documented_with_its_arguments():
    for name in set(HOOKS) - {"skips_epochs"}:
        hook = getattr(Callback, name)
        for argument in list(inspect.signature(hook).parameters)[1:]:
            assert f"\n        {argument} : " in hook.__doc__, (name, argument)


@pytest.mark.parametrize("estimator", [BackpropMLPClassifier, TabularMLPClassifier])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Losses, "Losses is a class: add parentheses, as in set_callbacks\\(Losses\\(\\)\\)"),
        (PlainLosses, "add parentheses"),
        (Notes, "add parentheses"),
        ([Losses()], "got a list of them: set_callbacks\\(\\*callbacks\\)"),
        (3, "3 is no callback.* Inherit from sklearn_metabp.Callback"),
        (print, "is no callback"),
        ("history", "is no callback"),
        (None, "None is no callback"),
        (
            type("Wrong", (), {"on_epoch_ends": lambda self: None})(),
            "Did you mean 'on_epoch_end'\\?",
        ),
    ],
)
def test_what_is_no_callback_is_an_error_that_says_what_to_do(estimator, given, message):
    one = estimator().set_callbacks(Losses())
    with pytest.raises(TypeError, match=message):
        one.set_callbacks(HistoryLogger(), given)
    assert [type(c) for c in one._skl_callbacks] == [Losses]


def test_a_callback_that_is_given_twice_is_called_once():
    plain, losses = PlainLosses(), Losses()
    model().set_callbacks(plain, losses, plain, losses).fit(*classes("multiclass"))
    assert len(plain.losses) == len(losses.losses) == EPOCHS


def test_plain_callbacks_are_pickled_cloned_and_taken_along():
    X, y = classes("multiclass")
    plain = PlainLosses()
    fitted = model().set_callbacks(plain).fit(X, y)
    clone(fitted).fit(X, y)
    assert len(plain.losses) == 2 * EPOCHS
    loaded = pickle.loads(pickle.dumps(fitted)).fit(X, y)
    (wrapped,) = loaded._skl_callbacks
    assert wrapped.given.losses == plain.losses + loaded.loss_curve_
    assert len(plain.losses) == 2 * EPOCHS
    cross_val_score(model().set_callbacks(plain), X, y, cv=3)
    assert len(plain.losses) == 5 * EPOCHS


def test_checkpoints_tell_plain_callbacks_apart_by_their_settings_alone(tmp_path):
    X, y = classes("multiclass")
    for _ in range(2):  # what a callback has recorded is no part of the name
        model().set_callbacks(Checkpoint(tmp_path), PlainStop(2), PlainLosses()).fit(X, y)
    assert len(list(tmp_path.iterdir())) == 1
    model().set_callbacks(Checkpoint(tmp_path), PlainStop(3), PlainLosses()).fit(X, y)
    assert len(list(tmp_path.iterdir())) == 2
