"""Test two claims: steepest descent first helps, and linear backpropagation is competitive.

Two abstracts make these claims; the page on the lectures quotes them. Each rule trains networks on
digits, breast cancer and wine from the same starts. The table has, over the starts, the median
final training loss, the median of its quotients to the loss of the first line, the number of starts
where it was lower, the passes over the patterns, and the mean accuracy on a test set. Linear
backpropagation and backpropagation each use the best of six learning rates, by the training loss
from a start that is not counted. Run ``python benchmarks/claims.py --seeds 10``.
"""

import argparse
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_metabp import (
    SGD,
    BackpropMLPClassifier,
    ConjugateGradient,
    DivergenceError,
    LinearBackprop,
)

DATA = {"digits": load_digits, "breast cancer": load_breast_cancer, "wine": load_wine}
RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
N_ITERATIONS = 60
STEEPEST = {
    "conjugate gradients": 0,
    "after 5 of steepest descent": 5,
    "after 20": 20,
    "steepest descent": np.inf,
}


def split(load):
    """Return training and test set, standardised by the training set."""
    X, y = load(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    scaler = StandardScaler().fit(X_train)
    return scaler.transform(X_train), scaler.transform(X_test), y_train, y_test


def network(hidden, activation, rule, seed):
    searches = isinstance(rule, ConjugateGradient)
    return BackpropMLPClassifier(
        hidden,
        activation,
        update_rule=rule,
        alpha=1e-4,
        batch_size="full" if searches else 32,
        max_iter=N_ITERATIONS if searches else 20,
        tol=0.0,
        n_iter_no_change=np.inf,
        random_state=seed,
    )


def trained(data, hidden, activation, rule, seed):
    """Train; return the final training loss, the passes and the test accuracy.

    The loss is infinite where the training diverges.
    """
    X_train, X_test, y_train, y_test = data
    model = network(hidden, activation, rule, seed)
    try:
        model.fit(X_train, y_train)
    except DivergenceError:
        return np.inf, 0.0, 0.0
    return model.loss_, model.t_ / len(X_train), model.score(X_test, y_test)


def best_rate(data, hidden, activation, rule):
    """Return the rule at the learning rate with the lowest training loss from start 0."""
    name = "rule__learning_rate" if isinstance(rule, LinearBackprop) else "learning_rate"
    at_rates = [clone(rule).set_params(**{name: rate}) for rate in RATES]
    return min(at_rates, key=lambda at_rate: trained(data, hidden, activation, at_rate, 0)[0])


def table(cases, seeds):
    """Print a table of cases, each a tuple (title, {name: rule}, data, hidden, activation)."""
    print(f"{'':<44} {'loss':>9} {'over first':>10} {'lower in':>9} {'passes':>7} {'accuracy':>9}")
    for title, rules, data, hidden, activation in cases:
        print(title)
        first = None
        for name, rule in rules.items():
            found = np.array([trained(data, hidden, activation, rule, seed) for seed in seeds])
            first = found if first is None else first
            ratios = found[:, 0] / first[:, 0]
            loss, passes = np.median(found[:, 0]), np.median(found[:, 1])
            print(
                f"    {name:<40} {loss:9.5f} {np.median(ratios):10.3f} {np.sum(ratios < 1):>3} of "
                f"{len(seeds):<2} {passes:7.0f} {found[:, 2].mean():9.3f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="starts (default 10)")
    seeds = range(1, 1 + parser.parse_args().seeds)
    warnings.simplefilter("ignore", ConvergenceWarning)
    sets = {name: split(load) for name, load in DATA.items()}
    with threadpool_limits(1, "blas"):
        searches = {name: ConjugateGradient(n_steepest=n) for name, n in STEEPEST.items()}
        table([(name, searches, data, (32,), "tanh") for name, data in sets.items()], seeds)
        print()
        cases = []
        for name, data in sets.items():
            for hidden, activation in (((32,), "tanh"), ((32,) * 4, "tanh"), ((32,) * 4, "relu")):
                rules = {"backpropagation": SGD(), "linear backpropagation": LinearBackprop(SGD())}
                best = {
                    who: best_rate(data, hidden, activation, rule) for who, rule in rules.items()
                }
                cases.append(
                    (f"{name}, hidden {hidden}, {activation}", best, data, hidden, activation)
                )
        table(cases, seeds)


if __name__ == "__main__":
    main()
