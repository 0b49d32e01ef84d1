"""Products in tiles have the bits of sums in order, whatever the length of the vectors."""

import shutil
import subprocess
from pathlib import Path

import pytest

from sklearn_metabp import _kernels

HEADERS = Path(_kernels.__file__).parent
NO_AVX2 = 101  # an exit status of the program
SOURCE = Path(__file__).parent / "products_in_tiles.c"


def test_products_have_the_bits_of_sums_in_order(tmp_path):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not (HEADERS / "network" / "tiles.h").exists():
        pytest.skip("needs a C compiler and the headers")
    program = tmp_path / "products"
    flags = ["-O0", "-ffp-contract=off", "-Wno-psabi", f"-I{HEADERS}"]
    subprocess.run([compiler, *flags, "-o", program, SOURCE, "-lm"], check=True)
    run = subprocess.run([program], capture_output=True, text=True, check=False)
    if run.returncode == NO_AVX2:
        pytest.skip("needs an x86-64 processor with AVX2")
    assert run.stdout == ""
    assert run.returncode == 0
