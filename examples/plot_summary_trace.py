"""
A summary shows that the first layers do not learn
==================================================

Find the layers of a deep network that do not learn, at little cost.

A :class:`TraceRecorder(summary=True) <sklearn_metabp.TraceRecorder>` records norms and
quantiles of every weight matrix and bias vector, and the spread of the outputs and
deltas of every layer. A step takes a few kilobytes, however wide the layers are, and
the training takes hardly longer. This example looks at one training through its
summary: five hidden layers of logistic neurons, whose first layers get next to no
gradient.
"""

# %%
# Record
# ------
# ``every=20`` records one step in twenty. Without it, the recorder chooses a number by
# the sizes of the layers and of the batch. The other steps run as without a recorder.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sklearn_metabp import SGD, BackpropMLPClassifier, TraceRecorder
from sklearn_metabp.plotting import figure_style

plt.style.use(figure_style())

X, y = load_digits(return_X_y=True)
X = X / 16


def record(activation):
    """Train five hidden layers; return the model and the trace of its summaries."""
    recorder = TraceRecorder(summary=True, every=20)
    model = BackpropMLPClassifier(
        (40,) * 5,
        activation,
        update_rule=SGD(0.02, momentum=0.9),
        batch_size=32,
        max_iter=30,
        n_iter_no_change=float("inf"),
        random_state=0,
    )
    model.set_callbacks(recorder).fit(X, y)
    return model, recorder.trace_


model, trace = record("logistic")
print(model.summary())
print(f"\n{trace}, {trace.summary.nbytes / len(trace):.0f} bytes a step")

# %%
# The gradients shrink from layer to layer
# ----------------------------------------
# The derivative of the logistic function is at most 1/4, and rule (6) multiplies the
# deltas by it once per layer. So every layer gets a smaller gradient than the next. The
# root mean square of a gradient is its norm over the root of its size, and
# ``trace.summary["gradients"]["l2"]`` has the norms, a column per tensor.

layout = trace.layouts[0]
weights = [k for k, tensor in enumerate(layout.tensors) if tensor.is_weights]
roots = np.sqrt([np.prod(layout.tensors[k].shape) for k in weights])
colours = plt.colormaps["viridis"](np.linspace(0, 0.85, len(weights)))


def draw_layers(ax, steps, values, names):
    """Draw a line per layer, the first dark and the last light."""
    for line, name, colour in zip(values.T, names, colours, strict=True):
        ax.plot(steps, line, color=colour, linestyle="-", label=name)
    ax.set(xlabel="step", yscale="log")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), reverse=True)


names = [f"layer {number + 1}" for number in range(len(weights))]
figure, ax = plt.subplots(figsize=(6.4, 3.6))
draw_layers(
    ax, trace.indices, trace.summary["gradients"]["l2"][:, weights] / roots, names
)
ax.set_ylabel("root mean square of the gradient")
ax.set_title("Five logistic layers: the first one gets the smallest gradient")

# %%
# So the first layers stay where they began
# -----------------------------------------
# The size of an update over that of the weights is the speed of a layer. A thousandth a
# step is a common rule of thumb, the dashed line. In this training the first layer
# changes by two millionths.


def relative_updates(trace):
    """Return the norm of the updates over that of the weights, a column per layer."""
    norms = (trace.summary[name]["l2"][:, weights] for name in ("updates", "params"))
    return np.divide(*norms)


figure, ax = plt.subplots(figsize=(6.4, 3.6))
draw_layers(ax, trace.indices, relative_updates(trace), names)
ax.axhline(1e-3, color="0.5", linestyle="--", linewidth=1)
ax.set_ylabel("size of the update over the weights")
ax.set_title("The first layers hardly change")

# %%
# The outputs confirm it. Their spread over patterns and neurons is small in every
# layer, and the loss stays at that of a constant.

spread = trace.summary["outputs"]["std"]
for number, name in enumerate(names):
    print(f"{name}: standard deviation of the outputs {spread[-1, number]:.3f}")
print(f"loss {trace.losses[-1]:.3f}, that of a constant is {np.log(10):.3f}")

# %%
# The same network with relu
# --------------------------
# The derivative of relu is 1 where a neuron is active. All layers learn at the same
# rate.

relu_model, relu_trace = record("relu")
figure, ax = plt.subplots(figsize=(6.4, 3.6))
draw_layers(ax, relu_trace.indices, relative_updates(relu_trace), names)
ax.set_ylabel("size of the update over the weights")
ax.set_title("With relu, all layers change at about the same rate")
print(
    f"accuracy on the training data: logistic {model.score(X, y):.3f}, "
    f"relu {relu_model.score(X, y):.3f}"
)
dead = relu_trace.summary["outputs"]["dead"][-1, :-1]
print(
    "dead neurons of the hidden layers at the end:", " ".join(f"{d:.0%}" for d in dead)
)
