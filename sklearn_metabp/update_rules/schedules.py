r"""Schedules: learning rate, decay and dropout as functions of the step.

A schedule is a function of the number of the step, from 1, and of the number of planned steps. It
returns a factor of the learning rate, of the decay of the weights or of the share of dropped
neurons.
"""

import inspect
import math
from collections.abc import Callable
from numbers import Real

Schedule = Callable[[int, int], float]

# The one-cycle schedule: the share of the steps in which the rate rises, its start and its end.
_UP, _START, _END = 0.3, 1 / 25, 1 / 25 / 1e4


def constant(t: int, t_planned: int) -> float:
    """Return 1 at every step."""
    return 1.0


def invscaling(t: int, t_planned: int) -> float:
    """Return one over the root of the step: ``SGDClassifier`` with ``power_t=0.5``."""
    return 1 / math.sqrt(t)


def cosine(t: int, t_planned: int) -> float:
    """Follow half a cosine from 1 at the first step to 0 (Loshchilov and Hutter, 2017)."""
    return _between(1.0, 0.0, min((t - 1) / t_planned, 1.0))


def one_cycle(t: int, t_planned: int) -> float:
    """Rise from 1/25 to 1 in 3/10 of the steps, then fall to 4e-6 (Smith and Topin, 2018)."""
    top, last = _UP * t_planned - 1, t_planned - 1
    done = min(t - 1, last)
    if done < top:
        return _between(_START, 1.0, done / top)
    return _between(1.0, _END, (done - top) / (last - top))


def flat_cosine(t: int, t_planned: int) -> float:
    """Stay at 1 for half of the steps, then follow half a cosine to 0.

    ``flat_cos`` of D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by Default" (2024).
    """
    return _between(1.0, 0.0, max(2 * min((t - 1) / t_planned, 1.0) - 1, 0.0))


def coslog4(t: int, t_planned: int) -> float:
    """Go from 0 to 1 and back four times, each time twice as long: (1 - cos(2π log2(1 + 15p))) / 2.

    p is the share of the planned steps. The last wave takes 8/15 of them. D. Holzmüller,
    L. Grinsztajn and I. Steinwart, "Better by Default" (2024).
    """
    share = min(t / t_planned, 1.0)  # above 0 at the first step, and 1 at the last one
    return (1 - math.cos(2 * math.pi * math.log2(1 + 15 * share))) / 2


def _between(start: float, end: float, share: float) -> float:
    """Go from start to end along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


SCHEDULES: dict[str, Schedule] = {
    "constant": constant,
    "invscaling": invscaling,
    "cosine": cosine,
    "one_cycle": one_cycle,
    "flat_cosine": flat_cosine,
    "coslog4": coslog4,
}

# The schedules that end at 0, or almost at 0, and then stay constant.
ENDING = ("cosine", "one_cycle", "flat_cosine", "coslog4")


def factor_at(
    schedule: str | Schedule,
    t: int,
    t_planned: int,
    *,
    name: str = "schedule",
    of: str = "the learning rate",
) -> float:
    """Return the factor of a schedule at a step.

    Parameters
    ----------
    schedule : str or callable
        A name from ``SCHEDULES`` or a function ``(t, t_planned) -> factor``.
    t : int
        Number of the step, from 1.
    t_planned : int
        Number of planned steps. ``t`` may be greater.
    name : str, default="schedule"
        Name of the parameter that has the schedule, for errors.
    of : str, default="the learning rate"
        Name of the number that the factor multiplies, for errors.

    Returns
    -------
    factor : float

    Raises
    ------
    TypeError
        If a function does not accept the two arguments.
    ValueError
        If a function does not return a finite number of at least 0.

    Examples
    --------
    >>> from sklearn_metabp.update_rules.schedules import factor_at
    >>> [round(factor_at("cosine", t, 4), 3) for t in (1, 2, 3, 4)]
    [1.0, 0.854, 0.5, 0.146]
    >>> factor_at(lambda t, t_planned: 0.5 ** (t - 1), 3, 10)
    0.25
    """
    if isinstance(schedule, str):
        return SCHEDULES[schedule](t, t_planned)
    try:
        factor = schedule(t, t_planned)
    except TypeError as error:
        if _takes_two_arguments(schedule):  # then the error comes from the function itself
            raise
        raise TypeError(
            f"{name}={schedule!r} must be a function {name}(t, t_planned) of the number of the "
            f"step and of planned steps, which returns a factor of {of}."
        ) from error
    if not isinstance(factor, Real) or not math.isfinite(factor) or factor < 0:
        raise ValueError(
            f"{name}={schedule!r} returned {factor!r} at step {t} of {t_planned}: it must return "
            f"a finite number of at least 0, a factor of {of}."
        )
    return float(factor)


def _takes_two_arguments(function: Callable) -> bool:
    try:
        inspect.signature(function).bind(1, 1)
    except (TypeError, ValueError):
        return False
    return True
