"""
Update rules in a ravine, and on digits
=======================================

Lecture 6 of A. Kordecki's "Neural Networks" states that "Gradient descent would move quickly down
the walls, but very slowly through the valley floor", and draws the effect of momentum. In this
example the update rules of the package go through two ravines, which are the loss of a real
network. The effects of their parameters are drawn there too. Then all rules train a network on
handwritten digits.
"""

# %%
# Two ravines
# -----------
# A network of one linear neuron with one input has two parameters, a weight w and a bias b. Its
# squared error is a quadratic bowl in w and b. The shape of the bowl depends on the input. An input
# in too small a unit of measurement makes a ravine along an axis. An input far from zero makes a
# ravine across both axes. With a standardised input the bowl is round, so ``StandardScaler`` is the
# best remedy.

import warnings
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from rich.progress import track
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from sklearn_metabp import (
    LBFGS,
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdaMax,
    AdamW,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    ConjugateGradient,
    DivergenceError,
    Lion,
    Muon,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
    TraceRecorder,
)
from sklearn_metabp.plotting import UpdateRuleDisplay

warnings.simplefilter("ignore", ConvergenceWarning)  # trainings that fail are part of the picture

N_STEPS, N_DRAWN = 300, 100


@dataclass(frozen=True)
class Ravine:
    """The loss of one linear neuron over its weight and bias: half the mean square of w x + b - y.

    Attributes
    ----------
    x, y : ndarray of shape (n_samples,)
    start : tuple of float
        First weight and bias of a training.
    """

    x: np.ndarray
    y: np.ndarray
    start: tuple[float, float]

    def loss(self, w, b):
        """Return the loss at weights and biases that broadcast."""
        with np.errstate(over="ignore"):  # where a training diverged
            return np.mean((w[..., None] * self.x + b[..., None] - self.y) ** 2, axis=-1) / 2

    @property
    def minimum(self):
        """The weight and the bias of the lowest loss."""
        return np.polyfit(self.x, self.y, 1)

    def walk(self, rule, n_steps=N_STEPS):
        """Train; return the parameters before every step and after the last, and the loss there."""
        recorder = TraceRecorder()
        model = BackpropMLPRegressor(
            (), update_rule=rule, alpha=0.0, batch_size="full", shuffle=False
        )
        model.set_params(max_iter=n_steps, tol=0.0, n_iter_no_change=np.inf).set_callbacks(recorder)
        weight, bias = ([np.array(value)] for value in ([[self.start[0]]], [self.start[1]]))
        try:
            model.fit(self.x[:, None], self.y, coef_init=weight, intercept_init=bias)
            path = np.vstack([recorder.trace_.params, model.params_])
        except DivergenceError:
            path = recorder.trace_.params
        return path, self.loss(*path.T)


rng = np.random.default_rng(0)
x, noise = rng.standard_normal((2, 50))
x = (x - x.mean()) / x.std()
RAVINES = {
    "small unit": Ravine(5 * x, 5 * x + 0.1 * noise, (2.4, 3.2)),
    "far from zero": Ravine(2 + 0.7 * x, 2 + 0.7 * x + 0.1 * noise, (0.3, -2.6)),
}

# %%
# All rules, each with its best learning rate
# -------------------------------------------
# Call the height of a loss its distance from the lowest loss. A rule arrives when the height stays
# below a hundred-thousandth of the height at the start. Of six learning rates, each rule uses the
# rate with which it arrives first. The table has the number of steps. Where this is more than 300,
# the rate is the one with the lowest loss. The figure shows the first 100 steps.
#
# AdaGrad and Rprop give every parameter a scale of its own. This is the remedy for the first
# ravine, whose axes are the parameters: AdaGrad arrives in seven steps, where backpropagation takes
# 161. In the second ravine both parameters have the same scale, and AdaGrad is no better than
# momentum. The steps of RMSprop and Lion do not become smaller with the gradient. At a constant
# rate these rules therefore do not settle; their last step may be close by chance. AdaDelta begins
# with steps of a thousandth of its rate and starts slowly. The lecture calls this the price of not
# having to set a rate.
#
# Line searches use the loss and not only its gradient. In a bowl of two dimensions conjugate
# gradients need two directions, and a third step where a search is not exact. Steps are not their
# only cost, because a search tries several points.

LEARNING_RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
GROUPS = [
    {
        "backpropagation": SGD(),
        "momentum 0.9": SGD(momentum=0.9),
        "Nesterov 0.9": SGD(momentum=0.9, nesterov=True),
    },
    {"AdaGrad": AdaGrad(), "AdaDelta": AdaDelta(), "RMSprop": RMSprop(), "Lion": Lion()},
    {"Adam": Adam(), "AdaMax": AdaMax(), "NAdam": NAdam(), "RAdam": RAdam()},
    {"Rprop": Rprop(), "conjugate gradients": ConjugateGradient(), "L-BFGS": LBFGS()},
]


def at_each(rates, rule):
    """Return pairs of a learning rate and the rule at it, or one pair for a rule without a rate."""
    if "learning_rate" not in rule.get_params():
        return [("", rule)]
    return [(f"{rate:g}", clone(rule).set_params(learning_rate=rate)) for rate in rates]


def n_steps_down(losses, lowest, share=1e-5):
    """Return the steps until the height of the loss stays below a share of the first; else inf."""
    above = np.flatnonzero(~(losses - lowest < share * (losses[0] - lowest)))
    return np.inf if above[-1] == len(losses) - 1 else above[-1] + 1


def best_walk(ravine, rule):
    """Return rate, path and number of steps of the quickest walk, or else of the lowest one."""
    lowest, walks = ravine.loss(*ravine.minimum), []
    for rate, rule_at_rate in at_each(LEARNING_RATES, rule):
        path, losses = ravine.walk(rule_at_rate)
        walks.append((n_steps_down(losses, lowest), losses[-1], rate, path))
    n_steps, _, rate, path = min(walks, key=lambda walk: walk[:2])
    return rate, path, n_steps


def draw_ravine(ax, ravine, margin=1.1):
    """Draw the contours of the loss around the minimum and the start."""
    centre = ravine.minimum
    reach = margin * np.abs(np.array(ravine.start) - centre).max()
    w, b = (np.linspace(c - reach, c + reach, 150) for c in centre)
    losses = ravine.loss(*np.meshgrid(w, b))
    levels = np.geomspace(losses.min() * 1.5, losses.max(), 13)
    ax.contour(w, b, losses, levels=levels, colors="gray", linewidths=0.6, alpha=0.7)
    ax.plot(*centre, "k*", markersize=11, zorder=5)
    ax.set(xlim=w[[0, -1]], ylim=b[[0, -1]], aspect="equal")


figure, axes = plt.subplots(2, 4, figsize=(16, 8.4), layout="constrained")
arrivals = {}
for row, (name, ravine) in enumerate(RAVINES.items()):
    for ax, group in zip(axes[row], track(GROUPS, name), strict=True):
        draw_ravine(ax, ravine)
        for label, rule in group.items():
            rate, path, n_steps = best_walk(ravine, rule)
            arrivals[label, name] = rate, n_steps
            ax.plot(
                *path[:N_DRAWN].T, ".-", lw=1.1, markersize=4, label=f"{label}, {rate}".rstrip(", ")
            )
        ax.legend(fontsize="small", loc="lower left" if row == 0 else "upper right")
        ax.set(xlabel="weight", ylabel="bias")
    axes[row, 0].set_title(f"{name}: every rule at its best learning rate", loc="left")

print(f"{'':<20}" + "".join(f"{name:>22}" for name in RAVINES))
for label in (label for group in GROUPS for label in group):
    found = [arrivals[label, name] for name in RAVINES]
    cells = [
        f"{'> 300' if n == np.inf else n:>5} steps {'at ' * bool(rate)}{rate:<4}"
        for rate, n in found
    ]
    print(f"{label:<20}" + "".join(f"{cell:>22}" for cell in cells))

# %%
# The effects of the parameters
# -----------------------------
# The second ravine, one parameter at a time, 50 steps. A learning rate above 2 over the largest
# curvature, here 0.37, climbs the walls. Momentum is quicker along the floor and swings across it,
# and less so with the look ahead. Rprop's first factor increases a step while the sign stays. Its
# second factor decreases the step when the sign changes; a factor close to 1 lets it swing.
# AdaGrad's steps become ever smaller. A short memory of the squares, RMSprop's decay or Adam's
# beta_2, keeps steps large. A long memory of the gradients, Adam's beta_1, is momentum.

PARAMETERS = {
    "backpropagation: learning rate": {
        "0.03": SGD(0.03),
        "0.3": SGD(0.3),
        "0.42, too large": SGD(0.42),
    },
    "momentum, learning rate 0.1": {f"{m:g}": SGD(0.1, momentum=m) for m in (0.0, 0.5, 0.9)},
    "look ahead, learning rate 0.1": {
        "momentum 0.95": SGD(0.1, momentum=0.95),
        "Nesterov 0.95": SGD(0.1, momentum=0.95, nesterov=True),
    },
    "Rprop: factors": {
        f"{up:g} and {down:g}": Rprop(0.1, increase=up, decrease=down)
        for up, down in ((1.2, 0.5), (1.2, 0.9), (1.6, 0.5))
    },
    "AdaGrad: learning rate": {f"{rate:g}": AdaGrad(rate) for rate in (0.1, 0.3, 1.0)},
    "RMSprop: decay, learning rate 0.1": {
        f"{d:g}": RMSprop(0.1, decay=d) for d in (0.5, 0.9, 0.99)
    },
    "Adam: beta_1, learning rate 0.3": {
        f"{beta:g}": Adam(0.3, beta_1=beta) for beta in (0.0, 0.9, 0.97)
    },
    "Adam: beta_2, learning rate 0.3": {
        f"{beta:g}": Adam(0.3, beta_2=beta) for beta in (0.5, 0.9, 0.999)
    },
}

ravine = RAVINES["far from zero"]
figure, axes = plt.subplots(2, 4, figsize=(15, 8), layout="constrained", sharex=True, sharey=True)
for ax, (title, rules) in zip(axes.flat, PARAMETERS.items(), strict=True):
    draw_ravine(ax, ravine)
    for label, rule in rules.items():
        path, _ = ravine.walk(rule, n_steps=50)
        outside = np.abs(path).max(axis=1) > 4
        if outside.any():  # draw only up to the first point outside
            path = path[: outside.argmax() + 1]
        ax.plot(*path.T, ".-", lw=1.1, markersize=4, label=label)
    ax.set_title(title, fontsize="medium")
    ax.legend(fontsize="small", loc="upper right")
figure.supxlabel("weight")
figure.supylabel("bias")

# %%
# Rprop needs all patterns
# ------------------------
# "Consider the weight, that gets the gradient 0.1 on 9 mini-batches, and the gradient of -0.9 on
# 10th mini-batch. What we'd like is to those gradients to roughly cancel each other out." Here is
# this weight: one neuron and ten patterns with the input 1, presented one by one. The bias gets the
# same gradients and moves with the weight. Backpropagation stays at 0, where the loss is lowest.
# Rprop counts signs. It leaves 0 for the place that suits nine of the ten patterns, at a sum of
# weight and bias of -0.1.

wanted = np.r_[np.full(9, -0.1), 0.9]
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for label, rule in {
    "backpropagation": SGD(0.001),
    "Rprop": Rprop(0.001),
    "RMSprop": RMSprop(0.001),
}.items():
    recorder = TraceRecorder()
    model = BackpropMLPRegressor(
        (), update_rule=rule, alpha=0.0, batch_size=1, shuffle=False, max_iter=10
    )
    model.set_params(n_iter_no_change=np.inf).set_callbacks(recorder)
    model.fit(np.ones((10, 1)), wanted, coef_init=[np.zeros((1, 1))], intercept_init=[np.zeros(1)])
    ax.plot(recorder.trace_.params[:, 0], label=label)
ax.set(xlabel="step", ylabel="weight", title="Gradients 0.1 nine times, then -0.9")
ax.legend()

# %%
# All rules on digits
# -------------------
# The network is 64-32-10, with minibatches of 32 and 20 epochs. The rules of the last panel use all
# patterns at once, and 30 epochs. A line search passes over the patterns more than once per epoch;
# the table counts the passes. The learning rate of every rule is the best of ten by the training
# loss at the end, from one start. The figure shows three other starts.
#
# The results resemble those in the ravine. Momentum, and even more with its look ahead, ends at a
# tenth of the loss of backpropagation. NAdam, which is Adam with the look ahead, is the best of its
# group. Every rule needs a learning rate of its own: 1 for backpropagation, 0.001 for Lion, and for
# AdaDelta the largest that was tried. On this small data set L-BFGS, which needs no rate, ends
# lowest of all, in 32 passes over the patterns where others had 20. Accuracies on the test set
# differ by at most two hundredths.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0, stratify=y)
GROUPS[1] |= {"Muon": Muon()}
GROUPS[2] |= {"AdamW": AdamW()}
RATES = (3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


def network(rule, seed):
    """Return the untrained network."""
    return BackpropMLPClassifier(
        (32,),
        "tanh",
        update_rule=rule,
        alpha=0.0,
        batch_size="full" if rule.full_batch else 32,
        max_iter=30 if rule.full_batch else 20,
        tol=0.0,
        n_iter_no_change=np.inf,
        random_state=seed,
    )


def last_loss(model):
    """Return the training loss of the last epoch, infinite where training diverges."""
    try:
        return model.fit(X_train, y_train).loss_
    except DivergenceError:
        return np.inf


figure, axes = plt.subplots(1, 4, figsize=(16, 4.2), layout="constrained", sharey=True)
rows = []
for ax, group in zip(axes, track(GROUPS, "Digits"), strict=True):
    for label, rule in group.items():
        rate, best = min(at_each(RATES, rule), key=lambda pair: last_loss(network(pair[1], seed=0)))
        models = [network(best, seed).fit(X_train, y_train) for seed in (1, 2, 3)]
        curve = np.median([model.loss_curve_ for model in models], axis=0)
        accuracy = np.mean([model.score(X_test, y_test) for model in models])
        passes = models[0].t_ / len(X_train)
        rows.append(f"{label:<20} {rate:>7} {passes:7.0f} {curve[-1]:10.5f} {accuracy:9.3f}")
        ax.semilogy(range(1, len(curve) + 1), curve, label=f"{label}, {rate}".rstrip(", "))
    ax.legend(fontsize="small")
    ax.set_xlabel("epoch")
axes[0].set_ylabel("training loss, median of three")
print(f"{'':<20} {'rate':>7} {'passes':>7} {'loss':>10} {'accuracy':>9}")
print("\n".join(rows))

# %%
# The effective learning rates of Adam
# ------------------------------------
# Backpropagation has one learning rate for all weights and all steps. Adam's effective learning
# rate is larger for weights than for biases, whose gradients are larger. Within a layer it differs
# tenfold.

display = UpdateRuleDisplay.from_estimator(network(Adam(0.003), seed=1), X_train, y_train)
display.figure_.suptitle("Adam(0.003) on digits: medians and quartiles of every layer")
plt.show()
