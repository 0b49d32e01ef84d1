"""Label smoothing of the classifiers, against equations, PyTorch and central differences."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from sklearn_metabp import BackpropMLPClassifier, BackpropRNNClassifier, TraceRecorder

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SHARE = 0.15


def make_data(n_classes=4, n=40, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 5))
    y = rng.integers(0, n_classes, n)
    y[:n_classes] = np.arange(n_classes)
    return X, y


def first_step(X, y, sample_weight=None, **options):
    """Return the model after one full-batch step, and the trace of the step."""
    recorder = TraceRecorder(["params", "gradients", "loss", "targets"])
    defaults = {"alpha": 0.0, "shuffle": False, "random_state": 1, "update_rule": "sgd"}
    model = BackpropMLPClassifier(
        (6,), "tanh", batch_size="full", max_iter=1, **(defaults | options)
    )
    model.set_callbacks(recorder).fit(X, y, sample_weight)
    return model, recorder.trace_


def smooth(one_hot, n_classes, share=SHARE):
    return (1 - share) * one_hot + share / n_classes


@pytest.mark.parametrize(
    ("n_classes", "options", "expected"),
    [
        (4, {}, lambda y: smooth(np.eye(4)[y], 4)),
        (20, {}, lambda y: smooth(np.eye(20)[y], 20)),
        (2, {}, lambda y: smooth(y[:, None], 2)),
        (2, {"out_activation": "softmax"}, lambda y: smooth(np.eye(2)[y], 2)),
        (4, {"out_activation": "logistic"}, lambda y: smooth(np.eye(4)[y], 4)),
        (4, {"loss": "squared_error"}, lambda y: smooth(np.eye(4)[y], 4)),
        (
            4,
            {"loss": "squared_error", "out_activation": "tanh"},
            lambda y: 2 * smooth(np.eye(4)[y], 4) - 1,
        ),
        (
            2,
            {"loss": "squared_error", "out_activation": "tanh"},
            lambda y: 2 * smooth(y[:, None], 2) - 1,
        ),
    ],
    ids=["4", "20", "binary", "softmax", "logistic", "squared", "tanh", "binary_tanh"],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_targets_are_those_of_the_equation(n_classes, options, expected, dtype):
    X, y = make_data(n_classes)
    _, trace = first_step(X.astype(dtype), y, label_smoothing=SHARE, **options)
    rtol = 1e-12 if dtype == np.float64 else 1e-6
    np.testing.assert_allclose(trace.targets[0], expected(y), rtol=rtol, atol=rtol)
    assert trace.targets[0].dtype == dtype


def test_labels_of_multilabel_targets_are_smoothed_one_by_one():
    X, _ = make_data()
    y = (np.random.default_rng(3).uniform(size=(40, 3)) < 0.4).astype(int)
    for given in (y, csr_array(y)):
        _, trace = first_step(X, given, label_smoothing=SHARE)
        np.testing.assert_allclose(trace.targets[0], smooth(y, 2), rtol=1e-14)


@pytest.mark.parametrize("out_activation", ["auto", "logistic"])
def test_every_column_of_classes_has_its_own_number_of_them(out_activation):
    X, y = make_data(5)
    columns = np.column_stack([y, y % 2, y % 3])
    _, trace = first_step(X, columns, label_smoothing=SHARE, out_activation=out_activation)
    second = np.eye(2)[y % 2] if out_activation == "auto" else (y % 2)[:, None]
    expected = np.hstack([smooth(np.eye(5)[y], 5), smooth(second, 2), smooth(np.eye(3)[y % 3], 3)])
    np.testing.assert_allclose(trace.targets[0], expected, rtol=1e-14)


@pytest.mark.parametrize("n_classes", [3, 18])
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_and_gradient_are_those_of_torch(n_classes, weighted):
    torch = pytest.importorskip("torch")
    X, y = make_data(n_classes)
    weight = np.random.default_rng(5).uniform(0.5, 2, len(y)) if weighted else None
    model, trace = first_step(X, y, weight, label_smoothing=SHARE)
    params = torch.tensor(trace.params[0], requires_grad=True)
    layout, flat = model.layout_, []
    for tensor in layout.tensors:
        flat.append(params[tensor.slice].reshape(tensor.shape))
    hidden = torch.tanh(torch.tensor(X) @ flat[0] + flat[2])
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=SHARE, reduction="none")
    losses = loss_of(hidden @ flat[1] + flat[3], torch.tensor(y))
    weights = torch.ones(len(y), dtype=torch.float64) if weight is None else torch.tensor(weight)
    loss = (losses * weights).sum() / weights.sum()
    loss.backward()
    assert trace.losses[0] == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(trace.gradients[0], params.grad.numpy(), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(
    "options", [{}, {"input_gradient_penalty": 0.5}, {"loss": "squared_error"}, {"alpha": 0.1}]
)
def test_gradients_are_central_differences_of_the_loss_of_a_step(options):
    X, y = make_data(3, n=12)
    _, trace = first_step(X, y, label_smoothing=SHARE, **options)
    start = trace.params[0]

    def loss_at(params):
        moved = {"init": lambda layout, activations, rng: params}
        return first_step(X, y, label_smoothing=SHARE, **moved, **options)[1].losses[0]

    for number in np.random.default_rng(0).choice(len(start), 8, replace=False):
        shift = np.zeros_like(start)
        shift[number] = 1e-5
        rise = (loss_at(start + shift) - loss_at(start - shift)) / 2e-5
        assert trace.gradients[0, number] == pytest.approx(rise, rel=1e-6, abs=1e-9)


def test_a_share_of_0_changes_no_bit_and_the_validation_loss_is_not_smoothed():
    X, y = make_data(3)
    options = {"max_iter": 5, "random_state": 2, "batch_size": 16}
    plain = BackpropMLPClassifier((8,), **options).fit(X, y, X_val=X, y_val=y)
    zero = BackpropMLPClassifier((8,), label_smoothing=0.0, **options).fit(X, y)
    np.testing.assert_array_equal(zero.params_, plain.params_)
    model = BackpropMLPClassifier((8,), label_smoothing=SHARE, **options)
    model.fit(X, y, X_val=X, y_val=y)
    log_probabilities = model.predict_log_proba(X)
    expected = -log_probabilities[np.arange(len(y)), y].mean()
    assert model.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-12)
    assert (model.params_ != plain.params_).mean() > 0.9


def test_a_row_of_weight_2_is_one_given_twice():
    X, y = make_data(3, n=20)
    weight = np.where(np.arange(20) < 5, 2.0, 1.0)
    twice = np.concatenate([np.arange(20), np.arange(5)])
    options = {"label_smoothing": SHARE, "class_weight": {0: 3.0}}
    weighted, _ = first_step(X, y, weight, **options)
    given_twice, _ = first_step(X[twice], y[twice], **options)
    np.testing.assert_allclose(weighted.params_, given_twice.params_, rtol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_calls_of_partial_fit_and_warm_starts_are_a_fit_of_as_many_epochs(n_classes):
    X, y = make_data(n_classes)
    options = {"label_smoothing": SHARE, "random_state": 0, "batch_size": 10}
    whole = BackpropMLPClassifier((8,), max_iter=4, **options).fit(X, y)
    parts = BackpropMLPClassifier((8,), max_iter=4, **options)
    for _ in range(4):
        parts.partial_fit(X, y, classes=np.arange(n_classes))
    warm = BackpropMLPClassifier((8,), max_iter=2, warm_start=True, **options).fit(X, y).fit(X, y)
    np.testing.assert_array_equal(parts.params_, whole.params_)
    np.testing.assert_array_equal(warm.params_, whole.params_)


def test_a_smoothed_fit_predicts_no_extreme_probabilities():
    X, y = make_data(3, n=30)
    options = {"max_iter": 2000, "tol": 0, "alpha": 0.0, "random_state": 0, "update_rule": "lbfgs"}
    highest = [
        BackpropMLPClassifier((16,), label_smoothing=share, **options)
        .fit(X, y)
        .predict_proba(X)
        .max(axis=1)
        .mean()
        for share in (0.0, 0.3)
    ]
    assert highest[0] > 0.99
    assert highest[1] == pytest.approx(0.8, abs=0.01)  # 1 - 0.3 + 0.3 / 3


def test_output_biases_start_at_the_best_constant_for_the_smoothed_targets():
    X, y = make_data(3)
    model, trace = first_step(X, y, label_smoothing=SHARE, init_output_bias="targets")
    biases = model.layout_.intercepts(trace.params[0])[-1]
    shares = smooth(np.eye(3)[y], 3).mean(axis=0)
    np.testing.assert_allclose(biases, np.log(shares), rtol=1e-12)


@pytest.mark.parametrize("return_sequences", [False, True])
def test_recurrent_classifiers_have_it_too(return_sequences):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 4, 2))
    y = rng.integers(0, 3, (12, 4) if return_sequences else 12)
    recorder = TraceRecorder(["targets", "loss", "outputs"])
    model = BackpropRNNClassifier(
        5,
        return_sequences=return_sequences,
        label_smoothing=SHARE,
        max_iter=1,
        alpha=0.0,
        shuffle=False,
        random_state=0,
    )
    model.set_callbacks(recorder).fit(X, y)
    targets, outputs = recorder.trace_.targets[0], recorder.trace_.outputs[0]
    last = np.isfinite(targets[:, 0])  # other time steps have no output
    targets, outputs = targets[last], outputs[last]
    np.testing.assert_allclose(np.unique(targets.round(12)), [0.05, 0.9])
    np.testing.assert_allclose(targets.sum(axis=-1), 1)
    expected = -(targets * np.log(outputs)).sum(axis=-1).mean()
    assert recorder.trace_.losses[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("share", [-0.1, 1.0, "much"])
def test_a_share_out_of_range_is_an_error(share):
    X, y = make_data(3)
    with pytest.raises(ValueError, match="label_smoothing"):
        BackpropMLPClassifier(label_smoothing=share).fit(X, y)
