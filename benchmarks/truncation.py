"""What truncation does to a search: with and without the memory of persistent strategies.

A rule of two learning rates, of weights and of biases, trains linear networks on noisy rows of
which some features are small. A large rate learns the small features sooner, and pays in noise at
once. So a search that sees one part of a training at a time prefers rates that are too small. Run
``python benchmarks/truncation.py``.
"""

import argparse
import time
from typing import Any

import numpy as np

from sklearn_metabp import Adam, BackpropMLPRegressor, UpdateRule
from sklearn_metabp.meta_training import EvolutionSearch, TaskFamily, rollout
from sklearn_metabp.meta_training.strategies import AntitheticPairs

N_EPOCHS, N_ROWS, BATCH_SIZE = 10, 40, 1
N_PARTS = 10
N_STEPS = N_EPOCHS * N_ROWS // BATCH_SIZE


class Rates(UpdateRule):
    """Gradient descent with a rate of the weights and one of the biases, as logarithms."""

    def __init__(self, weights=-3.0, biases=-3.0):
        self.weights, self.biases = weights, biases

    @property
    def meta_params_(self):
        return np.array([self.weights, self.biases])

    def with_meta_params(self, vector):
        return Rates(*vector)

    def init_state(self, layout):
        return np.exp(np.concatenate([np.full(layout.n_params - 1, self.weights), [self.biases]]))

    def compute_update(self, step, state):
        rates = self.init_state(step.layout)  # those of this rule, also in a training of another
        return -rates * step.gradients


class ForgetfulPairs(AntitheticPairs):
    """Pairs that forget the perturbations of earlier parts, as plain truncation does."""

    def tell(self, number: int, values: np.ndarray, ended: np.ndarray) -> dict[str, float]:
        return super().tell(number, values, np.ones_like(ended))


class ForgetfulSearch(EvolutionSearch):
    """A search with plain truncation."""

    def _make_strategy(self, start: np.ndarray) -> AntitheticPairs:
        strategy: Any = super()._make_strategy(start)
        strategy.__class__ = ForgetfulPairs
        return strategy


def make_task(index: int) -> tuple:
    rng = np.random.default_rng(index)
    scales = np.array([1.0, 1.0, 0.5, 0.3, 0.2, 0.1])
    X = rng.standard_normal((N_ROWS, 6)) * scales
    y = X @ (rng.standard_normal(6) / scales) + rng.standard_normal(N_ROWS)
    network = BackpropMLPRegressor(
        (), alpha=0.0, batch_size=BATCH_SIZE, max_iter=N_EPOCHS, n_iter_no_change=np.inf
    )
    return network, X, y


def mean_value(rule: UpdateRule, tasks: list) -> float:
    """Return the mean over tasks and epochs of the log loss, of whole trainings."""
    return float(
        np.mean([np.log(rollout(task, rule, 0).loss_curve + 0.005).mean() for task in tasks])
    )


def main(n_rollouts: int, n_jobs: int) -> None:
    family = TaskFamily(make_task)
    tasks = [family[index] for index in range(10**6, 10**6 + 40)]
    grid = np.arange(-5.0, 0.1, 0.5)
    values = [mean_value(Rates(rate, rate), tasks) for rate in grid]
    best = int(np.argmin(values))
    print(f"{N_STEPS} steps a training; mean log loss over a training, on 40 other tasks")
    print(f"    {'start':<34} log rate {grid[4]:5.2f}  value {values[4]:7.3f}")
    print(f"    {'best of a grid':<34} log rate {grid[best]:5.2f}  value {values[best]:7.3f}")
    n_pairs = 16
    n_iterations = n_rollouts // (2 * n_pairs)
    searches = {
        "whole trainings": (EvolutionSearch, None, n_iterations),
        f"{N_PARTS} parts, plain": (ForgetfulSearch, N_STEPS // N_PARTS, n_iterations * N_PARTS),
        f"{N_PARTS} parts, persistent": (
            EvolutionSearch,
            N_STEPS // N_PARTS,
            n_iterations * N_PARTS,
        ),
    }
    for name, (kind, truncation, n) in searches.items():
        began = time.perf_counter()
        search = kind(
            Rates(),
            family,
            objective="log_curve",
            n_iterations=n,
            n_pairs=n_pairs,
            sigma=0.1,
            truncation=truncation,
            update_rule=Adam(0.2 if truncation is None else 0.2 / N_PARTS**0.5),
            average_decay=0.9,
            n_jobs=n_jobs,
        ).fit()
        seconds = time.perf_counter() - began
        rule = search.best_rule_
        steps = search.history_["n_steps"].sum()
        print(
            f"    {name:<34} log rate {rule.weights:5.2f}  value {mean_value(rule, tasks):7.3f}"
            f"  ({steps} steps, {seconds:.0f} s)"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=480, help="whole trainings' worth of steps")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    main(arguments.rollouts, arguments.jobs)
