"""Measure how many rollouts a second one core makes on the synthetic tasks, and on what it spends.

Times are processor time, of rollouts under the objective "generalise", with tasks made as a search
makes them: once for the two rollouts of a pair. The parts are measured by leaving them out. Run
``python benchmarks/rollout_rate.py``.
"""

import argparse
import time
import warnings

import numpy as np

from sklearn_metabp import Adam, LearnedUpdateRule, TraceRecorder
from sklearn_metabp.meta_training import SyntheticTasks, rollout
from sklearn_metabp.network import Network


def seconds_of(function, n_rounds: int = 3) -> float:
    best = np.inf
    for _ in range(n_rounds):
        began = time.process_time()
        function()
        best = min(best, time.process_time() - began)
    return best


def learned(tasks, scope: str) -> LearnedUpdateRule:
    """Imitate Adam on one task."""
    recorder = TraceRecorder()
    rollout(tasks[0], Adam(0.003), 0, callbacks=[recorder])
    return LearnedUpdateRule(scope=scope, random_state=0).fit(recorder.trace_)


def kernel_seconds(tasks) -> float:
    """Return the time of the gradients alone: the same batches, without a loop around them."""
    total = 0.0
    for task in tasks:
        network = task.estimator
        record = rollout(task, Adam(0.003), 0, return_estimator=True)
        fitted: Network = record.estimator.network_
        params = record.estimator.params_.copy()
        n_rows, size = len(task.X), min(network.batch_size, len(task.X))
        backprop = fitted.backprop(params, np.zeros_like(params), size)
        targets = record.estimator.targets_.encode(task.y, params.dtype)
        order = np.random.default_rng(0).permutation(n_rows)
        backprop.load(task.X, targets, None, order)
        n_epochs = len(record.loss_curve)
        bounds = [(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]
        began = time.process_time()
        for _ in range(n_epochs):
            for start, stop in bounds:
                backprop.gradients(start, stop)
        total += time.process_time() - began
    return total


def main(n_tasks: int, dtype: str) -> None:
    family = SyntheticTasks(1, dtype=dtype)
    tasks = family[:n_tasks]
    making = seconds_of(lambda: [task.fit_data for task in family[:n_tasks]], 1)
    rules = {"Adam": Adam(0.003)} | {
        f"{scope} scope, imitating Adam": learned(tasks, scope) for scope in ("layer", "link")
    }
    validated = {"n_validations": 20, "validation_scores": False}
    n_steps = np.mean([rollout(task, "adam", 0, n_validations=1).n_steps for task in tasks])
    print(f"{n_tasks} tasks, {dtype}, {n_steps:.0f} steps in the mean")
    for name, rule in rules.items():

        def train(rule=rule, **options):
            for number, task in enumerate(tasks):
                rollout(task, rule, number, **options)

        whole = seconds_of(lambda: train(**validated))
        barely = seconds_of(lambda: train(n_validations=1, validation_scores=False))
        per_pair = 2 * whole + making
        print(
            f"{name:<28} {2 * n_tasks / per_pair:6.0f} rollouts a second with tasks made, "
            f"{n_tasks / whole:6.0f} without"
        )
        parts = {
            "task made and checked (half)": making / 2,
            "19 validations": whole - barely,
            "all else": barely,
        }
        for part, seconds in parts.items():
            print(f"    {part:<30} {1e3 * seconds / n_tasks:7.2f} ms")
    print(f"gradients of all steps alone       {1e3 * kernel_seconds(tasks) / n_tasks:7.2f} ms")
    one_epoch = seconds_of(
        lambda: [
            rollout(task, "adam", 0, n_epochs=1, n_validations=1, validation_scores=False)
            for task in tasks
        ]
    )
    print(f"a rollout of one epoch              {1e3 * one_epoch / n_tasks:7.2f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--dtype", default="float32")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    main(arguments.tasks, arguments.dtype)
