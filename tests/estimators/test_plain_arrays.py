"""Ordinary arrays are checked in a few microseconds, with the result of scikit-learn's checks."""

import copy
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers.data import classes, numbers
from sklearn import config_context
from sklearn.utils.validation import validate_data

from sklearn_metabp import BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.estimators import _rows
from sklearn_metabp.estimators._rows import DTYPES, check_rows, check_X

N_FEATURES = 4
GOOD = np.random.RandomState(0).standard_normal((6, N_FEATURES))


class Subclass(np.ndarray):
    pass


def _with(value, dtype=np.float64):
    X = GOOD.astype(dtype)
    X[2, 1] = value
    return X


def _misaligned():
    memory = np.zeros(GOOD.nbytes + 1, np.uint8)
    X = memory[1:].view(np.float64).reshape(GOOD.shape)
    X[...] = GOOD
    return X


def _read_only():
    X = GOOD.copy()
    X.flags.writeable = False
    return X


MATRICES = {
    "float64": GOOD,
    "float32": GOOD.astype(np.float32),
    "float16": GOOD.astype(np.float16),
    "integers": GOOD.astype(int),
    "booleans": GOOD > 0,
    "objects": GOOD.astype(object),
    "strings": GOOD.astype(str),
    "complex": GOOD.astype(complex),
    "another byte order": GOOD.astype(GOOD.dtype.newbyteorder()),
    "columns in a row": np.asfortranarray(GOOD),
    "a part of the columns": np.hstack([GOOD, GOOD])[:, ::2],
    "backwards": GOOD[::-1],
    "misaligned": _misaligned(),
    "read-only": _read_only(),
    "one row": GOOD[:1],
    "no row": GOOD[:0],
    "no column": GOOD[:, :0],
    "a column less": GOOD[:, 1:],
    "a vector": GOOD[0],
    "three axes": GOOD[None],
    "a list": GOOD.tolist(),
    "a subclass": GOOD.view(Subclass),
    "a masked array": np.ma.MaskedArray(GOOD, GOOD > 1),
    "NaN": _with(np.nan),
    "infinity": _with(np.inf),
    "minus infinity": _with(-np.inf, np.float32),
    "a sum that overflows": np.full((6, N_FEATURES), 1e308),
    "sums that overflow both ways": np.sign(GOOD) * 1e308,
    "a frame": pd.DataFrame(GOOD),
    "a frame with names": pd.DataFrame(GOOD, columns=list("abcd")),
    "None": None,
}
LABELS = np.array([0, 1, 2, 0, 1, 2])
TARGETS = {
    "integers": LABELS,
    "booleans": LABELS > 0,
    "strings": LABELS.astype(str),
    "bytes": LABELS.astype(bytes),
    "objects": LABELS.astype(object),
    "numbers": LABELS / 4,
    "single precision": LABELS.astype(np.float32),
    "NaN": np.where(LABELS > 1, np.nan, LABELS),
    "infinity": np.where(LABELS > 1, np.inf, LABELS),
    "complex": LABELS.astype(complex),
    "two columns": np.stack([LABELS, LABELS], axis=1),
    "columns in a row": np.stack([LABELS, LABELS]).T / 4,
    "a column": LABELS[:, None] / 4,
    "no column": np.empty((6, 0)),
    "three axes": LABELS[:, None, None],
    "a row less": LABELS[1:],
    "nothing": LABELS[:0],
    "a scalar": np.array(3),
    "a list": LABELS.tolist(),
    "a series": pd.Series(LABELS),
    "None": None,
}


def outcome(call, *args, **options):
    """Return what a call returns, or its error, and its warnings; and the features it noted."""
    model = args[0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = call(*args, **options)
        except Exception as error:
            result = type(error), str(error)
    noted = {name: vars(model).get(name) for name in ("n_features_in_", "feature_names_in_")}
    return result, [(w.category, str(w.message)) for w in caught], noted


def assert_same(one, other, given):
    """Arrays are the same; and the one that was given if the other way gives that back."""
    (result, *rest), (expected, *expected_rest) = one, other
    np.testing.assert_equal(rest, expected_rest)
    if not isinstance(expected, tuple) or isinstance(expected[0], type):
        result, expected, given = [result], [expected], given[:1]
    for got, wanted, value in zip(result, expected, given, strict=False):
        if not isinstance(wanted, np.ndarray):
            assert got == wanted
            continue
        assert (got is value) == (wanted is value)
        assert type(got) is type(wanted)
        assert got.dtype == wanted.dtype
        assert got.strides == wanted.strides
        np.testing.assert_array_equal(got, wanted)


def models(names):
    X = pd.DataFrame(GOOD, columns=list("abcd")) if names else GOOD
    model = BackpropMLPRegressor((2,), max_iter=1, n_iter_no_change=np.inf, random_state=0)
    model.fit(X, GOOD[:, 0])
    return model, copy.copy(model)


@pytest.mark.parametrize("settings", [{}, {"assume_finite": True}], ids=str)
@pytest.mark.parametrize("names", [False, True])
@pytest.mark.parametrize("kind", MATRICES)
def test_rows_to_predict_are_those_of_validate_data(kind, names, settings):
    X = MATRICES[kind]
    one, other = models(names)
    with config_context(**settings):
        got = outcome(check_X, one, X)
        with np.errstate(over="ignore", invalid="ignore"):
            wanted = outcome(
                validate_data, other, X, accept_sparse="csr", dtype=DTYPES, reset=False
            )
    assert_same(got, wanted, [X])


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize(
    ("kind", "y_kind"),
    [*((kind, "numbers") for kind in MATRICES), *(("float64", kind) for kind in TARGETS)],
)
def test_rows_to_fit_are_those_of_validate_data(kind, y_kind, reset):
    X, y = MATRICES[kind], TARGETS[y_kind]
    for names in (False, True):
        one, other = models(names)
        got = outcome(lambda model: check_rows(model, X, y, None, reset=reset)[:2], one)
        with np.errstate(over="ignore", invalid="ignore"):
            wanted = outcome(
                validate_data,
                other,
                X,
                y,
                accept_sparse="csr",
                multi_output=True,
                y_numeric=True,
                dtype=DTYPES,
                reset=reset,
            )
        assert_same(got, wanted, [X, y])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("model", [BackpropMLPClassifier, BackpropMLPRegressor])
def test_ordinary_arrays_do_not_go_through_validate_data(model, dtype, monkeypatch):
    X, y = (classes("binary") if model is BackpropMLPClassifier else numbers())[:2]
    X = X.astype(dtype)
    monkeypatch.setattr(_rows, "validate_data", None)
    fitted = model((3,), max_iter=2, n_iter_no_change=np.inf).fit(X, y)
    fitted.partial_fit(X, y).predict(np.asfortranarray(X))


def test_a_row_is_predicted_in_less_time_than_scikit_learn_validates_it():
    X, y = classes("binary")
    model = BackpropMLPClassifier((3,), max_iter=2, n_iter_no_change=np.inf).fit(X, y)
    row = X[:1].copy()

    def fastest(call):
        times = []
        for _ in range(50):
            start = time.process_time()
            call()
            times.append(time.process_time() - start)
        return min(times)

    def validate():
        validate_data(model, row, accept_sparse="csr", dtype=DTYPES, reset=False)

    assert fastest(lambda: model.predict_proba(row)) < fastest(validate)
