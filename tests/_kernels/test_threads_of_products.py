"""Threads that share the rows of products change no bit, and end with their kernel."""

import gc
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers.kernels import compiled_only, fallback, installed
from helpers.networks import ACTIVATIONS, make_problem
from helpers.processes import run_python

from sklearn_metabp._kernels.network import instruction_sets, use_instruction_set

pytestmark = compiled_only

# Products of 0.6 to 1.8 million multiplications in 101 rows: from two parts to as many as threads.
SIZES, N_ROWS = (40, 150, 120, 9), 101
TASKS = Path("/proc/self/task")


def make_kernel(n_threads, dtype=np.float64, activation="relu", out="identity", **setting):
    loss = "log_loss" if out == "softmax" else "squared_error"
    problem = make_problem(SIZES, activation, loss, out, n=N_ROWS, **setting)
    return problem.backprop(installed, dtype, n_threads=n_threads)


def count_threads():
    return len(list(TASKS.iterdir()))


def gradients(kernel, n=N_ROWS):
    """Loss, gradients, activations and deltas of a batch."""
    loss = kernel.gradients(0, n)
    arrays = [kernel.gradients_, *kernel.layer_outputs, *kernel.deltas, *kernel.slopes]
    return [np.float64(loss), *(array.copy() for array in arrays if array is not None)]


def assert_same_bits(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.fixture(params=[name for name in instruction_sets() if name != "blas"])
def instruction_set(request):
    use_instruction_set(request.param)
    yield request.param
    use_instruction_set(instruction_sets()[0])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("dropout", [{}, {"dropout": 0.4, "dropout_key": 7}], ids=["", "dropout"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_have_the_same_bits(activation, dropout, dtype):
    one = gradients(make_kernel(1, dtype, activation, **dropout))
    assert np.isfinite(one[1]).all()
    for n_threads in (2, 3, 5):
        assert_same_bits(gradients(make_kernel(n_threads, dtype, activation, **dropout)), one)


@pytest.mark.parametrize("n", [1, 7, 8, 15, 16, 17, 50, 99, 101])
def test_batches_of_all_sizes_have_the_same_bits(n, instruction_set):
    kernels = [make_kernel(n_threads, out="softmax") for n_threads in (1, 2, 3, 5)]
    one, *others = [gradients(kernel, n) for kernel in kernels]
    for other in others:
        assert_same_bits(other, one)


@pytest.mark.parametrize("out", ["softmax", "tanh", "exp"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_outputs_and_losses_have_the_same_bits(out, dtype):
    kernels = [make_kernel(n_threads, dtype, out=out) for n_threads in (1, 2, 3, 5)]
    for kernel in kernels:
        kernel.forward(0, N_ROWS)
    outputs = [kernel.layer_outputs[-1].tobytes() for kernel in kernels]
    assert len(set(outputs)) == 1
    assert len({kernel.summed_loss(0, N_ROWS) for kernel in kernels}) == 1


@pytest.mark.skipif(not TASKS.exists(), reason="counts threads in /proc")
def test_threads_begin_with_a_large_product_and_end_with_the_kernel():
    gc.collect()
    before = count_threads()
    kernel = make_kernel(3)
    small = make_problem((4, 5, 2), "relu", "squared_error", "identity").backprop(
        installed, n_threads=3
    )
    small.gradients(0, 9)
    assert count_threads() == before
    for _ in range(3):
        kernel.gradients(0, N_ROWS)
        assert count_threads() == before + 2
    del kernel
    assert count_threads() == before


@pytest.mark.skipif(not TASKS.exists(), reason="counts threads in /proc")
def test_products_of_blas_have_one_thread():
    before = count_threads()
    use_instruction_set("blas")
    try:
        kernels = [make_kernel(n_threads) for n_threads in (1, 3)]
    finally:
        use_instruction_set(instruction_sets()[0])
    assert_same_bits(*map(gradients, kernels))
    assert count_threads() == before


@pytest.mark.parametrize("kernels", [fallback, installed])
@pytest.mark.parametrize("n_threads", [0, -1])
def test_a_kernel_has_a_thread_or_more(kernels, n_threads):
    problem = make_problem((3, 2), "relu", "squared_error", "identity")
    with pytest.raises(ValueError, match="n_threads must be 1 or more"):
        problem.backprop(kernels, n_threads=n_threads)


def test_kernels_of_several_python_threads_have_threads_of_their_own():
    expected = gradients(make_kernel(1))
    results = [[] for _ in range(4)]

    def work(found):
        kernel = make_kernel(2)
        found.extend(gradients(kernel) for _ in range(20))

    users = [threading.Thread(target=work, args=(found,)) for found in results]
    for user in users:
        user.start()
    for user in users:
        user.join()
    for found in results:
        assert len(found) == 20
        for ours in found:
            assert_same_bits(ours, expected)


FORK = """
import os, sys, warnings
import numpy as np
from helpers.networks import make_problem
from helpers.kernels import installed

warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads
problem = make_problem((40, 150, 120, 9), "tanh", "squared_error", "identity", n=101)
kernel = problem.backprop(installed, n_threads=3)
loss = kernel.gradients(0, 101)
gradients = kernel.gradients_.copy()

def is_same():
    kernel.gradients_[:] = 0
    return kernel.gradients(0, 101) == loss and np.array_equal(kernel.gradients_, gradients)

assert is_same()
for uses_it in (True, False):
    child = os.fork()
    if child == 0:
        is_fine = not uses_it or (is_same() and is_same())
        del kernel
        os._exit(0 if is_fine else 3)
    assert os.waitpid(child, 0)[1] == 0, uses_it
    assert is_same()
print("fine")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_threads_of_its_own():
    assert run_python(FORK, timeout=300, attempts=1) == "fine\n"


EXIT = """
import threading, time
from helpers.networks import make_problem
from helpers.kernels import installed

problem = make_problem((40, 150, 120, 9), "tanh", "squared_error", "identity", n=101)
idle, busy = (problem.backprop(installed, n_threads=3) for _ in range(2))
idle.gradients(0, 101)

def work():
    while True:
        busy.gradients(0, 101)

threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
print("ends")
"""


def test_a_process_ends_while_threads_sleep_or_work():
    assert run_python(EXIT, timeout=300, attempts=1) == "ends\n"
