"""Compare learners on real tables: networks and boosting, with nothing chosen for a set.

The sets are those of ``table_sets.py``, and ``table_runs.py`` splits and measures. Measured are the
share of wrong classes, the log loss, the Brier score and the calibration error, or the root of the
mean squared error (RMSE), and processor seconds on one thread: of the fit, of the prediction of the
test rows, and of the prediction of one row. Every number is divided by that of another side on the
same set and splits, scikit-learn's MLP by default. ``--over`` takes several sides, and each gets
tables of its own. The tables show the geometric mean of these ratios and their median, with
intervals of 95 % by a bootstrap over sets, on how many sets a side was better and worse, and its
highest ratio.

The networks of scikit-learn and of this package are given numbers by one preprocessing: medians for
missing numbers and a column for each that says where, one-hot categories with one column for those
of less than 5 rows and unknown ones, scaled columns and targets. The linear model and the forest
get the same numbers. Boosting and ``TabularMLPClassifier`` or ``-Regressor`` take tables as they
are. The sides of pytabkit encode and scale by themselves, and get medians for missing numbers.
pytabkit is not needed; its sides are left out without it (``pip install pytabkit``).

Choose by ``--half choosing`` and report on ``--half reporting``. ``--where SIDE`` shows where a
side wins and loses by properties of the sets, ``--figure FILE`` draws confidences and shares of
right classes, and ``--speed`` measures times on the made-up table of ``table_speed.py``. With
``--cache FILE`` a run that was ended goes on where it was, and other runs take the results of the
same sides from it. A changed parameter or a change of the sources of this package makes another
side. ``--jobs`` measures in several processes. Run ``python benchmarks/tables.py --list``, or
``--quick`` for three small sets.
"""

import argparse
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)
from table_reports import draw_reliability, print_overview, print_where, report
from table_runs import (
    OF_THIS_PACKAGE,
    Cache,
    Outcome,
    Side,
    add_run_options,
    chosen,
    run,
    sets_of,
)
from table_sets import TableSet
from table_speed import make_table

from sklearn_metabp import (
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
)

TABULAR = "TabularMLP"
QUICK_SIDES = ("scikit-learn's MLP", "boosting", "linear model", "ours", TABULAR)
_NUMBERS = make_column_selector(dtype_include="number")
_CATEGORIES = make_column_selector(dtype_include="category")


def prepared(network: BaseEstimator) -> Pipeline:
    """Return a network behind the preprocessing of all networks."""
    encoder = OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=5, sparse_output=False
    )
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), _NUMBERS),
        (MissingIndicator(error_on_new=False), _NUMBERS),
        (encoder, _CATEGORIES),
    )
    return make_pipeline(columns, network)


def of_scikit_learn(is_classification: bool, seed: int) -> BaseEstimator:
    """Return scikit-learn's MLP at its defaults."""
    network = MLPClassifier if is_classification else MLPRegressor
    return _scaled(prepared(network(random_state=seed)), is_classification)


def boosting(is_classification: bool, seed: int) -> BaseEstimator:
    """Return scikit-learn's boosting at its defaults."""
    if is_classification:
        return HistGradientBoostingClassifier(random_state=seed)
    return HistGradientBoostingRegressor(random_state=seed)


def linear_model(is_classification: bool, seed: int) -> BaseEstimator:
    """Return a logistic or a ridge regression."""
    model = LogisticRegression(max_iter=1000) if is_classification else Ridge()
    return _scaled(prepared(model), is_classification)


def random_forest(is_classification: bool, seed: int) -> BaseEstimator:
    """Return scikit-learn's random forest at its defaults."""
    forest = RandomForestClassifier if is_classification else RandomForestRegressor
    return prepared(forest(random_state=seed))


def ours(n_members: int) -> Callable[[bool, int], BaseEstimator]:
    """Return a side of the network of this package at its defaults, or of several networks."""

    def make(is_classification: bool, seed: int) -> BaseEstimator:
        network = BackpropMLPClassifier if is_classification else BackpropMLPRegressor
        model = network(n_members=n_members, random_state=seed)
        return _scaled(prepared(model), is_classification)

    return make


def tabular_mlp(is_classification: bool, seed: int) -> BaseEstimator:
    """Return the estimator of this package for tables at its defaults."""
    network = TabularMLPClassifier if is_classification else TabularMLPRegressor
    return network(random_state=seed)


def tabular_mlps(is_classification: bool, seed: int) -> BaseEstimator:
    """Return the estimator of this package for tables with several networks."""
    return tabular_mlp(is_classification, seed).set_params(n_members=5)


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


SIDES = {
    "scikit-learn's MLP": Side(of_scikit_learn),
    "boosting": Side(boosting),
    "RealMLP-TD-S": Side(of_pytabkit("RealMLP_TD_S"), "pytabkit"),
    "RealMLP-TD": Side(of_pytabkit("RealMLP_TD"), "pytabkit"),
    "TabM": Side(of_pytabkit("TabM_D"), "pytabkit"),
    "linear model": Side(linear_model),
    "random forest": Side(random_forest),
    "ours": Side(ours(1), OF_THIS_PACKAGE),
    "ours, 5 members": Side(ours(5), OF_THIS_PACKAGE),
    TABULAR: Side(tabular_mlp, OF_THIS_PACKAGE),
    "TabularMLP, 5 members": Side(tabular_mlps, OF_THIS_PACKAGE),
}


def print_sets(sets: Iterable[TableSet]) -> None:
    """Print what is in the sets, and how many are of a kind and half."""
    print(
        f"{'set':<26} {'source':<16} {'rows':>6} {'columns':>7} {'categories':>10} {'missing':>7} "
        f"{'classes':>7}  half"
    )
    counts: Counter[tuple[str, str]] = Counter()
    for data_set in sets:
        facts = data_set.read().facts
        counts["classification" if facts.n_classes else "regression", data_set.half] += 1
        print(
            f"{data_set.name:<26} {data_set.source:<16} {facts.n_rows:>6} {facts.n_columns:>7} "
            f"{facts.n_categories:>10} {facts.missing:>7.1%} {facts.n_classes or '':>7}  "
            f"{data_set.half}",
            flush=True,
        )
    print("\n" + ", ".join(f"{kind} {half}: {n}" for (kind, half), n in sorted(counts.items())))


def speed_set(n_rows: int = 12_500) -> TableSet:
    """Return the table of ``table_speed.py`` as a set; four fifths of its rows are trained on."""

    def read_frame() -> tuple[pd.DataFrame, pd.Series]:
        frame, numbers = make_table(n_rows)
        return frame, pd.Series(numbers > 0)

    return TableSet("made up", "sklearn", True, read_frame)


def print_speed(outcome: Outcome) -> None:
    """Print processor times on the sets of an outcome."""
    for name, facts in outcome.facts.items():
        n_test = next(iter(outcome.results.values()))[name][0].n_test
        print(
            f"\n{name}: {facts.n_rows - n_test} training rows, {n_test} test rows, "
            f"{facts.n_columns} columns, of which {facts.n_categories} are categories"
        )
        print(f"{'':<22} {'fit, s':>8} {'predict test rows, s':>21} {'predict a row, ms':>18}")
        for side, of_side in outcome.results.items():
            (one,) = of_side[name]
            print(
                f"{side:<22} {one.seconds:>8.2f} {one.predict_seconds:>21.3f} {one.row_ms:>18.2f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_run_options(parser)
    parser.add_argument("--list", action="store_true", help="print the sets alone")
    parser.add_argument("--sides", help='names of sides, by ";": ' + "; ".join(SIDES))
    parser.add_argument(
        "--over", default="scikit-learn's MLP", help='sides that ratios are over, by ";"'
    )
    parser.add_argument("--where", help='sides, by ";", of which wins and losses are broken down')
    parser.add_argument("--figure", type=Path, help="file to draw the calibration to")
    parser.add_argument(
        "--whole",
        action="store_true",
        help="measure again what has no calibration or prediction time",
    )
    parser.add_argument("--speed", action="store_true", help="times on a made-up table alone")
    options = parser.parse_args()
    if options.list:
        print_sets(sets_of(options))
        return
    overs = chosen("sides", options.over, SIDES)
    wheres = [] if options.where is None else chosen("sides", options.where, SIDES)
    sides = chosen("sides", options.sides, QUICK_SIDES if options.quick else SIDES)
    sides = list(dict.fromkeys([*([] if options.speed else overs + wheres), *sides]))
    for side in [side for side in sides if not SIDES[side].is_installed]:
        print(f"{side} is left out: {SIDES[side].library} is not installed.")
        sides.remove(side)
    outcome = run(
        [speed_set()] if options.speed else sets_of(options),
        {side: SIDES[side] for side in sides},
        1 if options.speed else options.splits,
        Cache(options.cache),
        n_jobs=options.jobs,
        needs_whole=options.whole or options.speed or options.figure is not None,
    )
    if options.speed:
        print_speed(outcome)
        return
    for over in [over for over in overs if over in sides]:
        print_overview(outcome, over)
        report(outcome, over)
        for side in [side for side in wheres if side in sides and side != over]:
            print_where(outcome, side, over)
    if options.figure is not None:
        draw_reliability(outcome, options.figure)


if __name__ == "__main__":
    main()
