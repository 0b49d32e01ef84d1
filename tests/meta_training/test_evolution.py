"""Evolution strategies: gradients that are known, bits that stay, failures that are kept."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from helpers.callbacks import Notes
from helpers.searches import (
    NETWORK,
    TARGET,
    TASKS,
    Vector,
    X,
    Y,
    assert_same,
    numbers_of,
    quadratic,
    table,
)
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_metabp import SGD, Adam, BackpropMLPRegressor, LearnedUpdateRule
from sklearn_metabp.callbacks import CheckpointError
from sklearn_metabp.meta_training import (
    EvolutionSearch,
    SyntheticTasks,
    Task,
    TaskFamily,
    rollout,
    rollout_seed,
)
from sklearn_metabp.meta_training.objectives import as_objective, bounded_value
from sklearn_metabp.meta_training.strategies import estimate_gradient
from sklearn_metabp.meta_training.trials import WholeTrial, start_from

SHORT = SyntheticTasks(1, horizon=(8, 20))


def learned():
    rule = LearnedUpdateRule(BackpropMLPRegressor((4,), "tanh"), random_state=0)
    return rule.initialize(normalizer="1", scale=0.01)


def search(**params):
    defaults = {"objective": "fit", "n_iterations": 4, "n_pairs": 3, "random_state": 5}
    return EvolutionSearch(learned(), SHORT, **defaults | params)


def test_an_estimate_is_that_worked_by_hand():
    noises = np.array([[1.0, -2.0], [0.5, 0.25]])
    # (0.2 * [1, -2] + 1 * [0.5, 0.25]) / (2 * 0.1 * 2): the second difference is clipped.
    gradient = estimate_gradient(np.array([0.2, 7.0]), noises, 0.1)
    np.testing.assert_allclose(gradient, [(0.2 + 0.5) / 0.4, (-0.4 + 0.25) / 0.4])


def test_the_step_on_a_quadratic_is_that_of_its_gradient():
    # f(x + s e) - f(x - s e) = 2 s e . grad f(x), exactly, for a quadratic f.
    start = np.array([0.1, 0.1, 0.1])
    fitted = EvolutionSearch(
        Vector(start),
        TASKS,
        objective=quadratic,
        n_iterations=1,
        n_pairs=2,
        update_rule=SGD(0.5),
        average_decay=0,
        random_state=7,
    ).fit()
    noises = np.array(
        [
            np.random.RandomState(
                np.random.PCG64(np.random.SeedSequence([7, pair, 1]))
            ).standard_normal(3)
            for pair in (0, 1)
        ]
    )
    true_gradient = 0.1 * (start - TARGET)
    estimate = noises.T @ (noises @ true_gradient) / 2
    np.testing.assert_allclose(fitted.meta_params_, start - 0.5 * estimate, atol=1e-12)
    assert fitted.history_["gradient_norm"][0] == pytest.approx(np.linalg.norm(estimate))


def test_the_mean_of_estimates_is_the_gradient():
    rng = np.random.default_rng(0)
    noises, gradient = rng.standard_normal((40000, 3)), np.array([0.3, -0.1, 0.2])
    estimate = estimate_gradient(2 * 0.04 * noises @ gradient, noises, 0.04)
    np.testing.assert_allclose(estimate, gradient, atol=0.01)


def test_a_quadratic_is_minimised():
    fitted = EvolutionSearch(
        Vector(np.array([0.1, 0.1, 0.1])),
        TASKS,
        objective=quadratic,
        n_iterations=60,
        n_pairs=6,
        update_rule=SGD(2.0),
        average_decay=0.5,
    ).fit()
    np.testing.assert_allclose(fitted.meta_params_, TARGET, atol=0.02)
    assert fitted.best_rule_.numbers is not None and fitted.n_iter_ == 60


def test_the_objective_is_the_mean_of_the_rollouts_of_both_rules():
    fitted = search(n_iterations=1, sigma=0.1).fit()
    rule, objective, values = learned(), as_objective("fit"), []
    for pair in range(3):
        noise = np.random.RandomState(
            np.random.PCG64(np.random.SeedSequence([5, pair, 1]))
        ).standard_normal(len(rule.meta_params_))
        for sign in (1, -1):
            start = rule.meta_params_ / rule.meta_scales_
            other = rule.with_meta_params(rule.meta_scales_ * (start + sign * 0.1 * noise))
            record = rollout(SHORT[pair], other, rollout_seed(5, pair, 0))
            values.append(bounded_value(objective, record, SHORT[pair]))
    assert fitted.history_["objective"][0] == pytest.approx(np.mean(values), abs=1e-12)
    difference = np.sqrt(np.mean(np.subtract(values[::2], values[1::2]) ** 2))
    assert fitted.history_["difference"][0] == pytest.approx(difference)


def test_scales_measure_the_perturbations():
    rule = learned()
    np.testing.assert_array_equal(rule.meta_scales_[:-1], 1)
    assert rule.meta_scales_[-1] == 0.01 == rule.meta_params_[-1]
    seen = []

    def note(record):
        seen.append(numbers_of(record))
        return 0.0

    start, scales = np.array([0.1, 1.0, 5.0]), np.array([1e-6, 1.0, 100.0])
    EvolutionSearch(
        Vector(start), TASKS, objective=note, n_iterations=1, n_pairs=40, scales=scales, sigma=0.1
    ).fit()
    deviations = (np.array(seen) - start).std(axis=0)
    np.testing.assert_allclose(deviations, 0.1 * scales, rtol=0.35)


def test_numbers_of_processes_change_no_bit():
    assert_same(search(n_jobs=1).fit(), search(n_jobs=2).fit())


def test_a_seed_is_all_that_counts():
    one = search().fit()
    assert_same(one, clone(search()).fit())
    assert not np.array_equal(one.meta_params_, search(random_state=6).fit().meta_params_)


def test_more_iterations_begin_as_fewer():
    fewer, more = search(n_iterations=2).fit(), search(n_iterations=4).fit()
    for name, column in table(fewer).items():
        np.testing.assert_array_equal(column, more.history_[name][:2])


def test_the_average_of_the_iterates_is_kept():
    seen = []
    every = search(average_decay=0, callback=lambda s, row: seen.append(s.meta_params_)).fit()
    np.testing.assert_array_equal(seen[-1], every.meta_params_)
    weights = 0.5 ** np.arange(3, -1, -1)
    expected = weights @ np.array(seen) / weights.sum()
    np.testing.assert_allclose(search(average_decay=0.5).fit().meta_params_, expected, rtol=1e-10)


def test_an_interrupted_search_goes_on_to_the_same_bits(tmp_path):
    class Stop(Exception):
        pass

    def stop(fitted, row):
        if row["iteration"] == 2:
            raise Stop

    whole = search(n_iterations=5).fit()
    with pytest.raises(Stop):
        search(n_iterations=5, checkpoint=tmp_path, callback=stop).fit()
    rows = []
    resumed = search(
        n_iterations=5, checkpoint=tmp_path, callback=lambda s, row: rows.append(row["iteration"])
    ).fit()
    assert_same(whole, resumed)
    assert rows == [2, 3, 4, 5]  # the second was not saved before the exception
    rows.clear()
    again = search(n_iterations=5, checkpoint=tmp_path, callback=lambda s, row: rows.append(1))
    assert_same(whole, again.fit())
    assert rows == []
    assert len(list(tmp_path.iterdir())) == 1
    search(n_iterations=5, checkpoint=tmp_path, sigma=0.1).fit()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_checkpoint_is_an_error(tmp_path):
    search(checkpoint=tmp_path).fit()
    (path,) = tmp_path.iterdir()
    raw = bytearray(path.read_bytes())
    raw[-20] ^= 1
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match="delete it"):
        search(checkpoint=tmp_path).fit()


PROGRAM = """
import os, signal, sys
import numpy as np
from sklearn_metabp import BackpropMLPRegressor, LearnedUpdateRule
from sklearn_metabp.meta_training import EvolutionSearch, SyntheticTasks

def kill(search, row):
    if row["iteration"] == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

rule = LearnedUpdateRule(BackpropMLPRegressor((4,), "tanh"), random_state=0)
rule = rule.initialize(normalizer="1", scale=0.01)
search = EvolutionSearch(rule, SyntheticTasks(1, horizon=(8, 20)), objective="fit",
                         n_iterations=4, n_pairs=3, random_state=5, callback=kill,
                         checkpoint=sys.argv[1]).fit()
print(search.meta_params_.tobytes().hex())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_killed_search_ends_with_the_bits_of_one_that_was_not(tmp_path):
    def run(killed_at):
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path), str(killed_at)],
            capture_output=True,
            text=True,
            env=os.environ,
        )

    assert run(3).returncode == -signal.SIGKILL
    done = run(0)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == search().fit().meta_params_.tobytes().hex()


def test_ctrl_c_gives_the_best_rule_so_far():
    def interrupt(fitted, row):
        if row["iteration"] == 2:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted by user after 2 of 4 iterations"):
        stopped = search(callback=interrupt).fit()
    assert stopped.n_iter_ == 2
    assert_same(stopped, search(n_iterations=2).fit())


def test_a_callback_that_returns_true_ends_the_search():
    rows = []

    def stop(fitted, row):
        rows.append(row)
        assert fitted.best_rule_.meta_params_.shape == fitted.meta_params_.shape
        return row["iteration"] == 2

    assert search(callback=stop).fit().n_iter_ == 2
    assert [row["iteration"] for row in rows] == [1, 2] and rows[0]["seconds"] > 0


def test_callbacks_of_scikit_learn_see_iterations():
    notes = Notes()
    fitted = search().set_callbacks(notes).fit()
    iterations = ["begin iteration", "end iteration"] * 4
    assert notes.calls == ["setup", "begin fit", *iterations, "end fit", "teardown"]
    numbers = [seen.meta_params_ for seen, _, _ in notes.fitted]
    np.testing.assert_array_equal(numbers[-1], fitted.meta_params_)
    assert not np.array_equal(numbers[0], numbers[1])


class Wild(Vector):
    """It blows up if its first number is above 0.2."""

    def with_meta_params(self, vector):
        return Wild(np.array(vector))

    def compute_update(self, step, state):
        if self.numbers[0] > 0.2 and step.index > 2:
            return np.full_like(step.gradients, np.nan)
        return -0.01 * step.gradients


def test_failures_count_and_are_started_from_again():
    params = {"objective": "fit", "n_pairs": 8, "sigma": 0.1, "restart_share": 0.5}
    rule = Wild(np.array([0.2, 0.0, 0.0]))
    first = EvolutionSearch(rule, TASKS, n_iterations=1, **params).fit()
    assert 0 < first.history_["n_failed"][0] <= 8 and first.history_["n_restarted"][0] == 0
    assert len(first.failures_) == first.history_["n_failed"][0]
    # Two batches an epoch: the failure is in the third step, so one epoch was sound.
    index, state = first.failures_[0]
    network = BackpropMLPRegressor(**NETWORK.get_params(deep=False))
    network.set_params(update_rule=Vector(np.array([0.01])), max_iter=1)
    network.set_params(random_state=rollout_seed(0, index, 0)).fit(X, Y)
    np.testing.assert_array_equal(state, network.params_)
    longer = EvolutionSearch(rule, TASKS, n_iterations=6, **params).fit()
    assert longer.history_["n_restarted"][1:].sum() > 0
    assert np.isfinite(longer.meta_params_).all()
    # What fails is worse, so the first number falls.
    assert longer.meta_params_[0] < 0.2
    none = EvolutionSearch(rule, TASKS, n_iterations=6, **params | {"restart_share": 0}).fit()
    assert none.history_["n_restarted"].sum() == 0


def test_a_pair_may_start_from_a_state():
    state = np.random.default_rng(0).standard_normal(13)
    task = start_from(TASKS[0], state)
    record = rollout(task, Vector(np.zeros(1)), 0, return_estimator=True)
    np.testing.assert_array_equal(record.estimator.params_, state)
    assert task.estimator is not TASKS[0].estimator and TASKS[0].estimator.init != task.estimator
    trial = WholeTrial(
        index=0,
        seed=3,
        make_task=TaskFamily(TASKS).maker(0),
        rules=(Vector([0.0]), Vector([0.0])),
        objective=as_objective("fit"),
        start=state,
    )
    plus, minus = trial.run()
    assert plus == minus and plus.n_steps == 6


def test_a_task_that_starts_from_a_state_keeps_all_its_rows():
    task = Task(NETWORK, X, Y, X[:5], Y[:5], X[5:9], Y[5:9])
    other = start_from(task, np.zeros(13))
    for name in ("X", "y", "X_val", "y_val", "X_test", "y_test"):
        np.testing.assert_array_equal(getattr(other, name), getattr(task, name))


def test_what_a_search_needs_is_asked_for():
    with pytest.raises(NotFittedError):
        EvolutionSearch(LearnedUpdateRule(), SHORT).fit()
    without = [Task(NETWORK, X, Y)]
    with pytest.raises(ValueError, match="task 0 has no validation rows"):
        EvolutionSearch(learned(), without, objective="generalise").fit()
    with pytest.raises(ValueError, match="task 0 has no test rows"):
        EvolutionSearch(learned(), TASKS, objective="chosen_test_loss").fit()
    with pytest.raises(ValueError, match="scales"):
        search(scales=0.0).fit()
    with pytest.raises(ValueError, match="n_pairs"):
        search(n_pairs=0).fit()
    with pytest.raises(ValueError, match="objective must be one of"):
        search(objective="los").fit()
    with pytest.raises(ValueError, match="two meta-parameters"):
        EvolutionSearch(Vector([0.1]), TASKS).fit()


def linear(t, t_planned):
    return 1 - (t - 1) / t_planned


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [("cosine", (1 + np.cos(np.pi * np.arange(4) / 4)) / 2), (linear, [1.0, 0.75, 0.5, 0.25])],
)
def test_schedules_of_the_outer_step_are_planned_for_the_iterations(schedule, factors):
    seen = []
    search(
        update_rule=SGD(1.0, schedule=schedule),
        average_decay=0,
        scales=np.ones(38),
        callback=lambda s, row: seen.append((s.meta_params_, row["gradient_norm"])),
    ).fit()
    numbers = np.array([learned().meta_params_, *[numbers for numbers, _ in seen]])
    steps = np.linalg.norm(np.diff(numbers, axis=0), axis=1)
    np.testing.assert_allclose(steps, factors * np.array([norm for _, norm in seen]), rtol=1e-9)


def test_outer_rules_are_ours():
    one, other = search(update_rule=Adam(0.01)).fit(), search().fit()
    assert_same(one, other)
    assert not np.array_equal(search(update_rule="rprop").fit().meta_params_, one.meta_params_)
