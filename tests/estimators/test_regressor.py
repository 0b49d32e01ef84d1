import numpy as np
import pytest
from helpers.data import numbers

from sklearn_metabp import Adam, BackpropMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("out_activation", ["auto", "identity", "logistic", "tanh", "softmax"])
@pytest.mark.parametrize("n_outputs", [1, 2, 5])
def test_outputs_are_those_of_the_network(n_outputs, out_activation):
    X, y = numbers(n_outputs)
    model = BackpropMLPRegressor(
        (6,), "tanh", out_activation=out_activation, max_iter=3, random_state=0
    )
    if out_activation == "softmax" and n_outputs == 1:
        with pytest.raises(ValueError, match="single output 1 for every X"):
            model.fit(X, y)
        return
    model.fit(X, y)
    net = (
        np.tanh(X @ model.coefs_[0] + model.intercepts_[0]) @ model.coefs_[1] + model.intercepts_[1]
    )
    expected = {
        "auto": lambda: net,
        "identity": lambda: net,
        "logistic": lambda: 1 / (1 + np.exp(-net)),
        "tanh": lambda: np.tanh(net),
        "softmax": lambda: np.exp(net) / np.exp(net).sum(axis=1, keepdims=True),
    }[out_activation]()
    assert model.out_activation_ == ("identity" if out_activation == "auto" else out_activation)
    predicted = model.predict(X)
    assert predicted.shape == y.shape
    np.testing.assert_allclose(predicted, expected.reshape(y.shape), rtol=1e-12)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_a_smooth_function_is_learned(n_outputs):
    X, y = numbers(n_outputs, n=200)
    model = BackpropMLPRegressor((20,), max_iter=200, update_rule=Adam(0.01), random_state=0).fit(
        X, y
    )
    assert model.score(X, y) > 0.9


def test_a_column_of_targets_is_taken_with_a_warning():
    X, y = numbers()
    with pytest.warns(Warning, match="column-vector y was passed"):
        model = BackpropMLPRegressor((3,), max_iter=2, random_state=0).fit(X, y[:, None])
    np.testing.assert_array_equal(
        model.params_, BackpropMLPRegressor((3,), max_iter=2, random_state=0).fit(X, y).params_
    )
    assert model.predict(X).shape == y.shape


def test_targets_beyond_float32_are_refused():
    X, y = numbers(dtype=np.float32)
    with pytest.raises(ValueError, match="too large for float32"):
        BackpropMLPRegressor().fit(X, y.astype(float) * 1e300)


@pytest.mark.parametrize(("loss", "factor"), [("poisson", 1e4), ("squared_error", 1e308)])
def test_predictions_that_overflow_are_warned_of(loss, factor):
    X, y = numbers()
    model = BackpropMLPRegressor((4,), "identity", loss=loss, random_state=0).fit(X, np.abs(y))
    model.coefs_[0][...] *= 10.0
    far = X.copy()
    far[:7] = factor * np.sign(model.coefs_[0] @ model.coefs_[1]).T
    with pytest.warns(
        RuntimeWarning, match="predictions for 7 of 60 rows are not finite: X lies so far"
    ):
        y = model.predict(far)
    assert not np.isfinite(y[:7]).any()
    assert np.isfinite(y[7:]).all()
