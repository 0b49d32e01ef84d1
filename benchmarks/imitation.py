"""How close does a student come to its teacher, on data and architectures not in the trace?

Recorded on digits, trained on breast cancer and wine, from the same start on the same batches.
R² is that of the updates of the teacher's training there, no part of which was in the fit.
Run ``python benchmarks/imitation.py``.
"""

import argparse

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.preprocessing import scale

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, LearnedUpdateRule, TraceRecorder

TEACHERS = [SGD(0.1), Adam(1e-3)]
DATA = {"breast cancer": load_breast_cancer, "wine": load_wine}
RECORDED = [(32,), (24, 16)]
UNSEEN = [(48,), (20, 10, 8), (96,), (12, 12)]


def fit(rule, hidden_layer_sizes, X, y, n_epochs, seed, recorder=None):
    model = BackpropMLPClassifier(
        hidden_layer_sizes,
        update_rule=rule,
        batch_size=32,
        max_iter=n_epochs,
        n_iter_no_change=np.inf,
        random_state=seed,
    )
    return model.set_callbacks(*([recorder] if recorder else [])).fit(X, y)


def main(n_seeds: int) -> None:
    print(f"{'teacher':<26} {'data':<14} {'final loss: student over teacher':<40} {'worst R² of updates'}")
    print(f"{'':<26} {'':<14} {'median':>8} {'lowest':>8} {'highest':>8}")
    X_digits, y_digits = load_digits(return_X_y=True)
    for teacher in TEACHERS:
        for data, load in DATA.items():
            X, y = load(return_X_y=True)
            X = scale(X)
            ratios, scores = [], []
            for seed in range(n_seeds):
                recorder = TraceRecorder()
                for sizes in RECORDED:
                    fit(teacher, sizes, X_digits / 16, y_digits, 12, seed, recorder)
                rule = LearnedUpdateRule(random_state=seed).fit(recorder.trace_)
                sizes, unseen = UNSEEN[seed % len(UNSEEN)], TraceRecorder()
                taught = fit(teacher, sizes, X, y, 100, 1000 + seed, unseen)
                student = fit(rule, sizes, X, y, 100, 1000 + seed)
                ratios.append(student.loss_ / taught.loss_)
                scores.append(rule.score(unseen.trace_))
            print(
                f"{teacher!r:<26} {data:<14} {np.median(ratios):8.4f} {min(ratios):8.4f} "
                f"{max(ratios):8.4f} {min(scores):20.6f}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="seeds (default 10)")
    main(parser.parse_args().seeds)
