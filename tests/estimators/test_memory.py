"""A fitted estimator keeps no reference to the data it was trained on."""

import gc
import pickle
import tracemalloc
import weakref

import numpy as np
import pytest
from helpers.rules import ALL_RULES
from scipy.sparse import csr_array, issparse
from sklearn.linear_model import Ridge

from sklearn_metabp import (
    LBFGS,
    SGD,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Checkpoint,
    Clipped,
    ConjugateGradient,
    DivergenceError,
    EarlyStopping,
    HistoryLogger,
    LearnedUpdateRule,
    LinearBackprop,
    Safeguarded,
    TraceRecorder,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SETTING = {"max_iter": 1, "random_state": 0, "n_iter_no_change": np.inf}
N_ROWS, N_FEATURES = 2000, 100  # 1.6 MB in float64


def data(kind, n=N_ROWS):
    rng = np.random.default_rng(n)
    X = rng.standard_normal((n, N_FEATURES))
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 1)
    return (csr_array(np.where(X > 0, X, 0)) if kind == "sparse" else X), y


def kept_after(train, kind):
    """Return the bytes that stay after the data of a training are gone, and how many arrays."""
    tracemalloc.start()
    try:
        X, y = data(kind)
        watched = [weakref.ref(array) for array in ((X.data, X.indices) if issparse(X) else (X,))]
        result = train(X, y)
        del X, y
        gc.collect()
        return (
            result,
            tracemalloc.get_traced_memory()[0],
            [ref() for ref in watched if ref() is not None],
        )
    finally:
        tracemalloc.stop()


def assert_lets_go(train, kind="dense"):
    """The order of the rows, 16 kB, is part of what a training goes on with; the rows are not."""
    _result, kept, alive = kept_after(train, kind)
    assert not alive
    assert kept < 400_000


def network(rule="adam", **setting):
    return BackpropMLPClassifier((3,), "tanh", update_rule=rule, **(SETTING | setting))


@pytest.fixture(scope="module")
def learned():
    recorder = TraceRecorder("all")
    network(SGD(0.1), max_iter=3, batch_size=50).set_callbacks(recorder).fit(*data("dense", 200))
    small, trace = BackpropMLPRegressor((3,), tol=0.1, max_iter=5, random_state=0), recorder.trace_
    rules = {
        f"{scope}, {type(learner).__name__}": LearnedUpdateRule(
            learner, scope=scope, random_state=0
        ).fit(trace)
        for scope in ("link", "neuron", "network")
        for learner in (small, Ridge())
    }
    inputs = ["gradient/rms_0.9", "activation", "delta", "last_step"]
    rules["link of four inputs"] = LearnedUpdateRule(small, inputs=inputs).fit(trace)
    patterns = ["loss", "net_inputs", "derivatives"]
    rules["network of net inputs"] = LearnedUpdateRule(small, scope="network", inputs=patterns).fit(
        trace
    )
    return rules


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("rule", [*ALL_RULES, LBFGS(), ConjugateGradient()], ids=repr)
def test_rules_keep_no_reference_to_the_data(rule, kind):
    assert_lets_go(lambda X, y: network(rule).fit(X, y), kind)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize(
    "name",
    [
        *(
            f"{scope}, {learner}"
            for scope in ("link", "neuron", "network")
            for learner in ("BackpropMLPRegressor", "Ridge")
        ),
        "link of four inputs",
        "network of net inputs",
    ],
)
def test_learned_rules_keep_no_reference_to_the_data(name, kind, learned):
    rule = learned[name]
    around = [rule, Clipped(rule, max_norm=0.1), Averaged(rule), Safeguarded(rule, Clipped("sgd"))]
    if not rule.acts_backward:
        around.append(LinearBackprop(rule))
    batch_size = 2000 if "Ridge" in name else 200  # predicting every message takes its time
    for one in around:
        assert_lets_go(lambda X, y, one=one: network(one, batch_size=batch_size).fit(X, y), kind)


RULE = Clipped(Safeguarded(Clipped(SGD(0.5)), SGD(0.1)))
TRAININGS = {
    "early_stopping": lambda X, y: network(RULE, early_stopping=True).fit(X, y),
    "scoring": lambda X, y: network(RULE, early_stopping=True, scoring="neg_log_loss").fit(X, y),
    "X_val": lambda X, y: network(RULE).fit(X, y, X_val=X, y_val=y),
    "EarlyStopping": lambda X, y: (
        network(RULE).set_callbacks(EarlyStopping(monitor="loss")).fit(X, y)
    ),
    "HistoryLogger": lambda X, y: network(RULE).set_callbacks(HistoryLogger()).fit(X, y),
    "sample_weight": lambda X, y: network(RULE, class_weight="balanced").fit(X, y, np.ones(len(y))),
    "dropout": lambda X, y: network(Clipped("adam"), dropout=0.2).fit(X, y),
    "warm_start": lambda X, y: network(RULE, warm_start=True).fit(X, y).fit(X, y),
    "partial_fit": lambda X, y: (
        network(RULE).partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
    ),
    "regressor": lambda X, y: BackpropMLPRegressor((3,), update_rule=RULE, **SETTING).fit(
        X, X[:, :3]
    ),
    "lbfgs": lambda X, y: network("lbfgs", max_iter=3).fit(X, y, X_val=X, y_val=y),
    "predictions": lambda X, y: (
        lambda model: (model, model.predict_proba(X[:5]), model.score(X, y))
    )(network(RULE).fit(X, y)),
    "pickled": lambda X, y: pickle.loads(pickle.dumps(network(RULE).fit(X, y))),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_validation_and_callbacks_keep_no_reference_to_the_data(name):
    assert_lets_go(TRAININGS[name])


def test_a_checkpoint_keeps_no_reference_to_the_data(tmp_path):
    assert_lets_go(lambda X, y: network(RULE).set_callbacks(Checkpoint(tmp_path)).fit(X, y))


def test_an_estimator_whose_fit_failed_keeps_no_reference_to_the_data():
    def train(X, y):
        model = BackpropMLPRegressor(
            (3,), "identity", update_rule=Clipped(SGD(1e9), max_norm=1e300), **SETTING
        )
        model.set_params(batch_size=20)
        try:
            model.fit(X, 1e6 * X[:, :3])
        except DivergenceError:
            return model
        raise AssertionError("it did not diverge")

    assert_lets_go(train)


def test_the_state_of_a_training_is_small():
    """Check that a pickle has parameters, the rule's state and the order of rows, but no data."""
    model = network(Safeguarded("adam")).fit(*data("dense"))
    n_params = model.layout_.n_params
    assert len(pickle.dumps(model._training_state)) < 8 * (8 * n_params + N_ROWS) + 20_000
