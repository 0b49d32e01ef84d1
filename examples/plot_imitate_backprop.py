"""
Learn backpropagation from a trace, and train other networks with it
====================================================================

Take the three steps of metalearning: record trainings, learn an update rule from the
record, and train other networks with it.

Jakša and Katrák (2006) recorded a network while backpropagation trained it, trained a
second network on the record, and trained networks with the second network. This example
does the same with plain backpropagation and with Adam. Both are recorded on handwritten
digits. Rules that are learned from the records then train networks of other widths and
depths on other data, breast cancer and wine.
"""

# %%
# Record two trainings
# --------------------
# A teacher is an estimator with an update rule. Its ``set_callbacks`` takes a
# :class:`~sklearn_metabp.TraceRecorder`. Two trainings are recorded for each rule: one
# to learn from, and one to measure how well the updates of an unseen training are
# predicted.

import time
from itertools import product

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

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


def record(update_rule, hidden_layer_sizes, random_state):
    """Return the trace of one training on the digits."""
    X, y = load_digits(return_X_y=True)
    recorder = TraceRecorder()
    teacher = network(
        hidden_layer_sizes, update_rule, max_iter=15, random_state=random_state
    )
    teacher.set_callbacks(recorder).fit(X / 16, y)
    return recorder.trace_


# %%
# Learn from the traces
# ---------------------
# The inputs of the rule are values at one link: its gradient, the running means of the
# gradient, and their scale. A small network of 8 neurons, an estimator of this package,
# learns to predict the update of the link from them.

rules = {}
for name, teacher_rule in TEACHERS.items():
    learn = record(teacher_rule, (24, 16), random_state=0)
    unseen = record(teacher_rule, (40,), random_state=1)
    rules[name] = LearnedUpdateRule(random_state=0).fit(learn)
    print(f"{name}: {learn}; R² on {unseen}: {rules[name].score(unseen):.6f}")

# %%
# Train other networks on other data
# ----------------------------------
# The student starts from the same weights as the teacher and uses the same batches.

DATA = {"breast cancer": load_breast_cancer, "wine": load_wine}
ARCHITECTURES = [(48,), (20, 10, 8)]

rows, curves = [], {}
runs = list(product(TEACHERS, DATA, ARCHITECTURES))
for name, data, architecture in runs:
    X, y = DATA[data](return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, stratify=y, random_state=0
    )
    scaler = StandardScaler().fit(X_train)
    X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)

    recorder = TraceRecorder()
    network(architecture, TEACHERS[name], 60, 0).set_callbacks(recorder).fit(
        X_train, y_train
    )
    imitation = rules[name].score(recorder.trace_)

    fitted = []
    for rule in (TEACHERS[name], rules[name]):
        model = network(architecture, rule, 60, 0)
        start = time.process_time()
        model.fit(X_train, y_train)
        fitted.append((model, time.process_time() - start))
    (teacher, teacher_time), (student, student_time) = fitted
    curves[name, data, architecture] = teacher.loss_curve_, student.loss_curve_
    for who, model, seconds in (
        ("teacher", teacher, teacher_time),
        ("student", student, student_time),
    ):
        shape = "-".join(map(str, model.layout_.layer_sizes))
        accuracy = model.score(X_test, y_test)
        r2 = f"{imitation:9.6f}" if who == "student" else " " * 9
        rows.append(
            f"{name:<12} {data:<14} {shape:<14} {who}  {model.loss_:9.6f}  "
            f"{accuracy:8.3f}  {r2}  "
            f"{seconds * 1e3:6.0f}"
        )

print(
    f"{'rule':<12} {'data':<14} {'network':<14} {'who':<7}  {'loss':>9}  accuracy  "
    f"{'R²':>9}  "
    f"{'ms':>6}"
)
print("\n".join(rows))

# %%
# Teacher and student together
# ----------------------------
# The curves coincide: a rule that is learned on digits is valid on other data too.

figure, axes = plt.subplots(1, len(TEACHERS), figsize=(9, 4), sharey=True)
for ax, name in zip(axes, TEACHERS, strict=True):
    for data, architecture in product(DATA, ARCHITECTURES):
        teacher_curve, student_curve = curves[name, data, architecture]
        epochs = range(1, len(teacher_curve) + 1)
        grey = {"color": "0.8", "linewidth": 6, "linestyle": "-", "zorder": 1}
        ax.semilogy(epochs, teacher_curve, label="teachers", **grey)
        ax.semilogy(
            epochs,
            student_curve,
            label=f"student: {data}, {'-'.join(map(str, architecture))}",
        )
    ax.set(title=f"learned from {name}", xlabel="epoch")
axes[0].set_ylabel("training loss")
figure.suptitle("Rules that were learned on digits train other networks on other data")
figure.legend(
    handles=[axes[0].lines[0], *axes[0].lines[1::2]],
    loc="outside lower center",
    ncols=3,
)
plt.show()
