"""Evidence: the result of one check of the course of a training."""

from dataclasses import dataclass, field

import numpy as np

from sklearn_metabp.diagnostics.looks import Look


@dataclass
class Evidence:
    """A number that a check compares with its threshold, and the facts for its text.

    Attributes
    ----------
    value : float
        It is a finding if it is at or above the threshold of the check, and none if it is NaN.
    facts : dict of float or str
        Numbers and names for the text.
    since : Look or None
        The look at which the problem began.
    layer : int or None
        Number of the hidden layer, from 1.
    is_harmless : bool
        True if the training succeeded nevertheless.
    """

    value: float
    facts: dict[str, float | str] = field(default_factory=dict)
    since: Look | None = None
    layer: int | None = None
    is_harmless: bool = False


NOTHING = Evidence(0.0)


def times(value: float) -> str:
    """Return a factor with two digits, for a text before the word "times"."""
    if not value < 1e6:
        return "more than a million"
    return f"{float(f'{value:.2g}'):,g}"


def median(values: list[float]) -> float:
    """Return the median of the values without NaN, or NaN."""
    array = np.asarray(values, np.float64)
    array = array[~np.isnan(array)]
    return float(np.median(array)) if len(array) else np.nan
