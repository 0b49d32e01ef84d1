"""
Experiment 4: points in a square
================================

See a learned rule that makes a training diverge, and two that do not. The learning
network of this experiment sees the whole network and fails, in the paper and here.
Rules that see one neuron or one link follow backpropagation.

A network with two inputs, five hidden neurons and two outputs learns whether a point of
the plane lies in the inner square. The inputs of the learning network include the
hidden activations: it has 38 inputs, 27 outputs and 3 hidden neurons. The figures
correspond to figures 10 to 12 of Jakša and Katrák (2006).
"""

# %%
# The training and the testing set
# --------------------------------
# The paper draws its sets and gives no numbers. In this example they have 60 and 200
# points, drawn evenly from a square. The inner square has half of its area.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPRegressor,
    DivergenceError,
    LearnedUpdateRule,
    TraceRecorder,
)
from sklearn_metabp.plotting import figure_style

plt.style.use(figure_style())
warnings.simplefilter(
    "ignore", ConvergenceWarning
)  # a training that fails is part of the picture

SIDE = np.sqrt(0.5)


def square(n_points, seed):
    """Return points, and two outputs for each: is it inside, is it outside?"""
    points = np.random.default_rng(seed).uniform(-1, 1, (n_points, 2))
    inner = np.abs(points).max(axis=1) < SIDE
    return points, np.column_stack([inner, ~inner]).astype(float)


(X, y), (X_test, y_test) = square(60, seed=0), square(200, seed=1)
figure, axes = plt.subplots(1, 2, figsize=(8, 4.2), sharey=True)
sets = {"training set": (X, y), "testing set": (X_test, y_test)}
for ax, (name, (points, inside)) in zip(axes, sets.items(), strict=True):
    for column, (label, marker) in enumerate(
        {"inner square": "o", "outer square": "x"}.items()
    ):
        ax.scatter(*points[inside[:, column] == 1].T, s=24, marker=marker, label=label)
    ax.add_patch(
        plt.Rectangle((-SIDE, -SIDE), 2 * SIDE, 2 * SIDE, fill=False, color="0.6")
    )
    ax.set(title=f"{len(points)} points, {name}", xlabel="first input", aspect="equal")
axes[0].set(ylabel="second input")
figure.suptitle("The task: is a point in the inner square? (figure 12)")
figure.legend(*axes[0].get_legend_handles_labels(), ncols=2, loc="outside lower center")

# %%
# Record, and learn
# -----------------
# Every fifth step of 900 cycles is kept, 10 800 patterns.

BACKPROPAGATION = SGD(0.23)
TEACHER, UNSEEN = 0, 100  # the starts
N_CYCLES = 350  # of a student
INPUTS = ["weights", "biases", "inputs", "outputs", "targets", "hidden_activations"]


def mlp(hidden, rule, max_iter, random_state=None):
    """Return a network of logistic neurons that trains online."""
    return BackpropMLPRegressor(
        hidden,
        "logistic",
        out_activation="logistic",
        update_rule=rule,
        alpha=0.0,
        batch_size=1,
        max_iter=max_iter,
        n_iter_no_change=np.inf,
        random_state=random_state,
    )


recorder = TraceRecorder("all", every=5)
mlp((5,), BACKPROPAGATION, 900, random_state=TEACHER).set_callbacks(recorder).fit(X, y)
trace = recorder.trace_
print(trace)

papers = make_pipeline(MinMaxScaler(), mlp((3,), SGD(0.198), 200))
papers = TransformedTargetRegressor(papers, transformer=MinMaxScaler())
network = BackpropMLPRegressor(
    (32, 32),
    "tanh",
    update_rule=Adam(0.01, schedule=lambda t, t_planned: 1 - t / t_planned),
    alpha=0.3,
    batch_size=200,
    max_iter=40,
    n_iter_no_change=np.inf,
)
wide = make_pipeline(StandardScaler(), network)
wide = TransformedTargetRegressor(wide, transformer=StandardScaler())
rules = {
    "paper's learning network": LearnedUpdateRule(
        papers, scope="network", inputs=INPUTS
    ),
    "wide learning network": LearnedUpdateRule(wide, scope="network", inputs=INPUTS),
    "neuron scope": LearnedUpdateRule(scope="neuron"),
    "link scope": LearnedUpdateRule(scope="link"),
}
for name, rule in rules.items():
    rule.set_params(random_state=0).fit(
        trace[::5] if "network" in name else trace[::60]
    )

# %%
# The paper's learning network learns less than the wide one (figure 10).

figure, ax = plt.subplots()
for name in list(rules)[:2]:
    error = np.array(rules[name].learner_.regressor_[-1].loss_curve_)
    ax.semilogy(np.arange(1, len(error) + 1), error / error[0], label=name)
ax.set_title("The wide learning network predicts the record better")
ax.set(
    xlabel="cycle of the learning network", ylabel="error over that of the first cycle"
)
figure.legend(loc="outside lower center", ncols=2)

# %%
# Train with the learned rules
# ----------------------------
# The start is not in the trace. J(t) of a training that diverges ends at infinity.


def train(rule):
    """Return the fitted network or None, and the mean loss of every cycle."""
    try:
        model = mlp((5,), rule, N_CYCLES, UNSEEN).fit(X, y)
    except DivergenceError:
        return None, np.full(N_CYCLES, np.inf)
    return model, model.loss_curve_


everyone = {"backpropagation": BACKPROPAGATION, **rules}
curves = {}
print(f"{'':<26} {'J(350)':>9}  right in the testing set")
for name, rule in everyone.items():
    model, curves[name] = train(rule)
    right = (
        0.0
        if model is None
        else np.mean(model.predict(X_test).argmax(1) == y_test.argmax(1))
    )
    print(f"{name:<26} {curves[name][-1]:9.4f}  {right:.1%}")

# sphinx_gallery_thumbnail_number = 3
GREY = {"color": "0.75", "linewidth": 6, "linestyle": "-", "solid_capstyle": "round"}
figure, ax = plt.subplots()
for name, curve in curves.items():
    ax.plot(curve, label=name, **(GREY if name == "backpropagation" else {}))
ax.set_title("Rules of the whole network fail, rules of neurons and links do not")
ax.set(xlabel="cycle t", ylabel="J(t)", xlim=(0, N_CYCLES), ylim=(0, None))
figure.legend(loc="outside lower center", ncols=3)
plt.show()

# %%
# Both rules of scope ``"network"`` end at J of about a half (figure 11). The curves of
# the neuron and the link scope coincide with backpropagation. Backpropagation does not
# stop on a level as it does in the paper: J becomes small, although a part of the
# testing set stays wrong.
