"""The least time that a step could take on this processor, from figures that floor.c measures.

The model has four parts:

- **Products.** A step has three products of every layer: forward, the gradient of the weights, and
  the deltas of the layer before (not of the first layer). Each has rows x fan-in x fan-out
  multiply-adds, at the rate of a loop that does nothing else in all lanes of the vector units. Of
  sparse rows only the stored values count.
- **Adam.** One pass over weights, moments and gradients, which reads all four and writes three, at
  the rate of such a pass over as many numbers: so it is at the level of the cache that they fit
  in. Roots and divisions are free in this model.
- **Loss.** One exponential function for every output and one logarithm, counted as another
  exponential, for every row, at the rate of a vector loop in the first cache.
- **Chain.** A step begins with the weights of the step before. So it takes at least as long as an
  online step of a network with a single weight, where one operation waits for the other.

The floor is the sum of the first three, or the chain if that is longer. Loading rows, biases,
activation functions and their slopes are free. So no implementation reaches the floor; one that
does not visit every weight in each step (of words that are in no row of the batch) can be below it.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from workloads import Workload

FLAGS = ("-O3", "-march=native", "-fno-math-errno")


@dataclass(frozen=True)
class Floor:
    """Figures of this processor in one precision, in seconds.

    Attributes
    ----------
    multiply_add : float
        One of many multiply-adds.
    exponential : float
        One of many exponential functions.
    chain : float
        One step of a network with one weight.
    adam : dict of int to float
        One pass of Adam, by the number of parameters.
    """

    multiply_add: float
    exponential: float
    chain: float
    adam: dict[int, float]

    def step_seconds(self, workload: Workload) -> float:
        """Return the floor of one step of a workload, the mean over the steps of an epoch."""
        n_samples, sizes = workload.X.shape[0], workload.layer_sizes
        n_rows = n_samples * workload.n_epochs / workload.n_steps
        values_per_row = workload.X.nnz / n_samples if workload.is_sparse else sizes[0]
        first = values_per_row * sizes[1]
        others = sum(a * b for a, b in pairwise(sizes[1:]))
        multiply_adds = n_rows * (2 * first + 3 * others)
        exponentials = n_rows * (sizes[-1] + 1)
        throughput = (
            multiply_adds * self.multiply_add
            + self.adam[workload.n_params]
            + exponentials * self.exponential
        )
        return max(throughput, self.chain)


def measure(dtypes: Iterable[type], numbers: Iterable[int]) -> dict[type, Floor]:
    """Compile floor.c, run it in each precision and return its figures.

    ``numbers`` are the numbers of parameters of the workloads. The result is empty where there is
    no C compiler.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        return {}
    source = Path(__file__).with_name("floor.c")
    floors = {}
    with tempfile.TemporaryDirectory() as folder:
        for dtype in dtypes:
            program = Path(folder) / np.dtype(dtype).name
            precision = ["-DDOUBLE"] if dtype == np.float64 else []
            subprocess.run(
                [compiler, *FLAGS, *precision, str(source), "-o", str(program), "-lm"], check=True
            )
            printed = subprocess.run(
                [str(program), *map(str, numbers)], check=True, capture_output=True, text=True
            ).stdout
            floors[dtype] = _read(printed)
    return floors


def _read(printed: str) -> Floor:
    """Return the figures that floor.c prints in nanoseconds."""
    lines = [line.split() for line in printed.splitlines()]
    one = {name: 1e-9 * float(value) for name, *of, value in lines if not of}
    adam = {int(of[0]): 1e-9 * float(value) for _, *of, value in lines if of}
    return Floor(one["fma"], one["exp"], one["chain"], adam)
