import pickle

import numpy as np
import pytest

from sklearn_metabp.network import Extra, ParameterLayout, Role, glorot_uniform


def test_tensors_of_a_small_network_lie_where_written_down():
    layout = ParameterLayout((2, 3, 1))
    assert layout.n_params == 2 * 3 + 3 * 1 + 3 + 1
    assert layout.n_weights == 9
    assert [tensor[:5] for tensor in layout.tensors] == [
        ("coefs_[0]", 0, Role.WEIGHTS, slice(0, 6), (2, 3)),
        ("coefs_[1]", 1, Role.WEIGHTS, slice(6, 9), (3, 1)),
        ("intercepts_[0]", 0, Role.BIASES, slice(9, 12), (3,)),
        ("intercepts_[1]", 1, Role.BIASES, slice(12, 13), (1,)),
    ]
    coefs, intercepts = layout.coefs(np.arange(13.0)), layout.intercepts(np.arange(13.0))
    np.testing.assert_array_equal(coefs[0], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(coefs[1], [[6], [7], [8]])
    np.testing.assert_array_equal(intercepts[0], [9, 10, 11])
    np.testing.assert_array_equal(intercepts[1], [12])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("layer_sizes", [(1, 1), (4, 3), (3, 5, 2), (2, 3, 4, 5)])
def test_flatten_undoes_the_views(layer_sizes, dtype):
    layout = ParameterLayout(layer_sizes, dtype)
    flat = np.arange(layout.n_params, dtype=dtype)
    coefs, intercepts = layout.coefs(flat), layout.intercepts(flat)
    assert all(np.shares_memory(view, flat) for view in (*coefs, *intercepts))
    again = layout.flatten(coefs, intercepts)
    np.testing.assert_array_equal(again, flat)
    assert again.dtype == layout.zeros().dtype == dtype
    assert not np.shares_memory(again, flat)


@pytest.mark.parametrize("layer_sizes", [(), (3,), (3, 0), (0, 2), (3, -1, 2)])
def test_sizes_that_make_no_network_are_refused(layer_sizes):
    with pytest.raises(ValueError, match="at least two layers"):
        ParameterLayout(layer_sizes)


def test_tensors_of_other_shapes_are_refused():
    layout = ParameterLayout((2, 3))
    with pytest.raises(ValueError, match=r"must have the shapes \[\(2, 3\), \(3,\)\], got"):
        layout.flatten([np.zeros((3, 2))], [np.zeros(3)])


def test_layouts_are_equal_by_value():
    assert ParameterLayout((2, 3)) == ParameterLayout([np.int64(2), 3], "float64")
    assert ParameterLayout((2, 3)) != ParameterLayout((2, 3), np.float32)
    assert len({ParameterLayout((2, 3)), ParameterLayout((2, 3)), ParameterLayout((3, 2))}) == 2


SCALES, MIXES = Extra("scales_", 0, (2,)), Extra("mixes_[0]", 0, (3, 2))


def test_extras_come_after_the_biases():
    layout = ParameterLayout((2, 3, 1), extras=(SCALES, MIXES))
    assert (layout.n_weights, layout.n_biases, layout.n_params) == (9, 4, 13 + 2 + 6)
    assert [tensor[:5] for tensor in layout.tensors[4:]] == [
        ("scales_", 0, Role.EXTRA, slice(13, 15), (2,)),
        ("mixes_[0]", 0, Role.EXTRA, slice(15, 21), (3, 2)),
    ]
    roles = [(t.is_weights, t.is_bias, t.is_extra) for t in layout.tensors[1:6:2]]
    assert roles == [(True, False, False), (False, True, False), (False, False, True)]
    flat = np.arange(21.0)
    assert [view[-1] for view in layout.intercepts(flat)] == [11, 12]
    extras = layout.extras_of(flat)
    np.testing.assert_array_equal(extras["scales_"], [13, 14])
    np.testing.assert_array_equal(extras["mixes_[0]"], [[15, 16], [17, 18], [19, 20]])
    assert all(np.shares_memory(view, flat) for view in extras.values())
    again = layout.flatten(layout.coefs(flat), layout.intercepts(flat), extras)
    np.testing.assert_array_equal(again, flat)
    dense = layout.dense
    assert dense == ParameterLayout((2, 3, 1))
    assert dense.dense is dense
    assert glorot_uniform(dense, ("relu",), np.random.RandomState(0)).shape == (13,)


def test_a_layout_with_extras_is_pickled_and_compared():
    layout = ParameterLayout((2, 3), np.float32, extras=[("scales_", np.int64(0), [np.int64(2)])])
    assert layout == ParameterLayout((2, 3), np.float32, extras=(SCALES,))
    assert layout != ParameterLayout((2, 3), np.float32)
    assert pickle.loads(pickle.dumps(layout)) == layout
    assert hash(layout) == hash(pickle.loads(pickle.dumps(layout)))


@pytest.mark.parametrize(
    ("extras", "message"),
    [
        ([("scales", 0, (2,))], "ends in an underscore"),
        ([("coefs_[7]", 0, (2,))], "ends in an underscore"),
        ([("scales_", 2, (2,))], "layer from 0 to 1"),
        ([("scales_", -1, (2,))], "layer from 0 to 1"),
        ([("scales_", 0, ())], "shape of one number"),
        ([("scales_", 0, (0,))], "shape of one number"),
        ([SCALES, SCALES], "must have different names"),
    ],
    ids=["name", "taken name", "layer", "negative layer", "no shape", "empty", "twice"],
)
def test_extras_without_a_place_are_refused(extras, message):
    with pytest.raises(ValueError, match=message):
        ParameterLayout((2, 3, 1), extras=extras)


def test_missing_extras_are_refused():
    layout = ParameterLayout((2, 3), extras=(SCALES,))
    with pytest.raises(ValueError, match=r"extras must be \['scales_'\], got \[\]"):
        layout.flatten([np.zeros((2, 3))], [np.zeros(3)])
    with pytest.raises(ValueError, match="scales_"):
        _ = layout.table
