"""
Online, minibatch and batch learning
====================================

Choose a batch size: compare steps of one pattern, of 32 and of all patterns, by epoch
and by time.

A step may use one pattern (online or stochastic learning), some patterns (minibatch
learning) or all patterns (batch learning). Lecture 6 of A. Kordecki's "Neural Networks"
calls the size a trade-off between the time of calculation and the variance of the
updates. This example trains a network on handwritten digits in all three ways, with
plain backpropagation. Each way uses its best learning rate, and all take about the same
time.
"""

# %%
# The task
# --------
# All three ways train the same network, 64-32-10, with the same update rule and no
# penalty. The loss of a step is the mean over its patterns. The lecture notes that with
# the sum instead, the learning rate for a batch of N would be N times smaller and
# nothing else would change. The numbers of epochs are chosen so that no way takes twice
# the time of another.

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from sklearn_metabp import SGD, BackpropMLPClassifier, DivergenceError
from sklearn_metabp.plotting import figure_style

plt.style.use(figure_style())
warnings.simplefilter(
    "ignore", ConvergenceWarning
)  # trainings that fail are part of the picture

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, random_state=0, stratify=y
)

MODES = {"online": 1, "minibatch of 32": 32, "batch": "full"}
N_EPOCHS = {"online": 30, "minibatch of 32": 210, "batch": 300}
LEARNING_RATES = (0.03, 0.1, 0.3, 1.0, 3.0)


def train(mode, learning_rate, seed):
    """Return a fitted network (None if it diverged) and its processor time."""
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
    start = time.process_time()
    try:
        model.fit(X_train, y_train)
    except DivergenceError:
        model = None
    return model, time.process_time() - start


# %%
# A learning rate for each mode
# -----------------------------
# The best rate has the lowest training loss at the end, from one start. The trainings
# that are compared later have other starts. An asterisk marks the best rate. It is ten
# times smaller online: the gradient of one pattern varies more than that of 32, and a
# rate that averages over the patterns must be small.

CHOOSING, COMPARING = 0, range(1, 6)  # seeds

last_loss = {}
for mode in MODES:
    for rate in LEARNING_RATES:
        model, _ = train(mode, rate, CHOOSING)
        last_loss[mode, rate] = np.inf if model is None else model.loss_
best = {
    mode: min(LEARNING_RATES, key=lambda rate: last_loss[mode, rate]) for mode in MODES
}

print(f"{'loss at the end':<18}" + "".join(f"{rate:>10g}" for rate in LEARNING_RATES))
for mode in MODES:
    cells = [
        f"{last_loss[mode, rate]:.5f}" + "*" * (rate == best[mode])
        for rate in LEARNING_RATES
    ]
    print(f"{mode:<18}" + "".join(f"{cell:>10}" for cell in cells))

# %%
# Five starts each
# ----------------
# The loss of an epoch is the mean over its batches, each with the weights at that
# batch.

curves, seconds = {}, {}
print(f"{'':<17}steps  seconds  µs / pattern     loss  test accuracy")
for mode in MODES:
    fits = [train(mode, best[mode], seed) for seed in COMPARING]
    curves[mode] = np.array([model.loss_curve_ for model, _ in fits])
    seconds[mode] = np.median([taken for _, taken in fits])
    accuracies = np.array([model.score(X_test, y_test) for model, _ in fits])
    n_steps = N_EPOCHS[mode] * (
        1 if mode == "batch" else -(-len(X_train) // MODES[mode])
    )
    of_pattern = seconds[mode] / N_EPOCHS[mode] / len(X_train) * 1e6
    print(
        f"{mode:<16}{n_steps:6} {seconds[mode]:8.2f} {of_pattern:13.2f} "
        f"{np.median(curves[mode][:, -1]):8.5f}  "
        f"{accuracies.mean():.3f} ± {accuracies.std():.3f}"
    )


def draw(title, xlabel, unit_of):
    """Draw the medians and ranges of five losses over epochs times a unit, by mode."""
    _, ax = plt.subplots()
    for mode in MODES:
        x = np.arange(1, N_EPOCHS[mode] + 1) * unit_of[mode]
        (line,) = ax.loglog(x, np.median(curves[mode], axis=0), label=mode)
        low, high = curves[mode].min(axis=0), curves[mode].max(axis=0)
        ax.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    ax.set(title=title, xlabel=xlabel, ylabel="training loss, median and range")
    ax.legend(loc="lower left")


# %%
# **By time, minibatches are the fastest.** In a minibatch a pattern costs a fraction of
# its cost alone, because matrices are multiplied instead of vectors, and an epoch still
# has 43 steps. A full batch makes a pattern even cheaper, but an epoch has one step
# only.

draw("By time, minibatches reach every loss first", "seconds of processor time", {
    mode: seconds[mode] / N_EPOCHS[mode] for mode in MODES
})  # fmt: skip

# %%
# **By epoch, online learning is the fastest**: an epoch has 1347 steps. Batch learning
# takes one step per epoch. It has no noise, so its curve is the smoothest.

draw("By epoch, online learning is ahead", "epoch", dict.fromkeys(MODES, 1))
plt.show()

# %%
# The lecture states that "Smaller batch sizes are noisy, offering a regularizing effect
# and lower generalization error". The accuracies on the test set differ by hardly more
# than their spread over five starts, and batch learning is not at the end of its
# training.
