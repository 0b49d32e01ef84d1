"""A rule learned from traces is a regressor and an update rule."""

import pickle

import numpy as np
import pytest
from helpers.data import classes
from helpers.kernels import fallback
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, scale
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    DivergenceError,
    LearnedUpdateRule,
    Lion,
    Rprop,
    TraceRecorder,
)
from sklearn_metabp.learned import DEFAULT_INPUTS
from sklearn_metabp.learned.scopes import link as link_module


def record(rule, *seeds, sizes=(6,), n_epochs=10, variables="default", dtype=np.float64):
    X, y = classes("multiclass", n=120, seed=40, dtype=dtype)
    recorder = TraceRecorder(variables)
    for seed in seeds:
        network(rule, sizes, n_epochs, seed).set_callbacks(recorder).fit(X, y)
    return recorder.trace_


def network(rule, sizes=(8,), n_epochs=10, seed=0, **params):
    return BackpropMLPClassifier(
        sizes,
        update_rule=rule,
        batch_size=16,
        max_iter=n_epochs,
        n_iter_no_change=np.inf,
        random_state=seed,
        **params,
    )


SMALL = BackpropMLPRegressor((4,), max_iter=20, n_iter_no_change=np.inf, random_state=0)


@pytest.fixture(scope="module")
def sgd_trace():
    return record(SGD(0.1), 0, 1, 2)


@pytest.fixture(scope="module")
def adam_trace():
    return record(Adam(0.01), 0, 1, 2)


@pytest.mark.filterwarnings("ignore:This rule predicts and cannot train")
@parametrize_with_checks(
    [
        LearnedUpdateRule(random_state=0),
        LearnedUpdateRule(Ridge()),
        LearnedUpdateRule(make_pipeline(StandardScaler(), Ridge()), inputs=["gradient/rms_0.9"]),
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def small_digits(rule, sizes, seed):
    X, y = load_digits(return_X_y=True)
    recorder = TraceRecorder()
    network(rule, sizes, 5, seed).set_callbacks(recorder).fit(X[:600] / 16, y[:600])
    return recorder.trace_


@pytest.mark.parametrize(
    ("teacher", "normalizer", "within"),
    [(SGD(0.1), "rms_0.9", 0.05), (Adam(1e-3), "1", 0.10)],
    ids=["SGD", "Adam"],
)
def test_a_student_ends_where_its_teacher_does(teacher, normalizer, within):
    """Check unseen data, widths and depths; benchmarks/imitation.py has more of them."""
    ratios = []
    for seed, load, sizes in (
        (3, load_wine, (20,)),
        (4, load_wine, (9, 7)),
        (5, load_breast_cancer, (12,)),
    ):
        rule = LearnedUpdateRule(random_state=seed).fit(small_digits(teacher, (16,), seed))
        assert rule.normalizer_ == normalizer
        assert rule.score(small_digits(teacher, (11, 8), seed + 100)) > 0.99
        X, y = load(return_X_y=True)
        losses = [network(r, sizes, 40, seed).fit(scale(X), y).loss_ for r in (teacher, rule)]
        ratios.append(losses[1] / losses[0])
    assert abs(np.median(ratios) - 1) < within
    assert max(ratios) < 2


@pytest.mark.parametrize(
    "learner",
    [
        None,
        make_pipeline(StandardScaler(), SMALL),
        TransformedTargetRegressor(
            MLPRegressor(hidden_layer_sizes=(4,), max_iter=1000, tol=1e-3),
            transformer=StandardScaler(),
        ),
    ],
    ids=["default", "scaled", "scikit-learn's, scaled target"],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "inputs", [None, ["weight", "activation", "delta", "gradient/rms_0.9"]], ids=["", "all"]
)
def test_the_compiled_step_is_what_the_learner_predicts(learner, dtype, inputs):
    trace = record(SGD(0.1), 1, variables="all", dtype=dtype)
    rule = LearnedUpdateRule(learner, inputs=inputs, random_state=3).fit(trace)
    assert rule.is_compiled_
    recorder = TraceRecorder("all")
    X, y = classes("binary", n=60, seed=9, dtype=dtype)
    network(rule, (5, 3), 2, alpha=0.01).set_callbacks(recorder).fit(X, y)
    done = recorder.trace_
    tolerance = 1e-9 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(
        rule.predict(done),
        done.targets_of("link"),
        atol=tolerance * np.abs(done.updates).max(),
        rtol=tolerance,
    )


@pytest.mark.parametrize(
    "learner",
    [
        Ridge(),
        DecisionTreeRegressor(max_depth=6, random_state=0),
        RandomForestRegressor(n_estimators=10, max_depth=6, random_state=0),
        HistGradientBoostingRegressor(max_iter=10),
    ],
    ids=lambda learner: type(learner).__name__,
)
def test_any_regressor_can_learn_and_train(learner, sgd_trace):
    rule = LearnedUpdateRule(learner, random_state=0).fit(sgd_trace)
    assert not rule.is_compiled_
    X, y = classes("multiclass", n=60, seed=12)
    model = network(rule, (5,), 5).fit(X, y)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert rule.score(sgd_trace) > 0.8


def test_a_linear_learner_reads_the_learning_rate_off_plain_backpropagation(sgd_trace):
    rule = LearnedUpdateRule(Ridge(alpha=1e-6), inputs=["gradient/rms_0.9"]).fit(sgd_trace)
    assert rule.normalizer_ == "rms_0.9"
    np.testing.assert_allclose(rule.scale_ * rule.learner_.coef_, -0.1, rtol=1e-4)


@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)  # SGD(1e-300) moves nothing
def test_a_link_that_never_saw_a_gradient_stays(adam_trace):
    rule = LearnedUpdateRule(random_state=0).fit(adam_trace)
    X, y = classes("binary", seed=2)
    X[:, 1] = 0
    for r in (rule, LearnedUpdateRule(Ridge()).fit(adam_trace)):
        start = network(r, (4,), 0 + 1, alpha=0.0).fit(X, y)
        init = network(SGD(1e-300), (4,), 1, alpha=0.0).fit(X, y).coefs_[0]
        np.testing.assert_array_equal(start.coefs_[0][1], init[1])
        assert (start.coefs_[0][0] != init[0]).all()


@pytest.mark.parametrize("factor", [1e-3, 1e3])
@pytest.mark.parametrize(
    ("teacher", "homogeneity"), [(SGD(0.1), 1), (Adam(0.01), 0)], ids=["SGD", "Adam"]
)
def test_updates_follow_the_scale_of_the_loss_as_the_teachers_do(teacher, homogeneity, factor):
    """The gradients of a loss that is summed would grow so; here the normalizers do."""
    rule = LearnedUpdateRule(random_state=0).fit(record(teacher, 0, 1))
    features = record(teacher, 7).features("link")
    scaled = features.copy()
    scaled[:, -1] *= factor
    np.testing.assert_allclose(
        rule.predict(scaled), rule.predict(features) * factor**homogeneity, rtol=1e-12, atol=0
    )


def test_a_clone_keeps_what_was_fitted_and_the_original_is_never_changed(sgd_trace, adam_trace):
    rule = LearnedUpdateRule(SMALL, random_state=0).fit(sgd_trace)
    before = pickle.dumps(rule)
    copied = clone(rule)
    assert copied is not rule
    assert copied.learner is not rule.learner
    np.testing.assert_array_equal(copied.predict(sgd_trace[:3]), rule.predict(sgd_trace[:3]))
    copied.set_params(learner__hidden_layer_sizes=(2,)).fit(adam_trace)
    assert pickle.dumps(rule) == before
    afresh = LearnedUpdateRule(clone(SMALL), random_state=0)
    afresh.set_params(learner__hidden_layer_sizes=(2,)).fit(adam_trace)
    np.testing.assert_array_equal(copied.predict(adam_trace[:3]), afresh.predict(adam_trace[:3]))


def test_the_estimator_that_holds_a_rule_can_be_cloned_searched_and_pickled(sgd_trace):
    rule = LearnedUpdateRule(SMALL, random_state=0).fit(sgd_trace)
    X, y = classes("multiclass", seed=3)
    model = network(rule, (4,), 5)
    fitted = model.fit(X, y)
    for other in (
        clone(model),
        pickle.loads(pickle.dumps(model)),
        network(FrozenEstimator(rule), (4,), 5),
    ):
        np.testing.assert_array_equal(other.fit(X, y).params_, fitted.params_)
    assert model.get_params()["update_rule__learner__hidden_layer_sizes"] == (4,)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model),
        {"backpropmlpclassifier__update_rule": [SGD(0.1), Adam(), rule]},
        cv=2,
        error_score="raise",
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert np.isfinite(cross_val_score(model, X, y, cv=2, n_jobs=2, error_score="raise")).all()


@pytest.mark.parametrize("scope", ["link", "neuron", "network"])
@pytest.mark.parametrize("learner", [Ridge(), SMALL], ids=["Ridge", "compiled"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # a poor learner
def test_a_rule_that_blows_up_is_a_divergence_under_every_learner(scope, learner):
    trace = record(SGD(0.1), 0, n_epochs=3, variables="all")
    rule = LearnedUpdateRule(learner, scope=scope, random_state=0).fit(trace)
    for name in ("scale", "learning_rate"):
        if getattr(rule.fitted_scope_, name, None):
            setattr(rule.fitted_scope_, name, 1e9)
    if scope == "network":
        rule.fitted_scope_.predict = lambda X, predict=rule.fitted_scope_.predict: 1e9 * predict(X)
        rule.fitted_scope_.mlp = None
    X, y = classes("multiclass", n=120, seed=40)
    with pytest.raises(DivergenceError, match="Training diverged"):
        model = network(
            rule, (6,), 50, activation="identity", loss="squared_error", out_activation="identity"
        )
        model.fit(X, y)


def test_a_search_takes_a_trace_split_by_runs(sgd_trace):
    search = GridSearchCV(
        LearnedUpdateRule(SMALL, random_state=0),
        {"learner__hidden_layer_sizes": [(1,), (6,)]},
        cv=GroupKFold(3),
        error_score="raise",
    ).fit(sgd_trace, groups=sgd_trace.runs)
    assert search.best_score_ > 0.95
    assert search.best_estimator_.score(sgd_trace) > 0.95
    X, y = classes("binary", seed=3)
    assert network(search.best_estimator_, (3,), 3).fit(X, y).n_iter_ == 3


def test_the_default_learner_can_be_searched(sgd_trace):
    search = GridSearchCV(
        LearnedUpdateRule(random_state=0),
        {"learner__hidden_layer_sizes": [(1,), (4,)]},
        cv=GroupKFold(3),
    ).fit(sgd_trace, groups=sgd_trace.runs)
    assert (
        search.best_estimator_.learner_.hidden_layer_sizes
        == search.best_params_["learner__hidden_layer_sizes"]
    )
    assert search.best_score_ > 0.99
    assert LearnedUpdateRule().learner is None


def test_fitting_a_trace_equals_fitting_its_features_and_targets(sgd_trace):
    few = sgd_trace[:5]  # fewer links than are drawn
    from_trace = LearnedUpdateRule(Ridge()).fit(few)
    from_matrices = LearnedUpdateRule(Ridge()).fit(few.features("link"), few.targets_of("link"))
    np.testing.assert_array_equal(from_matrices.predict(sgd_trace), from_trace.predict(sgd_trace))
    X, y = classes("binary", seed=1)
    first, second = (network(r, (3,), 2).fit(X, y).params_ for r in (from_trace, from_matrices))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("scope", ["link", "network", "layer"])
def test_a_matrix_is_drawn_from_as_a_trace_is(scope):
    """The same rows, because a seed draws the same numbers of equally many predictions."""
    X, y = classes("multiclass", n=60, seed=12)
    recorder = TraceRecorder("all")
    network(SGD(0.1), (4,), 8).set_callbacks(recorder).fit(X, y)
    trace = recorder.trace_
    rule = LearnedUpdateRule(Ridge(), scope=scope, subsample=17, random_state=5)
    from_trace = clone(rule).fit(trace)
    from_matrices = clone(rule).fit(trace.features(scope), trace.targets_of(scope))
    predictions = from_trace.predict(trace)
    np.testing.assert_array_equal(from_matrices.predict(trace.features(scope)), predictions)
    other = clone(rule).set_params(random_state=6).fit(trace)
    assert (other.predict(trace) != predictions).any()


class Counting(Ridge):
    """Ridge regression that knows how many samples it was fitted on."""

    def fit(self, X, y, sample_weight=None):
        self.n_samples_, self.targets_ = len(X), y
        return super().fit(X, y, sample_weight)


@pytest.mark.filterwarnings("ignore:This rule predicts and cannot train")
@pytest.mark.parametrize(
    ("params", "n_rows", "n_fitted"),
    [
        ({}, 40_001, 40_000),
        ({}, 300, 300),
        ({"subsample": 10}, 300, 10),
        ({"subsample": 300}, 300, 300),
        ({"subsample": None}, 40_001, 40_001),
    ],
    ids=str,
)
def test_subsample_is_the_maximum_number_of_rows_that_are_fitted(params, n_rows, n_fitted):
    X = np.arange(n_rows, dtype=float)[:, None]
    rule = LearnedUpdateRule(Counting(), random_state=0, **params).fit(X, X[:, 0])
    assert rule.learner_.n_samples_ == n_fitted
    assert len(np.unique(rule.learner_.targets_)) == n_fitted  # without replacement
    assert rule.n_features_in_ == 1


def test_going_on_is_as_if_training_had_not_stopped(adam_trace):
    rule = LearnedUpdateRule(random_state=0).fit(adam_trace)
    X, y = classes("multiclass", seed=6)
    whole = network(rule, (4,), 6).fit(X, y)
    parts = network(rule, (4,), 3, warm_start=True).fit(X, y).fit(X, y)
    np.testing.assert_array_equal(parts.params_, whole.params_)
    wider = LearnedUpdateRule(SMALL, inputs=["momentum_0.5/rms_0.999", "warmup_0.99"]).fit(
        adam_trace
    )
    assert parts.set_params(update_rule=wider).fit(X, y).n_iter_ == 9


def test_the_same_seed_learns_the_same_and_another_another(sgd_trace):
    first, again, other = (
        LearnedUpdateRule(random_state=seed).fit(sgd_trace) for seed in (5, 5, 6)
    )
    rows = sgd_trace[:2]
    np.testing.assert_array_equal(first.predict(rows), again.predict(rows))
    assert (first.predict(rows) != other.predict(rows)).any()
    seeded = LearnedUpdateRule(MLPRegressor(hidden_layer_sizes=(3,), tol=1e-2), random_state=4)
    np.testing.assert_array_equal(
        seeded.fit(rows).predict(rows), clone(seeded).fit(rows).predict(rows)
    )


def test_the_fallback_trains_as_the_compiled_kernel(monkeypatch, adam_trace):
    rule = LearnedUpdateRule(random_state=0).fit(adam_trace)
    X, y = classes("multiclass", seed=8)
    compiled = network(rule, (4,), 3).fit(X, y).params_
    monkeypatch.setattr(link_module, "LinkRule", fallback.LinkRule)
    monkeypatch.setattr(link_module, "link_inputs", fallback.link_inputs)
    monkeypatch.setattr(link_module, "are_kernels_compiled", lambda: False)
    np.testing.assert_allclose(network(rule, (4,), 3).fit(X, y).params_, compiled, rtol=1e-8)


def test_an_unfitted_rule_says_to_fit_it():
    X, y = classes("binary", seed=1)
    for rule in (LearnedUpdateRule(), FrozenEstimator(LearnedUpdateRule())):
        with pytest.raises(NotFittedError, match=r"has not been fitted.*call its fit with a trace"):
            network(rule).fit(X, y)


@pytest.mark.filterwarnings("ignore:This rule predicts and cannot train")
def test_a_rule_fitted_on_other_columns_predicts_but_does_not_train():
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((30, 3))
    rule = LearnedUpdateRule(Ridge()).fit(matrix, matrix[:, 0])
    assert rule.predict(matrix).shape == (30,)
    X, y = classes("binary", seed=1)
    message = rf"matrix of 3 columns, not on the {len(DEFAULT_INPUTS)} inputs of scope='link'"
    with pytest.raises(ValueError, match=message):
        network(rule).fit(X, y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"scope": "synapse"}, "'scope' parameter"),
        ({"learner": "mlp"}, "'learner' parameter"),
        ({"inputs": ["gradients"]}, "inputs of scope='link' must be different names"),
        ({"subsample": 0}, "'subsample' parameter"),
        ({"subsample": 0.5}, "'subsample' parameter"),
    ],
)
def test_bad_parameters_are_named(params, message, sgd_trace):
    with pytest.raises(ValueError, match=message):
        LearnedUpdateRule(**params).fit(sgd_trace)


def test_a_trace_brings_its_own_targets(sgd_trace):
    with pytest.raises(ValueError, match="without y"):
        LearnedUpdateRule().fit(sgd_trace, sgd_trace.updates)
    with pytest.raises(ValueError, match="has no rows"):
        LearnedUpdateRule().fit(sgd_trace[:0])


@pytest.mark.filterwarnings("ignore:This rule predicts and cannot train")
def test_refitting_on_an_array_after_a_trace_forgets_feature_names(sgd_trace):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.eye(4), columns=list("abcd"))
    rule = LearnedUpdateRule(Ridge()).fit(frame, np.arange(4.0))
    assert rule.feature_names_in_.tolist() == list("abcd")
    assert not hasattr(rule.fit(sgd_trace), "feature_names_in_")


def test_a_pipeline_with_another_transformer_goes_through_predict(sgd_trace):
    compiled = LearnedUpdateRule(SMALL, random_state=0).fit(sgd_trace)
    plain = LearnedUpdateRule(make_pipeline(FunctionTransformer(), SMALL), random_state=0).fit(
        sgd_trace
    )
    assert compiled.is_compiled_
    assert not plain.is_compiled_
    X, y = classes("multiclass", seed=10)
    np.testing.assert_allclose(
        network(plain, (4,), 3).fit(X, y).params_,
        network(compiled, (4,), 3).fit(X, y).params_,
        rtol=1e-9,
    )


def test_a_rule_that_goes_by_its_own_last_step_is_imitated_from_it():
    """Rprop: 1.2 of the last step where the gradient keeps its sign, none where it turned."""

    def digits(seed):
        X, y = load_digits(return_X_y=True)
        recorder = TraceRecorder()
        model = (
            network(Rprop(), (8,), 60, seed).set_params(batch_size="full").set_callbacks(recorder)
        )
        model.fit(X[:300] / 16, y[:300])
        return recorder.trace_

    rule = LearnedUpdateRule(inputs=["last_step"], random_state=0).fit(digits(0))
    assert rule.normalizer_ == "stride"
    assert rule.first_step_ == pytest.approx(0.01)
    values, steps = rule.explain(3).effects["last_step"]
    np.testing.assert_allclose(values, [-1, 0, 1])
    np.testing.assert_allclose(steps, [0, 0.5, 1.2], atol=0.05)
    assert rule.score(digits(1)) > 0.99
    X, y = load_wine(return_X_y=True)
    compiled = network(rule, (9, 7), 40, 3).set_params(batch_size="full").fit(scale(X), y)
    teacher = network(Rprop(), (9, 7), 40, 3).set_params(batch_size="full").fit(scale(X), y)
    np.testing.assert_allclose(compiled.loss_curve_[:8], teacher.loss_curve_[:8], rtol=0.03)
    tree = LearnedUpdateRule(DecisionTreeRegressor(random_state=0), inputs=["last_step"]).fit(
        digits(0)
    )
    assert not tree.is_compiled_
    student = network(tree, (9, 7), 40, 3).set_params(batch_size="full").fit(scale(X), y)
    np.testing.assert_allclose(student.loss_curve_[:12], teacher.loss_curve_[:12], rtol=0.01)


def test_the_stride_is_not_the_normalizer_of_steps_of_one_size():
    """Lion: the stride would explain all of its updates and add up every error."""
    inputs = [*DEFAULT_INPUTS, "last_step"]
    rule = LearnedUpdateRule(Ridge(), inputs=inputs).fit(record(Lion(0.001), 0, 1))
    assert rule.normalizer_ == "1"


@pytest.mark.parametrize("scope", ["link", "neuron", "network"])
def test_one_name_reaches_the_network_of_every_default_learner(scope):
    rule = LearnedUpdateRule().set_params(scope=scope, learner__hidden_layer_sizes=(2,))
    rule.set_params(learner__max_iter=3) if scope == "link" else None
    rule.fit(record(SGD(0.1), 0, variables="all"))
    assert rule.fitted_scope_.mlp.layout.layer_sizes[1] == 2


def test_a_pickle_of_a_rule_is_the_same_before_and_after_a_training(sgd_trace):
    rule = LearnedUpdateRule(SMALL, random_state=0).fit(sgd_trace)
    before = pickle.dumps(rule)
    X, y = classes("multiclass", n=40, dtype=np.float32)
    network(rule, (3,), 2).fit(X, y)
    assert pickle.dumps(rule) == before
