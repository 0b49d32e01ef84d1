"""Weights of a sparse first layer that wait for their steps end as if they had not waited."""

import numpy as np
import pytest
from helpers.callbacks import StepCounter
from helpers.elementwise import NAMES, RULES, assert_same_states
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from sklearn_metabp import (
    SGD,
    AdamW,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Layerwise,
)
from sklearn_metabp._kernels.network import COMPILED, Backprop
from sklearn_metabp._kernels.rules import Program, sgd_step
from sklearn_metabp.training import DivergenceError
from sklearn_metabp.update_rules.operation import Operation

if COMPILED:
    from sklearn_metabp._kernels.network import _backprop, _late_weights

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.skipif(not COMPILED, reason="the fallback does not let weights wait"),
]
N_COLUMNS = 1001


def rows(n=60, n_values=4, dtype=np.float64, n_columns=N_COLUMNS):
    """Rows of which a batch touches few columns, unsorted and with duplicates; some are empty."""
    rng = np.random.default_rng(0)
    counts = np.where(rng.random(n) < 0.1, 0, n_values)
    columns = rng.integers(0, n_columns, counts.sum())
    columns[::3] = rng.integers(0, 40, len(columns[::3]))  # these are touched again and again
    starts = np.concatenate([[0], np.cumsum(counts)])
    X = csr_array((rng.normal(size=len(columns)).astype(dtype), columns, starts), (n, n_columns))
    return X, rng.integers(0, 3, n)


@pytest.fixture
def late(monkeypatch):
    """Let the weights of every sparse first layer wait; the shapes that did."""
    shapes = []
    monkeypatch.setattr(_backprop, "is_worthwhile", lambda X, shape, n: not shapes.append(shape))
    return shapes


def assert_same_training(model, other):
    """The weights and the state have the same bits; losses may be rounded differently."""
    for ours, theirs in zip(
        [*model.coefs_, *model.intercepts_], [*other.coefs_, *other.intercepts_], strict=True
    ):
        assert_array_equal(ours, theirs)
    assert_allclose(model.loss_curve_, other.loss_curve_, rtol=1e-12)
    assert model._training_state.n_steps == other._training_state.n_steps
    assert model._training_state.n_rows == other._training_state.n_rows
    assert_same_states(model._training_state.rule_state, other._training_state.rule_state)


def fit_both(X, y, Estimator=BackpropMLPClassifier, **params):
    params = {"hidden_layer_sizes": (10,), "batch_size": 8, "max_iter": 7} | params
    params |= {"random_state": 3, "n_iter_no_change": 99}
    model = Estimator(**params).fit(X, y)
    seen = Estimator(**params).set_callbacks(StepCounter()).fit(X, y)
    assert_same_training(model, seen)
    return model


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_rule_takes_the_same_steps(rule, dtype, late):
    fit_both(*rows(dtype=dtype), update_rule=rule, alpha=0.01)
    assert len(late) == ("Clipped" not in repr(rule))  # clipping needs all gradients


CASES = {
    "no penalty": {"alpha": 0.0},
    "SGD without penalty": {"alpha": 0.0, "update_rule": SGD(0.1)},
    "layers with their own rates": {
        "update_rule": Layerwise(AdamW(0.01), rates={0: 0.5, 1: 2.0}, decay_epochs=3)
    },
    "wide": {"hidden_layer_sizes": (70, 5)},
    "wider than a block of a rule": {"hidden_layer_sizes": (600,), "max_iter": 2},
    "dropout": {"dropout": 0.3},
    "a row a batch, more steps than a window has": {"batch_size": 1},
    "one batch": {"batch_size": "full"},
    "no shuffle": {"shuffle": False},
}


@pytest.mark.parametrize("case", CASES)
def test_a_training_takes_the_same_steps(case, late):
    fit_both(*rows(), **{"alpha": 0.1} | CASES[case])
    assert len(late) == 1


def test_a_zero_keeps_its_sign(late):
    # The gradient of a weight of -0 is 0 + alpha w, which is 0, and not alpha w, which is -0.
    X, y = rows(n=30)
    params = {"hidden_layer_sizes": (10,), "max_iter": 2, "batch_size": 5, "random_state": 0}
    params |= {"update_rule": SGD(0.1, momentum=0.5), "warm_start": True}
    models = []
    for callbacks in ((), (StepCounter(),)):
        model = BackpropMLPClassifier(**params).set_callbacks(*callbacks).fit(X, y)
        model.coefs_[0][...] = -0.0
        models.append(model.fit(X, y))
    for ours, theirs in zip(models[0].coefs_, models[1].coefs_, strict=True):
        assert_array_equal(ours, theirs)
        assert_array_equal(np.signbit(ours), np.signbit(theirs))
    assert len(late) == 2


@pytest.mark.parametrize("learning_rate", [1e3, 1e200])
def test_a_divergence_names_the_same_step(learning_rate, late):
    X, _ = rows()
    y = np.random.default_rng(1).normal(size=X.shape[0])
    texts = []
    for callbacks in ((), (StepCounter(),)):
        model = BackpropMLPRegressor(
            hidden_layer_sizes=(10,),
            update_rule=SGD(learning_rate),
            batch_size=8,
            max_iter=50,
            random_state=0,
        ).set_callbacks(*callbacks)
        with pytest.raises(DivergenceError) as raised:
            model.fit(1e3 * X, y)
        error = raised.value
        texts.append((str(error).split(":")[0], error.epoch, error.step))
    assert texts[0] == texts[1]
    assert len(late) == 1


def test_columns_that_change_end_the_training(late):
    X, y = rows()
    n_params = N_COLUMNS * 10 + 10 * 3 + 13
    params, gradients, updates = (np.zeros(n_params) for _ in range(3))
    columns = X.indices = X.indices.astype(np.int32)
    backprop = Backprop(
        (N_COLUMNS, 10, 3), ["tanh"], "softmax", "log_loss", params, gradients, max_batch=8
    )
    backprop.load(X, np.eye(3)[y])
    step = Operation(sgd_step, (gradients, updates), lambda n: (0.1,), steady=True)
    rule = Program([step], params, gradients, updates)
    rule.load([[(0.1,)]])
    columns[-1] = N_COLUMNS
    with pytest.raises(ValueError, match="X changed while a kernel held it"):
        backprop.run_steps(rule, 8, -(-X.shape[0] // 8), np.random.RandomState(0), np.zeros(1))
    assert np.isfinite(params).all() and params.any()
    assert len(late) == 1


@pytest.mark.parametrize(
    ("n_values", "n_columns", "width", "batch_size", "waits"),
    [
        (80, 50_000, 100, 200, True),
        (80, 50_000, 10, 200, False),  # all is in the cache
        (80, 11_000, 100, 200, False),  # a batch touches most columns
        (80, 11_000, 100, 20, True),
    ],
)
def test_only_large_layers_of_which_a_batch_touches_little_wait(
    n_values, n_columns, width, batch_size, waits
):
    X, _ = rows(300, n_values, n_columns=n_columns)
    assert _late_weights.is_worthwhile(X, (n_columns, width), batch_size) == waits
