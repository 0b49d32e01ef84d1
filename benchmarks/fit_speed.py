"""Compare the speed of whole fits with those of other libraries and with the processor's limit.

All sides do the same work: they start from the same weights, take the same batches in the same
order and the same number of Adam steps, with the same penalty, on one core. The table has

- microseconds of processor time of one step of our fit, set-up included: the least of the rounds;
- milliseconds of our fit of a single epoch, which is the set-up where an epoch is short;
- the time of every other side over ours: the median of the ratios of several rounds, in which the
  sides take turns. Sides whose library is not installed are left out and named. All are in the
  extra ``bench``. scikit-learn's set-up is included, for it is part of its fit. For the others it
  is not: models, compiled steps and converted rows are there before. JAX compiles the whole fit as
  one function;
- our time over the floor: what the arithmetic and the memory need, see ``floor.py``. It is left out
  where there is no C compiler.

A second table has the mean log loss of all rows after the training of each side. They must agree to
5 %. They do not agree more closely where gradients are as small as Adam's ε, for example those of
the pixels of digits that are always 0: scikit-learn and Keras add ε before they correct the bias of
the root, the others after it. skorch and Keras have the same penalty in a smaller last batch. Sides
without sparse rows leave out the workload on text.

``--cold`` has another table: seconds of the first fit in a new process, compilation included, and
in brackets the import of the library before it.

Run ``python benchmarks/fit_speed.py``; ``--only digits AND``, ``--sides sklearn jax``, ``--dtypes
float64`` and ``--rounds 2`` make it shorter, ``--sides sklearn jax torch skorch keras`` longer.
"""

import argparse
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import floor
import numpy as np
from sides import SIDES, Weights, Work
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from workloads import Workload, all_workloads, in_turns, median_ratio

DTYPES = {"float64": np.float64, "float32": np.float32}
DEFAULT_SIDES = ["ours", "sklearn", "jax", "torch"]
TOLERANCE = 0.05


def print_row(workload: str, dtype: str, *cells: object) -> None:
    print(f"{workload:<30} {dtype:<8}", *(f"{cell:>13}" for cell in cells), flush=True)


def short(number: float) -> str:
    """Return a number with three digits."""
    return f"{number:.3g}" if number < 1000 else f"{number:.0f}"


def sides_for(workload: Workload, sides: list[str]) -> list[str]:
    """Return the sides that can train on the rows of a workload."""
    return [side for side in sides if SIDES[side].takes_sparse or not workload.is_sparse]


def installed(sides: list[str]) -> list[str]:
    """Return the sides whose library is there, ours first, and name the others."""
    there = []
    for side in ["ours", *(side for side in sides if side != "ours")]:
        if SIDES[side].is_installed:
            there.append(side)
        else:
            print(f"left out: {side} ({SIDES[side].library} is not installed)")
    return there


def keeping(kept: dict[str, Weights], side: str, fit: Callable[[], Weights]) -> Callable[[], None]:
    """Return a function that fits and keeps the trained weights."""

    def call():
        kept[side] = fit()

    return call


def steady(workloads: list[Workload], dtypes: list[str], sides: list[str], n_rounds: int) -> None:
    """Print the table of speeds and the table of losses."""
    numbers = [workload.n_params for workload in workloads]
    floors = floor.measure([DTYPES[name] for name in dtypes], numbers)
    for name, dtype in DTYPES.items():
        if dtype in floors:
            print(f"{name}: {2e-9 / floors[dtype].multiply_add:.0f} GFLOP/s of multiply-adds")
    if not floors:
        print("left out: the floor (there is no C compiler)")
    others = sides[1:]
    ratio_names = [f"{side}/ours" for side in others]
    print_row("workload", "dtype", "ours, µs", "epoch, ms", *ratio_names, "ours/floor")
    losses = []
    for workload in workloads:
        present = sides_for(workload, sides)
        for dtype in dtypes:
            work = Work(workload, DTYPES[dtype])
            weights: dict[str, Weights] = {}
            fits = {side: keeping(weights, side, SIDES[side].prepare(work)) for side in present}
            seconds = in_turns(fits, n_rounds)
            ours = min(seconds["ours"]) / workload.n_steps
            ratios = [
                short(median_ratio(seconds[side], seconds["ours"])) if side in present else "-"
                for side in others
            ]
            of_floor = "-"
            if DTYPES[dtype] in floors:
                of_floor = short(ours / floors[DTYPES[dtype]].step_seconds(workload))
            one_epoch = SIDES["ours"].prepare(replace(work, workload=replace(workload, n_epochs=1)))
            epoch = min(in_turns({"ours": one_epoch}, n_rounds)["ours"])
            cells = (short(1e6 * ours), short(1e3 * epoch), *ratios, of_floor)
            print_row(workload.name, dtype, *cells)
            losses.append((workload.name, dtype, {s: work.loss(w) for s, w in weights.items()}))
    print()
    print_row("workload", "dtype", *(f"{side}: loss" for side in sides))
    for name, dtype, of_side in losses:
        cells = [f"{of_side[side]:.7f}" if side in of_side else "-" for side in sides]
        differ = [s for s in of_side if abs(of_side[s] / of_side["ours"] - 1) > TOLERANCE]
        print_row(name, dtype, *cells, *(f"  {side} differs" for side in differ))


def cold(workloads: list[Workload], dtypes: list[str], sides: list[str]) -> None:
    """Print the table of first fits in new processes."""
    script = str(Path(__file__).with_name("cold_fit.py"))
    print_row("workload", "dtype", *sides)
    for workload in workloads:
        for dtype in dtypes:
            cells = []
            for side in sides:
                if side not in sides_for(workload, sides):
                    cells.append("-")
                    continue
                arguments = (side, SIDES[side].library, workload.name, dtype)
                printed = subprocess.run(
                    [sys.executable, script, *arguments], check=True, capture_output=True, text=True
                ).stdout
                imported, fit = map(float, printed.split())
                cells.append(f"{fit:.3f} ({imported:.1f})")
            print_row(workload.name, dtype, *cells)


def main(arguments: argparse.Namespace) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {arguments.core})
    only = arguments.only
    workloads = [w for w in all_workloads() if not only or any(part in w.name for part in only)]
    if not workloads:
        raise SystemExit(f"no workload has {' or '.join(map(repr, only))} in its name")
    sides = installed(arguments.sides)
    if arguments.cold:
        cold(workloads, arguments.dtypes, sides)
    else:
        steady(workloads, arguments.dtypes, sides, arguments.rounds)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", help="parts of the names of workloads (default all)")
    parser.add_argument(
        "--sides", nargs="+", choices=SIDES, default=DEFAULT_SIDES, help="(default: %(default)s)"
    )
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--rounds", type=int, default=5, help="fits of each side (default 5)")
    parser.add_argument("--cold", action="store_true", help="time first fits in new processes")
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    parser.add_argument("--core", type=int, default=cores[-1], help="core to run on")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(1, "blas"):
        main(parse(sys.argv[1:]))
