"""Which update rules train recurrent networks, and do rules learned from feedforward ones?

Three tasks: to identify a nonlinear plant from its inputs (model of Narendra and Parthasarathy,
1990, "Identification and control of dynamical systems using neural networks"), the adding problem
(Hochreiter and Schmidhuber, 1997), and the parity of the characters so far. An Elman layer of 16
neurons, and the same number of passes over the training sequences for every rule: a line search
takes iterations until it has used them up.

The learned rules of scopes "link" and "layer" are fitted on traces of feedforward networks alone:
Adam on four small problems. Learning rates of the other rules are chosen on seeds that are not
reported. The table has the median over seeds of the error on new sequences, and the quartiles:
share of the variance that is left for the plant and for adding, share of wrong characters for
parity. The last rows are the claims of a study of 2015 whose abstract is among the references:
steepest descent, conjugate gradients and the one after the other, each through time and without
time, on a window of the last five inputs.

    python benchmarks/recurrent_learning.py              # about six minutes
    python benchmarks/recurrent_learning.py --seeds 2 --passes 60
"""

import argparse
import os
import time
import warnings

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402

from sklearn_metabp import (  # noqa: E402
    LBFGS,
    SGD,
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    BackpropRNNClassifier,
    BackpropRNNRegressor,
    Clipped,
    ConjugateGradient,
    LearnedUpdateRule,
    Rprop,
    TraceRecorder,
)

N_TRAIN, N_TEST, N_STATES, BATCH = 200, 300, 16, 20
WINDOW = 5
TUNING_SEEDS = (1001, 1002)


def plant(n, rng, n_timesteps=30):
    """Return inputs u, and y(k+1) = y(k) / (1 + y(k)^2) + u(k)^3: a plant of model III."""
    u = rng.uniform(-1, 1, (n, n_timesteps))
    y = np.zeros((n, n_timesteps + 1))
    for k in range(n_timesteps):
        y[:, k + 1] = y[:, k] / (1 + y[:, k] ** 2) + u[:, k] ** 3
    return u[:, :, None], y[:, 1:]


def adding(n, rng, n_timesteps=12):
    """Return values and marks of two of them, and the sum of these two."""
    values, marks = rng.uniform(0, 1, (n, n_timesteps)), np.zeros((n, n_timesteps))
    for row, first, second in zip(
        range(n),
        rng.integers(0, n_timesteps // 2, n),
        rng.integers(n_timesteps // 2, n_timesteps, n),
        strict=True,
    ):
        marks[row, [first, second]] = 1
    return np.stack([values, marks], axis=2), (values * marks).sum(axis=1)


def parity(n, rng, n_timesteps=30):
    """Return strings of two characters as one-hot vectors, and the parity of the second so far."""
    bits = rng.integers(0, 2, (n, n_timesteps))
    return np.eye(2)[bits], np.array(["even", "odd"])[bits.cumsum(axis=1) % 2]


TASKS = {
    "plant": (plant, BackpropRNNRegressor, True),
    "adding": (adding, BackpropRNNRegressor, False),
    "parity": (parity, BackpropRNNClassifier, True),
}


def network(task, rule, n_passes, seed, **params):
    """Return an unfitted network for a task."""
    _, kind, every = TASKS[task]
    return kind(
        N_STATES,
        return_sequences=every,
        update_rule=rule,
        max_iter=n_passes,
        n_iter_no_change=np.inf,
        tol=0.0,
        alpha=0.0,
        random_state=seed,
        **params,
    )


def rows_of(task, seed):
    """Return training and test sequences of a task."""
    make = TASKS[task][0]
    rng = np.random.default_rng(seed)
    return make(N_TRAIN, rng), make(N_TEST, rng)


def error_of(model, X, y):
    """Return the share of the variance that is left, or of wrong characters."""
    return 1 - model.score(X, y)


def by_steps(rule, batch_size=BATCH):
    """Return a trainer that takes one pass an epoch."""

    def train(task, rows, n_passes, seed):
        return network(task, rule, n_passes, seed, batch_size=batch_size).fit(*rows)

    return train


def by_search(rule):
    """Return a trainer by a line search, for as many iterations as the passes are enough for."""

    def train(task, rows, n_passes, seed):
        short = network(task, rule, n_passes // 10, seed).fit(*rows)
        passes = short.t_ / N_TRAIN / short.n_iter_  # of one iteration
        return network(task, rule, max(1, round(n_passes / passes)), seed).fit(*rows)

    return train


def without_time(rule):
    """Return a trainer of a feedforward network on the last inputs, by a line search."""

    def train(task, rows, n_passes, seed):
        X, y = rows
        is_regression = TASKS[task][1] is BackpropRNNRegressor
        kind = BackpropMLPRegressor if is_regression else BackpropMLPClassifier
        rows = windows(X, y.ndim == 2), y.ravel()

        def fit(n_iterations):
            model = kind(
                N_STATES, "tanh", update_rule=rule, max_iter=n_iterations, tol=0.0, alpha=0.0,
                random_state=seed,
            )  # fmt: skip
            return model.fit(*rows)

        short = fit(n_passes // 10)
        passes = short.t_ / len(rows[0]) / short.n_iter_
        return Windowed(fit(max(1, round(n_passes / passes))))

    return train


def windows(X, every):
    """Return the last inputs before every time step, or before the end, side by side."""
    padded = np.concatenate([np.zeros((len(X), WINDOW - 1, X.shape[2])), X], axis=1)
    parts = [padded[:, k : k + X.shape[1]] for k in range(WINDOW)]
    stacked = np.concatenate(parts, axis=2)
    return stacked.reshape(-1, stacked.shape[2]) if every else stacked[:, -1]


class Windowed:
    """A network of windows with the score of sequences."""

    def __init__(self, model):
        self.model = model

    def score(self, X, y):
        return self.model.score(windows(X, y.ndim == 2), y.ravel())


def traces():
    """Record Adam on four small problems without time."""
    recorder = TraceRecorder()
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(300, 5))
        hidden = np.tanh(X @ rng.normal(size=(5, 6)))
        score = hidden @ rng.normal(size=6)
        kind = BackpropMLPClassifier if seed % 2 else BackpropMLPRegressor
        y = score > 0 if seed % 2 else score / score.std()
        teacher = kind(
            (12,), "tanh", update_rule=Adam(0.01), batch_size=20, max_iter=12,
            n_iter_no_change=np.inf, random_state=seed,
        )  # fmt: skip
        teacher.set_callbacks(recorder).fit(X, y)
    return recorder.trace_


def choose(make, rates, task, n_passes):
    """Return the rate with the lowest error on the seeds for that."""
    found = {}
    for rate in rates:
        errors = []
        for seed in TUNING_SEEDS:
            train, test = rows_of(task, seed)
            try:
                errors.append(error_of(by_steps(*make(rate))(task, train, n_passes, seed), *test))
            except ValueError:
                errors.append(np.inf)
        found[rate] = np.mean(errors)
    return min(found, key=found.__getitem__)


TUNED = {
    "Adam, tuned": (lambda rate: (Adam(rate),), (0.001, 0.003, 0.01, 0.03)),
    "SGD with momentum, clipped, tuned": (
        lambda rate: (Clipped(SGD(rate, 0.9), max_norm=1.0),),
        (0.01, 0.03, 0.1, 0.3),
    ),
    "Rprop, tuned": (lambda rate: (Rprop(rate), "full"), (0.0003, 0.001, 0.003, 0.01)),
}


OF_THE_STUDY = {
    "steepest descent": ConjugateGradient(n_steepest=np.inf),
    "conjugate gradients": ConjugateGradient(),
    "20 steepest, then conjugate": ConjugateGradient(n_steepest=20),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=7)
    parser.add_argument("--passes", type=int, default=200)
    parser.add_argument("--task", choices=TASKS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    start = time.process_time()
    trace = traces()
    learned = {
        scope: LearnedUpdateRule(scope=scope, random_state=0).fit(trace)
        for scope in ("link", "layer")
    }
    for task in TASKS if options.task is None else (options.task,):
        trainers = {}
        for name, (make, rates) in TUNED.items():
            rate = choose(make, rates, task, options.passes)
            trainers[f"{name} ({rate:g})"] = by_steps(*make(rate))
        trainers |= {
            "learned, link": by_steps(learned["link"]),
            "learned, layer": by_steps(learned["layer"]),
            "pretrained": by_steps("learned"),
            "L-BFGS": by_search(LBFGS()),
            **{name: by_search(rule) for name, rule in OF_THE_STUDY.items()},
            **{f"{name}, no time": without_time(rule) for name, rule in OF_THE_STUDY.items()},
        }
        print(f"\n{task}: {options.passes} passes, {options.seeds} seeds")
        print(f"{'':<46} median  quartiles      seconds")
        for name, train in trainers.items():
            errors, began = [], time.process_time()
            for seed in range(options.seeds):
                rows, test = rows_of(task, seed)
                try:
                    errors.append(error_of(train(task, rows, options.passes, seed), *test))
                except ValueError:  # it diverged
                    errors.append(np.inf)
            low, median, high = np.quantile(errors, [0.25, 0.5, 0.75], method="nearest")
            seconds = (time.process_time() - began) / options.seeds
            print(f"{name:<46} {median:6.4f}  {low:6.4f} {high:6.4f} {seconds:8.2f}", flush=True)
    print(f"\n{time.process_time() - start:.0f} s of processor time")


if __name__ == "__main__":
    main()
