"""partial_fit and warm starts continue as if the training had not stopped."""

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
from helpers.data import numbers
from helpers.estimators import CASES, RULES, all_classes, data, make

from sklearn_metabp import SGD, Adam
from sklearn_metabp.update_rules.schedules import factor_at

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0].__name__[11:]} {case[1]}")
def case(request):
    return request.param


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("setting", [{}, {"shuffle": False}, {"batch_size": "full"}], ids=str)
def test_partial_fits_are_the_epochs_of_a_fit(case, rule, setting):
    X, y = data(case[1], seed=4)
    setting = setting | {"update_rule": rule, "tol": 0, "n_iter_no_change": np.inf}
    whole = make(case, max_iter=6, **setting).fit(X, y)
    parts = make(case, **setting)
    for _ in range(6):
        parts.partial_fit(X, y, **all_classes(case, y))
    np.testing.assert_array_equal(parts.params_, whole.params_)
    assert parts.loss_curve_ == whole.loss_curve_
    assert (parts.n_iter_, parts.t_) == (whole.n_iter_, whole.t_) == (6, 6 * len(X))


@pytest.mark.parametrize("schedule", ["invscaling", "cosine", "one_cycle"])
def test_schedules_reckon_with_max_iter_partial_fits(case, schedule):
    X, y = data(case[1], seed=6)
    rule = SGD(0.1, schedule=schedule)
    whole = make(case, max_iter=5, n_iter_no_change=np.inf, update_rule=rule).fit(X, y)
    parts = make(case, max_iter=5, update_rule=rule)
    for _ in range(5):
        parts.partial_fit(X, y, **all_classes(case, y))
    np.testing.assert_array_equal(parts.params_, whole.params_)


def factors_seen(schedule, train):
    """Return the factors of a named schedule at every step of a training."""
    seen = []

    def spy(t, t_planned):
        seen.append(factor_at(schedule, t, t_planned))
        return seen[-1]

    train(SGD(0.1, schedule=spy))
    return seen


@pytest.mark.parametrize("way", ["warm_start", "partial_fit"])
@pytest.mark.parametrize(("schedule", "end"), [("cosine", 0.0), ("one_cycle", 4e-6)])
def test_after_the_planned_end_a_schedule_stays_where_it_ended(schedule, end, way):
    X, y = numbers()
    setting = {"max_iter": 4, "batch_size": "full", "n_iter_no_change": np.inf}

    def train(rule):
        model = make(CASES[4], update_rule=rule, warm_start=True, **setting)
        for _ in range(3 if way == "warm_start" else 12):
            getattr(model, "fit" if way == "warm_start" else way)(X, y)

    seen = factors_seen(schedule, train)
    assert seen[:4] == [factor_at(schedule, t, 4) for t in (1, 2, 3, 4)]
    np.testing.assert_allclose(seen[4:], end, atol=1e-15)


def test_chunks_of_several_sizes_follow_one_plan():
    X, y = numbers()
    sizes = (32, 60, 16, 48, 16)  # of 16: 2, 4, 1, 3 and 1 batches

    def train(rule):
        model = make(CASES[4], update_rule=rule, max_iter=5)
        for size in sizes:
            model.partial_fit(X[:size], y[:size])

    # The first chunk plans 5 * 2 steps; the eleventh stands still.
    assert factors_seen("cosine", train) == [factor_at("cosine", t, 10) for t in range(1, 12)]


def test_another_rule_makes_a_plan_of_its_own():
    X, y = numbers()
    setting = {"max_iter": 3, "batch_size": "full", "n_iter_no_change": np.inf, "warm_start": True}
    model = make(CASES[4], update_rule=Adam(), **setting).fit(X, y)
    seen = factors_seen("cosine", lambda rule: model.set_params(update_rule=rule).fit(X, y))
    assert seen == [factor_at("cosine", t, 6) for t in (4, 5, 6)]


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("setting", [{}, {"shuffle": False}, {"batch_size": "full"}], ids=str)
def test_a_warm_start_goes_on_as_if_training_had_not_stopped(case, rule, setting):
    X, y = data(case[1], seed=5)
    setting = setting | {"update_rule": rule, "tol": 0, "n_iter_no_change": np.inf}
    whole = make(case, max_iter=8, **setting).fit(X, y)
    parts = make(case, max_iter=4, warm_start=True, **setting).fit(X, y)
    restored = pickle.loads(pickle.dumps(parts))
    for model in (parts, restored):
        model.fit(X, y)
        np.testing.assert_array_equal(model.params_, whole.params_)
        assert model.loss_curve_ == whole.loss_curve_
        assert (model.n_iter_, model.t_) == (8, 8 * len(X))
        assert model.best_loss_ == whole.best_loss_


def test_a_refit_without_warm_start_starts_afresh(case):
    X, y = data(case[1])
    model = make(case).fit(X, y)
    first = model.params_.copy()
    model.fit(X, y)
    np.testing.assert_array_equal(model.params_, first)
    assert model.n_iter_ == 4
    other_X, other_y = data(case[1], seed=1, n_features=7)
    model.fit(other_X, other_y)
    assert model.n_features_in_ == 7
    np.testing.assert_array_equal(model.params_, make(case).fit(other_X, other_y).params_)


def test_rows_presented_are_counted_over_chunks_of_any_size(case):
    X, y = data(case[1])
    model = make(case)
    for rows in (slice(0, 40), slice(40, 60), slice(5, 55)):
        model.partial_fit(X[rows], y[rows], **all_classes(case, y))
    assert model.t_ == 40 + 20 + 50
    assert model.n_iter_ == 3


def test_the_rules_state_goes_on_and_another_rule_begins_anew():
    X, y = numbers()
    model = make(CASES[4], update_rule=SGD(0.1, 0.9), warm_start=True).fit(X, y)
    velocity = model._training_state.rule_state["velocity"].copy()
    assert np.abs(velocity).max() > 0
    # Without another epoch's gradient the velocity could only shrink by 0.9 a step: it did go on.
    frozen = pickle.loads(pickle.dumps(model)).set_params(
        update_rule__learning_rate=1e-300, max_iter=1
    )
    frozen.fit(X, y)
    expected = velocity
    for start in range(4):
        rows = frozen._training_state.order[16 * start : 16 * start + 16]
        error = model.predict(X[rows]) - y[rows]
        hidden = np.maximum(X[rows] @ model.coefs_[0] + model.intercepts_[0], 0)
        expected = 0.9 * expected
        expected[-1] += error.mean()
        expected[24:30] += hidden.T @ error / len(rows) + 1e-4 / len(rows) * model.coefs_[1][:, 0]
    np.testing.assert_allclose(
        frozen._training_state.rule_state["velocity"][24:30], expected[24:30], rtol=1e-9
    )
    model.set_params(update_rule=Adam()).fit(X, y)
    assert set(model._training_state.rule_state) == {"n_plateaus", "t", "mean", "square"}
    assert model._training_state.rule_state["t"] == 4 * 4


@pytest.mark.parametrize(
    "change", [{"momentum": 0.9}, {"momentum": 0.5, "nesterov": True}], ids=str
)
def test_a_rule_may_change_its_parameters_between_warm_starts(case, change):
    X, y = data(case[1])
    model = make(case, update_rule=SGD(0.05), warm_start=True).fit(X, y)
    model.set_params(**{f"update_rule__{name}": value for name, value in change.items()}).fit(X, y)
    assert model.n_iter_ == 8
    with pytest.raises(ValueError, match="learning_rate"):
        model.set_params(update_rule__learning_rate=-1).fit(X, y)
    assert model.n_iter_ == 8


def test_going_on_with_other_layers_is_refused_with_both_sizes(case):
    X, y = data(case[1])
    model = make(case, warm_start=True).fit(X, y)
    n = model.n_outputs_
    message = (
        rf"last fit, \(4, 6, {n}\), but hidden_layer_sizes and the data now need \(4, 7, {n}\)"
    )
    with pytest.raises(ValueError, match=message):
        model.set_params(hidden_layer_sizes=(7,)).fit(X, y)
    with pytest.raises(ValueError, match=message):
        model.set_params(warm_start=False).partial_fit(X, y)
    with pytest.raises(ValueError, match="expecting 4 features"):
        model.set_params(hidden_layer_sizes=(6,)).partial_fit(X[:, :2], y)
    model.partial_fit(X, y)
    assert model.n_iter_ == 5


def through_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


WAYS = {
    "as it is": lambda model: model,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "joblib": through_joblib,
    "copy": copy.deepcopy,
}


@pytest.mark.parametrize("way", WAYS)
def test_training_goes_on_from_weights_that_were_written(way):
    X, y = numbers()
    model = make(CASES[4], update_rule=SGD(1e-300), warm_start=True).fit(X, y)
    model = WAYS[way](model)
    model.coefs_[0][...] = 0.25
    assert (model.fit(X, y).coefs_[0] == 0.25).all()


def test_a_warm_start_may_change_the_loss_and_not_the_output_activation():
    X, y = numbers()
    model = make(CASES[4], warm_start=True).fit(X, y)
    loss = model.set_params(loss="absolute_error").fit(X, y).loss_
    assert model.n_iter_ == 8
    model.set_params(loss="squared_error").fit(X, y)
    assert model.network_.loss == model.targets_.loss == "squared_error"
    assert loss != model.loss_
    X, y = data("binary")
    labels = make(CASES[0], warm_start=True).fit(X, y).set_params(loss="squared_error").fit(X, y)
    assert labels.n_iter_ == 8
    np.testing.assert_array_equal(labels.classes_, [0, 1])
