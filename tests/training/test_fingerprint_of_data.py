"""A fingerprint depends on the values of arrays, not on their memory."""

import numpy as np
from scipy.sparse import csr_array

from sklearn_metabp.training import fingerprint


def test_an_array_has_the_same_one_however_it_lies_in_memory(tmp_path):
    for dtype in (np.float64, np.float32, np.int32, bool, "U3", "M8[s]"):
        X = np.random.default_rng(1).integers(0, 9, (700, 7)).astype(dtype)
        np.save(tmp_path / "X.npy", X)
        same = [
            np.asfortranarray(X),
            np.repeat(X, 2, axis=1)[:, ::2],
            X[::-1][::-1],
            X.astype(X.dtype.newbyteorder()),
            np.load(tmp_path / "X.npy", mmap_mode="r"),
        ]
        assert {fingerprint(other) for other in same} == {fingerprint(X)}
        assert fingerprint(X.T) != fingerprint(X) != fingerprint(X.reshape(7, 700))
    words = np.array(["a", "bcd", ""])
    assert (
        fingerprint(words)
        == fingerprint(words.astype(object))
        != fingerprint(np.array(["ab", "cd", ""]))
    )


def test_sparse_rows_have_the_same_one_where_they_are_summed_in_the_same_order():
    X = csr_array(np.array([[0, 1.0, 2], [3, 0, 4]]))
    wide = csr_array((X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), shape=X.shape)
    unsorted = csr_array((X.data[[1, 0, 2, 3]], X.indices[[1, 0, 2, 3]], X.indptr), shape=X.shape)
    assert (unsorted.toarray() == X.toarray()).all()
    assert fingerprint(wide) == fingerprint(X) != fingerprint(unsorted)
