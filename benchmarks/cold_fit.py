"""Time the import of a library and its first fit, in a process that has done nothing before.

``fit_speed.py --cold`` runs it. It prints the seconds of processor time of both.
"""

import sys
import time
from importlib import import_module


def main(side: str, library: str, workload: str, dtype: str) -> None:
    start = time.process_time()
    import_module(library)
    imported = time.process_time() - start

    import warnings

    import numpy as np
    from sides import SIDES, Work
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits
    from workloads import all_workloads, seconds_of

    warnings.simplefilter("ignore", ConvergenceWarning)
    found = next(each for each in all_workloads() if each.name == workload)
    with threadpool_limits(1, "blas"):
        fit = SIDES[side].prepare(Work(found, np.dtype(dtype).type))
        print(imported, seconds_of(fit))


if __name__ == "__main__":
    main(*sys.argv[1:])
