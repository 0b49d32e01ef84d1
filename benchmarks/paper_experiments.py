"""Which rules train the paper's networks as backpropagation does, from which starts, at what cost?

For each of the four experiments, each scope and each way of learning: the share of the trainings that
converge (J after 1200 cycles at most 1.25 of backpropagation's from the same start), that end below
backpropagation, and that diverge (J ends above its start, or is not finite), the median and the highest
of J over backpropagation's, and the median of the ratios of time. No seed here served to choose a learner.
Run ``python benchmarks/paper_experiments.py --seeds 30``; ``--part`` for one of its three tables.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits
from workloads import alternate, median_ratio

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "paper"))
from experiments import (
    BACKPROPAGATION,
    EXPERIMENTS,
    SHOWN,
    WITH_HIDDEN,
    network,
    papers_learner,
    record,
    rule_for,
    train,
    wide_learner,
)

from sklearn_metabp.meta_training import aggregate

TEACHERS, UNSEEN = 200, 1000  # the first seed of each
# Trainings by the paper's learning network: with a scaler after its logistic outputs it runs uncompiled, and
# one of experiment 4 has 72 000 steps.
MOST_UNCOMPILED = {1: 10, 2: 10, 3: 10, 4: 2}
# (rounds, starts a round) of aggregation, by experiment, for the network scope and for the others.
OF_NETWORKS = {1: (4, 10), 2: (2, 10), 3: (5, 20), 4: (2, 2)}
OF_OTHERS = {1: (1, 5), 2: (1, 5), 3: (1, 5), 4: (1, 1)}


def learners(number: int) -> dict[str, tuple]:
    """Name of every rule of an experiment, its scope and its learner for one run and for many."""
    experiment = EXPERIMENTS[number]
    many = wide_learner((64, 64), 400, 0.01) if number == 3 else wide_learner(n_cycles=200, alpha=0.01)
    rules = {
        "network, paper's learner": ("network", papers_learner(experiment), None),
        "network, wide learner": ("network", wide_learner(), many),
        "neuron": ("neuron", None, None),
        "link": ("link", None, None),
    }
    if not experiment.hidden:
        del rules["neuron"]
    return rules


def rule_of(number: int, name: str, way: str, seed: int = 0):
    """Return a rule, fitted: of one run, of ten, or aggregated."""
    experiment = EXPERIMENTS[number]
    scope, of_one, of_many = learners(number)[name]
    if way == "one run":
        trace = record(experiment, [TEACHERS + seed])
        return rule_for(experiment, scope, of_one, seed).fit(trace[::5] if "paper" in name else trace)
    rule = rule_for(experiment, scope, of_many, seed)
    if "hidden" in way:
        rule.set_params(inputs=WITH_HIDDEN)
    if way == "ten runs":
        return rule.fit(record(experiment, range(TEACHERS, TEACHERS + 10), SHOWN))
    n_rounds, n_starts = (OF_NETWORKS if scope == "network" else OF_OTHERS)[number]
    task = network(experiment, BACKPROPAGATION, 0), experiment.X, experiment.y
    return aggregate(
        rule, BACKPROPAGATION, [task], n_rounds=n_rounds, n_starts=n_starts, random_state=TEACHERS
    )


def judge(number: int, rule, seed: int) -> tuple[float, bool]:
    """J at the end over backpropagation's from the same start, and whether it diverged."""
    experiment = EXPERIMENTS[number]
    taught, learned = (train(experiment, r, seed) for r in (BACKPROPAGATION, rule))
    return learned[-1] / taught[-1], not learned[-1] <= learned[0]


def one_run(number: int, name: str, seed: int) -> list[tuple[float, bool]]:
    """Learn from one run; train from the start of that run, and from one it has not seen."""
    with threadpool_limits(1, "blas"):
        rule = rule_of(number, name, "one run", seed)
        return [judge(number, rule, start) for start in (TEACHERS + seed, UNSEEN + seed)]


def many_runs(number: int, name: str, way: str, n_seeds: int) -> list[tuple[float, bool]]:
    """Learn one rule from many runs; train from starts it has not seen."""
    with threadpool_limits(1, "blas"):
        rule = rule_of(number, name, way)
        return [judge(number, rule, UNSEEN + seed) for seed in range(n_seeds)]


def line(number: int, name: str, way: str, start: str, judged) -> None:
    ratios, diverged = np.array(judged).T
    counts = (np.sum(ratios <= 1.25), np.sum(ratios < 1), diverged.sum())
    shares = " ".join(f"{count:>3.0f} of {len(ratios):<3}" for count in counts)
    print(
        f"{EXPERIMENTS[number].name:<14} {name:<25} {way:<30} {start:<13} {shares} "
        f"{np.median(ratios):9.3f} {ratios.max():9.3f}",
        flush=True,
    )


def heading() -> None:
    print(
        f"{'experiment':<14} {'scope':<25} {'learned from':<30} {'start':<13} {'converge':<9} {'below':<9} "
        f"{'diverge':<9} {'median J':>9} {'highest':>9}"
    )


def of_one(parallel, numbers, n_seeds: int) -> None:
    heading()
    for number in numbers:
        for name in learners(number):
            n = min(n_seeds, MOST_UNCOMPILED[number]) if "paper" in name else n_seeds
            judged = parallel(delayed(one_run)(number, name, seed) for seed in range(n))
            for start, values in zip(("the teacher's", "unseen"), zip(*judged, strict=True), strict=True):
                line(number, name, "one run", start, values)


def of_many(parallel, numbers, n_seeds: int) -> None:
    heading()
    cases = [
        (number, name, way)
        for number in numbers
        for name in learners(number)
        if "paper" not in name
        for way in ("ten runs", "aggregated")
    ]
    if 3 in numbers:
        cases.append((3, "network, wide learner", "aggregated, hidden activations"))
    for case, judged in zip(
        cases, parallel(delayed(many_runs)(*case, n_seeds) for case in cases), strict=True
    ):
        line(*case, "unseen", judged)


def times(numbers, n_rounds: int) -> None:
    """Time of a whole fit over that of backpropagation's, in turns, on one BLAS thread."""
    print(f"{'experiment':<14} {'scope':<25} {'learner':<22} {'over backpropagation':>20}")
    for number in numbers:
        experiment = EXPERIMENTS[number]
        trace = record(experiment, [TEACHERS], n_cycles=100)
        rules = {"backpropagation": BACKPROPAGATION}
        for name, (scope, *both) in learners(number).items():
            if "paper" not in name:
                sizes = ((32, 32), (64, 64)) if scope == "network" and number == 3 else ((32, 32),)
                for size in sizes if scope == "network" else ("as above",):
                    learner = wide_learner(size, 2) if scope == "network" else both[0]
                    rules[name, str(size)] = rule_for(experiment, scope, learner).fit(trace)
        n_cycles = 1200 if number < 4 else 200
        sides = {
            name: lambda rule=rule, e=experiment, n=n_cycles: network(e, rule, 0, n)
            for name, rule in rules.items()
        }
        seconds = alternate(sides, experiment.X, experiment.y, n_rounds)
        for name in list(rules)[1:]:
            ratio = median_ratio(seconds[name], seconds["backpropagation"])
            print(f"{experiment.name:<14} {name[0]:<25} {name[1]:<22} {ratio:19.2f}x", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=30, help="starts, and teachers (default 30)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--rounds", type=int, default=9, help="fits of each side that are timed (default 9)")
    parser.add_argument("--experiments", type=int, nargs="+", default=[1, 2, 3, 4], choices=EXPERIMENTS)
    parser.add_argument("--part", choices=["one", "many", "times"], help="one table of the three")
    given = parser.parse_args()
    parallel = Parallel(n_jobs=given.jobs)
    if given.part in (None, "one"):
        of_one(parallel, given.experiments, given.seeds)
    if given.part in (None, "many"):
        of_many(parallel, given.experiments, given.seeds)
    if given.part in (None, "times"):
        with threadpool_limits(1, "blas"):
            times(given.experiments, given.rounds)


if __name__ == "__main__":
    main()
