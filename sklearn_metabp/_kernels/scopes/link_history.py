"""The inputs of the link scope, and the history that they are computed from."""

from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

__all__ = [
    "HISTORY_ROWS",
    "LINK_INPUTS",
    "LINK_NORMALIZERS",
    "SQUARE_999_ROW",
    "MemoryRows",
    "link_history",
    "memory_rows",
    "remember_steps",
]

LINK_INPUTS = (
    "gradient/rms_0.9",
    "momentum_0.5/rms_0.9",
    "momentum_0.9/rms_0.9",
    "momentum_0.99/rms_0.9",
    "gradient/rms_0.999",
    "momentum_0.5/rms_0.999",
    "momentum_0.9/rms_0.999",
    "momentum_0.99/rms_0.999",
    "rms_0.9/rms_0.999",
    "weight",
    "activation",
    "delta",
    "is_bias",
    "is_output",
    "depth",
    "warmup_0.9",
    "warmup_0.99",
    "warmup_0.999",
    "gradient/peak_0.999",
    "momentum_0.9/peak_0.999",
    "gradient/norm",
    "last_step",
)
# Normalizers in which a link's update may be measured.
LINK_NORMALIZERS = ("1", "rms_0.9", "stride")

# Values that a history may keep of every link, in the order of its rows; the first five always.
HISTORY_ROWS = (
    "momentum_0.5",
    "momentum_0.9",
    "momentum_0.99",
    "square_0.9",
    "square_0.999",
    "peak_0.999",
    "norm",
    "last_step",
    "stride",
)
# It is 0 for a link whose gradients have all been zero.
SQUARE_999_ROW = HISTORY_ROWS.index("square_0.999")

MOMENTUM_DECAYS = (0.5, 0.9, 0.99)
SQUARE_DECAYS = (0.9, 0.999)
PEAK_DECAY = 0.999


def link_history(codes: np.ndarray, n_params: int, dtype: DTypeLike) -> np.ndarray:
    """Return the history before the first step: five rows, and more where inputs need them.

    Parameters
    ----------
    codes : ndarray of int64
        Inputs, as positions in ``LINK_INPUTS``.
    n_params : int
    dtype : dtype

    Returns
    -------
    history : ndarray of shape (n_rows, n_params)
        The rows among ``HISTORY_ROWS`` that the inputs need, in that order.
    """
    rows = memory_rows(codes)
    history = np.zeros((sum(map(len, rows)), n_params), dtype)
    if rows.steps:
        history[rows.steps[1]] = np.finfo(dtype).tiny  # no step yet
    return history


class MemoryRows(NamedTuple):
    """Positions of the rows of a history by their meaning, empty where no input needs them."""

    momenta: range
    squares: range
    peak: range
    norm: range
    steps: range


def memory_rows(codes: np.ndarray) -> MemoryRows:
    """Return the positions of the rows of a history for these inputs."""
    names = [LINK_INPUTS[code] for code in codes]
    has_peak = any(name.endswith("/peak_0.999") for name in names)
    lengths = (3, 2, int(has_peak), int("gradient/norm" in names), 2 * ("last_step" in names))
    stops = accumulate(lengths)
    return MemoryRows(*(range(stop - n, stop) for stop, n in zip(stops, lengths, strict=True)))


def row_positions(codes: np.ndarray) -> list[int]:
    """Return the position of each of ``HISTORY_ROWS`` in a history, -1 where no input needs it."""
    rows = memory_rows(codes)
    optional = [*(rows.peak or [-1]), *(rows.norm or [-1]), *(rows.steps or [-1, -1])]
    return [*rows.momenta, *rows.squares, *optional]


def remember_steps(updates: np.ndarray, last: np.ndarray, strides: np.ndarray) -> None:
    """Record the updates of a step: l is the update, s its size if that is more than s / 4."""
    sizes = np.abs(updates)
    strides[...] = np.where(sizes > strides / 4, sizes, strides)
    last[...] = updates
