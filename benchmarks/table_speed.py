"""Time the estimators for tables on a data frame of numbers, categories, booleans and gaps.

The frame has 10 000 rows and 30 columns by default: 18 of numbers, 8 of the dtype ``category``, 2
of strings and 2 of booleans, with gaps in half of them. Printed are the processor seconds of a fit,
and for one row of the frame the wall time of ``predict_proba`` or ``predict``, with its parts: the
median of many calls. Everything runs on one thread.

Run ``python benchmarks/table_speed.py``, or with ``--rows 1000`` for a short run.
"""

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from sklearn_metabp import TabularMLPClassifier, TabularMLPRegressor

N_NUMBERS, N_CATEGORIES, N_STRINGS, N_BOOLEANS = 18, 8, 2, 2
SHARE_OF_GAPS = 0.1


def make_table(n_rows: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a frame and numbers that depend on some of its columns."""
    rng = np.random.default_rng(seed)
    levels = list("abcdefgh")
    columns: dict[str, object] = {f"number {n}": rng.normal(size=n_rows) for n in range(N_NUMBERS)}
    for n in range(N_CATEGORIES):
        columns[f"category {n}"] = pd.Categorical(rng.choice(levels, n_rows))
    for n in range(N_STRINGS):
        columns[f"string {n}"] = rng.choice(levels, n_rows).astype(object)
    for n in range(N_BOOLEANS):
        columns[f"boolean {n}"] = rng.random(n_rows) < 0.5
    frame = pd.DataFrame(columns)
    numbers = frame["number 0"] * frame["number 1"] + np.sin(2 * frame["number 2"])
    numbers += (frame["category 0"] == "a") * frame["number 3"] + rng.normal(size=n_rows) / 2
    for name in [name for name in frame if not name.startswith("boolean")][::2]:
        frame.loc[rng.random(n_rows) < SHARE_OF_GAPS, name] = None
    return frame, numbers.to_numpy()


def microseconds(call: Callable[[], object], n_calls: int) -> float:
    """Return the median wall time of calls."""
    times = []
    for _ in range(n_calls):
        started = perf_counter()
        call()
        times.append(perf_counter() - started)
    return median(times) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=300)
    args = parser.parse_args()
    frame, numbers = make_table(args.rows)
    print(
        f"{len(frame)} rows, {frame.shape[1]} columns\n"
        f"{'':<22} {'fit':>8} {'one row':>10} {'prepare':>10} {'network':>10}"
    )
    cases = {
        TabularMLPClassifier: np.where(numbers > 0, "high", "low"),
        TabularMLPRegressor: numbers,
    }
    for kind, y in cases.items():
        with threadpool_limits(1):
            started = process_time()
            model = kind(random_state=0).fit(frame, y)
            seconds = process_time() - started
            row = frame.iloc[[0]]
            inputs = model.preprocessor_.transform(row)
            name = "predict_proba" if kind is TabularMLPClassifier else "predict"
            times = [
                microseconds(lambda call=call, X=X: call(X), args.calls)
                for call, X in (
                    (getattr(model, name), row),
                    (model.preprocessor_.transform, row),
                    (getattr(model.network_, name), inputs),
                )
            ]
        cells = " ".join(f"{time:>7.0f} µs" for time in times)
        print(f"{kind.__name__:<22} {seconds:>6.2f} s {cells}")


if __name__ == "__main__":
    main()
