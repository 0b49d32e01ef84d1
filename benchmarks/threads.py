"""Measure what threads gain: those of one fit, and those of a search of small fits.

The first table has the seconds that pass in fits of the three largest dense workloads with one
thread and with more, in turns; the ratio is the median over rounds. "same" says whether the weights
have the same bits. The second table has searches of small fits, one after the other and at once, in
threads (which need the GIL between the epochs only) and in processes (which start before the clock
does). Ratios mean something on an idle machine alone: the table ends with the load at the
beginning. Run ``python benchmarks/threads.py``.
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable, Hashable

import numpy as np
from joblib import cpu_count, parallel_backend
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits
from workloads import Workload, all_workloads, digits_workloads, median_ratio

from sklearn_metabp import BackpropMLPClassifier

LARGEST = {
    "784-1024-512-10, batch 128",
    "100-512-512-10, batch 256",
    "28-256-256-1, batch 1024",
}


def in_turns(
    functions: dict[Hashable, Callable[[], object]], n_rounds: int
) -> dict[Hashable, list[float]]:
    """Return the seconds that pass in every call, in turns; the first call does not count."""
    seconds: dict[Hashable, list[float]] = {name: [] for name in functions}
    for number in range(n_rounds + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def print_fits(numbers: list[int], n_rounds: int) -> None:
    """Print the table of one fit with several numbers of threads."""
    print(f"{'one fit, ms a step':<32} {'dtype':<8}", end="")
    for n in numbers:
        print(f" {n:>3} threads" if n > 1 else f" {n:>3} thread ", end="")
    print("   ratios   same")
    for workload in (one for one in all_workloads() if one.name in LARGEST):
        for dtype in (np.float64, np.float32):
            print_fit(workload, dtype, numbers, n_rounds)


def print_fit(workload: Workload, dtype: type, numbers: list[int], n_rounds: int) -> None:
    """Print a row of the table."""
    X = workload.X.astype(dtype)
    models = {n: BackpropMLPClassifier(**workload.params(), n_threads=n) for n in numbers}
    seconds = in_turns(
        {n: lambda model=model: model.fit(X, workload.y) for n, model in models.items()}, n_rounds
    )
    print(f"{workload.name:<32} {np.dtype(dtype).name:<8}", end="")
    for n in numbers:
        print(f" {np.median(seconds[n]) / workload.n_steps * 1e3:11.2f}", end="")
    ratios = (f"{median_ratio(seconds[numbers[0]], seconds[n]):.2f}x" for n in numbers[1:])
    same = len({model.params_.tobytes() for model in models.values()}) == 1
    print(f"   {' '.join(ratios)}   {'yes' if same else 'NO'}", flush=True)


def print_searches(n_jobs: int, n_rounds: int) -> None:
    """Print the table of searches, one fit after the other and several at once."""
    print(f"\n{'60 fits of a search, seconds':<32} {'n_jobs=1':>10}", end="")
    print(f" {f'{n_jobs} threads':>11} {f'{n_jobs} processes':>12}   ratios")
    for workload in digits_workloads():
        grid = {"alpha": np.logspace(-5, 0, 20)}
        model = BackpropMLPClassifier(**workload.params() | {"max_iter": 20})

        def search(
            backend: str, n_jobs: int, model=model, grid=grid, workload=workload
        ) -> GridSearchCV:
            with parallel_backend(backend):
                return GridSearchCV(model, grid, cv=3, n_jobs=n_jobs, refit=False).fit(
                    workload.X, workload.y
                )

        seconds = in_turns(
            {
                "alone": lambda search=search: search("threading", 1),
                "threads": lambda search=search: search("threading", n_jobs),
                "processes": lambda search=search: search("loky", n_jobs),
            },
            n_rounds,
        )
        alone, threads, processes = (np.median(found) for found in seconds.values())
        print(
            f"{workload.name:<32} {alone:10.2f} {threads:11.2f} {processes:12.2f}   "
            f"{median_ratio(seconds['alone'], seconds['threads']):.2f}x "
            f"{median_ratio(seconds['alone'], seconds['processes']):.2f}x",
            flush=True,
        )


def main(numbers: list[int], n_jobs: int, n_rounds: int) -> None:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print_fits(numbers, n_rounds)
    print_searches(n_jobs, n_rounds)
    print(f"\n{cpu_count()} processors, a load of {load:.1f} at the beginning")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="fits of each side (default 5)")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[1, 2], help="threads of one fit (default 1 2)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="fits at once (default 2)")
    warnings.simplefilter("ignore", ConvergenceWarning)
    # for the worker processes too
    os.environ["PYTHONWARNINGS"] = "ignore"
    arguments = parser.parse_args()
    with threadpool_limits(1, "blas"):
        main(arguments.threads, arguments.jobs, arguments.rounds)
