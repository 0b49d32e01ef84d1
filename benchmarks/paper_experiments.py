"""Compare learned rules with backpropagation in the paper's four experiments.

The tables have one line for each experiment, scope and way of learning. The columns are the number
of trainings that converge (J after 1200 cycles is at most 1.25 times backpropagation's from the
same start), that end below backpropagation, and that diverge (J ends above its start, or is not
finite); the median and the highest of J over backpropagation's; and the median of the ratios of
time. No seed here was used to choose a learner. Run
``python benchmarks/paper_experiments.py --seeds 30``. Add ``--part`` for one of the four tables.
"""

import argparse
import sys
import warnings
from dataclasses import asdict, dataclass

import numpy as np
from experiments import (
    BACKPROPAGATION,
    EXPERIMENTS,
    SHOWN,
    network,
    papers_learner,
    record,
    rule_for,
    train,
    wide_learner,
)
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from workloads import alternate, median_ratio

from sklearn_metabp import DivergenceError, LearnedUpdateRule, Safeguarded
from sklearn_metabp.meta_training import aggregate

TEACHERS, UNSEEN = 400, 1000  # the first seeds
MAX_STEPS = 40_000  # of a trace that a rule is fitted on


def wide(number: int, way: str):
    """Return the wide learning network for an experiment and a way of learning."""
    if way == "one run" and number < 3:
        return wide_learner(20_000, n_seen=2_000_000, alpha=0.0)
    if way == "one run":
        return wide_learner(20_000, n_seen=4_000_000, alpha=0.3)
    if number == 3:
        return wide_learner(MAX_STEPS, (64, 64), n_seen=10_000_000, alpha=0.0)
    return wide_learner(MAX_STEPS, n_seen=4_000_000, alpha=0.0)


PAPER, WIDE = "network, paper's learner", "network, wide learner"
SCOPES = {PAPER: "network", WIDE: "network", "neuron": "neuron", "link": "link"}


@dataclass(frozen=True)
class Way:
    """Aggregation: rounds after the first, trainings per round, and the distance of kept steps."""

    n_rounds: int
    n_starts: int
    every: int

    def __str__(self) -> str:
        return f"{self.n_rounds + 1} x {self.n_starts} runs"


TENS, HUNDREDS = Way(4, 10, 5), Way(2, 100, 20)
OF_NETWORKS = {1: [TENS, HUNDREDS], 2: [TENS], 3: [TENS, HUNDREDS], 4: [Way(2, 10, 50)]}
OF_OTHERS = {1: Way(1, 5, 1), 2: Way(1, 5, 1), 3: Way(1, 5, 1), 4: Way(1, 1, 1)}


def names_of(number: int) -> list[str]:
    """Return the names of the rules of an experiment; rule (6) needs a hidden layer."""
    return [name for name in SCOPES if name != "neuron" or EXPERIMENTS[number].hidden]


def ways_of(number: int, name: str) -> list:
    """Return the ways in which a rule learns from many runs."""
    if SCOPES[name] != "network":
        return ["ten runs", OF_OTHERS[number]]
    more = ["hundred runs"] if HUNDREDS in OF_NETWORKS[number] else []
    return ["ten runs", *more, *OF_NETWORKS[number]]


def rule_of(number: int, name: str, way) -> LearnedUpdateRule:
    """Return a rule, fitted on ten runs or more, or aggregated."""
    experiment, scope = EXPERIMENTS[number], SCOPES[name]
    rule = rule_for(experiment, scope, wide(number, "many") if name == WIDE else None)
    if isinstance(way, Way):
        task = network(experiment, BACKPROPAGATION, 0), experiment.X, experiment.y
        return aggregate(rule, BACKPROPAGATION, [task], **asdict(way), random_state=TEACHERS)
    n_runs = 10 if way == "ten runs" else 100
    n_kept = MAX_STEPS // n_runs
    return rule.fit(record(experiment, range(TEACHERS, TEACHERS + n_runs), SHOWN, n_kept))


def taught(number: int, seed: int) -> float:
    """Return J at the end of a training by backpropagation."""
    return train(EXPERIMENTS[number], BACKPROPAGATION, seed)[-1]


def judge(number: int, rule, seed: int, reference: float) -> tuple[float, bool]:
    """Return the final J over backpropagation's from the same start, and whether it diverged."""
    learned = train(EXPERIMENTS[number], rule, seed)
    return learned[-1] / reference, not np.isfinite(learned[-1]) or learned[-1] > learned[0]


def one_run(number: int, seed: int) -> dict[str, list[tuple[float, bool]]]:
    """Learn every rule from one run, and train with it from two starts.

    One start is that of the run. The other is unseen.
    """
    experiment = EXPERIMENTS[number]
    judged = {}
    with threadpool_limits(1, "blas"):
        starts = {start: taught(number, start) for start in (TEACHERS + seed, UNSEEN + seed)}
        trace = record(experiment, [TEACHERS + seed])
        for name in names_of(number):
            learner = {PAPER: papers_learner(experiment), WIDE: wide(number, "one run")}.get(name)
            rule = rule_for(experiment, SCOPES[name], learner, seed)
            rule.fit(trace[::5] if name == PAPER else trace)
            judged[name] = [judge(number, rule, *start) for start in starts.items()]
    return judged


def many_runs(number: int, name: str, way, n_seeds: int) -> list[tuple[float, bool]]:
    """Learn one rule from many runs, and train with it from unseen starts."""
    with threadpool_limits(1, "blas"):
        rule = rule_of(number, name, way)
        starts = range(UNSEEN, UNSEEN + n_seeds)
        return [judge(number, rule, start, taught(number, start)) for start in starts]


def line(name: str, case: str, judged) -> None:
    ratios, diverged = np.array(judged).T
    counts = (np.sum(ratios <= 1.25), np.sum(ratios < 1), diverged.sum())
    shares = " ".join(f"{count:>2.0f} of {len(ratios):<3}" for count in counts)
    print(f"{name:<25} {case} {shares} {np.median(ratios):8.3f} {ratios.max():8.3f}", flush=True)


def heading(number: int, case: str) -> None:
    print(
        f"\n{EXPERIMENTS[number].name}\n{'scope':<25} {case} {'converge':<9} {'below':<9} "
        f"{'diverge':<9} {'median J':>8} {'highest':>8}"
    )


def of_one(parallel, numbers, n_seeds: int) -> None:
    for number in numbers:
        judged = parallel(delayed(one_run)(number, seed) for seed in range(n_seeds))
        heading(number, f"{'start':<14}")
        for name in names_of(number):
            for position, start in enumerate(("the teacher's", "unseen")):
                line(name, f"{start:<14}", [of_seed[name][position] for of_seed in judged])


def of_many(parallel, numbers, n_seeds: int) -> None:
    cases = [
        (number, name, way)
        for number in numbers
        for name in names_of(number)
        if name != PAPER
        for way in ways_of(number, name)
    ]
    found = parallel(delayed(many_runs)(*case, n_seeds) for case in cases)
    for number in numbers:
        heading(number, f"{'learned from':<14}")
        for (of, name, way), judged in zip(cases, found, strict=True):
            if of == number:
                line(name, f"{way!s:<14}", judged)


EVERY_SCOPE = {**SCOPES, "layer": "layer"}
GUARDED_CYCLES = 50  # recorded, every step of them


def guarded_rule(name: str) -> LearnedUpdateRule:
    """Return a rule for experiment 4, fitted on every step of the first cycles of one run."""
    experiment = EXPERIMENTS[4]
    n_steps = GUARDED_CYCLES * len(experiment.X)
    quick = wide_learner(n_steps, n_seen=500_000, alpha=0.3)
    learner = {PAPER: papers_learner(experiment), WIDE: quick}.get(name)
    trace = record(experiment, [TEACHERS], GUARDED_CYCLES, n_steps)
    return rule_for(experiment, EVERY_SCOPE[name], learner).fit(trace)


def final_loss(rule, seed: int) -> float:
    """Return J of the fitted network of experiment 4; infinite if its training diverges."""
    experiment = EXPERIMENTS[4]
    try:
        model = network(experiment, rule, seed).fit(experiment.X, experiment.y)
    except DivergenceError:
        return np.inf
    return np.sum((model.predict(experiment.X) - experiment.y) ** 2) / 2 / len(experiment.X)


def guarded_ends(name: str, n_seeds: int) -> dict[str, list[tuple[float, bool]]]:
    """Train with one rule alone and under a safeguard, each from the same unseen starts."""
    judged = {"alone": [], "safeguarded": []}
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the table shows it
        rule = guarded_rule(name)
        rules = {"alone": rule, "safeguarded": Safeguarded(rule, BACKPROPAGATION)}
        for seed in range(UNSEEN, UNSEEN + n_seeds):
            started = train(EXPERIMENTS[4], BACKPROPAGATION, seed, 1)[0]
            reference = final_loss(BACKPROPAGATION, seed)
            for way, trained_by in rules.items():
                end = final_loss(trained_by, seed)
                judged[way].append((end / reference, not end < started))
    print(f"{name} done", file=sys.stderr, flush=True)
    return judged


def safeguarded(parallel, n_seeds: int) -> None:
    found = parallel(delayed(guarded_ends)(name, n_seeds) for name in EVERY_SCOPE)
    heading(4, f"{'trained':<14}")
    for name, judged in zip(EVERY_SCOPE, found, strict=True):
        for way, of_way in judged.items():
            line(name, f"{way:<14}", of_way)


def times(numbers, n_rounds: int) -> None:
    """Print the time of a whole fit over that of backpropagation, in turns, on one thread."""
    print(f"{'experiment':<16} {'scope':<25} {'learning network':<17} {'over backpropagation':>20}")
    for number in numbers:
        experiment = EXPERIMENTS[number]
        trace = record(experiment, [TEACHERS], n_cycles=100)
        sizes = ((32, 32), (64, 64)) if number == 3 else ((32, 32),)
        learners = {
            (PAPER, str(experiment.learning_hidden)): papers_learner(experiment),
            **{(WIDE, str(size)): wide_learner(len(trace), size, 2 * len(trace)) for size in sizes},
            ("neuron", "(16,)"): None,
            ("link", "(16,)"): None,
        }
        rules = {
            key: rule_for(experiment, SCOPES[key[0]], learner).fit(trace)
            for key, learner in learners.items()
            if key[0] in names_of(number)
        }
        n_cycles = 1200 if number < 4 else 200
        sides = {
            key: lambda rule=rule, e=experiment, n=n_cycles: network(e, rule, 0, n)
            for key, rule in {"backpropagation": BACKPROPAGATION, **rules}.items()
        }
        seconds = alternate(sides, experiment.X, experiment.y, n_rounds)
        for name, size in rules:
            ratio = median_ratio(seconds[name, size], seconds["backpropagation"])
            print(f"{experiment.name:<16} {name:<25} {size:<17} {ratio:19.2f}x", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=30, help="starts, and teachers (default 30)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument(
        "--rounds", type=int, default=9, help="fits of each side that are timed (default 9)"
    )
    parser.add_argument(
        "--experiments", type=int, nargs="+", default=[1, 2, 3, 4], choices=EXPERIMENTS
    )
    parser.add_argument("--part", choices=["one", "many", "safeguarded", "times"])
    given = parser.parse_args()
    parallel = Parallel(n_jobs=given.jobs)
    if given.part in (None, "one"):
        of_one(parallel, given.experiments, given.seeds)
    if given.part in (None, "many"):
        of_many(parallel, given.experiments, given.seeds)
    if given.part in (None, "safeguarded") and 4 in given.experiments:
        safeguarded(parallel, given.seeds)
    if given.part in (None, "times"):
        with threadpool_limits(1, "blas"):
            times(given.experiments, given.rounds)


if __name__ == "__main__":
    main()
