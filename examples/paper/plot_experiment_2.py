"""
Experiment 2: AND, without a hidden layer
=========================================

See a case in which every learned rule works: in a network without hidden neurons, all
learning networks follow backpropagation, from the recorded start and from another one.

A network with two inputs and one output learns AND. The learning network has 7 inputs,
3 outputs and no hidden neurons either. The figures correspond to figures 6 and 7 of
Jakša and Katrák (2006). There is no rule of the scope ``"neuron"``, because rule (6)
computes the errors of a hidden layer.
"""

# %%
# Record, and learn
# -----------------
# As in experiment 1, one training of 5000 cycles is recorded for the paper's learning
# network, for a wider one and for the link scope.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPRegressor,
    LearnedUpdateRule,
    TraceRecorder,
)
from sklearn_metabp.plotting import figure_style

plt.style.use(figure_style())

X, y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0.0, 0, 0, 1])
BACKPROPAGATION = SGD(0.23)
TEACHER, UNSEEN = 0, 100  # the starts


def mlp(rule, max_iter, random_state=None):
    """Return a network without hidden neurons that trains online."""
    return BackpropMLPRegressor(
        (),
        "logistic",
        out_activation="logistic",
        update_rule=rule,
        alpha=0.0,
        batch_size=1,
        max_iter=max_iter,
        n_iter_no_change=np.inf,
        random_state=random_state,
    )


recorder = TraceRecorder("all")
mlp(BACKPROPAGATION, 5000, TEACHER).set_callbacks(recorder).fit(X, y)
trace = recorder.trace_
print(trace)

papers = make_pipeline(MinMaxScaler(), mlp(SGD(0.198), 200))
papers = TransformedTargetRegressor(papers, transformer=MinMaxScaler())

network = BackpropMLPRegressor(
    (32, 32),
    "tanh",
    update_rule=Adam(0.01, schedule=lambda t, t_planned: 1 - t / t_planned),
    alpha=0.0,
    batch_size=200,
    max_iter=60,
    n_iter_no_change=np.inf,
)
wide = make_pipeline(StandardScaler(), network)
wide = TransformedTargetRegressor(wide, transformer=StandardScaler())

rules = {
    "paper's learning network": LearnedUpdateRule(
        papers, scope="network", random_state=0
    ),
    "wide learning network": LearnedUpdateRule(wide, scope="network", random_state=0),
    "link scope": LearnedUpdateRule(scope="link", random_state=0),
}
for rule in rules.values():
    rule.fit(trace[::5])

# %%
# The learning networks
# ---------------------
# The wide learning network reaches a much smaller error (figure 6).

figure, ax = plt.subplots()
for name in list(rules)[:2]:
    error = np.array(rules[name].learner_.regressor_[-1].loss_curve_)
    ax.semilogy(np.arange(1, len(error) + 1), error / error[0], label=name)
ax.set_title("A learning network without hidden neurons learns roughly")
ax.set(
    xlabel="cycle of the learning network", ylabel="error over that of the first cycle"
)
ax.legend(loc="upper right", bbox_to_anchor=(1, 0.9))

# %%
# Train with the learned rules
# ----------------------------
# The paper's student starts where its teacher started (figure 7). The other start is in
# no trace.

everyone = {"backpropagation": BACKPROPAGATION, **rules}
curves = {
    seed: {
        name: mlp(rule, 1200, seed).fit(X, y).loss_curve_
        for name, rule in everyone.items()
    }
    for seed in (TEACHER, UNSEEN)
}
print(f"{'J after 1200 cycles':<26} {'teacher start':>14} {'unseen start':>13}")
for name in everyone:
    print(
        f"{name:<26} {curves[TEACHER][name][-1]:14.5f} {curves[UNSEEN][name][-1]:13.5f}"
    )

# sphinx_gallery_thumbnail_number = 2
GREY = {"color": "0.75", "linewidth": 6, "linestyle": "-", "solid_capstyle": "round"}
figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
for ax, by_rule in zip(axes, curves.values(), strict=True):
    for name, curve in by_rule.items():
        ax.plot(curve, label=name, **(GREY if name == "backpropagation" else {}))
    ax.set(xlabel="cycle t", xlim=(0, 1200), ylim=(0, None))
axes[0].set(title="From the teacher's start", ylabel="J(t)")
axes[1].set(title="From another start")
figure.suptitle("Without hidden neurons every learned rule works")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()

# %%
# The paper's learning network is slower than backpropagation. The curves of the others
# coincide with it. :doc:`/paper` has 30 starts.
