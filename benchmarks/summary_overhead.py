"""Measure what a recorded summary costs over the fit that nobody records.

Whole fits with Adam on both digits workloads, on one BLAS thread: without a recorder, with a
``TraceRecorder(summary=True)`` in memory and on disk, and, beside them, with one that records the
default variables. The sides take turns, and figures are medians of the ratios of the rounds, of
processor time. The table also has the bytes of a step and the number of recorded steps. Run
``python benchmarks/summary_overhead.py``; ``--every 1 10 100`` shows how the cost depends on the
number of summaries.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from workloads import Workload, alternate, digits_workloads, median_ratio

from sklearn_metabp import BackpropMLPClassifier, Trace, TraceRecorder


def bytes_of_a_step(trace: Trace) -> int:
    """Return the bytes that a recorded step takes, with its index, epoch, patterns and loss."""
    run = trace.recorded[0]
    return 32 + sum(
        run.dtype.itemsize * int(np.prod(shape))
        for variable in run.stored_variables
        for shape in variable.shapes(run.layout, run.max_patterns)
    )


def measure(workload: Workload, dtype: type, sides: dict[str, dict], n_rounds: int) -> None:
    """Print the time of every side over that of the fit without a recorder."""
    recorders: dict[str, TraceRecorder] = {}

    def recorded(name: str) -> BackpropMLPClassifier:
        options = sides[name]
        if "path" in options:
            shutil.rmtree(options["path"], ignore_errors=True)
        recorders[name] = TraceRecorder(**options)
        return BackpropMLPClassifier(**workload.params()).set_callbacks(recorders[name])

    makers = {"no recorder": lambda: BackpropMLPClassifier(**workload.params())}
    makers |= {name: lambda name=name: recorded(name) for name in sides}
    seconds = alternate(makers, workload.X.astype(dtype), workload.y, n_rounds)
    for name in sides:
        trace = recorders[name].trace_
        print(
            f"{workload.name:<30} {np.dtype(dtype).name:<8} {name:<22} {len(trace):6d} of "
            f"{workload.n_steps} steps {bytes_of_a_step(trace):7d} bytes a step "
            f"{median_ratio(seconds[name], seconds['no recorder']):7.3f}x",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21, help="fits of each side (default 21)")
    parser.add_argument("--every", type=int, nargs="*", default=[], help="also these steps")
    parser.add_argument("--only-summaries", action="store_true", help="no full recording beside")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    sides: dict[str, dict] = {
        "summary": {"summary": True},
        "summary, on disk": {"summary": True, "path": folder / "summary"},
    }
    sides |= {f"summary, every {n}": {"summary": True, "every": n} for n in given.every}
    if not given.only_summaries:
        sides["default variables"] = {}
    try:
        with threadpool_limits(1, "blas"):
            for workload in digits_workloads():
                for dtype in (np.float64, np.float32):
                    measure(workload, dtype, sides, given.rounds)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
