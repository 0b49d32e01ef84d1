"""Time fits on compiled kernels, on the NumPy fallbacks, and by scikit-learn.

The fallbacks run in a process of their own, in a copy of the package without its compiled modules,
as after an installation without a compiler. All sides fit in turns.

Run ``python benchmarks/without_compiler.py --rounds 3``.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import warnings
from itertools import islice
from pathlib import Path
from shutil import copytree, ignore_patterns

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits
from workloads import all_workloads, fit_seconds

import sklearn_metabp
from sklearn_metabp import BackpropMLPClassifier, _kernels

SIDES = ("compiled", "fallbacks", "scikit-learn")
WORKLOADS = [work for work in islice(all_workloads(), 4) if work.n_params > 10]


def serve(kind):
    """Fit once for every line of the standard input, and print the seconds."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(1, "blas"):
        for line in sys.stdin:
            workload = WORKLOADS[int(line)]
            model = kind(**workload.params())
            print(fit_seconds(model, workload.X, workload.y), flush=True)


class Side:
    """A process that fits on request."""

    def __init__(self, name: str, package_parent: str):
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, "--serve", name],
            env=os.environ | {"PYTHONPATH": package_parent},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def fit_seconds(self, number: int) -> float:
        """Return the seconds of processor time of one fit of a workload."""
        print(number, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


def main(n_rounds: int) -> None:
    package = Path(sklearn_metabp.__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        without = ignore_patterns("*.so", "*.pyd", "*.c", "__pycache__")
        copytree(package, Path(folder) / package.name, ignore=without)
        parents = {"fallbacks": folder}
        sides = {name: Side(name, parents.get(name, str(package.parent))) for name in SIDES}
        print(f"{'processor time of a fit, s':30}" + "".join(f"{name:>14}" for name in SIDES))
        for number, workload in enumerate(WORKLOADS):
            rounds = [[s.fit_seconds(number) for s in sides.values()] for _ in range(n_rounds)]
            medians = np.median(rounds, axis=0)
            print(f"{workload.name:30}" + "".join(f"{seconds:14.3f}" for seconds in medians))
            ratios = np.median(np.array(rounds) / np.array(rounds)[:, :1], axis=0)
            print(f"{'  over compiled':30}" + "".join(f"{ratio:14.1f}" for ratio in ratios))
        for side in sides.values():
            side.end()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        if (arguments.serve == "fallbacks") == _kernels.COMPILED:
            sys.exit(f"the kernels are {'' if _kernels.COMPILED else 'not '}compiled")
        serve(MLPClassifier if arguments.serve == "scikit-learn" else BackpropMLPClassifier)
    else:
        main(arguments.rounds)
