"""
Three ways to judge a learned rule
==================================

Find out whether a learned rule is any good, in three ways: by its predictions of the
updates of an unseen training, by its reaction to each of its inputs, and by the
networks that it trains.
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
from sklearn_metabp.plotting import ImitationDisplay, LearnedRuleDisplay, figure_style

plt.style.use(figure_style())


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
# The training is on other data, with another architecture.
# :class:`~sklearn_metabp.plotting.ImitationDisplay` shows predicted against true
# updates, and R² over the steps.
# R² falls late in the training, where the updates are small.

display = ImitationDisplay.from_rule(rule, record(load_wine, (12, 6), 1))
display.ax_[1].set_ylim(0.5, 1.02)
display.figure_.suptitle("The rule predicts updates of a training that it has not seen")

# %%
# By its reaction to the inputs
# -----------------------------
# :class:`~sklearn_metabp.plotting.LearnedRuleDisplay` shows the update as a function of
# each input, with every other input at its median, beside Adam's. Only the quotient of
# momentum and root mean square counts, as in Adam's equation.

inputs = ["gradient/rms_0.9", "momentum_0.9/rms_0.999", "rms_0.9/rms_0.999"]
display = LearnedRuleDisplay.from_rule(rule, Adam(0.01), inputs=inputs)
display.figure_.suptitle("The rule found the one input that counts in Adam's equation")

# %%
# By the networks that it trains
# ------------------------------
# A :class:`~sklearn_metabp.meta_training.Task` is a network with its data. A rollout
# trains the network once. The figure has rollouts by the learned rule and by Adam, from
# the same five starts. Neither is trained on the validation rows. Their loss shows
# whether the student generalises like its teacher.

X, y = load_wine(return_X_y=True)
X, X_val, y, y_val = train_test_split(
    scale(X), y, test_size=0.4, stratify=y, random_state=0
)
task = Task(network((12, 6), None), X, y, X_val, y_val)

# sphinx_gallery_thumbnail_number = 3
figure, ax = plt.subplots()
for name, trained_by in {"Adam": Adam(0.01), "learned rule": rule}.items():
    rollouts = [rollout(task, trained_by, random_state=seed) for seed in range(5)]
    curves = np.array([one.validation_loss_curve for one in rollouts])
    epochs = np.arange(1, curves.shape[1] + 1)
    (line,) = ax.semilogy(epochs, np.median(curves, axis=0), label=name, linewidth=2.5)
    low, high = curves.min(axis=0), curves.max(axis=0)
    ax.fill_between(epochs, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
ax.set(xlabel="epoch", ylabel="validation loss, median and range of five starts")
ax.set_title("On other data, the student generalises like its teacher")
ax.legend()

# %%
# The scorer makes many rollouts. Its score is the ratio of final losses to those of
# Adam, from three starts. A search takes the scorer as ``scoring``.

scorer = make_rollout_scorer([task], metric="ratio", n_starts=3, random_state=0)
print(f"final loss over Adam's: {-scorer(rule):.3f}")
plt.show()
