"""The base of rules that are elementwise operations."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_metabp.network import Step
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.update_rule import UpdateRule


class ElementwiseRule(UpdateRule):
    """Base of rules that change every parameter separately. Do not use it directly.

    A subclass writes :meth:`operations` once. In a training without callbacks for steps, whole
    epochs run in C. Otherwise the operations are called one by one.
    """

    @abstractmethod
    def operations(self, step: Step, state: Any) -> list[Operation]:
        """Return the operations that compute ``step.updates``, in their order."""

    def compute_update(self, step: Step, state: Any) -> np.ndarray:
        """Run the operations once. See :meth:`UpdateRule.compute_update`."""
        return ElementwiseRule.bind(self, step, state)()

    def bind(self, step: Step, state: Any) -> Callable[[], np.ndarray]:
        """Look up the arrays of a training once. See :meth:`UpdateRule.bind`."""
        calls = [(o.function, o.arrays, o.numbers) for o in self.operations(step, state)]
        updates = step.updates

        def compute_update() -> np.ndarray:
            for function, arrays, numbers in calls:
                function(*arrays, *numbers(1))
            return updates

        return compute_update
