"""A callback that stops a training when its monitor no longer improves."""

import pickle

import numpy as np
import pytest
from helpers.data import classes, numbers

from sklearn_metabp import (
    SGD,
    Adam,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    EarlyStopping,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def model(**setting):
    return BackpropMLPRegressor(
        (20,), **({"update_rule": Adam(0.01), "alpha": 0.0, "tol": 0, "random_state": 0} | setting)
    )


def rows(seed):
    X, y = numbers(n=80, seed=seed)
    y = y + np.random.default_rng(seed).standard_normal(80)  # noise to overfit to
    return {"X": X[:40], "y": y[:40], "X_val": X[40:], "y_val": y[40:]}


@pytest.mark.parametrize("patience", [1, 4, 9])
@pytest.mark.parametrize(
    ("monitor", "curve", "sign"),
    [
        ("validation_loss", "validation_loss_curve_", 1),
        ("validation_score", "validation_scores_", -1),
    ],
)
def test_training_stops_after_patience_epochs_without_a_better_one(monitor, curve, sign, patience):
    data = rows(patience)
    free = model(max_iter=300, n_iter_no_change=np.inf).fit(**data)
    watched = sign * np.array(getattr(free, curve))
    best, expected = np.inf, None
    for epoch, value in enumerate(watched):
        if value < best:
            best, best_epoch = value, epoch
        elif epoch - best_epoch >= patience:
            expected = epoch + 1
            break
    assert expected is not None
    stopped = model(max_iter=300, n_iter_no_change=np.inf)
    stopped.set_callbacks(EarlyStopping(monitor, patience=patience)).fit(**data)
    assert stopped.n_iter_ == expected
    until_best = model(max_iter=best_epoch + 1, n_iter_no_change=np.inf).fit(**data)
    np.testing.assert_array_equal(stopped.params_, until_best.params_)


def test_the_last_parameters_are_kept_where_asked_for():
    data = rows(3)
    stopped = (
        model(max_iter=300).set_callbacks(EarlyStopping(patience=3, restore_best=False)).fit(**data)
    )
    free = model(max_iter=stopped.n_iter_, n_iter_no_change=np.inf).fit(**data)
    np.testing.assert_array_equal(stopped.params_, free.params_)


def test_a_function_can_be_the_monitor():
    def largest_weight(state, params):
        return np.abs(params).max()  # grows, so the first epoch stays the best

    X, y = numbers()
    stopped = model(max_iter=50, update_rule=SGD(0.5)).set_callbacks(
        EarlyStopping(largest_weight, patience=4)
    )
    assert stopped.fit(X, y).n_iter_ == 5
    np.testing.assert_array_equal(
        stopped.params_, model(max_iter=1, update_rule=SGD(0.5)).fit(X, y).params_
    )


def test_min_delta_is_the_least_improvement_that_counts():
    X, y = numbers()
    curve = model(max_iter=100, n_iter_no_change=np.inf).fit(X, y).loss_curve_
    assert all(np.diff(curve[:30]) < 0)
    stopped = model(max_iter=100, n_iter_no_change=np.inf)
    stopped.set_callbacks(EarlyStopping("loss", patience=5, min_delta=10.0)).fit(X, y)
    assert stopped.n_iter_ == 6
    np.testing.assert_allclose(stopped.loss_curve_, curve[:6])


def test_a_warm_start_has_new_patience():
    data = rows(5)
    warm = model(max_iter=300, warm_start=True).set_callbacks(EarlyStopping(patience=3)).fit(**data)
    n = warm.n_iter_
    assert warm.fit(**data).n_iter_ >= n + 3


def test_averaged_weights_are_what_is_kept():
    data = rows(6)
    rule = Averaged(Adam(0.01), decay=0.9)
    stopped = (
        model(max_iter=300, update_rule=rule).set_callbacks(EarlyStopping(patience=2)).fit(**data)
    )
    best = int(np.argmin(stopped.validation_loss_curve_)) + 1
    until_best = model(max_iter=best, n_iter_no_change=np.inf, update_rule=rule).fit(**data)
    np.testing.assert_array_equal(stopped.params_, until_best.params_)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"monitor": "accuracy"}, "monitor must be one of"),
        ({"patience": 0}, "patience must be an integer"),
        ({"patience": 2.5}, "patience must be an integer"),
        ({"patience": True}, "patience must be an integer"),
        ({"restore_best": "x"}, "restore_best must be True or False"),
        ({"min_delta": np.inf}, "min_delta must be"),
        ({"min_delta": -1}, "min_delta must be"),
        ({"min_delta": np.nan}, "min_delta must be"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**parameters)


def test_early_stopping_without_validation_rows_is_an_error():
    X, y = classes("binary")
    with pytest.raises(ValueError, match="needs rows to validate on: pass X_val and y_val"):
        BackpropMLPClassifier().set_callbacks(EarlyStopping()).fit(X, y)
    with pytest.raises(ValueError, match="both say which parameters to keep"):
        BackpropMLPClassifier(early_stopping=True).set_callbacks(EarlyStopping()).fit(X, y)


def test_early_stopping_callback_uses_the_rows_that_the_estimator_sets_aside():
    X, y = classes("binary")
    stopper = EarlyStopping("validation_score", patience=3, restore_best=False)
    fitted = BackpropMLPClassifier(early_stopping=True, n_iter_no_change=np.inf, random_state=0)
    fitted.set_callbacks(stopper)
    assert fitted.fit(X, y).n_iter_ < 200


def copy_of(fitted):
    return pickle.loads(pickle.dumps(fitted))


@pytest.mark.parametrize("monitor", ["loss", "validation_loss"])
def test_the_best_parameters_go_with_the_callback(monitor):
    data = rows(5)
    fitted = (
        model(max_iter=50, warm_start=True)
        .set_callbacks(EarlyStopping(monitor, patience=2))
        .fit(**data)
    )
    trained = fitted._training_state.params
    alone = copy_of(fitted).set_callbacks().set_params(max_iter=1).fit(data["X"], data["y"])
    np.testing.assert_array_equal(alone.params_, alone._training_state.params)
    assert not np.array_equal(alone.params_, trained)
    parts = copy_of(fitted).set_callbacks().partial_fit(data["X"], data["y"])
    np.testing.assert_array_equal(parts.params_, alone.params_)
    other = (
        copy_of(fitted)
        .set_callbacks(EarlyStopping("validation_score"))
        .set_params(max_iter=1)
        .fit(**data)
    )
    np.testing.assert_array_equal(other.params_, other._training_state.params)


def test_the_best_parameters_stay_the_best_while_the_callback_is_there():
    data = rows(5)
    stopper = EarlyStopping(patience=3)
    fitted = model(max_iter=300, warm_start=True).set_callbacks(stopper).fit(**data)
    best, n = fitted.params_.copy(), int(np.argmin(fitted.validation_loss_curve_))
    for again in (fitted, copy_of(fitted)):
        again.fit(**data)
        assert int(np.argmin(again.validation_loss_curve_)) == n  # none better has come
        np.testing.assert_array_equal(again.params_, best)


def test_other_rows_have_another_best():
    data = rows(5)
    fitted = (
        model(max_iter=300, warm_start=True).set_callbacks(EarlyStopping(patience=3)).fit(**data)
    )
    other = {**data, "y_val": data["y_val"] + 10}
    n = fitted.n_iter_
    fitted.fit(**other)
    curve = np.array(fitted.validation_loss_curve_[n:])
    assert curve.min() > max(fitted.validation_loss_curve_[:n])
    n_best = int(curve.argmin()) + 1
    stopped = (
        model(max_iter=300, warm_start=True).set_callbacks(EarlyStopping(patience=3)).fit(**data)
    )
    stopped.set_callbacks().set_params(max_iter=n_best, n_iter_no_change=np.inf).fit(
        data["X"], data["y"]
    )
    np.testing.assert_array_equal(fitted.params_, stopped.params_)


def test_two_on_one_monitor_have_patience_of_their_own():
    X, y = numbers()
    for monitors in (["loss", "loss"], [lambda state, params: 0.0, lambda state, params: 1.0]):
        stoppers = [
            EarlyStopping(monitor, patience=patience, min_delta=1e9, restore_best=False)
            for monitor, patience in zip(monitors, (9, 4), strict=True)
        ]
        fitted = model(max_iter=30, n_iter_no_change=np.inf).set_callbacks(*stoppers).fit(X, y)
        assert fitted.n_iter_ == 5
    both = [EarlyStopping("loss"), EarlyStopping(lambda state, params: 0.0)]
    with pytest.raises(ValueError, match="watch different things say which parameters to keep"):
        model().set_callbacks(*both).fit(X, y)


def test_the_validation_of_an_earlier_fit_is_not_watched():
    data = rows(2)
    fitted = model(max_iter=3, warm_start=True).fit(**data).set_callbacks(EarlyStopping())
    with pytest.raises(ValueError, match="needs rows to validate on"):
        fitted.fit(data["X"], data["y"])
