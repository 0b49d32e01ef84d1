"""Colours, line styles and settings of figures, which all displays and examples share.

Colour-blind people can tell the colours apart. They begin at those of M. Okabe and K. Ito (2008)
and were moved until the smallest distance of two of them, in CIELAB, was at least 22 for normal
vision and in the simulations of G. M. Machado, M. M. Oliveira and L. A. F. Fernandes (2009).
"""

from typing import Any

import numpy as np

COLOURS = (
    "#3558a3",  # blue
    "#cc5500",  # vermilion
    "#049366",  # green
    "#eaa004",  # amber
    "#bf78a7",  # pink
    "#36bcf5",  # sky
    "#811f62",  # wine
    "#483a2e",  # brown
)
DASHES = ("-", "--", "-.", ":")


def figure_style() -> dict[str, Any]:
    """Return settings of matplotlib for figures that everybody can read.

    The colours of the cycle differ for colour-blind people too, and the lines of the cycle also
    differ in their dashes. Legends have no frames, and texts do not overlap.

    Returns
    -------
    settings : dict
        For ``plt.style.use``, ``plt.style.context`` or ``plt.rcParams.update``.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn_metabp.plotting import figure_style
    >>> with plt.style.context(figure_style()):
    ...     figure, ax = plt.subplots()
    ...     lines = ax.plot([[1, 3], [2, 1], [3, 2]])
    >>> [(line.get_color(), line.get_linestyle()) for line in lines]
    [('#3558a3', '-'), ('#cc5500', '--')]
    """
    styles = line_styles(len(COLOURS))
    dashes = [style["linestyle"] for style in styles]
    return {
        "axes.prop_cycle": f"cycler('color', {list(COLOURS)}) + cycler('linestyle', {dashes})",
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": "medium",
        "figure.constrained_layout.use": True,
        "figure.figsize": (6.0, 3.9),
        "figure.titlesize": "large",
        "legend.fontsize": "small",
        "legend.frameon": False,
        "lines.linewidth": 1.8,
    }


def colours(n: int) -> list[Any]:
    """Return ``n`` different colours."""
    return list(COLOURS[:n]) if n <= len(COLOURS) else ordered_colours(n)


def ordered_colours(n: int) -> list[Any]:
    """Return ``n`` colours from dark to light that colour-blind people can tell apart."""
    import matplotlib as mpl

    return list(mpl.colormaps["viridis"](np.linspace(0, 0.85, n)))


def line_styles(n: int, first: int = 0) -> list[dict[str, Any]]:
    """Return ``n`` styles of lines, from position ``first`` of a sequence of 32 different ones."""
    n_colours, n_dashes = len(COLOURS), len(DASHES)
    return [
        {
            "color": COLOURS[k % n_colours],
            "linestyle": DASHES[(k + k // n_colours) % n_dashes],
        }
        for k in range(first, first + n)
    ]
