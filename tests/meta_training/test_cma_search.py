"""CMA-ES: an optimum that is known, bits that stay, and candidates on the same tasks."""

import sys

import numpy as np
import pytest
from helpers.searches import TARGET, TASKS, Vector, assert_same, numbers_of, quadratic

from sklearn_metabp import BackpropMLPRegressor, LearnedUpdateRule
from sklearn_metabp.callbacks import CheckpointError
from sklearn_metabp.meta_training import CMASearch, SyntheticTasks
from sklearn_metabp.meta_training.cma_strategy import CovarianceAdaptation

pytest.importorskip("cma")
SHORT = SyntheticTasks(1, horizon=(8, 20))


def search(**params):
    rule = LearnedUpdateRule(BackpropMLPRegressor((2,), "tanh"), random_state=0)
    rule = rule.initialize(normalizer="1", scale=0.01)
    defaults = {"objective": "fit", "n_iterations": 4, "n_tasks": 2, "random_state": 5}
    return CMASearch(rule, SHORT, population_size=5, **defaults | params)


def test_a_quadratic_is_minimised():
    start = np.array([0.1, 0.1, 0.1])
    fitted = CMASearch(
        Vector(start), TASKS, objective=quadratic, n_iterations=60, n_tasks=1, sigma=0.3
    ).fit()
    np.testing.assert_allclose(fitted.meta_params_, TARGET, atol=1e-4)
    assert fitted.history_["step_size"][-1] < 1e-3 and fitted.n_iter_ == 60


def test_a_narrow_valley_is_followed():
    # A gradient at one step size would need the square root of a million times as many steps.
    strategy = CovarianceAdaptation(
        np.ones(4), population_size=None, n_trials=1, sigma=0.3, random_state=0
    )
    factors = np.array([1.0, 10.0, 100.0, 1000.0])
    for number in range(1, 300):
        values = np.sum((strategy.ask(number) * factors) ** 2, axis=2) * 1e-7
        strategy.tell(number, values, np.array([True]))
    assert np.sum((strategy.kept * factors) ** 2) < 1e-6


def test_scales_and_sigma_are_those_of_the_first_candidates():
    seen = []
    start, scales = np.array([0.1, 1.0, 5.0]), np.array([1e-6, 1.0, 100.0])
    CMASearch(
        Vector(start),
        TASKS,
        objective=lambda record: seen.append(numbers_of(record)) or 0.0,
        n_iterations=1,
        n_tasks=1,
        population_size=60,
        scales=scales,
        sigma=0.1,
    ).fit()
    np.testing.assert_allclose((np.array(seen) - start).std(axis=0), 0.1 * scales, rtol=0.35)


def test_all_candidates_are_tried_on_every_task():
    seen = []

    def note(record):
        seen.append((record.estimator.params_.size, tuple(record.estimator.update_rule_.numbers)))
        return 0.0

    CMASearch(
        Vector(np.full(3, 0.01)),
        SHORT,
        objective=note,
        n_iterations=1,
        n_tasks=3,
        population_size=4,
        sigma=1e-3,
    ).fit()
    sizes, numbers = zip(*seen, strict=True)
    assert sizes[:4] == sizes[:1] * 4 and len(set(sizes)) == 3
    assert numbers[:4] == numbers[4:8] == numbers[8:] and len(set(numbers)) == 4


def test_candidates_are_compared_within_a_task():
    strategy = CovarianceAdaptation(
        np.zeros(2), population_size=4, n_trials=2, sigma=0.1, random_state=0
    )
    strategy.ask(1)
    # Medians are 2.5 and 100.5; differences are clipped to 1.
    values = np.array([[1.0, 2.0, 3.0, 4.0], [101.0, 100.0, 70.0, 900.0]])
    row = strategy.tell(1, values, np.array([True, True]))
    expected = np.array([-1 + 0.5, -0.5 - 0.5, 0.5 - 1, 1 + 1]) / 2
    np.testing.assert_allclose(strategy.state[0], expected)
    differences = [-1.5, -0.5, 0.5, 1.5, 0.5, -0.5, -30.5, 799.5]
    assert row["difference"] == pytest.approx(np.sqrt(np.mean(np.square(differences))))


def test_numpys_global_generator_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    search(n_iterations=2).fit()
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_numbers_of_processes_change_no_bit():
    assert_same(search().fit(), search(n_jobs=2).fit())


def test_an_interrupted_search_goes_on_to_the_same_bits(tmp_path):
    class Stop(Exception):
        pass

    def stop(fitted, row):
        if row["iteration"] == 3:
            raise Stop

    whole = search(n_iterations=5).fit()
    with pytest.raises(Stop):
        search(n_iterations=5, checkpoint=tmp_path, callback=stop).fit()
    (path,) = tmp_path.iterdir()
    assert path.suffix == ".safetensors"
    rows = []
    resumed = search(
        n_iterations=5, checkpoint=tmp_path, callback=lambda s, row: rows.append(row["iteration"])
    ).fit()
    assert rows == [3, 4, 5]
    assert_same(whole, resumed)
    raw = bytearray(path.read_bytes())
    raw[-20] ^= 1
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match="delete it"):
        search(n_iterations=5, checkpoint=tmp_path).fit()


def test_equal_values_are_no_error():
    fitted = search(objective=lambda record: 1.0).fit()
    assert np.isfinite(fitted.meta_params_).all()


@pytest.mark.parametrize("params", [{"population_size": 3}, {"n_tasks": 0}, {"sigma": 0.0}])
def test_parameters_out_of_range_are_refused(params):
    with pytest.raises(ValueError, match=next(iter(params))):
        search().set_params(**params).fit()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cma", None)
    with pytest.raises(ImportError, match=r"CMASearch requires cma.*sklearn-metabp\[cma\]"):
        search().fit()
