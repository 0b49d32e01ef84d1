"""
Learn backpropagation from a trace, and train other networks with it
====================================================================

Jakša and Katrák (2006) recorded a network while backpropagation trained it, trained a second
network on the record, and trained networks with the second network. This example does the same with
plain backpropagation and with Adam. Both are recorded on handwritten digits. Rules that are learned
from the records then train networks of other widths and depths on other data, breast cancer and
wine.
"""

# %%
# Record two trainings
# --------------------
# A teacher is an estimator with an update rule. Its ``set_callbacks`` takes a
# :class:`~sklearn_metabp.TraceRecorder`. Two trainings are recorded for each rule: one to learn
# from, and one to measure how well the updates of an unseen training are predicted.

import time
from itertools import product

import matplotlib.pyplot as plt
from rich.progress import track
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, LearnedUpdateRule, TraceRecorder

TEACHERS = {"SGD(0.1)": SGD(learning_rate=0.1), "Adam(0.001)": Adam(learning_rate=0.001)}


def network(hidden_layer_sizes, update_rule, max_iter, random_state):
    """Return a network that trains for exactly ``max_iter`` epochs, so that curves align."""
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
    teacher = network(hidden_layer_sizes, update_rule, max_iter=15, random_state=random_state)
    teacher.set_callbacks(recorder).fit(X / 16, y)
    return recorder.trace_


# %%
# Learn from the traces
# ---------------------
# The inputs of the rule are values at one link: its gradient, the running means of the gradient,
# and their scale. A small network of 8 neurons, an estimator of this package, learns to predict the
# update of the link from them.

rules = {}
for name, teacher_rule in track(TEACHERS.items(), "Recording and learning"):
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
for name, data, architecture in track(runs, "Training teachers and students"):
    X, y = DATA[data](return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    scaler = StandardScaler().fit(X_train)
    X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)

    recorder = TraceRecorder()
    network(architecture, TEACHERS[name], 60, 0).set_callbacks(recorder).fit(X_train, y_train)
    imitation = rules[name].score(recorder.trace_)

    fitted = []
    for rule in (TEACHERS[name], rules[name]):
        model = network(architecture, rule, 60, 0)
        start = time.perf_counter()
        model.fit(X_train, y_train)
        fitted.append((model, time.perf_counter() - start))
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
            f"{name:<12} {data:<14} {shape:<14} {who}  {model.loss_:9.6f}  {accuracy:8.3f}  {r2}  "
            f"{seconds * 1e3:6.0f}"
        )

print(
    f"{'rule':<12} {'data':<14} {'network':<14} {'who':<7}  {'loss':>9}  accuracy  {'R²':>9}  "
    f"{'ms':>6}"
)
print("\n".join(rows))

# %%
# Teacher and student together
# ----------------------------
# The curves coincide: a rule that is learned on digits is valid on other data too.

figure, axes = plt.subplots(
    len(TEACHERS),
    len(DATA) * len(ARCHITECTURES),
    figsize=(13, 5.6),
    sharey=True,
    layout="constrained",
)
for ax, (name, data, architecture) in zip(axes.flat, runs, strict=True):
    teacher_curve, student_curve = curves[name, data, architecture]
    epochs = range(1, len(teacher_curve) + 1)
    ax.semilogy(epochs, teacher_curve, lw=5, alpha=0.35, label=name)
    ax.semilogy(epochs, student_curve, lw=1.5, color="black", ls="--", label="learned from it")
    ax.set_title(f"{data}, hidden {'-'.join(map(str, architecture))}", fontsize=10)
    ax.legend(frameon=False)
for ax in axes[-1]:
    ax.set_xlabel("epoch")
for ax in axes[:, 0]:
    ax.set_ylabel("training loss")
figure.suptitle(
    "Training with backpropagation and Adam, and with rules that were learned from them on digits"
)
figure.savefig("imitate_backprop.png", dpi=110)
print("Drawn in imitate_backprop.png")
plt.show()
