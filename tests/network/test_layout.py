import numpy as np
import pytest

from sklearn_metabp.network import ParameterLayout


def test_tensors_of_a_small_network_lie_where_written_down():
    layout = ParameterLayout((2, 3, 1))
    assert layout.n_params == 2 * 3 + 3 * 1 + 3 + 1
    assert layout.n_weights == 9
    assert [tensor[:5] for tensor in layout.tensors] == [
        ("coefs_[0]", 0, False, slice(0, 6), (2, 3)),
        ("coefs_[1]", 1, False, slice(6, 9), (3, 1)),
        ("intercepts_[0]", 0, True, slice(9, 12), (3,)),
        ("intercepts_[1]", 1, True, slice(12, 13), (1,)),
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
    with pytest.raises(ValueError, match="two layers or more"):
        ParameterLayout(layer_sizes)


def test_tensors_of_other_shapes_are_refused():
    layout = ParameterLayout((2, 3))
    with pytest.raises(ValueError, match=r"must have the shapes \[\(2, 3\), \(3,\)\], got"):
        layout.flatten([np.zeros((3, 2))], [np.zeros(3)])


def test_layouts_are_equal_by_value():
    assert ParameterLayout((2, 3)) == ParameterLayout([np.int64(2), 3], "float64")
    assert ParameterLayout((2, 3)) != ParameterLayout((2, 3), np.float32)
    assert len({ParameterLayout((2, 3)), ParameterLayout((2, 3)), ParameterLayout((3, 2))}) == 2
