"""Parallel calls on threads."""

from collections.abc import Callable
from contextvars import copy_context
from threading import Lock, Thread
from typing import TypeVar

from sklearn import config_context, get_config

Result = TypeVar("Result")


def side_by_side(
    call: Callable[[int], Result],
    n_calls: int,
    n_threads: int,
    *,
    until: Callable[[Result], bool],
) -> list[Result]:
    """Call a function with 0, 1, … up to ``n_calls - 1``, several at a time.

    The thread of the caller runs calls too. If it is the main thread, Ctrl-C reaches the call that
    it runs. The other threads have the configuration of scikit-learn and the context variables of
    the caller, such as NumPy's treatment of errors.

    Parameters
    ----------
    call : callable
    n_calls, n_threads : int
    until : callable
        Function of a result. If it returns True, or after an error, no further call begins.

    Returns
    -------
    results : list
        Results in the order of the numbers, of all calls that began.

    Raises
    ------
    Exception
        The error of the call with the lowest number, after all running calls have ended.
    """
    results: dict[int, Result] = {}
    errors: dict[int, BaseException] = {}
    numbers, lock, config, has_ended = iter(range(n_calls)), Lock(), get_config(), False

    def take_calls() -> None:
        nonlocal has_ended
        while True:
            with lock:
                number = None if has_ended else next(numbers, None)
            if number is None:
                return
            try:
                results[number] = call(number)
                has_ended |= until(results[number])
            except BaseException as error:
                has_ended, errors[number] = True, error

    def work() -> None:
        with config_context(**config):
            take_calls()

    threads = [
        Thread(target=copy_context().run, args=(work,), daemon=True)
        for _ in range(min(n_threads, n_calls) - 1)
    ]
    for thread in threads:
        thread.start()
    take_calls()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[min(errors)]
    return [results[number] for number in sorted(results)]
