"""Compare students with their teachers, on data and architectures that are not in the trace.

Every update rule is recorded on digits, and a learned rule of scope "link" imitates it. The learned
rule then trains networks on breast cancer and wine, from the teacher's start on the teacher's
batches, with widths and depths that are not in the trace. R² is computed on the updates of the
teacher's trainings there. No part of these was in the fit. The recorded trainings have 684 steps,
or at most 100 on all rows. The unseen trainings have 600 and 1800 steps, or at most 100.

Run ``python benchmarks/imitation.py``. Add ``--seeds 10 --rules sgd adam`` for more trainings of
fewer rules, and ``--epochs 32`` to record as many steps as the longest unseen training has.
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
    """Return the trace of the teacher's trainings on digits.

    A training on all rows has as many epochs as the unseen trainings.
    """
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
    """Yield the final loss over the teacher's, and R², of each rule in each unseen training."""
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
    """Return the default rule, and a wide one with more inputs and neurons.

    The output of the wide learner is a tanh for Lion, whose steps all have one size.
    """
    inputs = [*DEFAULT_INPUTS, *MORE_INPUTS]
    wide = LearnedUpdateRule(inputs=inputs, random_state=seed).set_params(
        learner__hidden_layer_sizes=(32,),
        learner__update_rule=Adam(0.005, schedule="cosine"),
        learner__out_activation="tanh" if name == "lion" else "identity",
    )
    return {"default": LearnedUpdateRule(random_state=seed), "wide": wide}


def number(value, digits=3):
    """Format a value; a large one with two figures, an infinite one as a divergence."""
    if np.isinf(value):
        return f"{'diverged':>8}"
    return f"{value:8.{digits}f}" if abs(value) < 100 else f"{value:8.2g}"


def main(n_seeds: int, names: list[str], n_epochs: int) -> None:
    print(f"{'':<39}{'final loss, student / teacher':^29} {'R² of updates':^18}")
    columns = ("median", "lowest", "highest", " ", "median", "worst")
    print(
        f"{'teacher':<33} {'learner':<7}" + "".join(f"{c:>9}" if c != " " else " " for c in columns)
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
            print(f"{label:<33} {learner:<7}", *losses, "", *r2, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="seeds (default 3)")
    parser.add_argument(
        "--rules",
        nargs="+",
        choices=TEACHERS,
        default=list(TEACHERS),
        metavar="RULE",
        help=f"rules among {', '.join(TEACHERS)} (default all)",
    )
    parser.add_argument("--epochs", type=int, default=12, help="epochs to record (default 12)")
    arguments = parser.parse_args()
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is fixed
        main(arguments.seeds, arguments.rules, arguments.epochs)
