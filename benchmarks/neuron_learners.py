"""Compare learners of the neuron scope: how well they imitate rule (6), and what a step takes.

A teacher trains networks by backpropagation, and learners of several sizes learn its messages. Each
rule then trains other data and layers from the teacher's start. The rows are medians over
activation functions and seeds: R² of the messages of the teacher's training there, of which no part
was in the fit, the student's final loss over the teacher's, and the difference of their accuracies
on rows that were held out. The lowest R² and the highest quotient of losses are those of the worst
training. The last columns are processor time of a step over a step of SGD, on 64-64-64-10 in
batches of 32.

One set of tasks decides which learner is the default, and the other reports. Run
``python benchmarks/neuron_learners.py``, or with ``--report`` for the second set.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_metabp import SGD, BackpropMLPClassifier, LearnedUpdateRule, TraceRecorder

LEARNERS = {
    f"{size} {activation}": ((size,), activation)
    for size, activation in ((16, "tanh"), (8, "tanh"), (16, "relu"), (8, "relu"), (4, "relu"))
}
# The data and the layers that a teacher is recorded on, then those that students train.
DECIDING = (load_iris, (8,), load_wine, (10, 6))
REPORTING = (load_digits, (12,), load_breast_cancer, (16, 8))
FUNCTIONS = ("logistic", "tanh", "relu", "gelu")
N_RECORDED_ROWS = 300


def network(layers, activation, rule, seed, n_epochs):
    return BackpropMLPClassifier(
        layers,
        activation,
        update_rule=rule,
        batch_size=16,
        max_iter=n_epochs,
        n_iter_no_change=np.inf,
        alpha=0.0,
        random_state=seed,
    )


def learned(name, trace, seed):
    layers, activation = LEARNERS[name]
    rule = LearnedUpdateRule(scope="neuron", random_state=seed)
    rule.set_params(learner__hidden_layer_sizes=layers, learner__activation=activation)
    return rule.fit(trace)


def imitate(name, trace, unseen, unseen_trace, teacher, seed, activation, layers):
    """Return R², the quotient of final losses and the difference of accuracies of a learner."""
    rule = learned(name, trace, seed)
    X, X_test, y, y_test = unseen
    student = network(layers, activation, rule, 100 + seed, 40).fit(X, y)
    gained = student.score(X_test, y_test) - teacher.score(X_test, y_test)
    return rule.score(unseen_trace), student.loss_ / teacher.loss_, 100 * gained


def qualities(tasks, n_seeds):
    """Return for every learner R², quotients of losses and differences of accuracy, by training."""
    load, recorded_layers, load_unseen, layers = tasks
    found = {name: [] for name in LEARNERS}
    for activation in FUNCTIONS:
        for seed in range(n_seeds):
            recorder, sgd = TraceRecorder("all"), SGD(0.1)
            X, y = load(return_X_y=True)
            rows = np.random.default_rng(seed).permutation(len(X))[:N_RECORDED_ROWS]
            recorded = network(recorded_layers, activation, sgd, seed, 20)
            recorded.set_callbacks(recorder).fit(StandardScaler().fit_transform(X)[rows], y[rows])
            X, y = load_unseen(return_X_y=True)
            X, X_test, y, y_test = train_test_split(
                X, y, test_size=0.4, stratify=y, random_state=seed
            )
            scaler = StandardScaler().fit(X)
            unseen = scaler.transform(X), scaler.transform(X_test), y, y_test
            watch = TraceRecorder("all")
            teacher = network(layers, activation, sgd, 100 + seed, 40)
            teacher.set_callbacks(watch).fit(unseen[0], y)
            for name in LEARNERS:
                found[name].append(
                    imitate(
                        name,
                        recorder.trace_,
                        unseen,
                        watch.trace_,
                        teacher,
                        seed,
                        activation,
                        layers,
                    )
                )
    return {name: np.array(values) for name, values in found.items()}


def seconds_over_sgd(name, dtype, n_rounds=5):
    """Return the processor time of a step of the rule over one of SGD."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(dtype)
    recorder = TraceRecorder("all")
    network((12,), "relu", SGD(0.1), 0, 1).set_callbacks(recorder).fit(X[:200], y[:200])
    rules = {"sgd": SGD(0.1), "learned": learned(name, recorder.trace_, 0)}
    seconds = dict.fromkeys(rules, np.inf)
    for _ in range(n_rounds):
        for side, rule in rules.items():
            model = network((64, 64), "relu", rule, 0, 2).set_params(batch_size=32)
            began = time.process_time()
            model.fit(X, y)
            seconds[side] = min(seconds[side], time.process_time() - began)
    return seconds["learned"] / seconds["sgd"]


def main(tasks, n_seeds: int) -> None:
    columns = ("R²", "lowest", "loss", "highest", "accuracy", "worst", "float64", "float32")
    print(f"{'learner':<10}" + "".join(f"{column:>10}" for column in columns))
    for name, values in qualities(tasks, n_seeds).items():
        r2, losses, accuracies = values.T
        quality = (np.median(r2), r2.min(), np.median(losses), losses.max())
        points = (np.mean(accuracies), accuracies.min())
        ratios = [seconds_over_sgd(name, dtype) for dtype in (np.float64, np.float32)]
        print(
            f"{name:<10}"
            + "".join(f"{value:10.4f}" for value in quality)
            + "".join(f"{value:10.2f}" for value in points)
            + "".join(f"{value:10.1f}" for value in ratios),
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", action="store_true", help="train the tasks of the report")
    parser.add_argument("--seeds", type=int, default=3, help="seeds (default 3)")
    arguments = parser.parse_args()
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is fixed
        main(REPORTING if arguments.report else DECIDING, arguments.seeds)
