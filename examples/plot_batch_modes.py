"""
Online, minibatch and batch learning
====================================

A step may see one pattern (online, or stochastic), some (minibatch) or all of them (batch). Lecture
6 of A. Kordecki's "Neural Networks" calls the size a trade-off between the time of calculation and
the variance of the updates. Here plain backpropagation learns handwritten digits in all three ways,
each with the learning rate that is best for it, and for a time of the same order.
"""

# %%
# The task, and what is kept the same
# -----------------------------------
# One network, 64-32-10, one update rule, no penalty. The loss of a step is the mean over its
# patterns. With the sum instead, the learning rate for a batch of N would be N times smaller and
# nothing else would change, as the lecture says. Numbers of epochs are such that no mode takes
# twice the time of another.

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from rich.progress import track
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from sklearn_metabp import SGD, BackpropMLPClassifier, DivergenceError

warnings.simplefilter("ignore", ConvergenceWarning)  # trainings that fail are part of the picture

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0, stratify=y)

MODES = {"online": 1, "minibatch of 32": 32, "batch": "full"}
N_EPOCHS = {"online": 40, "minibatch of 32": 280, "batch": 400}
LEARNING_RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


def train(mode, learning_rate, seed):
    """A fitted network, None where training diverged, and the seconds that it took."""
    model = BackpropMLPClassifier(
        (32,),
        "tanh",
        update_rule=SGD(learning_rate),
        alpha=0.0,
        batch_size=MODES[mode],
        max_iter=N_EPOCHS[mode],
        n_iter_no_change=np.inf,
        random_state=seed,
    )
    start = time.perf_counter()
    try:
        model.fit(X_train, y_train)
    except DivergenceError:
        model = None
    return model, time.perf_counter() - start


# %%
# A learning rate for each
# ------------------------
# The one with the lowest training loss at the end, from one start. The trainings that are compared
# later have other starts.

CHOOSING, COMPARING = 0, range(1, 6)  # seeds

last_loss = {}
for mode in track(MODES, "Choosing learning rates"):
    for rate in LEARNING_RATES:
        model, _ = train(mode, rate, CHOOSING)
        last_loss[mode, rate] = np.inf if model is None else model.loss_
best = {mode: min(LEARNING_RATES, key=lambda rate: last_loss[mode, rate]) for mode in MODES}

print(f"{'loss at the end':<18}" + "".join(f"{rate:>10g}" for rate in LEARNING_RATES))
for mode in MODES:
    cells = [f"{last_loss[mode, rate]:.5f}" + "*" * (rate == best[mode]) for rate in LEARNING_RATES]
    print(f"{mode:<18}" + "".join(f"{cell:>10}" for cell in cells))

# %%
# Five starts each
# ----------------

curves, seconds, rows = {}, {}, []
for mode in track(MODES, "Comparing"):
    fits = [train(mode, best[mode], seed) for seed in COMPARING]
    curves[mode] = np.array([model.loss_curve_ for model, _ in fits])
    seconds[mode] = np.median([taken for _, taken in fits])
    accuracies = np.array([model.score(X_test, y_test) for model, _ in fits])
    n_steps = N_EPOCHS[mode] * (1 if mode == "batch" else -(-len(X_train) // MODES[mode]))
    a_pattern = seconds[mode] / N_EPOCHS[mode] / len(X_train) * 1e6
    went_up = np.mean(np.diff(curves[mode]) > 0)
    rows.append(
        f"{mode:<16}{best[mode]:5g} {N_EPOCHS[mode]:7} {n_steps:7} {seconds[mode]:8.2f} {a_pattern:12.2f} "
        f"{np.median(curves[mode][:, -1]):9.5f} {went_up:8.1%}   "
        f"{accuracies.mean():.3f} ± {accuracies.std():.3f}"
    )
print(f"{'':<17}rate  epochs   steps  seconds µs a pattern      loss  went up  test accuracy")
print("\n".join(rows))

# %%
# Loss by epoch and by second
# ---------------------------
# The loss of an epoch is the mean over its batches, each by the weights that it met.

figure, axes = plt.subplots(1, 3, figsize=(14, 4.4), layout="constrained")
for mode, colour in zip(MODES, ("tab:red", "tab:green", "tab:blue"), strict=True):
    losses = [last_loss[mode, rate] for rate in LEARNING_RATES]
    axes[0].loglog(LEARNING_RATES, losses, "o-", color=colour, label=mode)
    epochs = np.arange(1, N_EPOCHS[mode] + 1)
    for ax, x in ((axes[1], epochs), (axes[2], epochs * seconds[mode] / N_EPOCHS[mode])):
        ax.loglog(x, curves[mode].T, color=colour, lw=0.8, alpha=0.4)
        ax.loglog(x, np.median(curves[mode], axis=0), color=colour, lw=2, label=mode)
axes[0].set(xlabel="learning rate", ylabel="training loss at the end", title="Choosing: one start")
axes[1].set(xlabel="epoch", ylabel="training loss", title="Five starts, and their median")
axes[2].set(xlabel="seconds", ylabel="training loss", title="The same by time")
for ax in axes:
    ax.legend(frameon=False)
    ax.grid(alpha=0.3)
figure.suptitle("Plain backpropagation on digits, 64-32-10")

# %%
# What one sees
# -------------
# - **By epoch online learning is first**: it takes 1347 steps in each, where batch learning takes one.
# - **By second minibatches are first.** A pattern costs about an eighth of what it costs alone, because
#   matrices are multiplied instead of vectors, and an epoch still has 43 steps. They get to where online
#   learning ends in about half of its time. A full batch makes a pattern cheaper again, and has few steps.
# - **The best learning rate is ten times smaller online.** The gradient of one pattern varies more than that
#   of 32, and a rate that is to average over the patterns must be small. Batch learning has no such noise;
#   the curvature of the loss bounds its rate.
# - **Batch learning is the smoothest**: the loss goes down from nearly every epoch to the next. It takes the
#   longest way for it.
# - **Generalization**: "Smaller batch sizes are noisy, offering a regularizing effect and lower
#   generalization error", says the lecture. The accuracies are in this order, but apart by hardly more than
#   their spread over five starts, and batch learning is not at the end of its training.
plt.show()
