"""A pool of rules: every training is recorded, and the best rule for a task is found."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.utils import check_random_state

from sklearn_metabp import SGD, BackpropMLPRegressor, LearnedUpdateRule, UpdateRule
from sklearn_metabp.meta_training import Task, aggregate, record_pool, rollout, rollout_seed

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 2))
Y = X @ [1.0, -0.5] + 0.1 * RNG.standard_normal(40)


def task(scale=1.0, n_epochs=4, validate=True):
    """Return a linear regression; of X times 100 a rate of 0.3 blows up, and 1e-5 is right."""
    network = BackpropMLPRegressor((), batch_size=10, max_iter=n_epochs, alpha=0.0)
    network.set_params(n_iter_no_change=np.inf)
    rows = scale * X
    return Task(network, rows[:30], Y[:30], *((rows[30:], Y[30:]) if validate else ()))


class Wild(UpdateRule):
    """A rule whose trainings diverge in their first step."""

    def init_state(self, layout):
        return {}

    def compute_update(self, step, state):
        return np.full_like(step.gradients, np.inf)


SLOW, FAST = SGD(1e-5), SGD(0.3)


def test_every_run_is_the_rollout_of_its_task_rule_and_start():
    tasks, rules = [task(), task(100.0)], [SLOW, FAST]
    pool = record_pool(tasks, rules, n_starts=3, random_state=5)
    seed = check_random_state(5).randint(2**31)
    assert pool.losses.shape == (2, 2, 3)
    firsts = {}
    for number, (t, r, s) in enumerate(zip(pool.tasks, pool.rules, pool.starts, strict=True)):
        record = rollout(tasks[t], rules[r], rollout_seed(seed, t, s))
        run = pool.trace.run(number)
        assert len(run) == record.n_steps
        expected = np.inf if record.diverged else record.validation_loss_curve.min()
        assert pool.losses[t, r, s] == expected == pool.run_losses[number]
        rate = [1e-5, 0.3][r]
        np.testing.assert_allclose(run.updates, -rate * run.gradients, rtol=1e-12)
        firsts.setdefault((t, s), set()).add(run.params[0].tobytes())
    assert all(len(starts) == 1 for starts in firsts.values())
    assert len(set.union(*firsts.values())) == 6


def test_the_best_rule_has_the_lowest_mean_log_loss_over_the_starts():
    pool = record_pool([task(), task(100.0)], [SLOW, FAST], n_starts=2, random_state=0)
    with np.errstate(divide="ignore"):
        means = np.log(np.minimum(pool.losses, 1e12) + 1e-8).mean(axis=2)
    np.testing.assert_array_equal(pool.best_rules, np.argmin(means, axis=1))
    np.testing.assert_array_equal(pool.best_rules, [1, 0])
    best = pool.best_trace
    chosen = np.unique(best.runs)
    np.testing.assert_array_equal(pool.rules[chosen], pool.best_rules[pool.tasks[chosen]])
    assert len(chosen) == 4
    assert len(best) == sum(len(pool.trace.run(number)) for number in chosen)


def test_without_validation_rows_the_loss_at_the_end_decides():
    pool = record_pool([task(validate=False)], [SLOW, FAST], random_state=1)
    seed = check_random_state(1).randint(2**31)
    losses = [
        rollout(task(validate=False), rule, rollout_seed(seed, 0, 0)).loss for rule in (SLOW, FAST)
    ]
    np.testing.assert_array_equal(pool.losses[0, :, 0], losses)


def test_the_validation_rows_and_not_the_training_rows_decide():
    """Validation labels with the other sign, ten times as large: who learns is worse."""
    known = task()
    wrong = Task(known.estimator, known.X, known.y, known.X_val, -10 * known.y_val)
    pool = record_pool([known, wrong], [SLOW, FAST], n_starts=3, random_state=0)
    np.testing.assert_array_equal(pool.best_rules, [1, 0])


def test_a_training_without_a_step_has_no_run_and_the_others_keep_their_places():
    pool = record_pool([task(), task()], [Wild(), FAST], random_state=0)
    np.testing.assert_array_equal(pool.tasks, [0, 1])
    np.testing.assert_array_equal(pool.rules, [1, 1])
    np.testing.assert_array_equal(np.isinf(pool.losses[:, :, 0]), [[True, False]] * 2)
    nothing = record_pool([task()], [Wild()], random_state=0)
    assert len(nothing.trace) == 0
    assert nothing.run_losses.shape == (0,)


def test_advantage_of_a_pool_finds_the_best_rule():
    pool = record_pool([task(), task(100.0)], [SLOW, FAST], n_starts=2, random_state=0)
    weights = pool.trace.advantage(pool.tasks, losses=pool.run_losses, temperature=0.1)
    is_best = (pool.best_rules[pool.tasks] == pool.rules)[pool.trace.runs]
    assert weights[is_best].min() > weights[~is_best].max()


@pytest.mark.parametrize("rules", [[], SGD(0.1), "sgd"])
def test_rules_must_be_a_list(rules):
    with pytest.raises(ValueError, match="rules must be a list of rules with at least one"):
        record_pool([task()], rules)


def test_one_teacher_in_a_list_is_that_teacher():
    fitted = [
        aggregate(LearnedUpdateRule(Ridge()), teacher, [task(), task()], n_rounds=2, random_state=3)
        for teacher in (FAST, [FAST])
    ]
    np.testing.assert_array_equal(fitted[0].learner_.coef_, fitted[1].learner_.coef_)


def test_of_several_teachers_the_best_for_a_task_teaches_there(monkeypatch):
    traces, fit = [], LearnedUpdateRule.fit_drawn

    def noted(rule, drawn):
        traces.append(drawn.trace)
        return fit(rule, drawn)

    monkeypatch.setattr(LearnedUpdateRule, "fit_drawn", noted)
    tasks = [task(), task(100.0)]
    aggregate(
        LearnedUpdateRule(Ridge()), [SLOW, FAST], tasks, n_rounds=1, n_starts=2, random_state=0
    )
    first, last = traces
    assert len(first.layouts) == 4
    assert len(last.layouts) == 8
    for number in range(8):
        run = last.run(number)
        rate = [0.3, 1e-5][number // 2 % 2]  # two starts of the one task, two of the other
        np.testing.assert_allclose(run.teacher_updates, -rate * run.gradients, rtol=1e-12)
        if number < 4:
            np.testing.assert_array_equal(run.updates, run.teacher_updates)


def test_no_teachers_are_an_error():
    with pytest.raises(ValueError, match="teacher must be a list of rules with at least one"):
        aggregate(LearnedUpdateRule(), [], [task()])
