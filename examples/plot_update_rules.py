"""
Update rules in a ravine, and on digits
=======================================

See how the update rules of the package move, what their parameters change, and which of
them ends lowest on handwritten digits.

Lecture 6 of A. Kordecki's "Neural Networks" states that "Gradient descent would move
quickly down the walls, but very slowly through the valley floor", and draws the effect
of momentum. In this example the update rules go through two such ravines, which are the
loss of a real network.
"""

# %%
# Two ravines
# -----------
# A network of one linear neuron with one input has two parameters, a weight w and a
# bias b. Its squared error is a quadratic bowl in w and b. The shape of the bowl
# depends on the input. An input in too small a unit of measurement makes a ravine along
# an axis. An input far from zero makes a ravine across both axes. With a standardised
# input the bowl is round, so ``StandardScaler`` is the best remedy.

import warnings
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
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
from sklearn_metabp.plotting import UpdateRuleDisplay, figure_style

plt.style.use(figure_style())
warnings.simplefilter(
    "ignore", ConvergenceWarning
)  # trainings that fail are part of the picture

N_STEPS = 300


@dataclass(frozen=True)
class Ravine:
    """The loss of one linear neuron: half the mean square of w x + b - y.

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
            return (
                np.mean((w[..., None] * self.x + b[..., None] - self.y) ** 2, axis=-1)
                / 2
            )

    @property
    def minimum(self):
        """The weight and the bias of the lowest loss."""
        return np.polyfit(self.x, self.y, 1)

    def walk(self, rule, n_steps=N_STEPS):
        """Train; return the parameters along the training, and the loss there."""
        recorder = TraceRecorder()
        model = BackpropMLPRegressor(
            (), update_rule=rule, alpha=0.0, batch_size="full", shuffle=False
        )
        model.set_params(
            max_iter=n_steps, tol=0.0, n_iter_no_change=np.inf
        ).set_callbacks(recorder)
        weight, bias = (
            [np.array(value)] for value in ([[self.start[0]]], [self.start[1]])
        )
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
# Three rules in each ravine
# --------------------------
# Backpropagation jumps from wall to wall and moves slowly along the floor. Momentum
# swings and moves faster. AdaGrad gives every parameter a scale of its own. This is the
# remedy where the axes of the ravine are the parameters, and no remedy where the ravine
# lies across them.


def draw_ravine(ax, ravine, margin=1.1):
    """Draw the contours of the loss around the minimum and the start."""
    centre = ravine.minimum
    reach = margin * np.abs(np.array(ravine.start) - centre).max()
    w, b = (np.linspace(c - reach, c + reach, 150) for c in centre)
    losses = ravine.loss(*np.meshgrid(w, b))
    levels = np.geomspace(losses.min() * 1.5, losses.max(), 13)
    ax.contour(w, b, losses, levels=levels, colors="0.8", linewidths=0.6)
    ax.plot(*centre, "k*", markersize=11, zorder=5)
    ax.set(xlim=w[[0, -1]], ylim=b[[0, -1]], aspect="equal", xlabel="weight")


def draw_walks(ax, ravine, rules, n_steps):
    """Draw the paths of rules by name, each up to its first point outside."""
    draw_ravine(ax, ravine)
    for (name, rule), marker in zip(rules.items(), "os^", strict=False):
        path, _ = ravine.walk(rule, n_steps)
        outside = np.append(np.abs(path).max(axis=1) > 4, True)
        path = path[: outside.argmax() + 1]
        ax.plot(*path.T, marker=marker, linewidth=1.2, markersize=3, label=name)


# sphinx_gallery_thumbnail_number = 1
figure, axes = plt.subplots(1, 2, figsize=(8.4, 4.8), layout="compressed")
PATHS = {
    "small unit": (SGD(0.07), SGD(0.03, momentum=0.9), AdaGrad(1.0)),
    "far from zero": (SGD(0.35), SGD(0.1, momentum=0.9), AdaGrad(1.0)),
}
for ax, (name, rules) in zip(axes, PATHS.items(), strict=True):
    names = ["backpropagation", "momentum 0.9", "AdaGrad"]
    draw_walks(ax, RAVINES[name], dict(zip(names, rules, strict=True)), n_steps=40)
axes[0].set(title="Along an axis, AdaGrad goes straight", ylabel="bias")
axes[1].set(title="Across the axes, momentum is faster")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)

# %%
# All rules, each with its best learning rate
# -------------------------------------------
# Call the height of a loss its distance from the lowest loss. A rule arrives when the
# height stays below a hundred-thousandth of the height at the start. Each rule uses the
# learning rate of six with which it arrives first. Rules that do not arrive in 300
# steps are drawn at the right edge.
#
# The steps of RMSprop and Lion do not become smaller with the gradient. At a constant
# rate these rules therefore do not settle. AdaDelta begins with steps of a thousandth
# of its rate and starts slowly. The lecture calls this the price of not having to set a
# rate. Line searches use the loss and not only its gradient. In a bowl of two
# dimensions conjugate gradients need two directions, and a third step where a search is
# not exact. Steps are not their only cost, because a search tries several points.

LEARNING_RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
RULES = {
    "backpropagation": SGD(),
    "momentum 0.9": SGD(momentum=0.9),
    "Nesterov 0.9": SGD(momentum=0.9, nesterov=True),
    "AdaGrad": AdaGrad(),
    "AdaDelta": AdaDelta(),
    "RMSprop": RMSprop(),
    "Lion": Lion(),
    "Adam": Adam(),
    "AdaMax": AdaMax(),
    "NAdam": NAdam(),
    "RAdam": RAdam(),
    "Rprop": Rprop(),
    "conjugate gradients": ConjugateGradient(),
    "L-BFGS": LBFGS(),
}


def at_each(rates, rule):
    """Return pairs of a learning rate and the rule at it; one without a rate."""
    if "learning_rate" not in rule.get_params():
        return [("", rule)]
    return [(f"{rate:g}", clone(rule).set_params(learning_rate=rate)) for rate in rates]


def n_steps_down(losses, lowest, share=1e-5):
    """Return the steps until the height of the loss stays small; else inf."""
    above = np.flatnonzero(~(losses - lowest < share * (losses[0] - lowest)))
    return np.inf if above[-1] == len(losses) - 1 else above[-1] + 1


def quickest(ravine, rule):
    """Return the number of steps and the rate of the quickest walk."""
    lowest, walks = ravine.loss(*ravine.minimum), []
    for rate, rule_at_rate in at_each(LEARNING_RATES, rule):
        losses = ravine.walk(rule_at_rate)[1]
        walks.append((n_steps_down(losses, lowest), losses[-1], rate))
    n_steps, _, rate = min(walks, key=lambda walk: walk[:2])
    return n_steps, rate


arrivals = {
    name: {label: quickest(ravine, rule) for label, rule in RULES.items()}
    for name, ravine in RAVINES.items()
}
print(f"{'':<20}" + "".join(f"{name:>22}" for name in RAVINES))
for label in RULES:
    found = [arrivals[name][label] for name in RAVINES]
    cells = [
        f"{min(n, 301):>5.0f} steps {'at ' * bool(rate)}{rate:<4}" for n, rate in found
    ]
    print(f"{label:<20}" + "".join(f"{cell:>22}" for cell in cells))

figure, ax = plt.subplots(figsize=(6.4, 4.8))
for (name, by_rule), marker, colour in zip(
    arrivals.items(), "os", ("C0", "C1"), strict=True
):
    steps = [min(n, N_STEPS) for n, _ in by_rule.values()]
    ax.plot(
        steps,
        list(by_rule),
        marker,
        color=colour,
        markersize=7,
        label=f"ravine: {name}",
    )
ax.set(
    xscale="log",
    xlim=(1, 1.1 * N_STEPS),
    xlabel="steps to the minimum, at the best rate",
)
ax.xaxis.set_major_formatter("{x:g}")
ax.invert_yaxis()
ax.grid(axis="y", alpha=0.3)
ax.set_title("AdaGrad is quick only in the ravine along an axis")
figure.legend(loc="outside lower center", ncols=2)

# %%
# The effects of the parameters
# -----------------------------
# The second ravine, one parameter at a time, 50 steps. A learning rate above 2 over the
# largest curvature, which is 0.37, climbs the walls. Momentum is quicker along the
# floor and swings across it. Rprop's second factor decreases a step when the sign of
# the gradient changes; a factor close to 1 lets it swing. AdaGrad's steps become ever
# smaller.

PARAMETERS = {
    "Backpropagation: 0.42 climbs the walls": {
        f"rate {rate:g}": SGD(rate) for rate in (0.03, 0.3, 0.42)
    },
    "Momentum moves along the floor": {
        f"momentum {m:g}": SGD(0.1, m) for m in (0.0, 0.5, 0.9)
    },
    "Rprop swings if its steps shrink slowly": {
        f"decrease {down:g}": Rprop(0.1, decrease=down) for down in (0.5, 0.9)
    },
    "AdaGrad at a low rate does not arrive": {
        f"rate {rate:g}": AdaGrad(rate) for rate in (0.1, 0.3, 1.0)
    },
}
figure, axes = plt.subplots(2, 2, figsize=(8.4, 8.6), sharex=True, sharey=True)
for ax, (title, rules) in zip(axes.flat, PARAMETERS.items(), strict=True):
    draw_walks(ax, RAVINES["far from zero"], rules, n_steps=50)
    ax.set(title=title, xlabel=None)
    ax.legend(loc="upper right", facecolor="white", frameon=True, edgecolor="none")
figure.supxlabel("weight")
figure.supylabel("bias")

# %%
# Rprop needs all patterns
# ------------------------
# "Consider the weight, that gets the gradient 0.1 on 9 mini-batches, and the gradient
# of -0.9 on 10th mini-batch. What we'd like is to those gradients to roughly cancel
# each other out." The figure shows this weight: one neuron and ten patterns with the
# input 1, presented one by one. The bias gets the same gradients and moves with the
# weight. Backpropagation stays at 0, where the loss is lowest. Rprop counts signs. It
# leaves 0 for the place that suits nine of the ten patterns, at a sum of weight and
# bias of -0.1.

wanted = np.r_[np.full(9, -0.1), 0.9]
figure, ax = plt.subplots()
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
    model.fit(
        np.ones((10, 1)),
        wanted,
        coef_init=[np.zeros((1, 1))],
        intercept_init=[np.zeros(1)],
    )
    ax.plot(recorder.trace_.params[:, 0], label=label)
ax.set(xlabel="step", ylabel="weight")
ax.set_title("Rprop leaves the minimum when patterns come one by one")
figure.legend(loc="outside lower center", ncols=3)

# %%
# All rules on digits
# -------------------
# The network is 64-32-10, with minibatches of 32 and 15 epochs. The last three rules
# use all patterns at once, and 25 epochs. A line search passes over the patterns more
# than once per epoch. The table counts the passes. The learning rate of every rule is
# the best of eight by the training loss at the end, from one start. The figure shows
# three other starts.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, random_state=0, stratify=y
)
ON_DIGITS = {"AdamW": AdamW(), "Muon": Muon(), **RULES}
RATES = (1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0)


def network(rule, seed):
    """Return the untrained network."""
    return BackpropMLPClassifier(
        (32,),
        "tanh",
        update_rule=rule,
        alpha=0.0,
        batch_size="full" if rule.full_batch else 32,
        max_iter=25 if rule.full_batch else 15,
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


losses = {}
print(f"{'':<20} {'rate':>7} {'passes':>7} {'loss':>10} {'accuracy':>9}")
for label, rule in ON_DIGITS.items():
    rate, best = min(
        at_each(RATES, rule), key=lambda pair: last_loss(network(pair[1], seed=0))
    )
    models = [network(best, seed).fit(X_train, y_train) for seed in (1, 2, 3)]
    losses[label] = np.sort([model.loss_ for model in models])
    accuracy = np.mean([model.score(X_test, y_test) for model in models])
    passes = models[0].t_ / len(X_train)
    print(
        f"{label:<20} {rate:>7} {passes:7.0f} {losses[label][1]:10.5f} {accuracy:9.3f}"
    )

# %%
# Every rule needs a learning rate of its own. Nesterov's momentum, L-BFGS and Adam end
# lowest. L-BFGS has no learning rate to choose, but it passes over the patterns more
# often than most others. The lowest loss is not the best network: accuracies on the
# test set differ by two or three hundredths, in another order.

ranked = sorted(losses, key=lambda label: losses[label][1])
figure, ax = plt.subplots(figsize=(6.4, 5))
ax.plot(
    [losses[label] for label in ranked],
    ranked,
    "o",
    color="C0",
    markersize=5,
    alpha=0.6,
)
ax.set(xscale="log", xlabel="training loss at the end, three starts")
ax.invert_yaxis()
ax.grid(axis="y", alpha=0.3)
ax.set_title("On digits, Nesterov's momentum, L-BFGS and Adam end lowest")

# %%
# The effective learning rates of Adam
# ------------------------------------
# Backpropagation has one learning rate for all weights and all steps. Adam's effective
# learning rate is larger for weights than for biases, whose gradients are larger.
# Within a layer it differs tenfold.

display = UpdateRuleDisplay.from_estimator(
    network(Adam(0.003), seed=1), X_train, y_train
)
display.figure_.suptitle("Adam gives weights and biases different learning rates")
plt.show()
