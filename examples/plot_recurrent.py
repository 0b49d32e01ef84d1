"""
A rule learned from feedforward networks trains a recurrent one
===============================================================

Train a recurrent network to follow a plant over time, with an update rule that was
learned from networks without time.

P. Werbos, "Backpropagation through time: what it does and how to do it" (1990), trains
a network that has a memory: its states come back at the next time step. The abstract
names system identification as an application. In this example a recurrent network
learns how a plant answers its inputs. The update rule was learned from networks without
time. It knows a gradient and its history, and a gradient that is a sum over time steps
looks like any other to it.
"""

# %%
# The plant
# ---------
# The plant has an input u and an output y:
#
# .. math:: y(k+1) = \frac{y(k)}{1 + y(k)^2} + u(k)^3
#
# It is a standard example of Narendra and Parthasarathy, "Identification and control of
# dynamical systems using neural networks" (1990). The network sees u alone, so it has
# to keep y in its states. It is trained on random inputs and tested on a wave that it
# has never seen.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_metabp import (
    Adam,
    BackpropMLPRegressor,
    BackpropRNNRegressor,
    LearnedUpdateRule,
    TraceRecorder,
)
from sklearn_metabp.plotting import figure_style

plt.style.use(figure_style())
# All trainings have the same length.
warnings.simplefilter("ignore", ConvergenceWarning)


def answer(u):
    """Return the outputs of the plant, one after every input."""
    y = np.zeros((len(u), u.shape[1] + 1))
    for k in range(u.shape[1]):
        y[:, k + 1] = y[:, k] / (1 + y[:, k] ** 2) + u[:, k] ** 3
    return y[:, 1:]


rng = np.random.default_rng(0)
u_train = rng.uniform(-1, 1, (200, 30))
k = np.arange(100)
u_test = (np.sin(2 * np.pi * k / 25) + np.sin(2 * np.pi * k / 10))[None] / 2

# %%
# The rule
# --------
# Adam trains two networks without time, a recorder records every step, and a rule of
# the scope "link" is fitted on the trace.

recorder = TraceRecorder()
for seed in range(2):
    X = rng.normal(size=(300, 5))
    y = np.tanh(X @ rng.normal(size=(5, 6))).sum(axis=1)
    teacher = BackpropMLPRegressor(
        (12,),
        "tanh",
        update_rule=Adam(0.01),
        batch_size=20,
        max_iter=12,
        random_state=seed,
    )
    teacher.set_callbacks(recorder).fit(X, y)
rule = LearnedUpdateRule(scope="link", random_state=0).fit(recorder.trace_)


def recurrent(update_rule):
    """Return a recurrent network, fitted to the plant."""
    model = BackpropRNNRegressor(
        16,
        return_sequences=True,
        update_rule=update_rule,
        alpha=0.0,
        batch_size=20,
        max_iter=200,
        n_iter_no_change=np.inf,
        random_state=0,
    )
    return model.fit(u_train[:, :, None], answer(u_train))


by_rule = recurrent(rule)
by_adam = recurrent(Adam(0.01))

# %%
# The learned rule takes the course of Adam
# -----------------------------------------

figure, ax = plt.subplots()
grey = {"color": "0.75", "linewidth": 6, "linestyle": "-"}
ax.semilogy(by_adam.loss_curve_, label="Adam", **grey)
ax.semilogy(by_rule.loss_curve_, label="rule learned from feedforward networks")
ax.set_title("Learned without time, the rule trains through time")
ax.set(xlabel="epoch", ylabel="loss")
ax.legend()

# %%
# The states remember the plant
# -----------------------------
# A network without time sees the last five inputs. That is not enough, because the
# output of the plant depends on all inputs before.


def window(u):
    """Return the last five inputs before every output, as rows."""
    padded = np.pad(u, ((0, 0), (4, 0)))
    columns = [padded[:, j : j + u.shape[1]] for j in range(5)]
    return np.stack(columns, axis=2).reshape(-1, 5)


without_time = BackpropMLPRegressor(
    (16,), "tanh", update_rule=Adam(0.01), alpha=0.0, max_iter=200, random_state=0
).fit(window(u_train), answer(u_train).ravel())

y_test = answer(u_test)[0]
predictions = {
    "network without time": without_time.predict(window(u_test)),
    "recurrent network": by_rule.predict(u_test[:, :, None])[0],
}
# sphinx_gallery_thumbnail_number = 2
figure, ax = plt.subplots(figsize=(7, 4.2))
ax.plot(y_test, label="plant", **grey)
for (name, predicted), look in zip(predictions.items(), ("C1--", "C0-"), strict=True):
    left = np.mean((predicted - y_test) ** 2) / np.var(y_test)
    ax.plot(predicted, look, label=f"{name}: {left:.1%} of the variance left")
ax.set_title("The recurrent network follows the plant")
ax.set(xlabel="time step", ylabel="output")
figure.legend(loc="outside lower center", ncols=2)
plt.show()
