"""
What a learned controller does to the step
==========================================

Look inside the learned rule that comes with the package: draw the step size, the
momentum and the decay that it sets, step by step and layer by layer, beside the
constants of Adam.

A rule of ``scope="layer"`` is a small network, a *controller*. It sets how every weight
matrix and every bias vector moves: how far, by which mix of the gradient and its
momenta, and how fast the weights decay. Adam has the same constants for all of them.
"""

# %%
# The rule is the one that ``update_rule="learned"`` names. It was found by trial and
# error on synthetic tasks, from AdamW with averaged weights as its start. To look at a
# rule of your own, replace the line by ``load_rule(path)``.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_metabp import Adam, BackpropMLPClassifier
from sklearn_metabp.plotting import ControllerDisplay, LearnedRuleDisplay, figure_style
from sklearn_metabp.pretrained import load_pretrained

plt.style.use(figure_style())
rule = load_pretrained("generalise")

# %%
# :meth:`~sklearn_metabp.LearnedUpdateRule.explain` describes the step, for tensors of a
# typical network.

print(rule.explain())

# %%
# Over one training
# -----------------
# The digits are new to the rule. Every panel is one of the controls. Every line is a
# weight matrix (solid) or a bias vector (dashed), from the first layer (dark) to the
# last (light).

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
# ``to_frame`` returns the values as a table.

at_ends = display.to_frame().query(
    "tensor in ('coefs_[0]', 'coefs_[2]') and step_number in (1, 320)"
)
print(
    at_ends[["step_number", "tensor", "step", "decay", "horizon"]].to_string(
        index=False
    )
)

# %%
# One of the controls alone: the learning rate of every weight matrix.

# sphinx_gallery_thumbnail_number = 2
figure, ax = plt.subplots()
ax.axhline(0.001, color="0.75", linewidth=5, linestyle="-", label="Adam")
for tensor, values in display.to_frame().groupby("tensor"):
    if tensor.startswith("coefs_"):
        ax.plot(values["step_number"], values["step"], label=tensor)
ax.set(yscale="log", xlabel="step", ylabel="learning rate")
ax.set_title("Early layers get larger steps than late ones, all larger than Adam's")
figure.legend(loc="outside lower center", ncols=4)

# %%
# Why it does so
# --------------
# The controller has more inputs than the four of the panels below. Each line is an
# output as one input goes through its range while the others stay in the middle. An
# output of 0 is the rule that the controller started from.

inputs = ["remaining", "is_bias", "is_first", "log_params/rows"]
display = LearnedRuleDisplay.from_rule(rule, inputs=inputs)
display.figure_.suptitle(
    "Outputs of the controller depend on time, on the layer and on its size"
)

# %%
# Compare both rules, untuned, on the rows that were held out:

for name, trained_by in {"Adam": Adam(), "controller": rule}.items():
    model = network.set_params(update_rule=trained_by).fit(X_train, y_train)
    print(f"{name:<12} accuracy {model.score(X_test, y_test):.3f}")
plt.show()
