"""
Wrappers: rules around rules
============================

Make any update rule survive wrong data, end at steadier weights, or train safely under
a learned rule. Each of these changes is a wrapper, an update rule around an update
rule. This example shows :class:`~sklearn_metabp.Clipped`,
:class:`~sklearn_metabp.Averaged` and :class:`~sklearn_metabp.Safeguarded` at tasks that
need them.
"""

# %%
# Clipped: one wrong pattern
# --------------------------
# The task is a regression in which one target of 200 is a thousand times too large.
# Whenever its batch comes, the gradient is long, and so is the step. With gradients
# clipped to a norm of 1, the step is like any other.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sklearn_metabp import (
    SGD,
    Adam,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Clipped,
    DivergenceError,
    LearnedUpdateRule,
    Safeguarded,
    TraceRecorder,
)
from sklearn_metabp.plotting import figure_style

plt.style.use(figure_style())
warnings.simplefilter(
    "ignore", ConvergenceWarning
)  # trainings that fail are part of the picture

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(-2, 2, 200))[:, None]
y = np.sin(2 * x.ravel())
wrong = y.copy()
wrong[40] = 1000 * y[40]

figure, ax = plt.subplots()
ax.plot(x, y, label="right targets", color="0.75", linewidth=6, linestyle="-")
for name, rule in {
    "Adam(0.01)": Adam(0.01),
    "Clipped(Adam(0.01))": Clipped(Adam(0.01), max_norm=1.0),
}.items():
    model = BackpropMLPRegressor(
        (16,), "tanh", update_rule=rule, batch_size=20, max_iter=200
    )
    model.set_params(n_iter_no_change=np.inf, random_state=0).fit(x, wrong)
    outputs = model.predict(x)
    print(
        f"{name:<20} root mean square error {np.sqrt(np.mean((outputs - y) ** 2)):.3f}"
    )
    ax.plot(x, outputs, label=name)
ax.set(ylim=(-2.5, 2.5), xlabel="input", ylabel="output")
ax.set_title("One wrong target spoils a fit, unless gradients are clipped")
figure.legend(loc="outside lower center", ncols=3)

# %%
# Backpropagation alone does not even end: its weights overflow. The wrapped rule ends.

for rule in (SGD(0.05), Clipped(SGD(0.05), max_norm=1.0)):
    try:
        model.set_params(update_rule=rule).fit(x, wrong)
        print(f"error {np.sqrt(np.mean((model.predict(x) - y) ** 2)):.3f}, {rule}")
    except DivergenceError as error:
        print(str(error).split(":")[0])

# %%
# Averaged: the mean of the last weights
# --------------------------------------
# At a constant learning rate the weights keep moving. The average is over about the
# last hundred steps. The figure has ten starts on handwritten digits, at three learning
# rates. The trainings with and without the average are the same, because averaging does
# not change the training.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, random_state=0, stratify=y
)
RATES, SEEDS = (0.001, 0.01, 0.03), range(10)


def log_loss(model):
    """Return the mean log loss on the test set."""
    probabilities = model.predict_proba(X_test)[np.arange(len(y_test)), y_test]
    return -np.log(np.maximum(probabilities, 1e-15)).mean()


def losses_on_test_set(rule):
    """Return the losses on the test set of trainings from ten starts."""
    model = BackpropMLPClassifier((32,), update_rule=rule, batch_size=32, max_iter=12)
    model.set_params(n_iter_no_change=np.inf)
    return [
        log_loss(model.set_params(random_state=seed).fit(X_train, y_train))
        for seed in SEEDS
    ]


# sphinx_gallery_thumbnail_number = 2
figure, ax = plt.subplots()
for place, rate in enumerate(RATES):
    last = np.array(losses_on_test_set(Adam(rate)))
    averaged = np.array(losses_on_test_set(Averaged(Adam(rate), decay=0.99)))
    print(
        f"Adam({rate:g}): median loss {np.median(last):.3f}, "
        f"averaged {np.median(averaged):.3f}; "
        f"lower in {np.sum(averaged < last)} of {len(SEEDS)} starts"
    )
    for shift, losses, marker, colour, label in (
        (-0.12, last, "x", "C1", "last weights"),
        (0.12, averaged, "o", "C0", "averaged weights"),
    ):
        label = label if place == 0 else None
        ax.plot(
            np.full(len(SEEDS), place + shift),
            losses,
            marker,
            color=colour,
            label=label,
        )
        ax.plot(place + shift + np.array([-0.08, 0.08]), [np.median(losses)] * 2, "k-")
ax.set(
    xticks=range(len(RATES)),
    xticklabels=[f"Adam({rate:g})" for rate in RATES],
    ylim=(0, None),
)
ax.set(ylabel="loss on the test set, ten starts and median")
ax.set_title("At a high learning rate, averaged weights are better")
figure.legend(loc="outside lower center", ncols=2)

# %%
# At the smallest rate the weights still move towards their goal after the last epoch.
# The average lags behind, and is worse.
#
# Safeguarded: a learned rule that fails alone
# --------------------------------------------
# The learning network of :ref:`sphx_glr_auto_examples_paper_plot_experiment_4.py` makes
# a training diverge. With the safeguard it updates the weights while they are ahead of
# those that backpropagation trains beside it. Where they fall behind, training
# continues with backpropagation's. The peaks of its curve are cycles in which it tries
# the learned rule.

X = np.random.default_rng(0).uniform(-1, 1, (60, 2))
inner = np.abs(X).max(axis=1) < np.sqrt(0.5)
y = np.column_stack([inner, ~inner]).astype(float)
BACKPROPAGATION, N_CYCLES = SGD(0.23), 600


def mlp(hidden, rule, max_iter, random_state=None):
    """Return a network of logistic neurons that trains online."""
    return BackpropMLPRegressor(
        hidden,
        "logistic",
        out_activation="logistic",
        update_rule=rule,
        alpha=0.0,
        batch_size=1,
        max_iter=max_iter,
        n_iter_no_change=np.inf,
        random_state=random_state,
    )


recorder = TraceRecorder("all", every=75)
mlp((5,), BACKPROPAGATION, 5000, 0).set_callbacks(recorder).fit(X, y)
learner = make_pipeline(MinMaxScaler(), mlp((3,), SGD(0.198), 200))
learner = TransformedTargetRegressor(learner, transformer=MinMaxScaler())
learned = LearnedUpdateRule(learner, scope="network", random_state=0).fit(
    recorder.trace_
)

figure, ax = plt.subplots()
for name, rule in {
    "backpropagation": BACKPROPAGATION,
    "learned rule": learned,
    "safeguarded": Safeguarded(learned, fallback=BACKPROPAGATION),
}.items():
    starts = range(100, 105)
    curves = [
        mlp((5,), rule, N_CYCLES, start).fit(X, y).loss_curve_ for start in starts
    ]
    print(f"{name:<18} J at the end: {np.round([curve[-1] for curve in curves], 3)}")
    (line,) = ax.plot(np.median(curves, axis=0), label=name)
    low, high = np.min(curves, axis=0), np.max(curves, axis=0)
    ax.fill_between(
        range(N_CYCLES), low, high, color=line.get_color(), alpha=0.2, linewidth=0
    )
ax.set(xlabel="cycle", ylabel="J, median and range of five starts", ylim=(0, None))
ax.set(title="The safeguard keeps a failing rule from doing harm")
figure.legend(loc="outside lower center", ncols=3)
plt.show()
