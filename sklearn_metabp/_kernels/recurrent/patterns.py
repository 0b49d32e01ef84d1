"""The values of a recurrent network at every time step of a batch, as traces record them."""

from dataclasses import dataclass

import numpy as np

from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp._kernels.recurrent.cells import Cell


@dataclass(frozen=True)
class Patterns:
    """Values of the last batch; a pattern is a time step of a sequence.

    Attributes
    ----------
    cell : Cell
    activation : str
    inputs, states_before, states : ndarray of shape (n_patterns, ...)
    gates : ndarray of shape (n_patterns, n_gates * n_states)
        The gates of a GRU. An Elman cell has none, and the array is that of the slopes where they
        do not follow from the states, or None.
    deltas_of_inputs, deltas_of_states : ndarray of shape (n_patterns, n_gates * n_states)
    outputs, targets, out_deltas : ndarray of shape (n, n_outputs)
        Rows are the patterns that have outputs.
    places : ndarray of shape (n,)
        Numbers of these patterns.
    """

    cell: Cell
    activation: str
    inputs: np.ndarray
    states_before: np.ndarray
    states: np.ndarray
    gates: np.ndarray | None
    deltas_of_inputs: np.ndarray
    deltas_of_states: np.ndarray
    outputs: np.ndarray
    targets: np.ndarray | None
    out_deltas: np.ndarray
    places: np.ndarray

    def activations(self) -> list[np.ndarray]:
        """Return inputs beside the states before, states, and outputs."""
        return [np.hstack([self.inputs, self.states_before]), *self.layer_outputs()]

    def layer_outputs(self) -> list[np.ndarray]:
        """Return states and outputs; outputs are NaN where there are none."""
        return [self.states, self._everywhere(self.outputs, np.nan)]

    def deltas(self) -> list[np.ndarray]:
        """Return deltas of the net inputs; those of outputs are 0 where there are none."""
        out_deltas = self._everywhere(self.out_deltas, 0)
        if not self.cell.state_target:
            return [self.deltas_of_inputs, out_deltas]
        return [np.hstack([self.deltas_of_inputs, self.deltas_of_states]), out_deltas]

    def all_targets(self) -> np.ndarray:
        """Return targets, NaN where there are none."""
        assert self.targets is not None
        return self._everywhere(self.targets, np.nan)

    def derivatives(self) -> np.ndarray:
        """Return derivatives of the cell's functions at the net inputs."""
        if self.cell.has_activation:
            if self.gates is not None:
                return self.gates
            return ACTIVATIONS[self.activation].derivative(self.states)
        assert self.gates is not None
        r, z, n = np.split(self.gates, 3, axis=1)
        of_gates, of_n = [r * (1 - r), z * (1 - z)], 1 - n * n
        return np.hstack([*of_gates, of_n, *of_gates, of_n * r])

    def _everywhere(self, values: np.ndarray, elsewhere: float) -> np.ndarray:
        every = np.full((len(self.states), values.shape[1]), elsewhere, values.dtype)
        every[self.places] = values
        return every
