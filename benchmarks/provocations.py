"""Provoke a learned rule with tasks that it was not made for, unguarded and safeguarded.

Every line is a provocation. Its columns are the final loss of the rule over that of Adam with the
best of six learning rates for that line and that loss, on the training rows and on rows held out;
the final training loss of the rule under ``Safeguarded`` over that of the fallback alone; and how
many trainings diverge. A ratio is the highest over the starts. To both losses of a ratio 0.01 is
added, so that losses near 0 have ratios. Run
``python benchmarks/provocations.py --rule FILE_OR_NAME``, with a rule file or the name of a rule
that is shipped.
"""

import argparse
import copy
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.preprocessing import StandardScaler, scale
from threadpoolctl import threadpool_limits

from sklearn_metabp import (
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    DivergenceError,
    Safeguarded,
    load_rule,
)
from sklearn_metabp.network import glorot_uniform

RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
FALLBACK = Adam(0.003)
SMALL = 0.01
N_ROWS = 300


@dataclass(frozen=True)
class Provocation:
    """A task, and what is done to the rule.

    Attributes
    ----------
    X, y : ndarray
        The first 300 rows are trained on, the others held out.
    hidden : tuple of int
    batch_size : int
    n_epochs : int
    initial : float
        Factor of the initial weights.
    learning_rate : float
        Factor of the learning rate that the rule starts from.
    is_regression : bool
    """

    X: np.ndarray
    y: np.ndarray
    hidden: tuple[int, ...] = (32,)
    batch_size: int = 30
    n_epochs: int = 40
    initial: float = 1.0
    learning_rate: float = 1.0
    is_regression: bool = False

    def provoked(self, rule):
        """Return the rule with another learning rate."""
        if self.learning_rate == 1:
            return rule
        rule = copy.deepcopy(rule)
        rule.fitted_scope_.learning_rate *= self.learning_rate
        return rule

    def final_losses(self, rule, seed: int) -> np.ndarray:
        """Return training loss and held-out loss of the fitted network; infinite if it diverges."""

        def initial(layout, activations, rng):
            params = glorot_uniform(layout, activations, rng)
            return params * np.asarray(self.initial, params.dtype)

        kind = BackpropMLPRegressor if self.is_regression else BackpropMLPClassifier
        model = kind(self.hidden, update_rule=rule, alpha=0.0, init=initial)
        model.set_params(batch_size=self.batch_size, max_iter=self.n_epochs, random_state=seed)
        try:
            model.set_params(n_iter_no_change=np.inf).fit(self.X[:N_ROWS], self.y[:N_ROWS])
        except DivergenceError:
            return np.full(2, np.inf)
        sides = slice(N_ROWS), slice(N_ROWS, None)
        return np.array([self.loss(model, self.X[side], self.y[side]) for side in sides])

    def loss(self, model, X: np.ndarray, y: np.ndarray) -> float:
        if self.is_regression:
            return mean_squared_error(y, model.predict(X)) / 2
        return log_loss(y, model.predict_proba(X), labels=model.classes_)


def provocations() -> dict[str, Provocation]:
    X, y = load_digits(return_X_y=True)
    X = StandardScaler().fit(X[:N_ROWS]).transform(X)[: 3 * N_ROWS]
    y = y[: 3 * N_ROWS]
    rng = np.random.default_rng(0)
    plain = Provocation(X, y)
    constant = X.copy()
    constant[:, 20] = 7.0
    diabetes, target = load_diabetes(return_X_y=True)
    regression = Provocation(scale(diabetes), scale(target), is_regression=True)
    return {
        "none": plain,
        "X times 1000": replace(plain, X=1000 * X),
        "initial weights times 10": replace(plain, initial=10.0),
        "learning rate times 100": replace(plain, learning_rate=100.0),
        "labels at random": replace(plain, y=rng.permutation(y)),
        "one constant feature": replace(plain, X=constant),
        "float32, X times 1e15": replace(plain, X=(1e15 * X).astype(np.float32)),
        "float32, X times 1e-15": replace(plain, X=(1e-15 * X).astype(np.float32)),
        "another task: regression": regression,
        "batch 1": replace(plain, batch_size=1, n_epochs=5),
        "10000 steps": replace(plain, hidden=(16,), n_epochs=1000),
        "width 512": replace(plain, hidden=(512,), n_epochs=20),
    }


def ratios(losses: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return quotients of losses; 1 where both are infinite."""
    both_diverge = np.isinf(losses) & np.isinf(references)
    known = np.where(both_diverge, 0.0, losses), np.where(both_diverge, 0.0, references)
    return (known[0] + SMALL) / (known[1] + SMALL)


def provoke(name: str, case: Provocation, rule, n_seeds: int) -> None:
    rule = case.provoked(rule)
    guarded = Safeguarded(rule, FALLBACK)
    over_tuned, over_fallback, n_diverged = [], [], np.zeros(2, int)
    for seed in range(n_seeds):
        tuned = np.min([case.final_losses(Adam(rate), seed) for rate in RATES], axis=0)
        alone, safe = (case.final_losses(trained_by, seed) for trained_by in (rule, guarded))
        over_tuned.append(ratios(alone, tuned))
        over_fallback.append(ratios(safe, case.final_losses(FALLBACK, seed))[0])
        n_diverged += np.isinf([alone[0], safe[0]])
    training, held_out = np.max(over_tuned, axis=0)
    print(
        f"{name:<26} {training:9.3f} {held_out:9.3f} {n_diverged[0]:>6} of {n_seeds:<3} "
        f"{max(over_fallback):13.3f} {n_diverged[1]:>6} of {n_seeds}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rule", required=True, help="rule file, or name of a shipped rule")
    parser.add_argument("--seeds", type=int, default=3, help="starts (default 3)")
    parser.add_argument("--only", nargs="+", help="provocations, by their names")
    given = parser.parse_args()
    if Path(given.rule).exists():
        rule = load_rule(given.rule)
    else:
        from sklearn_metabp.pretrained import load_pretrained

        rule = load_pretrained(given.rule)
    print(
        f"{'provocation':<26} {'training':>9} {'held out':>9} {'diverge':>11} "
        f"{'over fallback':>14} {'diverge':>11}"
    )
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the table shows it
        warnings.simplefilter("ignore", RuntimeWarning)
        for name, case in provocations().items():
            if not given.only or name in given.only:
                provoke(name, case, rule, given.seeds)


if __name__ == "__main__":
    main()
