"""Measure how students of the layer scope train, over their teachers.

Each teacher is recorded on two trainings on digits. The student trains another start there, and a
network of another architecture on wine. Run ``python benchmarks/layer_imitation.py``.
"""

import warnings

import numpy as np
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale

from sklearn_metabp import (
    SGD,
    Adam,
    AdamW,
    BackpropMLPClassifier,
    LearnedUpdateRule,
    NAdam,
    RMSprop,
    TraceRecorder,
)

TEACHERS = {
    "Adam": Adam(0.003),
    "AdamW": AdamW(0.008, weight_decay=0.3),
    "NAdam": NAdam(0.003),
    "momentum": SGD(0.05, momentum=0.9),
    "SGD": SGD(0.3),
    "RMSprop": RMSprop(0.002),
}


def main() -> None:
    digits_X, digits_y = load_digits(return_X_y=True)
    digits = digits_X[:400] / 16, digits_y[:400]
    wine_X, wine_y = load_wine(return_X_y=True)
    wine = scale(wine_X), wine_y

    def train(rule, data, layers, n_epochs, seed=0, recorder=None):
        model = BackpropMLPClassifier(layers, update_rule=rule, batch_size=40, max_iter=n_epochs)
        model.set_params(n_iter_no_change=np.inf, random_state=seed, alpha=0.0)
        if recorder is not None:
            model.set_callbacks(recorder)
        return model.fit(*data).loss_

    print(f"{'teacher':<10} {'rate':>8} {'decay':>6} {'R²':>6}  losses: digits, wine")
    for name, teacher in TEACHERS.items():
        recorder = TraceRecorder()
        for seed in (1, 2):
            train(teacher, digits, (20,), 15, seed, recorder)
        trace = recorder.trace_
        rule = LearnedUpdateRule(scope="layer", random_state=0).fit(trace)
        pairs = [
            (train(rule, *task), train(teacher, *task))
            for task in ((digits, (20,), 15), (wine, (12, 8), 30))
        ]
        print(
            f"{name:<10} {rule.learning_rate_:8.5f} {rule.weight_decay_:6.3f} "
            f"{rule.score(trace):6.3f}  "
            + "  ".join(f"{ours:.4f}/{theirs:.4f} = {ours / theirs:.2f}" for ours, theirs in pairs),
            flush=True,
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore", ConvergenceWarning)
    main()
