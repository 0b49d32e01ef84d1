"""The warning of an installation without compiled kernels."""

import warnings
from functools import cache

from sklearn_metabp._kernels import COMPILED

#: Processor time of a fit on the fallbacks over that on compiled kernels, as
#: ``benchmarks/without_compiler.py`` prints it for the digits.
TIMES_AS_LONG = "6 to 15"


class NotCompiledWarning(RuntimeWarning):
    """The kernels are not compiled, so every training runs on the slower NumPy fallbacks.

    It is given once per process, at the first training.

    Examples
    --------
    Silence it where the slower version is wanted:

    >>> import warnings
    >>> from sklearn_metabp import NotCompiledWarning
    >>> warnings.simplefilter("ignore", NotCompiledWarning)
    """


@cache
def warn_if_not_compiled() -> None:
    """Give a :class:`NotCompiledWarning` if the kernels are not compiled; once, as it is cached."""
    if not COMPILED:
        warnings.warn(
            "The kernels of sklearn_metabp are not compiled: there was no C compiler when the "
            "package was installed. Trainings run on NumPy. The results are the same, and a fit "
            f"takes {TIMES_AS_LONG} times as long on the digits, and longer with less data. "
            "Install a C compiler, then install the package again: pip install --force-reinstall "
            "--no-deps --no-cache-dir sklearn-metabp (in a clone: .).",
            NotCompiledWarning,
            stacklevel=3,
        )
