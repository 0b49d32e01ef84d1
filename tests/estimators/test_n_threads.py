"""n_threads changes the time of a fit, and nothing of its result."""

import copy
import os
import pickle
import signal
import threading

import numpy as np
import pytest
from helpers.callbacks import StepCounter
from helpers.checkpoints import KillAfter, Killed
from joblib import cpu_count, parallel_backend
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_metabp import (
    LBFGS,
    SGD,
    Adam,
    AdamW,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Checkpoint,
    Clipped,
    Rprop,
    load_pretrained,
)
from sklearn_metabp.estimators._parameters import count_threads
from sklearn_metabp.network import Network
from sklearn_metabp.training import DivergenceError, loop

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# Large enough for two parts and more of most products.
SETTING = {"hidden_layer_sizes": (90, 80), "batch_size": 120, "max_iter": 3, "random_state": 4}
SETTING |= {"alpha": 0.01}


def rows(dtype=np.float64):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((250, 70)).astype(dtype)
    return X, (X[:, :2] > 0) @ [1, 2]


def assert_same_fit(model, other):
    assert model.params_.tobytes() == other.params_.tobytes()
    assert model.loss_curve_ == other.loss_curve_
    ours, theirs = (pickle.dumps(fitted._training_state.rule_state) for fitted in (model, other))
    assert ours == theirs


CASES = {
    "default": {},
    "float32": {"dtype": np.float32},
    "no penalty": {"alpha": 0.0, "update_rule": SGD(0.1, momentum=0.9)},
    "dropout, gelu": {"dropout": 0.2, "activation": "gelu", "update_rule": AdamW(0.01)},
    "noise": {"input_noise": 0.3, "dtype": np.float32},
    "averaged": {"update_rule": Averaged(Adam(0.01, schedule="cosine")), "activation": "tanh"},
    "clipped": {"update_rule": Clipped(Adam(0.01), max_norm=0.1)},
    "full batch": {"update_rule": Rprop(), "batch_size": "full"},
    "learned": {"update_rule": load_pretrained()},
    "line search": {"update_rule": LBFGS()},
    "validation": {"early_stopping": True},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seen", [False, True], ids=["", "seen"])
def test_a_fit_has_the_same_bits(case, seen):
    params = SETTING | CASES[case]
    X, y = rows(params.pop("dtype", np.float64))
    callbacks = [StepCounter()] if seen else []
    one, two, three = (
        BackpropMLPClassifier(**params, n_threads=n_threads).set_callbacks(*callbacks).fit(X, y)
        for n_threads in (1, 2, 3)
    )
    assert_same_fit(one, two)
    assert_same_fit(one, three)
    assert one.validation_loss_curve_ == two.validation_loss_curve_
    assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def test_sparse_rows_have_the_same_bits():
    X, y = rows()
    X = csr_array(np.where(np.random.default_rng(1).random(X.shape) < 0.2, X, 0))
    one, three = (
        BackpropMLPRegressor(**SETTING, n_threads=n_threads).fit(X, y) for n_threads in (1, 3)
    )
    assert_same_fit(one, three)
    assert_array_equal(one.predict(X), three.predict(X))


@pytest.fixture
def kernels_made(monkeypatch):
    """Number of threads of every kernel that is made, and whether it computes gradients."""
    made = []
    make = Network.backprop

    def noted(self, params, gradients, max_batch, *, n_threads=1, **kwargs):
        made.append((n_threads, gradients is not None))
        return make(self, params, gradients, max_batch, n_threads=n_threads, **kwargs)

    monkeypatch.setattr(Network, "backprop", noted)
    return made


@pytest.mark.parametrize("n_threads", [2, -1])
@pytest.mark.parametrize("params", [{}, {"early_stopping": True}, {"update_rule": LBFGS()}])
def test_training_validation_and_prediction_have_the_threads(params, n_threads, kernels_made):
    X, y = rows()
    number = cpu_count() if n_threads == -1 else n_threads
    model = BackpropMLPClassifier(**SETTING | params, n_threads=n_threads).fit(X, y)
    training = kernels_made.index((number, True))
    assert training == (1 if "early_stopping" in params else 0)
    assert kernels_made[:training] == [(number, False)] * training
    kernels_made.clear()
    model.predict(X)
    assert kernels_made == [(number, False)]


def test_a_pass_that_is_kept_has_one_thread(kernels_made):
    X, y = rows()
    model = BackpropMLPClassifier(**SETTING, n_threads=2).fit(X, y)
    kernels_made.clear()
    model.predict(X[:16])
    model.set_params(n_threads=1).predict(X[:16])
    assert kernels_made == [(1, False)]


def test_minus_one_is_every_processor():
    assert count_threads(-1) == cpu_count()
    assert count_threads(3) == 3


@pytest.mark.parametrize("n_threads", [0, -2, 1.5, "all", None])
def test_other_numbers_are_refused(n_threads):
    X, y = rows()
    with pytest.raises(ValueError, match="n_threads"):
        BackpropMLPClassifier(n_threads=n_threads).fit(X, y)


def test_a_training_goes_on_with_another_number():
    X, y = rows()
    whole = BackpropMLPClassifier(**SETTING | {"max_iter": 4}).fit(X, y)
    parts = BackpropMLPClassifier(**SETTING | {"max_iter": 2}, warm_start=True, n_threads=2)
    parts.fit(X, y).set_params(n_threads=3).fit(X, y)
    assert_same_fit(whole, parts)


def test_a_checkpoint_is_resumed_with_another_number(tmp_path):
    X, y = rows()
    whole = BackpropMLPClassifier(**SETTING | {"max_iter": 4}).fit(X, y)
    model = BackpropMLPClassifier(**SETTING | {"max_iter": 4}, n_threads=2)
    with pytest.raises(Killed):
        model.set_callbacks(Checkpoint(tmp_path), KillAfter(2)).fit(X, y)
    resumed = clone(model).set_params(n_threads=1).set_callbacks(Checkpoint(tmp_path)).fit(X, y)
    assert_same_fit(whole, resumed)
    assert len(os.listdir(tmp_path)) == 1


def test_a_divergence_is_the_same():
    X, y = rows()
    texts = []
    for n_threads in (1, 3):
        with pytest.raises(DivergenceError) as raised:
            BackpropMLPRegressor(
                **SETTING | {"max_iter": 50}, update_rule=SGD(1e3), n_threads=n_threads
            ).fit(1e3 * X, y)
        texts.append(str(raised.value))
    assert texts[0] == texts[1]


def test_estimators_with_threads_are_copied_and_pickled():
    X, y = rows()
    model = BackpropMLPClassifier(**SETTING, n_threads=2).fit(X, y)
    expected = model.predict_proba(X)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.n_threads == 2
        assert_array_equal(other.predict_proba(X), expected)
        other.partial_fit(X, y)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_a_search_of_fits_with_threads_finds_the_same(backend):
    X, y = rows()
    grid = {"alpha": [0.001, 0.1]}
    alone = GridSearchCV(BackpropMLPClassifier(**SETTING), grid, cv=2).fit(X, y)
    with parallel_backend(backend, n_jobs=2):
        found = GridSearchCV(
            BackpropMLPClassifier(**SETTING, n_threads=2), grid, cv=2, n_jobs=2
        ).fit(X, y)
    assert_array_equal(found.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert_same_fit(found.best_estimator_, alone.best_estimator_)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_a_fit_with_threads(monkeypatch):
    X, y = rows()
    setting = SETTING | {"max_iter": 10**7, "n_iter_no_change": np.inf, "n_threads": 3}
    model = BackpropMLPRegressor(**setting)
    monkeypatch.setattr(loop, "_last_interrupt", -np.inf)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.warns(UserWarning, match="interrupted by user"):
            model.fit(X, y)
    finally:
        signal.signal(signal.SIGINT, before)
    assert np.isfinite(model.params_).all()
    assert model.set_params(max_iter=2).fit(X, y).n_iter_ == 2
