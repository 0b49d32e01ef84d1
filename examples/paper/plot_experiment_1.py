"""
Experiment 1: AND, with a hidden neuron
=======================================

A network 2-1-1 learns AND by online backpropagation. A learning network with two hidden neurons is
trained on the record. It has 9 inputs (3 weights, 2 biases, 2 inputs, output, expected output) and
5 outputs (the changes of the weights and biases). The figures correspond to figures 4 and 5 of
Jakša and Katrák (2006).
"""

# %%
# Record, and learn
# -----------------
# One training of 5000 cycles is recorded. The paper's learning network is trained on every fifth
# step of it, to keep this short, and so are rules of the other two scopes. A wider learning network
# is trained on all steps. One more wide learning network is trained on ten trainings from different
# starts.

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

experiment = EXPERIMENTS[1]
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
local = {
    f"{scope} scope": rule_for(experiment, scope).fit(trace[::5]) for scope in ("neuron", "link")
}

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
draw_learning(axes[0, 0], rules, "Training the learning networks (figure 4)")
paper = {name: curves["the teacher's"][name] for name in list(curves["the teacher's"])[:3]}
draw_training(axes[0, 1], paper, "From the teacher's start (figure 5)")
unseen = curves["not in the trace"]
draw_training(
    axes[1, 0], {n: unseen[n] for n in ("backpropagation", *rules)}, "From a start not in the trace"
)
draw_training(
    axes[1, 1],
    {n: unseen[n] for n in ("backpropagation", *local)},
    "Other scopes, from the same start",
)
figure.suptitle("AND, 2-1-1")
plt.show()

# %%
# The paper's learning network does not converge from either start. A wide learning network from one
# run follows backpropagation from the teacher's start and not from the other; from ten runs it is
# the other way round. The neuron and the link scope follow backpropagation from both starts. The
# tables of :doc:`/paper` have 30 starts, with learners that are trained for longer.
