"""Unusual arrays: at odd addresses, mapped from files, changing, with very many classes."""

import tracemalloc

import joblib
import numpy as np
import pytest
from helpers.memory import at_odd_address, sparse_at_odd_address
from scipy import sparse

from sklearn_metabp import SGD, BackpropMLPClassifier, BackpropMLPRegressor, Safeguarded

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SETTING = {"hidden_layer_sizes": (5,), "max_iter": 3, "batch_size": 8, "random_state": 0}


def rows(seed=0, n=40, dtype=np.float64):
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n, 6)) * (rng.uniform(size=(n, 6)) < 0.6)).astype(dtype)
    return X, rng.integers(0, 3, n), rng.uniform(0.5, 2, n).astype(dtype)


def mapped(array, path):
    """A read-only map of a file whose values begin at byte 3."""
    path.write_bytes(b"abc" + np.ascontiguousarray(array).tobytes())
    found = np.memmap(path, array.dtype, "r", 3, array.shape)
    assert not found.flags.aligned
    return found


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("estimator", [BackpropMLPClassifier, BackpropMLPRegressor])
def test_rows_at_odd_addresses_give_the_same_model(estimator, is_sparse, dtype, tmp_path):
    X, y, weight = rows(dtype=dtype)
    y = y.astype(dtype) if estimator is BackpropMLPRegressor else y
    model = estimator(**SETTING).fit(sparse.csr_array(X) if is_sparse else X, y, weight)
    expected = model.predict(X)
    odd_X = sparse_at_odd_address(X) if is_sparse else at_odd_address(X)
    other = estimator(**SETTING).fit(odd_X, at_odd_address(y), at_odd_address(weight))
    np.testing.assert_array_equal(other.params_, model.params_)
    if not is_sparse:
        arrays = (mapped(a, tmp_path / str(k)) for k, a in enumerate((X, y, weight)))
        other = estimator(**SETTING).fit(*arrays)
        np.testing.assert_array_equal(other.params_, model.params_)
        np.testing.assert_array_equal(other.predict(odd_X), expected)


@pytest.mark.parametrize("field", ["<f8", ">f8", "<f4"])
def test_fields_of_packed_records_are_rows(field):
    X, y, _ = rows()
    records = np.zeros(len(X), np.dtype([("flag", "u1"), ("x", field, 6), ("y", "<i8")]))
    records["x"], records["y"] = X, y
    model = BackpropMLPClassifier(**SETTING).fit(records["x"], records["y"])
    same = BackpropMLPClassifier(**SETTING).fit(
        np.ascontiguousarray(records["x"], field.replace(">", "<")), y
    )
    np.testing.assert_array_equal(model.params_, same.params_)


@pytest.mark.parametrize("rule", ["adam", SGD(0.1, 0.9)], ids=str)
def test_a_model_whose_arrays_are_mapped_for_reading_predicts_and_goes_on(rule, tmp_path):
    X, y, _ = rows()
    setting = {**SETTING, "update_rule": rule, "warm_start": True}
    model = BackpropMLPClassifier(**setting).fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    assert not loaded.params_.flags.writeable
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(loaded.fit(X, y).params_, model.fit(X, y).params_)


@pytest.mark.parametrize("odd", [at_odd_address, lambda a: a.astype(">f8")])
def test_parameters_in_other_memory_predict_the_same(odd):
    X, y, _ = rows()
    model = BackpropMLPClassifier(**SETTING).fit(X, y)
    params = odd(model.params_)
    network = model.network_
    np.testing.assert_array_equal(network.outputs(params, X), network.outputs(model.params_, X))
    targets = np.eye(3)[y]
    assert network.mean_loss(params, X, targets) == network.mean_loss(model.params_, X, targets)


class Writes:
    """Writes into arrays at the end of a step."""

    def __init__(self, write):
        self.write = write

    def on_step_end(self, estimator, context, step):
        if step.index == 3:
            self.write(step)

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = on_fit_task_end = setup


def bad_columns(X):
    def write(step):
        X.indices[:] = 2**31 - 1

    return write


def bad_order(X):
    def write(step):
        step.rows[3][:] = -(2**40)

    return write


@pytest.mark.parametrize("fallback", [False, True])
@pytest.mark.parametrize(
    ("write", "message"),
    [(bad_columns, "X changed while a kernel held it"), (bad_order, "order of the rows changed")],
)
@pytest.mark.parametrize("rule", ["sgd", Safeguarded("adam")], ids=str)
def test_what_a_callback_writes_into_the_rows_is_an_error_and_no_crash(
    rule, write, message, fallback, request
):
    if fallback:
        request.getfixturevalue("fallback_kernels")
    X, y, _ = rows()
    X = sparse.csr_array(X)
    model = BackpropMLPClassifier(**SETTING, update_rule=rule).set_callbacks(Writes(write(X)))
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


@pytest.mark.parametrize("fallback", [False, True])
def test_a_callback_that_writes_row_pointers_changes_nothing(fallback, request):
    if fallback:
        request.getfixturevalue("fallback_kernels")
    X, y, _ = rows()
    expected = BackpropMLPClassifier(**SETTING).fit(sparse.csr_array(X), y)
    X = sparse.csr_array(X)

    def write(step):
        X.indptr[:] = 2**31 - 1

    model = BackpropMLPClassifier(**SETTING).set_callbacks(Writes(write)).fit(X, y)
    np.testing.assert_array_equal(model.params_, expected.params_)


@pytest.mark.parametrize("n_hidden", [99, 100, 150])
def test_a_hundred_hidden_layers_train_with_and_without_compiler(n_hidden, request):
    X, y, _ = rows()
    setting = {**SETTING, "hidden_layer_sizes": (4,) * n_hidden, "activation": "leaky_relu"}
    compiled = BackpropMLPClassifier(**setting).fit(X, y)
    request.getfixturevalue("fallback_kernels")
    fallback = BackpropMLPClassifier(**setting).fit(X, y)
    np.testing.assert_allclose(fallback.params_, compiled.params_, rtol=1e-9, atol=1e-9)
    assert compiled.predict(X).shape == (40,)


def peak_of(action) -> int:
    tracemalloc.start()
    action()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_targets_of_many_classes_are_made_batch_by_batch(loss):
    n, n_classes = 4000, 1000  # 16 MB one-hot in float32
    X = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    y = np.arange(n) % n_classes
    model = BackpropMLPClassifier((2,), loss=loss, max_iter=1, batch_size=20, random_state=0)
    assert peak_of(lambda: model.fit(X, y)) < 3e6


def test_targets_of_sparse_labels_are_made_batch_by_batch():
    n, n_labels = 4000, 1000  # 4 million: 16 MB dense in float32
    X = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    y = sparse.random_array((n, n_labels), density=2e-3, format="csr", rng=np.random.default_rng(1))
    y.data[:] = 1
    y = y.astype(int)
    model = BackpropMLPClassifier((2,), max_iter=1, batch_size=20, random_state=0)
    assert peak_of(lambda: model.fit(X, y)) < 3e6


@pytest.mark.parametrize("out_activation", ["auto", "tanh", "identity"])
def test_sparse_labels_train_as_dense_ones(out_activation):
    X, _, weight = rows()
    labels = (np.random.default_rng(3).uniform(size=(40, 4)) < 0.4).astype(int)
    setting = {**SETTING, "loss": "squared_error", "out_activation": out_activation}
    dense = BackpropMLPClassifier(**setting).fit(X, labels, weight)
    zeros = sparse.csr_array(
        (labels.ravel(), np.tile(np.arange(4), 40), np.arange(0, 161, 4)), (40, 4)
    )
    for y in (sparse.csr_array(labels), sparse.csc_matrix(labels), zeros):
        model = BackpropMLPClassifier(**setting).fit(X, y, weight)
        np.testing.assert_array_equal(model.params_, dense.params_)
