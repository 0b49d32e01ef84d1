"""
Watch a training
================

Record every step of a training, and draw weights, updates, losses, derivatives and the
decision surface along it.

A :class:`~sklearn_metabp.TraceRecorder` makes the record. Its trace consists of arrays:
the weights before every step, the updates, the losses.
:class:`~sklearn_metabp.plotting.TraceDisplay` draws them.
:class:`~sklearn_metabp.plotting.LossCurveDisplay` compares the loss curves of several
update rules.
"""

# %%
# Record
# ------
# The data are two moons, the network is 2-6-1, and the rule is plain backpropagation
# with momentum. With ``n_iter_no_change=float("inf")`` a training takes exactly
# ``max_iter`` epochs. ``"all"`` records the activations and deltas of every pattern
# too.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.inspection import DecisionBoundaryDisplay

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, TraceRecorder
from sklearn_metabp.plotting import LossCurveDisplay, TraceDisplay, figure_style

plt.style.use(figure_style())

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
# The display draws one line per parameter, in one colour per weight matrix or bias
# vector. For a larger network it would draw ten parameters of each.

display = TraceDisplay.from_trace(trace, n_params=12)
display.figure_.suptitle("Updates shrink as the loss falls")

# %%
# Other variables of the trace
# ----------------------------
# Every recorded variable is an attribute of the trace. A hidden tanh neuron learns
# little where its derivative is small. The next figure shows the mean derivative of
# every neuron over the patterns of an epoch.

n_epochs = trace.epochs[-1] + 1
of_batches = trace.derivatives[0].mean(axis=1)  # steps x hidden neurons
of_epochs = of_batches.reshape(n_epochs, -1, of_batches.shape[1]).mean(axis=1)
print("mean derivative of each hidden neuron, first and last epoch:")
for epoch in (0, n_epochs - 1):
    print(
        f"  {epoch + 1:3}  " + "  ".join(f"{value:.2f}" for value in of_epochs[epoch])
    )

figure, ax = plt.subplots()
epochs = np.arange(1, n_epochs + 1)
for neuron, values in enumerate(of_epochs.T, start=1):
    ax.plot(epochs, values, label=f"neuron {neuron}")
ax.set(xlabel="epoch", ylabel="mean derivative", ylim=(0, 1))
ax.set_title("Hidden neurons saturate, so they learn less and less")
figure.legend(loc="outside right center")

# %%
# The decision surface during the training
# ----------------------------------------
# scikit-learn's ``DecisionBoundaryDisplay`` takes the classifier as it is. The same
# ``random_state`` takes the same steps, so a training of ten epochs is the beginning of
# a training of sixty epochs.

# sphinx_gallery_thumbnail_number = 3
figure, axes = plt.subplots(1, 3, figsize=(9, 3.4), sharex=True, sharey=True)
for ax, n_epochs in zip(axes, (1, 10, 60), strict=True):
    shorter = (
        network(SGD(learning_rate=0.1, momentum=0.9))
        .set_params(max_iter=n_epochs)
        .fit(X, y)
    )
    DecisionBoundaryDisplay.from_estimator(
        shorter,
        X,
        response_method="predict_proba",
        ax=ax,
        cmap="PuOr",
        alpha=0.7,
        vmin=0,
        vmax=1,
    )
    for label, (marker, colour) in enumerate(("ow", "sk")):
        ax.scatter(*X[y == label].T, s=12, marker=marker, color=colour, edgecolor="k")
    ax.set(title=f"epoch {n_epochs}: accuracy {shorter.score(X, y):.2f}")
    ax.set(xlabel="first feature", ylabel="second feature")
    ax.label_outer()
figure.suptitle("The decision surface bends around the moons")

# %%
# Several update rules
# --------------------
# All trainings start from the same weights and use the same batches.

RULES = {
    "backpropagation": SGD(0.1),
    "momentum": SGD(0.1, momentum=0.9),
    "Nesterov's momentum": SGD(0.1, momentum=0.9, nesterov=True),
    "Adam": Adam(0.01),
}
models = [network(rule).fit(X, y) for rule in RULES.values()]
for name, fitted in zip(RULES, models, strict=True):
    print(
        f"{name:<20} loss {np.min(fitted.loss_curve_):.4f}  "
        f"accuracy {fitted.score(X, y):.3f}"
    )

display = LossCurveDisplay.from_estimator(*models, names=list(RULES))
display.ax_.set_title("Momentum is ahead of plain backpropagation")
plt.show()
