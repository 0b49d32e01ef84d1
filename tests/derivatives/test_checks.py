"""Arguments that the functions of derivatives accept and refuse."""

import numpy as np
import pandas as pd
import pytest
from helpers.data import classes
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_metabp import BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.derivatives import (
    hessian,
    hessian_vector_product,
    input_gradients,
    jacobian,
    parameter_jacobian,
)

SETTINGS = {"max_iter": 5, "n_iter_no_change": np.inf, "random_state": 0}


def product(model, X, y, **weights):
    return hessian_vector_product(model, X, y, np.ones(model.params_.shape), **weights)


OF_X = {
    "jacobian forward": lambda model, X, y: jacobian(model, X, "forward"),
    "jacobian reverse": lambda model, X, y: jacobian(model, X, "reverse"),
    "parameter_jacobian": lambda model, X, y: parameter_jacobian(model, X),
    "input_gradients": lambda model, X, y: input_gradients(model, X),
}
OF_X_AND_Y = {
    "input_gradients of the loss": input_gradients,
    "hessian_vector_product": product,
    "hessian": hessian,
}
FUNCTIONS = OF_X | OF_X_AND_Y

every_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
every_function_of_y = pytest.mark.parametrize("function", OF_X_AND_Y.values(), ids=OF_X_AND_Y)


@pytest.fixture(scope="module")
def fitted():
    X, y = classes("strings")
    return BackpropMLPClassifier((5, 4), "tanh", **SETTINGS).fit(X, y), X, y


@every_function
def test_a_frozen_model_is_the_model(fitted, function):
    model, X, y = fitted
    np.testing.assert_array_equal(function(FrozenEstimator(model), X, y), function(model, X, y))


def test_a_frozen_model_must_be_a_network(fitted):
    with pytest.raises(TypeError, match="got LogisticRegression"):
        jacobian(FrozenEstimator(LogisticRegression()), fitted[1])


@pytest.mark.parametrize("output", [True, 1.0, np.True_, np.float64(1)], ids=repr)
def test_an_output_is_not_named_by_a_value_that_equals_its_number(output):
    X, y = classes("multiclass")
    for model, given in ((BackpropMLPClassifier, y), (BackpropMLPRegressor, np.eye(3)[y])):
        fitted = model((3,), **SETTINGS).fit(X, given)
        with pytest.raises(ValueError, match="output must be"):
            input_gradients(fitted, X, output=output)
        input_gradients(fitted, X, output=np.int8(1))
    fitted = BackpropMLPClassifier((3,), **SETTINGS).fit(X, y > 0)
    input_gradients(fitted, X, output=True)
    fitted = BackpropMLPClassifier((3,), **SETTINGS).fit(X, y.astype(float))
    input_gradients(fitted, X, output=1)


def test_a_hessian_without_enough_memory_names_the_product():
    model = BackpropMLPRegressor((3_000_000,), max_iter=1, n_iter_no_change=np.inf).fit(
        [[0.0]], [1.0]
    )
    with pytest.raises(MemoryError, match=r"9000001 x 9000001 numbers.*hessian_vector_product"):
        hessian(model, [[0.0]], [1.0])


@every_function
@pytest.mark.parametrize(
    "make", [sparse.csr_matrix, sparse.csr_array, sparse.csc_array, pd.DataFrame, list]
)
def test_kinds_of_X_give_the_same(fitted, function, make):
    model, X, y = fitted
    X = np.where(np.abs(X) > 0.5, X, 0)
    np.testing.assert_allclose(
        function(model, make(X), y), function(model, X, y), rtol=1e-13, atol=1e-16
    )


@every_function
def test_float32_stays(function):
    X, y = classes("strings", dtype=np.float32)
    model = BackpropMLPClassifier((5, 4), "tanh", **SETTINGS).fit(X, y)
    actual = function(model, X, y)
    assert actual.dtype == np.float32
    np.testing.assert_array_equal(function(model, X.astype(float), y), actual)
    params = model.params_
    model = model.fit(X.astype(float), y)
    model.params_ = params
    expected = function(model, X.astype(float), y)
    assert expected.dtype == np.float64
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@every_function
def test_no_argument_is_changed(fitted, function):
    model, X, y = fitted
    before = model.params_.copy(), X.copy(), list(y), sorted(vars(model))
    function(model, X, y)
    after = model.params_, X, list(y), sorted(vars(model))
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


@every_function
def test_a_single_row_is_enough(fitted, function):
    model, X, y = fitted
    assert np.isfinite(function(model, X[:1], y[:1])).all()


@every_function
def test_a_model_that_is_not_fitted_is_refused(function):
    X, y = classes("strings")
    model = BackpropMLPClassifier()
    if function is product:
        with pytest.raises(NotFittedError):
            hessian_vector_product(model, X, y, np.ones(3))
    else:
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            function(model, X, y)


@every_function
@pytest.mark.parametrize("kind", ["pipeline", "search", "other"])
def test_another_model_is_refused(fitted, function, kind):
    model, X, y = fitted
    others = {
        "pipeline": make_pipeline(StandardScaler(), model),
        "search": GridSearchCV(model, {}),
        "other": LogisticRegression(),
    }
    other = others[kind]
    other.params_ = model.params_
    with pytest.raises(
        TypeError, match=r"got (Pipeline|GridSearchCV|LogisticRegression)\. For a pipeline"
    ):
        function(other, X, y)


def test_the_last_step_of_a_pipeline_is_the_model():
    X, y = classes("binary")
    pipe = make_pipeline(StandardScaler(), BackpropMLPClassifier((5,), **SETTINGS)).fit(X, y)
    assert jacobian(pipe[-1], pipe[:-1].transform(X)).shape == (60, 1, 4)


@every_function
def test_another_number_of_features_is_refused(fitted, function):
    model, X, y = fitted
    with pytest.raises(
        ValueError, match=r"X has 3 features, but BackpropMLPClassifier is expecting 4"
    ):
        function(model, X[:, :3], y)


@every_function
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(fitted, function, bad):
    model, X, y = fitted
    X = X.copy()
    X[3, 2] = bad
    with pytest.raises(ValueError, match="Input X contains"):
        function(model, X, y)


@every_function
def test_other_feature_names_are_refused(function):
    X, y = classes("binary")
    names = ["a", "b", "c", "d"]
    model = BackpropMLPClassifier((5,), **SETTINGS).fit(pd.DataFrame(X, columns=names), y)
    with pytest.raises(ValueError, match="feature names should match"):
        function(model, pd.DataFrame(X, columns=names[::-1]), y)


@every_function_of_y
def test_labels_and_lengths_that_do_not_fit_are_refused(fitted, function):
    model, X, y = fitted
    with pytest.raises(ValueError, match=r"has classes not in `self\.classes_`"):
        function(model, X, np.where(y == "bee", "dog", y))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        function(model, X, y[:-1])


@every_function_of_y
def test_another_number_of_outputs_is_refused(function):
    X, y = classes("binary")
    model = BackpropMLPRegressor((5,), **SETTINGS).fit(X, np.column_stack([y, 1 - y]))
    with pytest.raises(
        ValueError, match="y has 1 outputs, but BackpropMLPRegressor was fitted with 2"
    ):
        function(model, X, y)


@pytest.mark.parametrize("function", [product, hessian])
@pytest.mark.parametrize("bad", [-np.ones(60), np.ones(59), np.full(60, np.nan)], ids=str)
def test_sample_weights_that_do_not_fit_are_refused(fitted, function, bad):
    model, X, y = fitted
    with pytest.raises(ValueError, match="weight"):
        function(model, X, y, sample_weight=bad)


@pytest.mark.parametrize("function", [product, hessian])
def test_a_row_of_weight_two_is_a_row_given_twice(fitted, function):
    model, X, y = fitted
    twice = np.r_[np.arange(60), np.arange(10)]
    sample_weight = np.r_[np.full(10, 2.0), np.ones(50)]
    expected = function(model, X[twice], y[twice])
    np.testing.assert_allclose(
        function(model, X, y, sample_weight=sample_weight), expected, rtol=1e-10
    )
