"""L-BFGS and conjugate gradients find the minima of other implementations."""

import copy
import warnings
from itertools import product

import numpy as np
import pytest
from helpers.data import classes, numbers
from scipy.optimize import minimize, rosen, rosen_der
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sklearn_metabp import (
    LBFGS,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Clipped,
    ConjugateGradient,
    EarlyStopping,
    LinearBackprop,
    LineSearchRule,
    Safeguarded,
    UpdateRule,
)
from sklearn_metabp.network import Network, ParameterLayout, glorot_uniform
from sklearn_metabp.update_rules import UPDATE_RULES, resolve_update_rule
from sklearn_metabp.update_rules.conjugate_gradient import VARIANTS

LAYOUT = ParameterLayout((1, 1))
LINE_SEARCHES = [
    LBFGS(),
    *(ConjugateGradient(variant) for variant in VARIANTS),
    ConjugateGradient(n_steepest=np.inf),
]


def never(params):
    return False


def search(rule, objective, start, *, max_iter=1000, tol=1e-8, on_iteration=never, state=None):
    """Return the reason of a search to end early, its last point, and the points on the way."""
    params, path = np.array(start), []

    def follow(new):
        path.append(new.copy())
        return on_iteration(new)

    state = rule.init_state(LAYOUT) if state is None else state
    why_not = rule.minimize(
        objective, params, state, max_iter=max_iter, tol=tol, on_iteration=follow
    )
    np.testing.assert_array_equal(params, path[-1] if path else start)
    return why_not, params, path


def quadratic(n, seed=0, dtype=float):
    """``(w - w0)' A (w - w0) / 2`` with eigenvalues from 1 to 30, its minimum, and its matrix."""
    rng = np.random.default_rng(seed)
    v = rng.standard_normal(n)
    Q = np.eye(n) - 2 * np.outer(v, v) / (
        v @ v
    )  # a reflection: LAPACK's Q differs from machine to machine
    A, minimum = Q * np.geomspace(1, 30, n) @ Q.T, rng.standard_normal(n)
    buffer = np.zeros(n, dtype)

    def objective(w):
        buffer[...] = A @ (w - minimum)
        return float((w - minimum) @ buffer / 2), buffer

    return objective, minimum, A


def rosenbrock(w):
    return rosen(w), rosen_der(w)


class TrainedNetwork:
    """The loss of a network over all rows as a function of its parameters."""

    def __init__(self, X, targets, hidden, out_activation, loss, alpha):
        self.layout = ParameterLayout((X.shape[1], *hidden, targets.shape[1]), X.dtype)
        self.network = Network(self.layout, *self._functions(out_activation, loss), alpha)
        self.start = glorot_uniform(self.layout, ("relu",), np.random.RandomState(0))
        self._params, self._gradients = np.zeros_like(self.start), np.zeros_like(self.start)
        self._kernel = self.network.backprop(self._params, self._gradients, len(X))
        self._kernel.load(X, targets)
        self._n = len(X)

    def _functions(self, out_activation, loss):
        return ("relu",), out_activation, loss

    def __call__(self, params):
        self._params[...] = params
        return self._kernel.gradients(0, self._n), self._gradients


def network_of(kind, dtype=np.float64, alpha=1e-4):
    if kind == "numbers":
        X, y = numbers(1, dtype=dtype)
        return TrainedNetwork(X, y[:, None], (8,), "identity", "squared_error", alpha), X, y
    X, y = classes(kind, dtype=dtype)
    targets = np.eye(3, dtype=dtype)[y] if kind == "multiclass" else y[:, None].astype(dtype)
    out = "softmax" if kind == "multiclass" else "logistic"
    return TrainedNetwork(X, targets, (8,), out, "log_loss", alpha), X, y


@pytest.mark.parametrize(
    ("kind", "alpha", "max_iter"),
    [
        *product(("binary", "multiclass", "numbers"), (1e-4, 1.0), (1, 5, 20)),
        (
            "binary",
            1e-4,
            200,
        ),  # to the end, where it converges before rounding has grown by its many steps
        ("binary", 1.0, 200),
        ("numbers", 1.0, 200),
    ],
)
def test_lbfgs_is_scikit_learns(kind, alpha, max_iter):
    objective, X, y = network_of(kind, alpha=alpha)
    estimator = MLPRegressor if kind == "numbers" else MLPClassifier
    theirs = estimator(
        hidden_layer_sizes=(8,), solver="lbfgs", random_state=0, max_iter=max_iter, alpha=alpha
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        theirs.fit(X, y)
    why_not, params, path = search(LBFGS(), objective, objective.start, max_iter=max_iter, tol=1e-4)
    np.testing.assert_allclose(
        params, objective.layout.flatten(theirs.coefs_, theirs.intercepts_), rtol=1e-9, atol=1e-9
    )
    assert len(path) == theirs.n_iter_
    assert (why_not is not None) == bool(caught)
    assert objective(params)[0] == pytest.approx(theirs.loss_, rel=1e-9)


def test_lbfgs_stops_at_max_fun():
    calls = []

    def counted(w):
        calls.append(w)
        return rosenbrock(w)

    why_not, *_ = search(LBFGS(max_fun=10), counted, [-1.2, 1.0])
    assert why_not == "it computed the loss max_fun=10 times; raise max_fun"
    assert 10 <= len(calls) < 20


@pytest.mark.parametrize("n", [2, 5, 10])
def test_on_quadratics_the_variants_are_one_and_end_in_n_steps(n):
    """With exact line searches, by the classical recursion of Hestenes and Stiefel for A w = b."""
    objective, minimum, A = quadratic(n)
    w, expected = np.zeros(n), []
    r = d = -A @ (w - minimum)
    for _ in range(n):
        alpha = r @ r / (d @ A @ d)
        w, new = w + alpha * d, r - alpha * (A @ d)
        expected.append(w)
        d, r = new + new @ new / (r @ r) * d, new
    for variant in VARIANTS:
        why_not, found, path = search(
            ConjugateGradient(variant, curvature=1e-10), objective, np.zeros(n), tol=1e-5
        )
        assert why_not is None
        assert len(path) <= n
        np.testing.assert_allclose(path, expected[: len(path)], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found, minimum, atol=1e-5)


@pytest.mark.parametrize("rule", LINE_SEARCHES[:-1], ids=str)
def test_all_find_the_minimum_of_rosenbrocks_function(rule):
    why_not, found, _ = search(rule, rosenbrock, [-1.2, 1.0, -0.5], tol=1e-7, max_iter=2000)
    assert why_not is None
    np.testing.assert_allclose(found, 1, atol=1e-5)


def test_polak_ribiere_needs_about_the_iterations_of_scipys():
    theirs = minimize(rosen, [-1.2, 1.0], jac=rosen_der, method="CG", options={"gtol": 1e-6})
    _, found, path = search(
        ConjugateGradient("polak_ribiere", curvature=0.4), rosenbrock, [-1.2, 1.0], tol=1e-6
    )
    np.testing.assert_allclose(found, theirs.x, atol=1e-5)
    assert len(path) <= 3 * theirs.nit


def test_polak_ribiere_trains_a_network_as_low_as_scipys():
    objective, _, _ = network_of("multiclass")
    theirs = minimize(
        objective, objective.start, jac=True, method="CG", options={"gtol": 1e-5, "maxiter": 3000}
    )
    _, found, _ = search(ConjugateGradient(), objective, objective.start, tol=1e-5, max_iter=3000)
    assert objective(found)[0] <= 1.05 * theirs.fun


def test_steepest_descent_first():
    objective, _, A = quadratic(6)
    plain = search(ConjugateGradient(curvature=1e-10), objective, np.zeros(6), max_iter=5, tol=0)[2]
    steep = search(
        ConjugateGradient(n_steepest=3, curvature=1e-10), objective, np.zeros(6), max_iter=5, tol=0
    )[2]
    np.testing.assert_array_equal(plain[0], steep[0])
    w = np.zeros(6)
    for k in range(3):
        g = objective(w)[1].copy()
        w = w - g @ g / (g @ A @ g) * g
        np.testing.assert_allclose(steep[k], w, rtol=1e-6)
    g = objective(w)[1].copy()
    after = w - g @ g / (g @ A @ g) * g
    assert np.linalg.norm(steep[3] - after) > 1e-3  # the fourth is conjugate
    always = search(
        ConjugateGradient(n_steepest=np.inf, curvature=1e-10),
        objective,
        np.zeros(6),
        max_iter=5,
        tol=0,
    )[2]
    np.testing.assert_allclose(always[3], after, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("variant", VARIANTS)
def test_conjugate_gradients_go_on_to_the_bit(variant, dtype):
    objective, _, _ = network_of("multiclass", dtype)
    rule = ConjugateGradient(variant, n_steepest=2)
    whole = search(rule, objective, objective.start, max_iter=12)[2]
    params, state, path = objective.start, rule.init_state(LAYOUT), []
    for n in (1, 3, 8):
        state = copy.deepcopy(state)
        _, params, part = search(rule, objective, params, max_iter=n, state=state)
        path += part
    np.testing.assert_array_equal(path, whole)
    assert params.dtype == dtype


@pytest.mark.parametrize("rule", LINE_SEARCHES, ids=str)
def test_float32_is_converted_and_converges(rule):
    objective, minimum, _ = quadratic(4, dtype=np.float32)
    seen = []

    def typed(w):
        seen.append(w.dtype)
        return objective(w)

    why_not, found, path = search(rule, typed, np.zeros(4, np.float32), tol=1e-3)
    assert why_not is None
    assert {array.dtype for array in (found, *path)} | set(seen) == {np.dtype(np.float32)}
    np.testing.assert_allclose(found, minimum, atol=1e-3)


@pytest.mark.parametrize("rule", LINE_SEARCHES, ids=str)
def test_a_callback_stops_it(rule):
    count = []

    def third(params):
        count.append(params)
        return len(count) == 3

    why_not, _, path = search(rule, rosenbrock, [-1.2, 1.0], on_iteration=third)
    assert why_not is None
    assert len(path) == 3


@pytest.mark.parametrize("rule", LINE_SEARCHES, ids=str)
def test_a_search_ends_at_max_iter_with_a_message(rule):
    why_not, _, path = search(rule, rosenbrock, [-1.2, 1.0], max_iter=4)
    assert why_not == "it took max_iter=4 iterations; raise max_iter or tol"
    assert len(path) == 4


@pytest.mark.parametrize("rule", LINE_SEARCHES, ids=str)
def test_at_the_minimum_a_search_takes_no_iteration(rule):
    why_not, found, path = search(rule, rosenbrock, [1.0, 1.0])
    assert why_not is None
    assert path == []
    np.testing.assert_array_equal(found, 1.0)


@pytest.mark.parametrize("rule", LINE_SEARCHES, ids=str)
def test_a_search_without_a_lower_point_ends_with_a_message(rule):
    """Check wrong gradients, which rounding causes near a minimum."""
    why_not, found, _ = search(rule, lambda w: (float(w @ w), -2 * w), [1.0, 2.0], max_iter=50)
    assert why_not.startswith("no lower loss was found")
    np.testing.assert_array_equal(found, [1.0, 2.0])


@pytest.mark.parametrize("rule", LINE_SEARCHES[1:], ids=str)
def test_a_trial_step_that_overflows_is_a_bad_one(rule):
    def walled(w):
        return (np.nan if abs(w[0]) > 2 else float(w[0] ** 4)), np.array([4 * w[0] ** 3])

    why_not, found, _ = search(rule, walled, [1.9], tol=1e-6)
    assert why_not is None
    assert abs(found[0]) < 0.02


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (LBFGS(max_fun=0), "max_fun"),
        (LBFGS(memory=0.5), "memory"),
        (ConjugateGradient("newton"), "variant"),
        (ConjugateGradient(n_steepest=-1), "n_steepest"),
        (ConjugateGradient(n_steepest=1.5), "n_steepest"),
        (ConjugateGradient(curvature=1.0), "curvature"),
    ],
    ids=str,
)
def test_parameters_out_of_range_are_refused(rule, message):
    with pytest.raises(ValueError, match=message):
        rule.init_state(LAYOUT)


@pytest.mark.parametrize("name", ["lbfgs", "conjugategradient"])
def test_line_search_rules_cannot_take_single_steps(name):
    rule = resolve_update_rule(name)
    assert isinstance(rule, LineSearchRule) and not isinstance(rule, UpdateRule)
    assert rule.full_batch and not rule.replayable
    wrapper = Clipped(name)
    with pytest.raises(
        TypeError, match=f"Clipped changes single steps and cannot wrap {type(rule).__name__}"
    ):
        wrapper.init_state(LAYOUT)
    X, y = classes("binary")
    with pytest.raises(TypeError, match="cannot wrap"):
        BackpropMLPClassifier(update_rule=wrapper).fit(X, y)


def test_the_two_protocols_state_what_callers_may_rely_on():
    facts = ("takes_steps", "adds_updates", "tests_convergence", "needs_fixed_loss", "resumable")
    for name, rule_type in UPDATE_RULES.items():
        searches = name in ("lbfgs", "conjugategradient")
        expected = (
            (False, False, True, True, False) if searches else (True, True, False, False, True)
        )
        assert tuple(getattr(rule_type, fact) for fact in facts) == expected, name
    for wrapper in (Clipped(), Averaged(), LinearBackprop(), Safeguarded("adam")):
        assert isinstance(wrapper, UpdateRule) and wrapper.takes_steps and wrapper.resumable


def test_a_search_of_ones_own_may_end_at_once_when_it_is_stopped():
    class Descent(LineSearchRule):
        def init_state(self, layout):
            return {}

        def minimize(self, objective, params, state, *, max_iter, tol, on_iteration):
            for _ in range(max_iter):
                new = params - 0.01 * objective(params)[1]
                if on_iteration(new):
                    return None  # with params as they were: what is trained was told
                params[...] = new
            return "it goes on for ever"

    X, y = numbers()
    model = BackpropMLPRegressor((3,), update_rule=Descent(), max_iter=50, random_state=0)
    model.set_callbacks(EarlyStopping("loss", patience=2, min_delta=1e9, restore_best=False))
    assert model.fit(X, y).n_iter_ == 3
