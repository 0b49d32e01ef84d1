"""Measure calls on few rows against scikit-learn's MLP, where only what every call costs counts.

Predictions of one row, ``partial_fit`` of 32 rows (64-100-10 with Adam), fits of 10 rows of digits
with the default parameters, a search of 60 small fits, and the import. Times are processor time of
this process or, for the import, of a fresh one, the least of several rounds in which the sides take
turns, with one BLAS thread. Run ``python benchmarks/small_calls.py``.
"""

import argparse
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from threadpoolctl import threadpool_limits

from sklearn_metabp import Adam, BackpropMLPClassifier, BackpropMLPRegressor

Call = Callable[[], Any]
CLASSIFIERS = (BackpropMLPClassifier, MLPClassifier)
REGRESSORS = (BackpropMLPRegressor, MLPRegressor)
DIGITS_X, DIGITS_Y = load_digits(return_X_y=True)
DIGITS_X = DIGITS_X / 16
CONTAINERS: dict[str, Callable[[np.ndarray], Any]] = {
    "dense": np.ascontiguousarray,
    "float32": lambda X: X.astype(np.float32),
    "CSR": sp.csr_array,
    "frame": lambda X: pd.DataFrame(X, columns=[f"x{n}" for n in range(X.shape[1])]),
}


def least_seconds(sides: tuple[Call, Call], n_calls: int, n_rounds: int) -> list[float]:
    """Return the least seconds of a call of either side, which take turns."""
    least = [np.inf, np.inf]
    for _ in range(n_rounds):
        for number, call in enumerate(sides):
            start = time.process_time()
            for _ in range(n_calls):
                call()
            least[number] = min(least[number], (time.process_time() - start) / n_calls)
    return least


def predictions() -> Iterator[tuple[str, tuple[Call, Call]]]:
    """Yield calls that predict one row."""
    for name, make in CONTAINERS.items():
        X = make(DIGITS_X)
        models = [side(max_iter=3, random_state=0).fit(X, DIGITS_Y) for side in CLASSIFIERS]
        row = make(DIGITS_X[:1])
        yield f"predict_proba, 1 row, {name}", _both(models, lambda m, X=row: m.predict_proba(X))
        yield f"predict, 1 row, {name}", _both(models, lambda m, X=row: m.predict(X))


def partial_fits() -> Iterator[tuple[str, tuple[Call, Call]]]:
    """Yield calls that train on 32 rows."""
    settings: dict[str, tuple[dict, dict]] = {
        "": ({}, {}),
        ", a rate": ({"update_rule": Adam(0.002)}, {"learning_rate_init": 0.002}),
        ", batches of 8": ({"batch_size": 8}, {"batch_size": 8}),
    }
    for setting, parameters in settings.items():
        for name, make in CONTAINERS.items():
            if setting and name != "dense":
                continue
            X, y = make(DIGITS_X[:32]), DIGITS_Y[:32]
            models = [
                side(random_state=0, **own).fit(make(DIGITS_X), DIGITS_Y)
                for side, own in zip(CLASSIFIERS, parameters, strict=True)
            ]
            calls = _both(models, lambda m, X=X, y=y: m.partial_fit(X, y))
            yield f"partial_fit, 32 rows, {name}{setting}", calls


def fits() -> Iterator[tuple[str, tuple[Call, Call]]]:
    """Yield fits of 10 rows."""
    rows = np.flatnonzero(DIGITS_Y < 2)[:10]
    kinds: dict[str, tuple[tuple[type, type], np.ndarray, np.ndarray]] = {
        "2 classes": (CLASSIFIERS, DIGITS_X[rows], DIGITS_Y[rows]),
        "10 classes": (CLASSIFIERS, DIGITS_X[:10], DIGITS_Y[:10]),
        "numbers": (REGRESSORS, DIGITS_X[:10], np.linspace(-1, 1, 10)),
    }
    for kind, (sides, X, y) in kinds.items():
        for max_iter in (1, 10, 200):
            for name, make in CONTAINERS.items():
                models = [side(max_iter=max_iter, random_state=0) for side in sides]
                made = make(X)
                calls = _both(models, lambda m, X=made, y=y: m.fit(X, y))
                yield f"fit, 10 rows, {kind}, {name}, {max_iter} epochs", calls
        if kind == "10 classes":  # scikit-learn cannot set rows of single classes aside
            continue
        models = [
            side(max_iter=10, early_stopping=True, validation_fraction=0.2, random_state=0)
            for side in sides
        ]
        calls = _both(models, lambda m, X=X, y=y: m.fit(X, y))
        yield f"fit, 10 rows, {kind}, early stopping, 10 epochs", calls


def searches() -> Iterator[tuple[str, tuple[Call, Call]]]:
    """Yield a search of 60 fits."""
    X, y = load_iris(return_X_y=True)
    grid = {"alpha": np.geomspace(1e-5, 1, 12).tolist()}
    models = [
        GridSearchCV(side((10,), max_iter=20, random_state=0), grid, cv=5, refit=False)
        for side in CLASSIFIERS
    ]
    yield "GridSearchCV, 60 fits of iris, 20 epochs", _both(models, lambda m: m.fit(X, y))


def _both(models: list, call: Callable[[Any], Any]) -> tuple[Call, Call]:
    ours, theirs = models
    return lambda: call(ours), lambda: call(theirs)


def import_seconds(module: str, n_rounds: int) -> float:
    """Return the least processor time of a fresh process that imports a module."""
    code = f"import time, {module}; print(time.process_time())"
    runs = (
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        for _ in range(n_rounds)
    )
    return min(float(run.stdout) for run in runs)


def print_table(n_rounds: int, only: str) -> None:
    print(f"{'call':<48} {'ours':>10} {'theirs':>10} {'ratio':>6}   (µs)")

    def line(name: str, ours: float, theirs: float) -> None:
        print(
            f"{name:<48} {1e6 * ours:10.1f} {1e6 * theirs:10.1f} {ours / theirs:6.2f}", flush=True
        )

    for make_calls in (predictions, partial_fits, fits, searches):
        for name, sides in make_calls():
            if only in name:
                once = least_seconds(sides, 1, 1)
                line(name, *least_seconds(sides, max(1, int(0.02 / max(once))), n_rounds))
    if only in "import":
        modules = "sklearn_metabp", "sklearn.neural_network"
        line("import", *(import_seconds(module, n_rounds) for module in modules))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each side (default 15)")
    parser.add_argument("--only", default="", help="calls whose name has this in it")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with threadpool_limits(1, "blas"):
        print_table(arguments.rounds, arguments.only)
