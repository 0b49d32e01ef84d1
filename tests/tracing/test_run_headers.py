"""Headers of chunks: written, read, and refused where they are impossible."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sklearn_metabp.network import Network, ParameterLayout, RecurrentNetwork
from sklearn_metabp.tracing.chunks import RunHeader
from sklearn_metabp.tracing.tasks import Task

LAYOUT = ParameterLayout((4, 3, 2, 5), np.float32)
NETWORKS = [
    Network(LAYOUT, ("relu", "gelu"), "softmax", "log_loss", 0.5, 0.25, (2, 3)),
    Network(LAYOUT, ("elu", "softplus"), "exp", "poisson"),
    Network(ParameterLayout((2, 1)), (), "identity", "huber", dropout=0.1),
    Network(ParameterLayout((2, 1)), (), "identity", "huber", input_noise=0.5),
    RecurrentNetwork(
        ParameterLayout((2, 3, 5), np.float32, "gru"),
        ("tanh",),
        "softmax",
        "log_loss",
        out_groups=(2, 3),
        every_step=True,
        bptt_steps=7,
    ),
    RecurrentNetwork(ParameterLayout((2, 3, 1), cell="elman"), ("gelu",), "identity", "huber"),
]


def header(network):
    variables = "params", "loss", "deltas"
    return RunHeader(network, variables, 2, 7, np.dtype(np.float32), True, "0f" * 16)


def header_without_patterns():
    return RunHeader(
        NETWORKS[0], ("params", "loss"), 2, None, np.dtype(np.float32), False, "a" * 32
    )


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_a_header_is_read_as_it_was_written(network):
    written = json.loads(json.dumps(header(network).to_json()))
    assert RunHeader.from_json(written) == header(network)


def test_a_header_without_noise_is_of_an_earlier_version():
    written = json.loads(json.dumps(header(NETWORKS[0]).to_json()))
    del written["input_noise"]
    assert RunHeader.from_json(written) == header(NETWORKS[0])


def test_a_run_without_pattern_variables_reserves_no_memory_for_patterns():
    written = json.loads(json.dumps(header_without_patterns().to_json()))
    assert RunHeader.from_json(written) == header_without_patterns()
    with pytest.raises(ValueError, match="max_patterns must be null"):
        RunHeader.from_json(written | {"max_patterns": 7})


FORGED = [
    ({"recurrence": "gru"}, "recurrence is no cell"),
    ({"recurrence": {"cell": "gru"}}, "recurrence is no cell"),
    (
        {"recurrence": {"cell": "lstm", "every_step": True, "bptt_steps": None}},
        "cell is none of",
    ),
    (
        {"recurrence": {"cell": "gru", "every_step": 1, "bptt_steps": None}},
        "every_step is neither true nor false",
    ),
    (
        {"recurrence": {"cell": "gru", "every_step": True, "bptt_steps": 0}},
        "bptt_steps must be integers from 1",
    ),
    (
        {"recurrence": {"cell": "gru", "every_step": True, "bptt_steps": 3}},
        "a recurrent layout has a cell of",
    ),
    ({"activations": "relu"}, "activations are not a list of names"),
    ({"activations": ["relu", 3]}, "activations are not a list of names"),
    ({"activations": ["relu"]}, "one name per hidden layer"),
    ({"activations": ["relu"] * 50_000}, "one name per hidden layer"),
    ({"activations": ["relu", "sine"]}, "unknown activation function 'sine'"),
    ({"activations": ["relu", "softmax"]}, "unknown activation function 'softmax'"),
    ({"out_activation": "relu"}, "out_activation is none of"),
    ({"out_activation": "tanh"}, "needs probabilities"),
    ({"loss": "poisson"}, "out_activation must be 'exp'"),
    ({"alpha": -1.0}, "alpha is not a number of 0 or more"),
    ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
    ({"dropout": -0.5}, "dropout is not a number of 0 or more"),
    ({"dropout": float("nan")}, "dropout is not a number"),
    ({"dropout": "0"}, "dropout is not a number"),
    ({"dropout": None}, "dropout is not a number"),
    ({"input_noise": -0.5}, "input_noise is not a number of 0 or more"),
    ({"out_groups": [2, 2]}, "add up to the 5 outputs"),
    ({"out_groups": []}, "add up to the 5 outputs"),
    ({"out_groups": [5.0]}, "out_groups must be integers from 1 to 5"),
    ({"out_groups": [2**70]}, "out_groups must be integers from 1 to 5"),
    ({"out_groups": [0, 5]}, "out_groups must be integers from 1 to 5"),
    ({"out_groups": [True, 4]}, "out_groups must be integers"),
    ({"out_groups": [1] * 6}, "out_groups are not those of the outputs"),
    ({"out_groups": "23"}, "out_groups are not those of the outputs"),
    ({"activation": "relu"}, "its header has"),
    ({"run_id": "0f"}, "run_id is not 32 hexadecimal digits"),
    ({"run_id": 7}, "run_id is not 32 hexadecimal digits"),
    ({"adds_updates": 1}, "adds_updates is neither true nor false"),
    ({"max_patterns": None}, "max_patterns must be integers from 1"),
    ({"max_patterns": 0}, "max_patterns must be integers from 1"),
    ({"variables": "loss"}, "variables are not a list of names"),
    ({"variables": []}, "variables are not a list of names"),
    ({"variables": ["loss", 3]}, "variables are not a list of names"),
    ({"variables": ["deltas", "deltas"]}, "a variable is named twice"),
    ({"variables": ["deltas", "momentum"]}, "variables are not names from"),
    ({"variables": ["deltas", "index"]}, "variables are not names from"),
    ({"task": "fit"}, "task is no path and ids"),
    ({"task": {"path": "fit"}}, "task is no path and ids"),
    ({"task": {"path": ["fit"], "ids": [0]}}, "task is no path and ids"),
    ({"task": {"path": "fit", "ids": [-1]}}, "the ids of task must be integers from 0"),
    ({"task": {"path": "fit", "ids": [2**70]}}, "the ids of task must be integers from 0"),
    ({"task": {"path": "fit", "ids": [True]}}, "the ids of task must be integers from 0"),
    ({"task": {"path": "fit/search", "ids": [0]}}, "task has not one id for every name"),
]


def test_the_task_of_a_run_may_be_known_or_not():
    known = replace(
        header(NETWORKS[0]), task=Task("fit/search/candidate-split-evaluation", (0, 0, 3))
    )
    assert RunHeader.from_json(json.loads(json.dumps(known.to_json()))) == known
    written = header(NETWORKS[0]).to_json()
    assert RunHeader.from_json(written).task is None
    del written["task"]  # as in files from before
    assert RunHeader.from_json(written) == header(NETWORKS[0])


@pytest.mark.parametrize(("changes", "message"), FORGED, ids=str)
def test_a_forged_header_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        RunHeader.from_json(header(NETWORKS[0]).to_json() | changes)
