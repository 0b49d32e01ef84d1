"""Rows of traces, runs, and scikit-learn's splitters on them."""

import numpy as np
import pytest
from helpers.data import classes
from sklearn.model_selection import GroupKFold

from sklearn_metabp import BackpropMLPClassifier, Trace, TraceRecorder


def record(*hidden_layer_sizes, variables="default", max_iter=3):
    X, y = classes("multiclass", seed=len(hidden_layer_sizes))
    recorder = TraceRecorder(variables)
    for seed, sizes in enumerate(hidden_layer_sizes):
        model = BackpropMLPClassifier(
            sizes, batch_size=25, max_iter=max_iter, n_iter_no_change=np.inf
        )
        model.set_params(random_state=seed).set_callbacks(recorder).fit(X, y)
    return recorder.trace_


@pytest.mark.parametrize(
    "key",
    [slice(2, 7), [5, 0, 5], np.arange(9) % 2 == 0, np.array([8]), slice(None, None, -1)],
    ids=str,
)
def test_rows_are_selected_as_those_of_an_array(key):
    trace = record((4,))
    assert len(trace) == 9
    for name in ("params", "updates", "gradients", "losses", "indices", "runs"):
        np.testing.assert_array_equal(getattr(trace[key], name), getattr(trace, name)[key])


def test_an_integer_selects_one_row_and_columns_are_refused():
    trace = record((4,))
    np.testing.assert_array_equal(trace[-1].params, trace.params[-1:])
    assert repr(trace[-1]) == "Trace of 1 step in 1 run: 4-4-3"
    with pytest.raises(IndexError, match="indexed by steps alone"):
        trace[:, 2]
    with pytest.raises(IndexError):
        trace[9]


def test_runs_of_one_architecture_are_stacked():
    trace = record((4,), (4,), (4,))
    assert trace.params.shape == (27, 4 * 4 + 4 * 3 + 4 + 3)
    for number in range(3):
        np.testing.assert_array_equal(trace.run(number).params, trace.params[trace.runs == number])
    with pytest.raises(IndexError, match="runs 0 to 2, not 3"):
        trace.run(3)


def test_runs_of_several_architectures_are_read_one_by_one():
    trace = record((4,), (5, 2), variables="all")
    assert [trace.run(i).params.shape for i in (0, 1)] == [(9, 35), (9, 46)]
    for name in ("params", "deltas"):
        with pytest.raises(ValueError, match=r"several architectures.*trace\.run\(number\)\."):
            getattr(trace, name)
    assert trace.losses.shape == (18,)
    assert repr(trace) == "Trace of 18 steps in 2 runs: 4-4-3, 4-5-2-3"


def test_joined_traces_renumber_their_runs_and_join_parts_of_one_run():
    first, second = record((4,)), record((4,), (4,))
    both = first + second
    assert sorted(set(both.runs)) == [0, 1, 2]
    np.testing.assert_array_equal(both.params, np.vstack([first.params, second.params]))
    again = Trace.concatenate([first[:3], first[3:]])
    assert set(again.runs) == {0}
    np.testing.assert_array_equal(again.params, first.params)
    with pytest.raises(TypeError):
        first + 1


def test_a_run_on_disk_is_the_same_whenever_it_was_opened(tmp_path):
    record((4,), (5,)).save(tmp_path / "trace")
    again = Trace.open(tmp_path / "trace")[:4] + Trace.open(tmp_path / "trace")[4:]
    assert again.runs.tolist() == [0] * 9 + [1] * 9
    assert again.steps_in_run.tolist() == [*range(9)] * 2
    record((4,)).save(tmp_path / "other")
    assert len((again + Trace.open(tmp_path / "other")).layouts) == 3


def test_a_run_that_grew_between_two_openings_is_one_run_with_all_its_steps(tmp_path):
    X, y = classes("binary", seed=1)
    recorder = TraceRecorder(path=tmp_path)
    model = BackpropMLPClassifier((3,), max_iter=3, n_iter_no_change=np.inf, warm_start=True)
    before = model.set_callbacks(recorder).fit(X, y) and recorder.trace_
    after = model.fit(X, y) and recorder.trace_
    for both in (before + after[3:], after[3:] + before):
        assert both.runs.tolist() == [0] * 6
        assert sorted(both.indices) == [1, 2, 3, 4, 5, 6]


def test_only_traces_are_joined():
    recorder = TraceRecorder()
    with pytest.raises(
        TypeError, match=r"joins traces, got TraceRecorder.* among them: pass its trace_\."
    ):
        Trace.concatenate([record((3,)), recorder])
    with pytest.raises(TypeError, match="joins traces, got 1 among them"):
        Trace.concatenate([1, 2])


def test_shape_counts_rows_and_variables():
    assert record((4,)).shape == (9, 4)
    assert record((4,), variables=["loss", "deltas"]).shape == (9, 2)


def test_the_error_for_a_variable_that_was_not_recorded_says_how_to_record_it():
    trace = record((4,), variables=["loss"])
    for name in ("params", "deltas", "updates"):
        with pytest.raises(AttributeError, match=rf"has no {name}.*\[\.\.\., '{name}'\]"):
            getattr(trace, name)


def test_group_k_fold_keeps_runs_together():
    trace = record((4,), (5,), (6,), (7,))
    for train, test in GroupKFold(4).split(trace, groups=trace.runs):
        assert len(set(trace[test].runs)) == 1
        assert not set(trace[test].runs) & set(trace[train].runs)


def test_an_unknown_scope_is_named():
    with pytest.raises(ValueError, match=r"scope must be one of \[.*'link', .*\], got 'synapse'"):
        record((4,)).features("synapse")


def test_unknown_inputs_are_errors_that_name_them():
    with pytest.raises(ValueError, match="inputs must be a list of names or None, got 3"):
        record((4,)).features("link", 3)


def test_no_rows_are_an_empty_selection():
    for rows in ([], slice(0)):
        none = record((4,))[rows]
        assert len(none) == 0
        assert none.losses.shape == (0,)
        assert repr(none) == "Trace of 0 steps in 0 runs"
