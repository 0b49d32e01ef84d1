"""Compare learners on real tables: networks and boosting, with nothing chosen for a set.

The sets are those of ``table_sets.py``. Each is split three times into a fifth of the rows for the
test and the others for the training; the test rows of the splits differ. A side gets all training
rows and takes validation rows from them itself. Measured are the share of wrong classes and the
log loss, or the root of the mean squared error (RMSE), and the processor seconds of the fit, on one
thread. Every number of a set is the mean over its splits, and is divided by that of another side on
the same set and splits, scikit-learn's MLP by default (``--over``). The table shows the geometric
mean of these ratios over the sets and their median, with intervals of 95 % by a bootstrap over
sets, on how many sets a side was better and worse, and where it was worst. An error is counted as
half a row at least, since ratios need it.

The networks of scikit-learn and of this package are given numbers by one preprocessing: medians for
missing numbers and a column for each that says where, one-hot categories with one column for those
of less than 5 rows and unknown ones, scaled columns and targets. Boosting takes tables as they are.
The sides of pytabkit encode and scale by themselves, and get medians for missing numbers. pytabkit
is not needed; its sides are left out without it (``pip install pytabkit``).

Choose by ``--half choosing`` and report on ``--half reporting``. With ``--cache FILE`` a run that
was ended goes on where it was, and other runs take the results of the same sides from it. A changed
parameter makes another side, but changed code does not: give another file then. Run ``python
benchmarks/tables.py --list``, or ``--quick`` for three small sets.
"""

import argparse
import json
import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import NamedTuple

import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)
from table_sets import HALVES, TABLE_SETS, Table, TableSet
from threadpoolctl import threadpool_limits

from sklearn_metabp import (
    AdamW,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    RobustSmoothClipper,
)

MAX_SPLITS = 5
QUICK_SETS = ("heart", "saheart", "auto_mpg")
QUICK_SIDES = ("scikit-learn's MLP", "boosting", "ours", "ours, recipe")
_NUMBERS = make_column_selector(dtype_include="number")
_CATEGORIES = make_column_selector(dtype_include="category")


def prepared(network: BaseEstimator, scaler: BaseEstimator) -> Pipeline:
    """Return a network behind the preprocessing of all networks, with a scaler for numbers."""
    encoder = OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=5, sparse_output=False
    )
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), scaler), _NUMBERS),
        (MissingIndicator(error_on_new=False), _NUMBERS),
        (encoder, _CATEGORIES),
    )
    return make_pipeline(columns, network)


def of_scikit_learn(is_classification: bool, seed: int) -> BaseEstimator:
    """Return scikit-learn's MLP at its defaults."""
    network = MLPClassifier if is_classification else MLPRegressor
    return _scaled(prepared(network(random_state=seed), StandardScaler()), is_classification)


def boosting(is_classification: bool, seed: int) -> BaseEstimator:
    """Return scikit-learn's boosting at its defaults."""
    if is_classification:
        return HistGradientBoostingClassifier(random_state=seed)
    return HistGradientBoostingRegressor(random_state=seed)


def ours(is_classification: bool, seed: int) -> BaseEstimator:
    """Return the network of this package at its defaults."""
    network = BackpropMLPClassifier if is_classification else BackpropMLPRegressor
    return _scaled(prepared(network(random_state=seed), StandardScaler()), is_classification)


def recipe(is_classification: bool, seed: int) -> BaseEstimator:
    """Return a larger network with decay, dropout and the best epoch on a fifth of the rows."""
    network = BackpropMLPClassifier if is_classification else BackpropMLPRegressor
    network = network(
        (256, 256, 256),
        update_rule=AdamW(2.5e-3, beta_2=0.95, weight_decay=0.02, schedule="coslog4"),
        alpha=0.0,
        dropout=0.15,
        max_iter=256,
        n_iter_no_change=np.inf,
        early_stopping=True,
        validation_fraction=0.2,
        random_state=seed,
    )
    return _scaled(prepared(network, RobustSmoothClipper()), is_classification)


def as_categories(codes: pd.DataFrame) -> pd.DataFrame:
    """Return codes as columns of the dtype ``category``."""
    return codes.astype(int).astype("category")


def of_pytabkit(name: str) -> Callable[[bool, int], BaseEstimator]:
    """Return a side of pytabkit; missing numbers become medians, and the rest is its own."""

    def make(is_classification: bool, seed: int) -> BaseEstimator:
        import pytabkit

        logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        kind = "Classifier" if is_classification else "Regressor"
        network = getattr(pytabkit, f"{name}_{kind}")
        # pytabkit does not take categories that are text.
        encoder = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1
        )
        columns = make_column_transformer(
            (SimpleImputer(strategy="median"), _NUMBERS),
            (MissingIndicator(error_on_new=False), _NUMBERS),
            (make_pipeline(encoder, FunctionTransformer(as_categories)), _CATEGORIES),
        ).set_output(transform="pandas")
        return make_pipeline(columns, network(device="cpu", n_threads=1, random_state=seed))

    return make


def _scaled(network: Pipeline, is_classification: bool) -> BaseEstimator:
    if is_classification:
        return network
    return TransformedTargetRegressor(network, transformer=StandardScaler())


class Side(NamedTuple):
    """A learner: ``make(is_classification, seed)`` returns it, and ``library`` has to be there."""

    make: Callable[[bool, int], BaseEstimator]
    library: str = "sklearn"

    @property
    def is_installed(self) -> bool:
        return find_spec(self.library) is not None


SIDES = {
    "scikit-learn's MLP": Side(of_scikit_learn),
    "boosting": Side(boosting),
    "RealMLP-TD-S": Side(of_pytabkit("RealMLP_TD_S"), "pytabkit"),
    "RealMLP-TD": Side(of_pytabkit("RealMLP_TD"), "pytabkit"),
    "TabM": Side(of_pytabkit("TabM_D"), "pytabkit"),
    "ours": Side(ours),
    "ours, recipe": Side(recipe),
}


@dataclass(frozen=True)
class Result:
    """Numbers of a side on a split; ``log_loss`` is of classes, and ``loss`` of all sets.

    Attributes
    ----------
    loss : float
        Share of wrong classes, or RMSE.
    log_loss : float or None
        None for regression.
    seconds : float
        Processor time of the fit.
    n_test : int
        Number of test rows.
    """

    loss: float
    log_loss: float | None
    seconds: float
    n_test: int


def split_rows(
    table: Table, is_classification: bool, n_splits: int
) -> list[tuple[np.ndarray, ...]]:
    """Return training and test rows of each split; every fifth of the rows is a test once."""
    folds = StratifiedKFold if is_classification else KFold
    splitter = folds(MAX_SPLITS, shuffle=True, random_state=0)
    return list(splitter.split(table.X, table.y))[:n_splits]


def measure(
    model: BaseEstimator, table: Table, is_classification: bool, split: tuple[np.ndarray, ...]
) -> Result:
    """Fit a model to the training rows on one thread and examine it on the test rows."""
    train, test = split
    with threadpool_limits(1):
        started = process_time()
        model.fit(table.X.iloc[train], table.y[train])
        seconds = process_time() - started
    X, y = table.X.iloc[test], table.y[test]
    if not is_classification:
        return Result(float(root_mean_squared_error(y, model.predict(X))), None, seconds, len(y))
    chances = np.asarray(model.predict_proba(X), float)
    chances /= chances.sum(axis=1, keepdims=True)
    wrong = float(np.mean(model.classes_[chances.argmax(axis=1)] != y))
    return Result(wrong, float(log_loss(y, chances, labels=model.classes_)), seconds, len(y))


class Cache:
    """Results by key, in a file with one of them a line; without a file in memory alone."""

    def __init__(self, path: Path | None):
        self._path = path
        self._known: dict[str, dict] = {}
        if path is not None and path.exists():
            # The line of a run that was killed may not be whole, so that it is ignored.
            for line in path.read_text().splitlines():
                if line.endswith("}"):
                    entry = json.loads(line)
                    self._known[entry.pop("key")] = entry

    def get(self, key: str, compute: Callable[[], Result]) -> Result:
        """Return the known result, or compute it and write it down."""
        if key in self._known:
            return Result(**self._known[key])
        result = compute()
        self._known[key] = asdict(result)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write("\n" + json.dumps({"key": key, **asdict(result)}))
        return result


def run(
    sets: Sequence[TableSet], sides: Sequence[str], n_splits: int, cache: Cache
) -> dict[str, dict[str, list[Result]]]:
    """Return the results by side and set, one for each split."""
    results: dict[str, dict[str, list[Result]]] = {side: {} for side in sides}
    for data_set in sets:
        table = data_set.read()
        is_classification = data_set.is_classification
        splits = split_rows(table, is_classification, n_splits)
        of_table = joblib.hash((table.X, table.y))
        for side in sides:
            of_set = results[side][data_set.name] = []
            for number, split in enumerate(splits):
                model = SIDES[side].make(is_classification, number)
                key = f"{side}, {data_set.name}, {number}, {joblib.hash(model)}, {of_table}"

                def compute(model=model, table=table, split=split, kind=is_classification):
                    return measure(model, table, kind, split)

                of_set.append(cache.get(key, compute))
            print(f"{data_set.name}, {side}: {_in_short(of_set)}", flush=True)
    return results


def _in_short(results: list[Result]) -> str:
    loss = np.mean([one.loss for one in results])
    return f"{loss:.4g}, {np.mean([one.seconds for one in results]):.2f} s"


def means(results: dict[str, list[Result]], field: str) -> np.ndarray:
    """Return the mean of a field over the splits of each set; an error of half a row at least."""
    values = []
    for of_set in results.values():
        numbers = [getattr(one, field) for one in of_set]
        is_error = field == "loss" and of_set[0].log_loss is not None
        least = 0.5 / sum(one.n_test for one in of_set) if is_error else 0.0
        values.append(max(float(np.mean(numbers)), least))
    return np.array(values)


@dataclass(frozen=True)
class Summary:
    """Ratios of a side to another one over the same sets.

    ``mean`` and ``median`` are a number and the ends of its interval; ``worst`` is the place of the
    largest ratio.
    """

    mean: tuple[float, float, float]
    median: tuple[float, float, float]
    n_better: int
    n_worse: int
    worst: int


def summarise(ratios: np.ndarray, n_draws: int = 2000) -> Summary:
    """Return geometric mean and median of ratios with intervals of 95 % by a bootstrap.

    Sets are drawn with replacement. The ratios are of two sides on the same sets, so that the
    bootstrap is a paired one.
    """
    logs = np.log(ratios)
    drawn = logs[np.random.default_rng(0).integers(len(logs), size=(n_draws, len(logs)))]
    of_all = []
    for statistic in (np.mean, np.median):
        ends = np.quantile(statistic(drawn, axis=1), [0.025, 0.975])
        of_all.append(tuple(float(each) for each in np.exp([statistic(logs), *ends])))
    rounded = np.round(ratios, 3)  # equal to three digits is neither better nor worse
    n_better, n_worse = int((rounded < 1).sum()), int((rounded > 1).sum())
    return Summary(*of_all, n_better, n_worse, int(ratios.argmax()))


def report(results: dict[str, dict[str, list[Result]]], over: str) -> None:
    """Print a table of ratios for every kind of number."""
    of_over = results[over]
    kinds = {
        True: {"share of wrong classes": "loss", "log loss": "log_loss"},
        False: {"RMSE": "loss"},
    }
    for is_classification, fields in kinds.items():
        names = [
            name for name in of_over if TABLE_SETS[name].is_classification == is_classification
        ]
        if not names:
            continue
        for title, field in (fields | {"processor seconds": "seconds"}).items():
            print(f"\n{title} over that of {over}, {len(names)} sets")
            print(
                f"{'side':<22} {'geometric mean':<24} {'median':<24} "
                f"{'better':>7} {'worse':>6}  worst"
            )
            reference = means({name: of_over[name] for name in names}, field)
            for side, of_side in results.items():
                if side == over:
                    continue
                ratios = means({name: of_side[name] for name in names}, field) / reference
                print_row(side, summarise(ratios), names, ratios)


def print_row(side: str, summary: Summary, names: Sequence[str], ratios: np.ndarray) -> None:
    mean, median = (
        f"{number:.3f} [{low:.3f}, {high:.3f}]"
        for number, low, high in (summary.mean, summary.median)
    )
    worst = f"{names[summary.worst]} {ratios[summary.worst]:.2f}"
    print(f"{side:<22} {mean:<24} {median:<24} {summary.n_better:>7} {summary.n_worse:>6}  {worst}")


def print_sets(sets: Iterable[TableSet]) -> None:
    """Print what is in the sets, and how many are of a kind and half."""
    print(
        f"{'set':<26} {'source':<16} {'rows':>6} {'columns':>7} {'categories':>10} {'missing':>7} "
        f"{'classes':>7}  half"
    )
    counts: dict[tuple[str, str], int] = {}
    for data_set in sets:
        table = data_set.read()
        n_categories = (table.X.dtypes == "category").sum()
        kind = "classification" if data_set.is_classification else "regression"
        counts[kind, data_set.half] = counts.get((kind, data_set.half), 0) + 1
        n_classes = str(table.y.max() + 1) if data_set.is_classification else ""
        print(
            f"{data_set.name:<26} {data_set.source:<16} {len(table.y):>6} {table.X.shape[1]:>7} "
            f"{n_categories:>10} {table.X.isna().to_numpy().mean():>7.1%} {n_classes:>7}  "
            f"{data_set.half}",
            flush=True,
        )
    print("\n" + ", ".join(f"{kind} {half}: {n}" for (kind, half), n in sorted(counts.items())))


def chosen(kind: str, given: str | None, known: Iterable[str]) -> list[str]:
    """Return the names in an option, by ";" or all; an error if one is not known."""
    known = list(known)
    names = known if given is None else [name.strip() for name in given.split(";")]
    for name in names:
        if name not in known:
            raise SystemExit(f"{name!r} is not one of the {kind}: {'; '.join(known)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--list", action="store_true", help="print the sets alone")
    parser.add_argument("--half", choices=HALVES, help="sets of one half")
    parser.add_argument("--sets", help='names of sets, by ";"')
    parser.add_argument("--sides", help='names of sides, by ";": ' + "; ".join(SIDES))
    parser.add_argument("--over", default="scikit-learn's MLP", help="side that ratios are over")
    parser.add_argument("--splits", type=int, default=3, choices=range(1, MAX_SPLITS + 1))
    parser.add_argument("--cache", type=Path, help="file with results, to go on with")
    parser.add_argument("--quick", action="store_true", help="three small sets and quick sides")
    options = parser.parse_args()
    set_names = chosen("sets", options.sets, QUICK_SETS if options.quick else TABLE_SETS)
    sides = chosen("sides", options.sides, QUICK_SIDES if options.quick else SIDES)
    if options.over not in sides:
        sides = chosen("sides", options.over, SIDES) + sides
    for side in [side for side in sides if not SIDES[side].is_installed]:
        print(f"{side} is left out: {SIDES[side].library} is not installed.")
        sides.remove(side)
    sets = [TABLE_SETS[name] for name in set_names]
    sets = [each for each in sets if options.half in (None, each.half)]
    for source in sorted({each.source for each in sets if not each.is_installed}):
        left_out = [each.name for each in sets if each.source == source]
        print(f"{source} is not installed. Left out: {', '.join(left_out)}.")
    sets = [each for each in sets if each.is_installed]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if options.list:
            print_sets(sets)
        else:
            report(run(sets, sides, options.splits, Cache(options.cache)), options.over)


if __name__ == "__main__":
    main()
