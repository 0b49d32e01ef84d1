"""One random_state, one result, bit by bit, wherever it is computed."""

import hashlib
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from helpers.callbacks import Notes
from helpers.processes import run_python
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, BackpropMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# Wide enough that a BLAS with several threads would split its products.
SETTING = {"hidden_layer_sizes": (120, 64), "max_iter": 3, "batch_size": 150}
MODELS = [
    BackpropMLPClassifier(update_rule=Adam(0.01), random_state=5, **SETTING),
    BackpropMLPRegressor(update_rule=SGD(0.01, 0.9), activation="tanh", random_state=6, **SETTING),
]

PROGRAM = """
import hashlib, warnings
import numpy as np
from sklearn_metabp import *
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.standard_normal((400, 80))
y = (X[:, :2] > 0) @ [1, 2]
print(hashlib.sha256({model}.fit(X, y).params_.tobytes()).hexdigest())
"""


def rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 80))
    return X, (X[:, :2] > 0) @ [1, 2]


def digest(model):
    return hashlib.sha256(model.params_.tobytes()).hexdigest()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_the_same_bits_in_this_process_and_in_others(model):
    X, y = rows()
    here = digest(model.fit(X, y))
    assert digest(model.fit(X, y)) == here
    program = [sys.executable, "-c", PROGRAM.format(model=repr(model).replace("\n", " "))]
    for _ in range(2):
        assert (
            subprocess.run(program, capture_output=True, text=True, check=True).stdout.strip()
            == here
        )
    assert digest(model.set_params(random_state=7).fit(X, y)) != here
    model.set_params(random_state=5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("backend", ["loky", "threading"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_the_same_bits_whatever_the_number_of_jobs(model, backend, dtype):
    X, y = rows()
    X = X.astype(dtype)

    def all_bits(n_jobs):
        with joblib.parallel_backend(backend, n_jobs=n_jobs):
            folds = cross_validate(model, X, y, cv=4, return_estimator=True)
            search = GridSearchCV(model, {"alpha": [1e-4, 1.0]}, cv=2).fit(X, y)
        scores = [*folds["test_score"], *search.cv_results_["mean_test_score"]]
        return scores, [digest(one) for one in (*folds["estimator"], search.best_estimator_)]

    assert all_bits(1) == all_bits(2)


@pytest.mark.parametrize("seed", [0, 7, np.int64(7), 2**32 - 1])
def test_an_integer_stands_for_numpys_random_state_of_it(seed):
    by_seed, by_object = (
        BackpropMLPClassifier((4,), dropout=0.2, max_iter=2, random_state=random_state).fit(*rows())
        for random_state in (seed, np.random.RandomState(seed))
    )
    np.testing.assert_array_equal(by_seed.params_, by_object.params_)
    states = [model._training_state.random_state for model in (by_seed, by_object)]
    assert pickle.dumps(states[0]) == pickle.dumps(states[1])


def test_a_random_state_object_is_drawn_from():
    X, y = rows()
    random_state = np.random.RandomState(3)
    model = BackpropMLPClassifier(random_state=random_state, **SETTING)
    first, second = digest(model.fit(X, y)), digest(model.fit(X, y))
    assert first != second
    model.set_params(random_state=np.random.RandomState(3))
    assert (digest(model.fit(X, y)), digest(model.fit(X, y))) == (first, second)
    assert digest(model.set_params(random_state=3).fit(X, y)) == first


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


class ThreadNotes(Notes):
    def on_step_end(self, estimator, context, step):
        self.calls.append(blas_threads())


def test_a_fit_limits_blas_to_one_thread_and_restores_it():
    X, y = rows()
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert before
        notes = ThreadNotes()
        clone(MODELS[0]).set_callbacks(notes).fit(X, y)
        assert {count for call in notes.calls if isinstance(call, list) for count in call} == {1}
        assert blas_threads() == before
        with pytest.raises(ValueError):
            clone(MODELS[0]).set_params(update_rule=SGD(1e300)).fit(X, y)
        assert blas_threads() == before
        with ThreadPoolExecutor(2) as pool:  # the last of several fits to end lets go
            list(pool.map(lambda model: clone(model).fit(X, y), MODELS * 3))
        assert blas_threads() == before


SEARCH = """
import sys, warnings
warnings.simplefilter("ignore")
import joblib
from helpers.data import classes
from sklearn.model_selection import GridSearchCV
from sklearn_metabp import BackpropMLPClassifier
model = BackpropMLPClassifier((6,), max_iter=3, random_state=0)
search = GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=2, n_jobs=2)
with joblib.parallel_config(sys.argv[1]):
    search.fit(*classes("multiclass"))
print(*(score.hex() for score in search.cv_results_["mean_test_score"]))
print(joblib.hash(search.best_estimator_.params_))
"""


def test_worker_processes_of_any_backend_give_the_same_bits():
    backends = ("multiprocessing", "loky", "threading")
    printed = {run_python(SEARCH, backend, timeout=30) for backend in backends}
    assert len(printed) == 1
