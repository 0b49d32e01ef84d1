"""Trainings that go wrong in a known way, and trainings that go well, for ``diagnosis.py``.

Every training is made from a group of data sets and a seed. The thresholds of the checks were
chosen on the groups ``first`` to ``fourth``. Figures are reported on the group ``report``, which
has other data and other seeds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_circles,
    make_classification,
    make_friedman1,
    make_friedman2,
    make_friedman3,
    make_gaussian_quantiles,
    make_hastie_10_2,
    make_moons,
    make_multilabel_classification,
    make_swiss_roll,
)
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

from sklearn_metabp import (
    LBFGS,
    SGD,
    Adam,
    AdamW,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    ConjugateGradient,
    Lion,
    Muon,
    RMSprop,
    Rprop,
    load_pretrained,
)

ENDLESS = float("inf")


@dataclass
class Training:
    """An estimator with its data, and the arguments of ``fit``."""

    model: Any
    X: Any
    y: Any
    fit: dict[str, Any] = field(default_factory=dict)


@dataclass
class DataSets:
    """A group of data sets, scaled, made with a seed.

    ``classes`` has three classes or more, ``wide`` two classes and more columns, ``curved`` two
    classes in the plane that no line divides, ``numbers`` a number to predict.
    """

    classes: tuple[np.ndarray, np.ndarray]
    wide: tuple[np.ndarray, np.ndarray]
    curved: tuple[np.ndarray, np.ndarray]
    numbers: tuple[np.ndarray, np.ndarray]


def first(seed):
    """Return the data sets on which thresholds were chosen."""
    X, y = make_friedman1(400, 6, noise=0.3, random_state=seed)
    return DataSets(
        (scale(load_wine().data), load_wine().target),
        make_classification(400, 20, n_informative=8, random_state=seed),
        make_moons(300, noise=0.15, random_state=seed),
        (scale(X), scale(y)),
    )


def second(seed):
    """Return more data sets on which thresholds were chosen."""
    digits = load_digits()
    rows = np.random.RandomState(seed).permutation(len(digits.data))[:600]
    X, y = make_friedman2(400, noise=10.0, random_state=seed)
    cancer = load_breast_cancer()
    return DataSets(
        (digits.data[rows] / 16, digits.target[rows]),
        (scale(cancer.data), cancer.target),
        make_circles(300, noise=0.1, factor=0.4, random_state=seed),
        (scale(X), scale(y)),
    )


def third(seed):
    """Return still more data sets on which thresholds were chosen."""
    random = np.random.RandomState(seed)
    X, y = make_classification(
        500, 16, n_informative=10, n_classes=4, n_clusters_per_class=1, random_state=seed
    )
    hastie, signs = make_hastie_10_2(600, random_state=seed)
    angles, turns = np.sort(random.uniform(0.5, 3.0, 300)), np.repeat([0, 1], 150)
    angles = np.concatenate([angles[::2], angles[1::2]])
    radius = angles / 3 + 0.03 * random.normal(size=300)
    spirals = radius[:, None] * np.stack(
        [np.cos(3 * angles + np.pi * turns), np.sin(3 * angles + np.pi * turns)], axis=1
    )
    waves = random.uniform(-1, 1, (400, 5))
    numbers = np.sin(3 * waves[:, 0]) + waves[:, 1] * waves[:, 2] + waves[:, 3] ** 2
    numbers = numbers + 0.1 * random.normal(size=400)
    return DataSets(
        (scale(X), y), (hastie, (signs > 0).astype(int)), (scale(spirals), turns),
        (scale(waves), scale(numbers)),
    )  # fmt: skip


def fourth(seed):
    """Return the last data sets on which thresholds were chosen."""
    random = np.random.RandomState(seed)
    X, y = make_gaussian_quantiles(n_samples=450, n_features=5, n_classes=3, random_state=seed)
    wide = make_classification(
        500, 30, n_informative=12, class_sep=1.5, flip_y=0.02, random_state=seed
    )
    board = random.uniform(-2, 2, (320, 2))
    numbers, z = make_friedman3(400, noise=0.1, random_state=seed)
    return DataSets(
        (scale(X), y),
        (scale(wide[0]), wide[1]),
        (board, ((board[:, 0] > 0) ^ (board[:, 1] > 0)).astype(int)),
        (scale(numbers), scale(z)),
    )


def report(seed):
    """Return the data sets of the reported figures."""
    random = np.random.RandomState(seed)
    digits = load_digits()
    X, y = digits.data, digits.target % 5
    rows = random.permutation(len(X))[:500]
    few = PCA(12, random_state=0).fit_transform(X)[rows]
    wide = make_classification(
        500, 25, n_informative=8, n_redundant=8, weights=[0.4], class_sep=1.2, random_state=seed
    )
    roll, angle = make_swiss_roll(400, noise=0.2, random_state=seed)
    return DataSets(
        (scale(few), y[rows]),
        (scale(wide[0]), wide[1]),
        make_gaussian_quantiles(n_samples=320, n_features=2, n_classes=2, random_state=seed),
        (scale(roll), scale(angle)),
    )


GROUPS: dict[str, Callable[[int], DataSets]] = {
    "first": first,
    "second": second,
    "third": third,
    "fourth": fourth,
    "report": report,
}


def classifier(sizes, rule, seed, **params):
    """Return a classifier that trains for all its epochs, unless the parameters say otherwise."""
    params = {"max_iter": 100, "n_iter_no_change": ENDLESS, "batch_size": 32} | params
    return BackpropMLPClassifier(sizes, update_rule=rule, random_state=seed, **params)


def regressor(sizes, rule, seed, **params):
    """Return a regressor that trains for all its epochs, unless the parameters say otherwise."""
    params = {"max_iter": 100, "n_iter_no_change": ENDLESS, "batch_size": 32} | params
    return BackpropMLPRegressor(sizes, update_rule=rule, random_state=seed, **params)


@dataclass
class Sick:
    """A training that goes wrong, and the names of the verdicts that are right about it."""

    name: str
    right: tuple[str, ...]
    make: Callable[[DataSets, int], Training]


def started(model, X, y, weights=None, biases=None, **fit):
    """Return a training with all weights or biases of the hidden layers set or multiplied.

    Parameters
    ----------
    weights : callable, default=None
        Changes the usual start of the weights.
    biases : float, default=None
    """
    max_iter = fit.pop("max_iter", 100)
    sizes = [X.shape[1], *model.hidden_layer_sizes]
    sizes.append(1 if np.ndim(y) == 1 and len(np.unique(y)) <= 2 else _n_outputs(model, y))
    random = np.random.RandomState(model.random_state)
    coefs = [random.uniform(-1, 1, (a, b)) * np.sqrt(6 / (a + b)) for a, b in pairwise(sizes)]
    intercepts = [np.zeros(b) for b in sizes[1:]]
    if weights is not None:
        coefs = [weights(matrix) for matrix in coefs]
    if biases is not None:
        intercepts[:-1] = [np.full_like(vector, biases) for vector in intercepts[:-1]]
    fit |= {"coef_init": coefs, "intercept_init": intercepts}
    return Training(model.set_params(max_iter=max_iter), X, y, fit)


def _n_outputs(model, y):
    if isinstance(model, BackpropMLPRegressor):
        return 1 if np.ndim(y) == 1 else y.shape[1]
    return len(np.unique(y))


def _divergence(data, seed):
    X, y = data.numbers
    return Training(regressor((20,), SGD(3.0), seed), X, y)


def _rate_too_high(data, seed):
    return Training(classifier((30,), SGD(8.0), seed), *data.classes)


def _adam_too_high(data, seed):
    return Training(classifier((30,), Adam(1.5), seed), *data.classes)


def _high_in_full_batches(data, seed):
    model = regressor((20,), SGD(1.2), seed, activation="tanh", batch_size="full", max_iter=200)
    return Training(model, *data.numbers)


def _rate_too_low(data, seed):
    return Training(classifier((30,), SGD(1e-4), seed, max_iter=50), *data.classes)


def _adam_too_low(data, seed):
    return Training(regressor((30,), Adam(2e-6), seed, max_iter=50), *data.numbers)


def _dead(data, seed):
    return started(classifier((30,), SGD(0.1), seed), *data.classes, biases=-8.0, max_iter=60)


def _saturated(data, seed):
    model = classifier((20, 20), SGD(0.05), seed, activation="tanh")
    return started(model, *data.classes, weights=lambda w: 40 * w, max_iter=60)


def _vanishing(data, seed):
    model = classifier((16,) * 7, SGD(0.1), seed, activation="logistic", max_iter=60)
    return Training(model, *data.classes)


def _exploding(data, seed):
    model = regressor((40,) * 5, SGD(1e-9), seed, activation="relu")
    return started(model, *data.numbers, weights=lambda w: 5 * w, max_iter=40)


def _unscaled_inputs(data, seed):
    X, y = data.wide
    random = np.random.RandomState(seed)
    return Training(
        classifier((20,), Adam(0.001), seed), X * 10 ** random.uniform(0, 4, X.shape[1]), y
    )


def _unscaled_targets(data, seed):
    X, y = data.numbers
    return Training(regressor((20,), Adam(0.001), seed), X, 800 * y + 5000)


def _constant_columns(data, seed):
    X, y = data.classes
    X = np.column_stack([X, np.full(len(X), 3.0), X[:, 2]])
    return Training(classifier((20,), Adam(0.005), seed), X, y)


def _label_noise(data, seed):
    X, y = data.wide
    random = np.random.RandomState(seed)
    X, X_val, y, y_val = train_test_split(X, y, test_size=0.4, random_state=seed)
    y = np.where(random.uniform(size=len(y)) < 0.35, random.permutation(y), y)
    model = classifier((100,), Adam(0.005), seed, max_iter=200, alpha=0.0)
    return Training(model, X, y, {"X_val": X_val, "y_val": y_val})


def _too_small_batches(data, seed):
    model = regressor((20,), SGD(0.06), seed, batch_size=1, activation="tanh", max_iter=60)
    X, y = data.numbers
    y = y + 2.0 * np.random.RandomState(seed).normal(size=len(y))
    return Training(model, X, y)


def _too_large_batches(data, seed):
    X, y = data.wide
    X, y = np.tile(X, (10, 1)), np.tile(y, 10)
    X = X + 0.1 * np.random.RandomState(seed).normal(size=X.shape)
    return Training(classifier((20,), SGD(0.05), seed, batch_size="full", max_iter=30), X, y)


def _too_much_decay(data, seed):
    return Training(classifier((30,), Adam(0.005), seed, alpha=20.0), *data.wide)


def _too_much_dropout(data, seed):
    return Training(classifier((20,), Adam(0.002), seed, dropout=0.93), *data.classes)


def _zero_start(data, seed):
    model = classifier((20,), SGD(0.1), seed)
    return started(model, *data.classes, weights=lambda w: 0 * w, max_iter=40)


def _equal_start(data, seed):
    model = classifier((20,), SGD(0.1), seed)
    return started(model, *data.curved, weights=lambda w: 0 * w + 0.1, max_iter=40)


def _too_few_neurons(data, seed):
    model = classifier((1,), Adam(0.02), seed, activation="tanh", max_iter=200)
    return Training(model, *data.curved)


def _plateau(data, seed):
    X, y = data.curved
    model = classifier((6, 6), SGD(0.02), seed, activation="logistic", max_iter=40)
    return Training(model, X, y)


def _oscillation(data, seed):
    model = regressor((20,), SGD(0.4, momentum=0.98), seed, batch_size="full", max_iter=150)
    return Training(model.set_params(activation="tanh"), *data.numbers)


def _collapse(data, seed):
    X, y = data.wide
    random = np.random.RandomState(seed)
    rare = np.flatnonzero(y == 0)
    rows = np.concatenate([np.flatnonzero(y == 1), random.choice(rare, 14, replace=False)])
    noisy = X[rows] + 8.0 * random.normal(size=(len(rows), X.shape[1]))
    return Training(
        classifier((3,), SGD(0.01), seed, max_iter=40, alpha=2.0), scale(noisy), y[rows]
    )


def _impatient(data, seed):
    model = classifier((20,), SGD(0.01), seed, n_iter_no_change=2, tol=0.03, max_iter=500)
    return Training(model, *data.classes)


def _too_few_epochs(data, seed):
    return Training(regressor((20,), Adam(0.002), seed, max_iter=4), *data.numbers)


def _random_labels(data, seed):
    X, y = data.wide
    y = np.random.RandomState(seed).permutation(y)
    return Training(classifier((5,), SGD(0.02), seed, max_iter=60), X, y)


SICK = [
    Sick("rate so high that it diverges", ("rate too high",), _divergence),
    Sick("rate too high", ("rate too high",), _rate_too_high),
    Sick("rate of Adam too high", ("rate too high",), _adam_too_high),
    Sick("rate too high in full batches", ("rate too high", "oscillation"), _high_in_full_batches),
    Sick("rate too low", ("rate too low",), _rate_too_low),
    Sick("rate of Adam too low", ("rate too low",), _adam_too_low),
    Sick("dead neurons from the start", ("dead neurons",), _dead),
    Sick("saturated tanh", ("saturated neurons",), _saturated),
    Sick("vanishing gradients", ("vanishing gradients",), _vanishing),
    Sick("exploding gradients", ("exploding gradients",), _exploding),
    Sick("unscaled inputs", ("unscaled inputs",), _unscaled_inputs),
    Sick("unscaled targets", ("unscaled targets",), _unscaled_targets),
    Sick("constant and duplicate columns", ("constant columns",), _constant_columns),
    Sick("label noise, learned by heart", ("memorising",), _label_noise),
    Sick("batches too small", ("noisy steps",), _too_small_batches),
    Sick("batches needlessly large", ("needlessly large batches",), _too_large_batches),
    Sick("weight decay too strong", ("decay too strong",), _too_much_decay),
    Sick("dropout too strong", ("dropout too strong",), _too_much_dropout),
    Sick("all weights start at 0", ("equal neurons",), _zero_start),
    Sick("all weights start equal", ("equal neurons",), _equal_start),
    Sick("too few neurons", ("too stiff",), _too_few_neurons),
    Sick("plateau", ("plateau",), _plateau),
    Sick("oscillation", ("oscillation", "rate too high"), _oscillation),
    Sick("one class is predicted", ("class collapse",), _collapse),
    Sick("patience too short", ("patience too short",), _impatient),
    Sick("too few epochs", ("too few epochs",), _too_few_epochs),
    Sick("labels at random", ("no signal",), _random_labels),
]


@dataclass
class Healthy:
    """A training that goes well."""

    name: str
    make: Callable[[DataSets, int], Training]


def _learned(data, seed):
    return Training(
        classifier((30,), load_pretrained("fit"), seed, max_iter=60, tol=0.0), *data.classes
    )


def _autoencoder(data, seed):
    X, _ = data.classes
    model = regressor((24,), Adam(0.005), seed, activation="tanh", max_iter=150)
    return Training(model, X, X)


def _multilabel(data, seed):
    X, y = make_multilabel_classification(300, 12, n_classes=4, random_state=seed)
    return Training(classifier((20,), Adam(0.01), seed, max_iter=80), scale(X), y)


def _validated(data, seed):
    X, y = data.wide
    X, X_val, y, y_val = train_test_split(X, y, random_state=seed)
    model = classifier((20,), Adam(0.003), seed, early_stopping=True, n_iter_no_change=10)
    return Training(model, X, y, {"X_val": X_val, "y_val": y_val})


def _float32(data, seed):
    X, y = data.classes
    return Training(classifier((30,), Adam(0.005), seed), X.astype(np.float32), y)


def _simple(group, rule, sizes=(30,), kind=classifier, **params):
    def make(data, seed):
        fitted = rule() if callable(rule) else rule
        return Training(kind(sizes, fitted, seed, **params), *getattr(data, group))

    return make


def _noisy_numbers(data, seed):
    X, y = data.numbers
    y = y + np.random.RandomState(seed).normal(size=len(y))
    return Training(regressor((12,), Adam(0.003), seed, alpha=3.0), X, y)


def _dropout_on_noise(data, seed):
    X, y = data.numbers
    y = y + np.random.RandomState(seed).normal(size=len(y))
    return Training(regressor((40,), Adam(0.003), seed, dropout=0.2), X, y)


def _some_wrong_labels(data, seed):
    X, y = data.wide
    random = np.random.RandomState(seed)
    X, X_val, y, y_val = train_test_split(X, y, test_size=0.4, random_state=seed)
    y = np.where(random.uniform(size=len(y)) < 0.1, random.permutation(y), y)
    model = classifier((8,), Adam(0.003), seed, alpha=5.0, max_iter=60)
    return Training(model, X, y, {"X_val": X_val, "y_val": y_val})


def _rare_class(data, seed):
    X, y = data.wide
    rows = np.concatenate([np.flatnonzero(y == 1), np.flatnonzero(y == 0)[:25]])
    return Training(classifier((16,), Adam(0.005), seed), X[rows], y[rows])


def _counts(data, seed):
    X, y = data.numbers
    y = np.random.RandomState(seed).poisson(np.exp(np.clip(y, -2, 2)))
    return Training(regressor((16,), Adam(0.003), seed, loss="poisson", alpha=1.0), X, y)


def _weighted_rows(data, seed):
    X, y = data.classes
    weight = np.random.RandomState(seed).uniform(0.1, 3.0, len(y))
    model = classifier((20,), Adam(0.005), seed, class_weight="balanced")
    return Training(model, X, y, {"sample_weight": weight})


def _raw_inputs(data, seed):
    return Training(
        classifier((16,), Adam(0.005), seed, max_iter=200),
        load_iris().data, load_iris().target,
    )  # fmt: skip


def _sparse_inputs(data, seed):
    X, y = data.classes
    return Training(classifier((20,), Adam(0.005), seed), csr_array(np.where(X > 0.3, X, 0)), y)


HEALTHY = [
    Healthy("Adam, classes", _simple("classes", Adam(0.005))),
    Healthy("Adam, two classes", _simple("wide", Adam(0.002))),
    Healthy("Adam, in the plane", _simple("curved", Adam(0.01), max_iter=150)),
    Healthy("Adam, numbers", _simple("numbers", Adam(0.005), kind=regressor)),
    Healthy("SGD, classes", _simple("classes", SGD(0.1))),
    Healthy("SGD with momentum", _simple("wide", SGD(0.02, momentum=0.9))),
    Healthy("SGD, one pattern a step", _simple("classes", SGD(0.01), batch_size=1, max_iter=40)),
    Healthy(
        "SGD, full batches",
        _simple("classes", SGD(0.3, momentum=0.9), batch_size="full", max_iter=300),
    ),
    Healthy("RMSprop", _simple("numbers", RMSprop(0.002), kind=regressor)),
    Healthy("AdamW", _simple("wide", AdamW(0.002))),
    Healthy("Lion", _simple("classes", Lion(0.0005))),
    Healthy("Muon", _simple("classes", Muon(0.01))),
    Healthy(
        "averaged, numbers", _simple("numbers", Averaged(Adam(0.005)), kind=regressor)
    ),
    Healthy("Rprop", _simple("classes", Rprop(), batch_size="full")),
    Healthy("L-BFGS, classes", _simple("classes", LBFGS(), batch_size="full")),
    Healthy(
        "L-BFGS, numbers",
        _simple("numbers", LBFGS(), kind=regressor, batch_size="full", alpha=0.1),
    ),
    Healthy(
        "conjugate gradients, tanh",
        _simple("curved", ConjugateGradient(), activation="tanh", batch_size="full"),
    ),
    Healthy("tanh", _simple("classes", Adam(0.005), activation="tanh")),
    Healthy("logistic", _simple("wide", Adam(0.01), activation="logistic")),
    Healthy("three layers", _simple("classes", Adam(0.003), sizes=(30, 30, 30))),
    Healthy("deep, gelu", _simple("numbers", Adam(0.002), (24,) * 4, regressor, activation="gelu")),
    Healthy("some dropout", _simple("classes", Adam(0.005), sizes=(60,), dropout=0.2)),
    Healthy("learned rule", _learned),
    Healthy("autoencoder", _autoencoder),
    Healthy("multilabel", _multilabel),
    Healthy("with validation rows", _validated),
    Healthy("float32", _float32),
    Healthy("noisy numbers", _noisy_numbers),
    Healthy("some wrong labels", _some_wrong_labels),
    Healthy("a rare class", _rare_class),
    Healthy("counts", _counts),
    Healthy("weighted rows", _weighted_rows),
    Healthy("raw iris", _raw_inputs),
    Healthy("sparse inputs", _sparse_inputs),
    Healthy("dropout on noisy numbers", _dropout_on_noise),
    Healthy("diabetes", lambda data, seed: Training(
        regressor((10,), Adam(0.003), seed, alpha=1.0),
        scale(load_diabetes().data), scale(load_diabetes().target),
    )),
    Healthy("iris with patience", lambda data, seed: Training(
        classifier((16,), Adam(0.01), seed, n_iter_no_change=10, max_iter=500),
        scale(load_iris().data), load_iris().target,
    )),
]  # fmt: skip
