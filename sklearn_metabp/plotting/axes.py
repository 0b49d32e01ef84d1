"""Axes, legends and positions, which all displays share."""

from typing import Any

import numpy as np


def grid_of_axes(
    ax: Any,
    n_rows: int,
    n_cols: int,
    *,
    figsize: tuple[float, float],
    sharex: bool = False,
    sharey: bool | str = False,
) -> np.ndarray:
    """Return the Axes of a grid, row by row.

    Parameters
    ----------
    ax : matplotlib Axes, array-like of them, or None
        None makes a figure. A single Axes is divided, and is not drawn itself. Several Axes are
        used as they are.
    n_rows, n_cols : int
    figsize : tuple of float
        Size of a new figure.
    sharex : bool, default=False
        Whether the new Axes of a column share the x axis.
    sharey : bool or "row", default=False
        Whether all new Axes share the y axis, or those of a row.

    Returns
    -------
    axes : ndarray of Axes of shape (n_rows * n_cols,)

    Raises
    ------
    ValueError
        If there are fewer or more Axes than needed, or a single one that cannot be divided.
    """
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes

    shared: dict[str, Any] = {
        "sharex": "col" if sharex else False,
        "sharey": sharey,
        "squeeze": False,
    }
    if ax is None:
        _, axes = plt.subplots(n_rows, n_cols, figsize=figsize, layout="constrained", **shared)
        return axes.ravel()
    if isinstance(ax, Axes):
        place = ax.get_subplotspec()
        if place is None:
            raise ValueError(
                "ax must come from plt.subplots or add_subplot, so that it can be divided."
            )
        ax.set_axis_off()
        return place.subgridspec(n_rows, n_cols).subplots(**shared).ravel()
    axes = np.asarray(ax, dtype=object).ravel()
    if len(axes) != n_rows * n_cols or not all(isinstance(one, Axes) for one in axes):
        raise ValueError(
            f"ax must be one Axes or {n_rows * n_cols} of them, got {len(axes)} objects."
        )
    return axes


def legend_above(ax: Any, n_cols: int = 2) -> None:
    """Draw the legend of an Axes above it, where it hides no curve."""
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=n_cols,
        frameon=False,
        fontsize="small",
        borderaxespad=0.2,
    )


def evenly(n: int, n_wanted: int) -> np.ndarray:
    """Return up to ``n_wanted`` evenly spread positions below ``n``, with the first and last."""
    return np.unique(np.linspace(0, n - 1, min(n, n_wanted)).round().astype(int))
