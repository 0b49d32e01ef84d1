"""Search for a rule of the link scope by trial and error, and judge it on tasks it never saw.

The rule starts as an imitation of Adam on synthetic tasks. It is searched on synthetic tasks of one
seed and judged on those of another, by the mean of the objective over the same starts, for the
rule before, the rule after, and Adam with its best learning rate of a few for all tasks. Run
``python benchmarks/evolution_search.py``.
"""

import argparse
import time
import warnings

import numpy as np

from sklearn_metabp import Adam, LearnedUpdateRule, TraceRecorder
from sklearn_metabp.meta_training import EvolutionSearch, SyntheticTasks, rollout
from sklearn_metabp.meta_training.objectives import as_objective, bounded_value

LEARNING_RATES = (0.001, 0.003, 0.01)


def imitate_adam(tasks) -> LearnedUpdateRule:
    recorder = TraceRecorder()
    for number, task in enumerate(tasks):
        rollout(task, Adam(0.003), number, callbacks=[recorder])
    return LearnedUpdateRule(random_state=0).fit(recorder.trace_)


def values(rule, tasks, objective) -> np.ndarray:
    records = [
        rollout(
            task,
            rule,
            seed,
            n_validations=objective.n_validations,
            validation_scores=objective.validation_scores,
        )
        for seed, task in enumerate(tasks)
    ]
    pairs = zip(records, tasks, strict=True)
    return np.array([bounded_value(objective, record, task) for record, task in pairs])


def main(name: str, n_iterations: int, n_pairs: int, n_tasks: int, n_jobs: int) -> None:
    objective = as_objective(name)
    rule = imitate_adam(SyntheticTasks(2)[:6])
    tasks = SyntheticTasks(1)[:n_tasks]
    search = EvolutionSearch(
        rule,
        SyntheticTasks(0),
        objective=name,
        n_iterations=n_iterations,
        n_pairs=n_pairs,
        n_jobs=n_jobs,
    )
    began = time.perf_counter()
    search.fit()
    seconds = time.perf_counter() - began
    n_rollouts = 2 * n_pairs * n_iterations
    print(
        f"objective {name!r}: {n_rollouts} rollouts in {seconds:.0f} s, "
        f"{search.history_['n_failed'].sum()} failed"
    )
    adam = {rate: values(Adam(rate), tasks, objective) for rate in LEARNING_RATES}
    best = min(adam, key=lambda rate: adam[rate].mean())
    print(f"{n_tasks} other tasks, mean of the objective, and the difference to Adam({best}):")
    rows = {
        f"Adam({best})": adam[best],
        "imitation of Adam(0.003)": values(rule, tasks, objective),
        "after the search": values(search.best_rule_, tasks, objective),
    }
    change = rows["after the search"] - rows["imitation of Adam(0.003)"]
    error = change.std() / np.sqrt(len(change))
    print(f"    {'change by the search':<26} {'':8} {change.mean():8.3f} +- {error:.3f}")
    for label, each in rows.items():
        gain = each - adam[best]
        error = gain.std() / np.sqrt(len(gain))
        won = np.mean(gain < 0)
        print(
            f"    {label:<26} {each.mean():8.3f} {gain.mean():8.3f} +- {error:.3f}   won {won:.2f}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objective", default="generalise")
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--tasks", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    main(
        arguments.objective,
        arguments.iterations,
        arguments.pairs,
        arguments.tasks,
        arguments.jobs,
    )
