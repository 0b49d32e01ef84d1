"""The base of callbacks: the hooks that scikit-learn's callback protocol requires."""

from numbers import Integral
from typing import Any


class BaseCallback:
    """A callback whose hooks of scikit-learn's protocol do nothing; subclasses add others."""

    def setup(self, estimator: Any, context: Any) -> None:
        """Prepare for a fit."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """React before a fit and before each of its epochs."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """React after a fit and after each of its epochs."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Clean up after a fit, however it ended."""


def check_count(name: str, value: object, least: int = 1) -> int:
    """Return a parameter as an int; raise ValueError unless it is at least ``least``."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an integer of {least} or more, got {value!r}.")
    return int(value)
