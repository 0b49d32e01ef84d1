"""A teacher of a recorder computes its updates at the steps of a training under another rule."""

import gc
import weakref

import numpy as np
import pytest
from helpers.data import classes

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    ConjugateGradient,
    LearnedUpdateRule,
    TraceRecorder,
)
from sklearn_metabp.tracing import TEACHER_UPDATES

TEACHERS = [SGD(0.3), SGD(0.1, momentum=0.9), Adam(0.02)]


def fit(rule, recorder, *, seed=0, max_iter=4):
    X, y = classes("multiclass", n=45, seed=31)
    model = BackpropMLPClassifier(
        (4,), update_rule=rule, batch_size=16, max_iter=max_iter, random_state=seed
    )
    return model.set_params(n_iter_no_change=np.inf).set_callbacks(recorder).fit(X, y)


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("teacher", TEACHERS, ids=str)
def test_a_teacher_of_its_own_training_computes_the_updates_of_the_training(
    teacher, on_disk, tmp_path
):
    recorder = TraceRecorder(teacher=teacher, path=tmp_path / "trace" if on_disk else None)
    fit(teacher, recorder)
    trace = recorder.trace_
    np.testing.assert_array_equal(trace.teacher_updates, trace.updates)


@pytest.mark.parametrize("teacher", TEACHERS, ids=str)
def test_the_teachers_state_follows_the_students_gradients(teacher):
    """Check that its updates along a run are those of the rule on the gradients one by one."""
    recorder = TraceRecorder("all", teacher=teacher)
    model = fit(SGD(0.05), recorder)
    trace = recorder.trace_
    assert (trace.teacher_updates != trace.updates).any()
    np.testing.assert_array_equal(trace.updates, -0.05 * trace.gradients)

    state = teacher.init_state(model.layout_)

    class Seen:
        updates = np.zeros(model.layout_.n_params)

    for gradients, expected in zip(trace.gradients, trace.teacher_updates, strict=True):
        Seen.gradients = gradients.copy()
        np.testing.assert_array_equal(teacher.compute_update(Seen, state), expected)


def test_a_teacher_changes_no_bit_of_the_training():
    plain, watched = (
        fit(Adam(), recorder).params_
        for recorder in (TraceRecorder(), TraceRecorder(teacher=SGD(9.0)))
    )
    np.testing.assert_array_equal(plain, watched)


@pytest.mark.parametrize("scope", ["link", "network"])
def test_scopes_take_the_teachers_updates_for_the_target(scope):
    recorder = TraceRecorder("all", teacher=SGD(0.3))
    fit(SGD(0.01), recorder)
    trace = recorder.trace_
    expected = trace.teacher_updates
    if scope == "network":
        expected = np.repeat(expected, trace.n_patterns, axis=0)
    np.testing.assert_array_equal(trace.targets_of(scope).ravel(), expected.ravel())
    if scope == "link":
        rule = LearnedUpdateRule(random_state=0).fit(trace)
        student = fit(rule, TraceRecorder(), seed=3)
        taught = fit(SGD(0.3), TraceRecorder(), seed=3)
        assert student.loss_ == pytest.approx(taught.loss_, rel=0.02)


def test_every_run_has_a_teacher_of_its_own():
    recorder = TraceRecorder(teacher=Adam(0.02))
    for _ in range(2):
        fit(Adam(0.02), recorder)
    first, second = (recorder.trace_.run(number) for number in (0, 1))
    np.testing.assert_array_equal(first.teacher_updates, second.teacher_updates)


def test_a_training_that_goes_on_keeps_its_teacher():
    whole, parts = TraceRecorder(teacher=Adam(0.02)), TraceRecorder(teacher=Adam(0.02))
    fit(SGD(0.1), whole, max_iter=4)
    model = fit(SGD(0.1), parts, max_iter=2)
    X, y = classes("multiclass", n=45, seed=31)
    model.set_params(warm_start=True).fit(X, y)
    np.testing.assert_array_equal(parts.trace_.teacher_updates, whole.trace_.teacher_updates)


def test_without_a_teacher_there_are_no_such_updates():
    recorder = TraceRecorder()
    fit(SGD(0.1), recorder)
    with pytest.raises(
        AttributeError, match=r"has no teacher_updates.*TraceRecorder\(teacher=rule\)"
    ):
        getattr(recorder.trace_, TEACHER_UPDATES)


class Odd(SGD):
    """A rule that returns no valid update."""

    def __init__(self, returned=None):
        super().__init__()
        self.returned = returned

    def compute_update(self, step, state):
        return self.returned


@pytest.mark.parametrize("returned", [None, 1.0, np.zeros(3), np.zeros((1, 35))], ids=str)
@pytest.mark.parametrize("on_disk", [False, True])
def test_updates_of_a_teacher_are_validated(returned, on_disk, tmp_path):
    recorder = TraceRecorder(teacher=Odd(returned), path=tmp_path if on_disk else None)
    with pytest.raises(ValueError, match=r"^Odd\.compute_update .*an array of shape \(35,\)"):
        fit(SGD(0.1), recorder)


def test_after_a_fit_a_teacher_holds_no_data():
    recorder = TraceRecorder(teacher=Adam(0.02))
    steps = []

    class Watch:
        def setup(self, estimator, context): ...

        def teardown(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context): ...

        def on_step_end(self, estimator, context, step):
            steps[:] = [weakref.ref(step)]

    X, y = classes("multiclass", n=45, seed=31)
    model = BackpropMLPClassifier((4,), max_iter=2, n_iter_no_change=np.inf)
    model = model.set_callbacks(recorder, Watch()).fit(X, y)
    gc.collect()
    assert steps[0]() is None


class Backwards(SGD):
    acts_backward = True


@pytest.mark.parametrize(
    ("teacher", "error", "message"),
    [
        ("rprop2", ValueError, "update_rule must be one of"),
        (SGD, TypeError, "Pass an instance"),
        (Backwards(), ValueError, "acts on the backward step"),
        ("lbfgs", ValueError, "teacher='lbfgs' searches along lines"),
        (ConjugateGradient(), ValueError, "searches along lines"),
        (LearnedUpdateRule(), ValueError, "has not been fitted"),
    ],
    ids=["name", "class", "backwards", "search", "another search", "unfitted"],
)
def test_objects_that_cannot_be_teachers_are_refused(teacher, error, message):
    with pytest.raises(error, match=message):
        TraceRecorder(teacher=teacher)
