"""
Experiment 4: points in a square
================================

A network 2-5-2 learns whether a point of the plane lies in the inner square. The inputs of the
learning network include the hidden activations: it has 38 inputs, 27 outputs and 3 hidden neurons.
The figures correspond to figures 10 to 12 of Jakša and Katrák (2006), where training with the
learning network diverges.
"""

# %%
# The training and the testing set
# --------------------------------
# The paper draws its sets and gives no numbers. Here they have 60 and 200 points, drawn evenly from
# a square. The inner square has half of its area.

import matplotlib.pyplot as plt
import numpy as np
from experiments import (
    BACKPROPAGATION,
    EXPERIMENTS,
    SQUARE_TEST,
    draw_learning,
    draw_training,
    network,
    papers_learner,
    print_table,
    record,
    rule_for,
    train,
    wide_learner,
)

experiment = EXPERIMENTS[4]
TEACHER, UNSEEN = 0, 100  # seeds of the starts

sets = {"training set": (experiment.X, experiment.y), "testing set": SQUARE_TEST}
figure, axes = plt.subplots(1, 2, figsize=(8.4, 4.2), sharey=True, layout="constrained")
for ax, (name, (points, y)) in zip(axes, sets.items(), strict=True):
    for column, (label, marker) in enumerate((("inner square", "o"), ("outer square", "x"))):
        ax.scatter(
            *points[y[:, column] == 1].T, s=22, marker=marker, color=f"C{column}", label=label
        )
    side = np.sqrt(0.5)
    ax.add_patch(plt.Rectangle((-side, -side), 2 * side, 2 * side, fill=False, color="0.6"))
    ax.set(title=f"{name} (figure 12)", xlabel="x", aspect="equal")
axes[0].set(ylabel="y")
figure.legend(
    *axes[0].get_legend_handles_labels(), frameon=False, ncols=2, loc="outside lower center"
)

# %%
# Record, and learn
# -----------------
# Every 15th step of 5000 cycles is kept: 20 000 patterns, as in the other experiments.

trace = record(experiment, [TEACHER])
features, targets = (
    trace[:1].features("network", experiment.inputs),
    trace[:1].targets_of("network"),
)
print(f"{trace}: {features.shape[1]} inputs, {targets.shape[1]} outputs")
rules = {
    "paper's learning network": rule_for(experiment, "network", papers_learner(experiment)).fit(
        trace[::5]
    ),
    "wide, one run": rule_for(experiment, "network", wide_learner(len(trace), alpha=0.3)).fit(
        trace
    ),
}
local = {
    f"{scope} scope": rule_for(experiment, scope).fit(trace[::5]) for scope in ("neuron", "link")
}

# %%
# Train with the learned rules
# ----------------------------
# One start is the teacher's. The other is not in the trace.

curves = {}
for start, seed in {"the teacher's": TEACHER, "not in the trace": UNSEEN}.items():
    everyone = {"backpropagation": BACKPROPAGATION, **rules, **local}
    curves[start] = {name: train(experiment, rule, seed) for name, rule in everyone.items()}
print_table(curves)

# %%
# The table has the share of the testing set that networks classify correctly. They were trained by
# backpropagation and by the two local scopes, from the start that is not in the trace.

points, y_test = SQUARE_TEST
for name, rule in {"backpropagation": BACKPROPAGATION, **local}.items():
    model = network(experiment, rule, UNSEEN).fit(experiment.X, experiment.y)
    right = model.predict(points).argmax(axis=1) == y_test.argmax(axis=1)
    print(f"{name:<18} {right.mean():.3f} of the testing set")

# %%
# The figures
# -----------

figure, axes = plt.subplots(2, 2, figsize=(11, 7.6), layout="constrained")
draw_learning(axes[0, 0], rules, "Training the learning networks (figure 10)")
paper = {name: curves["the teacher's"][name] for name in list(curves["the teacher's"])[:3]}
draw_training(axes[0, 1], paper, "From the teacher's start (figure 11)")
unseen = curves["not in the trace"]
draw_training(
    axes[1, 0], {n: unseen[n] for n in ("backpropagation", *rules)}, "From a start not in the trace"
)
draw_training(
    axes[1, 1],
    {n: unseen[n] for n in ("backpropagation", *local)},
    "Other scopes, from the same start",
)
figure.suptitle("Square, 2-5-2")
plt.show()

# %%
# Both rules of scope ``"network"`` diverge, to J of about a half. The curves of the neuron and the
# link scope coincide with backpropagation. Backpropagation does not stop on a level here: J falls
# to 0.004, although a sixth of the testing set stays wrong.
