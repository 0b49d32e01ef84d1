"""The benchmark of whole fits: its workloads, its sides, its floor and its tables."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sklearn_metabp

BENCHMARKS = Path(sklearn_metabp.__file__).parents[1] / "benchmarks"
pytestmark = [
    pytest.mark.skipif(not BENCHMARKS.exists(), reason="benchmarks are not installed"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras
]
SIDES = ("ours", "sklearn", "jax", "torch", "skorch", "keras")


@pytest.fixture
def fit_speed(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import fit_speed

    return fit_speed


@pytest.fixture
def workloads(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import workloads

    return workloads


@pytest.fixture
def sides(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import sides

    return sides


@pytest.fixture
def floor(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import floor

    return floor


@pytest.fixture
def small(workloads):
    """Return two classes and three, with a last batch that is smaller."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(70, 4))
    y = np.arange(70) % 3
    three = workloads.Workload("three", X + y[:, None], y, (6, 5), 16, 3)
    return {"three": three, "two": replace(three, name="two", y=y % 2, n_epochs=2)}


def test_workloads_are_what_their_names_say(workloads):
    found = list(workloads.all_workloads())
    assert len(found) == 10
    for workload in found:
        sizes, batch = re.search(r"(\d+(?:-\d+)+), batch (\d+)$", workload.name).groups()
        assert workload.layer_sizes == tuple(map(int, sizes.split("-")))
        assert workload.batch_size == int(batch)
        assert set(np.unique(workload.y)) == set(range(workload.y.max() + 1))
        assert len(workload.y) == workload.X.shape[0]


def test_text_has_sparse_rows(workloads):
    text = list(workloads.all_workloads())[-1]
    assert text.is_sparse and text.X.shape == (20_000, 50_000)
    assert 79 <= text.X.nnz / 20_000 <= 80  # a word that is drawn twice is one value
    assert text.n_steps == 100 * text.n_epochs
    assert text.n_params == 50_000 * 100 + 100 + 100 * 20 + 20


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("data", ["two", "three"])
@pytest.mark.parametrize("name", SIDES[1:])
def test_sides_do_the_same_work(sides, small, name, data, dtype):
    """A step with other rows, another rate or another penalty is far outside the tolerance."""
    if not sides.SIDES[name].is_installed:
        pytest.skip(f"{name} is not installed")
    workload = small[data]
    if name in ("skorch", "keras"):  # one penalty for all batches, so all must be of one size
        workload = replace(workload, batch_size=14)
    work = sides.Work(workload, dtype, alpha=1.0)
    ours, theirs = (sides.SIDES[side].prepare(work)() for side in ("ours", name))
    for start, mine, others in zip(work.start, ours, theirs, strict=True):
        for before, a, b in zip(start, mine, others, strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype == dtype
            assert abs(a - before).max() > 2e-3
            np.testing.assert_allclose(b, a, rtol=0, atol=1e-5)


def test_a_second_fit_begins_anew(sides, small):
    work = sides.Work(small["three"], np.float64)
    for name, side in sides.SIDES.items():
        if side.is_installed:
            fit = side.prepare(work)
            for first, second in zip(fit(), fit(), strict=True):
                assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True)), name


def test_loss_by_hand(sides, small):
    zeros = [(np.zeros((4, 1)), np.zeros(1))]
    assert sides.Work(small["two"], np.float64).loss(zeros) == pytest.approx(np.log(2))
    zeros = [(np.zeros((4, 3)), np.array([0.0, 0, np.log(2)]))]
    # 24 rows of 70 are of class 0, 23 of each other class: probabilities 1/4, 1/4, 1/2.
    expected = (47 * np.log(4) + 23 * np.log(2)) / 70
    assert sides.Work(small["three"], np.float64).loss(zeros) == pytest.approx(expected)


def test_floor_by_hand(floor, small):
    workload = small["three"]  # 4-6-5-3, 70 rows in 5 batches: 14 rows a batch
    figures = floor.Floor(multiply_add=2.0, exponential=3.0, chain=0.0, adam={83: 1000.0})
    # Forward and gradient 24 + 30 + 15, deltas 30 + 15: 183 multiply-adds a row.
    assert figures.step_seconds(workload) == 14 * 183 * 2.0 + 1000.0 + 14 * 4 * 3.0
    assert replace(figures, chain=1e6).step_seconds(workload) == 1e6


def test_floor_of_sparse_rows_counts_stored_values(floor, workloads):
    text = list(workloads.all_workloads())[-1]
    figures = floor.Floor(1.0, 0.0, 0.0, {text.n_params: 0.0})
    expected = 200 * (2 * 100 * text.X.nnz / 20_000 + 3 * 100 * 20)
    assert figures.step_seconds(text) == pytest.approx(expected)


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_floor_is_measured(floor):
    floors = floor.measure([np.float64, np.float32], [1000, 4000])
    for figures in floors.values():
        assert 1e-12 < figures.multiply_add < figures.exponential < figures.chain < 1e-6
        assert figures.adam[1000] < figures.adam[4000] < 1e-3
    assert floors[np.float32].multiply_add < floors[np.float64].multiply_add


def test_tables(fit_speed, small, capsys):
    fit_speed.steady([small["three"]], ["float64", "float32"], ["ours", "sklearn"], 1)
    speeds, losses = capsys.readouterr().out.split("\n\n")
    assert "sklearn/ours" in speeds and "ours/floor" in speeds
    assert len(re.findall(r"^three +float(?:64|32)( +[\d.]+){3} +[\d.-]+$", speeds, re.M)) == 2
    rows = re.findall(r"^three +float\d\d +([\d.]+) +([\d.]+)$", losses, re.M)
    assert len(rows) == 2
    for ours, theirs in rows:
        assert float(ours) == pytest.approx(float(theirs), rel=1e-3)


def test_sides_that_differ_are_named(fit_speed, small, capsys, monkeypatch):
    monkeypatch.setattr("sides.scikit_learn.prepare", lambda work: lambda: work.start)
    fit_speed.steady([small["three"]], ["float64"], ["ours", "sklearn"], 1)
    assert "sklearn differs" in capsys.readouterr().out


def test_libraries_that_are_absent_are_named(fit_speed, capsys, monkeypatch):
    absent = fit_speed.SIDES["torch"]._replace(library="no_such_library")
    monkeypatch.setitem(fit_speed.SIDES, "torch", absent)
    assert fit_speed.installed(["sklearn", "torch"]) == ["ours", "sklearn"]
    assert "torch" in capsys.readouterr().out


def test_cold_fits(fit_speed, workloads, capsys):
    first = next(workloads.all_workloads())
    fit_speed.cold([first], ["float32"], ["ours"])
    assert re.search(r"^AND.*float32 +[\d.]+ \([\d.]+\)$", capsys.readouterr().out, re.M)
