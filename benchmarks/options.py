"""Measure the cost of sparse input, dropout, class weights and gelu over the plain dense fit.

Whole fits of the same number of steps are timed in turns, on one BLAS thread. The sparse rows have
the same data as the dense ones. The table has scikit-learn's fits of the sparse rows too. Run
``python benchmarks/options.py``.
"""

import argparse
import warnings

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits
from workloads import Workload, alternate, digits_workloads, fit_seconds, median_ratio

from sklearn_metabp import BackpropMLPClassifier


def on_digits(n_rounds: int) -> None:
    print(f"{'workload':<32} {'fit with':<26} {'over the plain fit':>18}")
    for workload in digits_workloads():
        sides = {
            "plain": {},
            "dropout=0.2": {"dropout": 0.2},
            "class_weight='balanced'": {"class_weight": "balanced"},
            "gelu": {"activation": "gelu"},
        }
        seconds = alternate(
            {
                name: lambda setting=setting, w=workload: BackpropMLPClassifier(
                    **w.params(), **setting
                )
                for name, setting in sides.items()
            },
            workload.X,
            workload.y,
            n_rounds,
        )
        for name in list(sides)[1:]:
            print(
                f"{workload.name:<32} {name:<26} "
                f"{median_ratio(seconds[name], seconds['plain']):17.2f}x",
                flush=True,
            )


def sparse_workload(density: float) -> Workload:
    """Return rows like those of a bag of words: 2000 features, a share of which is not 0."""
    rng = np.random.default_rng(0)
    X = sp.random_array((3000, 2000), density=density, format="csr", random_state=rng)
    y = (X @ rng.standard_normal((2000, 5))).argmax(axis=1)
    return Workload(f"sparse {density:.1%}, 2000-100-5, batch 200", X, y, (100,), 200, 4)


def on_sparse(n_rounds: int) -> None:
    print(f"\n{'workload':<40} {'fit':<24} {'over ours, dense':>16}")
    for density in (0.005, 0.05):
        workload = sparse_workload(density)
        dense = workload.X.toarray()
        seconds: dict[str, list[float]] = {
            name: [] for name in ("ours", "ours, sparse", "theirs, sparse", "theirs")
        }
        for number in range(n_rounds + 1):
            for name in seconds:
                estimator = MLPClassifier if "theirs" in name else BackpropMLPClassifier
                X = workload.X if "sparse" in name else dense
                elapsed = fit_seconds(estimator(**workload.params()), X, workload.y)
                if number:
                    seconds[name].append(elapsed)
        for name in list(seconds)[1:]:
            print(
                f"{workload.name:<40} {name:<24} "
                f"{median_ratio(seconds[name], seconds['ours']):15.2f}x",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="fits of each side (default 7)")
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(1, "blas"):
        given = parser.parse_args().rounds
        on_digits(given)
        on_sparse(given)
