"""Layouts with recurrent tensors, their starts, and networks over sequences."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_metabp.network import (
    INITIALIZERS,
    ParameterLayout,
    RecurrentNetwork,
    Role,
    TrainingRows,
    constant_biases,
    constant_loss,
)

CELLS = ("elman", "gru")


def test_tensors_of_an_elman_network_lie_where_written_down():
    layout = ParameterLayout((2, 3, 1), cell="elman")
    assert [tuple(tensor) for tensor in layout.tensors] == [
        ("coefs_[0]", 0, Role.WEIGHTS, slice(0, 6), (2, 3), 0, 0, False),
        ("coefs_[1]", 0, Role.WEIGHTS, slice(6, 15), (3, 3), 2, 0, True),
        ("coefs_[2]", 1, Role.WEIGHTS, slice(15, 18), (3, 1), 5, 3, False),
        ("intercepts_[0]", 0, Role.BIASES, slice(18, 21), (3,), 0, 0, False),
        ("intercepts_[1]", 1, Role.BIASES, slice(21, 22), (1,), 2, 3, False),
    ]
    assert (layout.n_params, layout.n_weights) == (22, 18)
    assert layout.received_widths == (5, 3)
    assert layout.net_input_widths == (3, 1)


def test_a_gru_has_net_inputs_of_both_products():
    layout = ParameterLayout((2, 3, 1), cell="gru")
    assert [tensor.shape for tensor in layout.tensors] == [(2, 9), (3, 9), (3, 1), (9,), (9,), (1,)]
    assert [tensor.target for tensor in layout.tensors] == [0, 9, 18, 0, 9, 18]
    assert layout.net_input_widths == (18, 1)
    assert layout.n_weights == 18 + 27 + 3


def test_the_table_of_a_feedforward_layout_says_what_sizes_say():
    assert_array_equal(
        ParameterLayout((4, 3, 2)).table,
        [
            # rows, columns, layer, is_bias, source, target, fan_in
            [4, 3, 0, 0, 0, 0, 4],
            [3, 2, 1, 0, 4, 3, 3],
            [1, 3, 0, 1, 0, 0, 4],
            [1, 2, 1, 1, 4, 3, 3],
        ],
    )


@pytest.mark.parametrize("cell", CELLS)
def test_a_layout_survives_a_pickle(cell):
    layout = ParameterLayout((2, 3, 1), np.float32, cell)
    again = pickle.loads(pickle.dumps(layout))
    assert again == layout
    assert again != ParameterLayout((2, 3, 1), np.float32)
    flat = np.arange(layout.n_params, dtype=np.float32)
    assert_array_equal(layout.flatten(layout.coefs(flat), layout.intercepts(flat)), flat)


@pytest.mark.parametrize(("sizes", "cell"), [((2, 3), "elman"), ((2, 3, 1), "lstm")])
def test_layouts_that_make_no_recurrent_network_are_refused(sizes, cell):
    with pytest.raises(ValueError, match="a recurrent layout has a cell of"):
        ParameterLayout(sizes, cell=cell)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_every_gate_starts_as_a_matrix_of_its_own(name):
    layout = ParameterLayout((40, 50, 30), cell="gru")
    params = INITIALIZERS[name](layout, ("tanh",), np.random.RandomState(0))
    W, R, _ = layout.coefs(params)
    for gates, fan_in in ((W, 40), (R, 50)):
        for gate in np.split(gates, 3, axis=1):
            if name == "orthogonal":
                assert_allclose(gate @ gate.T, np.eye(fan_in), atol=1e-12)
                continue
            variance = {"glorot": 2 / (fan_in + 50), "he": 2 / fan_in, "lecun": 1 / fan_in}
            variance["data"] = variance["lecun"]
            assert gate.var() == pytest.approx(variance[name.split("_")[0]], rel=0.1)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("every_step", [False, True])
def test_outputs_of_many_sequences_are_those_of_each_alone(cell, every_step):
    rng = np.random.default_rng(0)
    layout = ParameterLayout((2, 5, 3), cell=cell)
    network = RecurrentNetwork(
        layout, ("tanh",), "identity", "squared_error", every_step=every_step
    )
    params = rng.normal(size=layout.n_params)
    X = rng.normal(size=(40, 700, 2))  # more time steps than go forward at once
    lengths = rng.integers(1, 701, 40)
    for row, length in zip(X, lengths, strict=True):
        row[length:] = np.nan
    outputs = network.outputs(params, X)
    for i in (0, 17, 39):
        alone = network.outputs(params, X[i : i + 1, : lengths[i]])
        if every_step:
            assert outputs[i].mask[:, 0].sum() == 700 - lengths[i]
            assert_allclose(outputs[i, : lengths[i]], alone[0], rtol=1e-12)
        else:
            assert_allclose(outputs[i], alone[0], rtol=1e-12)


def test_the_best_constant_weighs_sequences_and_not_time_steps():
    targets = np.array([[[1.0], [2.0], [3.0]], [[8.0], [np.nan], [np.nan]]])
    layout = ParameterLayout((1, 2, 1), cell="elman")
    network = RecurrentNetwork(layout, ("tanh",), "identity", "squared_error", every_step=True)
    assert_allclose(constant_biases(network, targets), [5.0])
    assert_allclose(constant_biases(network, targets, np.array([3.0, 1.0])), [3.5])
    expected = 0.5 * np.mean([np.mean([16.0, 9.0, 4.0]), 9.0])
    assert constant_loss(network, targets) == pytest.approx(expected)


def test_patterns_of_rows_are_time_steps():
    X = np.ones((3, 4, 2))
    X[0, 1:] = np.nan
    assert TrainingRows(X, np.zeros((3, 1)), None, None).n_patterns == 9
    assert TrainingRows(np.ones((3, 4)), np.zeros((3, 1)), None, None).n_patterns == 3


def test_functions_that_do_not_go_with_a_cell_are_refused():
    gru = ParameterLayout((1, 2, 1), cell="gru")
    with pytest.raises(ValueError, match="the cell 'gru' has the activation 'tanh'"):
        RecurrentNetwork(gru, ("relu",), "identity", "squared_error")
    with pytest.raises(ValueError, match="needs a layout with a cell"):
        RecurrentNetwork(ParameterLayout((1, 2, 1)), ("tanh",), "identity", "squared_error")
    with pytest.raises(ValueError):
        RecurrentNetwork(gru, ("tanh",), "identity", "log_loss")
