"""The trainings that several benchmarks time, and how they are timed."""

import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.datasets import load_digits, load_iris


@dataclass(frozen=True)
class Workload:
    """Data and architecture of one training of a fixed number of epochs, with Adam and relu.

    Attributes
    ----------
    name : str
        Layer sizes and rows of a batch, for tables.
    X : ndarray or csr_array of shape (n_samples, n_features), float64
    y : ndarray of shape (n_samples,) of int
        Classes from 0. Two classes have one logistic output, more have a softmax.
    hidden_layer_sizes : tuple of int
    batch_size : int
    n_epochs : int
    """

    name: str
    X: np.ndarray | csr_array
    y: np.ndarray
    hidden_layer_sizes: tuple[int, ...]
    batch_size: int
    n_epochs: int

    @property
    def n_steps(self) -> int:
        """Number of minibatches of the whole training."""
        return self.n_epochs * -(-self.X.shape[0] // self.batch_size)

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Numbers of neurons of the layers, inputs and outputs included."""
        n_classes = int(self.y.max()) + 1
        n_outputs = 1 if n_classes == 2 else n_classes
        return (self.X.shape[1], *self.hidden_layer_sizes, n_outputs)

    @property
    def n_params(self) -> int:
        """Number of weights and biases."""
        return sum((a + 1) * b for a, b in pairwise(self.layer_sizes))

    @property
    def is_sparse(self) -> bool:
        """Whether X is a CSR matrix."""
        return issparse(self.X)

    def params(self) -> dict:
        """Return the parameters that our estimator and scikit-learn's have in common."""
        return {
            "hidden_layer_sizes": self.hidden_layer_sizes,
            "batch_size": self.batch_size,
            "max_iter": self.n_epochs,
            "n_iter_no_change": np.inf,
            "tol": 0.0,
            "random_state": 0,
        }


def clusters(
    n_samples: int, n_features: int, n_classes: int, spread: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return points around one centre for each class, and the classes."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(n_classes, n_features))
    y = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n_samples - n_classes)])
    return centres[y] + spread * rng.normal(size=(n_samples, n_features)), y


def bag_of_words(
    n_samples: int, n_words: int, words_per_row: int, n_classes: int
) -> tuple[csr_array, np.ndarray]:
    """Return rows in which words of the class, a twentieth of all, are half of the words."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, n_samples)
    words = rng.integers(0, n_words, (n_samples, words_per_row))
    of_class = n_words // n_classes
    half = words_per_row // 2
    words[:, :half] = y[:, None] * of_class + words[:, :half] % of_class
    words.sort(axis=1)
    start = np.arange(n_samples + 1) * words_per_row
    values = rng.uniform(0.5, 1.5, words.size) / np.sqrt(words_per_row)
    X = csr_array((values, words.ravel(), start), shape=(n_samples, n_words))
    X.sum_duplicates()
    return X, y


def all_workloads() -> Iterator[Workload]:
    """Make the ten workloads, from one pattern per step to wide layers and sparse rows."""
    digits_X, digits_y = load_digits(return_X_y=True)
    digits_X = digits_X / 16
    and_X, and_y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 0, 0, 1])
    yield Workload("AND 2-1, batch 1", and_X, and_y, (), 1, 1000)
    yield Workload("iris 4-10-3, batch 32", *load_iris(return_X_y=True), (10,), 32, 400)
    yield Workload("digits 64-100-10, batch 200", digits_X, digits_y, (100,), 200, 100)
    yield Workload("digits 64-64-64-10, batch 32", digits_X, digits_y, (64, 64), 32, 40)
    for name, (n_samples, *of_data), hidden, batch_size, n_epochs in (
        ("50-256-128-5, batch 256", (2560, 50, 5, 2.0), (256, 128), 256, 30),
        ("100-512-512-10, batch 256", (2560, 100, 10, 4.0), (512, 512), 256, 4),
        ("28-256-256-1, batch 1024", (20480, 28, 2, 3.0), (256, 256), 1024, 2),
        ("784-1024-512-10, batch 128", (2560, 784, 10, 10.0), (1024, 512), 128, 2),
        ("100-128-500, batch 128", (5120, 100, 500, 0.7), (128,), 128, 5),
    ):
        yield Workload(name, *clusters(n_samples, *of_data), hidden, batch_size, n_epochs)
    text_X, text_y = bag_of_words(20_000, 50_000, 80, 20)
    yield Workload("text 50000-100-20, batch 200", text_X, text_y, (100,), 200, 1)


def digits_workloads() -> list[Workload]:
    """Return the two workloads on digits."""
    return [workload for workload in all_workloads() if workload.name.startswith("digits")]


def seconds_of(function: Callable[[], object]) -> float:
    """Return the seconds of processor time of one call.

    All sides run on one thread, where this is the time that passes on an idle machine. Other
    programs do not count.
    """
    start = time.process_time()
    function()
    return time.process_time() - start


def fit_seconds(model, X, y) -> float:
    """Return the seconds of processor time of one fit."""
    return seconds_of(lambda: model.fit(X, y))


def in_turns(functions: dict[Hashable, Callable[[], object]], n_rounds: int) -> dict:
    """Return the seconds of every call of every function, called in turns.

    The first call of each function does not count.
    """
    seconds: dict = {name: [] for name in functions}
    for number in range(n_rounds + 1):
        for name, function in functions.items():
            elapsed = seconds_of(function)
            if number:
                seconds[name].append(elapsed)
    return seconds


def alternate(sides: dict, X, y, n_rounds: int) -> dict:
    """Return the seconds of every fit of every side, in turns.

    The first fit of each side does not count.

    ``sides`` maps a name to a function that makes an estimator.
    """
    return in_turns(
        {name: lambda make=make: make().fit(X, y) for name, make in sides.items()}, n_rounds
    )


def median_ratio(above: list[float], below: list[float]) -> float:
    """Return the median of the ratios of each round; a drift of the machine cancels."""
    return float(np.median(np.divide(above, below)))
