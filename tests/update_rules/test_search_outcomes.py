"""The ways in which a search along lines ends, and the warnings of estimators."""

import warnings

import numpy as np
import pytest
from helpers.callbacks import StepNotes
from helpers.data import numbers
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import scale

from sklearn_metabp import (
    LBFGS,
    BackpropMLPRegressor,
    ConjugateGradient,
    DivergenceError,
    LineSearchRule,
    TraceRecorder,
)
from sklearn_metabp.network import ParameterLayout

X, Y = numbers(1)


def model(rule, **setting):
    return BackpropMLPRegressor((6,), update_rule=rule, random_state=0, **setting)


class Descent(LineSearchRule):
    """A search with steps of one length; subclasses choose what it returns and reports."""

    def init_state(self, layout):
        return {}

    def minimize(self, objective, params, state, *, max_iter, tol, on_iteration):
        for _ in range(max_iter):
            new = params - 0.01 * objective(params)[1]
            stopped = on_iteration(new)
            params[...] = new
            if stopped:
                return None
        return "it got tired"


@pytest.mark.parametrize("patience", [10, np.inf])  # it plays no part in a search
@pytest.mark.parametrize(
    ("rule", "factor", "max_iter", "message"),
    [
        ("lbfgs", 1e20, 200, "LBFGS ended before it converged: no lower loss was found"),
        (
            LBFGS(max_fun=5),
            1.0,
            200,
            r"LBFGS ended .*: it computed the loss max_fun=5 times; raise max_fun\.",
        ),
        ("lbfgs", 1.0, 3, r"LBFGS ended .*: it took max_iter=3 iterations"),
        ("conjugategradient", 1.0, 3, r"ConjugateGradient ended .*: it took max_iter=3 iterations"),
        (Descent(), 1.0, 3, r"Descent ended before it converged: it got tired\."),
    ],
)
def test_a_search_that_did_not_converge_warns_of_what_ended_it(
    rule, factor, max_iter, message, patience
):
    A, b = load_iris(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match=message):
        model(rule, max_iter=max_iter, n_iter_no_change=patience).fit(A, b * factor)


def test_one_that_converged_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rule in ("lbfgs", "conjugategradient"):
            fitted = model(rule, alpha=1.0, activation="tanh", max_iter=2000, tol=1e-3).fit(X, Y)
            assert 0 < fitted.n_iter_ < 2000


@pytest.mark.parametrize("rule", ["lbfgs", "conjugategradient"])
def test_a_search_that_starts_at_the_minimum_has_the_loss_of_the_start(rule):
    with pytest.warns(ConvergenceWarning, match=r"no better than a constant .* lower tol\.$"):
        fitted = model(rule, tol=1e9).fit(X, Y)
    theirs = MLPRegressor(hidden_layer_sizes=(6,), solver="lbfgs", tol=1e9, random_state=0).fit(
        X, Y
    )
    assert fitted.n_iter_ == 0
    assert fitted.loss_ == fitted.best_loss_ == pytest.approx(theirs.loss_, rel=1e-12)


def test_conjugate_gradients_go_on_past_a_kink():
    """Check a network with relu, where the strong Wolfe conditions fail at some points."""
    A, b = load_diabetes(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="max_iter=500"):
        fitted = BackpropMLPRegressor(
            (20,), update_rule="conjugategradient", max_iter=500, random_state=4
        ).fit(scale(A), b)
    assert fitted.n_iter_ == 500


def test_a_step_over_a_kink_is_low_enough_by_armijo():
    """Check |w|: its slopes are 1 or -1, so no point satisfies the strong Wolfe conditions."""
    params, path, rule = np.array([0.75, 0.0]), [], ConjugateGradient()

    def objective(w):
        return abs(float(w[0])), np.array([1.0 if w[0] > 0 else -1.0, 0.0])

    def first(new):
        path.append(new.copy())
        return True

    state = rule.init_state(ParameterLayout((1, 1)))
    assert rule.minimize(objective, params, state, max_iter=9, tol=1e-6, on_iteration=first) is None
    # Down by a step of one, to -1/4.
    np.testing.assert_array_equal(path, [[-0.25, 0.0]])


def answering(send):
    class Rule(Descent):
        def minimize(self, objective, params, state, *, max_iter, tol, on_iteration):
            return send(params, on_iteration, max_iter)

    return Rule()


def only_writes(params, on_iteration, max_iter):
    params[...] = 7.0


def endless(params, on_iteration, max_iter):
    for _ in range(3 * max_iter):
        params[...] += 0.001
        on_iteration(params)


@pytest.mark.parametrize(
    ("send", "error", "message"),
    [
        (
            only_writes,
            ValueError,
            r"changed params without a call of on_iteration\(new_params\)",
        ),
        (lambda p, send, n: send(p[:3]), ValueError, r"array of shape \(\d+,\).*got shape \(3,\)"),
        (lambda p, send, n: True, TypeError, r"Rule.minimize must return None .* got True"),
        (
            lambda p, send, n: send(p * np.nan),
            DivergenceError,
            r"epoch 1, step 1, .* parameters with NaN or infinity; the last finite loss was \d",
        ),
    ],
)
def test_a_rule_that_misuses_the_protocol_is_an_error(send, error, message):
    with pytest.raises(error, match=message):
        model(answering(send)).fit(X, Y)


def test_a_rule_that_does_nothing_is_found_out():
    with pytest.warns(
        ConvergenceWarning, match="it made no iteration, though some derivatives are larger"
    ):
        model(answering(lambda *given: None)).fit(X, Y)


def test_a_rule_that_does_not_count_is_stopped_at_max_iter():
    with pytest.warns(ConvergenceWarning, match="it took max_iter=4 iterations"):
        fitted = model(answering(endless), max_iter=4).fit(X, Y)
    assert fitted.n_iter_ == len(fitted.loss_curve_) == 4


class Remembers(Descent):
    """A rule that keeps the buffer of gradients until it computes the loss again, as it may."""

    def minimize(self, objective, params, state, *, max_iter, tol, on_iteration):
        _, gradients = objective(params)
        for _ in range(max_iter):
            new = params - 0.01 * gradients
            objective(new)
            if on_iteration(new):
                return None
            params[...] = new
        return "it got tired"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("rule", [LBFGS(), ConjugateGradient(), Descent(), Remembers()], ids=str)
def test_a_search_has_the_same_bits_with_and_without_listeners(rule):
    alone = model(rule, max_iter=12).fit(X, Y)
    heard = model(rule, max_iter=12).set_callbacks(TraceRecorder(), StepNotes()).fit(X, Y)
    np.testing.assert_array_equal(alone.params_, heard.params_)
    assert alone.loss_curve_ == heard.loss_curve_
    assert alone.t_ == heard.t_ > 12 * len(X)
