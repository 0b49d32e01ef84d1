"""compare_rules: what it trains, what it measures, and the summary over tasks."""

import numpy as np
import pytest
from scipy.stats import trim_mean
from sklearn.datasets import load_diabetes, load_wine
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.meta_training import RuleComparison, Task, compare_rules, rollout_seed
from sklearn_metabp.meta_training.rule_comparison import ComparedTraining

N_EPOCHS = 12


def split(load, seed=0):
    X, y = load(return_X_y=True)
    y = y if y.dtype.kind == "i" else scale(y)
    X, X_rest, y, y_rest = train_test_split(scale(X), y, test_size=0.5, random_state=seed)
    X_val, X_test, y_val, y_test = train_test_split(
        X_rest, y_rest, test_size=0.5, random_state=seed
    )
    return X, y, X_val, y_val, X_test, y_test


def make_task(load=load_wine, seed=0, **params):
    kind = BackpropMLPClassifier if load is load_wine else BackpropMLPRegressor
    network = kind((6,), batch_size=20, max_iter=N_EPOCHS, alpha=0.0)
    network.set_params(n_iter_no_change=np.inf, **params)
    return Task(network, *split(load, seed))


def train_by_hand(task, rule, random_state):
    """The networks after 1, 2, … epochs, each trained from the beginning."""
    networks = []
    for n_epochs in range(1, N_EPOCHS + 1):
        network = type(task.estimator)(**task.estimator.get_params())
        network.set_params(update_rule=rule, max_iter=n_epochs, random_state=random_state)
        networks.append(network.fit(task.X, task.y))
    return networks


def loss_of(network, X, y):
    if isinstance(network, BackpropMLPClassifier):
        return log_loss(y, network.predict_proba(X))
    return np.mean((y - network.predict(X)) ** 2) / 2


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("load", [load_wine, load_diabetes])
@pytest.mark.parametrize("rule", [Adam(0.05), SGD(0.3)], ids=repr)
def test_measures_are_those_of_networks_trained_by_hand(load, rule):
    task = make_task(load)
    (training,) = compare_rules({"it": rule}, [task], random_state=3).trainings
    seed = int(np.random.RandomState(3).randint(2**31))
    networks = train_by_hand(task, rule, rollout_seed(seed, 0, 0))
    validation = [loss_of(network, task.X_val, task.y_val) for network in networks]
    chosen = networks[int(np.argmin(validation))]
    assert training.validation_loss == pytest.approx(min(validation), rel=1e-9)
    assert training.test_loss == pytest.approx(loss_of(chosen, task.X_test, task.y_test), rel=1e-9)
    final = loss_of(networks[-1], task.X_test, task.y_test)
    assert training.final_test_loss == pytest.approx(final, rel=1e-9)
    assert training.training_loss == pytest.approx(networks[-1].loss_, rel=1e-12)
    score = accuracy_score if load is load_wine else r2_score
    predicted = chosen.predict(task.X_test)
    assert training.score == pytest.approx(score(task.y_test, predicted), rel=1e-9)
    assert training.n_steps == N_EPOCHS * -(-len(task.X) // 20)
    assert not training.diverged


def test_a_tuned_rule_is_its_candidate_with_the_lowest_validation_loss():
    tasks = [make_task(load_wine), make_task(load_diabetes)]
    rules = {f"Adam {rate:g}": Adam(rate) for rate in (1e-4, 1e-2, 0.3)}
    alone = compare_rules(rules, tasks, n_starts=2, random_state=5)
    tuned = compare_rules({}, tasks, tuned={"Adam": [*rules.values()]}, n_starts=2, random_state=5)
    for training in tuned.trainings:
        same = [
            one
            for one in alone.trainings
            if (one.task, one.start) == (training.task, training.start)
        ]
        best = min(same, key=lambda one: one.validation_loss)
        assert training.candidate == same.index(best)
        for name in ("validation_loss", "test_loss", "final_test_loss", "training_loss", "score"):
            assert getattr(training, name) == getattr(best, name)


def test_rules_start_alike_and_processes_change_nothing():
    tasks = [make_task(load_wine, seed) for seed in (0, 1)]
    rules = {"one": Adam(0.01), "same": Adam(0.01), "other": SGD(0.1)}
    here = compare_rules(rules, tasks, n_starts=2, random_state=0)
    there = compare_rules(rules, tasks, n_starts=2, random_state=0, n_jobs=2)

    def without_time(comparison):
        return [{**vars(one), "seconds": 0, "training_seconds": 0} for one in comparison.trainings]

    assert without_time(here) == without_time(there)
    np.testing.assert_array_equal(here.ratios()["same"], 1.0)
    assert len({one.test_loss for one in here.trainings if one.rule == "one"}) == 4


def test_steps_to_the_reference_are_read_off_the_loss_curve():
    task = make_task()
    rules = {"slow": SGD(0.01), "fast": Adam(0.05)}
    comparison = compare_rules(rules, [task], random_state=0, reference="slow")
    slow, fast = comparison.trainings
    assert slow.steps_to(slow.training_loss) == slow.n_steps
    n_epochs = next(n for n, loss in enumerate(fast.loss_curve, 1) if loss <= slow.training_loss)
    steps = n_epochs * -(-len(task.X) // 20)
    assert fast.steps_to(slow.training_loss) == steps < slow.n_steps
    ratios = comparison.ratios("steps_to_reference")
    assert ratios["fast"] == pytest.approx([steps / slow.n_steps])
    seconds = fast.training_seconds * steps / fast.n_steps
    ratios = comparison.ratios("seconds_to_reference")
    assert ratios["fast"] == pytest.approx([seconds / slow.training_seconds], rel=1e-4)
    assert slow.steps_to(fast.training_loss) == np.inf
    ratios = comparison.select(reference="fast").ratios("steps_to_reference")
    assert ratios["slow"] == pytest.approx([1000.0])


def test_a_divergence_counts_and_is_not_chosen():
    task = make_task()
    rules = {"wild": SGD(1e300), "calm": SGD(0.1)}
    comparison = compare_rules(
        rules, [task], tuned={"tuned": [SGD(1e300), SGD(0.1)]}, random_state=0, reference="calm"
    )
    wild, calm, tuned = comparison.trainings
    assert wild.diverged and wild.test_loss == wild.training_loss == np.inf
    assert tuned.candidate == 1 and tuned.test_loss == calm.test_loss
    assert comparison.ratios()["wild"] == pytest.approx([1000.0])
    assert [one.diverged for one in comparison.summary()] == [1.0, 0.0, 0.0]


def made_up(losses, groups=None, settings=None, rules=("base", "it")):
    """A comparison of a rule with losses over a reference with loss 1, one start per task."""
    curve = (2.0, 1.0)
    trainings = [
        ComparedTraining(
            *(rule, number, 0, 0, False, 0.0, loss, 0.0, 0.0, score, 1, 1.0, 1.0, curve)
        )
        for number, value in enumerate(losses)
        for rule, loss, score in zip(rules, (1.0, value), (0.5, 0.51), strict=True)
    ]
    settings = tuple(settings or range(len(losses)))
    return RuleComparison(trainings, rules, rules[0], settings, tuple(groups or settings))


def test_the_summary_by_hand():
    base, it = made_up([0.1, 0.5, 0.8, 0.8, 0.9, 1.2, 2.0, 8.0]).summary()
    assert (base.iqm, base.iqm_low, base.iqm_high, base.won) == (1.0, 1.0, 1.0, 0.0)
    assert it.iqm == pytest.approx((0.8 + 0.8 + 0.9 + 1.2) / 4, rel=1e-6)
    product = 0.1 * 0.5 * 0.8 * 0.8 * 0.9 * 1.2 * 2.0 * 8.0
    assert it.geometric_mean == pytest.approx(product ** (1 / 8), rel=1e-6)
    assert it.median == pytest.approx(0.85, rel=1e-6)
    assert it.worst == pytest.approx(8.0, rel=1e-6)
    assert (it.won, it.n_settings) == (5 / 8, 8)
    assert it.score_gain == pytest.approx(1.0)
    assert it.iqm_low < it.iqm < it.iqm_high


@pytest.mark.parametrize("n_tasks", [1, 2, 3, 4, 7, 10])
def test_the_interquartile_mean_is_that_of_scipy(n_tasks):
    losses = np.random.RandomState(n_tasks).lognormal(size=n_tasks)
    _, it = made_up(losses).summary(n_resamples=1)
    assert it.iqm == pytest.approx(trim_mean(losses, 0.25), rel=1e-6)


def test_the_bootstrap_draws_groups_and_covers_the_mean():
    rng = np.random.RandomState(1)
    covered, widths = 0, {"tasks": [], "groups": []}
    for _ in range(25):
        of_group = np.exp(rng.normal(0.0, 0.3, 12))
        losses = np.repeat(of_group, 4)
        groups = np.repeat(np.arange(12), 4).tolist()
        _, it = made_up(losses, groups).summary(n_resamples=200)
        _, alone = made_up(losses).summary(n_resamples=200)
        covered += it.iqm_low <= 1.0 <= it.iqm_high
        widths["groups"].append(it.iqm_high - it.iqm_low)
        widths["tasks"].append(alone.iqm_high - alone.iqm_low)
    assert covered >= 20  # of 25; a 95 % interval of few groups is a little short
    assert np.mean(widths["groups"]) > 1.5 * np.mean(widths["tasks"])


def test_tasks_of_a_setting_count_as_one():
    comparison = made_up([0.25, 1.0, 2.0, 3.0], settings="aabb", groups="xxyy")
    expected = [0.5, 6**0.5]
    np.testing.assert_allclose(comparison.ratios()["it"], expected, rtol=1e-6)
    _, it = comparison.summary()
    assert (it.n_settings, it.won) == (2, 0.5)
    assert it.geometric_mean == pytest.approx(np.sqrt(0.5 * 6**0.5), rel=1e-6)
    part = comparison.select(settings=["b"])
    np.testing.assert_allclose(part.ratios()["it"], expected[1:], rtol=1e-6)
    assert part.groups == ("y", "y") and {one.task for one in part.trainings} == {0, 1}
    with pytest.raises(ValueError, match="no 'c' among the settings"):
        comparison.select(settings=["c"])


def test_rules_are_selected_joined_and_compared_with_another():
    first = made_up([0.5, 2.0])
    other = made_up([0.1, 4.0], rules=("more", "most"))
    joined = RuleComparison.concatenate([first, other])
    assert joined.rules == ("base", "it", "more", "most") and joined.reference == "base"
    np.testing.assert_allclose(joined.ratios()["most"], [0.1, 4.0], rtol=1e-6)
    part = joined.select(rules=["most"], reference="it")
    assert part.rules == ("it", "most")
    np.testing.assert_allclose(part.ratios()["most"], [0.2, 2.0], rtol=1e-6)
    with pytest.raises(ValueError, match="'base' is in more than one"):
        RuleComparison.concatenate([first, first])
    with pytest.raises(ValueError, match="different tasks"):
        RuleComparison.concatenate([first, made_up([0.1], rules=("more", "most"))])
    with pytest.raises(ValueError, match="no 'nobody' among the rules"):
        joined.select(rules=["nobody"])


def test_the_best_of_several_rules_is_chosen_for_every_task():
    first, other = made_up([0.5, 2.0]), made_up([0.1, 4.0], rules=("more", "most"))
    joined = RuleComparison.concatenate([first, other])
    best = joined.with_best("best", ["it", "most"], by="test_loss")
    np.testing.assert_allclose(best.ratios()["best"], [0.1, 2.0], rtol=1e-6)
    np.testing.assert_allclose(best.ratios("seconds")["best"], [2.0, 2.0], rtol=1e-6)
    assert [one.candidate for one in best.trainings if one.rule == "best"] == [1, 0]
    for arguments, message in [
        (("it", ["it"], "test_loss"), "'it' is a rule"),
        (("best", [], "test_loss"), "at least one"),
        (("best", ["it"], "steps_to_reference"), "by must be a measure of a single training"),
    ]:
        name, rules, by = arguments
        with pytest.raises(ValueError, match=message):
            joined.with_best(name, rules, by=by)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_validations", [1, 4, 100])
def test_validating_at_some_epochs_chooses_among_them(n_validations):
    task, rule = make_task(), Adam(0.05)
    (training,) = compare_rules(
        {"it": rule}, [task], random_state=3, n_validations=n_validations
    ).trainings
    seed = int(np.random.RandomState(3).randint(2**31))
    networks = train_by_hand(task, rule, rollout_seed(seed, 0, 0))
    chosen = networks[:: -(N_EPOCHS // min(n_validations, N_EPOCHS))]  # the last, and backwards
    losses = [loss_of(network, task.X_val, task.y_val) for network in chosen]
    best = chosen[int(np.argmin(losses))]
    assert training.validation_loss == pytest.approx(min(losses), rel=1e-9)
    assert training.test_loss == pytest.approx(loss_of(best, task.X_test, task.y_test), rel=1e-9)


def test_a_rule_that_ends_before_the_validation_is_judged_by_its_end():
    task = make_task(max_iter=500)
    (training,) = compare_rules({"it": "lbfgs"}, [task], random_state=0, n_validations=1).trainings
    assert training.n_steps < 500
    assert np.isfinite(training.validation_loss)
    assert training.test_loss == training.final_test_loss


def test_without_test_rows_other_measures_remain():
    X, y, X_val, y_val, *_ = split(load_wine)
    network = make_task().estimator
    comparison = compare_rules({"it": "adam"}, [(network, X, y, X_val, y_val)], random_state=0)
    assert comparison.summary("validation_loss")[0].iqm == 1.0
    with pytest.raises(ValueError, match="needs tasks with X_test and y_test"):
        comparison.summary()


def test_the_frame_has_a_row_for_every_training():
    pandas = pytest.importorskip("pandas")
    comparison = made_up([0.5, 2.0])
    assert pandas.DataFrame(comparison.summary())["n_settings"].tolist() == [2, 2]
    frame = comparison.to_frame()
    assert frame.shape[0] == 4
    assert frame["steps_to_reference"].tolist() == [np.inf] * 4
    assert frame["setting"].tolist() == frame["group"].tolist() == [0, 0, 1, 1]
    assert frame.query("rule == 'it'")["test_loss"].tolist() == [0.5, 2.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rules": {}}, "there is nothing to compare"),
        ({"rules": ["adam"]}, "rules must be a dict"),
        ({"tuned": {"it": ["adam"]}}, "'it' is a name in rules and in tuned"),
        ({"tuned": {"more": []}}, r"tuned\['more'\] must be a list of one or more"),
        ({"tuned": {"more": "adam"}}, r"tuned\['more'\] must be a list"),
        ({"reference": "nobody"}, "reference must be one of"),
        ({"groups": [1, 2]}, "groups must have one value per task"),
        ({"settings": []}, "settings must have one value per task"),
        (
            {"tasks": [make_task(), make_task()], "settings": "aa", "groups": "bc"},
            "setting 'a' is in two groups",
        ),
        ({"n_validations": 0}, "n_validations"),
        ({"n_starts": 0}, "n_starts"),
        ({"rules": {"it": "adom"}}, "adam"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    arguments = {"rules": {"it": "adam"}, "tasks": [make_task()], **change}
    with pytest.raises(ValueError, match=message):
        compare_rules(**arguments)


def test_tasks_that_cannot_be_compared_are_refused():
    task = make_task()
    rows = task.X, task.y
    validation = task.X_val, task.y_val
    with pytest.raises(ValueError, match="task 1 has no validation rows"):
        compare_rules({"it": "adam"}, [task, (task.estimator, *rows)])
    with pytest.raises(ValueError, match="some tasks have test rows"):
        compare_rules({"it": "adam"}, [task, (task.estimator, *rows, *validation)])
    with pytest.raises(ValueError, match="task 0 has early_stopping=True"):
        compare_rules({"it": "adam"}, [make_task(early_stopping=True)])
    with pytest.raises(ValueError, match="X_test and y_test go together"):
        Task(task.estimator, *rows, X_test=task.X)
    with pytest.raises(ValueError, match="X_test has 2 features and X has 13"):
        Task(task.estimator, *rows, X_test=task.X[:, :2], y_test=task.y)
