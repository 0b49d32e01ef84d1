"""
A table becomes inputs of a network without a choice
====================================================

``TablePreprocessor`` is the first part of the estimators for tables. It looks at every column and
chooses by what the column holds. Numbers get one scale, and outliers end near a limit in their
order. Levels of categories get a column each. Rare levels share one, and a level that ``fit`` has
not seen joins them.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_metabp import TablePreprocessor

rng = np.random.default_rng(3)
numbers = np.concatenate([rng.normal(50, 10, 58), [160.0, 400.0]])
levels = rng.choice(["centre", "north", "south", "mill"], 60, p=[0.4, 0.3, 0.25, 0.05])
table = pd.DataFrame({"area": numbers, "district": levels})
preprocessor = TablePreprocessor().set_output(transform="pandas")
inputs = preprocessor.fit_transform(table)

figure, (left, right) = plt.subplots(
    1, 2, figsize=(8.4, 3.4), width_ratios=[1.5, 1], layout="constrained"
)
grid = np.linspace(0, 420, 200)
curve = preprocessor.transform(pd.DataFrame({"area": grid, "district": "north"}))["area"]
left.plot(grid, curve, color="0.6", zorder=1, label="robust scale, smooth clip")
left.scatter(numbers, inputs["area"], s=16, color="#0072b2", zorder=2, label="rows")
left.axhline(3, color="#d55e00", ls="--", lw=1, label="limit 3")
left.set(xlabel="area in the table", ylabel="input of the network")
left.legend(loc="lower right", frameon=False)
left.set_title("Outliers end near the limit, in their order", fontsize=10)

names = [name for name in inputs if name.startswith("district")]
order = ["centre", "north", "south", "mill"]
shown = preprocessor.transform(pd.DataFrame({"area": 50.0, "district": [*order, "unknown"]}))
right.imshow(shown[names], cmap="Blues", vmin=0, vmax=1.4, aspect="auto")
for (row, column), value in np.ndenumerate(shown[names].to_numpy()):
    right.text(column, row, f"{value:.0f}", ha="center", va="center")
right.set_yticks(range(5), [*order[:3], "mill (rare)", "unknown"])
right.set_xticks(range(len(names)), [name.removeprefix("district_") for name in names], rotation=20)
right.set_title("Rare and unknown levels share a column", fontsize=10)
plt.show()
