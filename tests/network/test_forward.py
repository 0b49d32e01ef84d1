"""Outputs of a network in repeated calls."""

import copy
import pickle
import threading
import tracemalloc
import weakref

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_metabp.network import Network, ParameterLayout

LAYERS = (7, 12, 3)


def a_network(dtype=np.float64):
    return Network(ParameterLayout(LAYERS, dtype), ("tanh",), "softmax", "log_loss")


def some(n, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    params = rng.standard_normal(ParameterLayout(LAYERS).n_params).astype(dtype)
    return params, rng.standard_normal((n, LAYERS[0]))


def by_hand(params, X):
    (w, v), (b, c) = (
        getattr(ParameterLayout(LAYERS), which)(params) for which in ("coefs", "intercepts")
    )
    e = np.exp(np.tanh(X @ w + b) @ v + c)
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("n", [1, 700])
def test_the_activations_of_a_hidden_layer(make, n):
    network, (params, X) = a_network(), some(n)
    (w, _), (b, _) = network.layout.coefs(params), network.layout.intercepts(params)
    hidden = network.outputs(params, make(X), layer=0)
    np.testing.assert_allclose(hidden, np.tanh(X @ w + b), rtol=1e-12)
    np.testing.assert_array_equal(
        network.outputs(params, make(X), layer=1), network.outputs(params, make(X))
    )


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_repeated_calls_return_what_a_new_network_returns(make, dtype):
    network = a_network(dtype)
    for seed, n in enumerate([1, 3, 2, 1, 600, 1, 513, 40, 41, 1]):
        params, X = some(n, seed, dtype)
        for rows in (X, X.astype(np.float32)):
            outputs = network.outputs(params, make(rows))
            np.testing.assert_array_equal(outputs, a_network(dtype).outputs(params, make(rows)))
            np.testing.assert_allclose(
                outputs, by_hand(params, rows), rtol=1e-4 if dtype == np.float32 else 1e-7
            )


def test_dense_and_sparse_rows_take_turns():
    network, (params, X) = a_network(), some(5)
    for rows in (X, sp.csr_array(X), X[:1], sp.csr_array(X[:2]), X):
        np.testing.assert_allclose(
            network.outputs(params, rows), by_hand(params, X)[: rows.shape[0]]
        )


LAYOUTS = {
    "column by column": np.asfortranarray,
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "backwards": lambda X: X[::-1].copy()[::-1],
    "single precision": lambda X: X.astype(np.float32),
    "integers": lambda X: (10 * X).astype(int),
}


@pytest.mark.parametrize("n", [1, 513, 1100])
@pytest.mark.parametrize("kind", LAYOUTS)
def test_rows_in_any_layout_have_the_outputs_of_a_copy(kind, n):
    network, (params, X) = a_network(), some(n)
    X = LAYOUTS[kind](X)
    outputs = network.outputs(params, X)
    np.testing.assert_array_equal(outputs, network.outputs(params, np.ascontiguousarray(X, float)))
    np.testing.assert_allclose(outputs, by_hand(params, X))


@pytest.mark.parametrize("kind", LAYOUTS)
def test_rows_in_any_layout_are_copied_a_block_at_a_time(kind):
    network, (params, X) = a_network(), some(150_000)
    X = LAYOUTS[kind](X)
    tracemalloc.start()
    try:
        outputs = network.outputs(params, X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - outputs.nbytes < 0.2 * X.shape[0] * X.shape[1] * 8


def test_values_written_into_the_parameters_are_used_at_once():
    network, (params, X) = a_network(), some(1)
    network.outputs(params, X)
    params[:] = some(1, seed=5)[0]
    np.testing.assert_allclose(network.outputs(params, X), by_hand(params, X))
    other = some(1, seed=6)[0]
    np.testing.assert_allclose(network.outputs(other, X), by_hand(other, X))


@pytest.mark.parametrize("n", [1, 100, 2000])
def test_no_row_stays_alive(n):
    class Rows(np.ndarray):
        pass

    network, (params, X) = a_network(), some(n)
    rows = X.view(Rows)
    sparse = sp.csr_array(X)
    gone = weakref.ref(rows), weakref.ref(sparse), weakref.ref(sparse.data)
    network.outputs(params, rows), network.outputs(params, sparse)
    del rows, sparse
    assert [there() for there in gone] == [None] * 3


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))]
)
def test_the_kept_pass_is_in_no_copy_and_no_pickle(again):
    network, (params, X) = a_network(), some(1)
    size = len(pickle.dumps(network))
    before = network.outputs(params, X)
    other = again(network)
    assert other == network
    assert hash(other) == hash(network)
    assert len(pickle.dumps(network)) == size
    assert vars(other) == {name: vars(network)[name] for name in vars(other)}
    np.testing.assert_array_equal(other.outputs(params, X), before)


def test_threads_that_predict_at_once_get_their_own_outputs():
    network = a_network()
    cases = [some(1 + seed % 3, seed) for seed in range(8)]
    params = cases[0][0]
    expected = [by_hand(params, X) for _, X in cases]
    wrong, start = [], threading.Barrier(len(cases))

    def predict(X, wanted):
        start.wait(10)
        wrong.extend(n for n in range(300) if not np.allclose(network.outputs(params, X), wanted))

    threads = [
        threading.Thread(target=predict, args=(X, wanted))
        for (_, X), wanted in zip(cases, expected, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("columns", [1, 6, 8])
def test_rows_of_other_columns_are_refused(columns):
    network, (params, X) = a_network(), some(1)
    network.outputs(params, X)
    for make in (np.ones, lambda shape: sp.csr_array(np.ones(shape))):
        with pytest.raises(ValueError, match="X must be"):
            network.outputs(params, make((1, columns)))
    np.testing.assert_allclose(network.outputs(params, X), by_hand(params, X))


def test_parameters_that_cannot_be_written_predict():
    network, (params, X) = a_network(), some(1)
    params.setflags(write=False)
    np.testing.assert_allclose(network.outputs(params, X), by_hand(params, X))
