"""Measure the penalty of input gradients: its time, its gradient, and the accuracy that it brings.

Each option prints one table; all run on one BLAS thread.

- ``--speed``: time of a penalised fit relative to a plain one, in turns, batches of 200, Adam.
- ``--passes``: the fast version of S. Demyanov et al. (arXiv:1502.04434), which leaves the last
  pass out, beside the exact gradient: the cosine of the two penalty gradients along a training,
  accuracies on digits with and without noise, and the time of a step without the pass.
- ``--abstract``: the comparison of the abstract: backpropagation, invariant backpropagation,
  Tangent BP and Adversarial Training on digits, each tuned on some splits and reported on others.
- ``--noise``: accuracy under growing sensor noise on digits and breast cancer, beside input noise,
  decay and dropout, tuned in the same way.

``--short`` makes every table from fewer splits. The sides that the package does not have are in
NumPy here: Tangent BP penalises the derivative of a loss along two shifts of the image by a pixel,
Adversarial Training adds the loss at x + epsilon sign(dJ/dx) to the loss at x.
"""

import argparse
import warnings
from itertools import pairwise

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from workloads import all_workloads, in_turns, median_ratio

from sklearn_metabp import BackpropMLPClassifier

N_HIDDEN, N_EPOCHS, BATCH = 100, 60, 200


# The time of a fit


def print_speed(n_rounds: int) -> None:
    """Print the time of penalised fits relative to plain ones."""
    print(f"{'fit':<30}{'activation':<12}{'dtype':<9}{'plain µs':>9}{'penalised':>11}{'ratio':>7}")
    for workload in list(all_workloads())[2:4]:
        for activation in ("relu", "tanh"):
            for dtype in (np.float64, np.float32):
                X = workload.X.astype(dtype)
                model = BackpropMLPClassifier(activation=activation, **workload.params())
                model.set_params(max_iter=max(1, workload.n_epochs // 2))
                n_steps = workload.n_steps * model.max_iter / workload.n_epochs

                def fit(penalty, model=model, X=X, y=workload.y):
                    model.set_params(input_gradient_penalty=penalty).fit(X, y)

                seconds = in_turns({beta: lambda b=beta: fit(b) for beta in (0.0, 1.0)}, n_rounds)
                plain, penalised = (np.median(seconds[b]) / n_steps * 1e6 for b in (0.0, 1.0))
                ratio = median_ratio(seconds[1.0], seconds[0.0])
                print(
                    f"{workload.name:<30}{activation:<12}{np.dtype(dtype).name:<9}"
                    f"{plain:9.0f}{penalised:11.0f}{ratio:7.2f}",
                    flush=True,
                )


# Sides in NumPy: a network 64-100-10 of relu neurons with softmax, and what adds to its gradient


class Passes:
    """Forward and backward pass of a batch, and the passes on derivatives behind them."""

    def __init__(self, layers, X, targets):
        self.layers, self.inputs, self.targets = layers, [X], targets
        for W, b in layers[:-1]:
            self.inputs.append(np.maximum(self.inputs[-1] @ W + b, 0))
        W, b = layers[-1]
        self.net = self.inputs[-1] @ W + b
        self.p = softmax(self.net, axis=1)
        self.deltas = [self.p - targets]
        for (W, _), x in zip(layers[:0:-1], self.inputs[:0:-1], strict=True):
            self.deltas.insert(0, (self.deltas[0] @ W.T) * (x > 0))

    @property
    def loss(self):
        """Mean log-loss."""
        return -(self.targets * log_softmax(self.net, axis=1)).sum() / len(self.p)

    def gradient(self):
        """Gradient of the mean loss."""
        return self.of_products(self.inputs, self.deltas)

    def of_products(self, left, right):
        """Return x^T delta of every layer, and the sums of delta, over the number of rows."""
        n = len(self.p)
        pairs = zip(left, right, strict=True)
        return [(x.T @ d / n, d.sum(axis=0) / n) for x, d in pairs]

    def input_gradients(self):
        """Return g = dJ/dx of every row."""
        return self.deltas[0] @ self.layers[0][0].T

    def forward_on_derivatives(self, rates):
        """Return c of every layer but the last, and e of the last; c of the inputs are given."""
        c, (last, _) = [rates], self.layers[-1]
        for (W, _), x in zip(self.layers[:-1], self.inputs[1:], strict=True):
            c.append((c[-1] @ W) * (x > 0))
        return c, c[-1] @ last

    def rate_of_gradient(self, rates, exact):
        """Return the rate of the gradient where the inputs have these rates, and of the losses.

        Without ``exact`` the last pass, back on derivatives, is left out.
        """
        c, e = self.forward_on_derivatives(rates)
        parts = self.of_products(c, self.deltas)
        parts = [(dW, np.zeros_like(db)) for dW, db in parts]  # c adds nothing to biases
        of_losses = (self.deltas[-1] * e).sum(axis=1)
        if not exact:
            return parts, of_losses
        rho = [self.p * (e - (self.p * e).sum(axis=1, keepdims=True))]
        for (W, _), x in zip(self.layers[:0:-1], self.inputs[:0:-1], strict=True):
            rho.insert(0, (rho[0] @ W.T) * (x > 0))
        return added(parts, self.of_products(self.inputs, rho)), of_losses


def added(first, second):
    """Return the sum of two gradients."""
    return [(a + c, b + d) for (a, b), (c, d) in zip(first, second, strict=True)]


def flat(gradient):
    """Return a gradient as one vector."""
    return np.concatenate([part.ravel() for layer in gradient for part in layer])


def plain(layers, X, targets, strength):
    """Backpropagation."""
    return Passes(layers, X, targets).gradient()


def invariant(layers, X, targets, strength, exact=True):
    """Invariant backpropagation: the penalty strength / 2 |g|^2."""
    passes = Passes(layers, X, targets)
    rate, _ = passes.rate_of_gradient(strength * passes.input_gradients(), exact)
    return added(passes.gradient(), rate)


def invariant_fast(layers, X, targets, strength):
    """Invariant backpropagation without its last pass."""
    return invariant(layers, X, targets, strength, exact=False)


def shifts(X):
    """Return the derivatives of the images along shifts by a pixel, down and to the right."""
    images = X.reshape(-1, 8, 8)
    return [np.gradient(images, axis=axis).reshape(X.shape) for axis in (1, 2)]


def tangent(layers, X, targets, strength, exact=True):
    """Tangent BP: the penalty strength / 2 (g t)^2 for every tangent t."""
    passes = Passes(layers, X, targets)
    total, g = passes.gradient(), passes.input_gradients()
    for t in shifts(X):
        along = (g * t).sum(axis=1, keepdims=True)
        rate, _ = passes.rate_of_gradient(strength * along * t, exact)
        total = added(total, rate)
    return total


def tangent_fast(layers, X, targets, strength):
    """Tangent BP without the passes back on derivatives."""
    return tangent(layers, X, targets, strength, exact=False)


def adversarial(layers, X, targets, strength):
    """Adversarial Training: half the loss at x, half that at x + strength sign(g)."""
    passes = Passes(layers, X, targets)
    moved = Passes(layers, X + strength * np.sign(passes.input_gradients()), targets)
    return [(a / 2, b / 2) for a, b in added(passes.gradient(), moved.gradient())]


def adversarial_fast(layers, X, targets, strength):
    """Adversarial Training with the second loss to first order, and without the last pass."""
    passes = Passes(layers, X, targets)
    rate, _ = passes.rate_of_gradient(strength / 2 * np.sign(passes.input_gradients()), False)
    return added(passes.gradient(), rate)


def start(sizes, seed):
    """Return Glorot's start."""
    rng = np.random.default_rng(seed)
    bounds = [(a, b, np.sqrt(6 / (a + b))) for a, b in pairwise(sizes)]
    return [(rng.uniform(-r, r, (a, b)), np.zeros(b)) for a, b, r in bounds]


def fit(side, strength, X, y, seed, *, n_epochs=N_EPOCHS, watch=lambda layers: None):
    """Train with Adam in batches, and return the layers."""
    rng, targets = np.random.default_rng(seed), np.eye(y.max() + 1)[y]
    layers = start((X.shape[1], N_HIDDEN, targets.shape[1]), seed)
    moments = [[np.zeros_like(a) for a in layer] for layer in layers for _ in range(2)]
    n_steps = 0
    for _ in range(n_epochs):
        watch(layers)
        order = rng.permutation(len(X))
        for rows in np.split(order, range(BATCH, len(X), BATCH)):
            n_steps += 1
            gradient = side(layers, X[rows], targets[rows], strength)
            rate = 2e-3 * np.sqrt(1 - 0.999**n_steps) / (1 - 0.9**n_steps)
            for number, (layer, parts) in enumerate(zip(layers, gradient, strict=True)):
                for k, (array, part) in enumerate(zip(layer, parts, strict=True)):
                    m, v = moments[2 * number][k], moments[2 * number + 1][k]
                    m += 0.1 * (part - m)
                    v += 0.001 * (part**2 - v)
                    array -= rate * m / (np.sqrt(v) + 1e-8)
    return layers


def accuracy(layers, X, y):
    """Return the share of the rows whose class is predicted."""
    for W, b in layers[:-1]:
        X = np.maximum(X @ W + b, 0)
    W, b = layers[-1]
    return float(((X @ W + b).argmax(axis=1) == y).mean())


def digits(seed, n_train=None):
    """Return training and test rows of digits, pixels from 0 to 1."""
    X, y = load_digits(return_X_y=True)
    parts = train_test_split(X / 16, y, test_size=0.5, random_state=seed, stratify=y)
    X_train, X_test, y_train, y_test = parts
    return X_train[:n_train], X_test, y_train[:n_train], y_test


def noisy(X, deviation, seed):
    """Return rows with normal noise of the sensors."""
    return X + deviation * np.random.default_rng(seed).standard_normal(X.shape)


def print_passes(n_splits: int, n_rounds: int) -> None:
    """Print cosines and accuracies of the fast version beside the exact one, and times."""
    cosines = []

    def note(layers):
        passes = Passes(layers, X, np.eye(10)[y])
        rates = passes.input_gradients()
        exact, fast = (flat(passes.rate_of_gradient(rates, exact)[0]) for exact in (True, False))
        cosines.append(exact @ fast / np.linalg.norm(exact) / np.linalg.norm(fast))

    rows = {}
    for name, side in (("none", plain), ("exact", invariant), ("fast", invariant_fast)):
        found = []
        for split in range(n_splits):
            X, X_test, y, y_test = digits(split)
            watch = note if name == "exact" else lambda layers: None
            layers = fit(side, 1.0, X, y, split, watch=watch)
            scores = [
                accuracy(layers, noisy(X_test, deviation, split), y_test)
                for deviation in (0.0, 0.2, 0.4)
            ]
            found.append(scores)
        rows[name] = np.mean(found, axis=0)
    print(f"Digits 64-100-10, beta = 1, means of {n_splits} splits.")
    print(
        "Cosine of the fast penalty gradient with the exact one along a training: "
        f"{min(cosines):.2f} to {max(cosines):.2f}, median {np.median(cosines):.2f}"
    )
    print(f"{'penalty':<10}{'no noise':>10}{'noise 0.2':>11}{'noise 0.4':>11}")
    for name, scores in rows.items():
        print(f"{name:<10}{scores[0]:10.3f}{scores[1]:11.3f}{scores[2]:11.3f}")

    X, _, y, _ = digits(0)
    layers, targets = start((64, N_HIDDEN, 10), 0), np.eye(10)[y[:BATCH]]
    sides = (plain, invariant, invariant_fast, tangent, tangent_fast, adversarial, adversarial_fast)
    calls = {
        side.__name__: lambda side=side: [side(layers, X[:BATCH], targets, 0.1) for _ in range(20)]
        for side in sides
    }
    seconds = in_turns(calls, n_rounds)
    print("\nTime of a gradient in NumPy, relative to plain, and what the last pass takes of it:")
    for name in ("invariant", "tangent", "adversarial"):
        full = median_ratio(seconds[name], seconds["plain"])
        fast = median_ratio(seconds[f"{name}_fast"], seconds["plain"])
        saved = 1 - median_ratio(seconds[f"{name}_fast"], seconds[name])
        print(f"{name:<14}{full:6.2f}  without it {fast:6.2f}  saved {saved:6.0%}")


STRENGTHS = {
    plain: (0.0,),
    invariant: (0.03, 0.1, 0.3, 1.0),
    invariant_fast: (0.01, 0.03, 0.1, 0.3),
    tangent: (0.03, 0.1, 0.3, 1.0),
    adversarial: (0.03, 0.06, 0.12, 0.25),
}


def print_abstract(n_choosing: int, n_reporting: int) -> None:
    """Print test accuracies on digits of several sizes, and how often invariance is ahead."""
    print(
        f"Test accuracy on digits. Strengths by {n_choosing} splits, accuracy of {n_reporting} "
        "others; in brackets the strength."
    )
    print(f"{'training rows':<15}" + "".join(f"{side.__name__:>24}" for side in STRENGTHS))
    wins = dict.fromkeys(STRENGTHS, 0)
    n_cases = 0
    for n_train in (100, 200, 400, 800):
        found = {}
        for side, strengths in STRENGTHS.items():
            scores = {
                s: np.mean([score(side, s, n_train, split) for split in range(n_choosing)])
                for s in (strengths if len(strengths) > 1 else ())
            }
            best = max(scores, key=scores.get) if scores else 0.0
            reported = range(100, 100 + n_reporting)
            found[side] = best, np.array([score(side, best, n_train, s) for s in reported])
        cells = [
            f"{values.mean():.4f} ± {values.std() / np.sqrt(n_reporting):.4f} [{best:g}]"
            for best, values in found.values()
        ]
        print(f"{n_train:<15}" + "".join(f"{cell:>24}" for cell in cells), flush=True)
        n_cases += n_reporting
        for side, (_, values) in found.items():
            ours = found[invariant][1]
            wins[side] += (ours > values).sum() + 0.5 * (ours == values).sum()
    others = [side for side in STRENGTHS if side is not invariant]
    print("Invariant backpropagation is ahead (a tie is half a case):")
    for side in others:
        print(f"    of {side.__name__:<16}{wins[side] / n_cases:6.0%} of {n_cases} cases")


def score(side, strength, n_train, split):
    """Return the test accuracy of one training."""
    X, X_test, y, y_test = digits(split, n_train)
    n_epochs = N_EPOCHS * max(1, 800 // n_train // 2)
    return accuracy(fit(side, strength, X, y, split, n_epochs=n_epochs), X_test, y_test)


# Growing noise of the sensors

LEVELS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)
MEANS = {
    "none": ("alpha", (0.0,)),
    "penalty l2": ("input_gradient_penalty", (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)),
    "penalty l1": ("input_gradient_penalty", (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)),
    "input noise": ("input_noise", (0.1, 0.2, 0.4, 0.7, 1.0, 1.5)),
    "decay": ("alpha", (0.01, 0.1, 1.0, 3.0, 10.0, 30.0)),
    "dropout": ("dropout", (0.1, 0.2, 0.35, 0.5, 0.65, 0.8)),
}


def noise_scores(loader, mean, strength, split):
    """Return the accuracies of a training at every level of noise, in units of the deviations."""
    X, y = loader(return_X_y=True)
    parts = train_test_split(X, y, test_size=0.5, random_state=split, stratify=y)
    X_train, X_test, y_train, y_test = parts
    scaler = StandardScaler().fit(X_train)
    X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
    name, _ = MEANS[mean]
    options = {"alpha": 0.0, name: strength}
    if mean == "penalty l1":
        options["input_gradient_norm"] = "l1"
    model = BackpropMLPClassifier(
        (N_HIDDEN,), max_iter=N_EPOCHS, n_iter_no_change=np.inf, batch_size=64, random_state=split,
        **options,
    ).fit(X_train, y_train)  # fmt: skip
    return [model.score(noisy(X_test, level, split), y_test) for level in LEVELS]


def print_noise(n_choosing: int, n_reporting: int) -> None:
    """Print accuracies under growing noise."""
    for loader in (load_digits, load_breast_cancer):
        print(
            f"\n{loader.__name__.removeprefix('load_')}: accuracy under noise of the sensors, in "
            f"standard deviations; the strength with the best mean over the levels in {n_choosing} "
            f"splits, accuracies of {n_reporting} others"
        )
        header = "".join(f"{level:>8g}" for level in LEVELS)
        print(f"{'mean':<14}{'strength':>9}{header}{'mean':>8}")
        for mean, (_, strengths) in MEANS.items():
            choice = {
                s: np.mean([noise_scores(loader, mean, s, k) for k in range(n_choosing)])
                for s in strengths
            }
            best = max(choice, key=choice.get)
            reported = range(100, 100 + n_reporting)
            found = np.mean([noise_scores(loader, mean, best, k) for k in reported], axis=0)
            cells = "".join(f"{value:8.3f}" for value in found)
            print(f"{mean:<14}{best:9g}{cells}{found.mean():8.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for table in ("speed", "passes", "abstract", "noise"):
        parser.add_argument(f"--{table}", action="store_true")
    parser.add_argument("--short", action="store_true", help="fewer splits and rounds")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    n_choosing, n_reporting = (1, 2) if args.short else (4, 8)
    if args.speed:
        print_speed(3 if args.short else 9)
    if args.passes:
        print_passes(1 if args.short else 4, 5 if args.short else 41)
    if args.abstract:
        print_abstract(n_choosing, n_reporting)
    if args.noise:
        print_noise(n_choosing, n_reporting)


if __name__ == "__main__":
    main()
