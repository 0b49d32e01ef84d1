"""One BLAS thread while networks of this size train.

A product of a minibatch with a weight matrix takes microseconds; waking a second thread for it
costs more, and its bits would depend on how many threads there are.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_controller: ThreadpoolController | None = None
_users = 0
_limiter: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread; of several Python threads inside, the last to leave restores."""
    global _controller, _users, _limiter
    with _lock:
        if _users == 0:
            if _controller is None:  # finding the libraries takes milliseconds: once
                _controller = ThreadpoolController()
            _limiter = _controller.limit(limits=1, user_api="blas")
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limiter.restore_original_limits()
                _limiter = None
