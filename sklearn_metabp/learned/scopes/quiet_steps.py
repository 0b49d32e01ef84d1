"""Steps of a learned rule in epochs that run in C."""

from typing import Any

from sklearn_metabp._kernels import network, scopes
from sklearn_metabp.network import Step


class QuietSteps:
    """The kernel of a rule for epochs without Python, and the count of its steps in the state.

    Parameters
    ----------
    kernel : LinkRule or LayerRule
        Bound to the arrays of the training.
    step : Step
        The step before the first one.
    state : dict
        The kernel advances ``n_steps`` in it.

    Attributes
    ----------
    kernel : CompiledRule
        The rule for ``Backprop.run_steps``.
    """

    def __init__(self, kernel: Any, step: Step, state: dict[str, Any]) -> None:
        self.kernel, self._step, self._state = kernel, step, state

    def begin(self, n_steps: int, epoch: int) -> None:
        """Prepare for the next steps. The first is in the given epoch."""
        self.kernel.begin_run(self._state["n_steps"], self._step.index, epoch)

    def end(self, n_steps: int, n_done: int) -> None:
        """Count the steps that were taken."""
        self._state["n_steps"] += n_done


def are_kernels_compiled() -> bool:
    """Return whether epochs and rules of scopes can run without Python."""
    return network.COMPILED and scopes.COMPILED
