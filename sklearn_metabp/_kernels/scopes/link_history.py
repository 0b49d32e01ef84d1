"""The inputs of the link scope, and what links remember for them from step to step."""

from typing import NamedTuple

import numpy as np

__all__ = [
    "BLOCK",
    "LINK_INPUTS",
    "LINK_UNITS",
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
# What a link's update may be in units of.
LINK_UNITS = ("1", "rms_0.9", "stride")

MOMENTUM_DECAYS = (0.5, 0.9, 0.99)
SQUARE_DECAYS = (0.9, 0.999)
PEAK_DECAY = 0.999
BLOCK = 64


def link_history(codes, n_params: int, dtype) -> np.ndarray:
    """What links remember before the first step: five rows, and more where an input needs them.

    Parameters
    ----------
    codes : ndarray of int64
        Which of ``LINK_INPUTS``, by position.
    n_params : int
    dtype : dtype

    Returns
    -------
    history : ndarray of shape (n_rows, n_params)
        Rows of m, v, p, n, l and s, in the order in which ``link_inputs`` names them.
    """
    rows = memory_rows(codes)
    history = np.zeros((sum(map(len, rows)), n_params), dtype)
    if rows.steps:
        history[rows.steps[1]] = np.finfo(dtype).tiny  # no step yet
    return history


class MemoryRows(NamedTuple):
    """Which rows of a history are what; none where no input asks for it."""

    momenta: range
    squares: range
    peak: range
    norm: range
    steps: range


def memory_rows(codes) -> MemoryRows:
    """Rows of what links remember for these inputs."""
    names = [LINK_INPUTS[code] for code in codes]
    has_peak = any(name.endswith("/peak_0.999") for name in names)
    lengths = (3, 2, int(has_peak), int("gradient/norm" in names), 2 * ("last_step" in names))
    stops = np.cumsum(lengths).tolist()
    return MemoryRows(*(range(stop - n, stop) for stop, n in zip(stops, lengths, strict=True)))


def remember_steps(updates, last, strides) -> None:
    """Take note of the updates of a step: l is the update, s its size unless it is a quarter of s or less."""
    sizes = np.abs(updates)
    strides[...] = np.where(sizes > strides / 4, sizes, strides)
    last[...] = updates
