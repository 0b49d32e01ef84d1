"""SparseTargets give the same steps as matrices of targets, bit for bit."""

import tracemalloc

import numpy as np
import pytest
from helpers.networks import make_problem
from scipy import sparse

from sklearn_metabp._kernels.network.sparse_targets import SparseTargets

DTYPES = [np.float64, np.float32]


def many_neurons(n, n_outputs, seed=0):
    """Return neurons of rows with none, one or several, as a matrix of 0 and 1 and as arrays."""
    matrix = np.random.default_rng(seed).uniform(size=(n, n_outputs)) < 0.4
    matrix[0] = False
    csr = sparse.csr_array(matrix)
    return matrix.astype(float), csr.indices, csr.indptr


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("no", "yes"), [(0, 1), (-1, 1), (0.25, 0.5)])
def test_rows_are_those_of_the_matrix(no, yes, dtype):
    matrix, neurons, indptr = many_neurons(20, 7)
    targets = SparseTargets(neurons, indptr, 7, dtype, no, yes)
    expected = np.where(matrix, yes, no).astype(dtype)
    assert (
        targets.shape == expected.shape and targets.dtype == expected.dtype and len(targets) == 20
    )
    chosen = np.random.default_rng(1).integers(0, 20, 13)
    for rows in (
        slice(None),
        slice(3, 8),
        slice(0, 0),
        chosen,
        matrix[:, 0] > 0,
        np.array([], int),
    ):
        found = targets[rows]
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected[rows])
    np.testing.assert_array_equal(np.asarray(targets), expected)
    np.testing.assert_array_equal(targets.astype(float)[:2], np.where(matrix, yes, no)[:2])


def test_one_hot_takes_one_class_per_row_or_one_per_column():
    np.testing.assert_array_equal(
        SparseTargets.one_hot([2, 0], 3, float)[:], [[0, 0, 1], [1, 0, 0]]
    )
    two = SparseTargets.one_hot([[0, 2], [1, 4]], 5, float, no=-1)
    np.testing.assert_array_equal(two[:], [[1, -1, 1, -1, -1], [-1, 1, -1, -1, 1]])


def test_a_csr_matrix_with_zeros_and_duplicates_is_yes_where_it_is_not_zero():
    X = sparse.csr_array(
        (np.array([1, 0, 1, 1, 1]), np.array([2, 0, 2, 1, 0]), np.array([0, 3, 3, 5])), (3, 3)
    )
    np.testing.assert_array_equal(
        SparseTargets.of_csr(X, float)[:], [[0, 0, 1], [0, 0, 0], [1, 1, 0]]
    )


@pytest.mark.parametrize("no", [0, -1])
def test_sparse_and_dense_targets_are_joined_side_by_side(no):
    matrices = [np.where(many_neurons(9, width, seed=width)[0], 1.0, no) for width in (3, 1, 4)]
    csr = [sparse.csr_array(matrix == 1) for matrix in matrices]
    parts = [SparseTargets.of_csr(m, float, no) for m in csr]
    for mixed in (parts, [parts[0], matrices[1], parts[2]], [matrices[0], matrices[1], parts[2]]):
        found = SparseTargets.side_by_side(mixed)
        np.testing.assert_array_equal(found[:], np.hstack(matrices))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("max_batch", [4, 11])
@pytest.mark.parametrize(
    ("loss", "out", "groups"),
    [
        ("log_loss", "softmax", (3, 2)),
        ("log_loss", "logistic", None),
        ("squared_error", "tanh", None),
    ],
)
def test_steps_are_those_of_the_matrix_to_the_bit(
    kernels, loss, out, groups, max_batch, ordered, weighted, dtype
):
    problem = make_problem((6, 4, 5), "tanh", loss, out, n=11, out_groups=groups)
    _, X, _, weight = problem.arrays(dtype)
    _, neurons, indptr = many_neurons(11, 5)
    targets = SparseTargets(neurons, indptr, 5, dtype, no=-1.0 if out == "tanh" else 0.0)
    order = np.random.default_rng(2).permutation(11) if ordered else None
    one, other = (problem.backprop(kernels, dtype, max_batch=max_batch) for _ in range(2))
    for rows in (X, sparse.csr_array(X)):
        one.load(rows, np.asarray(targets), weight if weighted else None, order)
        other.load(rows, targets, weight if weighted else None, order)
        for start, stop in [(0, 4), (4, 8), (8, 11), (0, max_batch)]:
            assert one.gradients(start, stop) == other.gradients(start, stop)
            np.testing.assert_array_equal(one.gradients_, other.gradients_)
            taken = slice(start, stop) if order is None else order[start:stop]
            np.testing.assert_array_equal(other.targets[: stop - start], targets[taken])
            assert one.summed_loss(start, stop) == other.summed_loss(start, stop)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", [(3, 2), (5,)])
def test_mixed_targets_of_classes_are_their_matrix(kernels, groups, dtype):
    problem = make_problem((6, 4, 5), "tanh", "log_loss", "softmax", n=11, out_groups=groups)
    _, X, _, weight = problem.arrays(dtype)
    rng = np.random.default_rng(4)
    starts = np.cumsum((0, *groups[:-1]))
    neurons = np.column_stack(
        [s + rng.integers(0, g, 11) for s, g in zip(starts, groups, strict=True)]
    )
    plain = SparseTargets.one_hot(neurons, 5, dtype)
    others = np.repeat(1 / np.array(groups), groups)
    targets = plain.mixed(0.3, others)
    matrix = np.asarray(targets)
    np.testing.assert_allclose(matrix, 0.7 * plain[:] + 0.3 * others, rtol=1e-6)
    assert targets.is_yes_once_in(np.array(groups)) and not targets.are_zero_and_one
    assert plain.are_zero_and_one
    weights = rng.dirichlet(np.ones(11))
    np.testing.assert_allclose(targets.column_means(weights), weights @ matrix, rtol=1e-6)
    one, other = (problem.backprop(kernels, dtype, max_batch=4) for _ in range(2))
    one.load(X, matrix, weight, None)
    other.load(X, targets, weight, None)
    for start, stop in [(0, 4), (4, 8), (8, 11)]:
        assert one.gradients(start, stop) == other.gradients(start, stop)
        np.testing.assert_array_equal(one.gradients_, other.gradients_)
        other.fill_targets()
        np.testing.assert_array_equal(other.targets[: stop - start], matrix[start:stop])
        assert one.summed_loss(start, stop) == other.summed_loss(start, stop)


def test_neurons_of_a_group_that_differ_have_no_labels():
    targets = SparseTargets.one_hot([2, 0, 1], 3, float, no=[0.1, 0.1, 0.2])
    assert not targets.is_yes_once_in(np.array([3]))
    np.testing.assert_array_equal(targets[:2], [[0.1, 0.1, 1], [1, 0.1, 0.2]])


def numbers(n, n_outputs, dtype):
    """Return a CSR matrix of numbers, some rows empty and some with duplicates and zeros."""
    rng = np.random.default_rng(n)
    matrix = sparse.random_array((n, n_outputs), density=0.4, rng=rng, format="csr", dtype=dtype)
    matrix.data[0] = 0
    rows, columns = matrix.nonzero()
    twice = np.concatenate([matrix.data[matrix.data != 0], [dtype(0.25)]])
    return sparse.csr_array(
        sparse.coo_array(
            (twice, (np.append(rows, rows[0]), np.append(columns, columns[0]))), (n, n_outputs)
        )
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("max_batch", [4, 11])
def test_numbers_of_a_matrix_are_targets_as_the_matrix_is(kernels, max_batch, ordered, dtype):
    problem = make_problem((6, 4, 5), "tanh", "squared_error", "identity", n=11)
    _, X, _, weight = problem.arrays(dtype)
    matrix = numbers(11, 5, dtype)
    targets = SparseTargets.matrix(matrix, dtype)
    np.testing.assert_array_equal(targets[:], matrix.toarray())
    np.testing.assert_array_equal(targets.astype(np.float32)[3:7].dtype, np.float32)
    order = np.random.default_rng(2).permutation(11) if ordered else None
    one, other = (problem.backprop(kernels, dtype, max_batch=max_batch) for _ in range(2))
    one.load(X, matrix.toarray(), weight, order)
    other.load(X, targets, weight, order)
    for start, stop in [(0, 4), (4, 8), (8, 11), (0, max_batch)]:
        assert one.gradients(start, stop) == other.gradients(start, stop)
        np.testing.assert_array_equal(one.gradients_, other.gradients_)
        assert one.summed_loss(start, stop) == other.summed_loss(start, stop)


def test_means_and_variation_are_those_of_the_matrix():
    matrix = numbers(9, 4, np.float64)
    targets, dense = SparseTargets.matrix(matrix, float), matrix.toarray()
    weights = np.random.default_rng(0).dirichlet(np.ones(9))
    np.testing.assert_allclose(targets.column_means(weights), weights @ dense)
    assert not targets.is_yes_once_in(np.array([4]))
    for counts in (np.ones(9, bool), np.arange(9) < 1, np.arange(9) % 2 == 0):
        assert targets.vary(counts) == bool((np.ptp(dense[counts], axis=0) > 0).any())
    constant = SparseTargets.matrix(sparse.csr_array([[0, 2.0], [0, 2.0]]), float)
    assert not constant.vary(np.ones(2, bool))
    assert SparseTargets.matrix(sparse.csr_array([[2.0], [0]]), float).vary(np.ones(2, bool))
    classes = SparseTargets.one_hot([1, 1, 0], 2, float)
    assert classes.vary(np.ones(3, bool)) and not classes.vary(np.array([True, True, False]))


@pytest.mark.parametrize("outside", [-1, 5, 2**31 - 1, -(2**31)])
def test_neurons_beyond_the_layer_are_an_error(kernels, outside):
    problem = make_problem((6, 5), "tanh", "log_loss", "softmax", n=11)
    kernel = problem.backprop(kernels)
    targets = SparseTargets.one_hot(np.arange(11) % 5, 5, float)
    kernel.load(problem.X.astype(float), targets)
    kernel.gradients(0, 11)
    targets.neurons[3] = outside
    for method in (kernel.gradients, kernel.summed_loss):
        with pytest.raises(ValueError, match="neurons outside 0 to 4"):
            method(0, 11)
    kernel.gradients(4, 11)


def test_sparse_targets_take_no_matrix_of_all_rows(kernels):
    n, n_outputs = 20_000, 500  # 80 MB in float64
    params = np.zeros(2 * n_outputs)
    X = np.zeros((n, 1))
    kernel = kernels.Backprop(
        (1, n_outputs), (), "softmax", "log_loss", params, np.zeros_like(params), max_batch=10
    )
    tracemalloc.start()
    targets = SparseTargets.one_hot(np.arange(n) % n_outputs, n_outputs, float)
    kernel.load(X, targets, None, np.arange(n))
    kernel.gradients(100, 110)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2e6


@pytest.mark.parametrize(
    ("neurons", "indptr", "message"),
    [
        ([0, 5], [0, 1, 2], "neurons outside 0 to 4"),
        ([0, -1], [0, 1, 2], "neurons outside 0 to 4"),
        ([0, 1], [0, 2, 1], "indptr must not fall"),
        ([0, 1], [0, 1, 3], "indptr must cut"),
        ([0, 1], [-1, 1, 2], "indptr must cut"),
        ([0, 1], [], "indptr must cut"),
        ([[0, 1]], [0, 1, 2], "indptr must cut"),
    ],
)
def test_arrays_that_make_no_rows_of_neurons_are_refused(neurons, indptr, message):
    with pytest.raises(ValueError, match=message):
        SparseTargets(neurons, indptr, 5, float)


@pytest.mark.parametrize(
    ("n", "n_outputs", "dtype"), [(10, 5, float), (11, 4, float), (11, 5, np.float32)]
)
def test_targets_of_other_rows_outputs_or_dtype_are_refused(kernels, n, n_outputs, dtype):
    problem = make_problem((6, 5), "tanh", "log_loss", "softmax", n=11)
    kernel = problem.backprop(kernels)
    with pytest.raises(ValueError, match="targets must be"):
        kernel.load(
            problem.X.astype(float), SparseTargets.one_hot(np.zeros(n, int), n_outputs, dtype)
        )


def test_other_arrays_hold_the_same_targets():
    targets = SparseTargets.one_hot([2, 0, 1], 3, np.float32, no=-1)
    other = targets.with_arrays(np.copy)
    np.testing.assert_array_equal(other[:], targets[:])
    assert other.dtype == np.float32 and other.nbytes == 3 * 4 + 4 * 8
    assert not np.shares_memory(other.neurons, targets.neurons)
