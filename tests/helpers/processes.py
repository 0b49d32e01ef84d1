"""Scripts that run in processes of their own and are killed in the end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import sklearn_metabp

# A test suite in the background ignores Ctrl-C, and its scripts would inherit this.
_ENABLE_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
# The folders of the tested package and of the helpers.
_PATHS = [str(Path(sklearn_metabp.__file__).parents[1]), str(Path(__file__).parents[1])]


def start_python(source, *arguments):
    """Start a script, given as source, in a process group of its own.

    ``stop`` ends it and its workers.
    """
    path = os.pathsep.join([*_PATHS, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-c", _ENABLE_CTRL_C + source, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def stop(process):
    """Kill a script and all processes that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
    process.communicate()


def run_python(source, *arguments, timeout=60, attempts=3):
    """Return the output of a script; raise AssertionError if it fails or hangs in every attempt.

    A pool of ``multiprocessing``, which joblib's backend of that name uses, may hang when it ends.
    This would stop the tests, but it is no fault of the tested code.
    """
    for _ in range(attempts):
        process = start_python(source, *arguments)
        try:
            printed, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            continue
        finally:
            stop(process)
        assert process.returncode == 0, errors
        return printed
    raise AssertionError(f"the script stood still for {timeout} s in each of {attempts} attempts")
