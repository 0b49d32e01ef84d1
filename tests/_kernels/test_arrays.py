"""The arrays that compiled loops get, and arrays that change while a kernel has them."""

import numpy as np
import pytest
from helpers.kernels import fallback
from helpers.memory import at_odd_address, read_only, sparse_at_odd_address
from helpers.networks import make_problem
from scipy import sparse

from sklearn_metabp._kernels.arrays import are_readable, are_writable, readable
from sklearn_metabp._kernels.network.rows import check_rows

DTYPES = [np.float64, np.float32]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32, np.intp])
def test_an_array_that_loops_can_read_is_not_copied_and_another_is(dtype):
    array = np.arange(12, dtype=dtype).reshape(3, 4)
    assert readable(array) is array
    assert np.shares_memory(readable(read_only(array)), array)
    for other in (
        at_odd_address(array),
        array[:, ::2],
        array.T,
        array.astype(array.dtype.newbyteorder()),
    ):
        copy = readable(other, dtype)
        np.testing.assert_array_equal(copy, other)
        assert copy.flags.aligned and copy.flags.c_contiguous and copy.dtype.isnative


def test_arrays_are_readable_or_writable_as_they_lie():
    array = np.zeros(6)
    assert are_readable([array, read_only(array)], float)
    assert are_writable([array], float)
    assert not are_writable([array, read_only(array)], float)
    for other in (at_odd_address(array), array[::2], array.astype(">f8"), array.astype(np.float32)):
        assert not are_readable([array, other], float)
    assert not are_readable([np.zeros(3, int)], np.dtype(int))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows_as", [at_odd_address, sparse_at_odd_address])
def test_rows_that_loops_get_are_aligned(rows_as, dtype):
    X, targets, weight = np.eye(5, 3, dtype=dtype), np.ones((5, 2), dtype), np.ones(5, dtype)
    rows = check_rows(
        (3, 2), np.dtype(dtype), rows_as(X), at_odd_address(targets), at_odd_address(weight), None
    )
    arrays = [
        *(rows.X if rows_as is sparse_at_odd_address else [rows.X]),
        rows.targets,
        rows.sample_weight,
    ]
    assert all(array.flags.aligned for array in arrays)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("odd", [at_odd_address, sparse_at_odd_address])
def test_rows_at_odd_addresses_train_to_the_same_bits(kernels, odd, ordered, dtype):
    problem = make_problem((6, 4, 2), "tanh", "squared_error", "identity", n=11, density=0.5)
    order = np.random.default_rng(1).permutation(11) if ordered else None
    plain = np.asarray if odd is at_odd_address else sparse.csr_array
    one, other = (
        problem.backprop(kernels, dtype, order=order, rows_as=rows_as) for rows_as in (plain, odd)
    )
    _, X, targets, weight = problem.arrays(dtype)
    other.load(odd(X), at_odd_address(targets), at_odd_address(weight), order)
    assert one.gradients(0, 11) == other.gradients(0, 11)
    np.testing.assert_array_equal(one.gradients_, other.gradients_)
    np.testing.assert_array_equal(one.activations[0], other.activations[0])
    assert other.activations[0].flags.aligned and other.targets.flags.aligned


def make_kernel(kernels, params, gradients, sizes=(3, 2)):
    return kernels.Backprop(sizes, (), "identity", "squared_error", params, gradients, max_batch=5)


@pytest.mark.parametrize("spoil", [at_odd_address, read_only, lambda a: a.astype(">f8")])
def test_gradients_that_cannot_be_written_are_refused(kernels, spoil):
    with pytest.raises(ValueError, match=r"gradients must hold 8 contiguous, aligned values"):
        make_kernel(kernels, np.zeros(8), spoil(np.zeros(8)))


@pytest.mark.parametrize("spoil", [at_odd_address, lambda a: a.astype(">f8")])
def test_parameters_that_cannot_be_read_are_refused(kernels, spoil):
    with pytest.raises(ValueError, match=r"params must hold 8 contiguous, aligned values"):
        make_kernel(kernels, spoil(np.zeros(8)), np.zeros(8))


def test_an_order_at_an_odd_address_is_refused_because_it_may_change(kernels):
    kernel = make_kernel(kernels, np.zeros(8), np.zeros(8))
    with pytest.raises(ValueError, match="order must be flat, aligned, of 5 rows"):
        kernel.load(np.zeros((5, 3)), np.zeros((5, 2)), None, at_odd_address(np.arange(5)))


def test_a_kernel_without_gradients_goes_forward_over_parameters_that_are_read_only(kernels):
    kernel = make_kernel(kernels, read_only(np.ones(8)), None)
    kernel.load(np.ones((5, 3)), np.zeros((5, 2)))
    kernel.forward(0, 5)
    np.testing.assert_array_equal(kernel.layer_outputs[-1], 4)
    assert kernel.summed_loss(0, 5) == 5 * 16
    with pytest.raises(ValueError, match="gradients need an array"):
        kernel.gradients(0, 5)


def sparse_kernel(kernels, order=None, send_back=False):
    sizes = (3, 4, 2) if send_back else (3, 2)
    params = np.ones(26 if send_back else 8)
    kernel = kernels.Backprop(
        sizes,
        ("relu",) * send_back,
        "identity",
        "squared_error",
        params,
        np.zeros_like(params),
        max_batch=3,
    )
    X = sparse.csr_array(np.arange(1.0, 16).reshape(5, 3))
    kernel.load(X, np.ones((5, 2)), np.ones(5), order)
    return kernel, X


@pytest.mark.parametrize("outside", [-1, 3, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("position", range(9))
def test_column_indices_that_come_to_lie_outside_are_an_error(kernels, position, outside):
    kernel, X = sparse_kernel(kernels)
    kernel.gradients(0, 3)
    was, X.indices[position] = X.indices[position], outside
    for method in (kernel.gradients, kernel.summed_loss, kernel.forward):
        with pytest.raises(
            ValueError, match=r"X changed while a kernel held it: .* outside 0 to 2"
        ):
            method(0, 3)
    kernel.gradients(3, 5)  # other rows
    X.indices[position] = was
    loss = kernel.gradients(0, 3)
    assert loss == sparse_kernel(kernels)[0].gradients(0, 3)


def test_column_indices_that_change_in_the_middle_of_a_step_are_an_error(kernels):
    kernel, X = sparse_kernel(kernels, send_back=True)

    def send_back(layer):
        kernel.deltas[layer][...] = 1
        X.indices[:] = 1000

    if kernels is fallback:  # its batch is a copy
        kernel.gradients(0, 3, send_back)
    else:
        with pytest.raises(ValueError, match="X changed while a kernel held it"):
            kernel.gradients(0, 3, send_back)
    with pytest.raises(ValueError, match="X changed while a kernel held it"):
        kernel.gradients(0, 3)


def test_the_inputs_of_a_batch_whose_columns_change_are_an_error_or_as_they_were(kernels):
    kernel, X = sparse_kernel(kernels)
    kernel.gradients(0, 3)
    expected = X[:3].toarray()
    X.indices[:] = 77
    if kernels is fallback:
        np.testing.assert_array_equal(kernel.activations[0], expected)
    else:
        with pytest.raises(ValueError, match="X changed while a kernel held it"):
            _ = kernel.activations


@pytest.mark.parametrize("integer", [np.int32, np.int64])
def test_a_row_pointer_that_changes_is_not_looked_at(kernels, integer):
    _, X = sparse_kernel(kernels)
    X.indptr = X.indptr.astype(integer)
    kernel, _ = sparse_kernel(kernels)
    kernel.load(X, np.ones((5, 2)))
    loss = kernel.gradients(0, 3)
    X.indptr[:] = 2**31 - 1
    assert kernel.gradients(0, 3) == loss


@pytest.mark.parametrize("outside", [-1, 5, 2**62, -(2**63)])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_an_order_that_comes_to_lie_outside_is_an_error(kernels, is_sparse, outside):
    order = np.arange(5)
    kernel, X = sparse_kernel(kernels, order)
    if not is_sparse:
        kernel.load(X.toarray(), np.ones((5, 2)), None, order)
    kernel.gradients(0, 3)
    order[1] = outside
    for method in (kernel.gradients, kernel.summed_loss, kernel.forward):
        with pytest.raises(ValueError, match=r"order of the rows changed .* from 0 to 4"):
            method(0, 3)
    kernel.gradients(2, 5)


def test_other_rows_loaded_in_the_middle_of_a_step_are_an_error(kernels):
    kernel, X = sparse_kernel(kernels, send_back=True)
    if kernels is fallback:
        pytest.skip("its batch is a copy")
    with pytest.raises(ValueError, match="send_back must not load other rows"):
        kernel.gradients(0, 3, lambda layer: kernel.load(X[:1], np.ones((1, 2))))
