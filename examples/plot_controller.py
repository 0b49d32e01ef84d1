"""
What a learned controller does to the step
==========================================

A rule of ``scope="layer"`` is a small network, a *controller*, that sets how every weight matrix
and every bias vector moves: how far, by which mix of the gradient and its momenta, and how fast the
weights decay. Adam has the same constants for all of them. This example trains a network under such
a rule, and draws what the controller sets, step by step and layer by layer, beside Adam's values.
"""

# %%
# The rule is the one that ``update_rule="learned"`` names. It was found by trial and error on
# synthetic tasks, from AdamW with averaged weights as its start. To look at a rule of your own,
# replace the line by ``load_rule(path)``.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_metabp import Adam, BackpropMLPClassifier
from sklearn_metabp.plotting import ControllerDisplay, LearnedRuleDisplay
from sklearn_metabp.pretrained import load_pretrained

rule = load_pretrained("generalise")

# %%
# ``explain`` tells what it does to the step, for tensors of a typical network.

print(rule.explain())

# %%
# Over one training
# -----------------
# The digits are new to the rule. Every panel is one of the controls; every line is a weight matrix
# (solid) or a bias vector (dashed), from the first layer (dark) to the last (light).

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=500, stratify=y, random_state=0
)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)

network = BackpropMLPClassifier((32, 32), update_rule=rule, batch_size=32, max_iter=20)
network.set_params(n_iter_no_change=float("inf"), random_state=0)
display = ControllerDisplay.from_estimator(network, X_train, y_train)

# %%
# The values are a table too.

at_ends = display.to_frame().query(
    "tensor in ('coefs_[0]', 'coefs_[2]') and step_number in (1, 320)"
)
print(at_ends[["step_number", "tensor", "step", "decay", "horizon"]].to_string(index=False))

# %%
# Why it does so
# --------------
# The controller sees the inputs of the panels below. Each line is an output as one input goes
# through its range while the others stay in the middle. An output of 0 is the rule that the
# controller started from.

LearnedRuleDisplay.from_rule(rule)

# %%
# Both rules, untuned, on the rows that were held out:

for name, trained_by in {"Adam": Adam(), "controller": rule}.items():
    model = network.set_params(update_rule=trained_by).fit(X_train, y_train)
    print(f"{name:<12} accuracy {model.score(X_test, y_test):.3f}")
plt.show()
