"""Tasks: a network and its data as one record."""

import pickle

import numpy as np
import pytest
from helpers.data import classes, numbers
from scipy.sparse import csc_matrix, csr_matrix
from sklearn.linear_model import Ridge

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    LearnedUpdateRule,
    TraceRecorder,
)
from sklearn_metabp.meta_training import Task, rollout
from sklearn_metabp.meta_training.tasks import as_tasks

X, Y = classes("multiclass")
X_OTHER, Y_OTHER = classes("multiclass", seed=1)


def network(**params):
    return BackpropMLPClassifier((3,), batch_size=20, max_iter=4, n_iter_no_change=np.inf, **params)


def task(**params):
    return Task(network(**params), X, Y)


def test_a_task_keeps_the_network_as_it_was_when_the_task_was_made():
    recorder = TraceRecorder()
    estimator = network(random_state=3, update_rule=SGD(0.1)).set_callbacks(recorder).fit(X, Y)
    made = Task(estimator, X, Y)
    estimator.set_params(max_iter=99, update_rule__learning_rate=7.0)
    assert made.estimator.max_iter == 4 and made.estimator.update_rule.learning_rate == 0.1
    assert made.estimator.random_state is None and not hasattr(made.estimator, "params_")
    assert (
        len(pickle.dumps(made)) < 10_000 + X.nbytes + Y.nbytes
    )  # neither weights nor a trace are in it


def test_a_task_does_not_change():
    with pytest.raises(AttributeError, match="cannot assign"):
        task().X = X_OTHER


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["frame", "list", "csc", "fortran", "series"])
def test_data_of_any_kind_are_converted_once_and_train_as_fit_trains_on_them(kind, dtype):
    pandas = pytest.importorskip("pandas")
    rows, labels = X.astype(dtype), Y
    if kind == "frame":
        rows = pandas.DataFrame(rows, columns=list("abcdefgh")[: X.shape[1]])
    elif kind == "list":
        rows, labels = rows.tolist(), Y.tolist()
    elif kind == "csc":
        rows = csc_matrix(np.where(rows > 0, rows, 0))
    elif kind == "fortran":
        rows = np.asfortranarray(rows)
    else:
        labels = pandas.Series(Y.astype(str))
    made = Task(network(), rows, labels, rows, labels)
    assert isinstance(made.y, np.ndarray) and isinstance(made.y_val, np.ndarray)
    assert isinstance(made.X, csr_matrix if kind == "csc" else np.ndarray)
    taught = network(random_state=5).fit(rows, labels, X_val=rows, y_val=labels)
    record = rollout(made, "adam", 5, return_estimator=True)
    np.testing.assert_array_equal(record.estimator.params_, taught.params_)
    np.testing.assert_array_equal(record.validation_scores, taught.validation_scores_)
    np.testing.assert_array_equal(record.estimator.classes_, taught.classes_)


def test_an_array_that_fits_is_not_copied():
    made = Task(network(), X, Y)
    assert made.X is X and made.y is Y


def learned(seed):
    recorder = TraceRecorder()
    network(random_state=seed).set_callbacks(recorder).fit(X, Y)
    return LearnedUpdateRule(Ridge()).fit(recorder.trace_)


def start(layout, activations, random_state):
    return random_state.standard_normal(layout.n_params)


EQUAL = {
    "parameters": lambda: task(),
    "rule": lambda: task(update_rule=Adam(0.01)),
    "learned rule": lambda: task(update_rule=learned(0)),
    "function": lambda: task(init=start),
    "validation": lambda: Task(network(), X, Y, X_OTHER, Y_OTHER),
    "sparse": lambda: Task(network(), csr_matrix(X), Y),
    "float32": lambda: Task(network(), X.astype(np.float32), Y),
    "labels": lambda: Task(network(), X, Y.astype(str)),
    "regression": lambda: Task(BackpropMLPRegressor((3,)), *numbers()),
    "number": lambda: task(alpha=0.5),
    "other rule": lambda: task(update_rule=Adam(0.02)),
    "other learned rule": lambda: task(update_rule=learned(1)),
    "other rows": lambda: Task(network(), X_OTHER, Y),
    "fewer rows": lambda: Task(network(), X[:-1], Y[:-1]),
    "other labels": lambda: Task(network(), X, Y_OTHER),
}


@pytest.mark.parametrize("name", EQUAL)
def test_tasks_are_equal_if_they_hold_the_same(name):
    made = {other: make() for other, make in EQUAL.items()}
    one, again = made[name], EQUAL[name]()
    assert [other for other in made if made[other] == one] == [name]
    assert one == again and hash(one) == hash(again)
    loaded = pickle.loads(pickle.dumps(one))
    assert loaded == one and hash(loaded) == hash(one)


def test_the_seed_and_the_callbacks_of_the_estimator_are_no_part_of_a_task():
    estimator = network(random_state=np.random.RandomState(1)).set_callbacks(TraceRecorder())
    assert Task(estimator, X, Y) == task() != "a task"


def test_the_repr_of_a_task_names_its_network_and_data():
    shown = repr(Task(network(), X, Y, X_OTHER[:7], Y_OTHER[:7]))
    assert shown.startswith("Task(BackpropMLPClassifier(")
    assert shown.endswith(f"60 rows, 7 validation rows, {X.shape[1]} features)")


def test_tuples_are_tasks_and_tasks_stay_the_same_objects():
    made = task()
    tasks = as_tasks(t for t in (made, (network(), X, Y), [network(), X, Y, X_OTHER, Y_OTHER]))
    assert tasks[0] is made
    assert tasks == [task(), task(), Task(network(), X, Y, X_OTHER, Y_OTHER)]


NAN = np.where(np.arange(X.size).reshape(X.shape) == 3, np.nan, X)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((Ridge(), X, Y), r"the estimator must be a BackpropMLPClassifier or .*, got Ridge\(\)"),
        ((BackpropMLPClassifier, X, Y), "the estimator must be a BackpropMLPClassifier or"),
        ((network(), X, Y[1:]), "X and y do not go together: .*60, 59"),
        ((network(), X, 5), "X and y do not go together"),
        ((network(), NAN, Y), "Input X contains NaN"),
        ((network(), X[:, 0], Y), "Expected 2D array, got 1D array"),
        ((network(), X, Y, X), "X_val and y_val go together: pass both or neither"),
        ((network(), X, Y, None, Y), "X_val and y_val go together: pass both or neither"),
        ((network(), X, Y, X, Y[1:]), "X_val and y_val do not go together: .*60, 59"),
        ((network(), X, Y, NAN, Y), "Input X_val contains NaN"),
        (
            (network(), X, Y, X[:, 1:], Y),
            f"X_val has {X.shape[1] - 1} features and X has {X.shape[1]}",
        ),
    ],
)
def test_invalid_tasks_are_refused_with_their_number(arguments, message):
    with pytest.raises(ValueError, match=message):
        Task(*arguments)
    if len(arguments) != 4:
        with pytest.raises(ValueError, match=f"task 1: .*{message}"):
            as_tasks([task(), arguments])


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (
            [],
            r"tasks must be a list of \(estimator, X, y\), .* or Task, with at least one, got \[\]",
        ),
        (iter([]), "with at least one"),
        (network(), "tasks must be a list of .*, with at least one, got BackpropMLPClassifier"),
        (task(), "got a single Task: put it into a list"),
        ("tasks", "tasks must be a list of .*, got 'tasks'"),
        ({0: task()}, "tasks must be a list of "),
        (None, "tasks must be a list of .*, got None"),
        ((network(), X, Y), "task 0 is a BackpropMLPClassifier"),
        ([task(), (network(), X)], "task 1 is a tuple of 2"),
        ([(network(), X, Y, X)], "task 0 is a tuple of 4"),
        ([task(), task(), None], "task 2 is a NoneType"),
    ],
)
def test_objects_that_are_no_list_of_tasks_are_refused(tasks, message):
    with pytest.raises(ValueError, match=message):
        as_tasks(tasks)
