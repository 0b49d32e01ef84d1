"""Axes to draw on, and colours; what all displays share."""

import numpy as np


def grid_of_axes(
    ax, n_rows: int, n_cols: int, *, figsize, sharex=False, sharey=False
) -> np.ndarray:
    """Axes of a grid, row by row.

    Parameters
    ----------
    ax : matplotlib Axes, array-like of them, or None
        None makes a figure; a single Axes is divided, and is itself drawn no more; of several each
        is taken as it is.
    n_rows, n_cols : int
    figsize : tuple of float
        Of a figure that is made.
    sharex : bool, default=False
        Whether Axes of a column that are made share the x axis.
    sharey : bool or "row", default=False
        Whether all Axes that are made share the y axis, or those of a row.

    Returns
    -------
    axes : ndarray of Axes of shape (n_rows * n_cols,)

    Raises
    ------
    ValueError
        If there are fewer or more Axes than needed, or a single one that is in no grid.
    """
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes

    shared = {"sharex": "col" if sharex else False, "sharey": sharey, "squeeze": False}
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


def colours(n: int) -> list:
    """So many colours that differ."""
    import matplotlib as mpl

    if n <= 10:
        return list(mpl.colormaps["tab10"](range(n)))
    return list(mpl.colormaps["viridis"](np.linspace(0, 0.95, n)))


def evenly(n: int, n_wanted: int) -> np.ndarray:
    """At most so many positions among n, the first and the last included."""
    return np.unique(np.linspace(0, n - 1, min(n, n_wanted)).round().astype(int))
