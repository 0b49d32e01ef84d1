"""A pool of threads does every part once, in forked processes too, and has no data race."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sklearn_metabp import _kernels

HEADERS = Path(_kernels.__file__).parent
SOURCE = Path(__file__).parent / "thread_pool.c"


@pytest.mark.skipif(os.name != "posix", reason="POSIX threads")
@pytest.mark.parametrize("sanitizer", [[], ["-fsanitize=thread"]], ids=["plain", "races"])
def test_every_part_is_done_once(sanitizer, tmp_path):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not (HEADERS / "common" / "thread_pool.h").exists():
        pytest.skip("needs a C compiler and the headers")
    program = tmp_path / "pool"
    flags = ["-O2", "-g", "-pthread", *sanitizer, f"-I{HEADERS}"]
    built = subprocess.run([compiler, *flags, "-o", program, SOURCE], check=False)
    if sanitizer and built.returncode:
        pytest.skip("the compiler has no thread sanitizer")
    assert built.returncode == 0
    run = subprocess.run([program], capture_output=True, text=True, check=False, timeout=300)
    if "unexpected memory mapping" in run.stderr:
        pytest.skip("the thread sanitizer does not run on this system")
    assert run.stdout == ""
    assert run.stderr == ""
    assert run.returncode == 0
