"""
Experiment 1: AND, with a hidden neuron
=======================================

Learn backpropagation from the record of one training, and train the same network with
the learned rule. This example shows that a learning network of the right size follows
backpropagation along the path that was recorded, and that it needs more than one
recorded training to follow it elsewhere.

The network has two inputs, a hidden neuron and an output, and learns AND. The learning
network has 9 inputs (3 weights, 2 biases, 2 inputs, output, expected output) and 5
outputs (the changes of the weights and biases). The figures correspond to figures 4 and
5 of Jakša and Katrák (2006).
"""

# %%
# The network and its record
# --------------------------
# All neurons are logistic, and every step presents one pattern. A
# :class:`~sklearn_metabp.TraceRecorder` keeps every step of a training by plain
# backpropagation.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPRegressor,
    LearnedUpdateRule,
    TraceRecorder,
)
from sklearn_metabp.plotting import figure_style

plt.style.use(figure_style())
warnings.simplefilter(
    "ignore", ConvergenceWarning
)  # a training that fails is part of the picture

X, y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0.0, 0, 0, 1])
BACKPROPAGATION = SGD(0.23)


def mlp(hidden, rule, max_iter=1200, **options):
    """Return a network of logistic neurons that trains online."""
    options = {"out_activation": "logistic", "alpha": 0.0, "batch_size": 1, **options}
    return BackpropMLPRegressor(
        hidden,
        "logistic",
        update_rule=rule,
        max_iter=max_iter,
        n_iter_no_change=np.inf,
        **options,
    )


def record(seeds, n_cycles):
    """Return the trace of backpropagation from these starts."""
    recorder = TraceRecorder("all")
    for seed in seeds:
        teacher = mlp((1,), BACKPROPAGATION, n_cycles, random_state=seed)
        teacher.set_callbacks(recorder).fit(X, y)
    return recorder.trace_


TEACHER, UNSEEN = 0, 100  # the starts
trace = record([TEACHER], 3000)
ten = record(range(10), 1200)
print(trace)

# %%
# Three learning networks
# -----------------------
# The paper's learning network has two hidden neurons and is trained online for 200
# cycles, in this example on every fifth step of the record. A wide one has two layers
# of 32 tanh neurons. It is trained on all steps of the record, and once more on ten
# trainings from different starts.


def papers_learner():
    """Return the paper's learning network; it needs updates scaled to [0, 1]."""
    steps = make_pipeline(MinMaxScaler(), mlp((2,), SGD(0.198), 200))
    return TransformedTargetRegressor(steps, transformer=MinMaxScaler())


def wide_learner(n_cycles):
    """Return a wide learning network; the learning rate of Adam decreases to zero."""
    rule = Adam(0.01, schedule=lambda t, t_planned: 1 - t / t_planned)
    network = BackpropMLPRegressor(
        (32, 32),
        "tanh",
        update_rule=rule,
        alpha=0.0,
        batch_size=200,
        max_iter=n_cycles,
        n_iter_no_change=np.inf,
    )
    steps = make_pipeline(StandardScaler(), network)
    return TransformedTargetRegressor(steps, transformer=StandardScaler())


def learned(trace, scope, learner=None):
    """Return a rule of a scope, fitted on a trace."""
    return LearnedUpdateRule(learner, scope=scope, random_state=0).fit(trace)


rules = {
    "paper's learning network": learned(trace[::5], "network", papers_learner()),
    "wide, one run": learned(trace, "network", wide_learner(80)),
    "wide, ten runs": learned(ten, "network", wide_learner(20)),
}

# %%
# The wide learning networks reach a much smaller error than the paper's (figure 4).

GREY = {"color": "0.75", "linewidth": 6, "linestyle": "-", "solid_capstyle": "round"}
STYLES = {
    "backpropagation": GREY,
    **dict(zip(rules, plt.rcParams["axes.prop_cycle"], strict=False)),
}

figure, ax = plt.subplots()
for name, rule in rules.items():
    error = np.array(rule.learner_.regressor_[-1].loss_curve_)
    ax.semilogy(np.arange(1, len(error) + 1), error / error[0], label=name)
ax.set_title("Two hidden neurons are too few to learn backpropagation")
ax.set(
    xlabel="cycle of the learning network", ylabel="error over that of the first cycle"
)
figure.legend(loc="outside lower center", ncols=3)

# %%
# Train with the learned rules
# ----------------------------
# The paper's student starts where its teacher started (figure 5). The other start is in
# no trace.


def train(rules, seed):
    """Return J of every cycle, by the name of the rule."""
    return {
        name: mlp((1,), rule, random_state=seed).fit(X, y).loss_curve_
        for name, rule in rules.items()
    }


papers, one, ten_runs = rules
everyone = {"backpropagation": BACKPROPAGATION, **rules}
DRAWN = {
    TEACHER: ["backpropagation", papers, one],
    UNSEEN: ["backpropagation", one, ten_runs],
}
curves = {
    seed: train({name: everyone[name] for name in names}, seed)
    for seed, names in DRAWN.items()
}
for seed, by_rule in curves.items():
    for name, curve in by_rule.items():
        print(f"start {seed:<4} {name:<26} J after 1200 cycles {curve[-1]:.5f}")

# %%
# From the teacher's start, one recorded training is enough. From another start, ten are
# needed.

# sphinx_gallery_thumbnail_number = 2
figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
for ax, by_rule in zip(axes, curves.values(), strict=True):
    for name, curve in by_rule.items():
        ax.plot(curve, label=name, **STYLES[name])
    ax.set(xlabel="cycle t", xlim=(0, 1200), ylim=(0, None))
axes[0].set(title="From the teacher's start: one run is enough", ylabel="J(t)")
axes[1].set(title="From another start: it takes ten runs")
lines = {line.get_label(): line for ax in axes for line in ax.lines}
figure.legend(
    handles=[lines[name] for name in everyone], loc="outside lower center", ncols=4
)

# %%
# Rules of a neuron and of a link
# -------------------------------
# Rules of the scopes ``"neuron"`` and ``"link"`` see less: one neuron, or one link.
# They are valid for every architecture. Fitted on every tenth step of one run, they
# follow backpropagation from the unseen start too.

local = {f"{scope} scope": learned(trace[::10], scope) for scope in ("neuron", "link")}
by_local = train({"backpropagation": BACKPROPAGATION, **local}, UNSEEN)
figure, ax = plt.subplots()
for name, curve in by_local.items():
    ax.plot(curve, label=name, **(GREY if name == "backpropagation" else {}))
    print(f"{name:<26} J after 1200 cycles {curve[-1]:.5f}")
ax.set_title("Rules of a neuron or a link are valid from an unseen start")
ax.set(xlabel="cycle t", ylabel="J(t)", xlim=(0, 1200), ylim=(0, None))
ax.legend()
plt.show()

# %%
# The tables of :doc:`/paper` have 30 starts, with learners that are trained for longer.
