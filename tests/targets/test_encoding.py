"""Targets of the output neurons: their values, and the memory that making them takes."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_metabp.targets import ClassTargets, NumberTargets, learn_targets

RNG = np.random.default_rng(8)


@pytest.mark.parametrize("out_activation", ["logistic", "tanh"])
@pytest.mark.parametrize("kind", ["multiclass", "dense", "sparse", "booleans", "columns first"])
def test_encoding_takes_the_memory_of_the_targets_at_the_most(kind, out_activation):
    n_samples, n_classes = 4000, 300
    y = RNG.integers(0, n_classes, n_samples)
    if kind != "multiclass":
        y = np.eye(n_classes, dtype=np.int8)[y] | np.eye(n_classes, dtype=np.int8)[y[::-1]]
        y = {
            "dense": y,
            "sparse": sp.csr_array(y),
            "booleans": y.astype(bool),
            "columns first": np.asfortranarray(y),
        }[kind]
    targets = learn_targets(y, None, out_activation, "squared_error")
    matrix_bytes = n_samples * n_classes * 4
    sparse = kind in ("multiclass", "sparse")
    tracemalloc.start()
    try:
        encoded = targets.encode(y, np.float32)
        assert tracemalloc.get_traced_memory()[1] < (0.2 if sparse else 1.1) * matrix_bytes
        encoded = np.asarray(encoded)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        targets.check_known(y)
        targets.score(y, encoded)
        targets.decode(encoded[:400])
        assert tracemalloc.get_traced_memory()[1] - before < 0.6 * matrix_bytes
    finally:
        tracemalloc.stop()
    assert encoded.flags.c_contiguous
    yes = encoded == encoded.max()
    expected = (
        y[:, None] == np.arange(n_classes)
        if kind == "multiclass"
        else sp.csr_array(y).toarray() == 1
    )
    np.testing.assert_array_equal(yes, expected)
    assert set(np.unique(encoded)) == {-1.0 if out_activation == "tanh" else 0.0, 1.0}
    assert targets.score(y, encoded) == 1.0


def test_targets_are_no_view_of_y():
    y = (RNG.random((20, 4)) < 0.5).astype(np.float32)
    before = y.copy()
    encoded = ClassTargets(y, "tanh", "squared_error").encode(y, np.float32)
    assert not np.shares_memory(encoded, y)
    np.testing.assert_array_equal(y, before)


def test_two_entries_of_one_place_in_a_sparse_y_are_no_label():
    y = sp.csr_array((np.ones(3), ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    y = sp.csr_array((np.ones(3), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    with pytest.raises(ValueError, match="Sparse y must be multilabel: 0 and 1 alone"):
        learn_targets(y, None, "auto", "log_loss")
    assert y.nnz == 3


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
def test_a_score_of_labels_counts_rows_with_all_of_them_right(make):
    y = (RNG.random((50, 3)) < 0.5).astype(int)
    outputs = np.where(RNG.random((50, 3)) < 0.2, 1 - y, y) * 0.8 + 0.1
    weight = RNG.random(50)
    right = ((outputs > 0.5) == y).all(axis=1)
    targets = ClassTargets(make(y), "auto", "log_loss")
    assert targets.score(make(y), outputs) == pytest.approx(right.mean())
    assert targets.score(make(y), outputs, weight) == pytest.approx(
        np.average(right, weights=weight)
    )
    with pytest.raises(ValueError, match=r"y must have 3 columns of 0 and 1"):
        targets.score(make(y[:, :2]), outputs)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        targets.score(make(y[:40]), outputs)


KINDS = {
    "two classes": (np.array([0, 1, 1]), "auto"),
    "two classes, softmax": (np.array([0, 1, 1]), "softmax"),
    "one class": (np.array([3, 3, 3]), "auto"),
    "one class, softmax": (np.array([3, 3, 3]), "softmax"),
    "three classes": (np.array(["a", "c", "b"]), "auto"),
    "three classes, logistic": (np.array([5, 3, 4]), "logistic"),
    "labels": (np.array([[0, 1, 1], [1, 1, 0]]), "auto"),
    "sparse labels": (sp.csr_array(np.array([[0, 1, 1], [1, 1, 0]])), "auto"),
    "columns": (np.array([[0, 7, 1], [1, 8, 0], [1, 9, 0]]), "auto"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_outputs_is_that_of_the_encoded_targets(kind):
    y, out_activation = KINDS[kind]
    loss = "squared_error" if out_activation == "logistic" else "log_loss"
    targets = learn_targets(y, None, out_activation, loss)
    assert targets.n_outputs(y) == np.asarray(targets.encode(y, float)).shape[1]


@pytest.mark.parametrize("y", [np.array([1.5, 2, 3]), np.ones((3, 1)), np.ones((3, 4))])
@pytest.mark.filterwarnings("ignore:A column-vector y")
def test_numbers_have_an_output_for_every_column(y):
    targets = NumberTargets("auto", "squared_error")
    assert targets.n_outputs(y) == np.size(y[0]) == targets.encode(y, float).shape[1]


CLASSES = {
    "integers": (np.array([2, 5, 9]), 4, np.array([2.0, 9.0])),
    "numbers": (np.array([0.0, 1.0, 4.0]), 5.0, np.array([4, 0])),
    "strings": (np.array(["a", "cc", "b"]), "bb", np.array(["cc"], dtype=object)),
    "booleans": (np.array([False, True]), 2, np.array([1, 0])),
    "small integers": (np.array([1, 2, 3], np.int8), 300, np.array([3, 1], np.uint64)),
}


@pytest.mark.parametrize("kind", CLASSES)
def test_unknown_classes_are_named_and_known_ones_of_other_types_pass(kind):
    classes, unknown, others = CLASSES[kind]
    targets = learn_targets(classes, None, "auto", "log_loss")
    for known in (classes, classes[::-1], classes[:1], classes[:0], others):
        targets.check_known(known)
    for position in range(len(classes)):
        y = classes.astype(np.result_type(classes, np.asarray(unknown)))
        y[position] = unknown
        with pytest.raises(ValueError, match=rf"classes not in `self.classes_`: \[{unknown!r}\]"):
            targets.check_known(y)


@pytest.mark.parametrize("kind", [int, str, np.uint8])
def test_many_classes_are_suspected_to_be_numbers_from_21_rows_on(kind):
    learn_targets(np.arange(20).astype(kind), None, "auto", "log_loss")
    with pytest.warns(UserWarning, match="greater than 50% of the number of samples"):
        learn_targets(np.arange(21).astype(kind), None, "auto", "log_loss")


def test_numbers_are_no_classes_however_few_they_are():
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        learn_targets(np.array([0.5, 1.5, 0.5]), None, "auto", "log_loss")
