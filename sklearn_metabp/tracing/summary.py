"""The summary of a step: statistics of its tensors and layers."""

from itertools import pairwise

import numpy as np

from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp._kernels.summaries import StepStatistics
from sklearn_metabp._kernels.summaries.summaries_fallback import MOST_VALUES, LayerArrays
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.tracing.summary_record import VECTORS, summary_record

# The share of the time of the training that summaries may take.
_SHARE = 0.01
# How many steps of a planned training are summarised, at least.
_FEWEST = 4
# Where a derivative is smaller than this share of the largest, a function is flat.
FLAT = 0.01


class Summarizer:
    """It computes the summaries of the steps of a training.

    A kernel is made for the arrays of a training when the first step is summarised. So a summary is
    one call, which makes no arrays.
    """

    def __init__(self) -> None:
        # The step that the kernel is made for, the kernel, and its numbers as a record.
        self._bound: tuple[Step, StepStatistics, np.ndarray] | None = None

    def summarise(self, step: Step) -> np.ndarray:
        """Return the record of a step, a structured ndarray of shape ().

        It has float64 numbers. The next call fills it again.
        """
        if self._bound is None or self._bound[0] is not step:  # each training has its own step
            statistics = _statistics_of(step)
            record = summary_record(step.layout, statistics.numbers.dtype)
            self._bound = step, statistics, statistics.numbers.view(record).reshape(())
        _, statistics, numbers = self._bound
        statistics.take(step.n_patterns)
        return numbers

    def forget_step(self) -> None:
        """Drop the references to the last step, which holds the data."""
        self._bound = None


def _statistics_of(step: Step) -> StepStatistics:
    """Return the kernel for the arrays of a training."""
    bounds = [0, *(tensor.slice.stop for tensor in step.layout.tensors)]
    vectors = [getattr(step, name) for name in VECTORS]
    return StepStatistics(vectors, bounds, _layers_of(step))


def _layers_of(step: Step) -> list[LayerArrays]:
    """Return the arrays of every layer after the input, and where its function is flat."""
    backprop, network = step.backprop, step.network
    functions = [ACTIVATIONS[name] for name in (*network.activations, network.out_activation)]
    layers = []
    for number, function in enumerate(functions):
        slopes = backprop.slopes[number] if number < len(network.activations) else None
        low, high = function.steep_outputs
        if slopes is not None:  # with dropout also of functions whose outputs would be enough
            low, high = -FLAT * function.steepest, FLAT * function.steepest
        arrays = backprop.layer_outputs[number], backprop.deltas[number]
        layers.append(LayerArrays(*arrays, slopes, low, high))
    return layers


def steps_between_summaries(layout: ParameterLayout, n_patterns: int, n_planned: int) -> int:
    """Return one in how many steps is summarised, so that summaries take a small share of the time.

    Of a short training it is one in a quarter of the planned steps, though this may take longer.

    The times are those of one core of a processor of 2022, in nanoseconds. Only their ratio counts,
    and it must not be measured: the recorded steps of a training would depend on the machine.
    """
    sizes = [tensor.slice.stop - tensor.slice.start for tensor in layout.tensors]
    n_weights = sum(a * b for a, b in pairwise(layout.layer_sizes))
    n_values = 3 * layout.n_params + 2 * n_patterns * sum(layout.layer_sizes[1:])
    n_sampled = 3 * sum(min(size, MOST_VALUES) for size in sizes)
    summary = 210_000 + 0.5 * n_values + 6 * n_sampled
    step = (0.045 * 3 * n_weights * n_patterns + 2 * layout.n_params) * layout.dtype.itemsize / 8
    every = int(np.ceil(summary / (_SHARE * (step + 2_000))))
    return max(1, min(every, n_planned // _FEWEST))
