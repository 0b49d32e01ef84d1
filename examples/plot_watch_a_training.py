"""
Watch a training
================

A :class:`~sklearn_metabp.TraceRecorder` records every step of a training. Its trace consists of
arrays: the weights before every step, the updates, the losses. This example records a small network
and draws it with :class:`~sklearn_metabp.plotting.TraceDisplay`. scikit-learn's display draws the
decision surface. :class:`~sklearn_metabp.plotting.LossCurveDisplay` compares the loss curves of
several update rules.
"""

# %%
# Record
# ------
# The data are two moons, the network is 2-6-1, and the rule is plain backpropagation with momentum.
# With ``n_iter_no_change=float("inf")`` a training takes exactly ``max_iter`` epochs. ``"all"``
# records the activations and deltas of every pattern too.

import matplotlib.pyplot as plt
import numpy as np
from rich.progress import track
from sklearn.datasets import make_moons
from sklearn.inspection import DecisionBoundaryDisplay

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, TraceRecorder
from sklearn_metabp.plotting import LossCurveDisplay, TraceDisplay

X, y = make_moons(200, noise=0.15, random_state=0)


def network(update_rule):
    """Return a network that trains for exactly 60 epochs of 10 steps."""
    return BackpropMLPClassifier(
        (6,),
        "tanh",
        update_rule=update_rule,
        batch_size=20,
        max_iter=60,
        n_iter_no_change=float("inf"),
        random_state=0,
    )


recorder = TraceRecorder("all")
model = network(SGD(learning_rate=0.1, momentum=0.9)).set_callbacks(recorder).fit(X, y)
trace = recorder.trace_
print(f"{trace}; accuracy {model.score(X, y):.3f}")

# %%
# Every weight, every update, every loss
# --------------------------------------
# The display draws one line per parameter, in one colour per weight matrix or bias vector. For a
# larger network it would draw ten parameters of each.

display = TraceDisplay.from_trace(trace, n_params=12)
display.figure_.suptitle("A training of 600 steps: momentum on two moons")

# %%
# Other variables of the trace ---------------------------- Every recorded variable is an attribute
# of the trace. A hidden tanh neuron learns little where its derivative is small. The next figure
# shows the mean derivative of every neuron over the patterns of an epoch.

n_epochs = trace.epochs[-1] + 1
of_batches = trace.derivatives[0].mean(axis=1)  # steps x hidden neurons
of_epochs = of_batches.reshape(n_epochs, -1, of_batches.shape[1]).mean(axis=1)
print("mean derivative of each hidden neuron, first and last epoch:")
for epoch in (0, n_epochs - 1):
    print(f"  {epoch + 1:3}  " + "  ".join(f"{value:.2f}" for value in of_epochs[epoch]))

figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.plot(
    range(1, n_epochs + 1),
    of_epochs,
    label=[f"neuron {neuron + 1}" for neuron in range(of_epochs.shape[1])],
)
ax.legend(frameon=False, fontsize="small", ncols=2)
ax.set(
    xlabel="epoch",
    ylabel="mean derivative",
    ylim=(0, 1),
    title="Hidden neurons saturate",
)

# %%
# The decision surface during the training
# ----------------------------------------
# scikit-learn's ``DecisionBoundaryDisplay`` takes the classifier as it is. The same
# ``random_state`` takes the same steps, so a training of ten epochs is the beginning of a training
# of sixty epochs.

figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained", sharex=True, sharey=True)
for ax, n_epochs in zip(axes, (1, 10, 60), strict=True):
    shorter = network(SGD(learning_rate=0.1, momentum=0.9)).set_params(max_iter=n_epochs).fit(X, y)
    DecisionBoundaryDisplay.from_estimator(
        shorter, X, response_method="predict_proba", ax=ax, cmap="RdBu_r", alpha=0.7, vmin=0, vmax=1
    )
    ax.scatter(*X.T, c=y, cmap="RdBu_r", s=14, edgecolor="black", linewidth=0.5)
    ax.set(title=f"{n_epochs} epoch{'s' * (n_epochs > 1)}: accuracy {shorter.score(X, y):.3f}")
figure.supxlabel("first feature")
figure.supylabel("second feature")

# %%
# Several update rules
# --------------------
# All trainings start from the same weights and use the same batches.

rules = [SGD(0.1), SGD(0.1, momentum=0.9), SGD(0.1, momentum=0.9, nesterov=True), Adam(0.01)]
names = ["backpropagation", "with momentum", "with Nesterov's", "Adam"]
models = [network(rule).fit(X, y) for rule in track(rules, "Training")]
for name, fitted in zip(names, models, strict=True):
    print(f"{name:<16} loss {np.min(fitted.loss_curve_):.4f}  accuracy {fitted.score(X, y):.3f}")

display = LossCurveDisplay.from_estimator(*models, names=names)
display.ax_.set_title("Four update rules from one start")
plt.show()
