"""Measure the memory of a fit and of a prediction, as a multiple of the memory of X.

X has 100,000 rows and 64 columns, in several containers and orders of memory; the network is
64-100-10. The figures are the highest sums of all that is allocated between the call and its end,
by tracemalloc, over the bytes of X: X itself, which was there before, does not count. "aside" is a
fit that sets rows aside for early stopping. Run ``python benchmarks/fit_memory.py``.
"""

import argparse
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from sklearn_metabp import BackpropMLPClassifier

CONTAINERS: dict[str, Callable[[np.ndarray], Any]] = {
    "float64, row by row": np.ascontiguousarray,
    "float32, row by row": lambda X: X.astype(np.float32),
    "float64, column by column": np.asfortranarray,
    "float32, column by column": lambda X: np.asfortranarray(X, np.float32),
    "integers": lambda X: (16 * X).astype(int),
    "frame of one block": pd.DataFrame,
    "frame of columns": lambda X: pd.DataFrame({f"x{n}": column for n, column in enumerate(X.T)}),
    "CSR": sp.csr_array,
}


def n_bytes(X: Any) -> int:
    """Return the bytes of X in its container."""
    if sp.issparse(X):
        return X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    return X.nbytes if isinstance(X, np.ndarray) else int(X.memory_usage(index=False).sum())


def peak(call: Callable[[], Any]) -> int:
    """Return the most bytes that a call had allocated at once."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def shares(side: type, X: Any, y: np.ndarray) -> dict[str, float]:
    """Return the peak of every kind of call of an estimator, over the bytes of X."""
    model, aside = side(max_iter=1), side(max_iter=1, early_stopping=True)
    model.fit(X[:200], y[:200])  # what the first call makes once does not count
    calls = {
        "fit": lambda: model.fit(X, y),
        "aside": lambda: aside.fit(X, y),
        "partial_fit": lambda: model.partial_fit(X, y),
        "predict": lambda: model.predict(X),
        "proba": lambda: model.predict_proba(X),
    }
    return {name: peak(call) / n_bytes(X) for name, call in calls.items()}


def print_table(n_rows: int) -> None:
    digits, labels = load_digits(return_X_y=True)
    dense, y = np.resize(digits / 16, (n_rows, 64)), np.resize(labels, n_rows)
    sides = {"ours": BackpropMLPClassifier, "scikit-learn": MLPClassifier}
    for number, (name, make) in enumerate(CONTAINERS.items()):
        X = make(dense)
        for label, side in sides.items():
            row = shares(side, X, y)
            if not number and label == "ours":
                print(f"{'X':<26} {'MB':>6} {'':<12}" + "".join(f"{call:>12}" for call in row))
            cells = "".join(f"{share:12.2f}" for share in row.values())
            print(f"{name:<26} {n_bytes(X) / 1e6:6.1f} {label:<12}{cells}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="rows of X (default 100000)")
    warnings.simplefilter("ignore")
    with threadpool_limits(1, "blas"):
        print_table(parser.parse_args().rows)
