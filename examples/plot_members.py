r"""
The mean of networks errs less than they do, by as much as they disagree
========================================================================

See why an ensemble predicts better than its networks, and how many networks are enough.

``n_members=20`` trains twenty networks in one fit, each on other rows and from another
start. Their outputs for a row differ. For k networks with outputs :math:`f_i` and a
target t, A. Krogh and J. Vedelsby, "Neural Network Ensembles, Cross Validation, and
Active Learning" (1995), divide the square error of the mean :math:`\bar f` into two
parts:

.. math::

    (\bar f - t)^2
    = \frac{1}{k} \sum_i (f_i - t)^2 - \frac{1}{k} \sum_i (f_i - \bar f)^2.

The first is the mean error of the networks. The second, the *ambiguity*, is how much
they disagree. It is never negative, so the mean is never worse than the networks are on
average.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

from sklearn_metabp import AdamW, BackpropMLPRegressor
from sklearn_metabp.plotting import figure_style

plt.style.use(figure_style())

# %%
# Twenty networks
# ---------------
#
# With ``early_stopping`` each network validates on rows of its own and trains on the
# others.

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    scale(X), scale(y), test_size=0.5, random_state=0
)
model = BackpropMLPRegressor(
    (60,),
    update_rule=AdamW(0.01),
    batch_size=32,
    early_stopping=True,
    validation_fraction=0.3,
    n_members=20,
    random_state=0,
).fit(X_train, y_train)
outputs = np.array([member.predict(X_test) for member in model.members_])
print("networks and test rows:", *outputs.shape)

# %%
# Two sides of an equation
# ------------------------
#
# The error of the first k networks' mean, their mean error and their ambiguity, over
# the test rows:

sizes = np.arange(1, 21)
of_mean = np.array([np.mean((outputs[:k].mean(axis=0) - y_test) ** 2) for k in sizes])
mean_error = np.array([np.mean((outputs[:k] - y_test) ** 2) for k in sizes])
ambiguity = np.array([outputs[:k].var(axis=0).mean() for k in sizes])
largest = np.abs(of_mean - (mean_error - ambiguity)).max()
print(f"largest difference of the two sides: {largest:.1e}")
for k in (1, 2, 5, 10, 20):
    print(
        f"{k:2} networks: {of_mean[k - 1]:.3f} = "
        f"{mean_error[k - 1]:.3f} - {ambiguity[k - 1]:.3f}"
    )

# %%
# Most of the gain comes from the first ten
# -----------------------------------------

figure, ax = plt.subplots()
ax.plot(sizes, mean_error, label="mean error of the networks")
ax.plot(sizes, of_mean, marker="o", label="error of their mean")
ax.fill_between(
    sizes, of_mean, mean_error, color="C5", alpha=0.3, linewidth=0, label="ambiguity"
)
ax.set(xlabel="networks", ylabel="square error, test rows", xticks=[1, 5, 10, 15, 20])
ax.set_title("Ten networks bring most of the gain")
figure.legend(loc="outside lower center", ncols=3)
plt.show()
