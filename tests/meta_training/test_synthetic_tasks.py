"""Synthetic tasks: the same bits by seed and index, and what their distribution promises."""

import hashlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from sklearn_metabp import SGD, BackpropMLPClassifier
from sklearn_metabp.meta_training import SyntheticTasks, Task, TaskFamily, rollout
from sklearn_metabp.meta_training.synthetic_problems import FUNCTIONS, TableProblem, on_grid

PINNED = (((440, 37), (110, 37)), [[868, -393], [868, -34]])
ROWS = ("X", "y", "X_val", "y_val", "X_test", "y_test")
FAMILY = SyntheticTasks(3)
DRAWN = [FAMILY.draw(index) for index in range(400)]
TASKS = [drawn.task for drawn in DRAWN]
CLEAN = np.array([drawn.settings["is_clean"] for drawn in DRAWN])
N_ROWS = np.array([len(task.X) for task in TASKS])
N_FEATURES = np.array([task.X.shape[1] for task in TASKS])
IS_CLASSIFICATION = np.array([isinstance(t.estimator, BackpropMLPClassifier) for t in TASKS])


def settings(name, where=True):
    return np.array([d.settings[name] for d in DRAWN if where is True or where(d.settings)])


def digest(task):
    arrays = (task.X, task.y, task.X_val, task.y_val)
    parts = [np.ascontiguousarray(array).tobytes() for array in arrays]
    return hashlib.sha256(b"".join(parts) + repr(task.estimator).encode()).hexdigest()


def test_a_task_depends_on_seed_and_index_alone():
    again = SyntheticTasks(3)
    for index in (17, 2, 17):
        assert again[index] == TASKS[index]
    assert SyntheticTasks(4)[2] != TASKS[2]
    assert len({digest(task) for task in TASKS}) == len(TASKS)


def test_another_process_makes_the_same_bits():
    code = (
        "from sklearn_metabp.meta_training import SyntheticTasks; import hashlib, numpy as np\n"
        "task = SyntheticTasks(3)[11]\n"
        "arrays = (task.X, task.y, task.X_val, task.y_val)\n"
        "parts = [np.ascontiguousarray(array).tobytes() for array in arrays]\n"
        "whole = b''.join(parts) + repr(task.estimator).encode()\n"
        "print(hashlib.sha256(whole).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest(TASKS[11])


def test_the_bits_of_a_task_are_those_of_the_first_release():
    # Pins the distribution: rules that ship are made again from it.
    task = SyntheticTasks(0)[0]
    assert (task.X.shape, task.X_val.shape) == PINNED[0]
    np.testing.assert_array_equal(task.X[:2, :2] * 1024, PINNED[1])


def test_numbers_are_on_a_grid_that_makes_products_exact():
    rng = np.random.default_rng(0)
    A, B = on_grid(9 * rng.standard_normal((50, 130))), on_grid(rng.standard_normal((130, 7)))
    as_integers = (A * 1024).astype(int).astype(object) @ (B * 1024).astype(int).astype(object)
    np.testing.assert_array_equal(A @ B, (as_integers / 2**20).astype(float))
    for task in TASKS[:20]:
        np.testing.assert_array_equal(task.X * 1024, np.rint(task.X * 1024))


def test_rows_are_small_and_log_uniform():
    noisy = np.log(N_ROWS[~CLEAN])
    assert np.exp(noisy.min()) >= 40 and N_ROWS.max() <= 1500 and N_ROWS[CLEAN].min() >= 400
    shares = (noisy - np.log(40)) / np.log(1500 / 40)
    # Kolmogorov and Smirnov: the largest distance from the uniform distribution.
    distance = np.abs(np.sort(shares) - np.linspace(0, 1, len(shares))).max()
    assert distance < 1.6 / np.sqrt(len(shares))
    n_val = np.array([len(task.X_val) for task in TASKS])
    np.testing.assert_array_equal(n_val, np.clip(N_ROWS // 4, 20, 300))
    assert 0.25 <= CLEAN.mean() <= 0.4


def test_features_are_few_and_some_have_many():
    is_table = settings("kind") != "patches"
    assert N_FEATURES[is_table].min() == 2 and N_FEATURES.max() <= 130
    assert 0.03 < np.mean(N_FEATURES[is_table] > 48) < 0.12
    assert np.any(settings("n_relevant") < 0.5 * N_FEATURES)


def test_labels_and_numbers_are_in_their_ranges():
    is_label = lambda s: s["n_classes"] > 0  # noqa: E731
    for task, is_classification in zip(TASKS, IS_CLASSIFICATION, strict=True):
        if is_classification:
            classes, counts = np.unique(task.y, return_counts=True)
            np.testing.assert_array_equal(classes, np.arange(len(classes)))
            assert 2 <= len(classes) <= 10 and counts.min() >= 3
            assert set(task.y_val) <= set(classes)
        else:
            assert (1 if task.y.ndim == 1 else task.y.shape[1]) <= 5
    assert 0.5 < IS_CLASSIFICATION.mean() < 0.7
    noisy = lambda s: is_label(s) and not s["is_clean"]  # noqa: E731
    flips, scales = settings("flips", noisy), settings("logit_scale", noisy)
    assert flips.max() <= 0.25 and flips.max() > 0.15 and np.mean(flips == 0) > 0.3
    assert 0.3 <= scales.min() < 0.5 and 8 < scales.max() <= 12
    numbers = lambda s: s["n_targets"] > 0 and not s["is_clean"]  # noqa: E731
    r2 = settings("r2", numbers)
    assert 0.1 <= r2.min() < 0.3 and 0.95 < r2.max() <= 0.99
    assert 0.15 < np.mean(settings("tail", numbers) == 3) < 0.45
    clean = settings("r2", lambda s: s["n_targets"] > 0 and s["is_clean"])
    assert clean.min() >= 0.999


def test_data_are_standardised_and_of_mixed_shapes():
    columns = [column for task in TASKS for column in task.X.astype(float).T]
    means, deviations = (np.array([f(c) for c in columns]) for f in (np.mean, np.std))
    is_constant = deviations == 0
    assert np.abs(means).max() < 2e-3 and is_constant.mean() < 0.02
    assert np.abs(deviations[~is_constant] - 1).max() < 5e-3
    n_values = np.array([len(np.unique(column)) for column in columns])
    assert 0.08 < np.mean(n_values == 2) < 0.2  # binary
    skewness = np.array([np.mean(column**3) for column in columns])
    assert np.mean(skewness > 1.5) > 0.05
    for task, is_classification in zip(TASKS, IS_CLASSIFICATION, strict=True):
        if not is_classification:
            assert np.abs(task.y.mean(axis=0)).max() < 2e-3
            assert np.abs(task.y.std(axis=0) - 1).max() < 5e-3


def test_features_are_as_correlated_as_drawn():
    rng = np.random.RandomState(0)
    spread = []
    for correlation in (0.01, 0.9):
        problem = TableProblem(rng, 12, correlation, 12, FUNCTIONS["linear"], 1)
        features, _ = problem.draw(rng, 4000)
        off_diagonal = np.corrcoef(features.T)[np.triu_indices(12, 1)]
        spread.append(np.sqrt(np.mean(off_diagonal**2)))
    assert spread[0] < 0.05 and spread[1] > 0.2


def test_networks_and_horizons_are_those_of_the_study():
    for task, horizon in zip(TASKS, settings("horizon"), strict=True):
        network, n_rows = task.estimator, len(task.X)
        assert 1 <= len(network.hidden_layer_sizes) <= 3
        assert 8 <= min(network.hidden_layer_sizes) <= max(network.hidden_layer_sizes) <= 64
        assert network.activation in ("tanh", "relu") and network.batch_size <= min(128, n_rows)
        assert min(16, n_rows) <= network.batch_size
        n_batches = -(-n_rows // network.batch_size)
        assert 30 <= horizon <= 600
        assert abs(network.max_iter * n_batches - horizon) <= max(n_batches / 2, 1)
    wide = SyntheticTasks(3, max_width=256)[:60]
    assert 128 < max(max(task.estimator.hidden_layer_sizes) for task in wide) <= 256


def test_a_curriculum_begins_with_short_trainings():
    family = SyntheticTasks(3, curriculum=200, horizon=(30, 2000))
    first = [family.draw(index).settings["horizon"] for index in range(50)]
    later = [family.draw(index).settings["horizon"] for index in range(200, 300)]
    assert max(first) <= 150 * (2000 / 150) ** 0.25 and 1000 < max(later) <= 2000


@pytest.mark.parametrize("index", range(12))
def test_trusted_tasks_train_as_checked_ones(index):
    task = TASKS[index]
    checked = Task(task.estimator, task.X, task.y, task.X_val, task.y_val)
    one, other = (rollout(each, "adam", 0, n_epochs=2) for each in (task, checked))
    assert checked == task == pickle.loads(pickle.dumps(task))
    np.testing.assert_array_equal(one.loss_curve, other.loss_curve)
    np.testing.assert_array_equal(one.validation_loss_curve, other.validation_loss_curve)
    np.testing.assert_array_equal(one.validation_scores, other.validation_scores)


def test_there_is_something_to_learn_that_holds_on_test_rows():
    gains = []
    for drawn in DRAWN[:60]:
        X, y = drawn.task.X, drawn.task.y
        X_test, y_test = drawn.test_rows(300)
        assert X_test.shape == (300, X.shape[1])
        if drawn.settings["kind"] != "linear":
            continue
        if drawn.settings["n_classes"]:
            score = LogisticRegression(C=0.1).fit(X, y).score(X_test, y_test)
            gains.append(score - np.mean(y_test == np.bincount(y).argmax()))
        else:
            gains.append(Ridge(10).fit(X, y).score(X_test, y_test))
    assert len(gains) > 4 and np.mean(gains) > 0.1
    first, again = DRAWN[5].test_rows(50), DRAWN[5].test_rows(50)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])


def test_a_share_of_the_tasks_has_other_scales():
    scaled = SyntheticTasks(3, scale_share=0.5)
    inputs, starts = [], []
    for index in range(100):
        task, plain, drawn = scaled[index], TASKS[index], scaled.draw(index).settings
        inputs.append(drawn["input_scale"])
        starts.append(drawn["initial_scale"])
        same = {name: value for name, value in drawn.items() if not name.endswith("_scale")}
        assert same.items() <= DRAWN[index].settings.items()
        expected = np.clip(drawn["input_scale"] * plain.X.astype(float), -64, 64)
        np.testing.assert_allclose(task.X, expected, atol=0.51 / 1024)
        np.testing.assert_array_equal(task.y_val, plain.y_val)
        if index < 10:
            still = [
                rollout(each, SGD(1e-30), 0, n_epochs=1, return_estimator=True)
                for each in (task, plain)
            ]
            ours, usual = (record.estimator.params_ for record in still)
            np.testing.assert_allclose(ours, starts[-1] * usual, rtol=1e-6)
    is_scaled = np.array(inputs) != 1
    np.testing.assert_array_equal(is_scaled, np.array(starts) != 1)
    assert 0.35 < is_scaled.mean() < 0.65
    for scales, low, high in ((inputs, 0.15, 6), (starts, 0.2, 3.5)):
        shares = np.log(np.array(scales)[is_scaled] / low) / np.log(high / low)
        assert 0 <= shares.min() < 0.1 and 0.9 < shares.max() <= 1
    assert pickle.loads(pickle.dumps(scaled[0])) == scaled[0]


def test_tasks_may_have_test_rows_that_no_other_rows_are_like():
    with_test = SyntheticTasks(3, n_test=70)
    for index in range(8):
        task, plain = with_test[index], TASKS[index]
        assert task.X_test.shape == (70, plain.X.shape[1])
        np.testing.assert_array_equal(task.X, plain.X)
        np.testing.assert_array_equal(task.y_val, plain.y_val)
        drawn_X, _ = with_test.draw(index).test_rows(70)
        assert not np.array_equal(drawn_X, task.X_test)
        checked = Task(plain.estimator, *(getattr(task, name) for name in ROWS))
        one, other = (rollout(each, "adam", 0, n_epochs=2) for each in (task, checked))
        assert one.chosen_test_loss == other.chosen_test_loss and 0 < one.chosen_test_loss < 10
    assert plain.X_test is None


def test_dtypes_have_the_same_numbers():
    wide = SyntheticTasks(3, dtype="float64")[5]
    assert wide.X.dtype == np.float64 and TASKS[5].X.dtype == np.float32
    np.testing.assert_array_equal(wide.X, TASKS[5].X)


@pytest.mark.parametrize(
    "params",
    [
        {"random_state": -1},
        {"random_state": None},
        {"clean_share": 1.1},
        {"horizon": (50, 40)},
        {"max_width": 7},
        {"curriculum": 0},
        {"scale_share": -0.1},
        {"n_test": -1},
        {"dtype": "float16"},
    ],
)
def test_parameters_out_of_range_are_refused(params):
    (name,) = params
    with pytest.raises(ValueError, match=name):
        SyntheticTasks(**params)


def test_slices_need_an_end():
    assert FAMILY[2:8:3] == [TASKS[2], TASKS[5]]
    with pytest.raises(ValueError, match="no last task"):
        FAMILY[2:]
    with pytest.raises(ValueError, match="index"):
        FAMILY[-1]


def from_index(index):
    task = TASKS[index]
    return task.estimator, task.X, task.y, task.X_val, task.y_val


def test_a_family_is_a_function_or_a_list():
    by_function, by_list = TaskFamily(from_index), TaskFamily(TASKS[:3])
    assert by_function[2] == TASKS[2] == by_list[2] == by_list[5] != by_list[3]
    assert by_list.maker(4)() == TASKS[1]
    assert len(pickle.dumps(by_list.maker(4))) < len(pickle.dumps(TASKS[:3]))
    with pytest.raises(ValueError, match="task 0"):
        TaskFamily([3])
    with pytest.raises(ValueError, match="index"):
        by_function[-1]


def test_regressions_can_have_a_share_of_clean_tasks_of_their_own():
    usual = [SyntheticTasks(4).draw(index).settings for index in range(300)]
    other = [
        SyntheticTasks(4, clean_regression_share=0.8).draw(index).settings for index in range(300)
    ]
    for before, after in zip(usual, other, strict=True):
        assert before["n_classes"] == after["n_classes"]
        if before["n_classes"]:
            assert before == after
        else:
            assert after["is_clean"] or not before["is_clean"]
    shares = [
        np.mean([one["is_clean"] for one in settings if not one["n_classes"]])
        for settings in (usual, other)
    ]
    np.testing.assert_allclose(shares, [0.3, 0.8], atol=0.1)


def test_the_kinds_of_clean_tasks_can_be_chosen():
    tasks = SyntheticTasks(4, clean_share=1.0, clean_kinds={"linear": 2, "patches": 2})
    assert tasks.clean_kinds == {"linear": 0.5, "patches": 0.5}
    assert {tasks.draw(index).settings["kind"] for index in range(20)} == {"linear", "patches"}
    for kinds in ({}, {"linear": 0}, {"linear": -1}, {"linear": np.nan}, {"curves": 1}):
        with pytest.raises(ValueError, match="clean_kinds must have"):
            SyntheticTasks(clean_kinds=kinds)
