"""
Which learner imitates best?
============================

A :class:`~sklearn_metabp.LearnedUpdateRule` takes any scikit-learn regressor as its learner. This
example records plain backpropagation and Adam on handwritten digits and fits six learners on the
traces. It answers three questions for each learner. How well does it predict the updates of an
unseen training? How good is a student that it trains, on other data? How long does one of its steps
take?
"""

# %%
# Teachers and learners
# ---------------------

import time

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator
from rich.progress import track
from sklearn.datasets import load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.tree import DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    LearnedUpdateRule,
    TraceRecorder,
)

TEACHERS = {"SGD(0.1)": SGD(learning_rate=0.1), "Adam(0.001)": Adam(learning_rate=0.001)}

LEARNERS = {
    "default": None,
    "StandardScaler, MLPRegressor": make_pipeline(
        StandardScaler(), MLPRegressor(hidden_layer_sizes=(8,), n_iter_no_change=3)
    ),
    "Ridge": Ridge(alpha=1e-6),
    "DecisionTree": DecisionTreeRegressor(min_samples_leaf=5),
    "RandomForest": RandomForestRegressor(10, min_samples_leaf=5),
    "HistGradientBoosting": HistGradientBoostingRegressor(max_iter=50),
}


def network(hidden_layer_sizes, update_rule, max_iter, random_state):
    """Return a network that trains for exactly ``max_iter`` epochs."""
    return BackpropMLPClassifier(
        hidden_layer_sizes,
        update_rule=update_rule,
        batch_size=32,
        max_iter=max_iter,
        n_iter_no_change=float("inf"),
        random_state=random_state,
    )


def record(update_rule, random_state):
    """Return the trace of one training on the digits."""
    X, y = load_digits(return_X_y=True)
    recorder = TraceRecorder()
    teacher = network((12,), update_rule, max_iter=8, random_state=random_state)
    teacher.set_callbacks(recorder).fit(X / 16, y)
    return recorder.trace_


# %%
# Train on wine with each of them
# -------------------------------
# The student starts where the teacher started and uses the same batches. The quotient of their
# final losses therefore measures the quality of the imitation. MLPs run compiled inside the step.
# Every other learner predicts once per step in Python.

X_wine, y_wine = load_wine(return_X_y=True)
X_wine = scale(X_wine)
N_EPOCHS = 30


def train_on_wine(update_rule):
    """Return the final loss on wine, and the microseconds per step of the fastest of three fits."""
    model = network((20,), update_rule, N_EPOCHS, random_state=0)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        model.fit(X_wine, y_wine)
        seconds.append(time.perf_counter() - start)
    n_steps = N_EPOCHS * -(-len(X_wine) // 32)
    return model.loss_, min(seconds) / n_steps * 1e6


rows = []
with threadpool_limits(1):  # one thread for all of them
    for name, teacher_rule in TEACHERS.items():
        learn, unseen = record(teacher_rule, random_state=0), record(teacher_rule, random_state=1)
        teacher_loss, teacher_time = train_on_wine(teacher_rule)
        rows.append((name, "teacher", np.nan, 1.0, teacher_time))
        for learner_name, learner in track(LEARNERS.items(), f"Learning {name}"):
            rule = LearnedUpdateRule(learner, random_state=0).fit(learn)
            loss, step_time = train_on_wine(rule)
            rows.append((name, learner_name, rule.score(unseen), loss / teacher_loss, step_time))

print(f"{'teacher':<12} {'learner':<30} {'R² unseen':>10} {'loss / teacher':>15} {'µs a step':>10}")
for name, learner_name, r2, ratio, step_time in rows:
    r2_text = f"{r2:10.6f}" if np.isfinite(r2) else " " * 10
    print(f"{name:<12} {learner_name:<30} {r2_text} {ratio:15.4f} {step_time:10.0f}")

# %%
# The differences between the learners
# ------------------------------------
# All six learners imitate. Their students end at the losses of the teacher's networks, to a percent
# or two. The ridge regression is exact, because a step of either teacher is linear in the inputs of
# a link. The cost of a step differs a hundredfold. The two MLPs run compiled, at one and a half to
# two times the cost of the teacher. Bars end at 1e-9 and 1e-6; smaller values are drawn at these
# ends.

figure, axes = plt.subplots(1, 3, figsize=(13, 4), sharey=True, layout="constrained")
places = np.arange(len(LEARNERS))
for offset, name, colour in zip((-0.2, 0.2), TEACHERS, ("tab:blue", "tab:orange"), strict=True):
    mine = [row for row in rows if row[0] == name and row[1] != "teacher"]
    unexplained = [max(1 - row[2], 1e-9) for row in mine]
    away = [max(abs(np.log(row[3])), 1e-6) for row in mine]
    step_times = [row[4] for row in mine]
    for ax, values in zip(axes, (unexplained, away, step_times), strict=True):
        ax.barh(places + offset, values, height=0.38, color=colour, label=name)
axes[0].set(yticks=places, yticklabels=list(LEARNERS), xlabel="1 - R² on an unseen training")
axes[1].set_xlabel("|log(student's loss / teacher's)| on wine")
axes[2].set(xlabel="microseconds a step", xlim=(1, None))
axes[0].invert_yaxis()
for ax in axes:
    ax.set_xscale("log")
    ax.grid(axis="x", alpha=0.3)
    ax.xaxis.set_major_locator(LogLocator(numticks=6))
figure.legend(
    *axes[0].get_legend_handles_labels(), title="learned from", loc="outside right center"
)
figure.suptitle("Six learners of two update rules: shorter is better")
plt.show()
