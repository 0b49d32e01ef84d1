"""A training that can be gone through again."""

import copy
from collections.abc import Callable
from dataclasses import replace

from sklearn_metabp._kernels.threads import one_blas_thread
from sklearn_metabp.network import Step
from sklearn_metabp.training.batches import Batches
from sklearn_metabp.training.epochs import Epochs
from sklearn_metabp.training.state import TrainingState


class Replay:
    """All that a training is computed from, copied before it began: to go through its steps again.

    The bits are those of the training as long as the rule is a function of the step and its state.
    """

    def __init__(
        self,
        network,
        batches: Batches,
        rule,
        state: TrainingState,
        max_epochs: int,
        planned_epochs: int | None,
    ):
        self._network, self._max_epochs, self._planned_epochs = network, max_epochs, planned_epochs
        self._batches, self._rule, self._state = copy.deepcopy((batches, rule, state))

    def walk(self, visit: Callable[[Step], bool]) -> None:
        """Go through the steps, from the first, for as long as ``visit`` returns True."""
        rule, state, order = copy.deepcopy((self._rule, self._state, self._batches.order))
        batches = replace(self._batches, order=order)
        with one_blas_thread():
            epochs = Epochs(
                self._network,
                batches,
                rule,
                state,
                self._max_epochs,
                self._planned_epochs,
                _Visitor(visit),
            )
            try:
                for _ in range(self._max_epochs):
                    epochs.run_one()
            except _EnoughError:
                pass


class _EnoughError(Exception):
    """The visitor has seen what it came for."""


class _Visitor:
    """A listener that stops the training when it has seen enough."""

    wants_start, wants_steps = False, True

    def __init__(self, visit):
        self._visit = visit

    def step_ends(self, step):
        if not self._visit(step):
            raise _EnoughError
