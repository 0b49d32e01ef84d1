import numpy as np
import pytest
from helpers.data import classes
from scipy.special import expit, softmax

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# labels, loss, asked for, what it becomes, output neurons
OUTPUTS = [
    ("binary", "log_loss", "auto", "logistic", 1),
    ("binary", "log_loss", "logistic", "logistic", 1),
    ("binary", "log_loss", "softmax", "softmax", 2),
    ("binary", "squared_error", "auto", "logistic", 1),
    ("binary", "squared_error", "tanh", "tanh", 1),
    ("binary", "squared_error", "identity", "identity", 1),
    ("binary", "squared_error", "softmax", "softmax", 2),
    ("multiclass", "log_loss", "auto", "softmax", 3),
    ("multiclass", "log_loss", "logistic", "logistic", 3),
    ("multiclass", "squared_error", "auto", "logistic", 3),
    ("multiclass", "squared_error", "tanh", "tanh", 3),
    ("multiclass", "squared_error", "identity", "identity", 3),
    ("multiclass", "squared_error", "softmax", "softmax", 3),
    ("multilabel", "log_loss", "auto", "logistic", 3),
    ("multilabel", "squared_error", "auto", "logistic", 3),
    ("multilabel", "squared_error", "tanh", "tanh", 3),
    ("multilabel", "squared_error", "identity", "identity", 3),
]


def fitted(kind, **setting):
    X, y = classes(kind, n=80, seed=7)
    common = {
        "hidden_layer_sizes": (8,),
        "max_iter": 150,
        "update_rule": Adam(0.02),
        "random_state": 1,
        "tol": 0,
    }
    return BackpropMLPClassifier(**(common | setting)).fit(X, y), X, y


def net_outputs(model, X):
    hidden = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0)
    return hidden @ model.coefs_[1] + model.intercepts_[1]


@pytest.mark.parametrize(("kind", "loss", "asked", "becomes", "n_outputs"), OUTPUTS)
def test_outputs_become_labels_and_probabilities(kind, loss, asked, becomes, n_outputs):
    model, X, y = fitted(kind, loss=loss, out_activation=asked)
    assert (model.out_activation_, model.n_outputs_) == (becomes, n_outputs)
    assert model.score(X, y) > (0.7 if kind == "multilabel" else 0.85)

    net = net_outputs(model, X)
    shares = {
        "identity": lambda: np.clip(net, 0, 1),
        "logistic": lambda: expit(net),
        "tanh": lambda: (np.tanh(net) + 1) / 2,
        "softmax": lambda: softmax(net, axis=1),
    }[becomes]()
    if n_outputs == 1:
        shares = np.hstack([1 - shares, shares])
    if kind != "multilabel":
        shares = shares / shares.sum(axis=1, keepdims=True)
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities, shares, rtol=1e-10, atol=1e-14)
    labels = model.predict(X)
    if kind == "multilabel":
        np.testing.assert_array_equal(labels, probabilities > 0.5)
    else:
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-14)
        clear = np.sort(probabilities, axis=1)[:, -1] - np.sort(probabilities, axis=1)[:, -2] > 1e-9
        np.testing.assert_array_equal(labels[clear], probabilities.argmax(axis=1)[clear])
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(model.predict_log_proba(X), np.log(probabilities))


def test_probabilities_of_a_row_without_any_are_equal():
    X, y = classes("multiclass")
    model = BackpropMLPClassifier(
        (), loss="squared_error", out_activation="identity", max_iter=1
    ).fit(X, y)
    model.coefs_[0][...], model.intercepts_[0][...] = 0, -1
    np.testing.assert_allclose(model.predict_proba(X), 1 / 3)


@pytest.mark.parametrize(
    ("out_activation", "no", "yes"), [("tanh", -1, 1), ("logistic", 0, 1), ("identity", 0, 1)]
)
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_targets_are_the_ends_of_the_output_activations_range(kind, out_activation, no, yes):
    """At zero weights the first step moves the biases by rate * mean(target - f(0)) * f'(0)."""
    X, y = classes(kind)
    model = BackpropMLPClassifier(
        (),
        loss="squared_error",
        out_activation=out_activation,
        update_rule=SGD(0.5),
        batch_size="full",
        max_iter=1,
    )
    n = 1 if kind == "binary" else 3
    model.fit(X, y, coef_init=[np.zeros((4, n))], intercept_init=[np.zeros(n)])
    is_one = y if kind == "multilabel" else (y[:, None] == ([1] if kind == "binary" else [0, 1, 2]))
    targets = np.where(is_one, yes, no)
    output, slope = (0.5, 0.25) if out_activation == "logistic" else (0.0, 1.0)
    np.testing.assert_allclose(model.intercepts_[0], 0.5 * (targets - output).mean(axis=0) * slope)
    assert model.loss_ == pytest.approx(((targets - output) ** 2).sum(axis=1).mean() / 2)


@pytest.mark.parametrize(
    "labels", [["ant", "bee", "cat"], [-1, 5, 7], [False, True], ["no", "yes"], [1.0, 2.0]], ids=str
)
def test_labels_come_back_as_they_were(labels):
    X, position = classes("multiclass" if len(labels) == 3 else "binary", seed=2)
    y = np.array(labels)[position]
    common = {"hidden_layer_sizes": (5,), "max_iter": 30, "random_state": 0}
    model = BackpropMLPClassifier(**common).fit(X, y)
    np.testing.assert_array_equal(model.classes_, labels)
    assert model.classes_.dtype == y.dtype
    np.testing.assert_array_equal(
        model.predict(X), y_of := np.array(labels)[model.predict_proba(X).argmax(axis=1)]
    )
    np.testing.assert_array_equal(
        y_of, np.array(labels)[BackpropMLPClassifier(**common).fit(X, position).predict(X)]
    )


@pytest.mark.parametrize("out_activation", ["auto", "softmax"])
@pytest.mark.parametrize("label", ["only", 3])
def test_one_class_is_always_predicted(label, out_activation):
    X, _ = classes("binary")
    model = BackpropMLPClassifier((3,), max_iter=3, out_activation=out_activation)
    model.fit(X, np.full(len(X), label))
    np.testing.assert_array_equal(model.predict(X), np.full(len(X), label))
    np.testing.assert_array_equal(model.predict_proba(X), np.ones((len(X), 1)))


@pytest.mark.parametrize(
    ("kind", "setting", "message"),
    [
        (
            "multilabel",
            {"out_activation": "softmax"},
            "every row one class, but y is multilabel",
        ),
        ("binary", {"out_activation": "tanh"}, "'auto', 'logistic' or 'softmax', got 'tanh'"),
        ("multiclass", {"out_activation": "identity"}, "needs probabilities.*got 'identity'"),
    ],
)
def test_outputs_that_do_not_fit_the_labels_or_the_loss_are_refused(kind, setting, message):
    X, y = classes(kind)
    with pytest.raises(ValueError, match=message):
        BackpropMLPClassifier(**setting).fit(X, y)


def test_first_partial_fit_must_name_the_classes():
    X, y = classes("strings")
    model = BackpropMLPClassifier((4,), random_state=0)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X, y)
    few = y != "cat"
    model.partial_fit(X[few], y[few], classes=["ant", "bee", "cat"])
    assert model.predict_proba(X).shape == (60, 3)
    model.partial_fit(X, y)
    model.partial_fit(X, y, classes=["ant", "bee", "cat"])
    with pytest.raises(ValueError, match="not the same as on last call"):
        model.partial_fit(X, y, classes=["ant", "bee"])
    with pytest.raises(ValueError, match=r"classes not in `self.classes_`"):
        model.partial_fit(X, np.where(few, y, "dog"))
    with pytest.raises(ValueError, match=r"classes not in `self.classes_`"):
        BackpropMLPClassifier().partial_fit(X, y, classes=["ant", "bee"])
    assert model.n_iter_ == 3


def test_multilabel_partial_fit_needs_no_classes():
    X, y = classes("multilabel")
    model = BackpropMLPClassifier((4,), random_state=0).partial_fit(X, y).partial_fit(X, y)
    assert model.predict(X).shape == y.shape


def test_warm_start_with_a_new_class_is_refused():
    X, y = classes("multiclass")
    model = BackpropMLPClassifier((4,), warm_start=True, max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match=r"classes not in `self.classes_`"):
        model.fit(X, y + 1)
    few = y < 2
    model.fit(X[few], y[few])  # fewer are not new
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
