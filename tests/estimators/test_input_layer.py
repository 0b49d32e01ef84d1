"""Trainings with a scaling layer and with embeddings of numbers."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_metabp import (
    LBFGS,
    SGD,
    AdamW,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Clipped,
    Layerwise,
    LearnedUpdateRule,
    LinearBackprop,
    Muon,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    TraceRecorder,
    TrainingDoctor,
)
from sklearn_metabp.callbacks import Checkpoint
from sklearn_metabp.derivatives import (
    hessian,
    input_gradients,
    jacobian,
    parameter_jacobian,
)
from sklearn_metabp.diagnostics.patterns import PatternGradients
from sklearn_metabp.learned.scopes import SCOPES
from sklearn_metabp.tracing import Trace

RNG = np.random.RandomState(0)
X = RNG.normal(size=(90, 4))
Y = np.sin(4 * X[:, 0]) + X[:, 1] * X[:, 2]
WAVES = PeriodicEmbedding(n_frequencies=5, n_outputs=3, sigma=0.4, columns=[0, 2])
BINS = PiecewiseLinearEmbedding(n_bins=5, n_outputs=2, columns=slice(1, 4))
SETTINGS = {
    "scales": {"scaling_layer": True},
    "waves": {"numeric_embedding": WAVES},
    "scaled waves": {"numeric_embedding": WAVES, "scaling_layer": True},
    "bins": {"numeric_embedding": BINS, "scaling_layer": True},
}
SHORT = {"max_iter": 6, "tol": 0, "n_iter_no_change": np.inf, "batch_size": 16, "random_state": 3}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
by_setting = pytest.mark.parametrize("name", SETTINGS)


def regressor(name, **options):
    return BackpropMLPRegressor((8, 5), "tanh", **{**SHORT, **SETTINGS[name], **options})


class SeesSteps(TraceRecorder):
    """A callback that receives every step, so that every step is taken in Python."""


@by_setting
def test_every_array_is_trained(name):
    model = regressor(name).fit(X, Y)
    start = regressor(name, max_iter=1, update_rule=SGD(1e-12)).fit(X, Y)
    for key, values in model.extras_.items():
        assert (values != start.extras_[key]).all()
    assert model.coefs_[0].shape == (model.network_.input_layer.width, 8)
    assert model.layout_.layer_sizes == (4, 8, 5, 1)
    assert np.shares_memory(model.extras_[key], model.params_)


@by_setting
@pytest.mark.parametrize(
    "rule",
    [
        SGD(0.01, momentum=0.9),
        AdamW(0.01, weight_decay=0.1),
        Layerwise(AdamW(0.01), rates=lambda tensor: 6.0 if tensor.is_extra else 0.5),
        Clipped("adam"),
        Averaged("adam"),
    ],
    ids=["sgd", "adamw", "layerwise", "clipped", "averaged"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["32", "64"])
def test_epochs_in_c_have_the_bits_of_steps_in_python(name, rule, dtype):
    options = {"update_rule": rule, "dropout": 0.2, "input_noise": 0.1}
    weight = RNG.uniform(0.5, 2, len(X))
    model = regressor(name, **options).fit(X.astype(dtype), Y, weight)
    watched = regressor(name, **options).set_callbacks(SeesSteps()).fit(X.astype(dtype), Y, weight)
    assert model.params_.dtype == dtype
    np.testing.assert_array_equal(model.params_, watched.params_)
    assert model.loss_curve_ == watched.loss_curve_


@by_setting
@pytest.mark.parametrize("rule", [LBFGS(), Muon(0.01), LinearBackprop("adam")], ids=range(3))
def test_rules_that_python_runs_train_it_too(name, rule):
    model = regressor(name, update_rule=rule, max_iter=60).fit(X, Y)
    assert model.loss_curve_[-1] < 0.7 * model.loss_curve_[0]
    start = regressor(name, max_iter=1, update_rule=SGD(1e-12)).fit(X, Y)
    for key, values in model.extras_.items():
        assert (values != start.extras_[key]).any()


@by_setting
def test_steps_have_the_rows_and_what_is_made_of_them(name):
    seen = []

    class Notes(TraceRecorder):
        def on_step_end(self, estimator, context, step):
            net_inputs = step.received @ step.coefs[0] + step.intercepts[0]
            np.testing.assert_allclose(step.net_inputs[0], net_inputs, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(step.activations[1], np.tanh(net_inputs), atol=1e-13)
            made = step.network.received(step.activations[0], step.params)
            np.testing.assert_allclose(step.received, made, rtol=0, atol=1e-13)
            seen.append(step.activations[0].copy())
            super().on_step_end(estimator, context, step)

    regressor(name, max_iter=1, shuffle=False).set_callbacks(Notes()).fit(X, Y)
    np.testing.assert_array_equal(np.concatenate(seen), X)


@by_setting
def test_a_training_in_parts_is_the_whole_one(name):
    whole = regressor(name, max_iter=4).fit(X, Y)
    parts = regressor(name, max_iter=2, warm_start=True).fit(X, Y)
    parts.fit(X, Y)
    np.testing.assert_array_equal(parts.params_, whole.params_)
    steps = regressor(name, max_iter=4)
    for _ in range(4):
        steps.partial_fit(X, Y)
    np.testing.assert_array_equal(steps.params_, whole.params_)


@by_setting
def test_a_training_that_is_continued_keeps_its_input_layer(name):
    model = regressor(name, warm_start=True).fit(X, Y)
    layer = model.network_.input_layer
    model.fit(X[:50] * 3, Y[:50])
    assert model.network_.input_layer == layer
    model.set_params(scaling_layer=not model.scaling_layer)
    with pytest.raises(ValueError, match="scaling_layer or numeric_embedding has changed"):
        model.fit(X, Y)
    assert model.network_.input_layer == layer


@by_setting
def test_models_are_pickled_cloned_and_checkpointed(name, tmp_path):
    model = regressor(name).fit(X, Y)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(clone(model).fit(X, Y).params_, model.params_)
    path = tmp_path / "state"
    regressor(name, max_iter=3).set_callbacks(Checkpoint(path)).fit(X, Y)
    resumed = regressor(name).set_callbacks(Checkpoint(path)).fit(X, Y)
    np.testing.assert_array_equal(resumed.params_, model.params_)


@by_setting
def test_traces_on_disk_know_the_input_layer(name, tmp_path):
    recorder = TraceRecorder(path=tmp_path / "trace")
    model = regressor(name).set_callbacks(recorder).fit(X, Y)
    trace = Trace.open(tmp_path / "trace")
    (run,) = trace.recorded
    assert run.network == model.network_
    assert run.layout == model.layout_
    summary = TraceRecorder(summary=True)
    regressor(name).set_callbacks(summary).fit(X, Y)
    assert summary.trace_.summary["params"].shape[1] == len(model.layout_.tensors)


def test_the_best_epoch_has_its_own_input_layer():
    model = regressor("bins", early_stopping=True, max_iter=30, update_rule="sgd").fit(X, Y)
    assert model.best_validation_score_ == max(model.validation_scores_)
    frozen = regressor("bins", update_rule=Layerwise("adam", frozen=[0])).fit(X, Y)
    start = regressor("bins", max_iter=1, update_rule=SGD(1e-12)).fit(X, Y)
    for key, values in frozen.extras_.items():
        np.testing.assert_allclose(values, start.extras_[key], rtol=1e-9)


@by_setting
def test_a_start_is_given_for_weights_and_biases(name):
    first = regressor(name, max_iter=1).fit(X, Y)
    starts = [w + 1 for w in first.coefs_], [b - 1 for b in first.intercepts_]
    model = regressor(name, max_iter=1, update_rule=SGD(1e-12))
    model.fit(X, Y, coef_init=starts[0], intercept_init=starts[1])
    for found, given in zip(
        model.coefs_ + model.intercepts_, [*starts[0], *starts[1]], strict=True
    ):
        np.testing.assert_allclose(found, given, rtol=1e-9)
    with pytest.raises(ValueError, match="must have the shapes"):
        model.fit(X, Y, coef_init=[np.ones((9, 8)), *starts[0][1:]])


@by_setting
def test_written_arrays_are_used(name):
    model = regressor(name, warm_start=True).fit(X, Y)
    before = model.predict(X)
    for values in model.extras_.values():
        values *= 1.5
    after = model.predict(X)
    assert not np.allclose(after, before)
    layout, params = model.layout_, model.params_
    received = model.network_.received(X, params)
    hidden = np.tanh(received @ layout.coefs(params)[0] + layout.intercepts(params)[0])
    np.testing.assert_allclose(model.network_.outputs(params, X, layer=0), hidden, atol=1e-12)


def test_a_search_over_an_embedding():
    grid = {"numeric_embedding__sigma": [0.1, 0.5], "numeric_embedding__n_outputs": [2]}
    search = GridSearchCV(regressor("waves"), grid, cv=2).fit(X, Y)
    assert search.best_estimator_.network_.input_layer.embedding.n_outputs == 2
    assert {params["numeric_embedding__sigma"] for params in search.cv_results_["params"]} == {
        0.1,
        0.5,
    }


def test_columns_by_name():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    embedding = PeriodicEmbedding(columns=["c", "a"])
    model = BackpropMLPRegressor((5,), numeric_embedding=embedding, **SHORT).fit(frame, Y)
    assert model.network_.input_layer.embedding.columns == (0, 2)
    with pytest.raises(ValueError, match="'e', which is no column"):
        model.set_params(numeric_embedding__columns=["e"]).fit(frame, Y)


def test_a_summary_names_the_parameters():
    text = str(regressor("scaled waves").fit(X, Y).summary())
    assert "further parameters  input_scales_ 4, embedding_frequencies_ 2x5" in text
    assert "hidden 1" in text


def test_a_doctor_looks_at_such_a_training():
    doctor = TrainingDoctor()
    regressor("scaled waves", max_iter=20).set_callbacks(doctor).fit(X, Y)
    assert doctor.diagnosis_.findings is not None


@by_setting
def test_gradients_of_patterns_add_up(name):
    recorder = TraceRecorder(variables="all")
    weight = RNG.uniform(0.5, 2, len(X))
    regressor(name, alpha=0.1).set_callbacks(recorder).fit(X, Y, weight)
    for _, step in recorder.trace_.iter_steps(0):
        patterns = PatternGradients(step)
        assert patterns.mismatch < 1e-12
        vector = np.arange(step.layout.n_params) / 100
        products = patterns.products(vector)
        assert products.mean() == pytest.approx(step.gradients @ vector, rel=1e-9)
        norms = patterns.squared_norms()
        assert norms.shape == (step.n_patterns, len(step.layout.tensors))
        moments = patterns.second_moments()
        for number, tensor in enumerate(step.layout.tensors):
            assert moments[tensor.slice].sum() == pytest.approx(norms[:, number].mean())


@pytest.mark.parametrize("embedding", ["periodic", "piecewise_linear"])
def test_a_classifier_learns_what_a_line_cannot(embedding):
    rows = RNG.uniform(-3, 3, (600, 2))
    labels = (np.sin(4 * rows[:, 0]) > 0).astype(int)
    options = {"max_iter": 80, "tol": 0, "n_iter_no_change": np.inf, "random_state": 0}
    scores = []
    embeddings = {"periodic": PeriodicEmbedding(sigma=0.5), "piecewise_linear": embedding}
    for one in (None, embeddings[embedding]):
        model = BackpropMLPClassifier((), numeric_embedding=one, **options)
        scores.append(
            model.set_params(update_rule=AdamW(0.02)).fit(rows, labels).score(rows, labels)
        )
    assert scores[0] < 0.75
    assert scores[1] > 0.85


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"X": csr_array(X)}, ValueError, "scaling_layer needs a dense X"),
        ({"X": csr_array(X), **SETTINGS["waves"]}, ValueError, "numeric_embedding needs a dense X"),
        ({"input_gradient_penalty": 0.1}, ValueError, "penalty=0.1 and scaling_layer do not work"),
        ({"numeric_embedding": "waves"}, ValueError, "numeric_embedding must be one of"),
        ({"numeric_embedding": PeriodicEmbedding}, TypeError, "add parentheses"),
        ({"scaling_layer": 1.5}, ValueError, "scaling_layer"),
    ],
    ids=range(6),
)
def test_what_does_not_go_together_is_an_error(options, error, message):
    options = {**options}
    rows = options.pop("X", X)
    model = regressor("scales", **options)
    with pytest.raises(error, match=message):
        model.fit(rows, Y)
    assert not hasattr(model, "network_")


def test_learned_rules_and_second_derivatives_refuse_it():
    recorder = TraceRecorder()
    BackpropMLPRegressor((4,), **SHORT).set_callbacks(recorder).fit(X, Y)
    rule = LearnedUpdateRule(random_state=0).fit(recorder.trace_)
    with pytest.raises(ValueError, match=r"weights and biases.*input_scales_"):
        regressor("scales", update_rule=rule).fit(X, Y)
    regressor("scales").set_callbacks(recorder := TraceRecorder("all")).fit(X, Y)
    for scope in SCOPES:
        with pytest.raises(ValueError, match=r"weights and biases.*input_scales_"):
            LearnedUpdateRule(scope=scope).fit(recorder.trace_)
    with pytest.raises(TypeError, match=r"weights and biases.*input_scales_"):
        hessian(regressor("scales").fit(X, Y), X, Y)


@by_setting
def test_derivatives_are_those_of_differences(name):
    targets = np.column_stack([Y, np.cos(X[:, 1])])
    model = regressor(name).fit(X, targets)
    network, params, step = model.network_, model.params_, 1e-6
    by_inputs = np.empty((len(X), 2, 4))
    for column in range(4):
        shift = step * np.eye(4)[column]
        outputs = [network.outputs(params, X + sign * shift) for sign in (1, -1)]
        by_inputs[:, :, column] = (outputs[0] - outputs[1]) / (2 * step)
    for mode in ("forward", "reverse", "auto"):
        np.testing.assert_allclose(jacobian(model, X, mode=mode), by_inputs, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(
        input_gradients(model, X, output=1), by_inputs[:, 1], rtol=1e-6, atol=1e-8
    )
    by_params = parameter_jacobian(model, X)
    for number in range(len(params)):
        shift = step * np.eye(len(params))[number]
        outputs = [network.outputs(params + sign * shift, X) for sign in (1, -1)]
        np.testing.assert_allclose(
            by_params[:, :, number], (outputs[0] - outputs[1]) / (2 * step), rtol=1e-6, atol=1e-8
        )


def test_gradients_are_those_of_torch():
    torch = pytest.importorskip("torch")
    model = regressor("scaled waves").fit(X, Y)
    network, params = model.network_, model.params_.copy()
    gradients = np.zeros_like(params)
    kernel = network.backprop(params, gradients, len(X))
    kernel.load(X, Y[:, None])
    loss = kernel.gradients(0, len(X))
    layout = model.layout_
    weights = [torch.tensor(one, requires_grad=True) for one in layout.coefs(params)]
    biases = [torch.tensor(one, requires_grad=True) for one in layout.intercepts(params)]
    extras = {k: torch.tensor(v, requires_grad=True) for k, v in layout.extras_of(params).items()}
    scaled = torch.tensor(X) * extras["input_scales_"]
    x = scaled[:, [0, 2], None]
    waves = torch.cos(
        2 * np.pi * (extras["embedding_frequencies_"] * x + extras["embedding_phases_"])
    )
    sums = torch.einsum("pjf,jfi->pji", waves, extras["embedding_coefs_"])
    embedded = torch.cat([sums + extras["embedding_intercepts_"], x], axis=2)
    x = torch.cat([embedded[:, 0], scaled[:, 1:2], embedded[:, 1], scaled[:, 3:]], axis=1)
    for number, (w, b) in enumerate(zip(weights, biases, strict=True)):
        x = x @ w + b
        x = torch.tanh(x) if number < 2 else x
    squares = sum((w**2).sum() for w in weights)
    value = 0.5 * ((x[:, 0] - torch.tensor(Y)) ** 2).mean() + 0.5 * model.alpha * squares / len(X)
    value.backward()
    expected = layout.flatten(
        [w.grad for w in weights], [b.grad for b in biases], {k: v.grad for k, v in extras.items()}
    )
    assert loss == pytest.approx(value.item(), rel=1e-12)
    np.testing.assert_allclose(gradients, expected, rtol=1e-9, atol=1e-12)
