"""A recorder keeps the values of the steps."""

import pickle

import numpy as np
import pytest
from helpers.callbacks import Notes, StepNotes
from helpers.data import classes, numbers
from helpers.rules import NumPySGD
from joblib import parallel_config
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_validate

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    DivergenceError,
    TraceRecorder,
    UpdateRule,
)

FIXED = {"n_iter_no_change": np.inf, "max_iter": 3}


class Dice(UpdateRule):
    """A rule that claims to be replayable, but is no function of the step and its state."""

    replayable = True
    rng = np.random.default_rng(0)

    def init_state(self, layout):
        return {}

    def compute_update(self, step, state):
        return 0.01 * self.rng.standard_normal(step.params.shape)


CASES = {
    "minibatches": (BackpropMLPClassifier, ((5,),), {"batch_size": 16}),
    "online": (BackpropMLPClassifier, ((),), {"batch_size": 1, "loss": "squared_error"}),
    "batch": (BackpropMLPClassifier, ((4, 3), "tanh"), {"batch_size": "full"}),
    "in order": (BackpropMLPClassifier, ((5,), "logistic"), {"batch_size": 25, "shuffle": False}),
    "regression": (BackpropMLPRegressor, ((6,),), {"batch_size": 32, "alpha": 0.5}),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "rule", [SGD(0.1, momentum=0.9), Adam(), NumPySGD()], ids=lambda r: type(r).__name__
)
@pytest.mark.parametrize("case", CASES)
def test_every_variable_is_what_the_steps_had(case, rule, dtype):
    kind, args, params = CASES[case]
    seed = sum(map(ord, case))
    X, y = (numbers if kind is BackpropMLPRegressor else classes)(
        *([2] if kind is BackpropMLPRegressor else ["multiclass"]), seed=seed, dtype=dtype
    )
    weight = np.linspace(0.5, 1.5, len(X)) if case == "minibatches" else None
    notes, recorder = StepNotes(), TraceRecorder("all")
    model = kind(*args, update_rule=rule, random_state=seed, **FIXED, **params)
    model.set_callbacks(notes, recorder).fit(X, y, sample_weight=weight)
    trace = recorder.trace_

    assert len(trace) == len(notes.steps)
    for name, attribute in (
        ("index", "indices"),
        ("epoch", "epochs"),
        ("n_patterns", "n_patterns"),
    ):
        assert [step[name] for step in notes.steps] == getattr(trace, attribute).tolist()
    assert [step["loss"] for step in notes.steps] == trace.losses.tolist()
    for row, step in enumerate(notes.steps):
        n = step["n_patterns"]
        for name in ("params", "gradients", "updates"):
            assert getattr(trace, name)[row].tobytes() == step[name].tobytes()
        for name in ("outputs", "targets"):
            np.testing.assert_array_equal(getattr(trace, name)[row, :n], step[name])
        for name in ("activations", "net_inputs", "derivatives", "deltas"):
            for recorded, seen in zip(getattr(trace, name), step[name], strict=True):
                np.testing.assert_array_equal(recorded[row, :n], seen)
                assert np.isnan(recorded[row, n:]).all()
    assert trace.params.dtype == dtype


def test_weights_plus_updates_are_the_next_weights_and_the_last_are_the_models():
    X, y = classes("multiclass", seed=3)
    recorder = TraceRecorder()
    model = (
        BackpropMLPClassifier((5,), batch_size=20, random_state=3, **FIXED)
        .set_callbacks(recorder)
        .fit(X, y)
    )
    after = recorder.trace_.params + recorder.trace_.updates
    assert (after[:-1] == recorder.trace_.params[1:]).all()
    assert (after[-1] == model.params_).all()


@pytest.mark.parametrize("rule", [SGD(0.1), NumPySGD()], ids=lambda r: type(r).__name__)
@pytest.mark.parametrize(("every", "max_steps"), [(3, None), (1, 7), (2, 4)])
def test_every_and_max_steps_take_rows_of_the_whole(rule, every, max_steps):
    X, y = classes("binary", seed=every)
    whole, part = TraceRecorder("all"), TraceRecorder("all", every=every, max_steps=max_steps)
    model = BackpropMLPClassifier((3,), batch_size=16, update_rule=rule, random_state=1, **FIXED)
    model.set_callbacks(whole, part).fit(X, y)
    rows = slice(0, None if max_steps is None else every * max_steps, every)
    assert part.trace_.indices.tolist() == whole.trace_.indices[rows].tolist()
    for name in ("params", "updates", "gradients", "losses", "targets"):
        np.testing.assert_array_equal(getattr(part.trace_, name), getattr(whole.trace_, name)[rows])
    np.testing.assert_array_equal(part.trace_.deltas[0], whole.trace_.deltas[0][rows])


@pytest.mark.parametrize("rule", [SGD(0.1), NumPySGD()], ids=lambda r: type(r).__name__)
def test_dtype_is_that_of_what_is_stored(rule):
    X, y = classes("binary", seed=5)
    recorders = TraceRecorder("all"), TraceRecorder("all", dtype=np.float32)
    model = BackpropMLPClassifier((3,), update_rule=rule, random_state=1, **FIXED)
    model.set_callbacks(*recorders).fit(X, y)
    wide, narrow = (recorder.trace_ for recorder in recorders)
    for name in ("params", "updates", "gradients", "outputs"):
        assert getattr(narrow, name).dtype == np.float32
        np.testing.assert_array_equal(getattr(narrow, name), getattr(wide, name).astype(np.float32))


@pytest.mark.parametrize("going_on", ["partial_fit", "warm_start"])
def test_a_training_that_goes_on_is_one_run(going_on):
    X, y = classes("multiclass", seed=8)
    once, twice = TraceRecorder(), TraceRecorder()
    model = BackpropMLPClassifier(
        (4,), batch_size=16, random_state=2, tol=0, n_iter_no_change=np.inf
    )
    clone(model).set_params(max_iter=4).set_callbacks(once).fit(X, y)
    model.set_params(max_iter=2, warm_start=True).set_callbacks(twice)
    if going_on == "warm_start":
        model.fit(X, y).fit(X, y)
    else:
        for _ in range(4):
            model.partial_fit(X, y, classes=[0, 1, 2])
    assert len(set(twice.trace_.runs)) == 1
    for name in ("params", "updates", "gradients", "losses", "indices"):
        np.testing.assert_array_equal(getattr(twice.trace_, name), getattr(once.trace_, name))


@pytest.mark.parametrize("variables", ["default", "all"])
@pytest.mark.parametrize("first", [0, 1])
def test_rules_that_are_replayable_and_rules_that_are_not_take_turns(first, variables):
    X, y = classes("multiclass", seed=8)
    notes, recorder = StepNotes(), TraceRecorder(variables)
    model = BackpropMLPClassifier((4,), batch_size=16, random_state=2, warm_start=True, **FIXED)
    model.set_callbacks(notes, recorder)
    kinds = [SGD(0.1), NumPySGD(0.1)]
    for turn in (0, 0, 1, 1, 0):
        model.set_params(update_rule=kinds[turn ^ first]).fit(X, y)
    trace = recorder.trace_
    n = len(trace) // 5
    assert trace.runs.tolist() == [0] * 2 * n + [1] * 2 * n + [2] * n
    for name in ("params", "updates", "gradients"):
        np.testing.assert_array_equal(getattr(trace, name), [step[name] for step in notes.steps])


def test_every_fit_and_every_clone_is_a_run_of_its_own():
    X, y = classes("binary", seed=1)
    recorder = TraceRecorder()
    model = BackpropMLPClassifier((3,), random_state=0, **FIXED).set_callbacks(recorder)
    model.fit(X, y)
    model.fit(X, y)
    clone(model).set_params(hidden_layer_sizes=(7,)).fit(X, y)
    assert [layout.layer_sizes for layout in recorder.trace_.layouts] == [
        (4, 3, 1),
        (4, 3, 1),
        (4, 7, 1),
    ]
    assert recorder.trace_.runs.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_a_recorded_trace_does_not_change_with_the_data_or_the_rule():
    X, y = classes("binary", seed=4)
    rule, notes, recorder = SGD(0.1), StepNotes(), TraceRecorder("all")
    model = BackpropMLPClassifier((3,), update_rule=rule, random_state=0, **FIXED)
    model.set_callbacks(notes, recorder).fit(X, y)
    X *= 2
    rule.set_params(learning_rate=5.0)
    model.set_params(update_rule__learning_rate=7.0)
    np.testing.assert_array_equal(
        recorder.trace_.updates, [step["updates"] for step in notes.steps]
    )
    np.testing.assert_array_equal(
        recorder.trace_.activations[0][0], notes.steps[0]["activations"][0]
    )


def test_reading_draws_no_random_numbers_of_the_user():
    X, y = classes("binary", seed=4)
    draws = []
    for read in (True, False):
        rng, recorder = np.random.RandomState(0), TraceRecorder()
        model = (
            BackpropMLPClassifier((3,), batch_size=16, random_state=rng, **FIXED)
            .set_callbacks(recorder)
            .fit(X, y)
        )
        if read:
            assert recorder.trace_.params.shape == (12, len(model.params_))
        draws.append(rng.uniform())
    assert draws[0] == draws[1]


def test_a_rule_that_cannot_be_computed_again_is_found_out():
    X, y = classes("binary", seed=4)
    recorder = TraceRecorder()
    BackpropMLPClassifier((3,), update_rule=Dice(), random_state=0, **FIXED).set_callbacks(
        recorder
    ).fit(X, y)
    with pytest.raises(
        RuntimeError, match=r"step 2 .*not a function of the step and its state.*replayable"
    ):
        _ = recorder.trace_.params


class FailsAtItsStart(Notes):
    def on_fit_task_begin(self, estimator, context):
        if context.task_name == "epoch":
            raise KeyError("x")


def test_a_fit_that_ended_before_its_first_step_leaves_nothing_to_the_next():
    """Check that a run after a failed one is computed from its own data."""
    X, y = classes("binary", seed=4)
    notes, recorder = StepNotes(), TraceRecorder()
    model = BackpropMLPClassifier((3,), update_rule=SGD(1e-3), random_state=0, **FIXED)
    model.set_callbacks(recorder, FailsAtItsStart())
    with pytest.raises(KeyError):
        model.fit(X, y)
    model.set_params(update_rule=NumPySGD(0.5)).set_callbacks(notes, recorder).fit(X, y)
    np.testing.assert_array_equal(recorder.trace_.params, [step["params"] for step in notes.steps])


@pytest.mark.parametrize("on_disk", [False, True])
def test_links_are_not_learned_from_a_recording_that_began_late(tmp_path, on_disk):
    X, y = classes("binary", seed=4)
    recorder = TraceRecorder(path=tmp_path if on_disk else None)
    model = BackpropMLPClassifier((3,), random_state=0, warm_start=True, **FIXED).fit(X, y)
    model.set_callbacks(recorder).fit(X, y)
    assert recorder.trace_.indices[0] == 4
    with pytest.raises(ValueError, match="from the first step of the training on"):
        recorder.trace_.features("link")


@pytest.mark.parametrize("rule", [SGD(1e200), SGD(1e3)], ids=["at once", "later"])
def test_a_training_that_diverges_is_recorded_up_to_there(rule):
    X, y = numbers(seed=2)
    recorder = TraceRecorder()
    model = BackpropMLPRegressor(
        (3,), "identity", update_rule=rule, random_state=0, batch_size=20, max_iter=500
    )
    with pytest.raises(DivergenceError) as caught:
        model.set_callbacks(recorder).fit(X, y)
    trace = recorder.trace_
    assert len(trace) in (caught.value.step - 1, caught.value.step)
    assert np.isfinite(trace.losses).all()
    assert trace.updates.shape == (len(trace), 19)


def test_pickled_traces_are_equal():
    X, y = classes("multiclass", seed=6)
    recorder = TraceRecorder("all")
    BackpropMLPClassifier((3,), batch_size=16, random_state=0, **FIXED).set_callbacks(recorder).fit(
        X, y
    )
    trace = recorder.trace_
    for copy in (pickle.loads(pickle.dumps(trace)), pickle.loads(pickle.dumps(recorder)).trace_):
        for name in ("params", "updates", "gradients", "losses", "targets", "runs"):
            np.testing.assert_array_equal(getattr(copy, name), getattr(trace, name))
        np.testing.assert_array_equal(copy.deltas[1], trace.deltas[1])
        np.testing.assert_array_equal(copy.features("link"), trace.features("link"))


def test_threads_share_a_recorder():
    X, y = classes("binary", seed=7)
    recorder = TraceRecorder()
    model = BackpropMLPClassifier((3,), random_state=0, **FIXED).set_callbacks(recorder)
    with parallel_config("threading", n_jobs=2):
        cross_validate(model, X, y, cv=4)
    assert len(recorder.trace_.layouts) == 4
    assert recorder.trace_.updates.shape[0] == 12


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"variables": "everything"}, "variables must be 'default', 'all' or a list of names"),
        (
            {"variables": ["deltas", "momentum"]},
            r"variables must be names from .* got \['momentum'\]",
        ),
        ({"variables": ["biases", "loss"]}, r"got \['biases'\]; 'biases' is part of 'params' now"),
        ({"variables": "weights"}, "got 'weights'; 'weights' is part of 'params' now"),
        ({"variables": ["index"]}, r"variables must be names from .* got \['index'\]"),
        ({"variables": []}, r"variables must be names from .* got \[\]"),
        ({"variables": 3}, "variables must be 'default', 'all' or a list of names from .*, got 3"),
        ({"every": True}, "every must be an integer of 1 or more or 'auto', got True"),
        ({"max_steps": True}, "max_steps must be an integer of 1 or more, got True"),
        ({"path": ""}, "path must name a directory, got ''"),
        ({"every": 0}, "every must be an integer of 1 or more or 'auto', got 0"),
        ({"every": 1.5}, "every must be an integer of 1 or more or 'auto', got 1.5"),
        ({"max_steps": -1}, "max_steps must be an integer of 1 or more, got -1"),
        ({"dtype": np.int32}, "dtype must be float32, float64 or None"),
    ],
)
def test_bad_parameters_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        TraceRecorder(**params)


def test_an_empty_recorder_says_what_to_do():
    with pytest.raises(NotFittedError, match="set_callbacks"):
        _ = TraceRecorder().trace_


def test_a_training_without_a_seed_is_replayed_although_others_draw_random_numbers():
    class Draws(StepNotes):
        def on_step_end(self, estimator, context, step):
            np.random.standard_normal()  # noqa: NPY002

    X, y = classes("multiclass", n=40)
    recorder = TraceRecorder()
    model = BackpropMLPClassifier((3,), batch_size=8, max_iter=4, n_iter_no_change=np.inf)
    model.set_callbacks(Draws(), recorder).fit(X, y)
    assert np.isfinite(recorder.trace_.params).all()


def test_a_recorder_counts_its_runs():
    X, y = classes("binary", seed=1)
    recorder = TraceRecorder()
    model = BackpropMLPClassifier((3,), random_state=0, **FIXED).set_callbacks(recorder)
    for n_runs in ("1 run", "2 runs"):
        model.fit(X, y)
        assert repr(recorder).endswith(f" in {n_runs}")
