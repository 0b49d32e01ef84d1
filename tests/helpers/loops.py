"""The loops of a header, compiled by the tests for one set of vector units."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sklearn_metabp._kernels import network

HEADERS = Path(network.__file__).parent
NO_CLONES = '#include "../common/clones.h"\n#undef CLONES\n#define CLONES\n#include "{}"\n'
CPU = Path("/proc/cpuinfo")
VECTOR_UNITS = {"baseline": [], "avx2": ["-mavx2", "-mfma"], "avx512f": ["-mavx512f", "-mfma"]}
# Those of setup.py.
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-shared", "-fPIC"]


def vector_units() -> dict[str, list[str]]:
    """Return flags of the compiler for the vector units that this processor has, by name."""
    known = CPU.read_text() if CPU.exists() else ""
    return {name: flags for name, flags in VECTOR_UNITS.items() if not flags or name in known}


def compile_loops(
    folder: Path, program: str, *more_flags: str, header: str = "layer_loops.h"
) -> ctypes.CDLL:
    """Compile functions that call the loops, without a choice of vector units at run time."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not (HEADERS / header).exists():
        pytest.skip("needs a C compiler and the headers")
    (folder / "loops.c").write_text(NO_CLONES.format(header) + program)
    made = folder / "loops.so"
    subprocess.run(
        [compiler, *FLAGS, *more_flags, f"-I{HEADERS}", "-o", made, folder / "loops.c", "-lm"],
        check=True,
    )
    return ctypes.CDLL(str(made))


def at(array: np.ndarray | None) -> ctypes.c_void_p:
    """Return the address of an array, NULL for None."""
    return ctypes.c_void_p(None if array is None else array.ctypes.data)
