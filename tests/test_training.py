"""The training loop: batches, patience, the ways in which it ends."""

import pickle
import tracemalloc
import warnings
from functools import partial

import numpy as np
import pytest
from helpers.callbacks import Interruption, Notes, StepNotes
from helpers.data import classes, numbers
from helpers.rules import FunctionRule
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Clipped,
    DivergenceError,
)
from sklearn_metabp.training import Batches, Patience, callable_fingerprint

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# tol, n_iter_no_change, losses, epoch after which it is exhausted (None: never)
PATIENCE = [
    (0.1, 1, [5, 5], 2),
    (0.1, 2, [5, 5, 5], 3),
    (0.1, 3, [5, 5, 5, 5, 5], 4),
    (0.1, 2, [5, 4.95, 4.9, 4.8], 3),  # the best loss moves even by less than tol
    (0.1, 2, [5, 4.95, 4.8, 4.75, 4.8, 4.7], 5),
    (0.1, 2, [5, 6, 5, 4.9, 5, 5], 3),
    (0.0, 2, [5, 5, 5, 5, 5], None),  # no lower by nothing: still as good, as in scikit-learn
    (0.0, 2, [5, 5.1, 5.1, 4], 3),
    (0.5, np.inf, [5] * 50, None),
    (0.5, 1, [5, 4.5, 4.0, 3.5, 3.4], 5),
]


@pytest.mark.parametrize(("tol", "n_iter_no_change", "losses", "end"), PATIENCE)
def test_patience_counts_epochs_without_improvement(tol, n_iter_no_change, losses, end):
    patience = Patience(tol, n_iter_no_change)
    ended = [epoch for epoch, loss in enumerate(losses, 1) if patience.update([loss])]
    assert (ended[0] if ended else None) == end
    assert patience.best_loss == min(losses)


@pytest.mark.parametrize("size", [1, 2, 5, 7, 20, 21])
@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_go_once_through_all_rows(size, shuffle):
    X = np.arange(21.0)[:, None]
    batches = Batches(X, X, None, size, shuffle)
    orders = []
    random_state = np.random.RandomState(size)
    for _ in range(3):
        slices = list(batches.draw(random_state))
        assert len(slices) == batches.n_batches
        assert [stop - start for start, stop in slices] == [size] * (21 // size) + [21 % size] * (
            21 % size > 0
        )
        rows = np.arange(21) if batches.order is None else batches.order
        orders.append(np.concatenate([rows[start:stop] for start, stop in slices]))
        assert sorted(orders[-1]) == list(range(21))
    shuffled = shuffle and size < 21
    assert (len({tuple(order) for order in orders}) == 3) == shuffled


@pytest.mark.parametrize("n", [999_999, 1_000_000])
def test_a_million_batches_take_no_memory(n):
    X = np.zeros((n, 1), np.float32)
    tracemalloc.start()
    batches = Batches(X, X, None, 2 if n % 2 else 1, shuffle=False)
    drawn = batches.draw(np.random.RandomState(0))
    n_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_bytes < 10_000
    start, stop = np.array(list(drawn)).T
    np.testing.assert_array_equal(start, np.arange(0, n, batches.size))
    np.testing.assert_array_equal(stop, np.append(start[1:], n))
    assert len(start) == batches.n_batches


@pytest.mark.parametrize("n_iter_no_change", [1, 3, 10])
def test_training_ends_after_exactly_that_many_epochs_without_improvement(n_iter_no_change):
    X, y = numbers()
    still = FunctionRule(lambda step: np.zeros_like(step.gradients))
    model = BackpropMLPRegressor(
        (3,), update_rule=still, n_iter_no_change=n_iter_no_change, max_iter=50, batch_size="full"
    ).fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_) == 1 + n_iter_no_change


def test_training_goes_on_without_end_where_patience_is_infinite():
    X, y = numbers()
    still = FunctionRule(lambda step: np.zeros_like(step.gradients))
    model = BackpropMLPRegressor(
        (3,), update_rule=still, n_iter_no_change=np.inf, max_iter=40, tol=1.0
    )
    assert model.fit(X, y).n_iter_ == 40


def test_training_that_might_go_on_warns_and_that_was_ended_does_not():
    X, y = numbers()
    model = BackpropMLPRegressor((3,), max_iter=4, batch_size="full")
    with pytest.warns(ConvergenceWarning, match=r"Maximum number of epochs \(4\) reached"):
        model.fit(X, y)
    creep = FunctionRule(lambda step: np.full_like(step.gradients, 1e-9))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(update_rule=Adam(0.01), n_iter_no_change=np.inf, max_iter=300).fit(X, y)
        model.set_params(warm_start=True, max_iter=4, n_iter_no_change=3)
        model.set_params(update_rule=creep).fit(X, y)  # ended in the last epoch
        model.set_params(update_rule="adam", n_iter_no_change=np.inf).fit(X, y)
        model.partial_fit(X, y)
        model.set_params(n_iter_no_change=10).set_callbacks(Notes(stop_after=4)).fit(X, y)


DIVERGING = {  # X scale, rule, settings: how it ends in numbers that are not finite
    "rate": (1.0, SGD(1e200), {}),
    "rate of Adam": (1.0, Adam(1e300), {"activation": "identity"}),
    "inputs at the end of the floats": (1e308, SGD(0.01), {}),
    "update of NaN": (1.0, FunctionRule(lambda step: np.full_like(step.gradients, np.nan)), {}),
    "update of infinity": (
        1.0,
        FunctionRule(lambda step: np.full_like(step.gradients, -np.inf), 4),
        {},
    ),
    "one number of NaN": (1.0, FunctionRule(lambda step: np.append(np.zeros(22), np.nan)), {}),
}


def diverging(name, **changed):
    scale, rule, settings = DIVERGING[name]
    model = BackpropMLPRegressor(
        (3,),
        update_rule=rule,
        max_iter=60,
        batch_size=20,
        random_state=0,
        tol=0,
        **(settings | changed),
    )
    X, y = numbers(2)
    return model, X / np.abs(X).max() * scale, y


@pytest.mark.parametrize("installed", [True, False], ids=["installed", "fallback"])
@pytest.mark.parametrize("name", DIVERGING)
def test_the_error_of_a_divergence_names_step_rule_and_remedy(name, installed, request):
    if not installed:
        request.getfixturevalue("fallback_kernels")
    model, X, y = diverging(name)
    with pytest.raises(DivergenceError) as caught:
        model.fit(X, y)
    error, message = caught.value, str(caught.value)
    assert isinstance(error, ValueError)
    assert error.step >= 1
    assert error.epoch == -(-error.step // 3)  # three batches an epoch
    assert f"in epoch {error.epoch}, step {error.step}, " in message
    assert f"under update_rule={model.update_rule!r}" in message
    if error.last_loss is None:
        assert "no batch had a finite loss" in message
    else:
        assert np.isfinite(error.last_loss)
        assert f"the last finite loss was {error.last_loss:.6g}" in message
    at_fault = "NaN" in name  # the rule alone: its gradients were finite
    assert ("0 / 0 and inf - inf in the rule" in message) == at_fault
    for advice in ("smaller learning rate", "scale X", "larger batch_size"):
        assert (advice in message) != at_fault


def test_divergence_names_the_step_in_which_it_happened():
    model, X, y = diverging("update of infinity")
    losses = []

    def infinite(step):
        losses.append(step.loss)
        return np.full_like(step.gradients, -np.inf)

    model.set_params(update_rule=FunctionRule(infinite, 4))
    with pytest.raises(DivergenceError, match="NaN or infinity") as caught:
        model.fit(X, y)
    assert (caught.value.epoch, caught.value.step) == (2, 5)
    assert caught.value.last_loss == losses[0]  # of the step itself
    notes = StepNotes()
    with pytest.raises(DivergenceError):
        model.set_callbacks(notes).fit(X, y)
    assert len(notes.steps) == 4


@pytest.mark.parametrize("installed", [True, False], ids=["installed", "fallback"])
def test_a_loss_that_overflows_is_enough_to_diverge(installed, request):
    if not installed:
        request.getfixturevalue("fallback_kernels")
    X, y = numbers()
    still = FunctionRule(lambda step: np.zeros_like(step.gradients))
    with pytest.raises(DivergenceError, match="the loss of a batch is inf"):
        BackpropMLPRegressor((3,), update_rule=still).fit(X, y * 1e200)


def test_divergence_of_the_first_batch_has_no_last_loss():
    model, X, y = diverging("inputs at the end of the floats", activation="identity")
    with pytest.raises(DivergenceError, match="no batch had a finite loss") as caught:
        model.fit(X, y)
    assert caught.value.last_loss is None
    assert caught.value.step == 1


def test_divergence_error_pickles_whole():
    error = DivergenceError("the loss is nan", SGD(3.0), epoch=2, step=17, last_loss=0.5)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is DivergenceError
    assert str(copy) == str(error)
    assert (copy.epoch, copy.step, copy.last_loss) == (2, 17, 0.5)


@pytest.mark.parametrize("name", ["rate", "inputs at the end of the floats", "update of NaN"])
def test_unfitted_stays_unfitted_when_training_diverges(name):
    model, X, y = diverging(name)
    before = set(vars(model))
    with pytest.raises(DivergenceError):
        model.fit(X, y)
    assert set(vars(model)) == before
    with pytest.raises(NotFittedError):
        check_is_fitted(model)
    with pytest.raises(NotFittedError):
        model.predict(X)


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("name", ["rate", "inputs at the end of the floats", "update of NaN"])
def test_fitted_stays_as_fitted_when_training_diverges(name, warm_start):
    model, bad_X, y = diverging(name)
    bad_rule = model.update_rule
    X, _ = numbers(2)
    model.set_params(update_rule=SGD(0.1), max_iter=3).fit(X, y)
    copied = pickle.loads(pickle.dumps(model))
    outputs = model.predict(X)
    if not warm_start:  # other columns too: nothing of the failed fit may stay
        bad_X = np.hstack([bad_X, bad_X])
    with pytest.raises(DivergenceError):
        model.set_params(update_rule=bad_rule, warm_start=warm_start, max_iter=60).fit(bad_X, y)
    np.testing.assert_array_equal(model.predict(X), outputs)
    assert model.n_iter_ == 3
    assert model.n_features_in_ == 4
    for one in (model, copied):
        one.set_params(update_rule=SGD(0.1), warm_start=True, max_iter=3).fit(X, y)
    np.testing.assert_array_equal(model.params_, copied.params_)


BAD_UPDATES = {
    "shape": (lambda step: np.zeros(3), r"shape \(3,\), dtype float64"),
    "two axes": (
        lambda step: step.gradients[:, None],
        r"dtype float64, one number per parameter; got",
    ),
    "dtype": (lambda step: step.gradients.astype(np.float32), r"got shape \(19,\), dtype float32"),
    "integers": (lambda step: np.zeros(19, int), "dtype int"),
    "a list": (lambda step: [0.0] * 19, r"got \[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, ...\]\.$"),
    "nothing": (lambda step: None, "returned None and must return the update"),
    "a number": (lambda step: 0.0, "got 0.0"),
}


@pytest.mark.parametrize(("make", "message"), BAD_UPDATES.values(), ids=BAD_UPDATES)
def test_a_rule_that_returns_no_update_is_an_error(make, message):
    X, y = numbers()
    model = BackpropMLPRegressor((3,), update_rule=FunctionRule(make))
    with pytest.raises(
        ValueError, match=r"^FunctionRule.compute_update .*an array of shape \(19,\)"
    ):
        model.fit(X, y)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


def test_a_number_of_numpys_may_widen_an_update():
    """np.float64(0.25) times float32 is float64; the update is its rounding."""
    X, y = numbers(dtype=np.float32)
    setting = {"max_iter": 4, "batch_size": 16, "random_state": 3}
    widened = FunctionRule(lambda step: np.float64(-0.25) * step.gradients)
    wide = BackpropMLPRegressor((3,), update_rule=widened, **setting).fit(X, y)
    plain = BackpropMLPRegressor((3,), update_rule=SGD(0.25), **setting).fit(X, y)
    assert wide.params_.dtype == np.float32
    np.testing.assert_allclose(wide.params_, plain.params_, rtol=1e-5)


@pytest.mark.parametrize("in_place", [False, True])
def test_a_rule_may_return_an_array_or_fill_the_steps(in_place):
    def descend(step):
        if not in_place:
            return -0.25 * step.gradients
        np.multiply(step.gradients, -0.25, out=step.updates)
        return step.updates

    X, y = numbers()
    setting = {"max_iter": 4, "batch_size": 16, "random_state": 3}
    ours = BackpropMLPRegressor((3,), update_rule=FunctionRule(descend), **setting).fit(X, y)
    plain = BackpropMLPRegressor((3,), update_rule=SGD(0.25), **setting).fit(X, y)
    np.testing.assert_array_equal(ours.params_, plain.params_)


class Keeping(FunctionRule):
    """A rule that descends and whose kept parameters are a function of the parameters."""

    def compute_update(self, step, state):
        return -0.1 * step.gradients

    def kept_params(self, params, state):
        return self.function(params)


BAD_KEPT = {
    "NaN": (lambda params: np.full_like(params, np.nan), "19 of 19 are NaN or infinite"),
    "one infinity": (lambda params: np.append(params[1:], np.inf), "1 of 19 are NaN or infinite"),
    "nothing": (lambda params: None, "got None"),
    "a list": (lambda params: params.tolist(), r"got \["),
    "a short array": (lambda params: params[:3], r"got shape \(3,\), dtype float64"),
    "two axes": (lambda params: params[:, None], r"got shape \(19, 1\)"),
    "integers": (lambda params: params.astype(int), "dtype int"),
    "single precision": (lambda params: params.astype(np.float32), "dtype float32"),
}


@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"callback": True}], ids=str)
@pytest.mark.parametrize(("make", "message"), BAD_KEPT.values(), ids=BAD_KEPT)
def test_a_rule_whose_kept_params_returns_no_parameters_is_an_error(make, message, settings):
    X, y = numbers()
    model = BackpropMLPRegressor(
        (3,), update_rule=Keeping(make), early_stopping="early_stopping" in settings
    )
    if "callback" in settings:
        model.set_callbacks(Notes())
    before = set(vars(model))
    for train in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=r"Keeping.kept_params must return .*" + message):
            train(X, y)
        assert set(vars(model)) == before  # nothing of the failed fit stays


def test_a_wrapper_does_not_let_bad_parameters_through():
    X, y = numbers()
    with pytest.raises(ValueError, match=r"Clipped.kept_params must return finite parameters"):
        BackpropMLPRegressor((3,), update_rule=Clipped(Keeping(lambda p: p * np.nan))).fit(X, y)


def test_kept_parameters_of_double_precision_are_rounded():
    X, y = numbers(dtype=np.float32)
    rule = Keeping(lambda params: params.astype(np.float64) / 2)
    model = BackpropMLPRegressor((3,), update_rule=rule, max_iter=3, random_state=0).fit(X, y)
    assert model.params_.dtype == np.float32
    np.testing.assert_array_equal(model.params_, model._training_state.params / 2)


@pytest.mark.parametrize("at_step", [1, 4, 10])
def test_ctrl_c_keeps_what_was_trained(at_step):
    X, y = classes("multiclass")
    setting = {"hidden_layer_sizes": (4,), "batch_size": 20, "random_state": 0, "max_iter": 9}
    notes = StepNotes()
    BackpropMLPClassifier(**setting).set_callbacks(notes).fit(X, y)
    expected = notes.steps[at_step]["params"]

    callback = Interruption(at_step)
    model = BackpropMLPClassifier(**setting).set_callbacks(callback)
    n_epochs = (at_step - 1) // 3
    with pytest.warns(
        UserWarning, match=rf"interrupted by user after {n_epochs} epochs and {at_step} steps"
    ):
        model.fit(X, y)
    np.testing.assert_array_equal(model.params_, expected)
    assert model.n_iter_ == len(model.loss_curve_) == n_epochs
    assert model.t_ == 20 * at_step
    assert model.predict(X).shape == y.shape
    assert callback.calls[-1] == "teardown"


def test_verbose_prints_every_epoch_and_why_it_ended(capsys):
    X, y = numbers()
    still = FunctionRule(lambda step: np.zeros_like(step.gradients))
    setting = {"hidden_layer_sizes": (3,), "update_rule": still, "batch_size": "full"}
    model = BackpropMLPRegressor(n_iter_no_change=2, verbose=True, **setting).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [f"Iteration {i}, loss = {model.loss_:.8f}" for i in (1, 2, 3)]
    assert "did not improve more than tol=0.000100 for 2 consecutive epochs" in lines[3]
    BackpropMLPRegressor(n_iter_no_change=2, **setting).fit(X, y)
    assert capsys.readouterr().out == ""


def test_a_callback_that_returns_true_ends_the_training():
    X, y = numbers()
    notes = Notes(stop_after=4)
    model = BackpropMLPRegressor((3,), max_iter=30).set_callbacks(notes).fit(X, y)
    assert model.n_iter_ == notes.n_epochs == 4


@pytest.mark.parametrize("rule", ["lbfgs", "conjugategradient"])
def test_iterations_of_a_line_search_are_steps_from_the_parameters_before_them(rule):
    X, y = numbers(3)
    notes = StepNotes()
    model = BackpropMLPRegressor(
        (5,), "tanh", update_rule=rule, alpha=0.1, max_iter=8, random_state=0
    )
    model.set_callbacks(notes).fit(X, y)
    assert len(notes.steps) == model.n_iter_ == 8
    gradients = np.zeros_like(model.params_)
    params = np.zeros_like(model.params_)
    backprop = model.network_.backprop(params, gradients, len(X))
    backprop.load(X, y)
    for note, after in zip(
        notes.steps, [*(n["params"] for n in notes.steps[1:]), model.params_], strict=True
    ):
        params[...] = note["params"]
        assert backprop.gradients(0, len(X)) == pytest.approx(note["loss"], rel=1e-12)
        np.testing.assert_allclose(note["gradients"], gradients, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(note["params"] + note["updates"], after, rtol=1e-12)
        params[...] = after
    assert backprop.gradients(0, len(X)) == pytest.approx(model.loss_, rel=1e-9)
    assert [note["index"] for note in notes.steps] == list(range(1, 9))


class _Scorer:
    def __call__(self, *given):
        return 0.0


def test_equal_objects_have_equal_fingerprints():
    """Check two equal objects, as in the process that resumes a training."""
    assert callable_fingerprint(_Scorer()) == callable_fingerprint(_Scorer())
    assert callable_fingerprint(partial(_Scorer(), 1)) == callable_fingerprint(
        partial(_Scorer(), 1)
    )
    assert callable_fingerprint(partial(_Scorer(), 1)) != callable_fingerprint(
        partial(_Scorer(), 2)
    )
    assert callable_fingerprint(lambda s, p: 1.0) != callable_fingerprint(lambda s, p: 2.0)
    assert (
        callable_fingerprint("accuracy") != callable_fingerprint("r2") != callable_fingerprint(None)
    )
