"""
A table becomes inputs of a network without a choice
====================================================

See which numbers a network receives from a column with outliers, and from categories
that are rare or new.

:class:`~sklearn_metabp.TablePreprocessor` is the first part of the estimators for
tables. It looks at every column and chooses by what the column holds. Numbers get one
scale, and outliers end near a limit in their order. Levels of categories get a column
each. Rare levels share one, and a level that ``fit`` has not seen joins them.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_metabp import TablePreprocessor
from sklearn_metabp.plotting import figure_style

plt.style.use(figure_style())

rng = np.random.default_rng(3)
numbers = np.concatenate([rng.normal(50, 10, 58), [160.0, 400.0]])
levels = rng.choice(["centre", "north", "south", "mill"], 60, p=[0.4, 0.3, 0.25, 0.05])
table = pd.DataFrame({"area": numbers, "district": levels})
preprocessor = TablePreprocessor().set_output(transform="pandas")
inputs = preprocessor.fit_transform(table)

# %%
# Outliers
# --------
# Numbers are scaled by their quantiles, and clipped smoothly at 3.

figure, ax = plt.subplots()
grid = np.linspace(0, 420, 200)
curve = preprocessor.transform(pd.DataFrame({"area": grid, "district": "north"}))[
    "area"
]
ax.axhline(3, color="C1", linestyle="--", linewidth=1.2, label="limit")
ax.plot(
    grid, curve, color="0.6", linestyle="-", zorder=1, label="robust scale, smooth clip"
)
ax.scatter(numbers, inputs["area"], s=18, color="C0", zorder=2, label="rows")
ax.set(xlabel="area in the table", ylabel="input of the network")
ax.legend(loc="lower right")
ax.set_title("Outliers end near the limit, in their order")

# %%
# Levels
# ------
# A row of the figure is a level of the column, and a column is an input of the network.

names = [name for name in inputs if name.startswith("district")]
order = ["centre", "north", "south", "mill"]
shown = preprocessor.transform(
    pd.DataFrame({"area": 50.0, "district": [*order, "unknown"]})
)
figure, ax = plt.subplots()
ax.imshow(shown[names], cmap="Blues", vmin=0, vmax=1.4, aspect="auto")
for (row, column), value in np.ndenumerate(shown[names].to_numpy()):
    ax.text(column, row, f"{value:.0f}", ha="center", va="center")
ax.set_yticks(range(5), [*order[:3], "mill (rare)", "unknown"])
ax.set_xticks(range(len(names)), [name.removeprefix("district_") for name in names])
ax.set(xlabel="input of the network", ylabel="district in the table")
ax.set_title("Rare and unknown levels share a column")
plt.show()
