"""Ctrl-C: the first ends the fit that it meets, a second one soon after ends all that runs."""

import time

_SECONDS = 1.0
_last = -_SECONDS


def is_second() -> bool:
    """Note a Ctrl-C that met a fit; True if the one before met a fit of this process within a second.

    A search goes on with its next fit after the first, so only a second that is let through ends
    the search.
    """
    global _last
    before, _last = _last, time.monotonic()
    return _last - before < _SECONDS
