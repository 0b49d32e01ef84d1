"""
A start at the data puts the kinks of neurons among the rows
============================================================

See why a network learns faster on columns that were not scaled if its first weights
depend on the data.

A relu neuron bends the function of a network along one line: where its net input is 0.
With the usual starts this line goes through the origin or near it, wherever the rows
are. With ``init="data"`` it goes through a point among the rows, and the net inputs of
the rows have a variance of one. This example draws the lines of 40 neurons before the
first step, in a plane of two features that were not scaled.
"""

# %%
# Two starts
# ----------
# A callback of one step would do as well, but a step so small that nothing moves is
# shorter.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_metabp import SGD, BackpropMLPRegressor
from sklearn_metabp.plotting import figure_style

plt.style.use(figure_style())
warnings.simplefilter("ignore", ConvergenceWarning)

rng = np.random.default_rng(0)
X = np.array([4.0, 2.0]) + rng.standard_normal((300, 2)) @ np.array(
    [[1.2, 0.5], [0.0, 0.6]]
)
y = np.sin(2 * X[:, 0]) + X[:, 1]
STARTS = ("glorot_uniform", "he_normal", "data")


def start_of(init):
    """Return a network with its first weights."""
    model = BackpropMLPRegressor(
        (40,), init=init, update_rule=SGD(1e-12), alpha=0.0, max_iter=1
    )
    return model.set_params(random_state=1).fit(X, y)


models = {init: start_of(init) for init in STARTS}

# %%
# Lines of net input 0
# --------------------
# A line counts if a tenth of the rows or more lie on each side of it.

figure, axes = plt.subplots(1, 3, figsize=(9, 3.6), sharex=True, sharey=True)
x_1 = np.array([-1.0, 9.0])
for axis, (init, model) in zip(axes, models.items(), strict=True):
    weights, biases = model.coefs_[0], model.intercepts_[0]
    for w, b in zip(weights.T, biases, strict=True):
        axis.plot(
            x_1, -(b + w[0] * x_1) / w[1], color="0.55", linewidth=0.7, linestyle="-"
        )
    axis.plot(*X.T, ".", color="C0", markersize=3)
    below = np.mean(X @ weights + biases < 0, axis=0)
    divides = np.mean((below > 0.1) & (below < 0.9))
    axis.set(title=f'init="{init}": {divides:.0%}', xlabel="feature 1")
axes[0].set(ylabel="feature 2", xlim=(-1, 8), ylim=(-3, 7))
figure.suptitle('With init="data" nearly all lines divide the rows')
plt.show()

# %%
# Net inputs
# ----------
# Neurons whose line leaves all rows on one side are linear at all of them, or 0 at all
# of them. The spread of the net inputs shows how large the steps of the first epochs
# are.

for init, model in models.items():
    net_inputs = X @ model.coefs_[0] + model.intercepts_[0]
    spread = net_inputs.std(axis=0)
    print(
        f"{init:15s} standard deviation of net inputs: "
        f"{spread.min():.2f} to {spread.max():.2f}"
    )
