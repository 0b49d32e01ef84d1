"""A sample of predictions: each one that was drawn is found once, at its own step."""

import numpy as np
import pytest
from helpers.data import classes

from sklearn_metabp import SGD, BackpropMLPClassifier, TraceRecorder
from sklearn_metabp.tracing.prediction_sample import PredictionSample


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
@pytest.mark.parametrize("steps", [slice(None), [5, 30, 5, 2, 39, 0], slice(25, 40)], ids=str)
def test_every_drawn_prediction_is_found_once_in_its_own_step(trace, steps, n_most):
    selected = trace[steps]
    sizes = np.arange(len(selected)) % 4
    sample = PredictionSample(selected, sizes, n_most, np.random.RandomState(3))
    total = int(sizes.sum())
    assert len(sample) == (total if n_most is None else min(n_most, total))
    found = np.full(len(sample), -1)
    for run in np.unique(selected.runs):
        for step, drawn in sample.steps(run):
            assert drawn
            for where, places in drawn:
                assert (found[where] == -1).all()
                found[where] = run * 1000 + step.index
                assert len(places) == where.stop - where.start
                assert (np.diff(places) > 0).all()
                assert 0 <= places.min() <= places.max() < sizes.max() + 1
    of_every_prediction = np.repeat(selected.runs * 1000 + selected.indices, sizes)
    if n_most is None:
        assert found.tolist() == of_every_prediction.tolist()
    assert np.isin(found, of_every_prediction).all()


def test_predictions_are_those_of_their_step(trace):
    sample = PredictionSample(trace[[3, 1, 2]], np.array([2, 0, 3]), None, None)
    found = [
        (step.index, where.start, where.stop, places.tolist())
        for step, drawn in sample.steps(0)
        for where, places in drawn
    ]
    assert found == [(3, 2, 5, [0, 1, 2]), (4, 0, 2, [0, 1])]


def test_other_steps_come_without_predictions_up_to_the_last_that_has_some(trace):
    sample = PredictionSample(trace[[3, 1, 3]], np.array([2, 1, 1]), None, None)
    found = [(step.index, len(drawn)) for step, drawn in sample.steps(0, with_others=True)]
    assert found == [(1, 0), (2, 1), (3, 0), (4, 2)]
    assert list(sample.steps(1)) == []


@pytest.mark.parametrize("where", ["memory", "copied", "disk"])
def test_steps_of_a_trace_are_those_of_its_arrays(where, tmp_path):
    X, y = classes("multiclass", n=50)
    path = tmp_path / "trace" if where == "disk" else None
    recorder = TraceRecorder("all", path=path, every=3)
    rule = SGD(0.1, schedule="adaptive") if where == "copied" else SGD(0.1)
    model = BackpropMLPClassifier(
        (3,), batch_size=10, max_iter=4, n_iter_no_change=np.inf, update_rule=rule, random_state=0
    )
    model.set_callbacks(recorder).fit(X, y)
    trace = recorder.trace_[[4, 0, 4, 2]]
    seen = [(places, step.index) for places, step in trace.iter_steps(0)]
    assert seen == [([1], 1), ([3], 7), ([0, 2], 13)]
    for places, step in trace.iter_steps(0):
        np.testing.assert_array_equal(trace.params[places[-1]], step.params)
        np.testing.assert_array_equal(trace.deltas[0][places[-1]], step.deltas[0])
    known = [step.index for _, step in trace.iter_steps(0, with_others=True)]
    assert known == (list(range(1, 14)) if where == "memory" else [1, 4, 7, 10, 13])


def test_blas_has_its_threads_back_when_enough_steps_were_seen(trace):
    from sklearn_metabp._kernels.threads import _one_blas_thread

    for _, step in trace.iter_steps(0):
        assert step.index == 1
        assert _one_blas_thread._n_users == 1
        break
    assert _one_blas_thread._n_users == 0
