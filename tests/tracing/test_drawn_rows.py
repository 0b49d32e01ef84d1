"""What is drawn of the rows of a trace is found again along its runs, each prediction once."""

import numpy as np
import pytest
from helpers.data import classes

from sklearn_metabp import BackpropMLPClassifier, TraceRecorder
from sklearn_metabp.tracing.drawn_rows import DrawnRows


@pytest.fixture(scope="module")
def trace():
    X, y = classes("multiclass", n=50)
    recorder = TraceRecorder()
    for seed in (0, 1):
        model = BackpropMLPClassifier(
            (3,), batch_size=10, max_iter=4, n_iter_no_change=np.inf, random_state=seed
        )
        model.set_callbacks(recorder).fit(X, y)
    return recorder.trace_


@pytest.mark.parametrize("n_most", [None, 1, 7, 60])
@pytest.mark.parametrize("rows", [slice(None), [5, 30, 5, 2, 39, 0], slice(25, 40)], ids=str)
def test_every_drawn_prediction_is_found_once_in_its_own_row(trace, rows, n_most):
    selected = trace[rows]
    sizes = np.arange(len(selected)) % 4
    drawn = DrawnRows(selected, sizes, n_most, np.random.RandomState(3))
    total = int(sizes.sum())
    assert drawn.n_drawn == (total if n_most is None else min(n_most, total))
    found = np.full(drawn.n_drawn, -1)
    for number in np.unique(selected.runs):
        wanted = drawn.of_run(number)
        for step in range(wanted.n_steps):
            for where, places in wanted.at(step):
                assert (found[where] == -1).all()
                found[where] = 1000 * selected.indices[0] + step
                assert len(places) == where.stop - where.start
                assert (np.diff(places) > 0).all()
                assert 0 <= places.min() <= places.max() < sizes.max() + 1
    assert (found >= 0).all()


def test_predictions_are_those_of_the_row_that_is_said(trace):
    selected = trace[[3, 1, 2]]
    drawn = DrawnRows(selected, np.array([2, 0, 3]), None, None)
    assert [drawn.drawn_of(row)[1].tolist() for row in range(3)] == [[0, 1], [], [0, 1, 2]]
    wanted = drawn.of_run(0)
    assert [[(w.start, w.stop) for w, _ in wanted.at(step)] for step in range(wanted.n_steps)] == [
        [],
        [],
        [(2, 5)],
        [(0, 2)],
    ]
