"""
Embeddings let a small network follow fine structure of a column
================================================================

Choose an embedding for columns of numbers: periodic for oscillations, piecewise linear
for steps.

A network of smooth or rectified neurons learns slow functions of a column first, and
fast ones late or never. An embedding in front of its first layer changes that. Waves
with trained frequencies (:class:`~sklearn_metabp.PeriodicEmbedding`) follow
oscillations, and bins at quantiles (:class:`~sklearn_metabp.PiecewiseLinearEmbedding`)
follow steps. The three networks below have the same hidden layers, the same update rule
and the same number of epochs.
"""

# %%
# Two targets of one column
# -------------------------
# 400 rows of a column with noisy targets: a wave whose period is a tenth of the range,
# and eight steps at random places.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_metabp import (
    AdamW,
    BackpropMLPRegressor,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
)
from sklearn_metabp.plotting import figure_style

plt.style.use(figure_style())
warnings.simplefilter(
    "ignore", ConvergenceWarning
)  # all trainings have the same length

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(-2, 2, 400))
ends = np.sort(rng.uniform(-2, 2, 8))
heights = rng.permutation(np.linspace(-1.2, 1.2, 9))
TARGETS = {
    "wave": lambda x: np.sin(2 * np.pi * x / 0.4),
    "steps": lambda x: heights[np.searchsorted(ends, x)],
}
NETWORKS = {
    "no embedding": None,
    "periodic": PeriodicEmbedding(sigma=1.0),
    "piecewise linear": PiecewiseLinearEmbedding(n_bins=48, n_outputs=8),
}
COLOURS = dict(zip(NETWORKS, ["C1", "C0", "C2"], strict=True))

# %%
# Six fits
# --------
# The error is the root of the mean squared error to the target without noise, on a fine
# grid.

grid = np.linspace(x.min(), x.max(), 1000)
figure, axes = plt.subplots(
    len(TARGETS), len(NETWORKS), figsize=(9, 5), sharex=True, sharey=True
)
print(f"{'':<8}" + "".join(f"{name:>18}" for name in NETWORKS))
for row, (target, function) in zip(axes, TARGETS.items(), strict=True):
    y, errors = function(x) + 0.1 * rng.standard_normal(len(x)), []
    for ax, (name, embedding) in zip(row, NETWORKS.items(), strict=True):
        model = BackpropMLPRegressor(
            (64, 64),
            numeric_embedding=embedding,
            update_rule=AdamW(3e-3, schedule="cosine"),
            batch_size=64,
            max_iter=150,
            n_iter_no_change=np.inf,
            random_state=0,
        )
        outputs = model.fit(x[:, None], y).predict(grid[:, None])
        errors.append(np.sqrt(np.mean((outputs - function(grid)) ** 2)))
        ax.plot(x, y, ".", color="0.75", markersize=3)
        ax.plot(grid, outputs, color=COLOURS[name], linestyle="-", linewidth=1.5)
        ax.set_title(f"{target}, {name}: {errors[-1]:.2f}", fontsize="medium")
    row[0].set_ylabel("y")
    print(f"{target:<8}" + "".join(f"{error:18.2f}" for error in errors))
for ax in axes[-1]:
    ax.set_xlabel("x")
figure.suptitle("Embeddings let the same network follow fine structure (with errors)")
plt.show()
