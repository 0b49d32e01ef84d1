"""Compare the speed of a fit with that of scikit-learn's MLPClassifier, on the same work.

Both sides start from the same weights, use the same batches and take the same number of Adam steps
on one BLAS thread. The setup of each side is included. Run ``python benchmarks/fit_speed.py``.
"""

import argparse
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits
from workloads import all_workloads, alternate, fit_seconds, median_ratio

from sklearn_metabp import BackpropMLPClassifier


def main(n_rounds: int) -> None:
    print(
        f"{'workload':<30} {'dtype':<8} {'scikit-learn':>12} {'sklearn_metabp':>14} "
        f"{'ratio':>7}   losses"
    )
    print(f"{'':<30} {'':<8} {'µs a step':>12} {'µs a step':>14}")
    for workload in all_workloads():
        for dtype in (np.float64, np.float32):
            X = workload.X.astype(dtype)
            sides = {
                "theirs": lambda w=workload: MLPClassifier(**w.params()),
                "ours": lambda w=workload: BackpropMLPClassifier(**w.params()),
            }
            seconds = alternate(sides, X, workload.y, n_rounds)
            theirs, ours = (np.median(seconds[side]) / workload.n_steps * 1e6 for side in sides)
            losses = [make() for make in sides.values()]
            for model in losses:
                fit_seconds(model, X, workload.y)
            print(
                f"{workload.name:<30} {np.dtype(dtype).name:<8} {theirs:12.1f} {ours:14.1f} "
                f"{median_ratio(seconds['theirs'], seconds['ours']):6.1f}x   "
                f"{losses[0].loss_:.5f} {losses[1].loss_:.5f}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="fits of each side (default 5)")
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(1, "blas"):
        main(parser.parse_args().rounds)
