"""A rule's operations bound to a training, for epochs that run in C."""

from typing import Any

import numpy as np

from sklearn_metabp._kernels.rules import Program
from sklearn_metabp.network import Step
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.update_rule import UpdateRule


class BoundProgram:
    """The operations of a rule over the arrays of one training.

    Parameters
    ----------
    operations : list of Operation
    params : ndarray of shape (n_params,)
        The parameters that steps change.
    step : Step
    state : object
        The state of the rule.

    Attributes
    ----------
    kernel : CompiledRule
        The rule for ``Backprop.run_steps``.
    """

    def __init__(
        self, operations: list[Operation], params: np.ndarray, step: Step, state: Any
    ) -> None:
        gradients = step.backprop.gradients_
        assert gradients is not None  # of a training's kernel
        self.kernel = Program(operations, params, gradients, step.updates)
        self._operations, self._step, self._state = operations, step, state
        self._is_steady = all(operation.steady for operation in operations)
        self._before: Any = None

    def begin(self, n_steps: int, epoch: int) -> None:
        """Compute the numbers of the next steps, from a step of one epoch on."""
        if self._is_steady:
            self.kernel.load([[operation.numbers(0)] for operation in self._operations])
            return
        self._before = _numbers_of(self._state)
        rows = self._count(n_steps)
        self.kernel.load([[row[k] for row in rows] for k in range(len(self._operations))])

    def end(self, n_steps: int, n_done: int) -> None:
        """Count the steps that were taken in the state."""
        if self._is_steady:
            for operation in self._operations:
                operation.numbers(n_done)
        elif n_done < n_steps:
            _restore(self._state, self._before)
            self._step.index -= n_steps
            self._count(n_done)

    def _count(self, n_steps: int) -> list[list[tuple[float, ...]]]:
        """Return the numbers of the next steps, one tuple for each operation."""
        rows = []
        for _ in range(n_steps):
            self._step.index += 1
            rows.append([operation.numbers(1) for operation in self._operations])
        return rows


def bind_program(rule: UpdateRule, params: np.ndarray, step: Step, state: Any) -> Any:
    """Return the operations or the kernel of a rule, bound to a training, or None."""
    if rule.acts_backward:
        return None
    if rule._goes_with_update("bind_quiet"):
        quiet = rule.bind_quiet(params, step, state)
        if quiet is not None:
            return quiet
    operations = rule.valid_operations(step, state)
    return None if operations is None else BoundProgram(operations, params, step, state)


def _numbers_of(state: Any) -> Any:
    """Return the values of a nested dict that are no arrays."""
    return {
        key: _numbers_of(value) if isinstance(value, dict) else value
        for key, value in state.items()
        if not isinstance(value, np.ndarray)
    }


def _restore(state: dict[str, Any], before: dict[str, Any]) -> None:
    for key, value in before.items():
        if isinstance(value, dict):
            _restore(state[key], value)
        else:
            state[key] = value
