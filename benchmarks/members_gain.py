"""Measure what the mean of several networks gains over one of them, on real tables.

The estimator is "TabularMLP" of ``tables.py``, on the sets for choosing of ``table_sets.py`` with
fewer rows than ``--max-rows``. Every split trains the largest ensemble once; a smaller one is the
mean of its first networks. The table shows the share of wrong classes, the log loss and the RMSE of
ensembles over those of one network, which are means over all networks: geometric means over the
sets with intervals of 95 % by a bootstrap over sets, and on how many sets the ensemble was better
and worse. Run ``python benchmarks/members_gain.py``, or ``--sets heart --splits 1``.
"""

import argparse
import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.metrics import log_loss, root_mean_squared_error
from table_reports import summarise
from table_runs import MAX_SPLITS, split_rows
from table_sets import TABLE_SETS, TableSet
from tables import tabular_mlp
from threadpoolctl import threadpool_limits

SIZES = (2, 3, 5, 10)


def outputs_of_members(data_set: TableSet, number: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the predictions of every network for the test rows of a split, and the truth."""
    table, is_classification = data_set.read(), data_set.is_classification
    train, test = split_rows(table, is_classification, number + 1)[number]
    model = tabular_mlp(is_classification, number).set_params(n_members=k)
    with threadpool_limits(1):
        model.fit(table.X.iloc[train], table.y[train])
    rows = model.preprocessor_.transform(table.X.iloc[test])
    members = model.network_.members_
    if is_classification:
        return np.array([member.predict_proba(rows) for member in members]), table.y[test]
    found = np.array([member.predict(rows) for member in members])
    return found, (table.y[test] - model.target_mean_) / model.target_scale_


def losses(predicted: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Return the losses of one prediction; an error of half a row at least."""
    if predicted.ndim == 1:
        return {"RMSE": root_mean_squared_error(y, predicted)}
    shares = predicted.astype(float) / predicted.sum(axis=1, keepdims=True)
    wrong = np.mean(shares.argmax(axis=1) != y)
    return {
        "wrong classes": max(wrong, 0.5 / len(y)),
        "log loss": log_loss(y, shares, labels=np.arange(shares.shape[1])),
    }


def mean_of(dicts: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in dicts])) for name in dicts[0]}


def ratios_of(
    data_set: TableSet, n_splits: int, sizes: Sequence[int]
) -> dict[tuple[str, int], float]:
    """Return the losses of ensembles over those of one network, by name and size."""
    of_one, of_size = [], {size: [] for size in sizes}
    for number in range(n_splits):
        found, y = outputs_of_members(data_set, number, max(sizes))
        of_one.append(mean_of([losses(one, y) for one in found]))
        for size in sizes:
            of_size[size].append(losses(found[:size].mean(axis=0), y))
    one = mean_of(of_one)
    return {
        (name, size): loss / one[name]
        for size in sizes
        for name, loss in mean_of(of_size[size]).items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", help='names of sets, by ";"')
    parser.add_argument("--splits", type=int, default=2, choices=range(1, MAX_SPLITS + 1))
    parser.add_argument("--max-rows", type=int, default=1600, help="sets with fewer rows alone")
    parser.add_argument("--largest", type=int, default=10, choices=SIZES, help="networks")
    options = parser.parse_args()
    sizes = [size for size in SIZES if size <= options.largest]
    names = None if options.sets is None else options.sets.split(";")
    found: dict[tuple[str, int], list[float]] = {}
    for name, data_set in TABLE_SETS.items():
        if data_set.half != "choosing" or not data_set.is_installed:
            continue
        if name not in names if names else len(data_set.read().y) >= options.max_rows:
            continue
        of_set = ratios_of(data_set, options.splits, sizes)
        for key, ratio in of_set.items():
            found.setdefault(key, []).append(ratio)
        print(
            f"{name}: {', '.join(f'{n} {s} {r:.3f}' for (n, s), r in of_set.items())}", flush=True
        )
    print(f"\n{'loss':<14} {'networks':>8} {'sets':>5} {'ratio':<22} {'better':>7} {'worse':>6}")
    for name in ("wrong classes", "log loss", "RMSE"):
        for size in sizes:
            ratios = np.array(found.get((name, size), []))
            if len(ratios):
                summary = summarise(ratios)
                mean, low, high = summary.mean
                print(
                    f"{name:<14} {size:>8} {len(ratios):>5} "
                    f"{f'{mean:.3f} [{low:.3f}, {high:.3f}]':<22} "
                    f"{summary.n_better:>7} {summary.n_worse:>6}"
                )


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
