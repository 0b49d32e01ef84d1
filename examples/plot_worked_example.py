"""
One step of backpropagation, by the numbers of two lectures
===========================================================

Two lectures on backpropagation calculate the same step by hand: P. Musilek's "NN-4 Backpropagation
Training" and lecture 6 of A. Kordecki's "Neural Networks". Their network has three inputs, two
hidden neurons and two outputs, and the step uses one pattern. Here the package takes the step. The
example compares every number with those of the lectures.
"""

# %%
# Record the step
# ---------------
# All neurons are logistic, the error is half the sum of squares, and the learning rate is 0.01.
# ``examples/lectures.py`` has the network, the pattern and all numbers that the lectures print. A
# :class:`~sklearn_metabp.TraceRecorder` with ``"all"`` records every intermediate value of every
# step.

import matplotlib.pyplot as plt
from lectures import (
    COEFS,
    LECTURES,
    NUMBERS,
    SHARED_BIASES,
    SLIPS,
    X,
    by_link,
    fit,
    network,
    quantities,
    record,
    rounded,
)
from matplotlib.patches import Circle

from sklearn_metabp.plotting import LossCurveDisplay

trace = record(network())
values = quantities(trace)
print(trace)

# %%
# Every number
# ------------
# The table has both names of each quantity, the printed value of each lecture, and the value of
# this package to four decimals. An asterisk marks a slip. The lectures give the deltas as formulas,
# without numbers. They share one bias in a layer, so the derivative by that bias is the sum over
# the neurons of the layer here.

slips = {(slip.lecture, slip.name): slip for slip in SLIPS}
print(
    f"{'Musilek':<10} {'Kordecki':<14} "
    + " ".join(f"{lecture:>10}" for lecture in LECTURES)
    + "       ours"
)
for number in NUMBERS:
    cells = [
        number.printed.get(lecture, "") + ("*" if (lecture, number.name) in slips else " ")
        for lecture in LECTURES
    ]
    print(
        f"{number.name:<10} {number.other_name:<14} "
        + " ".join(f"{cell:>10}" for cell in cells)
        + f" {values[number.name]:10.4f}"
    )

# %%
# The slips
# ---------
# Seven printed numbers are wrong. All others agree to the last decimal.

for slip in SLIPS:
    printed = next(number.printed[slip.lecture] for number in NUMBERS if number.name == slip.name)
    assert rounded(values[slip.name], printed) == slip.right
    print(f"{slip.lecture + ':':<9} {slip.name:<8} {printed} is {slip.right}: {slip.why}")

# %%
# The network with its numbers
# ----------------------------
# In the forward figure a neuron shows its output and below it its net input v, and a link shows its
# weight. In the backward figure a neuron shows the derivative of the error by its output and below
# it its δ. A link shows the derivative by its weight and, in black, the new weight. The squares are
# the biases that a layer shares.

PLACES = {
    **{neuron: (0.0, y) for neuron, y in zip("123", (2.7, 0.0, -2.7), strict=True)},
    **{neuron: (4.4, y) for neuron, y in zip("45", (1.5, -1.5), strict=True)},
    **{neuron: (8.8, y) for neuron, y in zip("67", (1.5, -1.5), strict=True)},
    "b1": (1.9, 4.3),
    "b2": (6.3, 4.3),
}
BIAS_LINKS = {"b1": "45", "b2": "67"}


def draw(ax, neurons, links, colour):
    """Draw the network, with texts in and below every neuron and at every link and bias."""
    for to, back in [*(tuple(link) for link in links if link not in PLACES), *bias_links()]:
        (x0, y0), (x1, y1) = PLACES[back], PLACES[to]
        ax.plot(
            [x0, x1],
            [y0, y1],
            color=colour,
            alpha=0.45,
            lw=1.2,
            ls=":" if back in BIAS_LINKS else "-",
        )
        if back not in BIAS_LINKS:
            place = (x0 + 0.33 * (x1 - x0), y0 + 0.33 * (y1 - y0))
            write(ax, place, links[to + back], colour)
    for name, (inside, below) in neurons.items():
        x, y = PLACES[name]
        ax.add_patch(
            Circle((x, y), 0.6, facecolor="white", edgecolor=colour, linewidth=2, zorder=3)
        )
        ax.text(x, y, inside, ha="center", va="center", fontsize=11, zorder=4)
        ax.text(x, y - 0.72, below, ha="center", va="top", fontsize=10, color=colour)
        ax.text(
            x,
            y + 0.68,
            ("input " if x == 0 else "neuron ") + name,
            ha="center",
            va="bottom",
            fontsize=9,
            color="gray",
        )
    for name in BIAS_LINKS:
        write(ax, PLACES[name], links[name], colour, boxed=True)
    ax.set(xlim=(-0.9, 9.7), ylim=(-3.6, 4.9), aspect="equal")
    ax.set_axis_off()


def bias_links():
    """Return pairs of a neuron and the bias that leads to it."""
    return [(to, bias) for bias, neurons in BIAS_LINKS.items() for to in neurons]


def write(ax, place, lines, colour, boxed=False):
    """Write the first line in colour and the second, if there is one, in black below it."""
    frame = {
        "facecolor": "white",
        "edgecolor": colour if boxed else "white",
        "pad": 4 if boxed else 1,
    }
    style = {"ha": "center", "va": "center", "fontsize": 9.5, "linespacing": 1.25}
    ax.text(*place, "\n".join(lines), color="white", bbox=frame, zorder=2, **style)  # room for both
    ax.text(
        *place, "\n".join([lines[0], *("" for _ in lines[1:])]), color=colour, zorder=2, **style
    )
    ax.text(*place, "\n".join(["", *lines[1:]]), color="black", zorder=2, **style)


weights = by_link("{}{}", COEFS)
inputs = {neuron: (f"{x:g}", "") for neuron, x in zip("123", X[0], strict=True)}
forward_neurons = {n: (f"{values['y' + n]:.4f}", f"v = {values['v' + n]:.4f}") for n in "4567"}
forward_links = {link: (f"{weight:g}",) for link, weight in weights.items()}
forward_links |= {f"b{n}": (f"b{n} = {bias:g}",) for n, bias in enumerate(SHARED_BIASES, 1)}
backward_neurons = {n: (f"{values['∂E/∂y' + n]:.4f}", f"δ = {values['δ' + n]:.4f}") for n in "4567"}
backward_links = {
    link: (f"{values['∂E/∂' + name]:.4f}", f"→ {values['new ' + name]:.4f}")
    for link, name in [(link, "w" + link) for link in weights] + [("b1", "b1"), ("b2", "b2")]
}

figure, axes = plt.subplots(1, 2, figsize=(14, 6), layout="constrained")
draw(axes[0], inputs | forward_neurons, forward_links, "tab:blue")
draw(axes[1], inputs | backward_neurons, backward_links, "tab:red")
axes[0].set_title(f"Forward: E = {values['E']:.4f}")
axes[1].set_title("Backward: derivatives of E, and the new weights")

# %%
# Repeated steps
# --------------
# "The described procedure is repeated over and over many times until the error goes down". The next
# lines repeat the step. From the second step on, the weights differ from those of the lectures,
# because each neuron has a bias of its own here.

model = fit(network(max_iter=100_000))
for n_steps in (1, 10, 100, 1000, 10_000, 100_000):
    print(f"step {n_steps:6}: E = {model.loss_curve_[n_steps - 1]:.4g}")
display = LossCurveDisplay.from_estimator(model, names=["learning rate 0.01"])
display.ax_.set(xscale="log", xlabel="step", ylabel="E", title="The lectures' step, 100 000 times")
plt.show()
