"""Measure the time of predictions, and the share of scikit-learn's validation of X in it.

The network is 64-100-10 on digits, dense and CSR, with one BLAS thread. Times are microseconds of
processor time, the least of several rounds in turns. The table also has ``MLPClassifier.predict``,
and ``validate_data`` alone, which both sides call. Run ``python benchmarks/predict_speed.py``.
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


def print_table(n_rounds: int) -> None:
    X, y = load_digits(return_X_y=True)
    X = X / 16
    ours = BackpropMLPClassifier((100,), max_iter=3, random_state=0).fit(X, y)
    theirs = MLPClassifier((100,), max_iter=3, random_state=0).fit(X, y)
    print(
        f"{'rows':>6} {'kind':<6} {'validation':>10} {'ours':>8} {'theirs':>8} {'ratio':>6} "
        f"{'beyond':>8}"
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
            }
            least = least_microseconds(sides, max(2, 400 // n_rows), n_rounds)
            validation, mine, other = least.values()
            print(
                f"{n_rows:6} {kind:<6} {validation:10.1f} {mine:8.1f} {other:8.1f} "
                f"{mine / other:6.2f} {mine - validation:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each side (default 15)")
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(1, "blas"):
        print_table(parser.parse_args().rounds)
