import numpy as np
import pytest
from helpers.data import classes
from helpers.derivatives import KINDS, by_each, central_difference, make_case
from helpers.networks import FUNCTIONS
from sklearn.utils.class_weight import compute_sample_weight

from sklearn_metabp import BackpropMLPClassifier
from sklearn_metabp.derivatives import (
    checks,
    hessian,
    hessian_vector_product,
    hessians,
    parameter_jacobian,
)

# All that the kernels train, but relu at the output, which no estimator has.
TRAINED = [(*kind, None) for kind in FUNCTIONS if kind[-1] != "relu"]
SHAPES = [(3, 2), (3, 1), (1, 1), (4, 5, 1), (2, 5, 4, 6), (7, 1, 1, 2)]


def differences_of_differences(case, vector):
    """Multiply the Hessian of the defined loss by a vector."""
    along = vector.astype(np.longdouble)
    return central_difference(
        lambda params: by_each(case.total_loss, params, h=1e-4), case.params, along, h=1e-4
    ).astype(float)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_product_is_that_of_differences(kind):
    case = make_case((3, 4, 3, 3), *kind)
    X, y, sample_weight = case.arrays()
    vector = np.random.default_rng(1).standard_normal(len(case.params))
    actual = hessian_vector_product(case.model(), X, y, vector, sample_weight)
    expected = differences_of_differences(case, vector)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_hessian_is_symmetric_and_gives_the_product(kind):
    case = make_case((3, 4, 3, 3), *kind)
    model, data = case.model(), case.arrays()
    H = hessian(model, *data)
    scale = np.abs(H).max()
    np.testing.assert_allclose(H, H.T, rtol=0, atol=1e-14 * scale)
    vectors = np.random.default_rng(2).standard_normal((len(H), 3))
    X, y, sample_weight = data
    products = hessian_vector_product(model, X, y, vectors, sample_weight)
    assert products.shape == vectors.shape
    np.testing.assert_allclose(products, H @ vectors, rtol=0, atol=1e-12 * scale)
    one = hessian_vector_product(model, X, y, vectors[:, 1], sample_weight)
    assert one.shape == (len(H),)
    np.testing.assert_allclose(one, products[:, 1], rtol=0, atol=1e-13 * scale)


@pytest.mark.parametrize("layer_sizes", SHAPES, ids=str)
def test_hessian_of_every_shape(layer_sizes):
    case = make_case(layer_sizes, "silu", "squared_error", "tanh")
    H = hessian(case.model(), *case.arrays())
    for column in (0, len(H) // 2, len(H) - 1):
        expected = differences_of_differences(case, np.eye(len(H))[column])
        np.testing.assert_allclose(H[:, column], expected, rtol=1e-5, atol=1e-7)


def kernel_gradients(model, X, targets, sample_weight=None):
    """Return the gradient at any parameters, from the kernel that trains."""
    params, gradients = model.params_.copy(), np.empty_like(model.params_)
    backprop = model.network_.backprop(params, gradients, len(X))
    backprop.load(X, targets, sample_weight)

    def gradients_at(at):
        params[:] = at
        backprop.gradients(0, len(X))
        return gradients.copy()

    return gradients_at


@pytest.mark.parametrize("kind", [*TRAINED, *KINDS], ids=str)
def test_hessian_is_the_derivative_of_the_gradients_that_train(kind):
    case = make_case((3, 4, 3, 3), *kind)
    model, (X, y, sample_weight) = case.model(), case.arrays()
    expected = by_each(kernel_gradients(model, X, y, sample_weight), model.params_)
    actual = hessian(model, X, y, sample_weight)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-7 * np.abs(expected).max())


def test_sum_over_the_parameter_jacobian_is_the_gradient_that_trains():
    case = make_case((3, 5, 4, 2), ("tanh", "silu"), "squared_error", "logistic")
    model, (X, y, sample_weight) = case.model(), case.arrays()
    errors = model.predict(X) - y
    expected = np.einsum("n,nk,nkp->p", sample_weight, errors, parameter_jacobian(model, X))
    n_weights = model.layout_.n_weights
    expected[:n_weights] += case.alpha * model.params_[:n_weights]
    actual = kernel_gradients(model, X, y, sample_weight)(model.params_)
    np.testing.assert_allclose(actual, expected / sample_weight.sum(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("class_weight", [{"ant": 3, "bee": 0.5}, "balanced"], ids=str)
def test_class_weights_are_those_of_training(class_weight):
    X, y = classes("strings")
    settings = {"max_iter": 3, "n_iter_no_change": np.inf, "random_state": 0}
    model = BackpropMLPClassifier((4,), class_weight=class_weight, **settings).fit(X, y)
    weights = compute_sample_weight(class_weight, y) * np.linspace(0, 2, 60)
    targets = (y[:, None] == model.classes_).astype(float)
    expected = by_each(kernel_gradients(model, X, targets, weights), model.params_)
    actual = hessian(model, X, y, np.linspace(0, 2, 60))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-7 * np.abs(expected).max())


def test_the_hessian_of_a_linear_model_is_the_matrix_of_squares():
    case = make_case((3, 1), (), "squared_error", "identity", n=20)
    X, y, sample_weight = case.arrays()
    with_ones = np.column_stack([X, np.ones(len(X))])
    expected = with_ones.T @ (sample_weight[:, None] * with_ones) + np.diag([case.alpha] * 3 + [0])
    expected /= sample_weight.sum()
    actual = hessian(case.model(), X, y, sample_weight)
    np.testing.assert_allclose(actual, expected, rtol=1e-13, atol=1e-15)


def test_blocks_of_rows_and_chunks_of_vectors_do_not_show(monkeypatch):
    case = make_case((3, 4, 3), "tanh", "log_loss", "softmax", n=9)
    model, data = case.model(), case.arrays()
    whole = hessian(model, *data)
    for n_values in (1, 100, 200):
        monkeypatch.setattr(checks, "_BLOCK_VALUES", n_values)
        monkeypatch.setattr(hessians, "_CHUNK_VALUES", n_values)
        np.testing.assert_allclose(hessian(model, *data), whole, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("shape", [(5,), (24, 2), (23, 2, 1), (2, 23)])
def test_a_vector_of_another_length_is_refused(shape):
    case = make_case((2, 3, 2), "tanh", "squared_error", "identity")
    n_params = len(case.params)
    assert n_params == 17
    X, y, _ = case.arrays()
    with pytest.raises(
        ValueError, match=r"vector must have shape \(17,\) or \(17, n_vectors\)|dim"
    ):
        hessian_vector_product(case.model(), X, y, np.zeros(shape))
