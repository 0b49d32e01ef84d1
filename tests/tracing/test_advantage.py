"""Weights by what runs achieved, against numbers worked by hand on hand-made runs."""

import numpy as np
import pytest

from sklearn_metabp import SGD, BackpropMLPRegressor, Trace, TraceRecorder
from sklearn_metabp.network import Network, ParameterLayout
from sklearn_metabp.tracing.run import RecordedSteps, Run

NETWORK = Network(ParameterLayout((1, 1)), (), "identity", "squared_error")


class HandMade(Run):
    """A run of given losses: epochs of two steps, of 3 patterns and of 1."""

    is_whole = True
    variables = ()
    max_patterns, dtype, task, adds_updates = 3, np.dtype(float), None, True

    def __init__(self, losses, network=NETWORK):
        self.network, n = network, len(losses)
        self.recorded_steps = RecordedSteps(1)
        self.scalars = {
            "indices": np.arange(1, n + 1),
            "epochs": np.arange(n) // 2,
            "n_patterns": np.tile([3, 1], n)[:n],
            "losses": np.array(losses, float),
        }

    def fill(self, name, positions, arrays, places):
        raise NotImplementedError

    def steps(self, *, recorded_only=False, n_steps=None):
        raise NotImplementedError


# Means of epochs, (3 a + b) / 4: 4, 2, 1; 4, 3, 2; 4, 4, 4.
FAST, MIDDLE, SLOW = [4, 4, 2, 2, 1, 1], [4, 4, 3, 3, 1, 5], [4, 4, 5, 1, 4, 4]


def test_a_whole_run_is_weighed_by_its_last_epoch_over_the_median():
    trace = Trace([HandMade(FAST), HandMade(MIDDLE), HandMade(SLOW)])
    np.testing.assert_allclose(trace.advantage(), np.repeat([2, 1, 0.5], 6), rtol=1e-7)
    sharp = trace.advantage(temperature=0.5)
    np.testing.assert_allclose(sharp, np.repeat([4, 1, 0.25], 6), rtol=1e-7)
    np.testing.assert_allclose(
        trace.advantage(temperature=0.5, max_weight=3), np.repeat([3, 1, 0.25], 6), rtol=1e-7
    )


def test_a_step_is_weighed_by_what_it_brings_within_the_horizon():
    """Decrease of the log loss in one epoch, over its median: 2, 2, 1; 4/3, 3/2, 1; 1, 1, 1."""
    trace = Trace([HandMade(FAST), HandMade(MIDDLE), HandMade(SLOW)])
    by_hand = [
        *(2 / (4 / 3), 2 / (3 / 2), 1),
        *(1, 1, 1),
        *(1 / (4 / 3), 1 / (3 / 2), 1),
    ]
    weights = trace.advantage(horizon=1)
    np.testing.assert_allclose(weights, np.repeat(by_hand, 2), rtol=1e-7)
    # Two epochs: 4, 2, 1; 2, 3/2, 1; 1, 1, 1.
    by_hand = [*(2, 2 / 1.5, 1), *(1, 1, 1), *(0.5, 1 / 1.5, 1)]
    for horizon in (2, 50):
        weights = trace.advantage(horizon=horizon)
        np.testing.assert_allclose(weights, np.repeat(by_hand, 2), rtol=1e-7)


def test_runs_are_compared_within_their_task():
    runs = [HandMade(FAST), HandMade(np.multiply(100, FAST)), HandMade(MIDDLE), HandMade(SLOW)]
    trace = Trace(runs)
    weights = trace.advantage(["a", "b", "a", "a"])
    np.testing.assert_allclose(weights, np.repeat([2, 1, 1, 0.5], 6), rtol=1e-6)


def test_runs_of_several_lengths_are_compared_at_the_epochs_that_they_have():
    trace = Trace([HandMade(FAST), HandMade(MIDDLE[:4])])
    np.testing.assert_allclose(  # one epoch on, the median of two is their mean: log 2, log 4/3
        trace.advantage(horizon=1),
        np.repeat([*(np.sqrt(1.5), 1, 1), *(np.sqrt(1 / 1.5), 0.5**0.5)], 2)[: len(trace)]
        * np.repeat([1, np.sqrt(2), 1, 1, 1], 2),
        rtol=1e-7,
    )


def test_given_losses_take_the_place_of_those_of_the_training():
    trace = Trace([HandMade(FAST), HandMade(MIDDLE), HandMade(SLOW)])
    weights = trace.advantage(losses=[3.0, 1.5, np.inf])
    root = np.sqrt(2)
    np.testing.assert_allclose(weights, np.repeat([1 / root, root, 0], 6), rtol=1e-7)


def test_a_run_that_blows_up_has_no_weight_and_does_not_change_those_of_the_others():
    runs = [HandMade(FAST), HandMade(MIDDLE), HandMade(SLOW)]
    wild = HandMade([4, 4, 9, 9, np.inf, np.nan])
    with_it = Trace([*runs, wild]).advantage()
    np.testing.assert_allclose(with_it[:18], Trace(runs).advantage())
    np.testing.assert_array_equal(with_it[18:], 0)


def test_selected_steps_have_the_weights_that_they_have_among_all():
    trace = Trace([HandMade(FAST), HandMade(MIDDLE), HandMade(SLOW)])
    chosen = np.array([17, 3, 3, 8])
    for horizon in (None, 1):
        np.testing.assert_allclose(
            trace[chosen].advantage(horizon=horizon), trace.advantage(horizon=horizon)[chosen]
        )
    two = trace[trace.runs < 2].advantage()  # and a run without steps is not compared
    np.testing.assert_allclose(two, np.repeat([np.sqrt(2), 1 / np.sqrt(2)], 6), rtol=1e-7)
    assert trace[:0].advantage().shape == (0,)


def test_the_last_epoch_of_a_recorded_training_is_its_loss():
    X = np.random.default_rng(0).standard_normal((25, 2))
    recorder, losses = TraceRecorder(), []
    for rate in (0.01, 0.05, 0.1):
        network = BackpropMLPRegressor((3,), update_rule=SGD(rate), batch_size=10, max_iter=5)
        network.set_params(n_iter_no_change=np.inf, random_state=0)
        network.set_callbacks(recorder).fit(X, X[:, 0])
        losses.append(network.loss_)
    trace = recorder.trace_
    expected = np.median(losses) / np.array(losses)
    np.testing.assert_allclose(trace.advantage(), np.repeat(expected, 15), rtol=1e-5)


def test_joined_traces_are_the_sum():
    traces = [Trace([HandMade(one)]) for one in (FAST, MIDDLE, SLOW)]
    joined, summed = Trace.concatenate(traces), traces[0] + traces[1] + traces[2]
    np.testing.assert_array_equal(joined.runs, summed.runs)
    np.testing.assert_array_equal(joined.losses, summed.losses)
    np.testing.assert_array_equal(joined.losses, np.concatenate([FAST, MIDDLE, SLOW]))
    np.testing.assert_array_equal(joined.advantage(), summed.advantage())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"horizon": 0}, "horizon must be an integer of 1 or more or None, got 0"),
        ({"horizon": 1, "losses": [1, 1]}, "pass losses or horizon, not both"),
        ({"temperature": 0.0}, "temperature must be a number greater than 0"),
        ({"max_weight": np.nan}, "max_weight must be a number greater than 0"),
        ({"tasks": [0]}, "tasks must have one value for each of the 2 runs"),
        ({"losses": [[1.0, 2.0]]}, "losses must have one value for each of the 2 runs"),
        ({"losses": [1.0, np.nan]}, "losses must be 0 or more, or infinite"),
    ],
)
def test_bad_arguments_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        Trace([HandMade(FAST), HandMade(SLOW)]).advantage(**params)


def test_runs_of_several_networks_need_their_tasks():
    other = Network(ParameterLayout((2, 1)), (), "identity", "squared_error")
    trace = Trace([HandMade(FAST), HandMade(SLOW, other)])
    with pytest.raises(ValueError, match=r"runs of several networks.*pass the task"):
        trace.advantage()
    np.testing.assert_array_equal(trace.advantage([0, 1]), 1)
