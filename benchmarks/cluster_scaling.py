"""Measure what a search costs on a Dask cluster, and how it scales.

A model of the seconds of an iteration, t(n) = s + w / n + b, is fitted to one process: s, the
search without its pairs; w, the pairs; b, what one worker of a local Dask cluster takes longer. The
model is checked on two workers, and says when more workers are of little use. The median iteration
counts. Run ``python benchmarks/cluster_scaling.py`` on a machine with three free cores.
"""

import argparse
import os
import pickle
import time
from contextlib import ExitStack

import dask
import joblib
import numpy as np
from distributed import Client, LocalCluster

from sklearn_metabp import BackpropMLPRegressor, LearnedUpdateRule
from sklearn_metabp.meta_training import EvolutionSearch, SyntheticTasks, rule_search
from sklearn_metabp.meta_training.workers import Job, run_jobs


class Meter:
    """Run the jobs of a search, and note what they take: seconds and bytes."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.n_bytes = 0

    def __call__(self, jobs: list[Job], **settings) -> list:
        began = time.perf_counter()
        results = run_jobs(jobs, **settings)
        self.seconds.append(time.perf_counter() - began)
        self.n_bytes = sum(
            len(pickle.dumps(one)) for one in (*(j.function for j in jobs), *results)
        )
        return results


def measure(
    n_pairs: int, n_iterations: int, n_workers: int
) -> tuple[float, float, int, np.ndarray]:
    """Return the median seconds of an iteration and of its jobs, bytes, and the rule's numbers."""
    rule = LearnedUpdateRule(BackpropMLPRegressor((8,), "tanh"), random_state=0)
    rule = rule.initialize(normalizer="1", scale=0.01)
    search = EvolutionSearch(
        rule, SyntheticTasks(1), n_iterations=n_iterations, n_pairs=n_pairs, random_state=0
    )
    meter = rule_search.run_jobs = Meter()
    with ExitStack() as stack:
        if n_workers:
            cluster = LocalCluster(n_workers, threads_per_worker=1, dashboard_address=None)
            stack.enter_context(Client(stack.enter_context(cluster)))
        stack.enter_context(joblib.parallel_config("dask" if n_workers else "sequential"))
        search.fit()
    # The first iteration starts processes and imports.
    seconds = np.median(search.history_["seconds"][1:])
    return seconds, np.median(meter.seconds[1:]), meter.n_bytes, search.meta_params_


def main(n_pairs: int, n_iterations: int) -> None:
    dask.config.set({"distributed.deploy.lost-worker-timeout": "120s"})
    here, work, _, params = measure(n_pairs, n_iterations, 0)
    one, _, n_bytes, of_one = measure(n_pairs, n_iterations, 1)
    two, _, _, of_two = measure(n_pairs, n_iterations, 2)
    serial, sent = here - work, one - here
    expected = serial + work / 2 + sent
    print(f"iterations of {n_pairs} pairs; load of the machine {os.getloadavg()[0]:.1f}")
    print(f"in this process: {here:.3f} s: s = {serial:.4f} s, w = {work:.3f} s")
    print(f"one worker:      {one:.3f} s: b = {sent:.4f} s for {n_bytes / 1e3:.0f} kB")
    print(f"two workers:     {two:.3f} s; by the model {expected:.3f} s")
    print(f"same bits: {np.array_equal(params, of_one) and np.array_equal(params, of_two)}")
    for n in (1, 2, 4, 8, 16, 32, 64):
        total = serial + work / n + sent
        print(f"by the model, {n:3d} workers: {total:.3f} s, {here / total:5.1f} times as fast")
    print(f"half of the time of the workers is lost at {work / max(serial + sent, 1e-9):.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--iterations", type=int, default=9)
    args = parser.parse_args()
    main(args.pairs, args.iterations)
