"""fit_checked, on data that were checked before, gives the same networks as fit."""

import numpy as np
import pytest
from helpers.callbacks import Notes
from helpers.data import classes, numbers
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sklearn_metabp import SGD, BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.estimators import check_data, fit_checked

X, Y = numbers(n=60)
X_CLASSES, LABELS = classes("multiclass", n=60)
COMMON = {"max_iter": 4, "n_iter_no_change": np.inf, "random_state": 0, "batch_size": 16}
CASES = {
    "regressor": (BackpropMLPRegressor((5,), **COMMON), X, Y),
    "classifier": (BackpropMLPClassifier((5,), **COMMON), X_CLASSES, LABELS),
    "sparse": (BackpropMLPClassifier((5,), **COMMON), csr_array(X_CLASSES), LABELS),
    "early stopping": (
        BackpropMLPClassifier((5,), early_stopping=True, dropout=0.2, **COMMON),
        X_CLASSES,
        LABELS,
    ),
    "float32": (BackpropMLPRegressor((5,), **COMMON), X.astype(np.float32), Y),
}


@pytest.mark.parametrize("case", CASES)
def test_a_network_is_that_of_fit_to_the_bit(case):
    model, X, y = CASES[case]
    data = check_data(model, X, y)
    assert not hasattr(model, "n_features_in_")
    for _ in range(2):  # the data serve many fits
        by_checked, by_fit = clone(model), clone(model).fit(X, y)
        assert fit_checked(by_checked, data) is by_checked
        np.testing.assert_array_equal(by_checked.params_, by_fit.params_)
        assert by_checked.loss_curve_ == by_fit.loss_curve_
        assert by_checked.n_features_in_ == by_fit.n_features_in_
        np.testing.assert_array_equal(by_checked.predict(X), by_fit.predict(X))


def test_rows_to_validate_on_and_weights_count():
    model = BackpropMLPRegressor((5,), **COMMON)
    weight = np.linspace(0.5, 2.0, 40)
    validation = {"X_val": X[40:], "y_val": Y[40:], "sample_weight_val": weight[:20]}
    data = check_data(model, X[:40], Y[:40], weight, **validation)
    by_fit = clone(model).fit(X[:40], Y[:40], weight, **validation)
    by_checked = fit_checked(clone(model), data)
    assert by_checked.validation_loss_curve_ == by_fit.validation_loss_curve_
    np.testing.assert_array_equal(by_checked.params_, by_fit.params_)


def test_rule_start_and_length_may_be_others():
    model = BackpropMLPRegressor((5,), **COMMON)
    data = check_data(model, X, Y)
    other = clone(model).set_params(update_rule=SGD(0.1), random_state=3, max_iter=7)
    expected = clone(other).fit(X, Y)
    np.testing.assert_array_equal(fit_checked(other, data).params_, expected.params_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_callbacks_are_called_in_a_training():
    model = BackpropMLPRegressor((5,), **COMMON)
    by_fit, by_checked = Notes(stop_after=3), Notes(stop_after=3)
    clone(model).set_callbacks(by_fit).fit(X, Y)
    fit_checked(clone(model).set_callbacks(by_checked), check_data(model, X, Y))
    assert by_checked.calls == by_fit.calls
    assert (by_checked.calls[0], by_checked.calls[-1]) == ("setup", "teardown")


@pytest.mark.parametrize(
    ("setting", "y", "message"),
    [({"alpha": -1.0}, Y, "alpha"), ({}, np.full(60, np.nan), "NaN"), ({}, Y[:5], "inconsistent")],
)
def test_parameters_and_data_are_checked_once_and_for_all(setting, y, message):
    with pytest.raises(ValueError, match=message):
        check_data(BackpropMLPRegressor((5,), **setting), X, y)


def test_an_outcome_is_examined_where_it_is_to_be_warned_of():
    model = BackpropMLPRegressor((5,), **COMMON | {"n_iter_no_change": 10})
    data = check_data(model, X, Y)
    with pytest.warns(ConvergenceWarning, match="Maximum number of epochs"):
        warned = fit_checked(clone(model), data)
    quiet = fit_checked(clone(model), data, warns=False)  # a warning would be an error
    np.testing.assert_array_equal(quiet.params_, warned.params_)
