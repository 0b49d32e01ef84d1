"""
Three ways to judge a learned rule
==================================

A learned rule can be judged in three ways: by its predictions of the updates of an unseen training,
by its reaction to each of its inputs, and by the networks that it trains.
"""

# %%
# A rule
# ------
# Adam is recorded on iris, and a rule of scope ``"link"`` is learned from the trace.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris, load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

from sklearn_metabp import Adam, BackpropMLPClassifier, LearnedUpdateRule, TraceRecorder
from sklearn_metabp.meta_training import Task, make_rollout_scorer, rollout
from sklearn_metabp.plotting import ImitationDisplay, LearnedRuleDisplay


def network(hidden_layer_sizes, random_state):
    """Return an untrained network with Adam as its update rule."""
    return BackpropMLPClassifier(
        hidden_layer_sizes,
        update_rule=Adam(0.01),
        batch_size=25,
        max_iter=40,
        n_iter_no_change=np.inf,
        random_state=random_state,
    )


def record(load, hidden_layer_sizes, random_state):
    """Return the trace of a training under Adam."""
    X, y = load(return_X_y=True)
    recorder = TraceRecorder()
    network(hidden_layer_sizes, random_state).set_callbacks(recorder).fit(scale(X), y)
    return recorder.trace_


rule = LearnedUpdateRule(random_state=0).fit(record(load_iris, (8,), 0))

# %%
# By its predictions of updates
# -----------------------------
# The training is on other data, with another architecture. The display shows predicted against true
# updates, and R² over the steps.

ImitationDisplay.from_rule(rule, record(load_wine, (12, 6), 1))

# %%
# By its reaction to the inputs
# -----------------------------
# The display shows the update as a function of each input, with every other input at its median,
# beside Adam's. Only the quotient of momentum and root mean square counts, as in Adam's equation.

LearnedRuleDisplay.from_rule(rule, Adam(0.01))

# %% By the networks that it trains ------------------------------ A task is a network with its
# data. A rollout trains it once: here by the learned rule, and by Adam from the same start. Neither
# is trained on the validation rows. Their loss shows whether the student generalises like its
# teacher.

X, y = load_wine(return_X_y=True)
X, X_val, y, y_val = train_test_split(scale(X), y, test_size=0.4, stratify=y, random_state=0)
task = Task(network((12, 6), None), X, y, X_val, y_val)
fig, ax = plt.subplots()
for name, driver, style in (
    ("Adam", Adam(0.01), {"lw": 5, "alpha": 0.35}),
    ("learned", rule, {"lw": 1.5}),
):
    record = rollout(task, driver, random_state=0)
    epochs = range(1, len(record.loss_curve) + 1)
    (line,) = ax.semilogy(epochs, record.loss_curve, label=f"{name}, training rows", **style)
    style = {**style, "color": line.get_color(), "ls": "--"}
    ax.semilogy(epochs, record.validation_loss_curve, label=f"{name}, validation rows", **style)
ax.set(xlabel="epoch", ylabel="loss", title=f"A rollout of {record.n_steps} steps on wine")
ax.legend()

# %%
# The scorer makes many rollouts. Its score is the ratio of final losses to those of Adam, from
# three starts. A search takes the scorer as ``scoring``.

scorer = make_rollout_scorer([task], metric="ratio", n_starts=3, random_state=0)
print(f"final loss over Adam's: {-scorer(rule):.3f}")
plt.show()
