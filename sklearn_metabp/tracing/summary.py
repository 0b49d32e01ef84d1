"""The summary of a step: statistics of its tensors and layers."""

import numpy as np

from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp._kernels.summaries import StepStatistics
from sklearn_metabp._kernels.summaries.summaries_fallback import (
    MOST_VALUES,
    LayerArrays,
    make_tables,
    spread,
)
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
        self._bound: tuple[Step, StepStatistics | RecurrentStatistics, np.ndarray] | None = None

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


class RecurrentStatistics:
    """The statistics of :class:`StepStatistics` for a recurrent network.

    Its kernel makes the arrays of the patterns when they are read, and a GRU has more deltas than
    states. So the layers are summarised in NumPy. Patterns without an output do not count. NaN
    stands for the shares of flat gates, which have several functions.

    Parameters
    ----------
    step : Step

    Attributes
    ----------
    numbers : ndarray of float64 of shape (n_numbers,)
    """

    def __init__(self, step: Step) -> None:
        self._step, self._tensors = step, _tensors_of(step, [])
        cell = step.layout.recurrence
        self._is_gated = cell is not None and not cell.has_activation
        n_layers = len(step.layout.layer_sizes) - 1
        self.numbers, _, self._outputs, self._deltas = make_tables(
            len(VECTORS), len(step.layout.tensors), n_layers
        )

    @np.errstate(all="ignore")
    def take(self, n_patterns: int) -> None:
        """Fill the numbers for a batch of so many patterns."""
        self._tensors.take(n_patterns)
        self.numbers[: len(self._tensors.numbers)] = self._tensors.numbers
        step = self._step
        names = (*step.network.activations, step.network.out_activation)
        layers = zip(step.activations[1:], step.deltas, names, strict=True)
        for number, (outputs, deltas, name) in enumerate(layers):
            there = ~np.isnan(outputs).all(axis=1)
            outputs, deltas = outputs[there].astype(float), deltas[there].astype(float)
            self._outputs[number, :4] = spread(outputs)
            self._deltas[number] = spread(deltas)
            low, high = ACTIVATIONS[name].steep_outputs
            is_flat = ~((low < outputs) & (outputs < high))
            if number == 0:
                slopes = step.derivatives_of(number)
                is_flat = np.abs(slopes) < FLAT * ACTIVATIONS[name].steepest
            shares = is_flat.mean(), is_flat.all(axis=0).mean()
            self._outputs[number, 4:] = np.nan if number == 0 and self._is_gated else shares


def _statistics_of(step: Step) -> StepStatistics | RecurrentStatistics:
    """Return the kernel for the arrays of a training."""
    if step.layout.recurrence is not None:
        return RecurrentStatistics(step)
    return _tensors_of(step, _layers_of(step))


def _tensors_of(step: Step, layers: list[LayerArrays]) -> StepStatistics:
    """Return the kernel for the tensors of a training, and some layers."""
    bounds = [0, *(tensor.slice.stop for tensor in step.layout.tensors)]
    return StepStatistics([getattr(step, name) for name in VECTORS], bounds, layers)


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

    In a short training it is one in a quarter of the planned steps, which may take longer.

    The times are those of one core of a processor of 2022, in nanoseconds. Only their ratio counts,
    and it must not be measured: the recorded steps of a training would depend on the machine.
    """
    sizes = [tensor.slice.stop - tensor.slice.start for tensor in layout.tensors]
    n_values = 3 * layout.n_params + 2 * n_patterns * sum(layout.layer_sizes[1:])
    n_sampled = 3 * sum(min(size, MOST_VALUES) for size in sizes)
    summary = 210_000 + 0.5 * n_values + 6 * n_sampled
    step = (
        (0.045 * 3 * layout.n_weights * n_patterns + 2 * layout.n_params)
        * layout.dtype.itemsize
        / 8
    )
    every = int(np.ceil(summary / (_SHARE * (step + 2_000))))
    return max(1, min(every, n_planned // _FEWEST))
