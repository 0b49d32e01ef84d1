"""
One step of backpropagation, by the numbers of two lectures
===========================================================

Two lectures on backpropagation calculate the same step by hand: P. Musilek's "NN-4
Backpropagation Training" and lecture 6 of A. Kordecki's "Neural Networks". Their
network has three inputs, two hidden neurons and two outputs, and the step uses one
pattern. In this example the package takes the step, prints its numbers, draws them, and
compares them with those of the lectures.
"""

# %%
# Record the step
# ---------------
# All neurons are logistic, the loss is half the sum of squared errors, and the learning
# rate is 0.01. A :class:`~sklearn_metabp.TraceRecorder` with ``"all"`` records every
# intermediate value of every step. ``coef_init`` and ``intercept_init`` set the weights
# and biases of the lectures.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_metabp import SGD, BackpropMLPRegressor, TraceRecorder
from sklearn_metabp.plotting import LossCurveDisplay, StepDisplay

X, targets = np.array([[1.0, 4.0, 5.0]]), np.array([[0.1, 0.05]])
start = {
    "coef_init": [
        np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]),
        np.array([[0.7, 0.8], [0.9, 0.1]]),
    ],
    "intercept_init": [np.array([0.5, 0.5]), np.array([0.5, 0.5])],
}
network = BackpropMLPRegressor(
    (2,),
    "logistic",
    loss="squared_error",
    out_activation="logistic",
    update_rule=SGD(learning_rate=0.01),
    alpha=0.0,
    batch_size=1,
    max_iter=1,
    n_iter_no_change=np.inf,
)
recorder = TraceRecorder("all")
network.set_callbacks(recorder).fit(X, targets, **start)
trace = recorder.trace_
print(trace)

# %%
# Every number as a table
# -----------------------
# ``report`` prints all numbers of the step. ``hidden 1 [0]`` is neuron 4 of the first
# lecture, and ``output [1]`` is its neuron 7. ``coefs_[1][0,1]`` is the weight from the
# first hidden neuron to the second output, which the first lecture calls
# :math:`w_{74}`.

print(trace[0].report())

# %%
# The forward pass
# ----------------
# :class:`~sklearn_metabp.plotting.StepDisplay` draws the network with the same numbers.
# The circle of a neuron has its activation, and below it is its net input. A link has
# its weight.

StepDisplay.from_trace(trace, show="forward")

# %%
# The backward pass
# -----------------
# A neuron has its delta, and below it the derivative of its activation function. A link
# has the derivative of the loss by its weight, which is minus the delta of its right
# neuron times the activation of its left neuron.

StepDisplay.from_trace(trace, show="backward")

# %%
# The update
# ----------
# The update of a weight is minus the learning rate times its derivative. The new weight
# follows the arrow.

StepDisplay.from_trace(trace, show="update")

# %%
# The numbers of the lectures
# ---------------------------
# The lectures print four decimals. These are their derivatives by the weights and their
# new weights, in the order of ``coefs_``. All agree to the last decimal, except for a
# misprint in the second lecture, whose new :math:`w_{75}` is 0.9881. :doc:`/lectures`
# lists all slips. The tests of the package compare all 47 quantities.

layout = trace.layouts[0]
printed_gradients = [
    [[0.0020, 0.0004], [0.0079, 0.0016], [0.0099, 0.0020]],
    [[0.0765, 0.1183], [0.0772, 0.1193]],
]
printed_weights = [
    [[0.1000, 0.2000], [0.2999, 0.4000], [0.4999, 0.6000]],
    [[0.6992, 0.7988], [0.8992, 0.0988]],
]
for name, flat, printed in (
    ("derivatives", trace.gradients[0], printed_gradients),
    ("new weights", trace.params[0] + trace.updates[0], printed_weights),
):
    for matrix, of_lectures in zip(layout.coefs(flat), printed, strict=True):
        assert np.array_equal(matrix.round(4), of_lectures)
        print(f"{name} of shape {matrix.shape}: {matrix.size} of {matrix.size} agree")

# %%
# A shared bias
# -------------
# The lectures share one bias in a layer. In this package every neuron has a bias of its
# own, so the derivative by a shared bias is the sum over the neurons of the layer. The
# first lecture prints 0.1975 for the output layer. Both print 0.0008 for the hidden
# layer, which leaves out two of the four paths.

for layer, gradient in zip(
    ("hidden", "output"), layout.intercepts(trace.gradients[0]), strict=True
):
    print(f"derivative by a bias that the {layer} layer shares: {gradient.sum():.4f}")

# %%
# Repeated steps
# --------------
# "The described procedure is repeated over and over many times until the error goes
# down". The next lines repeat the step. From the second step on, the weights differ
# from those of the lectures, because each neuron has a bias of its own.

network.set_callbacks().set_params(max_iter=100_000).fit(X, targets, **start)
for n_steps in (1, 10, 100, 1000, 10_000, 100_000):
    print(f"step {n_steps:6}: loss {network.loss_curve_[n_steps - 1]:.4g}")
display = LossCurveDisplay.from_estimator(network, names=["learning rate 0.01"])
display.ax_.set(
    xscale="log",
    xlabel="step",
    title="The loss falls with every repetition of the step",
)
display.ax_.get_legend().remove()
plt.show()
