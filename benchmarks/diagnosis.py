"""Count how often a diagnosis is right, and measure the time of a doctor.

The first table has the verdicts on the trainings of ``sick_trainings.py``, with a line for every
kind of training and a column for every seed. A sick training is a hit if a verdict that is right
about it is among the findings. A healthy one is a false alarm if it has a finding that is a
problem; notes do not count. The thresholds of the checks were chosen on the groups ``first`` to
``fourth``.

Only trainings that go well count as healthy. Trainings on two thirds of the rows tell, without the
doctor: the score on the rest must be within 0.05 of the best of four, which are the training
itself, one of twice as many epochs and two references, and well above that of a constant.

The second table has the processor time of fits with a ``TrainingDoctor``, and with a callback that
does nothing at every step, over that of fits without a callback. Its last column is the time of the
diagnosis, which is made when it is first read.

Run ``python benchmarks/diagnosis.py`` (about four minutes), with ``--seeds 1`` for a short run,
``--group first`` for other data, ``--cost`` for the second table alone. ``--trace`` diagnoses
recorded trainings by ``diagnose(trace)`` instead.
"""

import argparse
import contextlib
import warnings

import numpy as np
from sick_trainings import GROUPS, HEALTHY, SICK, classifier, regressor
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import ShuffleSplit
from threadpoolctl import threadpool_limits
from workloads import all_workloads, in_turns, median_ratio, seconds_of

from sklearn_metabp import (
    LBFGS,
    Adam,
    BackpropMLPClassifier,
    DivergenceError,
    TraceRecorder,
    TrainingDoctor,
)
from sklearn_metabp.callbacks.base import Callback
from sklearn_metabp.diagnostics import diagnose

FIRST_SEED = {"first": 0, "second": 10, "third": 100, "fourth": 200, "report": 300}
# A training is well if its score is so near the best, and so far above that of a constant.
NEAR, ABOVE = 0.05, 0.1
MOST_PARAMS = 100_000


def examine(training, from_trace=False):
    """Fit, and return the diagnosis; None of a recorded training that diverged at once."""
    watcher = TraceRecorder("all") if from_trace else TrainingDoctor()
    with contextlib.suppress(DivergenceError):
        training.model.set_callbacks(watcher).fit(training.X, training.y, **training.fit)
    return diagnose(watcher.trace_) if from_trace else watcher.diagnosis_


def is_well(training, seed):
    """Return whether a training goes well, by scores on rows that were set aside."""
    model, X, y = clone(training.model), training.X, training.y
    rows, rest = next(ShuffleSplit(1, test_size=1 / 3, random_state=seed).split(X))
    make = classifier if is_classifier(model) else regressor
    sides = [
        model,
        clone(model).set_params(max_iter=2 * model.max_iter),
        make((30,), Adam(0.005), seed, max_iter=150, loss=model.loss),
        make((30,), LBFGS(), seed, batch_size="full", alpha=1.0, loss=model.loss),
    ]
    scores = [side.fit(X[rows], y[rows]).score(X[rest], y[rest]) for side in sides]
    if is_classifier(model) and np.ndim(y) == 1:
        constant = np.bincount(y[rest]).max() / len(rest)
    else:
        constant = 0.0
    # Where a class is rare, a constant leaves little to win.
    above = min(ABOVE, (1 - constant) / 4)
    return scores[0] >= max(scores) - NEAR and scores[0] >= constant + above


def table_of_verdicts(group, seeds, from_trace):
    """Print the first table."""
    hits, alarms, n_sick, n_healthy, n_first = 0, 0, 0, 0, 0
    data = {seed: GROUPS[group](seed) for seed in seeds}
    print(f"group {group}, seeds {', '.join(map(str, seeds))}\n")
    for sick in SICK:
        cells = []
        for seed in seeds:
            names = examine(sick.make(data[seed], seed), from_trace).names
            hit = any(name in sick.right for name in names)
            hits, n_sick = hits + hit, n_sick + 1
            n_first += bool(names) and names[0] in sick.right
            cells.append("hit" if hit else f"missed ({', '.join(names) or 'nothing'})")
        print(f"sick     {sick.name:<34} {'; '.join(cells)}", flush=True)
    for healthy in HEALTHY:
        cells = []
        for seed in seeds:
            if not is_well(healthy.make(data[seed], seed), seed):
                cells.append("not well")
                continue
            diagnosis = examine(healthy.make(data[seed], seed), from_trace)
            problems = [finding.name for finding in diagnosis.findings if finding.is_problem]
            alarms, n_healthy = alarms + bool(problems), n_healthy + 1
            cells.append(f"ALARM ({', '.join(problems)})" if problems else "well")
        print(f"healthy  {healthy.name:<34} {'; '.join(cells)}", flush=True)
    print(
        f"\nhits: {hits} of {n_sick}, {20 * hits / n_sick:.1f} of 20 "
        f"(named first: {n_first})\n"
        f"false alarms: {alarms} of {n_healthy}, {20 * alarms / n_healthy:.1f} of 20\n"
    )


class Idle(Callback):
    """A callback that receives every step and does nothing."""

    def on_step_end(self, estimator, context, step):
        pass


def table_of_costs(n_rounds):
    """Print the second table."""
    print(
        f"{'workload':<30} {'steps':>6} {'ms plain':>9} {'idle callback':>14} {'doctor':>7} "
        f"{'ms diagnosis':>13}"
    )
    for workload in all_workloads():
        if workload.n_params > MOST_PARAMS:
            continue
        doctor = TrainingDoctor()
        sides = {
            name: BackpropMLPClassifier(**workload.params()).set_callbacks(*callbacks)
            for name, callbacks in (("plain", ()), ("idle", (Idle(),)), ("doctor", (doctor,)))
        }
        seconds = in_turns(
            {
                name: lambda model=model, w=workload: model.fit(w.X, w.y)
                for name, model in sides.items()
            },
            n_rounds,
        )
        reading = seconds_of(lambda doctor=doctor: doctor.diagnosis_)
        print(
            f"{workload.name:<30} {workload.n_steps:>6} {1e3 * np.median(seconds['plain']):>9.1f} "
            f"{median_ratio(seconds['idle'], seconds['plain']):>14.2f} "
            f"{median_ratio(seconds['doctor'], seconds['plain']):>7.2f} {1e3 * reading:>13.1f}"
        )


def main(group, n_seeds, from_trace, cost_only, n_rounds):
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", RuntimeWarning)
    if not cost_only:
        seeds = range(FIRST_SEED[group], FIRST_SEED[group] + n_seeds)
        table_of_verdicts(group, seeds, from_trace)
    table_of_costs(n_rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--group", choices=GROUPS, default="report")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--cost", action="store_true")
    arguments = parser.parse_args()
    with threadpool_limits(1):
        main(
            arguments.group,
            arguments.seeds,
            arguments.trace,
            arguments.cost,
            arguments.rounds,
        )
