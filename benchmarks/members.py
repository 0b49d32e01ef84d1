"""Measure what the members of an ensemble cost: their training, threads, and one prediction.

The first table compares k networks that train one after another with k networks of which every step
is taken together, layer by layer, in C (``members.c``: float32, relu, softmax and Adam, products by
SciPy's BLAS), in microseconds of processor time for one step of one network. "in lanes" has the
networks side by side in the lanes of vectors. "ours" are fits of this package one after another.
The gains are those over one after another, medians over rounds. The second table has the seconds
that pass in a fit of several members with one thread, with products that two threads share, and
with members on two threads; it needs two idle processors. The third has the microseconds of
``predict_proba`` of one row. Run ``python benchmarks/members.py``, or ``--tables training``.
"""

import argparse
import ctypes
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.linalg import cython_blas
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from sklearn_metabp import AdamW, BackpropMLPClassifier

SOURCE = Path(__file__).parent / "members.c"
FLAGS = ["-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC"]
NETWORKS = ((4, 10, 3), (30, 100, 2), (30, 256, 256, 256, 2))
BATCHES = (32, 256)
N_SAMPLES = 1024
LARGEST_IN_LANES = 100  # neurons of a layer


def data(n: int, n_features: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, n_features)).astype(np.float32), rng.integers(n_classes, size=n)


def sgemm() -> ctypes.c_void_p:
    """Return the address of SciPy's product of matrices."""
    capsule = cython_blas.__pyx_capi__["sgemm"]
    name_of, address_of = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    address_of.restype = ctypes.c_void_p
    address_of.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return ctypes.c_void_p(address_of(capsule, name_of(capsule)))


def medians(sides: dict[str, Callable[[], float]], n_rounds: int) -> dict[str, np.ndarray]:
    """Return the numbers of every side, which are called in turns."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(n_rounds + 1):
        for name, side in sides.items():
            value = side()
            if number:
                found[name].append(value)
    return {name: np.array(values) for name, values in found.items()}


def seconds_of_fits(k: int, sizes: tuple[int, ...], batch: int, n_steps: int) -> float:
    """Return the processor seconds of one step of one network in k fits of this package."""
    X, y = data(N_SAMPLES, sizes[0], sizes[-1])
    model = BackpropMLPClassifier(
        sizes[1:-1], alpha=0.0, batch_size=batch, n_iter_no_change=np.inf, n_members=k
    )
    n_epochs = max(2, n_steps * batch // N_SAMPLES)
    start = time.process_time()
    model.set_params(max_iter=n_epochs, random_state=0).fit(X, y)
    return (time.process_time() - start) / (k * n_epochs * -(-N_SAMPLES // batch))


def print_training(k: int, n_rounds: int, folder: str) -> None:
    library = Path(folder) / "members.so"
    subprocess.run(["cc", *FLAGS, "-o", str(library), str(SOURCE), "-lm"], check=True)
    functions, blas = ctypes.CDLL(str(library)), sgemm()
    functions.run.restype = functions.run_in_lanes.restype = ctypes.c_double
    print(
        f"{'network':<17} {'batch':>5} {'ours':>8} {'apart':>8} {'together':>8} {'gain':>5} "
        f"{'in lanes':>8} {'gain':>5}"
    )
    for sizes in NETWORKS:
        for batch in BATCHES:
            X, y = data(N_SAMPLES, sizes[0], sizes[-1])
            labels, layers = y.astype(np.int32), np.array(sizes, np.int32)
            flops = 6 * batch * sum(a * b for a, b in pairwise(sizes))
            n_steps = int(np.clip(6e8 / flops, 20, 4000))
            arrays = [a.ctypes.data_as(ctypes.c_void_p) for a in (layers, X, labels)]
            numbers = (k, len(sizes) - 1, arrays[0], batch, N_SAMPLES, n_steps, *arrays[1:])
            sides = {
                "ours": lambda s=sizes, b=batch, n=n_steps: seconds_of_fits(k, s, b, n),
                "apart": lambda n=numbers: functions.run(blas, 0, *n),
                "together": lambda n=numbers: functions.run(blas, 1, *n),
            }
            if max(sizes) <= LARGEST_IN_LANES:
                sides["in lanes"] = lambda n=numbers: functions.run_in_lanes(*n)
            found = medians(sides, n_rounds)
            row = f"{'-'.join(map(str, sizes)):<17} {batch:>5}"
            for name, seconds in found.items():
                row += f" {1e6 * np.median(seconds):>8.2f}"
                if name in ("together", "in lanes"):
                    row += f" {np.median(found['apart'] / seconds):>5.2f}"
            print(row, flush=True)


def print_threads(n_rounds: int) -> None:
    print(
        f"\n{'network':<15} {'one thread':>10} {'products':>9} {'gain':>5} "
        f"{'members':>8} {'gain':>5}"
    )
    for hidden, n_epochs in (((10,), 200), ((100,), 40), ((256, 256, 256), 6)):
        X, y = data(1000, 30, 2)
        model = BackpropMLPClassifier(
            hidden, update_rule=AdamW(), max_iter=n_epochs, n_iter_no_change=np.inf, random_state=0
        )

        def seconds(n_members: int, n_threads: int, model=model, X=X, y=y) -> float:
            parts = [
                clone(model).set_params(n_members=n_members, n_threads=n_threads)
                for _ in range(4 // n_members)
            ]
            start = time.perf_counter()
            for part in parts:
                part.fit(X, y)
            return time.perf_counter() - start

        sides = {
            "one": lambda s=seconds: s(4, 1),
            "products": lambda s=seconds: s(1, 2),
            "members": lambda s=seconds: s(4, 2),
        }
        found = medians(sides, n_rounds)
        row = f"{'-'.join(map(str, hidden)):<15} {np.median(found['one']):>10.4f}"
        for name, width in (("products", 9), ("members", 8)):
            gain = np.median(found["one"] / found[name])
            row += f" {np.median(found[name]):>{width}.4f} {gain:>5.2f}"
        print(row, flush=True)


def print_predictions(k: int, n_rounds: int, n_calls: int = 300) -> None:
    print(f"\n{'network':<15} {'a pass':>8} {'one':>8} {'members':>8} {'k calls':>8}")
    for hidden in ((10,), (100,), (256, 256, 256)):
        X, y = data(300, 30, 2)
        X = X.astype(float)
        one = BackpropMLPClassifier(hidden, max_iter=2, random_state=0).fit(X, y)
        several = clone(one).set_params(n_members=k).fit(X, y)
        row, members = X[:1], several.members_

        def least(call: Callable[[], object]) -> float:
            start = time.process_time()
            for _ in range(n_calls):
                call()
            return (time.process_time() - start) / n_calls

        calls = {
            "a pass": lambda one=one, row=row: one.network_.outputs(one.params_, row),
            "one": lambda one=one, row=row: one.predict_proba(row),
            "members": lambda several=several, row=row: several.predict_proba(row),
            "k calls": lambda members=members, row=row: [m.predict_proba(row) for m in members],
        }
        found = medians({name: lambda c=call: least(c) for name, call in calls.items()}, n_rounds)
        times = " ".join(f"{1e6 * values.min():>8.1f}" for values in found.values())
        print(f"{'-'.join(map(str, hidden)):<15} {times}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    tables = ("training", "threads", "predictions")
    parser.add_argument("--tables", nargs="+", choices=tables, default=tables)
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with warnings.catch_warnings(), threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        if "training" in options.tables:
            print_training(options.members, options.rounds, folder)
        if "threads" in options.tables:
            print_threads(options.rounds)
        if "predictions" in options.tables:
            print_predictions(options.members, options.rounds)


if __name__ == "__main__":
    main()
