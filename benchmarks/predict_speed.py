"""Measure the time of predictions, few and many, against scikit-learn and against the products.

The network is 64-100-10 on digits, with one BLAS thread. Times are processor time, the least of
several rounds in turns. The first table has ``predict`` of few rows, dense and CSR, in
microseconds, of both sides, and ``validate_data`` of scikit-learn alone. The second one has
``predict_proba`` of many rows, stored row by row and column by column, in milliseconds, and its
floor: the matrix products alone, on blocks of rows. Run ``python benchmarks/predict_speed.py``.
"""

import argparse
import time
import warnings

import numpy as np
import scipy.sparse as sp
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.utils.validation import validate_data
from threadpoolctl import threadpool_limits

from sklearn_metabp import BackpropMLPClassifier

DTYPES = (np.float64, np.float32)
BLOCK = 512  # rows


def least_microseconds(functions: dict, n_calls: int, n_rounds: int) -> dict[str, float]:
    """Return the least time of one call of every function.

    The functions are timed in turns, so that a slow moment of the machine affects all.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(n_rounds + 1):
        for name, function in functions.items():
            start = time.process_time()
            for _ in range(n_calls):
                function()
            times[name].append((time.process_time() - start) / n_calls)
    return {name: 1e6 * min(of_rounds[1:]) for name, of_rounds in times.items()}


def print_table_of_few(n_rounds: int) -> None:
    X, y = load_digits(return_X_y=True)
    X = X / 16
    ours = BackpropMLPClassifier((100,), max_iter=3, random_state=0).fit(X, y)
    theirs = MLPClassifier((100,), max_iter=3, random_state=0).fit(X, y)
    print(
        f"{'rows':>6} {'kind':<6} {'validation':>10} {'ours':>8} {'theirs':>8} {'ratio':>6} "
        f"{'proba':>8} {'theirs':>8} {'ratio':>6}"
    )
    for n_rows in (1, 100, 10_000):
        dense = np.resize(X, (n_rows, X.shape[1]))
        for kind, rows in (("dense", dense), ("CSR", sp.csr_array(dense))):
            sides = {
                "validation": lambda rows=rows: validate_data(
                    ours, rows, accept_sparse="csr", dtype=DTYPES, reset=False
                ),
                "ours": lambda rows=rows: ours.predict(rows),
                "theirs": lambda rows=rows: theirs.predict(rows),
                "our proba": lambda rows=rows: ours.predict_proba(rows),
                "their proba": lambda rows=rows: theirs.predict_proba(rows),
            }
            least = least_microseconds(sides, max(2, 400 // n_rows), n_rounds)
            validation, mine, other, my_proba, other_proba = least.values()
            print(
                f"{n_rows:6} {kind:<6} {validation:10.1f} {mine:8.1f} {other:8.1f} "
                f"{mine / other:6.2f} {my_proba:8.1f} {other_proba:8.1f} "
                f"{my_proba / other_proba:6.2f}",
                flush=True,
            )


def print_table_of_many(n_rows: int, n_rounds: int) -> None:
    digits, y = load_digits(return_X_y=True)
    print(
        f"{'dtype':<8} {'floor':>8} {'by row':>8} {'by column':>9} {'theirs':>8} {'over floor':>10}"
    )
    for dtype in DTYPES:
        few = (digits / 16).astype(dtype)
        ours = BackpropMLPClassifier((100,), max_iter=3, random_state=0).fit(few, y)
        theirs = MLPClassifier((100,), max_iter=3, random_state=0).fit(few, y)
        X = np.resize(few, (n_rows, few.shape[1]))
        by_column = np.asfortranarray(X)
        first, second = (np.ascontiguousarray(weights) for weights in ours.coefs_)
        hidden, outputs = np.empty((BLOCK, 100), dtype), np.empty((BLOCK, 10), dtype)

        def products(X=X, layers=((first, hidden), (second, outputs))) -> None:
            (first, hidden), (second, outputs) = layers
            for start in range(0, len(X), BLOCK):
                rows = X[start : start + BLOCK]
                np.matmul(rows, first, out=hidden[: len(rows)])
                np.matmul(hidden[: len(rows)], second, out=outputs[: len(rows)])

        sides = {
            "floor": products,
            "by row": lambda ours=ours, X=X: ours.predict_proba(X),
            "by column": lambda ours=ours, X=by_column: ours.predict_proba(X),
            "theirs": lambda theirs=theirs, X=X: theirs.predict_proba(X),
        }
        least = [one / 1e3 for one in least_microseconds(sides, 1, n_rounds).values()]
        floor, by_row, column, other = least
        print(
            f"{dtype.__name__:<8} {floor:8.1f} {by_row:8.1f} {column:9.1f} {other:8.1f} "
            f"{by_row / floor:10.2f}",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each side (default 15)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="many rows (default 1000000)")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(1, "blas"):
        print_table_of_few(arguments.rounds)
        print_table_of_many(arguments.rows, max(2, arguments.rounds // 3))
