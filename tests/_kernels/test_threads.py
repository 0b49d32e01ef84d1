"""BLAS is limited to one thread in every training."""

import threading

import pytest
from threadpoolctl import ThreadpoolController

from sklearn_metabp._kernels.threads import one_blas_thread


@pytest.fixture
def libraries():
    """The BLAS libraries of this process, at two threads each."""
    found = [lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"]
    before = [library.num_threads for library in found]
    for library in found:
        library.set_num_threads(2)
    # From here on this thread is the one that OpenBLAS listens to, as far as threadpoolctl goes.
    if any(library.num_threads != 2 for library in found):
        pytest.skip("a BLAS library that has one thread alone")
    yield found
    for library, n in zip(found, before, strict=True):
        library.set_num_threads(n)


def counts(libraries):
    return {library.num_threads for library in libraries}


def in_a_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_one_thread_within_and_as_many_as_before_after(libraries):
    with one_blas_thread():
        assert counts(libraries) == {1}
        with one_blas_thread():
            assert counts(libraries) == {1}
        assert counts(libraries) == {1}
    assert counts(libraries) == {2}


def test_another_thread_than_the_first_holds_and_restores_as_well(libraries):
    seen = []

    def train():
        with one_blas_thread():
            seen.append(counts(libraries))
        seen.append(counts(libraries))

    in_a_thread(train)
    assert seen == [{1}, {2}]
    train()
    in_a_thread(train)
    assert seen == [{1}, {2}] * 3


def test_the_last_to_leave_restores(libraries):
    entered, may_leave = threading.Event(), threading.Event()

    def stay():
        with one_blas_thread():
            entered.set()
            may_leave.wait(10)

    thread = threading.Thread(target=stay)
    with one_blas_thread():
        thread.start()
        assert entered.wait(10)
    assert counts(libraries) == {1}
    may_leave.set()
    thread.join()
    assert counts(libraries) == {2}
