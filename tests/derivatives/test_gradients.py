import numpy as np
import pytest
from helpers.data import classes, numbers
from helpers.derivatives import KINDS, by_each, make_case

from sklearn_metabp import BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.derivatives import checks, input_gradients, jacobian

SETTINGS = {
    "hidden_layer_sizes": (6,),
    "activation": "tanh",
    "max_iter": 5,
    "n_iter_no_change": np.inf,
    "random_state": 0,
}


def fitted_classifier(kind, **params):
    X, y = classes(kind)
    return BackpropMLPClassifier(**SETTINGS, **params).fit(X, y), X, y


def fitted_regressor(n_outputs):
    X, y = numbers(n_outputs)
    return BackpropMLPRegressor(**SETTINGS).fit(X, y), X, y


def differences(function, X):
    """Central differences of one number a row by the inputs of that row."""
    return (
        by_each(lambda x: function(x.reshape(X.shape)).sum(), X.ravel())
        .reshape(X.shape)
        .astype(float)
    )


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_gradient_of_the_loss_is_that_of_differences(kind):
    case = make_case((3, 4, 5, 3), *kind)
    X, y, _ = case.arrays()
    expected = differences(lambda X: case.losses(X=X), case.X)
    actual = input_gradients(case.model(), X, y)
    np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("layer_sizes", [(3, 1), (3, 2), (1, 4, 1), (5, 1, 2)], ids=str)
def test_gradient_of_the_loss_of_every_shape(layer_sizes):
    case = make_case(layer_sizes, "gelu", "squared_error", "tanh")
    X, y, _ = case.arrays()
    expected = differences(lambda X: case.losses(X=X), case.X)
    np.testing.assert_allclose(input_gradients(case.model(), X, y), expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("kind", ["multiclass", "strings"])
def test_the_gradient_of_a_class_is_that_of_its_probability(kind):
    model, X, _ = fitted_classifier(kind)
    for column, label in enumerate(model.classes_):
        expected = differences(lambda X, column=column: model.predict_proba(X)[:, column], X)
        actual = input_gradients(model, X, output=label)
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(actual, jacobian(model, X)[:, column], rtol=1e-12, atol=1e-15)


def test_two_classes_share_one_output():
    model, X, _ = fitted_classifier("binary")
    for label in (0, 1):
        expected = differences(lambda X, label=label: model.predict_proba(X)[:, label], X)
        np.testing.assert_allclose(
            input_gradients(model, X, output=label), expected, rtol=1e-6, atol=1e-9
        )
    np.testing.assert_array_equal(input_gradients(model, X), input_gradients(model, X, output=1))


def test_two_classes_of_softmax_have_an_output_each():
    model, X, _ = fitted_classifier("binary", out_activation="softmax")
    for label in (0, 1):
        expected = differences(lambda X, label=label: model.predict_proba(X)[:, label], X)
        np.testing.assert_allclose(
            input_gradients(model, X, output=label), expected, rtol=1e-6, atol=1e-9
        )


def test_the_default_output_is_the_predicted_class_of_each_row():
    model, X, _ = fitted_classifier("strings")
    actual, labels = input_gradients(model, X), model.predict(X)
    assert len(set(labels)) > 1
    for label in model.classes_:
        of_label = input_gradients(model, X, output=label)
        np.testing.assert_array_equal(actual[labels == label], of_label[labels == label])


def test_the_output_of_labels_or_numbers_is_chosen_by_column():
    for model, X, _ in (fitted_classifier("multilabel"), fitted_regressor(3)):
        for column in range(3):
            actual = input_gradients(model, X, output=column)
            np.testing.assert_allclose(
                actual, jacobian(model, X)[:, column], rtol=1e-12, atol=1e-15
            )
        with pytest.raises(ValueError, match="has 3 outputs: name one of them by output"):
            input_gradients(model, X)
    model, X, _ = fitted_regressor(1)
    np.testing.assert_allclose(
        input_gradients(model, X), jacobian(model, X)[:, 0], rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize(
    "params", [{}, {"out_activation": "logistic", "loss": "squared_error"}], ids=str
)
def test_an_output_of_several_columns_is_a_class_of_one_of_them(params):
    X, y = classes("strings")
    columns = np.column_stack([y, np.where(X[:, 0] > 0, "hot", "cold"), np.roll(y, 1)]).astype(
        object
    )
    model = BackpropMLPClassifier(**SETTINGS, **params).fit(X, columns)
    by_output = jacobian(model, X)
    start = 0
    for column, labels in enumerate(model.classes_):
        alone = params and len(labels) == 2  # one logistic output
        for number, label in enumerate(labels):
            expected = (
                by_output[:, start] * (-1) ** (number + 1)
                if alone
                else by_output[:, start + number]
            )
            actual = input_gradients(model, X, output=(column, label))
            np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-15)
        start += 1 if alone else len(labels)
    assert start == by_output.shape[1]
    for output in ("ant", 0, (3, "ant"), (-1, "ant"), (0, "ant", 1), ("ant", 0)):
        with pytest.raises(ValueError, match=r"y has 3 columns: output must be \(column, label\)"):
            input_gradients(model, X, output=output)
    with pytest.raises(ValueError, match=r"the label in column 1 \['cold', 'hot'\], got 'ant'"):
        input_gradients(model, X, output=(1, "ant"))


@pytest.mark.parametrize(
    ("fitted", "output"),
    [
        (("strings",), "dog"),
        (("strings",), 0),
        (("strings",), ["ant", "bee"]),
        (("strings",), ["ant"]),
        (("binary",), 2),
        (("multilabel",), 3),
        ((3,), 3),
        ((3,), -1),
        ((1,), 1),
        ((3,), 0.5),
        ((3,), "0"),
    ],
)
def test_an_output_that_is_not_there_is_refused(fitted, output):
    make = fitted_classifier if isinstance(fitted[0], str) else fitted_regressor
    model, X, _ = make(*fitted)
    with pytest.raises(
        ValueError, match=r"output must be (one of the classes|the number of an output,) \["
    ):
        input_gradients(model, X, output=output)


def test_y_and_output_do_not_go_together():
    model, X, y = fitted_classifier("binary")
    with pytest.raises(ValueError, match=r"give y \(gradient of the loss\) or output"):
        input_gradients(model, X, y, output=1)


@pytest.mark.parametrize("kind", ["binary", "strings", "multilabel"])
def test_labels_are_encoded_as_in_training(kind):
    model, X, y = fitted_classifier(kind)
    targets = np.reshape(y, (-1, 1)) == model.classes_ if np.ndim(y) == 1 else y
    if kind == "binary":
        targets = targets[:, 1:]
    outputs = model.network_.outputs(model.params_, X)
    last = np.einsum(
        "nk,nkf->nf", (outputs - targets) / _variance(outputs, kind), jacobian(model, X)
    )
    np.testing.assert_allclose(input_gradients(model, X, y), last, rtol=1e-9, atol=1e-12)


def _variance(outputs, kind):
    """Return the divisor of y - t in the derivative of the log-loss by the outputs y."""
    return outputs * (1 - outputs) if kind != "strings" else outputs


def test_blocks_of_rows_do_not_show(monkeypatch):
    case = make_case((3, 8, 2), "tanh", "squared_error", "softmax", n=11)
    X, y, _ = case.arrays()
    whole = input_gradients(case.model(), X, y)
    monkeypatch.setattr(checks, "_BLOCK_VALUES", 20)
    np.testing.assert_allclose(input_gradients(case.model(), X, y), whole, rtol=1e-14, atol=1e-16)
