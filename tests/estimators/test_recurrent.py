"""The recurrent estimators: sequences in every form, one code path with the other estimators."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_metabp import (
    SGD,
    Adam,
    Averaged,
    BackpropMLPRegressor,
    BackpropRNNClassifier,
    BackpropRNNRegressor,
    Checkpoint,
    Clipped,
    ConjugateGradient,
    DivergenceError,
    Layerwise,
    LearnedUpdateRule,
    LinearBackprop,
    Muon,
    Safeguarded,
    TraceRecorder,
)
from sklearn_metabp.derivatives import jacobian

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SHORT = {"max_iter": 5, "n_iter_no_change": np.inf, "random_state": 0, "batch_size": 10}
CELLS = ("elman", "gru")


def data(n=30, n_timesteps=6, n_features=2, seed=0):
    """Sequences of unequal lengths as a list, padded, and what is to be predicted."""
    rng = np.random.default_rng(seed)
    sequences = [rng.normal(size=(rng.integers(2, n_timesteps + 1), n_features)) for _ in range(n)]
    sequences[0] = rng.normal(size=(n_timesteps, n_features))
    padded = np.full((n, n_timesteps, n_features), np.nan)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    sums = [sequence[:, 0].cumsum() for sequence in sequences]
    return sequences, padded, sums


def regressor(cell="elman", **params):
    return BackpropRNNRegressor(4, cell, **{**SHORT, **params})


def classifier(cell="elman", **params):
    return BackpropRNNClassifier(4, cell, **{**SHORT, **params})


@pytest.mark.parametrize("cell", CELLS)
def test_a_list_and_an_array_with_padding_train_the_same_network(cell):
    sequences, padded, sums = data()
    y = np.array([one[-1] for one in sums])
    models = [regressor(cell).fit(X, y) for X in (sequences, padded, padded.tolist())]
    for model in models[1:]:
        assert_array_equal(model.params_, models[0].params_)
        assert_array_equal(model.predict(sequences), model.predict(padded))
    longer = np.concatenate([padded, np.full((30, 3, 2), np.nan)], axis=1)
    assert_allclose(models[0].predict(longer), models[0].predict(padded), rtol=1e-12)
    assert models[0].n_features_in_ == models[0].n_step_features_in_ == 2


def test_rows_are_cut_into_time_steps():
    _, padded, _ = data()
    X = np.nan_to_num(padded)
    y = X[:, :, 0].sum(axis=1)
    of_axes = regressor().fit(X, y)
    of_rows = regressor(n_timesteps=6).fit(X.reshape(30, 12), y)
    assert_array_equal(of_rows.params_, of_axes.params_)
    assert (of_rows.n_features_in_, of_rows.n_step_features_in_) == (12, 2)
    one_feature = regressor().fit(X[:, :, 0], y)
    assert_array_equal(one_feature.params_, regressor().fit(X[:, :, :1], y).params_)
    with pytest.raises(ValueError, match="n_timesteps=5 cannot cut rows of 12 columns"):
        regressor(n_timesteps=5).fit(X.reshape(30, 12), y)


@pytest.mark.parametrize("cell", CELLS)
def test_a_sum_is_learned_at_the_end_and_at_every_step(cell):
    sequences, padded, sums = data(200)
    rule = Adam(0.02)
    params = {"update_rule": rule, "max_iter": 150, "hidden_size": 12, "batch_size": 50}
    at_the_end = regressor(cell).set_params(**params)
    assert (
        at_the_end.fit(sequences, [one[-1] for one in sums]).score(
            sequences, [one[-1] for one in sums]
        )
        > 0.9
    )
    always = regressor(cell, return_sequences=True).set_params(**params).fit(sequences, sums)
    assert always.score(sequences, sums) > 0.9
    found = always.predict(padded)
    assert isinstance(found, list)
    assert [len(one) for one in found] == [len(one) for one in sequences]
    signs = [np.where(one > 0, "up", "down") for one in sums]
    labels = classifier(cell, return_sequences=True).set_params(**params).fit(sequences, signs)
    assert labels.score(sequences, signs) > 0.9
    assert_array_equal(labels.classes_, ["down", "up"])
    assert labels.predict_proba(sequences)[3].shape == (len(sequences[3]), 2)
    same = np.nan_to_num(padded)
    assert labels.predict(same).shape == (200, 6)
    assert labels.predict_log_proba(same).shape == (200, 6, 2)


def test_y_in_the_padding_is_not_read():
    _, padded, sums = data()
    y = np.zeros((30, 6, 2))
    garbage = np.full((30, 6, 2), 1e9)
    for i, one in enumerate(sums):
        y[i, : len(one), 0] = garbage[i, : len(one), 0] = one
        garbage[i, : len(one), 1] = 0
    model = regressor(return_sequences=True)
    assert_array_equal(
        clone(model).fit(padded, y).params_, clone(model).fit(padded, garbage).params_
    )
    assert clone(model).fit(padded, y).predict(padded)[0].shape == (6, 2)


def test_a_sequence_counts_as_its_weight():
    sequences, _, sums = data()
    y = np.array([one[-1] for one in sums])
    weight = np.r_[np.full(10, 2.0), np.ones(20)]
    model = regressor(update_rule="lbfgs", max_iter=50, tol=1e-9)
    weighted = clone(model).fit(sequences, y, weight)
    repeated = clone(model).fit(sequences[:10] + sequences, np.r_[y[:10], y])
    assert_allclose(weighted.loss_, repeated.loss_, rtol=1e-3)
    steps = regressor(return_sequences=True).fit(sequences, sums, weight)
    rows = steps._check_rows(sequences, sums, weight, reset=False)
    mean = steps.network_.mean_loss(
        steps.params_,
        rows.X,
        steps.targets_.encode(rows.y, float),
        weight,
    )
    each = [
        0.5 * np.mean((steps.predict([x])[0] - one) ** 2)
        for x, one in zip(sequences, sums, strict=True)
    ]
    assert mean == pytest.approx(np.average(each, weights=weight))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cell", CELLS)
def test_the_dtype_of_X_is_kept(cell, dtype):
    sequences, padded, sums = data()
    y = [one[-1] for one in sums]
    for X in (padded.astype(dtype), [one.astype(dtype) for one in sequences]):
        model = regressor(cell).fit(X, y)
        assert model.predict(X).dtype == model.params_.dtype == dtype


RULES = [
    SGD(0.05, 0.9),
    Muon(0.02),
    Averaged(Clipped(Adam(0.02), max_norm=1.0)),
    Safeguarded(Adam(0.02), SGD(0.01)),
    Layerwise(Adam(0.01), {"coefs_[1]": 0.5, 1: 2.0}),
    ConjugateGradient(),
    "lbfgs",
    "learned",
]


@pytest.mark.parametrize(
    "rule", RULES, ids=lambda rule: rule if isinstance(rule, str) else type(rule).__name__
)
@pytest.mark.parametrize("cell", CELLS)
def test_every_kind_of_rule_lowers_the_loss(cell, rule):
    sequences, _, sums = data(60)
    model = regressor(cell, update_rule=rule, max_iter=25).fit(sequences, [one[-1] for one in sums])
    assert model.loss_curve_[-1] < 0.8 * model.loss_curve_[0]


def test_recorded_steps_are_those_of_a_training_that_nobody_sees():
    sequences, _, sums = data()
    y = [one[-1] for one in sums]
    for rule in (Adam(0.01), SGD(0.1), "learned"):
        recorder = TraceRecorder("all")
        seen = regressor(update_rule=rule).set_callbacks(recorder).fit(sequences, y)
        assert_array_equal(seen.params_, regressor(update_rule=rule).fit(sequences, y).params_)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("where", ["memory", "disk"])
def test_a_trace_has_the_patterns_of_every_step(cell, where, tmp_path):
    sequences, _, sums = data()
    path = None if where == "memory" else tmp_path / "trace"
    recorder = TraceRecorder("all", path=path)
    model = regressor(cell, alpha=0.0, return_sequences=True, shuffle=False)
    model.set_callbacks(recorder).fit(sequences, sums)
    trace = recorder.trace_
    assert len(trace) == 15
    assert trace.layouts[0] == model.layout_
    lengths = np.array([len(one) for one in sequences])
    assert_array_equal(trace.n_patterns[:3], lengths.reshape(3, 10).sum(axis=1))
    for row in (0, 1, 14):
        n = trace.n_patterns[row]
        received, states, _ = (layer[row, :n] for layer in trace.activations)
        deltas = [layer[row, :n] for layer in trace.deltas]
        coefs = model.layout_.coefs(trace.gradients[row])
        width = coefs[0].shape[1]
        assert_allclose(-received[:, :2].T @ deltas[0][:, :width] / 10, coefs[0], atol=1e-12)
        assert_allclose(-received[:, 2:].T @ deltas[0][:, -width:] / 10, coefs[1], atol=1e-12)
        assert_allclose(-states.T @ deltas[1] / 10, coefs[2], atol=1e-12)
        net_inputs = trace.net_inputs[0][row, :n]
        assert trace.derivatives[0][row, :n].shape == net_inputs.shape == deltas[0].shape
    if where == "disk":
        assert trace.run(0).n_patterns[0] == lengths[:10].sum()


@pytest.mark.parametrize("scope", ["link", "layer"])
@pytest.mark.parametrize("cell", CELLS)
def test_rules_learned_from_feedforward_networks_train_a_recurrent_one(cell, scope):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, 3))
    recorder = TraceRecorder()
    teacher = BackpropMLPRegressor((6,), update_rule=Adam(0.01), batch_size=20, max_iter=15)
    teacher.set_callbacks(recorder).fit(X, X[:, 0] * X[:, 1])
    rule = LearnedUpdateRule(scope=scope, random_state=0).fit(recorder.trace_)
    sequences, _, sums = data(100)
    y = [one[-1] for one in sums]
    student = regressor(cell, update_rule=rule, max_iter=40).fit(sequences, y)
    assert student.loss_ < 0.5 * student.loss_curve_[0]
    live = TraceRecorder()
    regressor(cell, update_rule=rule, max_iter=2).set_callbacks(live).fit(sequences, y)
    predicted = rule.predict(live.trace_.features(scope))  # as the kernel made them
    if scope == "link":
        moved = live.trace_.updates.ravel()
        assert_allclose(predicted, moved, atol=1e-7 * np.abs(moved).max())


@pytest.mark.parametrize("cell", CELLS)
def test_a_rule_of_all_inputs_of_a_link_does_live_what_its_trace_predicts(cell):
    sequences, _, sums = data()
    y = [one[-1] for one in sums]
    inputs = ["gradient/rms_0.9", "weight", "activation", "delta", "is_bias", "is_output", "depth"]
    recorder = TraceRecorder("all")
    regressor(cell).set_callbacks(recorder).fit(sequences, y)
    rule = LearnedUpdateRule(scope="link", inputs=inputs, random_state=0).fit(recorder.trace_)
    live = TraceRecorder("all")
    regressor(cell, update_rule=rule, max_iter=2).set_callbacks(live).fit(sequences, y)
    predicted = rule.predict(live.trace_.features("link", inputs))
    moved = live.trace_.updates.ravel()
    assert_allclose(predicted, moved, atol=1e-7 * np.abs(moved).max())


@pytest.mark.parametrize("rule", [LinearBackprop(Adam()), "neuron"], ids=["linear", "neuron"])
def test_rules_that_send_errors_back_are_refused(rule):
    sequences, _, sums = data()
    if rule == "neuron":
        recorder = TraceRecorder("all")
        X = np.random.default_rng(0).normal(size=(60, 3))
        BackpropMLPRegressor((3,), max_iter=2).set_callbacks(recorder).fit(X, X[:, 0])
        rule = LearnedUpdateRule(scope="neuron").fit(recorder.trace_)
    with pytest.raises(ValueError, match="computes the errors of a layer from the next layer only"):
        regressor(update_rule=rule).fit(sequences, [one[-1] for one in sums])


def test_training_goes_on_to_the_same_bits(tmp_path):
    sequences, _, sums = data()
    y = [one[-1] for one in sums]
    whole = regressor(max_iter=6).fit(sequences, y)
    warm = regressor(max_iter=3, warm_start=True)
    warm.fit(sequences, y).fit(sequences, y)
    parts = regressor(max_iter=6)
    for _ in range(6):
        parts.partial_fit(sequences, y)
    cut = regressor(max_iter=3).fit(sequences, y)
    resumed = pickle.loads(pickle.dumps(cut)).set_params(warm_start=True).fit(sequences, y)
    stopped = regressor(max_iter=6).set_callbacks(Checkpoint(tmp_path / "training"))
    stopped.fit(sequences, y)
    for model in (warm, parts, resumed, stopped):
        assert_array_equal(model.params_, whole.params_)


def test_early_stopping_sets_sequences_aside():
    sequences, _, sums = data(60)
    signs = [one[-1] > 0 for one in sums]
    model = classifier(early_stopping=True, max_iter=10).fit(sequences, signs)
    assert len(model.validation_scores_) == 10
    given = classifier(max_iter=4).fit(sequences, signs, X_val=sequences[:9], y_val=signs[:9])
    assert given.validation_scores_[-1] == given.score(sequences[:9], signs[:9])
    every = regressor(return_sequences=True, early_stopping=True).fit(sequences, sums)
    assert np.isfinite(every.validation_loss_curve_).all()
    auc = classifier(early_stopping=True, scoring="roc_auc").fit(sequences, signs)
    assert len(auc.validation_scores_) == 5


def test_classes_are_weighted():
    sequences, _, sums = data(80)
    labels = np.random.default_rng(0).choice(["few", "many"], 80, p=[0.2, 0.8])
    shares = [
        classifier(max_iter=30, class_weight=class_weight)
        .fit(sequences, labels)
        .predict_proba(sequences)[:, 0]
        .mean()
        for class_weight in (None, "balanced")
    ]
    assert_allclose(shares, [np.mean(labels == "few"), 0.5], atol=0.1)
    with pytest.raises(ValueError, match="class_weight needs rows with one class"):
        classifier(class_weight="balanced", return_sequences=True).fit(
            sequences, [one > 0 for one in sums]
        )


@pytest.mark.parametrize("kind", ["multiclass", "multilabel", "columns"])
@pytest.mark.parametrize("every", [False, True])
def test_every_kind_of_classes(kind, every):
    sequences, _, _ = data(50)
    rng = np.random.default_rng(0)
    make = {
        "multiclass": lambda n: rng.choice(["a", "b", "c"], n),
        "multilabel": lambda n: rng.integers(0, 2, (n, 3)),
        "columns": lambda n: rng.choice(["a", "b", "c"], (n, 2)),
    }[kind]
    y = [make(len(one)) for one in sequences] if every else make(50)
    model = classifier(return_sequences=every).fit(sequences, y)
    found = model.predict(sequences)
    assert np.shape(found[3]) == np.shape(y[3])
    assert 0 <= model.score(sequences, y) <= 1
    announced = {} if kind == "multilabel" else {"classes": model.classes_}
    classifier(return_sequences=every).partial_fit(sequences, y, **announced)


def test_searches_and_pipelines_take_rows():
    X = np.random.default_rng(0).normal(size=(60, 8))
    y = X[:, :2].sum(axis=1)
    pipe = make_pipeline(StandardScaler(), regressor(n_timesteps=4))
    grid = {"backproprnnregressor__cell": CELLS, "backproprnnregressor__bptt_steps": [2, None]}
    assert len(GridSearchCV(pipe, grid, cv=2).fit(X, y).cv_results_["params"]) == 4


_, PADDED, _ = data()
HOLE, INFINITE, EMPTY, RAGGED = (PADDED.copy() for _ in range(4))
HOLE[0, 0, 1] = np.nan
INFINITE[0, 0, 0] = np.inf
EMPTY[2] = np.nan
BAD = {
    "NaN within a sequence": (HOLE, "Input X contains NaN at time step 0 of row 0"),
    "infinity": (INFINITE, "Input X contains infinity"),
    "no time step": (EMPTY, "only NaN in row 2"),
    "sparse": (csr_array(np.eye(30)), "Sparse data was passed"),
    "four axes": (PADDED[..., None], "n_samples, n_timesteps, n_features"),
    "no features": (PADDED[:, :, :0], "each of them 1 or more"),
    "other features in a list": (
        [np.ones((3, 2)), np.ones((3, 1))] * 15,
        "the same n_features",
    ),
    "NaN in a list": ([np.full((2, 2), np.nan)] * 30, "only NaN in row 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_sequences_are_refused_in_words(name):
    X, message = BAD[name]
    model = regressor()
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X, np.zeros(30))
    assert not hasattr(model, "n_features_in_")


def test_bad_y_and_parameters_are_refused_in_words():
    sequences, padded, sums = data()
    y = np.array([one[-1] for one in sums])
    with pytest.raises(ValueError, match=r"y has a value at every time step: y\[0\]"):
        regressor(return_sequences=True).fit(sequences, y)
    with pytest.raises(ValueError, match="requires y to be passed"):
        regressor().fit(sequences, None)
    with pytest.raises(ValueError, match="has the activation 'tanh'"):
        regressor("gru", activation="relu").fit(sequences, y)
    with pytest.raises(ValueError, match="classes must be passed"):
        classifier(return_sequences=True).partial_fit(sequences, [one > 0 for one in sums])
    model = regressor().fit(sequences, y)
    with pytest.raises(ValueError, match="expecting 2 features"):
        model.predict(padded[:, :, :1])
    with pytest.raises(NotFittedError):
        regressor().predict(padded)
    with pytest.raises(TypeError, match="hidden_size"):
        BackpropRNNRegressor(units=3)
    with pytest.raises(TypeError, match="BackpropMLPClassifier or BackpropMLPRegressor"):
        jacobian(model, padded)


def test_a_failed_fit_leaves_the_estimator_as_it_was():
    sequences, _, sums = data()
    y = np.array([one[-1] for one in sums])
    model = regressor(update_rule=SGD(0.1)).fit(sequences, y)
    before = model.params_.copy()
    with pytest.raises(DivergenceError), np.errstate(all="ignore"):
        model.set_params(activation="relu", update_rule=SGD(1e9)).fit(sequences, 1e3 * y)
    assert_array_equal(model.params_, before)
    warm = regressor(warm_start=True).fit(sequences, y)
    with pytest.raises(ValueError, match="Set warm_start=False"):
        warm.set_params(cell="gru").fit(sequences, y)


def test_weights_can_be_given_and_written():
    sequences, _, sums = data()
    y = np.array([one[-1] for one in sums])
    model = regressor("gru").fit(sequences, y)
    shapes = [one.shape for one in (*model.coefs_, *model.intercepts_)]
    assert shapes == [(2, 12), (4, 12), (4, 1), (12,), (12,), (1,)]
    start = regressor("gru", update_rule=SGD(1e-30), max_iter=1)
    with pytest.warns(ConvergenceWarning):
        start.fit(sequences, y, coef_init=model.coefs_, intercept_init=model.intercepts_)
    assert_array_equal(start.params_, model.params_)
    model.coefs_[2] = np.zeros((4, 1))
    assert_allclose(model.predict(sequences), model.intercepts_[2][0])


def test_the_best_constant_starts_the_outputs():
    sequences, _, sums = data()
    model = regressor(return_sequences=True, init_output_bias="targets", update_rule=SGD(1e-30))
    with pytest.warns(ConvergenceWarning, match="No step of this call changed a weight"):
        model.set_params(max_iter=1).fit(sequences, sums)
    assert model.intercepts_[1][0] == pytest.approx(np.mean([one.mean() for one in sums]))
