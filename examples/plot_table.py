"""
A table with categories and gaps needs no preparation
=====================================================

Fit a network on a table with categories and missing values, without a pipeline.

:class:`~sklearn_metabp.TabularMLPRegressor` takes a table as people have it: numbers,
categories and gaps in one data frame. It scales, encodes and fills by itself, and keeps
the best epoch on rows that it sets aside. This example gives it measurements of
patients with diabetes, and compares it with boosting and with a linear model.
"""

# %%
# The table
# ---------
# The target is the progress of the disease within a year. The body mass index is given
# as a class, as in a questionnaire, and a tenth of the blood values is missing.

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_metabp import TabularMLPRegressor
from sklearn_metabp.plotting import figure_style

plt.style.use(figure_style())
threadpool_limits(1)
X, y = load_diabetes(as_frame=True, scaled=False, return_X_y=True)
X["sex"] = X["sex"].map({1: "a", 2: "b"}).astype("category")
weights = ["under", "normal", "over", "obese"]
X["bmi"] = pd.cut(X["bmi"], [0, 18.5, 25, 30, np.inf], labels=weights, ordered=False)
blood = ["s1", "s2", "s3", "s4", "s5", "s6"]
X[blood] = X[blood].mask(np.random.default_rng(0).random((len(X), len(blood))) < 0.1)
print(X.head().to_string())

# %%
# Three learners
# --------------
# :class:`~sklearn_metabp.TabularMLPRegressor` and boosting get the table as it is. The
# linear model needs a pipeline that fills, scales and encodes. A cross-validation with
# three folds predicts every patient.

numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
levels = OneHotEncoder(handle_unknown="ignore")
columns = make_column_transformer(
    (numbers, make_column_selector(dtype_include="number")),
    (levels, make_column_selector(dtype_include="category")),
)
LEARNERS = {
    "mean of the others": DummyRegressor(),
    "boosting": HistGradientBoostingRegressor(random_state=0),
    "TabularMLP": TabularMLPRegressor(random_state=0),
    "linear model": make_pipeline(columns, Ridge()),
}
folds = KFold(3, shuffle=True, random_state=0)
squares = {
    name: (cross_val_predict(learner, X, y, cv=folds) - y) ** 2
    for name, learner in LEARNERS.items()
}
for name, of_learner in squares.items():
    print(f"{name:<20} RMSE {np.sqrt(of_learner.mean()):.1f}")

# %%
# The inputs of the network
# -------------------------
# The fitted estimator shows what it made of the table. Each level has a column, and
# each column with gaps a second one, which is 1 in its gaps.

model = LEARNERS["TabularMLP"].fit(X, y)
print(textwrap.fill(", ".join(model.preprocessor_.get_feature_names_out()), 88))
print(model.summary())

# %%
# Small and noisy: a linear model first
# -------------------------------------
# The intervals are of a bootstrap over patients, for the difference of a learner from
# the linear model. The network is level with the linear model, and boosting is behind
# both. For a few hundred noisy rows a linear model is often enough, and it costs
# nothing to try.

rng = np.random.default_rng(0)
drawn = rng.integers(len(y), size=(2000, len(y)))
linear = np.sqrt(squares["linear model"].to_numpy()[drawn].mean(axis=1))
figure, ax = plt.subplots(figsize=(6, 2.8))
for name in ("boosting", "TabularMLP"):
    more = np.sqrt(squares[name].to_numpy()[drawn].mean(axis=1)) - linear
    ax.plot(
        np.quantile(more, [0.025, 0.975]), [name, name], color="C0", linestyle="-", lw=3
    )
    ax.plot(more.mean(), name, "o", color="C0", ms=9)
ax.axvline(0, color="0.4", linestyle="--")
ax.set(ylim=(-0.6, 1.6), xlabel="RMSE above that of the linear model, 95 % interval")
ax.set_title("Boosting is behind on a small and noisy table")
plt.show()
