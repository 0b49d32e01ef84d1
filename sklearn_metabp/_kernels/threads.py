"""One BLAS thread while networks of this size train.

A product of a minibatch with a weight matrix takes microseconds; waking a second thread for it
costs more, and its bits would depend on how many threads there are.
"""

import threading
from collections.abc import Callable

from threadpoolctl import LibController, ThreadpoolController


class _OneBlasThread:
    """A context that limits BLAS to one thread.

    The last Python thread to leave it restores the number.

    threadpoolctl's own limiter reads every property of every library, which takes longer than the
    prediction of a small network.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._libraries: list[tuple[LibController, Callable[[], int | None]]] | None = None
        self._n_users = 0
        self._before: list[tuple[LibController, int]] = []

    def __enter__(self) -> None:
        with self._lock:
            if self._n_users == 0:
                if self._libraries is None:  # finding them takes milliseconds: once
                    found = ThreadpoolController().lib_controllers
                    self._libraries = [
                        (lib, _thread_counter(lib)) for lib in found if lib.user_api == "blas"
                    ]
                for library, count in self._libraries:
                    n = count()
                    if n is not None and n != 1:
                        self._before.append((library, n))
                        _set_threads(library, 1)
            self._n_users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n_users -= 1
            if self._n_users == 0:
                while self._before:
                    _set_threads(*self._before.pop())


def _thread_counter(library: LibController) -> Callable[[], int | None]:
    """Return the function that counts a library's threads: where it can be, OpenBLAS's own."""
    if getattr(library, "threading_layer", None) == "pthreads":
        for symbol in library.check_symbols:
            if "openblas_get_num_threads" in symbol and hasattr(library.dynlib, symbol):
                return getattr(library.dynlib, symbol)
    return library.get_num_threads


def _set_threads(library: LibController, n: int) -> None:
    """Set the number from any thread: threadpoolctl allows only the first that ever did."""
    library.set_num_threads(n)
    release = getattr(
        library, "clear_controlling_thread", None
    )  # of OpenBLAS, in newer threadpoolctl
    if release is None:
        return
    if library.get_num_threads() != n:
        release(force=True)
        library.set_num_threads(n)
    release()


_one_blas_thread = _OneBlasThread()


def one_blas_thread() -> _OneBlasThread:
    """Return a context in which BLAS has one thread, for any number of Python threads at once."""
    return _one_blas_thread
