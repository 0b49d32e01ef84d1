"""The elementary functions as compiled for other processors than the one of the tests."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers.networks import LONG_FUNCTIONS

from sklearn_metabp._kernels import network
from sklearn_metabp._kernels.functions import ACTIVATIONS

HEADERS = Path(network.__file__).parent
PROGRAM = """
#include "layer_loops.h"
void f64(int function, double *x, int64_t n) { activate_f64(function, x, n); }
void f32(int function, float *x, int64_t n) { activate_f32(function, x, n); }
"""
# No fused multiply-add: what the baseline of x86-64 is, and what any compiler may do.
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-shared", "-fPIC"]


@pytest.fixture(scope="module")
def unfused(tmp_path_factory):
    """The loops, compiled without fused multiply-add and without a choice of vector units."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not (HEADERS / "layer_loops.h").exists():
        pytest.skip("needs a C compiler and the headers")
    folder = tmp_path_factory.mktemp("unfused")
    (folder / "loops.c").write_text(
        '#include "../common/clones.h"\n#undef CLONES\n#define CLONES\n' + PROGRAM
    )
    made = folder / "loops.so"
    subprocess.run(
        [compiler, *FLAGS, f"-I{HEADERS}", "-o", made, folder / "loops.c", "-lm"], check=True
    )
    return ctypes.CDLL(str(made))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("function", ["gelu", "tanh", "logistic", "softplus", "silu", "elu", "exp"])
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
