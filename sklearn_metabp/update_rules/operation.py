"""An elementwise step of a rule, for an epoch that runs in C."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Operation(NamedTuple):
    """A function of ``_kernels.rules`` with its arrays, and the numbers of every step.

    Attributes
    ----------
    function : callable
        A function such as ``adam_step``, with arguments in the order arrays, numbers.
    arrays : tuple of ndarray
        Vectors of the state, and ``gradients``, ``updates`` and ``params`` of the step or slices of
        them. They are the same for a whole training.
    numbers : callable
        ``numbers(n)`` returns the numbers of the next step and counts n steps in the state.
    steady : bool, default=False
        True if all steps of an epoch have the same numbers, except the last number if ``counts`` is
        True. Then one call computes many steps.
    counts : bool, default=False
        True if the last number is the number of the step.
    """

    function: Callable[..., Any]
    arrays: tuple[np.ndarray, ...]
    numbers: Callable[[int], tuple[float, ...]]
    steady: bool = False
    counts: bool = False
