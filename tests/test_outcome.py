"""Warnings of trainings that failed or had no effect; a good training raises none."""

import re
import warnings

import numpy as np
import pytest
from helpers.data import classes, numbers
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale

from sklearn_metabp import (
    SGD,
    Adam,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Clipped,
    EarlyStopping,
    Lion,
    Muon,
    Safeguarded,
    UpdateRule,
)

XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])
NO_END = {"n_iter_no_change": np.inf}


def warnings_of(train) -> list[str]:
    """Texts of the ConvergenceWarnings of a training; any other warning is an error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train()
    assert all(one.category is ConvergenceWarning for one in caught), [
        str(one.message) for one in caught
    ]
    return [str(one.message) for one in caught]


def penalised_loss(model, X, y) -> float:
    """Half the mean square of the errors and the penalty of a batch of all rows, by its formula."""
    weights = sum(np.sum(w**2) for w in model.coefs_)
    return np.mean((model.predict(X) - y) ** 2) / 2 + model.alpha / 2 * weights / len(X)


class After(UpdateRule):
    """A rule that descends, and after some steps returns a function of the gradients."""

    def __init__(self, n_steps, make):
        self.n_steps, self.make = n_steps, make

    def init_state(self, layout):
        return {}

    def compute_update(self, step, state):
        return -0.1 * step.gradients if step.index <= self.n_steps else self.make(step.gradients)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rate", [0.1, 1.0, 10.0])
def test_a_training_that_blew_up_and_stayed_finite_says_so(rate, seed):
    X, y = load_iris(return_X_y=True)
    model = BackpropMLPRegressor(update_rule=SGD(rate), random_state=seed)
    (message,) = warnings_of(lambda: model.fit(X * 100, y * 1000.0))
    assert message.startswith("Training blew up, though every number is finite: the last loss is ")
    ended, began = map(float, re.findall(r"(?:last loss is|was) ([0-9.e+]+)", message))
    assert ended == pytest.approx(penalised_loss(model, X * 100, y * 1000.0), rel=1e-5)
    start = BackpropMLPRegressor(update_rule=SGD(1e-300), max_iter=1, random_state=seed)
    with pytest.warns(ConvergenceWarning):
        start.fit(X * 100, y * 1000.0)
    assert began == pytest.approx(penalised_loss(start, X * 100, y * 1000.0), rel=1e-5)
    assert f"under update_rule={model.update_rule!r}. Try a smaller learning rate" in message
    assert "y has mean 1e+03 and standard deviation 816." in message


def test_a_blow_up_that_only_the_penalty_shows_is_one():
    """Check dead neurons: the outputs are a constant again, although the weights are large."""
    X, y = load_wine(return_X_y=True)
    model = BackpropMLPClassifier(update_rule=SGD(1.0), random_state=0)
    (message,) = warnings_of(lambda: model.fit(X, y))
    assert "Training blew up" in message
    assert model.loss_ > 100 * model.loss_curve_[0]


def test_a_good_start_that_was_trained_away_is_a_blow_up():
    X, y = numbers(n=100)
    good = BackpropMLPRegressor(
        (20,), "tanh", alpha=0, update_rule=Adam(0.01), max_iter=1500, random_state=1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        good.fit(X, y)
    uphill = After(0, lambda gradients: 0.1 * gradients)
    worse = BackpropMLPRegressor(
        (20,), "tanh", alpha=0, update_rule=uphill, max_iter=60, random_state=0
    )
    (message,) = warnings_of(
        lambda: worse.fit(X, y, coef_init=good.coefs_, intercept_init=good.intercepts_)
    )
    assert "Training blew up" in message


def test_early_stopping_keeps_the_best_epoch_of_a_training_that_blows_up():
    X, y = load_iris(return_X_y=True)
    y = scale(y)
    explodes = After(60, lambda gradients: np.full_like(gradients, 1e6))
    model = BackpropMLPRegressor((5,), update_rule=explodes, early_stopping=True, random_state=0)
    (message,) = warnings_of(lambda: model.fit(scale(X), y))
    assert "Training blew up" in message
    assert "The estimator has the weights of the best epoch." in message
    assert model.score(scale(X), y) > 0.8
    assert model.loss_curve_[-1] > 100 * model.loss_curve_[0]


@pytest.mark.parametrize("seed", range(4))
def test_a_plateau_is_not_taken_for_convergence(seed):
    model = BackpropMLPClassifier((2,), "logistic", random_state=seed, max_iter=5000)
    (message,) = warnings_of(lambda: model.fit(*XOR))
    assert "The network predicts no better than a constant does: its loss is 0." in message
    assert "that of the best constant prediction 0.693147." in message  # log 2
    assert "raise max_iter" not in message


def test_a_plateau_of_a_regression_is_measured_by_the_variance():
    X = np.linspace(-1, 1, 100)[:, None]
    y = X[:, 0] ** 2
    model = BackpropMLPRegressor((20, 20), "logistic", random_state=0, max_iter=2000)
    (message,) = warnings_of(lambda: model.fit(X, y))
    assert f"that of the best constant prediction {y.var() / 2:.6g}." in message
    assert "another random_state" in message


def test_a_search_along_lines_that_learned_nothing_says_so():
    X = np.zeros((20, 2))
    y = np.arange(20) % 2
    model = BackpropMLPClassifier((3,), update_rule="lbfgs", max_iter=500, random_state=0)
    (message,) = warnings_of(lambda: model.fit(X, y))
    assert "no better than a constant" in message
    assert "If X says nothing about y" in message


# How y is changed, and what of it stands in the message.
ODD_TARGETS = {
    "far from 0": (
        lambda y: y + 1e4,
        ["y has mean 1e+04 and standard deviation 1.", "init_output_bias='targets'"],
    ),
    "tiny": (lambda y: y / 1e6, ["standard deviation 1e-06", "lower tol=0.0001"]),
    "large": (lambda y: 77 * y + 152, ["y has mean 152 and standard deviation 77."]),
    "one of several": (
        lambda y: np.column_stack([y, y - 1e4]),
        ["y[:, 1] has mean -1e+04 and standard deviation 1."],
    ),
}


@pytest.mark.parametrize(("change", "parts"), ODD_TARGETS.values(), ids=ODD_TARGETS)
def test_mean_and_scale_of_unusual_targets_are_named(change, parts):
    X, y = load_diabetes(return_X_y=True)
    model = BackpropMLPRegressor(random_state=0)
    (message,) = warnings_of(lambda: model.fit(scale(X), change(scale(y))))
    for part in (*parts, "StandardScaler()"):
        assert part in message
    assert "raise max_iter" not in message


def test_targets_beyond_what_the_outputs_reach_are_named():
    X, y = numbers(n=100)
    model = BackpropMLPRegressor((5,), out_activation="logistic", random_state=0)
    (message,) = warnings_of(lambda: model.fit(X, 100 + y))
    assert "logistic outputs are between 0 and 1" in message


# Rules that learn nothing past their plan.
ENDED = [
    Adam(0.01, schedule="cosine"),
    SGD(0.1, schedule="one_cycle"),
    Lion(schedule="cosine"),
    Muon(schedule="cosine"),
    Averaged(Clipped(Adam(schedule="cosine"))),
    Safeguarded(SGD(schedule="cosine"), SGD(schedule="one_cycle")),
]


@pytest.mark.parametrize("rule", ENDED, ids=str)
def test_a_fit_past_its_planned_schedule_names_the_remedy(rule):
    X, y = classes("multiclass")
    model = BackpropMLPClassifier(
        (5,), update_rule=rule, max_iter=5, warm_start=True, random_state=0, **NO_END
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    (message,) = warnings_of(lambda: model.set_params(max_iter=20).fit(X, y))
    assert "was planned for 5 steps, and this call began after 5" in message
    assert "larger max_iter" in message
    assert "schedule='constant'" in message


@pytest.mark.parametrize("rule", ENDED, ids=str)
def test_a_stream_past_its_planned_schedule_is_warned_of_once(rule):
    X, y = classes("multiclass")
    model = BackpropMLPClassifier((5,), update_rule=rule, max_iter=3, random_state=0)

    def train(n_calls):
        for _ in range(n_calls):
            model.partial_fit(X, y, classes=[0, 1, 2])

    assert warnings_of(lambda: train(3)) == []
    assert len(warnings_of(lambda: train(7))) == 1
    assert warnings_of(lambda: train(3)) == []


def test_a_new_plan_and_a_fallback_that_goes_on_are_silent():
    X, y = classes("multiclass")
    model = BackpropMLPClassifier(
        (5,), update_rule=Adam(schedule="cosine"), max_iter=3, random_state=0
    )

    def train():
        for _ in range(6):
            model.partial_fit(X, y, classes=[0, 1, 2])

    assert len(warnings_of(train)) == 1
    model.set_params(update_rule=Safeguarded(Adam(schedule="cosine"), SGD(0.1)))
    assert warnings_of(train) == []
    assert (
        warnings_of(lambda: model.set_params(update_rule=Adam(schedule="constant")) and train())
        == []
    )


def half_way(t, t_planned):
    return 1.0 if t <= t_planned / 2 else 0.0


@pytest.mark.parametrize(
    "rule", [SGD(1e-300), SGD(0.1, schedule=half_way)], ids=["tiny rate", "a function"]
)
def test_a_training_that_changed_no_weight_says_so(rule):
    X, y = numbers()
    model = BackpropMLPRegressor(
        (3,), update_rule=rule, max_iter=2, warm_start=True, random_state=0, **NO_END
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    before = model.params_.copy()
    (message,) = warnings_of(lambda: model.fit(X, y))
    np.testing.assert_array_equal(model.params_, before)
    assert "No step of this call changed a weight" in message
    assert "Raise the learning rate" in message


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("batch_size", [1, 7, "auto", "full"])
@pytest.mark.parametrize("rule", [SGD(0.05), Adam(0.01), Averaged(Adam(0.01)), Lion(0.01)], ids=str)
def test_trainings_that_went_well_are_silent(rule, batch_size, seed):
    setting = {
        "update_rule": rule,
        "batch_size": batch_size,
        "max_iter": 60,
        "random_state": seed,
        **NO_END,
    }
    X, y = numbers(seed=seed)
    assert (
        warnings_of(lambda: BackpropMLPRegressor((8,), "tanh", dropout=0.1, **setting).fit(X, y))
        == []
    )
    X, y = classes("multiclass", seed=seed)
    assert warnings_of(lambda: BackpropMLPClassifier((8,), **setting).fit(X, y)) == []


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_data_without_anything_to_learn_raise_no_warning(loss):
    X, _ = numbers()
    setting = {"max_iter": 20, "random_state": 0, **NO_END}
    assert (
        warnings_of(
            lambda: BackpropMLPRegressor((4,), loss=loss, **setting).fit(X, np.full(60, 0.3))
        )
        == []
    )
    assert warnings_of(lambda: BackpropMLPClassifier((4,), **setting).fit(X, np.full(60, 7))) == []
    weight = np.zeros(60)
    weight[:9] = 1.0
    y = np.where(weight > 0, 0.3, np.arange(60.0))
    assert (
        warnings_of(lambda: BackpropMLPRegressor((4,), loss=loss, **setting).fit(X, y, weight))
        == []
    )


def test_going_on_at_the_optimum_is_silent():
    X, y = numbers(n=100)
    model = BackpropMLPRegressor(
        (20,),
        "tanh",
        update_rule=Adam(0.01),
        max_iter=400,
        warm_start=True,
        random_state=0,
        **NO_END,
    )
    assert warnings_of(lambda: [model.fit(X, y) for _ in range(3)]) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_stream_of_single_rows_with_outliers_is_silent(seed):
    rng = np.random.default_rng(seed)
    X, y = numbers(n=200, seed=seed)
    y *= np.exp(rng.standard_normal(200))
    model = BackpropMLPRegressor((5,), update_rule=Adam(0.01), random_state=seed)

    def train():
        for n in rng.integers(200, size=300):
            model.partial_fit(X[n : n + 1], y[n : n + 1])

    assert warnings_of(train) == []


@pytest.mark.parametrize("rate", [0.6, 0.9])
def test_a_stream_that_blows_up_is_warned_of_once(rate):
    """A linear network blows up by the same factor in every step."""
    X, y = numbers(n=100)
    model = BackpropMLPRegressor((), update_rule=SGD(0.1), random_state=0)

    def train():
        for _ in range(10):
            model.partial_fit(X, y)

    assert warnings_of(train) == []
    model.set_params(update_rule=SGD(rate * 4))
    (message,) = warnings_of(train)
    assert "Training blew up" in message
    assert model.loss_curve_[-1] > 10 * max(model.loss_curve_[:10])


def test_a_first_call_that_blows_up_is_warned_of():
    X, y = load_iris(return_X_y=True)
    model = BackpropMLPRegressor(update_rule=SGD(1.0), random_state=0)
    (message,) = warnings_of(lambda: model.partial_fit(X * 100, y * 1000.0))
    assert "Training blew up" in message


def test_a_stream_on_a_plateau_is_silent():
    model = BackpropMLPClassifier((2,), "logistic", random_state=0)
    assert warnings_of(lambda: [model.partial_fit(*XOR, classes=[0, 1]) for _ in range(20)]) == []


def test_an_interrupted_training_has_no_other_warning():
    def interrupt(state, params):
        raise KeyboardInterrupt

    model = BackpropMLPClassifier((2,), "logistic", random_state=0).set_callbacks(
        EarlyStopping(interrupt)
    )
    with pytest.warns(UserWarning, match="interrupted by user") as caught:
        model.fit(*XOR)
    assert len(caught) == 1
