"""Measure memory and time of recording, of reading a trace in memory, and of learning from disk.

Peaks of resident memory are measured in fresh processes. Times of recording are of whole fits on
digits, in turns, on one BLAS thread. Times of reading are processor times over that of the recorded
fit before, medians of ``--rounds`` in one process. Run ``python benchmarks/trace_memory.py``, with
``--reading`` for the table of reading alone. It writes ``--gigabytes`` of files into a temporary
directory under ``--folder`` and removes them.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits
from workloads import alternate, digits_workloads, median_ratio

from sklearn_metabp import BackpropMLPClassifier, LearnedUpdateRule, Trace, TraceRecorder

WIDE = (1000,)
SMALL = (16,)


def digits_model(hidden_layer_sizes, n_epochs: int) -> BackpropMLPClassifier:
    return BackpropMLPClassifier(
        hidden_layer_sizes,
        batch_size=200,
        max_iter=n_epochs,
        n_iter_no_change=np.inf,
        random_state=0,
    )


def record(path: str, hidden_layer_sizes, n_epochs: int) -> None:
    X, y = load_digits(return_X_y=True)
    model = digits_model(hidden_layer_sizes, n_epochs)
    model.set_callbacks(TraceRecorder(path=path)).fit(X / 16, y)


def n_wide_epochs(gigabytes: float) -> int:
    """Return the epochs that fill so many gigabytes.

    An epoch has nine steps. Each stores gradients and updates, and one in six the weights.
    """
    n_params = sum((a + 1) * b for a, b in zip((64, *WIDE), (*WIDE, 10), strict=True))
    return max(1, round(gigabytes * 1e9 / (9 * 8 * n_params * (2 + 1 / 6))))


def learn(path: str) -> None:
    rule = LearnedUpdateRule(random_state=0).fit(Trace.open(path))
    print(f"R² of the updates {rule.score(Trace.open(path)):.4f}", end=", ")


def read(names: str, n_rounds: int) -> None:
    """Record 64-64-64-10 and read some variables out of the trace; print time and memory."""
    X, y = load_digits(return_X_y=True)
    workload = digits_workloads()[-1]
    ratios = []
    for _ in range(n_rounds):
        recorder = TraceRecorder("all")
        model = BackpropMLPClassifier(**workload.params() | {"max_iter": 40})
        model.set_callbacks(recorder)
        start = time.process_time()
        model.fit(X / 16, y)
        recorded = time.process_time()
        before, trace = peak_bytes(), recorder.trace_
        arrays = [getattr(trace, name) for name in names.split("+")]
        ratios.append((time.process_time() - recorded) / (recorded - start))
        if len(ratios) == 1:
            more = peak_bytes() - before
        sizes = [one if isinstance(one, list) else [one] for one in arrays]
        n_bytes = sum(array.nbytes for size in sizes for array in size)
        del trace, arrays, sizes, recorder, model
    print(
        f"{n_bytes / 1e6:6.0f} MB read, peak memory {more / 1e6:6.0f} MB more, "
        f"{np.median(ratios):5.2f} times the recorded fit"
    )


def peak_bytes() -> int:
    """Return the peak of resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def in_a_fresh_process(what: str, *args) -> str:
    """Run a step of this script in a fresh process; return its output."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--step", what, *map(str, args)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def step(what: str, args: list[str]) -> None:
    start = time.perf_counter()
    if what == "record wide":
        record(args[0], WIDE, int(args[1]))
    elif what == "record small":
        record(args[0], SMALL, int(args[1]))
    elif what == "learn":
        learn(args[0])
    elif what == "read":
        read(args[0], int(args[1]))
        return
    peak = peak_bytes() / 2**20
    print(f"peak resident memory {peak:.0f} MiB, {time.perf_counter() - start:.1f} s")


def size_of(path: Path) -> float:
    """Return the gigabytes of the files below a directory."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e9


def memory(folder: Path, gigabytes: float) -> None:
    print(f"{'nothing but imports':<46} {in_a_fresh_process('nothing')}")
    for n_epochs in (10, 1000):
        output = in_a_fresh_process("record small", folder / f"{n_epochs} epochs", n_epochs)
        written = size_of(folder / f"{n_epochs} epochs")
        print(
            f"{f'recording 64-16-10, {n_epochs} epochs, {written:.3f} GB':<46} {output}", flush=True
        )
    output = in_a_fresh_process("record wide", folder / "wide", n_wide_epochs(gigabytes))
    written = size_of(folder / "wide")
    print(f"{f'recording 64-1000-10, {written:.2f} GB':<46} {output}", flush=True)
    output = in_a_fresh_process("learn", folder / "wide")
    print(f"{f'learning a link rule from {written:.2f} GB':<46} {output}", flush=True)
    shutil.rmtree(folder / "wide")


def reading(n_rounds: int) -> None:
    for names in (
        "params",
        "gradients",
        "updates",
        "params+gradients+updates",
        "outputs",
        "deltas",
        "net_inputs",
    ):
        output = in_a_fresh_process("read", names, n_rounds)
        print(f"{f'64-64-64-10, {names}':<38} {output}", flush=True)


def times(folder: Path, n_rounds: int) -> None:
    print(f"{'workload':<30} {'dtype':<8} {'side':<24} {'µs a step':>10} {'over Adam':>10}")
    for workload in digits_workloads():
        for dtype in (np.float64, np.float32):

            def recorded(path, w=workload):
                if path is not None:
                    shutil.rmtree(path, ignore_errors=True)
                return BackpropMLPClassifier(**w.params()).set_callbacks(TraceRecorder(path=path))

            sides = {
                "Adam": lambda w=workload: BackpropMLPClassifier(**w.params()),
                "Adam, recorded in memory": lambda: recorded(None),
                "Adam, recorded to disk": lambda: recorded(folder / "timed"),
            }
            seconds = alternate(sides, workload.X.astype(dtype), workload.y, n_rounds)
            for side, taken in seconds.items():
                print(
                    f"{workload.name:<30} {np.dtype(dtype).name:<8} {side:<24} "
                    f"{np.median(taken) / workload.n_steps * 1e6:10.1f} "
                    f"{median_ratio(taken, seconds['Adam']):9.2f}x",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--gigabytes", type=float, default=2, help="size of the trace to learn from (default 2)"
    )
    parser.add_argument("--rounds", type=int, default=7, help="fits of each side (default 7)")
    parser.add_argument(
        "--folder", default=None, help="folder to write to (default: that of temporary files)"
    )
    parser.add_argument("--reading", action="store_true", help="only the table of reading")
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        step(given.step[0], given.step[1:])
        return
    reading(given.rounds)
    if given.reading:
        return
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    try:
        memory(folder, given.gigabytes)
        with threadpool_limits(1, "blas"):
            times(folder, given.rounds)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
