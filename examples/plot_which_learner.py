"""
Which learner imitates best?
============================

Choose the regressor inside a learned rule: see which ones imitate an update rule well,
and what a step of each of them costs.

A :class:`~sklearn_metabp.LearnedUpdateRule` takes any scikit-learn regressor as its
learner. This example records plain backpropagation and Adam on handwritten digits and
fits six learners on the traces. It answers three questions for each learner. How well
does it predict the updates of an unseen training? How good is a student that it trains,
on other data? How long does one of its steps take?
"""

# %%
# Teachers and learners
# ---------------------

import time

import matplotlib.pyplot as plt
import numpy as np
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
from sklearn_metabp.plotting import figure_style

plt.style.use(figure_style())

TEACHERS = {
    "SGD(0.1)": SGD(learning_rate=0.1),
    "Adam(0.001)": Adam(learning_rate=0.001),
}

LEARNERS = {
    "default": None,
    "StandardScaler, MLPRegressor": make_pipeline(
        StandardScaler(), MLPRegressor(hidden_layer_sizes=(8,), n_iter_no_change=3)
    ),
    "Ridge": Ridge(alpha=1e-6),
    "DecisionTree": DecisionTreeRegressor(min_samples_leaf=5),
    "RandomForest": RandomForestRegressor(5, min_samples_leaf=5),
    "HistGradientBoosting": HistGradientBoostingRegressor(max_iter=30),
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
    recorder = TraceRecorder(every=2)
    teacher = network((12,), update_rule, max_iter=3, random_state=random_state)
    teacher.set_callbacks(recorder).fit(X / 16, y)
    return recorder.trace_


# %%
# Train on wine with each of them
# -------------------------------
# The student starts where the teacher started and uses the same batches. The quotient
# of their final losses therefore measures the quality of the imitation. MLPs run
# compiled inside the step. Every other learner predicts once per step in Python.

X_wine, y_wine = load_wine(return_X_y=True)
X_wine = scale(X_wine)
N_EPOCHS = 12


def train_on_wine(update_rule):
    """Return the final loss on wine, and the microseconds of a step."""
    model = network((20,), update_rule, N_EPOCHS, random_state=0)
    start = time.process_time()
    model.fit(X_wine, y_wine)
    seconds = time.process_time() - start
    n_steps = N_EPOCHS * -(-len(X_wine) // 32)
    return model.loss_, seconds / n_steps * 1e6


rows = []
with threadpool_limits(1):  # one thread for all of them
    for name, teacher_rule in TEACHERS.items():
        learn, unseen = (
            record(teacher_rule, random_state=0),
            record(teacher_rule, random_state=1),
        )
        teacher_loss, teacher_time = train_on_wine(teacher_rule)
        rows.append((name, "teacher", np.nan, 1.0, teacher_time))
        for learner_name, learner in LEARNERS.items():
            rule = LearnedUpdateRule(learner, random_state=0).fit(learn)
            loss, step_time = train_on_wine(rule)
            rows.append(
                (name, learner_name, rule.score(unseen), loss / teacher_loss, step_time)
            )

print(
    f"{'teacher':<12} {'learner':<30} {'R² unseen':>10} {'loss / teacher':>15} "
    f"{'µs a step':>10}"
)
for name, learner_name, r2, ratio, step_time in rows:
    r2_text = f"{r2:10.6f}" if np.isfinite(r2) else " " * 10
    print(f"{name:<12} {learner_name:<30} {r2_text} {ratio:15.4f} {step_time:10.0f}")

# %%
# All six learners imitate
# ------------------------
# The ridge regression is exact, because a step of either teacher is linear in the
# inputs of a link.

PLACES = np.arange(len(LEARNERS))


def draw(values_of, xlabel, title):
    """Draw a dot for every learner and teacher."""
    figure, ax = plt.subplots(figsize=(6.4, 4.2))
    looks = zip(TEACHERS, ("o", "s"), ("C0", "C1"), (-0.12, 0.12), strict=True)
    for name, marker, colour, shift in looks:
        mine = [row for row in rows if row[0] == name and row[1] != "teacher"]
        values = [values_of(row) for row in mine]
        label = f"learned from {name}"
        ax.plot(values, PLACES + shift, marker, color=colour, markersize=8, label=label)
    ax.set(yticks=PLACES, yticklabels=list(LEARNERS), xlabel=xlabel)
    ax.invert_yaxis()
    ax.grid(axis="y", alpha=0.4)
    figure.suptitle(title)
    figure.legend(loc="outside lower center", ncols=2)
    return ax


ax = draw(
    lambda row: row[3],
    "loss of the student / loss of the teacher",
    "All students on wine end within a few per cent of the teacher's loss",
)
ax.axvline(1, color="0.6", linestyle=":")
low, high = ax.get_xlim()
ax.set_xlim(min(low, 0.95), max(high, 1.05))

# %%
# The cost of a step differs about a hundredfold. The two MLPs run compiled, at one and
# a half to two times the cost of the teacher.

# sphinx_gallery_thumbnail_number = 2
ax = draw(
    lambda row: row[4],
    "microseconds of a step",
    "Multilayer perceptrons make the fastest rules",
)
ax.set_xscale("log")
plt.show()
