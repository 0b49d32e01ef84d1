"""The elementary functions as compiled for other processors than the one of the tests."""

import ctypes

import numpy as np
import pytest
from helpers.loops import compile_loops
from helpers.networks import LONG_FUNCTIONS

from sklearn_metabp._kernels.functions import ACTIVATIONS

PROGRAM = """
void f64(int function, double *x, int64_t n) { activate_f64(function, x, n); }
void f32(int function, float *x, int64_t n) { activate_f32(function, x, n); }
"""


@pytest.fixture(scope="module")
def unfused(tmp_path_factory):
    """The loops, compiled without fused multiply-add and without a choice of vector units."""
    return compile_loops(tmp_path_factory.mktemp("unfused"), PROGRAM)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "function", ["gelu", "tanh", "logistic", "softplus", "silu", "mish", "elu", "exp"]
)
def test_functions_are_right_to_the_last_bits_without_fused_multiply_add(unfused, function, dtype):
    low = {"gelu": (-37.4, -12.9)}.get(function, (-60, -60))[dtype == np.float32]
    x = np.concatenate([np.linspace(low, 60, 100_001), np.linspace(low, 0, 100_001)]).astype(dtype)
    outputs = x.copy()
    code = ACTIVATIONS[function].code
    loop = unfused.f64 if dtype == np.float64 else unfused.f32
    loop(code, outputs.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(len(x)))
    expected = LONG_FUNCTIONS[function](x.astype(np.longdouble))
    present = expected != 0
    ulps = np.abs(outputs - expected)[present] / np.abs(expected[present]) / np.finfo(dtype).eps
    assert ulps.max() < 5
