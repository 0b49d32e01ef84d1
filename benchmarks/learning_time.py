"""Measure the time of learning: from round to round of ``aggregate``, and from large matrices.

Times are processor times on one BLAS thread. ``aggregate`` trains iris by SGD from two starts a
round: the time of a round must not depend on the number of rounds before it. ``fit(X, y)`` has the
columns of the link scope. Run ``python benchmarks/learning_time.py``.
"""

import argparse
import time

import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

from sklearn_metabp import SGD, BackpropMLPClassifier, LearnedUpdateRule
from sklearn_metabp.meta_training import aggregate


def rounds(scope: str, all_n_rounds: list[int]) -> None:
    X, y = load_iris(return_X_y=True)
    network = BackpropMLPClassifier((8,), batch_size=30, max_iter=20, n_iter_no_change=np.inf)
    for n_rounds in all_n_rounds:
        rule = LearnedUpdateRule(scope=scope, random_state=0)
        start = time.process_time()
        aggregate(
            rule,
            SGD(0.1),
            [(network, scale(X), y)],
            n_rounds=n_rounds,
            n_starts=2,
            random_state=0,
        )
        seconds = time.process_time() - start
        print(
            f"aggregate, scope {scope:<8} {n_rounds:3d} rounds after the first: {seconds:6.2f} s, "
            f"{seconds / (n_rounds + 1):.2f} s a round",
            flush=True,
        )


def matrices(n_rows: int) -> None:
    rng = np.random.default_rng(0)
    rms = rng.lognormal(size=n_rows)
    X = np.column_stack([rng.uniform(-2, 2, (n_rows, 7)), rms])
    y = -0.1 * X[:, 0] * rms
    for subsample in (40_000, None):
        rule = LearnedUpdateRule(random_state=0, subsample=subsample)
        start = time.process_time()
        rule.fit(X, y)
        seconds = time.process_time() - start
        r2 = rule.score(X, y)
        print(
            f"fit(X, y) of {n_rows} rows, subsample={subsample}: {seconds:5.1f} s, R² {r2:.6f}",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--scopes", nargs="+", default=["link", "layer", "network"])
    parser.add_argument("--rows", type=int, default=1_900_000)
    given = parser.parse_args()
    with threadpool_limits(1, "blas"):
        for scope in given.scopes:
            rounds(scope, given.rounds)
        matrices(given.rows)
