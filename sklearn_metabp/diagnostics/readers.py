"""Readers of steps, one for every kind of network: the parts of a step that looks compare.

In a multilayer perceptron a pattern is a row of X, and its gradient is a product of factors. In a
recurrent network a pattern is a time step. The time steps of a sequence depend on each other. So
the noise is computed from two batches, and rows are not evaluated again.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from sklearn_metabp.diagnostics.neurons import idle_neurons, saturation
from sklearn_metabp.diagnostics.patterns import BatchGradient, PatternGradients
from sklearn_metabp.network import Step

# Share of the largest slope below which a neuron is saturated.
SATURATED_BELOW = 0.1
# Share of a batch for the first time steps, and for the last ones.
_PART_OF_TIME = 10
# Largest number of predictions of a step that are kept.
_MAX_PREDICTIONS = 64


class Probe(ABC):
    """Loss and gradient of a step's batch at other parameters.

    Attributes
    ----------
    tells_noise : bool
        True if the noise is computed from two batches at the same parameters, not from patterns.
    """

    tells_noise: bool
    _step: Any = None

    def forget(self) -> None:
        """Remove the step, because it has references to all rows of a training."""
        self._step = None

    @abstractmethod
    def load(self, step: Any) -> None:
        """Use the batch of a step from now on."""

    @abstractmethod
    def at(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss of the batch and a buffer with its gradient."""

    @abstractmethod
    def here(self) -> tuple[float, np.ndarray]:
        """Return the loss and its gradient at the parameters of the step, without dropout."""


class ProbeOfRows(Probe):
    """A probe that evaluates the recorded rows of a batch, without weights.

    Parameters
    ----------
    step : Step or recorded step
        The first one.
    gradients : PatternGradients
        The gradients of the first step.
    """

    tells_noise = False

    def __init__(self, step: Any, gradients: PatternGradients) -> None:
        self._is_plain = (
            step.network.dropout == 0 and gradients.is_complete and not gradients.is_weighted
        )
        self._params = np.zeros_like(step.params)
        self._gradients = np.zeros_like(step.params)
        self._network, self._max_batch = step.network, 0
        self._n = 0

    def load(self, step: Any) -> None:
        """Copy the rows of a step's batch, which may be a recorded one."""
        self._step = step
        self._n = step.n_patterns
        if self._n > self._max_batch:
            self._kernel = self._network.backprop(self._params, self._gradients, self._n)
            self._max_batch = self._n
        dtype = self._params.dtype
        self._kernel.load(
            np.ascontiguousarray(step.activations[0], dtype),
            np.ascontiguousarray(step.targets, dtype),
        )

    def at(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Return loss and gradient of these rows."""
        self._params[...] = params
        return self._kernel.gradients(0, self._n), self._gradients

    def here(self) -> tuple[float, np.ndarray]:
        """Return loss and gradient of these rows at the parameters of the step."""
        if self._is_plain:  # these are then the values of the step itself
            return float(self._step.loss), self._step.gradients
        return self.at(self._step.params)


class ProbeOfTraining(Probe):
    """A probe of a running training: the step evaluates its batch, with sample weights."""

    tells_noise = True

    def load(self, step: Any) -> None:
        """Keep the step, whose batch is the current one."""
        self._step = step

    def at(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Return loss and gradient of its batch."""
        loss, gradients = self._step.loss_and_gradients_at(params)
        return float(loss), gradients

    def here(self) -> tuple[float, np.ndarray]:
        """Return loss and gradient of its batch at its own parameters."""
        if self._step.network.dropout == 0:
            return float(self._step.loss), self._step.gradients
        return self.at(self._step.params)


class Reader(ABC):
    """A reader of the steps of one training.

    Attributes
    ----------
    probe : Probe or None
        None if a batch cannot be evaluated again.
    """

    probe: Probe | None

    @abstractmethod
    def gradient(self, step: Any) -> BatchGradient:
        """Return the gradient of the batch."""

    @abstractmethod
    def variance(self, gradient: BatchGradient) -> float:
        """Return the trace of the covariance of the gradients of patterns, or NaN."""

    @abstractmethod
    def n_rows(self, step: Any) -> int:
        """Return the number of independent rows of the batch."""

    @abstractmethod
    def deltas_on_the_way_back(self, step: Any) -> Sequence[np.ndarray]:
        """Return deltas along the way of the errors, in the order of the forward pass."""

    @abstractmethod
    def idle(self, step: Any) -> list[np.ndarray]:
        """Return the hidden neurons that have no slope at any pattern, by layer."""

    @abstractmethod
    def saturation(self, step: Any) -> list[np.ndarray]:
        """Return the share of saturated patterns of the hidden neurons, by layer."""

    @abstractmethod
    def predictions(self, step: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """Return some outputs and their targets, or None if rows are evaluated at the end."""

    @abstractmethod
    def rows(self, step: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and targets, (n_rows, n_columns) each."""


class LayerReader(Reader):
    """A reader for networks whose layers follow each other.

    Parameters
    ----------
    step : Step or recorded step
        The first one.
    """

    probe: Probe

    def __init__(self, step: Any) -> None:
        gradients = PatternGradients(step)
        self._knows_noise = gradients.is_complete
        # If patterns do not add up, the loss has another term, which a running step also evaluates.
        use_rows = self._knows_noise or not _is_running(step)
        self.probe = ProbeOfRows(step, gradients) if use_rows else ProbeOfTraining()

    def gradient(self, step: Any) -> PatternGradients:
        """Return the gradients of the patterns."""
        return PatternGradients(step)

    def variance(self, gradient: BatchGradient) -> float:
        """Return the variance of the patterns, or NaN if they do not add up."""
        assert isinstance(gradient, PatternGradients)
        return float(gradient.variances().sum()) if self._knows_noise else np.nan

    def n_rows(self, step: Any) -> int:
        """Return the number of patterns."""
        return int(step.n_patterns)

    def deltas_on_the_way_back(self, step: Any) -> Sequence[np.ndarray]:
        """Return the deltas of every layer after the input."""
        return step.deltas

    def idle(self, step: Any) -> list[np.ndarray]:
        """Return the neurons of the hidden layers without a slope."""
        return idle_neurons(step)

    def saturation(self, step: Any) -> list[np.ndarray]:
        """Return the saturation of the hidden layers."""
        return saturation(step, SATURATED_BELOW)

    def predictions(self, step: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """Return None, because rows are evaluated at the end."""
        return None

    def rows(self, step: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of the batch and their targets."""
        return step.activations[0], step.targets


class RecurrentReader(Reader):
    """A reader for a recurrent layer, whose patterns are time steps in the order of time.

    Parameters
    ----------
    step : Step or recorded step
        The first one.
    """

    def __init__(self, step: Any) -> None:
        self._n_inputs = step.layout.layer_sizes[0]
        # The gates of other cells are open or closed by design.
        self._has_plain_neurons = step.layout.recurrence.has_activation
        self.probe = ProbeOfTraining() if _is_running(step) else None

    def gradient(self, step: Any) -> BatchGradient:
        """Return the gradient in two parts."""
        return BatchGradient(step, self.n_rows(step))

    def variance(self, gradient: BatchGradient) -> float:
        """Return NaN, because the probe computes the noise."""
        return np.nan

    def n_rows(self, step: Any) -> int:
        """Return the number of sequences, which all start from states of 0."""
        states_before = step.activations[0][:, self._n_inputs :]
        return int((states_before == 0).all(axis=1).sum())

    def deltas_on_the_way_back(self, step: Any) -> Sequence[np.ndarray]:
        """Return the deltas of the layer at the first and the last time steps."""
        deltas = step.deltas[0]
        n = max(1, len(deltas) // _PART_OF_TIME)
        return deltas[:n], deltas[-n:]

    def idle(self, step: Any) -> list[np.ndarray]:
        """Return the neurons of the layer without a slope, if they have no gates."""
        return idle_neurons(step) if self._has_plain_neurons else []

    def saturation(self, step: Any) -> list[np.ndarray]:
        """Return the saturation of the layer, if it has no gates."""
        return saturation(step, SATURATED_BELOW) if self._has_plain_neurons else []

    def predictions(self, step: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """Return outputs and targets of some time steps with targets."""
        places = np.flatnonzero(_has_target(step.targets))
        places = places[
            np.linspace(0, len(places) - 1, min(_MAX_PREDICTIONS, len(places))).astype(int)
        ]
        return step.activations[-1][places], step.targets[places]

    def rows(self, step: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the inputs of all time steps, and all targets."""
        targets = step.targets
        return step.activations[0][:, : self._n_inputs], targets[_has_target(targets)]


def _is_running(step: Any) -> bool:
    """Return whether a step can evaluate its batch at other parameters."""
    return isinstance(step, Step) and step.rows is not None


def _has_target(targets: np.ndarray) -> np.ndarray:
    """Return the patterns that have an output, (n_patterns,)."""
    return ~np.isnan(targets).any(axis=1)


def reader_for(step: Any) -> Reader:
    """Return a reader for the training that begins with this step."""
    return LayerReader(step) if step.layout.recurrence is None else RecurrentReader(step)
