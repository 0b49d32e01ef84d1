"""Prodigy against its algorithm, and its estimate of the distance against distances."""

import pickle
from functools import partial

import numpy as np
import pytest
from helpers.data import classes
from helpers.oracles import prodigy_oracle
from helpers.rules import make_step, walk

from sklearn_metabp import Adam, BackpropMLPClassifier, Prodigy
from sklearn_metabp.network import ParameterLayout

SETTINGS = [
    {},
    {"learning_rate": 0.5, "d_coef": 2.0},
    {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1, "weight_decay": 0.3, "d0": 1e-3},
    {"growth_rate": 1.5, "bias_correction": True},
    {"bias_correction": True, "safeguard_warmup": True, "weight_decay": 0.1},
]
START = [0.5, -1.0, 0.0, 2.0]  # two weights, two biases
SLOPES, MINIMUM = np.array([1.0, 0.1, 3.0, 0.5]), np.array([-1.0, 2.0, 0.5, 0.0])


def gradients_at(w):
    """Return the gradient of a quadratic function."""
    return SLOPES * (np.asarray(w) - MINIMUM)


def train(rule, n_steps, dtype=np.float64):
    """Return the points and the estimates of the distance."""
    layout = ParameterLayout((1, 2), dtype)
    state, params = rule.init_state(layout), np.array(START, dtype)
    points, ds = [params.copy()], [state["distance"]]
    for t in range(1, n_steps + 1):
        gradients = gradients_at(params).astype(dtype)
        params += rule.compute_update(make_step(layout, gradients, params, index=t), state)
        points.append(params.copy())
        ds.append(state["distance"])
    return np.array(points), np.array(ds)


@pytest.mark.parametrize("kernel", ["installed", "fallback"])
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_a_hundred_steps_are_the_algorithms(setting, kernel, request):
    if kernel == "fallback":
        request.getfixturevalue("fallback_kernels")
    points, ds = train(Prodigy(**setting), 100)
    expected, distances = prodigy_oracle(gradients_at, START, 2, 100, **setting)
    np.testing.assert_allclose(ds, distances, rtol=1e-9)
    np.testing.assert_allclose(points, expected, rtol=1e-9)
    # Weights of float32 are too coarse for moves by 1e-6: those of 1e-3 are followed.
    single, _ = train(Prodigy(**setting | {"d0": 1e-3}), 100, np.float32)
    expected, _ = prodigy_oracle(gradients_at, START, 2, 100, **setting | {"d0": 1e-3})
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, atol=1e-3)


def test_the_first_steps_by_hand():
    """Both betas 0: m = d g, v = (d g)^2, so a step is -d sign(g), and d = <g, w0 - w> / |g|_1.

    Of the sums r and s only the last terms are left. Gradients (1, -3) three times: w = w0 - 0.1
    (1, -1), and then d = 0.1 (1 + 3) / 4. Gradients (2, 0): <g, w0 - w> = 0.4, |g|_1 = 2.
    """
    rule = Prodigy(beta_1=0.0, beta_2=0.0, epsilon=1e-300, d0=0.1)
    gradients = [[1.0, -3.0], [1.0, -3.0], [2.0, 0.0], [2.0, 1.0]]
    updates, state, _ = walk(rule, gradients, [1.0, 1.0])
    np.testing.assert_allclose(updates[:3], [[-0.1, 0.1], [-0.1, 0.1], [-0.1, 0.0]], rtol=1e-12)
    np.testing.assert_allclose(updates[3], [-0.2, -0.2], rtol=1e-12)
    assert state["distance"] == pytest.approx(0.2)  # (2 * 0.3 - 0.2) / 3 is less


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("steepness", [1e-4, 1.0, 1e4])
def test_the_estimate_is_of_the_order_of_the_distance(scale, steepness):
    """Whatever the size of the weights, and of the gradients: of |w - w*|, in one dimension."""
    layout = ParameterLayout((1, 1))
    rule = Prodigy()
    state, params = rule.init_state(layout), np.zeros(2)
    minimum, lowest = scale * np.array([1.0, -1.0]), np.inf
    for t in range(1, 401):
        gradients = steepness * np.sign(params - minimum)
        params += rule.compute_update(make_step(layout, gradients, params, index=t), state)
        lowest = min(lowest, np.abs(params - minimum).max())
    assert 0.05 * scale < state["distance"] <= 1.5 * scale
    assert lowest < 0.1 * scale


def test_growth_is_limited_after_the_first():
    _, ds = train(Prodigy(growth_rate=1.25), 60)
    grown = ds[1:] / ds[:-1]
    first = np.argmax(grown > 1)
    assert (grown >= 1).all() and (grown[first + 1 :] < 1.25 + 1e-12).all()
    assert np.isclose(grown[first + 1 :], 1.25).sum() > 10


def test_zero_gradients_leave_everything():
    updates, state, params = walk(Prodigy(), np.zeros((3, 4)), START)
    np.testing.assert_array_equal(updates, 0)
    np.testing.assert_array_equal(params, START)
    assert state["distance"] == 1e-6


def test_after_new_parameters_the_distance_is_measured_from_there():
    rule, layout = Prodigy(d0=1e-3), ParameterLayout((1, 2))
    state = walk(rule, np.ones((20, 4)), START)[1]
    before = state["distance"]
    assert before > 1e-3
    rule.on_new_params(state)
    params = np.array([100.0, 0.0, -50.0, 3.0])
    rule.compute_update(make_step(layout, np.ones(4), params, index=21), state)
    np.testing.assert_array_equal(state["start"], params)
    assert state["distance"] == before and state["numerator"] == 0.0


def test_the_share_of_decay_epochs_does_not_depend_on_the_distance():
    """Without gradients a weight goes to 1/e in 50 steps of one epoch each, from any d0."""
    for d0 in (1e-6, 1.0):
        *_, params = walk(Prodigy(d0=d0, decay_epochs=50), np.zeros((50, 4)), START)
        np.testing.assert_allclose(params, [0.5 / np.e, -1 / np.e, 0, 2], rtol=1e-12)
        *_, params = walk(
            Prodigy(d0=d0, decay_epochs=50, schedule=lambda t, t_planned: 0.0),
            np.zeros((50, 4)),
            START,
        )
        np.testing.assert_array_equal(params, START)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_untuned_it_trains_a_network_as_low_as_tuned_adam():
    X, y = classes("multiclass", seed=2)
    fit = partial(
        BackpropMLPClassifier, (8,), "tanh", max_iter=60, batch_size=16, tol=0, random_state=0
    )
    ours = fit(update_rule=Prodigy(schedule="cosine")).fit(X, y).loss_
    rates = (1e-4, 1e-3, 1e-2, 0.1)
    adams = [fit(update_rule=Adam(rate, schedule="cosine")).fit(X, y).loss_ for rate in rates]
    assert ours < 1.2 * min(adams) < 0.8 * max(adams)


def test_a_state_goes_on_from_a_pickle():
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((40, 4))
    rule, layout = Prodigy(), ParameterLayout((1, 2))
    whole, *_ = walk(rule, gradients, START)
    state, params = rule.init_state(layout), np.array(START)
    for t, g in enumerate(gradients, start=1):
        update = rule.compute_update(make_step(layout, g, params, index=t), state)
        np.testing.assert_array_equal(update, whole[t - 1])
        params += update
        state = pickle.loads(pickle.dumps(state))
