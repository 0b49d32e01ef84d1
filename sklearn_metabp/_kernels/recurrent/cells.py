"""The table of recurrent cells."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A layer whose outputs, its states, come back to it at the next time step.

    Attributes
    ----------
    name : str
    code : int
        Number in the compiled kernel.
    n_gates : int
        Number of columns of both weight matrices for every neuron.
    n_net_inputs : int
        Number of net inputs of every neuron: ``n_gates`` where the products of inputs and of
        states are added up, and twice as many where each has net inputs of its own.
    has_state_bias : bool
        True if the product of the states has biases of its own.
    has_activation : bool
        True if the activation function of the neurons can be chosen.
    default_activation : str
        Activation function of the states where none is chosen.
    """

    name: str
    code: int
    n_gates: int
    n_net_inputs: int
    has_state_bias: bool
    has_activation: bool
    default_activation: str = "tanh"

    @property
    def state_target(self) -> int:
        """Place of the net inputs from the states, in net inputs of a neuron."""
        return self.n_net_inputs - self.n_gates


_TABLE = (
    Cell("elman", 0, n_gates=1, n_net_inputs=1, has_state_bias=False, has_activation=True),
    Cell("gru", 1, n_gates=3, n_net_inputs=6, has_state_bias=True, has_activation=False),
)
CELLS: dict[str, Cell] = {cell.name: cell for cell in _TABLE}
