"""
Online, minibatch and batch learning
====================================

A step may use one pattern (online or stochastic learning), some patterns (minibatch learning) or
all patterns (batch learning). Lecture 6 of A. Kordecki's "Neural Networks" calls the size a
trade-off between the time of calculation and the variance of the updates. This example trains a
network on handwritten digits in all three ways, with plain backpropagation. Each way uses its best
learning rate, and all take about the same time.
"""

# %%
# The task
# --------
# All three ways train the same network, 64-32-10, with the same update rule and no penalty. The
# loss of a step is the mean over its patterns. The lecture notes that with the sum instead, the
# learning rate for a batch of N would be N times smaller and nothing else would change. The numbers
# of epochs are chosen so that no mode takes twice the time of another.

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
    """Return a fitted network, or None after a divergence, and the seconds of the training."""
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
# A learning rate for each mode
# -----------------------------
# The best rate has the lowest training loss at the end, from one start. The trainings that are
# compared later have other starts.

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
        f"{mode:<16}{best[mode]:5g} {N_EPOCHS[mode]:7} {n_steps:7} {seconds[mode]:8.2f} "
        f"{a_pattern:12.2f} {np.median(curves[mode][:, -1]):9.5f} {went_up:8.1%}   "
        f"{accuracies.mean():.3f} ± {accuracies.std():.3f}"
    )
print(f"{'':<17}rate  epochs   steps  seconds µs a pattern      loss  went up  test accuracy")
print("\n".join(rows))

# %%
# Loss by epoch and by second
# ---------------------------
# The loss of an epoch is the mean over its batches, each with the weights at that batch.

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
# Results ------- - **By epoch, online learning is the fastest**: it takes 1347 steps per epoch,
# where batch learning   takes one. - **By second, minibatches are the fastest.** In a minibatch a
# pattern costs about an eighth of its   cost alone, because matrices are multiplied instead of
# vectors, and an epoch still has 43 steps.   Minibatch learning reaches the final loss of online
# learning in about half of its time. A full   batch makes a pattern even cheaper, but has few
# steps. - **The best learning rate is ten times smaller online.** The gradient of one pattern
# varies more   than that of 32. A rate that averages over the patterns must be small. Batch
# learning has no   such noise; the curvature of the loss limits its rate. - **Batch learning is the
# smoothest**: the loss decreases from nearly every epoch to the next. But   it takes the longest. -
# **Generalization**: the lecture states that "Smaller batch sizes are noisy, offering a
# regularizing effect and lower generalization error". The accuracies are in this order, but they
# differ by hardly more than their spread over five starts, and batch learning is not at the end
# of its training.
plt.show()
