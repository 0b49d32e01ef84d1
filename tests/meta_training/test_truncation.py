"""Truncated trainings: parts that make a whole, and gradients without the bias of truncation."""

import numpy as np
import pytest

from sklearn_metabp import (
    SGD,
    Adam,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    LearnedUpdateRule,
)
from sklearn_metabp.meta_training import (
    EvolutionSearch,
    SyntheticTasks,
    Task,
    rollout,
    rollout_seed,
)
from sklearn_metabp.meta_training.objectives import as_objective
from sklearn_metabp.meta_training.rollout import rollout_part
from sklearn_metabp.meta_training.seeds import NOISE, seeded
from sklearn_metabp.meta_training.strategies import AntitheticPairs

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 3))
Y = (X[:, 0] > 0).astype(int)
# Three steps an epoch, and ten epochs.
NETWORK = BackpropMLPClassifier((4,), batch_size=20, max_iter=10, n_iter_no_change=np.inf)
TASK = Task(NETWORK, X[:60], Y, X[:20], Y[:20], X[20:40], Y[20:40])
LONG = SyntheticTasks(1, horizon=(30, 60))
SHORT = SyntheticTasks(1, horizon=(8, 20))


def learned():
    rule = LearnedUpdateRule(BackpropMLPRegressor((4,), "tanh"), random_state=0)
    return rule.initialize(normalizer="1", scale=0.01)


def search(tasks=LONG, **params):
    defaults = {"objective": "fit", "n_iterations": 6, "n_pairs": 3, "random_state": 5}
    return EvolutionSearch(learned(), tasks, **defaults | params)


def assert_same(one, other):
    np.testing.assert_array_equal(one.meta_params_, other.meta_params_)
    for name, column in one.history_.items():
        if name != "seconds":
            np.testing.assert_array_equal(column, other.history_[name], err_msg=name)


@pytest.mark.parametrize(
    "rule",
    [
        Adam(0.01, schedule="cosine"),
        Averaged(SGD(0.1, momentum=0.9, schedule="one_cycle"), decay=0.9),
        learned(),
    ],
    ids=["schedule", "average", "learned"],
)
@pytest.mark.parametrize(("n_steps", "lengths"), [(3, [1] * 10), (11, [4, 4, 2]), (99, [10])])
def test_parts_make_a_whole_training(rule, n_steps, lengths):
    whole = rollout(TASK, rule, 3, return_estimator=True)
    state, records = None, []
    for _ in lengths:
        record, state = rollout_part(TASK, rule, 3, state, n_steps)
        records.append(record)
    assert state is None
    assert [len(record.loss_curve) for record in records] == lengths
    assert [record.n_steps for record in records] == [3 * length for length in lengths]
    for name in ("loss_curve", "validation_loss_curve", "validation_scores"):
        whole_curve = np.concatenate([getattr(record, name) for record in records])
        np.testing.assert_array_equal(whole_curve, getattr(whole, name))
    np.testing.assert_array_equal(records[-1].estimator.params_, whole.estimator.params_)


def test_a_part_leaves_the_state_that_it_continues_as_it_was():
    _, state = rollout_part(TASK, Adam(), 3, None, 9)
    before = state.params.copy()
    first, second = (rollout_part(TASK, Adam(), 3, state, 9) for _ in range(2))
    np.testing.assert_array_equal(state.params, before)
    np.testing.assert_array_equal(first.record.loss_curve, second.record.loss_curve)


def test_a_part_is_validated_at_its_own_epochs():
    _, state = rollout_part(TASK, Adam(), 3, None, 12, n_validations=2)
    record, _ = rollout_part(TASK, Adam(), 3, state, 12, n_validations=2)
    np.testing.assert_array_equal(np.isnan(record.validation_loss_curve), [1, 0, 1, 0])


def test_a_part_that_diverges_ends_the_training_and_counts_to_its_end():
    _, state = rollout_part(TASK, Adam(), 3, None, 12)
    record, after = rollout_part(TASK, SGD(1e200), 3, state, 12)
    assert record.diverged and after is None and record.n_planned_epochs == 4
    value = as_objective("log_curve").value(record, TASK)
    n_sound = len(record.loss_curve)
    sound = np.log(np.minimum(record.loss_curve, 1e3) + 0.005).sum()
    assert value == pytest.approx((sound + (4 - n_sound) * np.log(1000.005)) / 4)
    assert 0 < record.n_steps < 12


def mean_gradient(ended_after, n_parts=4, n_passes=2, n_pairs=1500):
    """The sum over the parts of a training of the estimates, for losses that are linear.

    With the state s' = A s + B theta, s = 0 at the beginning, and the loss c s of a part.
    """
    A, B, c = np.array([[0.9, 0.3], [0.0, 0.8]]), np.array([[1.0, 0.2], [-0.5, 1.0]]), [1.0, -2.0]
    # The losses are linear, so the gradient does not depend on where the steps have led.
    pairs = AntitheticPairs(
        np.zeros(2), SGD(1.0), 0.0, 10, n_pairs=n_pairs, sigma=0.001, random_state=0
    )
    states = np.zeros((n_pairs, 2, 2))
    for part in range(1, n_parts * n_passes + 1):
        states = states @ A.T + pairs.ask(part) @ B.T
        is_last = part % n_parts == 0
        pairs.tell(part, states @ c, np.full(n_pairs, part % ended_after == 0))
        if is_last:
            states = np.zeros_like(states)
    powers = [np.linalg.matrix_power(A, k) @ B for k in range(n_parts)]
    by_part = [c @ sum(powers[: part + 1]) for part in range(n_parts)]
    estimate = -pairs.kept / n_passes
    return estimate, np.sum(by_part, axis=0), n_parts * (c @ B)


def test_estimates_of_truncated_trainings_have_no_bias():
    estimate, gradient, of_the_last_parts = mean_gradient(ended_after=4)
    size = np.linalg.norm(gradient)
    assert np.linalg.norm(estimate - gradient) < 0.1 * size
    # Noise that is forgotten after every part: the gradient by way of the last part alone.
    truncated, _, _ = mean_gradient(ended_after=1)
    assert np.linalg.norm(truncated - of_the_last_parts) < 0.1 * size
    assert np.linalg.norm(truncated - gradient) > 0.4 * size


def test_two_iterations_of_a_pair_by_hand():
    fitted = search(
        [TASK],
        n_iterations=2,
        n_pairs=1,
        truncation=12,
        sigma=0.1,
        objective="final_loss",
        update_rule=SGD(0.5),
        average_decay=0,
    ).fit()
    rule = learned()
    vector = rule.meta_params_ / rule.meta_scales_
    noises = [seeded(5, number, NOISE).standard_normal(len(vector)) for number in (0, 1)]
    states, xi = [None, None], 0.0
    for number in (0, 1):
        xi = xi + noises[number]
        values = []
        for side, sign in enumerate((1, -1)):
            moved = rule.with_meta_params(
                rule.meta_scales_ * (vector + sign * 0.1 * noises[number])
            )
            record, states[side] = rollout_part(
                TASK, moved, rollout_seed(5, 0, 0), states[side], 12
            )
            values.append(np.log(record.loss + 0.005))
        vector = vector - 0.5 * np.clip(values[0] - values[1], -1, 1) * xi / (2 * 0.1)
    np.testing.assert_allclose(fitted.meta_params_, rule.meta_scales_ * vector, rtol=1e-12)
    assert fitted.history_["n_steps"].tolist() == [24, 24]


def test_a_part_of_the_whole_length_is_no_truncation():
    # The states that restarts begin at are others.
    whole = search(SHORT, restart_share=0).fit()
    assert_same(whole, search(SHORT, restart_share=0, truncation=10_000).fit())


def test_trainings_go_on_over_iterations_and_others_follow():
    seen = []
    fitted = search(truncation=15, objective=lambda record: seen.append(record) or record.loss)
    fitted.fit()
    lengths = [record.n_planned_epochs for record in seen]
    assert len(seen) == 36 and max(lengths) < max(LONG[i].estimator.max_iter for i in range(3))
    assert len({record.estimator.params_.shape for record in seen}) > 3


def test_numbers_of_processes_change_no_bit():
    assert_same(search(truncation=15).fit(), search(truncation=15, n_jobs=2).fit())


def test_an_interrupted_search_goes_on_to_the_same_bits(tmp_path):
    class Stop(Exception):
        pass

    def stop(fitted, row):
        if row["iteration"] == 4:
            raise Stop

    whole = search(truncation=15).fit()
    with pytest.raises(Stop):
        search(truncation=15, checkpoint=tmp_path, callback=stop).fit()
    (path,) = tmp_path.iterdir()
    assert path.suffix == ".safetensors"  # nothing was pickled
    rows = []
    resumed = search(
        truncation=15, checkpoint=tmp_path, callback=lambda s, row: rows.append(row["iteration"])
    ).fit()
    assert rows == [4, 5, 6]
    assert_same(whole, resumed)


def test_ctrl_c_in_an_iteration_leaves_the_last_whole_one():
    calls = []

    def interrupt(record):
        calls.append(record)
        if len(calls) == 15:  # in the third iteration, of six trainings each
            raise KeyboardInterrupt
        return record.loss

    with pytest.warns(UserWarning, match="after 2 of 6 iterations"):
        stopped = search(truncation=15, objective=interrupt).fit()
    whole = search(truncation=15, objective=lambda record: record.loss, n_iterations=2)
    np.testing.assert_array_equal(stopped.meta_params_, whole.fit().meta_params_)


def test_a_failure_ends_the_training_and_others_may_start_there():
    fitted = search(
        [TASK], truncation=6, sigma=30.0, restart_share=1.0, n_iterations=8, n_pairs=4
    ).fit()
    assert fitted.history_["n_failed"].sum() > 0
    assert fitted.history_["n_restarted"].sum() > 0
    index, state = fitted.failures_[0]
    assert isinstance(index, int) and state.shape == (4 * 3 + 4 + 4 + 1,)


def test_truncation_is_a_number_of_steps():
    with pytest.raises(ValueError, match="truncation"):
        search(truncation=0).fit()
