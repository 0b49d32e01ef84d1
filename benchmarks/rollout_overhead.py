"""Measure the cost of a rollout beyond the fit of its network.

A 4-10-3 network is trained on iris for 20 epochs in batches of 32, which are 100 steps. One side is
the ``fit`` of an existing estimator. The other is a rollout, which also makes the estimator. Times
are processor time, the lowest of many trainings in turns. Run
``python benchmarks/rollout_overhead.py``.
"""

import argparse
import time

import numpy as np
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from sklearn_metabp import Adam, BackpropMLPClassifier, LearnedUpdateRule, TraceRecorder
from sklearn_metabp.meta_training import Task, rollout


def network(rule):
    return BackpropMLPClassifier(
        (10,), update_rule=rule, batch_size=32, max_iter=20, n_iter_no_change=np.inf, random_state=0
    )


def compare(name: str, rule, own_rule, X, y, n_rounds: int) -> None:
    ready, task = network(rule), Task(network(own_rule), X, y)
    sides = {"fit": lambda: ready.fit(X, y), "rollout": lambda: rollout(task, rule, 0)}
    seconds = dict.fromkeys(sides, np.inf)
    for _ in range(n_rounds):
        for side, train in sides.items():
            began = time.process_time()
            train()
            seconds[side] = min(seconds[side], time.process_time() - began)
    ratio = seconds["rollout"] / seconds["fit"]
    print(
        f"{name:<32} {1e3 * seconds['fit']:8.2f} {1e3 * seconds['rollout']:12.2f} {ratio:7.3f}",
        flush=True,
    )


def main(n_rounds: int) -> None:
    X, y = load_iris(return_X_y=True)
    X, adam, recorder = scale(X), Adam(0.01), TraceRecorder()
    network(adam).set_callbacks(recorder).fit(X, y)
    learned = LearnedUpdateRule(random_state=0).fit(recorder.trace_)
    print(f"{'':<32} {'fit, ms':>8} {'rollout, ms':>12} {'ratio':>7}")
    compare("Adam", adam, adam, X, y, n_rounds)
    compare(
        "Adam, data frame",
        adam,
        adam,
        pd.DataFrame(X, columns=list("abcd")),
        pd.Series(y),
        n_rounds,
    )
    compare("Adam, task's rule is learned", adam, learned, X, y, n_rounds)
    compare("learned rule", learned, adam, X, y, n_rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=500, help="trainings of each side (default 500)"
    )
    main(parser.parse_args().rounds)
