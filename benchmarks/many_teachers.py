"""Compare one rule that learned from SGD, momentum, Rprop and Adam with each of them.

A pool of four rules, each with several learning rates, trains the tasks to learn from. Learned
rules of scope "link" imitate all of the trainings alike, each by its advantage, or for every task
the best one, with and without aggregation. Each teacher's own learning rate is the one that is best
on the tasks to learn from. Then all train other tasks, from starts that no teacher saw.

- *logic*: NAND, NOR, XNOR and A AND NOT B to learn from; AND, OR, XOR and the square of the paper
  to report, which have no validation rows.
- *real*: iris, wine, and regressions of one of their features on the others, to learn from; breast
  cancer, digits, diabetes and a regression on breast cancer to report. Validation rows choose the
  best of the pool and the epoch; the test loss at that epoch is reported.

All trainings are on all rows at once, because Rprop needs that. Losses, plus 1e-6, are printed over
those of Adam at its learning rate: the median over tasks and seeds, the worst, and the share that
is lower. The table is printed after every seed, for all seeds so far.

Run ``python benchmarks/many_teachers.py``. Add ``--seeds 10`` for more starts and splits.
"""

import argparse
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    LearnedUpdateRule,
    Rprop,
)
from sklearn_metabp.learned import DEFAULT_INPUTS
from sklearn_metabp.meta_training import Task, aggregate, record_pool, rollout

TEACHERS = {
    "logic": {
        "SGD": [SGD(rate) for rate in (3.0, 10.0, 30.0)],
        "momentum": [SGD(rate, momentum=0.9) for rate in (0.3, 1.0, 3.0)],
        "Rprop": [Rprop(rate) for rate in (0.01, 0.03, 0.1)],
        "Adam": [Adam(rate) for rate in (0.01, 0.03, 0.1)],
    },
    "real": {
        "SGD": [SGD(rate) for rate in (0.03, 0.1, 0.3, 1.0)],
        "momentum": [SGD(rate, momentum=0.9) for rate in (0.003, 0.01, 0.03, 0.1)],
        "Rprop": [Rprop(rate) for rate in (0.003, 0.01, 0.03)],
        "Adam": [Adam(rate) for rate in (0.003, 0.01, 0.03)],
    },
}
INPUTS = [*DEFAULT_INPUTS, "warmup_0.99", "gradient/norm", "last_step"]
TEMPERATURE = 0.2
N_STARTS = 1
FLOOR = 1e-6  # added to losses: below it they do not matter
CORNERS = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
LEARNED_LOGIC = {
    "NAND": [1, 1, 1, 0],
    "NOR": [1, 0, 0, 0],
    "XNOR": [1, 0, 0, 1],
    "NIMPLY": [0, 0, 1, 0],
}
REPORTED_LOGIC = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}


def logic_network(hidden):
    return BackpropMLPRegressor(
        hidden,
        "logistic",
        out_activation="logistic",
        alpha=0.0,
        batch_size="full",
        max_iter=300,
        n_iter_no_change=np.inf,
    )


def logic_tasks(seed):
    """Return tasks to learn from, and tasks to report: each twice, for validation and for test."""
    learned = [
        Task(logic_network(hidden), CORNERS, np.array(y, float))
        for y in LEARNED_LOGIC.values()
        for hidden in ((2,), (4,))
    ]
    reported = {
        name: Task(logic_network((3,)), CORNERS, np.array(y, float))
        for name, y in REPORTED_LOGIC.items()
    }
    X = np.random.default_rng(seed).uniform(-1, 1, (60, 2))
    inner = np.abs(X).max(axis=1) < np.sqrt(0.5)
    reported["square"] = Task(
        logic_network((5,)), X, np.column_stack([inner, ~inner]).astype(float)
    )
    return learned, {name: (task, task) for name, task in reported.items()}


def real_task(X, y, hidden, seed, *, classify):
    """Return a task with validation rows, and one with test rows in their place."""
    X, X_rest, y, y_rest = train_test_split(X, y, test_size=0.4, random_state=seed)
    X_val, X_test, y_val, y_test = train_test_split(
        X_rest, y_rest, test_size=0.5, random_state=seed
    )
    scaler = StandardScaler().fit(X)
    X, X_val, X_test = (scaler.transform(rows) for rows in (X, X_val, X_test))
    if not classify:
        of_y = StandardScaler().fit(y[:, None])
        y, y_val, y_test = (of_y.transform(rows[:, None]).ravel() for rows in (y, y_val, y_test))
    kind = BackpropMLPClassifier if classify else BackpropMLPRegressor
    network = kind(hidden, batch_size="full", max_iter=100, n_iter_no_change=np.inf)
    return Task(network, X, y, X_val, y_val), Task(network, X, y, X_test, y_test)


def one_feature(load, column):
    """Return a regression: one feature of a data set from the others."""
    X, _ = load(return_X_y=True)
    return np.delete(X, column, axis=1), X[:, column]


def real_tasks(seed):
    """Return tasks to learn from, and tasks to report: each twice, for validation and for test."""
    learned = [
        real_task(X, y, hidden, seed, classify=classify)[0]
        for hidden in ((16,), (12, 8))
        for (X, y), classify in (
            (load_iris(return_X_y=True), True),
            (load_wine(return_X_y=True), True),
            (one_feature(load_iris, 3), False),
            (one_feature(load_wine, 0), False),
        )
    ]
    X, y = load_digits(return_X_y=True)
    rows = np.random.default_rng(seed).permutation(len(X))[:600]
    data = {
        "breast cancer": (*load_breast_cancer(return_X_y=True), True),
        "digits": (X[rows], y[rows], True),
        "diabetes": (*load_diabetes(return_X_y=True), False),
        "smoothness": (*one_feature(load_breast_cancer, 4), False),
    }
    reported = {
        name: real_task(X, y, (24,), seed, classify=classify)
        for name, (X, y, classify) in data.items()
    }
    return learned, reported


def new_rule(seed):
    rule = LearnedUpdateRule(inputs=INPUTS, random_state=seed)
    return rule.set_params(
        learner__hidden_layer_sizes=(32,), learner__update_rule=Adam(0.005, schedule="cosine")
    )


def learn(tasks, teachers, seed):
    """Return all rules to compare by their names: the teachers, then the learned ones."""
    candidates = [rule for rules in teachers.values() for rule in rules]
    pool = record_pool(tasks, candidates, n_starts=N_STARTS, random_state=seed)
    rules, trace = rates_of(pool, teachers), pool.trace
    at_rates = [candidates.index(rule) for rule in rules.values()]
    of_adam = trace[(pool.rules == at_rates[-1])[trace.runs]]
    of_four = trace[np.isin(pool.rules, at_rates)[trace.runs]]
    by_training = trace.advantage(pool.tasks, temperature=TEMPERATURE)
    by_validation = trace.advantage(pool.tasks, losses=pool.run_losses, temperature=TEMPERATURE)
    by_horizon = trace.advantage(pool.tasks, horizon=10, temperature=TEMPERATURE)
    rules["learned from Adam"] = new_rule(seed).fit(of_adam)
    rules["from the four alike"] = new_rule(seed).fit(of_four)
    rules["from all alike"] = new_rule(seed).fit(trace)
    rules["by advantage, training"] = new_rule(seed).fit(trace, sample_weight=by_training)
    if tasks[0].X_val is not None:
        rules["by advantage, validation"] = new_rule(seed).fit(trace, sample_weight=by_validation)
    rules["by advantage, 10 epochs"] = new_rule(seed).fit(trace, sample_weight=by_horizon)
    rules["from the best per task"] = new_rule(seed).fit(pool.best_trace)
    rules["the same, aggregated"] = aggregate(
        new_rule(seed), candidates, tasks, n_rounds=2, n_starts=N_STARTS, random_state=seed
    )
    return rules, candidates


def judge(validated, tested, rule, seed):
    """Return training loss, lowest validation loss and the test loss at that epoch."""
    record = rollout(validated, rule, seed)
    if record.diverged or record.validation_loss_curve is None:
        return record.loss, record.loss, record.loss
    curve = record.validation_loss_curve
    test = rollout(tested, rule, seed).validation_loss_curve
    return record.loss, curve.min(), test[np.argmin(curve)]


def rates_of(pool, teachers):
    """Return every teacher at the learning rate that is best over all tasks to learn from."""
    mean = np.log(np.minimum(pool.losses, 1e12) + FLOOR).mean(axis=(0, 2))
    best, start = {}, 0
    for name, rules in teachers.items():
        best[name] = rules[int(np.argmin(mean[start : start + len(rules)]))]
        start += len(rules)
    return best


def main(n_seeds, families):
    for family, make_tasks in families.items():
        found = {}
        for seed in range(n_seeds):
            learned, reported = make_tasks(seed)
            rules, candidates = learn(learned, TEACHERS[family], seed)
            for validated, tested in reported.values():
                start = 1000 + seed
                losses = {n: judge(validated, tested, rule, start) for n, rule in rules.items()}
                every = [judge(validated, tested, rule, start) for rule in candidates]
                losses["best of the pool, tuned per task"] = min(every, key=lambda three: three[1])
                adam = np.array(losses["Adam"]) + FLOOR
                for name, three in losses.items():
                    found.setdefault(name, []).append((np.array(three) + FLOOR) / adam)
            print_table(f"{family}, {seed + 1} seeds", found)


def print_table(family, found):
    has_test = family.startswith("real")
    print(f"{family:<32}{'training loss / Adam':^27}" + "  test loss / Adam" * has_test)
    print(f"{'':<32}" + (f"{'median':>9}{'worst':>9}{'lower':>9}  " * (1 + has_test)).rstrip())
    for name, ratios in found.items():
        line = f"{name:<32}"
        for column in (0, 2)[: 1 + has_test]:
            values = np.array(ratios)[:, column]
            lower = f"{np.mean(values < 1):.0%}"
            line += f"{np.median(values):9.3g}{values.max():9.3g}{lower:>9}  "
        print(line.rstrip(), flush=True)
    print()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="seeds (default 3)")
    parser.add_argument("--family", choices=["logic", "real"], help="one of the families")
    arguments = parser.parse_args()
    families = {"logic": logic_tasks, "real": real_tasks}
    if arguments.family:
        families = {arguments.family: families[arguments.family]}
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        main(arguments.seeds, families)
