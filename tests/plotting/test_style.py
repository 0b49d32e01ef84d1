"""The colours and lines of figures, seen by people with each kind of colour vision."""

from itertools import combinations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from sklearn_metabp.plotting import LossCurveDisplay, figure_style
from sklearn_metabp.plotting.style import COLOURS, colours, line_styles

# G. M. Machado, M. M. Oliveira and L. A. F. Fernandes, "A Physiologically-based Model for
# Simulation of Color Vision Deficiency" (2009), the matrices of severity 1, for linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# sRGB (IEC 61966-2-1) to CIE XYZ.
TO_XYZ = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
]
FEWEST = 20  # distance in CIELAB; about 2 is just noticeable side by side


def lab(palette, vision="normal"):
    """Return CIELAB coordinates (1976, white D65) of colours under a vision, a row per colour."""
    srgb = np.array([to_rgb(colour) for colour in palette])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(VISIONS[vision]), 0, 1)
    of_white = np.sum(TO_XYZ, axis=1)
    t = seen @ np.transpose(TO_XYZ) / of_white
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f.T
    return np.column_stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def smallest_distance(palette, vision):
    return min(np.linalg.norm(a - b) for a, b in combinations(lab(palette, vision), 2))


def test_the_space_is_cielab():
    """Known values of sRGB primaries; white and black at the ends of the lightness."""
    expected = [[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86]]
    np.testing.assert_allclose(lab(["#ff0000", "#00ff00", "#0000ff"]), expected, atol=0.02)
    np.testing.assert_allclose(lab(["white", "black"]), [[100, 0, 0], [0, 0, 0]], atol=0.01)


@pytest.mark.parametrize("vision", VISIONS)
def test_all_pairs_of_colours_differ(vision):
    assert smallest_distance(COLOURS, vision) > FEWEST


@pytest.mark.parametrize("vision", ["protanopia", "deuteranopia"])
def test_the_colours_of_matplotlib_would_not_pass(vision):
    palette = [entry["color"] for entry in mpl.rcParamsDefault["axes.prop_cycle"]]
    assert smallest_distance(palette, vision) < FEWEST / 2


def test_colours_are_seen_on_white():
    lightness = lab(COLOURS)[:, 0]
    assert lightness.max() < 75


def test_lines_differ_in_dashes_too():
    styles = line_styles(32)
    assert len({(style["color"], style["linestyle"]) for style in styles}) == 32
    for k in range(0, 32, 4):
        assert len({style["linestyle"] for style in styles[k : k + 4]}) == 4
    assert line_styles(3, first=5) == styles[5:8]


def test_more_colours_than_the_cycle_has_are_ordered():
    assert colours(3) == list(COLOURS[:3])
    lightness = lab(colours(12))[:, 0]
    assert (np.diff(lightness) > 0).all()


def test_figures_under_the_style_have_the_cycle():
    with plt.style.context(figure_style()):
        _, ax = plt.subplots()
        drawn = [line for _ in range(len(COLOURS)) for line in ax.plot([0, 1])]
    looks = [{"color": line.get_color(), "linestyle": line.get_linestyle()} for line in drawn]
    assert looks == line_styles(len(COLOURS))


def test_displays_have_the_cycle_under_every_style():
    with plt.style.context("ggplot"):
        display = LossCurveDisplay(loss_curves=[[3, 2, 1]] * 5, names=list("abcde")).plot()
        again = LossCurveDisplay(loss_curves=[[3, 2]], names=["f"]).plot(ax=display.ax_)
    lines = [*display.lines_, *again.lines_]
    looks = [{"color": line.get_color(), "linestyle": line.get_linestyle()} for line in lines]
    assert looks == line_styles(6)
