"""How close does a student come to its teacher, on data and architectures not in the trace?

Every update rule is recorded on digits and imitated by a learned rule of scope "link", which then
trains breast cancer and wine, from the teacher's start on the teacher's batches, with widths and
depths that it has not seen. R² is that of the updates of the teacher's trainings there, no part of
which was in the fit. The recorded trainings are of 684 steps, or of 100 at most on all rows; the
unseen ones of 600 and 1800, or of 100 at most.

Run ``python benchmarks/imitation.py``; ``--seeds 10 --rules sgd adam`` for more trainings of fewer
rules, ``--epochs 32`` to record as many steps as the longest of the unseen trainings has.
"""

import argparse
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

from sklearn_metabp import (
    LBFGS,
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdaMax,
    AdamW,
    BackpropMLPClassifier,
    ConjugateGradient,
    LearnedUpdateRule,
    Lion,
    Muon,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
    TraceRecorder,
)
from sklearn_metabp.learned import DEFAULT_INPUTS
from sklearn_metabp.meta_training import Task, rollout

TEACHERS = {
    "sgd": SGD(0.1),
    "momentum": SGD(0.01, momentum=0.9),
    "nesterov": SGD(0.01, momentum=0.9, nesterov=True),
    "rprop": Rprop(),
    "adagrad": AdaGrad(0.01),
    "adadelta": AdaDelta(),
    "rmsprop": RMSprop(1e-3),
    "adam": Adam(1e-3),
    "adamax": AdaMax(2e-3),
    "adamw": AdamW(1e-3),
    "nadam": NAdam(1e-3),
    "radam": RAdam(1e-3),
    "lion": Lion(2e-4),
    "muon": Muon(5e-3),
    "lbfgs": LBFGS(),
    "conjugategradient": ConjugateGradient(),
}
DATA = (load_breast_cancer, load_wine)
RECORDED = [(32,), (24, 16)]
UNSEEN = [(48,), (20, 10, 8), (96,), (12, 12)]
N_EPOCHS = 100
MORE_INPUTS = (
    "warmup_0.99",
    "warmup_0.999",
    "gradient/peak_0.999",
    "momentum_0.9/peak_0.999",
    "gradient/norm",
    "last_step",
)


def task(hidden_layer_sizes, X, y, n_epochs, full_batch) -> Task:
    network = BackpropMLPClassifier(
        hidden_layer_sizes,
        batch_size="full" if full_batch else 32,
        max_iter=n_epochs,
        n_iter_no_change=np.inf,
    )
    return Task(network, X, y)


def record(teacher, n_epochs, seed):
    """The teacher's trainings on digits; those on all rows for as many epochs as the unseen ones."""
    X, y = load_digits(return_X_y=True)
    recorder = TraceRecorder()
    n_epochs = N_EPOCHS if teacher.full_batch else n_epochs
    for sizes in RECORDED:
        rollout(
            task(sizes, X / 16, y, n_epochs, teacher.full_batch),
            teacher,
            seed,
            callbacks=[recorder],
        )
    return recorder.trace_


def train_unseen(teacher, rules, seed):
    """Final loss over the teacher's, and R², of each rule in a training that was not recorded."""
    sizes = UNSEEN[seed % len(UNSEEN)]
    for load in DATA:
        X, y = load(return_X_y=True)
        recorder, unseen = TraceRecorder(), task(sizes, scale(X), y, N_EPOCHS, teacher.full_batch)
        taught = rollout(unseen, teacher, 1000 + seed, callbacks=[recorder])
        found = []
        for rule in rules:
            student = rollout(unseen, rule, 1000 + seed, n_epochs=len(taught.loss_curve))
            found.append((student.loss / taught.loss, rule.score(recorder.trace_)))
        yield found


def learners(name, seed):
    """The default, and more inputs and units; a tanh at the end where every step has one size."""
    inputs = [*DEFAULT_INPUTS, *MORE_INPUTS]
    wide = LearnedUpdateRule(inputs=inputs, random_state=seed).set_params(
        learner__hidden_layer_sizes=(32,),
        learner__update_rule=Adam(0.005, schedule="cosine"),
        learner__out_activation="tanh" if name == "lion" else "identity",
    )
    return {"default": LearnedUpdateRule(random_state=seed), "wide": wide}


def number(value, digits=3):
    """So many places, two figures of what is larger; infinite where the student diverged."""
    if np.isinf(value):
        return f"{'diverged':>9}"
    return f"{value:9.{digits}f}" if abs(value) < 100 else f"{value:9.2g}"


def main(n_seeds: int, names: list[str], n_epochs: int) -> None:
    print(f"{'':<43}  {'final loss, student / teacher':^29}  {'R² of updates':^19}")
    columns = ("median", "lowest", "highest", " ", "median", "worst")
    print(
        f"{'teacher':<34} {'learner':<7}"
        + "".join(f"{c:>10}" if c != " " else "  " for c in columns)
    )
    for name in names:
        teacher, found = TEACHERS[name], []
        for seed in range(n_seeds):
            trace = record(teacher, n_epochs, seed)
            rules = learners(name, seed)
            found += train_unseen(teacher, [rule.fit(trace) for rule in rules.values()], seed)
        for learner, (ratios, scores) in zip(
            rules, np.moveaxis(np.array(found), 0, 2), strict=True
        ):
            losses = [number(value) for value in (np.median(ratios), min(ratios), max(ratios))]
            r2 = [number(value, 4) for value in (np.median(scores), min(scores))]
            label = repr(teacher) if learner == "default" else ""
            print(f"{label:<34} {learner:<7}", *losses, "", *r2, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="seeds (default 3)")
    parser.add_argument(
        "--rules",
        nargs="+",
        choices=TEACHERS,
        default=list(TEACHERS),
        metavar="RULE",
        help=f"of {', '.join(TEACHERS)} (default all)",
    )
    parser.add_argument("--epochs", type=int, default=12, help="epochs to record (default 12)")
    arguments = parser.parse_args()
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # as many epochs as asked for, no more
        main(arguments.seeds, arguments.rules, arguments.epochs)
