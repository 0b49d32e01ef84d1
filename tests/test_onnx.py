"""A model converted to ONNX predicts the same: equal labels, numbers to 1e-5."""

import math
import subprocess
import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from helpers.data import classes, numbers
from helpers.tables import labels_of, make_table, quick_classifier, quick_regressor
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_metabp import (
    SGD,
    BackpropAutoencoder,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    BackpropRNNClassifier,
    BackpropRNNRegressor,
    LearnedUpdateRule,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    RobustSmoothClipper,
    TablePreprocessor,
    TraceRecorder,
)
from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp.network import HIDDEN_ACTIVATIONS, OUT_ACTIVATIONS

pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from skl2onnx import to_onnx  # noqa: E402
from skl2onnx.common.data_types import (  # noqa: E402
    DoubleTensorType,
    FloatTensorType,
    StringTensorType,
)

import sklearn_metabp.onnx  # noqa: E402
from sklearn_metabp.onnx.graph import Graph  # noqa: E402

SHORT = {"max_iter": 30, "n_iter_no_change": np.inf, "random_state": 0}
DTYPES = (np.float32, np.float64)
KINDS = ("binary", "multiclass", "multilabel", "strings")
CLASSIFIER_OUTPUTS = [name for name in ("auto", *OUT_ACTIVATIONS) if name != "exp"]


def cases(*lists):
    return list(product(*lists))


def run(converted, X):
    session = onnxruntime.InferenceSession(
        converted.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: X})


def convert_and_run(model, X, target_opset=None, **options):
    converted = to_onnx(
        model, X[:1], options={id(model): options} if options else None, target_opset=target_opset
    )
    return run(converted, X)


def assert_same_classifier(model, X, **options):
    label, probabilities = convert_and_run(model, X, zipmap=False, **options)
    np.testing.assert_array_equal(label, model.predict(X))
    assert probabilities.dtype == X.dtype
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=0, atol=1e-5)


def assert_same_regressor(model, X):
    (variable,) = convert_and_run(model, X)
    assert variable.dtype == X.dtype
    predicted = model.predict(X)
    np.testing.assert_allclose(variable, predicted.reshape(len(X), -1), rtol=1e-5, atol=1e-5)


def goes_together(out_activation, loss, kind):
    if out_activation == "softmax" and kind == "multilabel":
        return False
    return loss == "squared_error" or out_activation in ("auto", "logistic", "softmax")


@pytest.mark.parametrize(
    ("out_activation", "loss", "kind"),
    [
        case
        for case in cases(CLASSIFIER_OUTPUTS, ("log_loss", "squared_error"), KINDS)
        if goes_together(*case)
    ],
)
def test_classifier(out_activation, loss, kind):
    X, y = classes(kind)
    model = BackpropMLPClassifier((5, 4), "tanh", loss=loss, out_activation=out_activation, **SHORT)
    model.fit(X, y)
    for dtype in DTYPES:
        assert_same_classifier(model, 2 * X.astype(dtype))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_members_are_averaged_in_the_graph(kind, loss):
    X, y = classes(kind)
    model = BackpropMLPClassifier((5,), "tanh", loss=loss, n_members=3, **SHORT).fit(X, y)
    for dtype in DTYPES:
        assert_same_classifier(model, 2 * X.astype(dtype))
    X, y = numbers(2)
    model = BackpropMLPRegressor((5,), n_members=2, **SHORT).fit(X, y)
    for dtype in DTYPES:
        assert_same_regressor(model, 2 * X.astype(dtype))


@pytest.mark.parametrize(
    ("activation", "kind"), cases(HIDDEN_ACTIVATIONS, ("multiclass", "multilabel"))
)
def test_classifier_by_hidden_activation(activation, kind):
    X, y = classes(kind)
    model = BackpropMLPClassifier((5, 4), activation, **SHORT).fit(X, y)
    for dtype in DTYPES:
        assert_same_classifier(model, 2 * X.astype(dtype))


# exp outputs cannot have the mean of these targets, which the warning is about.
@pytest.mark.filterwarnings(
    "ignore:The network predicts no better:sklearn.exceptions.ConvergenceWarning"
)
@pytest.mark.parametrize(
    ("activation", "out_activation", "n_outputs"),
    cases(HIDDEN_ACTIVATIONS, OUT_ACTIVATIONS, (1, 3)),
)
def test_regressor(activation, out_activation, n_outputs):
    if out_activation == "softmax" and n_outputs == 1:
        pytest.skip("one softmax output is 1 whatever X is")
    X, y = numbers(n_outputs)
    model = BackpropMLPRegressor((5, 4), activation, out_activation=out_activation, **SHORT).fit(
        X, y
    )
    for dtype in DTYPES:
        assert_same_regressor(model, 2 * X.astype(dtype))


@pytest.mark.parametrize(("sizes", "dtype"), cases([(), (3,), (4, 3, 2)], DTYPES))
def test_depths_and_what_was_fitted_in(sizes, dtype):
    X, y = classes("multiclass")
    model = BackpropMLPClassifier(sizes, **SHORT).fit(X.astype(dtype), y)
    for given in DTYPES:
        assert_same_classifier(model, X.astype(given))


def test_every_layer_has_its_own_activation():
    X, y = numbers(3)
    model = BackpropMLPRegressor((5, 4), **SHORT).fit(X, y)
    model.network_ = replace(model.network_, activations=("gelu", "softplus"))
    assert_same_regressor(model, X)


TWO_TARGETS = [{}, {"out_activation": "logistic"}, {"loss": "squared_error"}]


@pytest.mark.parametrize("setting", TWO_TARGETS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_several_targets(dtype, setting):
    X, y = classes("strings")
    Y = np.column_stack([y, np.where(X[:, 0] > 0, "yes", "no")])
    model = BackpropMLPClassifier((6,), **setting, **SHORT).fit(X, Y)
    label, probabilities = convert_and_run(model, X.astype(dtype))
    np.testing.assert_array_equal(label, model.predict(X))
    for found, wanted in zip(probabilities, model.predict_proba(X), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_several_targets_with_numbers_for_labels():
    X, y = classes("multiclass")
    Y = np.column_stack([y, 5 + (X[:, 0] > 0)])
    model = BackpropMLPClassifier((6,), **SHORT).fit(X, Y)
    label, _ = convert_and_run(model, X)
    np.testing.assert_array_equal(label, model.predict(X))
    numbers_of, _ = convert_and_run(model, X, nocl=True)
    np.testing.assert_array_equal(numbers_of, model.predict(X) - [0, 5])


def test_several_targets_with_labels_of_different_types():
    X, y = classes("multiclass")
    model = BackpropMLPClassifier((6,), **SHORT).fit(X, np.column_stack([y, y % 2]))
    model.classes_[1] = np.array(["no", "yes"])
    with pytest.raises(ValueError, match=r"some have numbers.*nocl"):
        to_onnx(model, X[:1])


NET_INPUTS = np.array([-1000, -30, -3, -1, -1e-4, 0, 1e-4, 1, 3, 30, 1000])
ERF = np.array([math.erf(x / math.sqrt(2)) for x in NET_INPUTS])
LOGISTIC = 1 / (1 + np.exp(-np.maximum(NET_INPUTS, -700)))
BY_DEFINITION = {
    "identity": NET_INPUTS,
    "logistic": LOGISTIC,
    "tanh": np.tanh(NET_INPUTS),
    "relu": np.maximum(NET_INPUTS, 0),
    "leaky_relu": np.where(NET_INPUTS > 0, NET_INPUTS, 0.01 * NET_INPUTS),
    "elu": np.where(NET_INPUTS > 0, NET_INPUTS, np.expm1(np.minimum(NET_INPUTS, 0))),
    "gelu": NET_INPUTS * (1 + ERF) / 2,
    "silu": NET_INPUTS * LOGISTIC,
    "selu": 1.0507009873554805
    * np.where(
        NET_INPUTS > 0, NET_INPUTS, 1.6732632423543772 * np.expm1(np.minimum(NET_INPUTS, 0))
    ),
    "mish": NET_INPUTS * np.tanh(np.logaddexp(0, NET_INPUTS)),
    "softplus": np.logaddexp(0, NET_INPUTS),
}


@pytest.mark.parametrize(("name", "dtype", "opset"), cases(BY_DEFINITION, DTYPES, (13, 18, 22)))
def test_activations_are_those_of_their_definitions(name, dtype, opset):
    x = NET_INPUTS.astype(dtype)[:, None]
    graph = Graph(opset, DoubleTensorType() if dtype == np.float64 else FloatTensorType())
    converted = graph.Identity(graph.activate(name, "x"), output_names=["y"]).to_onnx({"x": x[:1]})
    (found,) = run(converted, x)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.ravel(), BY_DEFINITION[name], rtol=1e-6, atol=1e-6)


def test_an_activation_without_a_conversion_is_named(monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "step", replace(ACTIVATIONS["relu"], name="step", onnx=None))
    with pytest.raises(NotImplementedError, match="'step' has no conversion"):
        Graph(22, FloatTensorType()).activate("step", "x")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "options",
    [
        {"scaling_layer": True},
        {"numeric_embedding": PeriodicEmbedding(n_frequencies=5, sigma=1.0)},
        {
            "numeric_embedding": PeriodicEmbedding(columns=[2, 0], n_outputs=3),
            "scaling_layer": True,
        },
        {"numeric_embedding": PiecewiseLinearEmbedding(n_bins=5, columns=[1])},
        {"numeric_embedding": "piecewise_linear", "scaling_layer": True},
    ],
    ids=["scales", "periodic", "some columns", "bins", "scaled bins"],
)
def test_input_layers(options, dtype):
    X, y = numbers(dtype=dtype)
    model = BackpropMLPRegressor((6,), **options, **SHORT).fit(X, y)
    assert_same_regressor(model, X)
    assert_same_regressor(model, (5 * X).astype(dtype))
    X, y = classes("multiclass", dtype=dtype)
    assert_same_classifier(BackpropMLPClassifier((), **options, **SHORT).fit(X, y), X)


@pytest.mark.parametrize("opset", [13, 18, 22])
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_models_are_converted_to_older_opsets(opset, loss):
    X, y = classes("strings")
    model = BackpropMLPClassifier((4,), loss=loss, **SHORT).fit(X, y)
    label, probabilities = convert_and_run(model, X, opset, zipmap=False)
    np.testing.assert_array_equal(label, model.predict(X))
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 60])
def test_any_number_of_rows(n):
    X, y = classes("binary")
    model = BackpropMLPClassifier((4,), **SHORT).fit(X, y)
    label, probabilities = run(to_onnx(model, X, options={"zipmap": False}), X[:n])
    assert label.shape == (n,)
    assert probabilities.shape == (n, 2)


@pytest.mark.parametrize(("out_activation", "dtype"), cases(("auto", "softmax"), DTYPES))
def test_a_model_of_a_single_class_is_converted(out_activation, dtype):
    X, _ = classes("binary")
    model = BackpropMLPClassifier((4,), out_activation=out_activation, **SHORT).fit(
        X, np.full(len(X), 7)
    )
    assert_same_classifier(model, X.astype(dtype))


@pytest.mark.parametrize("y_dtype", [bool, np.int32, np.uint8, np.float64])
def test_integers_of_any_type_are_labels(y_dtype):
    X, y = classes("binary")
    model = BackpropMLPClassifier((4,), **SHORT).fit(X, y.astype(y_dtype))
    label, _ = convert_and_run(model, X, zipmap=False)
    assert label.dtype == np.int64
    np.testing.assert_array_equal(label, model.predict(X).astype(int))


def test_whole_numbers_as_input():
    X, y = classes("multiclass")
    X = np.round(3 * X).astype(np.int64)
    model = BackpropMLPClassifier((4,), **SHORT).fit(X, y)
    label, probabilities = convert_and_run(model, X, zipmap=False)
    np.testing.assert_array_equal(label, model.predict(X))
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize(("kind", "dtype"), cases(("multiclass", "strings", "multilabel"), DTYPES))
def test_maps_of_probabilities(kind, dtype):
    X, y = classes(kind)
    model = BackpropMLPClassifier((4,), **SHORT).fit(X, y)
    label, maps = convert_and_run(model, X.astype(dtype))
    np.testing.assert_array_equal(label, model.predict(X))
    assert set(maps[0]) == set(model.classes_.tolist())
    found = [[row[name] for name in model.classes_.tolist()] for row in maps]
    np.testing.assert_allclose(found, model.predict_proba(X), atol=1e-5)


def test_option_columns_gives_one_output_per_class():
    X, y = classes("strings")
    model = BackpropMLPClassifier((4,), **SHORT).fit(X, y)
    converted = to_onnx(model, X[:1], options={"zipmap": "columns"})
    assert [output.name for output in converted.graph.output] == [
        "output_label",
        "sant",
        "sbee",
        "scat",
    ]
    found = np.column_stack(run(converted, X)[1:])
    np.testing.assert_allclose(found, model.predict_proba(X), atol=1e-5)


def test_positions_instead_of_labels():
    X, y = classes("strings")
    model = BackpropMLPClassifier((4,), **SHORT).fit(X, y)
    label, _ = convert_and_run(model, X, zipmap=False, nocl=True)
    np.testing.assert_array_equal(model.classes_[label], model.predict(X))


def test_class_labels_as_an_output():
    X, y = classes("strings")
    model = BackpropMLPClassifier((4,), **SHORT).fit(X, y)
    *_, labels = convert_and_run(model, X, zipmap=False, output_class_labels=True)
    assert labels.tolist() == model.classes_.tolist()


def test_models_in_pipelines_and_searches_are_converted():
    X, y = classes("strings")
    columns = ColumnTransformer([("a", MinMaxScaler(), [0, 2]), ("b", "passthrough", [3])])
    classifier = BackpropMLPClassifier((4,), **SHORT)
    search = GridSearchCV(
        make_pipeline(columns, classifier), {"backpropmlpclassifier__alpha": [0, 1]}, cv=2
    )
    assert_same_classifier(search.fit(X, y), X.astype(np.float32))
    X, y = numbers(3)
    regressor = BackpropMLPRegressor((4,), **SHORT)
    assert_same_regressor(make_pipeline(StandardScaler(), regressor).fit(X, y), X)


def test_a_model_trained_by_a_learned_rule():
    X, y = classes("multiclass")
    recorder = TraceRecorder()
    teacher = BackpropMLPClassifier((3,), update_rule=SGD(0.1), **SHORT)
    teacher.set_callbacks(recorder).fit(X, y)
    rule = LearnedUpdateRule(random_state=0).fit(recorder.trace_)
    assert_same_classifier(BackpropMLPClassifier((4,), update_rule=rule, **SHORT).fit(X, y), X)


def test_without_skl2onnx_the_import_says_what_to_install():
    program = "import sys; sys.modules['skl2onnx'] = None; import sklearn_metabp.onnx"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert 'pip install "sklearn-metabp[onnx]"' in done.stderr


def sequences(dtype, n=40, n_timesteps=7):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, n_timesteps, 2)).astype(dtype)
    for row in X[1:]:
        row[rng.integers(2, n_timesteps + 1) :] = np.nan
    return X, np.nansum(X[:, :, 0], axis=1)


def convert_sequences(model, X):
    kind = DoubleTensorType if X.dtype == np.float64 else FloatTensorType
    options = {id(model): {"zipmap": False}} if hasattr(model, "classes_") else None
    types = [("X", kind([None, *[None] * (X.ndim - 2), X.shape[-1]]))]
    return run(to_onnx(model, initial_types=types, options=options), X)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("cell", "activation"),
    [("gru", "tanh"), *[("elman", name) for name in HIDDEN_ACTIVATIONS[:5] if name != "exp"]],
)
def test_recurrent_networks_predict_the_same(cell, activation, dtype):
    X, y = sequences(dtype)
    make = {"cell": cell, "activation": activation, **SHORT}
    regressor = BackpropRNNRegressor(5, **make).fit(X, y)
    np.testing.assert_allclose(
        convert_sequences(regressor, X)[0][:, 0], regressor.predict(X), rtol=1e-5, atol=1e-5
    )
    classifier = BackpropRNNClassifier(5, **make).fit(X, np.digitize(y, [-1, 1]))
    label, probabilities = convert_sequences(classifier, X)
    np.testing.assert_allclose(probabilities, classifier.predict_proba(X), atol=1e-5)
    np.testing.assert_array_equal(label, classifier.predict(X))
    rows = np.nan_to_num(X).reshape(40, 14)
    of_rows = BackpropRNNRegressor(5, n_timesteps=7, **make).fit(rows, y)
    np.testing.assert_allclose(
        convert_sequences(of_rows, rows)[0][:, 0], of_rows.predict(rows), rtol=1e-5, atol=1e-5
    )


def test_recurrent_networks_with_outputs_at_every_step():
    X, _ = sequences(np.float32)
    X = np.nan_to_num(X)
    every = BackpropRNNRegressor(5, return_sequences=True, **SHORT).fit(X, X.cumsum(axis=1))
    (found,) = convert_sequences(every, X)
    np.testing.assert_allclose(found, every.predict(X), atol=1e-5)
    labels = BackpropRNNClassifier(5, return_sequences=True, **SHORT).fit(X, X[:, :, 0] > 0)
    with pytest.raises(NotImplementedError, match="return_sequences=True"):
        convert_sequences(labels, X)
    gelu = BackpropRNNRegressor(5, activation="gelu", **SHORT).fit(X, X[:, 0, 0])
    with pytest.raises(NotImplementedError, match="no recurrent layer of 'gelu' neurons"):
        convert_sequences(gelu, X)


OUTPUTS = ("score_samples", "reconstruct", "residuals")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", [(3,), (5, 2, 5)], ids=str)
@pytest.mark.parametrize("asked", [(), OUTPUTS, ("reconstruct",)], ids=str)
def test_autoencoder(asked, sizes, dtype):
    X, _ = numbers(n=80)
    model = BackpropAutoencoder(sizes, "tanh", **SHORT).fit(X)
    X = 2 * X.astype(dtype)
    label, scores, *more = convert_and_run(model, X, **dict.fromkeys(asked, True))
    np.testing.assert_array_equal(label, model.predict(X)[:, None])
    assert set(label.ravel()) == {-1, 1}
    found = {"decision_function": scores, **dict(zip(asked, more, strict=True))}
    for name, values in found.items():
        expected = getattr(model, name)(X)
        assert values.dtype == dtype
        np.testing.assert_allclose(values, expected.reshape(values.shape), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_autoencoder_in_front_of_a_classifier(dtype):
    X, y = classes("multiclass")
    code = BackpropAutoencoder((5, 3, 5), "tanh", **SHORT)
    model = make_pipeline(StandardScaler(), code, BackpropMLPClassifier((5,), **SHORT)).fit(X, y)
    X = X.astype(dtype)
    converted = to_onnx(
        model,
        X[:1],
        options={id(code): {"transform": True}, id(model[-1]): {"zipmap": False}},
    )
    label, probabilities = run(converted, X)
    np.testing.assert_array_equal(label, model.predict(X))
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=0, atol=1e-5)
    (codes,) = convert_and_run(model[1], X, transform=True)
    np.testing.assert_allclose(codes, model[1].transform(X), rtol=0, atol=1e-5)


def numbers_of_all_sizes(dtype):
    """Columns with outliers up to the largest floats, a constant one, and NaN in each."""
    rng = np.random.default_rng(0)
    X = rng.standard_t(1, (60, 5)).astype(dtype)
    X[:, 1] = np.where(X[:, 1] > 2, X[:, 1], -4)
    X[:, 2] = 7
    X[:3, 3] = np.finfo(dtype).max * np.array([1, -1, 0.5], dtype)
    return X


@pytest.mark.parametrize("clip", [3.0, 0.2, None])
@pytest.mark.parametrize("dtype", DTYPES)
def test_clipper(dtype, clip):
    X = numbers_of_all_sizes(dtype)
    clipper = RobustSmoothClipper(clip).fit(np.delete(X, 3, axis=1) if clip is None else X)
    X = np.delete(X, 3, axis=1) if clip is None else X
    later = np.vstack([X, np.full_like(X[:1], np.nan), 2 * np.nan_to_num(X[5:9])])
    (variable,) = convert_and_run(clipper, later)
    assert variable.dtype == dtype
    assert np.isnan(variable[len(X)]).all()
    np.testing.assert_allclose(variable, clipper.transform(later), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_clipper_in_front_of_a_classifier(dtype):
    X, y = classes("multiclass")
    X = X.astype(dtype)
    X[0, 1] = 1e30
    pipeline = make_pipeline(RobustSmoothClipper(), BackpropMLPClassifier((4,), **SHORT))
    assert_same_classifier(pipeline.fit(X, y), X)


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("dtype", DTYPES)
def test_clipper_in_older_opsets(dtype, opset):
    X = numbers_of_all_sizes(dtype)
    clipper = RobustSmoothClipper().fit(X)
    (variable,) = convert_and_run(clipper, X, target_opset=opset)
    np.testing.assert_allclose(variable, clipper.transform(X), rtol=1e-6, atol=1e-6)


def test_clipper_of_whole_numbers():
    X = np.array([[1], [2], [3], [4], [500]])
    clipper = RobustSmoothClipper().fit(X)
    np.testing.assert_allclose(
        convert_and_run(clipper, X)[0], clipper.transform(X), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("make", [quick_classifier, quick_regressor])
@pytest.mark.parametrize("params", [{}, {"n_members": 2, "refit": True}], ids=["one", "two"])
def test_tables_with_their_preprocessing(seed, make, params):
    frame, score = make_table(seed=seed)
    is_classifier = make is quick_classifier
    model = make(**params).fit(frame, labels_of(score) if is_classifier else score)
    later = make_table(seed=seed + 10)[0].assign(owner="Zoe")
    types = sklearn_metabp.onnx.table_types(model)
    options = {"zipmap": False} if is_classifier else None
    converted = to_onnx(model, initial_types=types, options=options)
    session = onnxruntime.InferenceSession(converted.SerializeToString())
    for rows in (frame, later):
        texts = rows.astype(object).where(rows.notna(), "")
        inputs = {
            name: (
                texts[[name]].to_numpy()
                if isinstance(kind, StringTensorType)
                else rows[[name]].astype(np.float32).to_numpy()
            )
            for name, kind in types
        }
        found = session.run(None, inputs)
        if is_classifier:
            assert (found[0] == model.predict(rows)).all()
            np.testing.assert_allclose(found[1], model.predict_proba(rows), atol=1e-5)
        else:
            np.testing.assert_allclose(found[0].ravel(), model.predict(rows), atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_table_of_one_input(dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    X[rng.random(X.shape) < 0.2] = np.nan
    preprocessor = TablePreprocessor(dtype=dtype).fit(X)
    kind = DoubleTensorType if dtype == np.float64 else FloatTensorType
    converted = to_onnx(preprocessor, initial_types=[("X", kind([None, 4]))])
    (found,) = run(converted, X.astype(dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, preprocessor.transform(X), atol=1e-5)


def test_tables_name_the_columns_that_inputs_lack():
    frame, score = make_table()
    model = quick_regressor(max_iter=2).fit(frame, score)
    types = sklearn_metabp.onnx.table_types(model)
    with pytest.raises(ValueError, match="no inputs for the columns"):
        to_onnx(model, initial_types=types[1:])
