"""Sparse rows give the numbers of dense rows, in every valid form of the CSR matrix."""

import tracemalloc

import numpy as np
import pytest
from helpers.kernels import compiled_only, fallback, installed
from helpers.networks import (
    SOME_FUNCTIONS,
    TOLERANCES,
    assert_near,
    central_differences,
    loss_by_definition,
    make_problem,
)
from scipy import sparse


def with_int64(X):
    X = sparse.csr_array(X)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def shuffled(X):
    """Columns of every row in falling order."""
    X = sparse.csr_array(X)
    for start, stop in zip(X.indptr, X.indptr[1:], strict=False):
        X.indices[start:stop] = X.indices[start:stop][::-1].copy()
        X.data[start:stop] = X.data[start:stop][::-1].copy()
    X.has_sorted_indices = False
    return X


def doubled(X):
    """Every value in three parts, one of which is zero, and zeros in a column of their own."""
    X = sparse.csr_array(X)
    parts = np.array([0.25, 0.75, 0.0, 0.0], X.dtype)
    last = np.full_like(X.indices, X.shape[1] - 1)
    columns = np.column_stack([X.indices, X.indices, X.indices, last]).ravel()
    return sparse.csr_array((np.outer(X.data, parts).ravel(), columns, X.indptr * 4), X.shape)


def sliced(X):
    """Arrays longer than what indptr uses, which does not begin with 0."""
    X = sparse.csr_array(X)
    padded = np.concatenate([[7, 7], X.data, [7]]).astype(X.dtype)
    columns = np.concatenate([[0, 0], X.indices, [0]]).astype(np.int32)
    made = sparse.csr_array(X.shape, dtype=X.dtype)
    made.data, made.indices, made.indptr = padded, columns, X.indptr + 2
    return made


FORMS = {
    "matrix": sparse.csr_matrix,
    "array": sparse.csr_array,
    "int64": with_int64,
    "unsorted": shuffled,
    "duplicates and zeros": doubled,
}
CASES = [((3, 5, 2), *case) for case in SOME_FUNCTIONS]
CASES += [
    ((6, 3), "relu", "log_loss", "softmax"),
    ((9, 4, 3, 1), "tanh", "squared_error", "identity"),
]


@pytest.mark.parametrize(("layer_sizes", "activation", "loss", "out_activation"), CASES)
def test_gradients_of_sparse_rows_are_central_differences(
    kernels, layer_sizes, activation, loss, out_activation
):
    problem = make_problem(layer_sizes, activation, loss, out_activation, density=0.4)
    order = np.random.default_rng(2).permutation(9)
    backprop = problem.backprop(kernels, order=order, max_batch=5, rows_as=doubled)
    for start, stop in [(0, 5), (5, 9)]:
        rows = order[start:stop]
        value = backprop.gradients(start, stop)
        assert_near(value, float(loss_by_definition(problem, problem.params, rows)), 1e-13)
        assert_near(backprop.gradients_, central_differences(problem, rows), 1e-6)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_sparse_rows_are_dense_rows(kernels, form, ordered, dtype):
    problem = make_problem((40, 13, 5), "relu", "log_loss", "softmax", n=60, density=0.1)
    order = np.random.default_rng(0).permutation(60) if ordered else None
    dense = problem.backprop(kernels, dtype, order=order, max_batch=25)
    other = problem.backprop(kernels, dtype, order=order, max_batch=25, rows_as=FORMS[form])
    for start, stop in [(0, 25), (25, 50), (50, 60), (3, 4)]:
        assert_near(
            other.gradients(start, stop), dense.gradients(start, stop), TOLERANCES[dtype], "loss"
        )
        assert_near(other.gradients_, dense.gradients_, 10 * TOLERANCES[dtype], "gradients")
        n = stop - start
        inputs = other.activations[0]
        assert inputs.shape == (25, 40)
        np.testing.assert_allclose(inputs[:n], dense.activations[0][:n], rtol=1e-6)
        np.testing.assert_array_equal(other.targets[:n], dense.targets[:n])
        assert other.activations[0] is inputs
        dense.forward(start, stop)
        other.forward(start, stop)
        assert_near(other.layer_outputs[-1], dense.layer_outputs[-1], TOLERANCES[dtype], "outputs")


@compiled_only
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (30, 17), (300, 9)], ids=str)
def test_compiled_core_agrees_with_the_fallback_on_sparse_rows(shape, dtype):
    fan_in, width = shape
    problem = make_problem(
        (fan_in, width, 2), "tanh", "squared_error", "identity", n=33, density=0.3
    )
    compiled, by_fallback = (
        problem.backprop(k, dtype, rows_as=shuffled) for k in (installed, fallback)
    )
    assert_near(compiled.gradients(0, 33), by_fallback.gradients(0, 33), TOLERANCES[dtype], "loss")
    assert_near(compiled.gradients_, by_fallback.gradients_, TOLERANCES[dtype], "gradients")
    np.testing.assert_array_equal(compiled.activations[0], by_fallback.activations[0])


def test_arrays_longer_than_the_matrix_are_read_by_its_indptr(kernels):
    problem = make_problem((6, 4, 2), "tanh", "squared_error", "identity", density=0.5)
    dense = problem.backprop(kernels)
    other = problem.backprop(kernels, rows_as=sparse.csr_array)
    assert_near(other.gradients(0, 9), dense.gradients(0, 9), 1e-14)
    if kernels is installed:
        other = problem.backprop(kernels, rows_as=sliced)
        assert_near(other.gradients(0, 9), dense.gradients(0, 9), 1e-14)


def test_rows_of_zeros(kernels):
    problem = make_problem((6, 4, 2), "tanh", "squared_error", "identity", density=0.0)
    dense, other = (
        problem.backprop(kernels, rows_as=form) for form in (np.asarray, sparse.csr_matrix)
    )
    assert other.gradients(0, 9) == pytest.approx(dense.gradients(0, 9), rel=1e-14)
    assert_near(other.gradients_, dense.gradients_, 1e-14)
    assert not other.activations[0].any()


def test_the_inputs_are_those_of_the_last_batch_though_the_order_has_changed(kernels):
    problem = make_problem((6, 2), "relu", "squared_error", "identity", density=0.5)
    order = np.arange(9)
    backprop = problem.backprop(kernels, order=order, max_batch=3, rows_as=sparse.csr_array)
    backprop.gradients(0, 3)
    order[:] = order[::-1]
    np.testing.assert_array_equal(backprop.activations[0], problem.X[:3].astype(float))
    backprop.gradients(0, 2)
    np.testing.assert_array_equal(backprop.activations[0][:2], problem.X[[8, 7]].astype(float))


def test_a_kernel_takes_dense_rows_after_sparse_ones(kernels):
    problem = make_problem((6, 4, 2), "tanh", "squared_error", "identity", density=0.5)
    _, X, targets, weight = problem.arrays(float)
    backprop = problem.backprop(kernels, rows_as=sparse.csr_array)
    losses = [backprop.gradients(0, 9)]
    for rows in (X, sparse.csr_array(X[::-1]), X):
        backprop.load(rows, targets, weight)
        losses.append(backprop.gradients(0, 9))
    assert losses[1] == losses[3] != losses[2]
    assert losses[0] == pytest.approx(losses[1], rel=1e-14)
    np.testing.assert_array_equal(backprop.activations[0], X)


@compiled_only
def test_no_more_than_the_values_is_held():
    n, n_features = 4000, 20_000  # 640 MB dense
    rng = np.random.default_rng(0)
    X = sparse.random_array((n, n_features), density=1e-3, format="csr", random_state=rng)
    params = np.zeros(n_features * 2 + 2)
    gradients = np.zeros_like(params)
    tracemalloc.start()
    backprop = installed.Backprop(
        (n_features, 2), (), "identity", "squared_error", params, gradients, max_batch=n
    )
    backprop.load(X, np.zeros((n, 2)), None, np.arange(n))
    backprop.gradients(0, n)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2e6


def broken(**arrays):
    X = sparse.csr_array(np.eye(5, 3))
    for name, values in arrays.items():
        setattr(X, name, np.asarray(values, np.int32))
    return X


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (sparse.csc_array(np.eye(5, 3)), "must be of the format CSR, got CSC: use X.tocsr"),
        (sparse.coo_array(np.eye(5, 3)), "got COO"),
        (sparse.csr_array(np.eye(5, 3), dtype=np.float32), "dtype float64; got shape"),
        (sparse.csr_array(np.eye(5, 4)), "X must be"),
        (broken(indices=[0, 1, 3]), "column indices outside 0 to 2"),
        (broken(indices=[0, -1, 2]), "column indices outside"),
        (broken(indptr=[0, 1, 2, 3, 3]), "does not cut its values"),
        (broken(indptr=[0, 1, 2, 3, 3, 4]), "does not cut"),
        (broken(indptr=[-1, 1, 2, 3, 3, 3]), "does not cut"),
        (broken(indptr=[0, 2, 1, 3, 3, 3]), "does not cut"),
        (broken(indices=[0, 1]), "does not cut"),
    ],
)
def test_invalid_csr_matrices_are_refused(kernels, X, message):
    params = np.zeros(8)
    backprop = kernels.Backprop(
        (3, 2), (), "identity", "squared_error", params, params.copy(), max_batch=5
    )
    targets = np.ones((5, 2))
    backprop.load(sparse.csr_array(np.eye(5, 3)), targets)
    with pytest.raises(ValueError, match=message):
        backprop.load(X, targets)
    assert backprop.gradients(0, 5) == 1  # the rows it had
