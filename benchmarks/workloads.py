"""The trainings that several benchmarks time."""

import time
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits, load_iris


@dataclass(frozen=True)
class Workload:
    """Data and architecture of one training of a fixed number of epochs."""

    name: str
    X: np.ndarray
    y: np.ndarray
    hidden_layer_sizes: tuple[int, ...]
    batch_size: int
    n_epochs: int

    @property
    def n_steps(self) -> int:
        """Number of minibatches of the whole training."""
        return self.n_epochs * -(-len(self.X) // self.batch_size)

    def params(self) -> dict:
        """Return the parameters that both sides have."""
        return {
            "hidden_layer_sizes": self.hidden_layer_sizes,
            "batch_size": self.batch_size,
            "max_iter": self.n_epochs,
            "n_iter_no_change": np.inf,
            "tol": 0.0,
            "random_state": 0,
        }


def all_workloads() -> list[Workload]:
    """Return the five workloads, from one pattern per step to wide layers."""
    digits_X, digits_y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, 50))
    wide_y = rng.integers(0, 5, 2560)
    wide_X = centres[wide_y] + 2 * rng.normal(size=(2560, 50))
    and_X, and_y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 0, 0, 1])
    return [
        Workload("AND 2-1, batch 1", and_X, and_y, (), 1, 1000),
        Workload("iris 4-10-3, batch 32", *load_iris(return_X_y=True), (10,), 32, 400),
        Workload("digits 64-100-10, batch 200", digits_X / 16, digits_y, (100,), 200, 100),
        Workload("digits 64-64-64-10, batch 32", digits_X / 16, digits_y, (64, 64), 32, 40),
        Workload("50-256-128-5, batch 256", wide_X, wide_y, (256, 128), 256, 30),
    ]


def digits_workloads() -> list[Workload]:
    """Return the two workloads on digits."""
    return [workload for workload in all_workloads() if workload.name.startswith("digits")]


def fit_seconds(model, X, y) -> float:
    """Return the seconds of one fit."""
    start = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - start


def alternate(sides: dict, X, y, n_rounds: int) -> dict[str, list[float]]:
    """Return the seconds of every fit of every side, in turns.

    The first fit of each side does not count.

    ``sides`` maps a name to a function that makes an estimator.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(n_rounds + 1):
        for name, make in sides.items():
            elapsed = fit_seconds(make(), X, y)
            if number:
                seconds[name].append(elapsed)
    return seconds


def median_ratio(above: list[float], below: list[float]) -> float:
    """Return the median of the ratios of each round; a drift of the machine cancels."""
    return float(np.median(np.divide(above, below)))
