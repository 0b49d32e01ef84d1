"""
Experiment 2: AND, without a hidden layer
=========================================

A network 2-1 learns AND. The learning network has 7 inputs, 3 outputs and no hidden neurons either.
The figures correspond to figures 6 and 7 of Jakša and Katrák (2006). There is no scope of a neuron
here, because rule (6) computes the errors of a hidden layer.
"""

# %%
# Record, and learn
# -----------------
# As in experiment 1, one training of 5000 cycles is recorded for the paper's learning network, for
# a wider one and for the link scope. Ten trainings from different starts are recorded for one more
# wide learning network.

import matplotlib.pyplot as plt
from experiments import (
    BACKPROPAGATION,
    EXPERIMENTS,
    SHOWN,
    draw_learning,
    draw_training,
    papers_learner,
    print_table,
    record,
    rule_for,
    train,
    wide_learner,
)

experiment = EXPERIMENTS[2]
TEACHER, UNSEEN = 0, 100  # seeds of the starts

trace = record(experiment, [TEACHER])
ten = record(experiment, range(10), n_cycles=SHOWN)
first = trace[:1]
n_inputs, n_outputs = (
    matrix.shape[1] for matrix in (first.features("network"), first.targets_of("network"))
)
print(f"{trace}: {n_inputs} inputs, {n_outputs} outputs")
rules = {
    "paper's learning network": rule_for(experiment, "network", papers_learner(experiment)).fit(
        trace[::5]
    ),
    "wide, one run": rule_for(experiment, "network", wide_learner(len(trace))).fit(trace),
    "wide, ten runs": rule_for(experiment, "network", wide_learner(40_000)).fit(ten),
}
local = {"link scope": rule_for(experiment, "link").fit(trace[::5])}

# %%
# Train with the learned rules
# ----------------------------
# The paper's student starts where its teacher started. The other start is in no trace.

curves = {}
for start, seed in {"the teacher's": TEACHER, "not in the trace": UNSEEN}.items():
    everyone = {"backpropagation": BACKPROPAGATION, **rules, **local}
    curves[start] = {name: train(experiment, rule, seed) for name, rule in everyone.items()}
print_table(curves)

# %%
# The figures
# -----------

figure, axes = plt.subplots(2, 2, figsize=(11, 7.6), layout="constrained")
draw_learning(axes[0, 0], rules, "Training the learning networks (figure 6)")
paper = {name: curves["the teacher's"][name] for name in list(curves["the teacher's"])[:3]}
draw_training(axes[0, 1], paper, "From the teacher's start (figure 7)")
unseen = curves["not in the trace"]
draw_training(
    axes[1, 0], {n: unseen[n] for n in ("backpropagation", *rules)}, "From a start not in the trace"
)
draw_training(
    axes[1, 1],
    {n: unseen[n] for n in ("backpropagation", *local)},
    "The link scope, from the same start",
)
figure.suptitle("AND, 2-1")
plt.show()

# %%
# The paper's learning network is slower and ends at 1.3 and 1.9 times the error of backpropagation.
# The curves of all others coincide with it. :doc:`/paper` has 30 starts.
