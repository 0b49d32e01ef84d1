"""The outer step of a search: an update rule of this package on a vector that is no network."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_metabp.network import Network, ParameterLayout, Step
from sklearn_metabp.update_rules import Averaged, UpdateRule
from sklearn_metabp.update_rules.checks import bind_validated


class OuterStep:
    """A vector that an update rule changes, and the average of its iterates.

    The rule receives the vector as the weights and the bias of a layer of one neuron.

    Parameters
    ----------
    vector : ndarray of shape (n,)
        At least two numbers. It is changed in place.
    rule : UpdateRule
    average_decay : float
        Decay of the average, in [0, 1); see :class:`Averaged`.
    n_planned : int
        Number of steps that schedules are planned for.
    state : object, default=None
        State of an earlier search to continue; None for a new one.
    """

    def __init__(
        self,
        vector: np.ndarray,
        rule: UpdateRule,
        average_decay: float,
        n_planned: int,
        state: Any = None,
    ):
        layout = ParameterLayout((len(vector) - 1, 1))
        self.vector = vector
        self._rule = Averaged(rule, decay=average_decay)
        self.state = self._rule.init_state(layout) if state is None else state
        self._gradients, self._updates = np.zeros_like(vector), np.zeros_like(vector)
        network = Network(layout, (), "identity", "squared_error", 0.0)
        backprop = network.backprop(vector, self._gradients, 1)
        self._step = Step(
            network,
            vector,
            self._gradients,
            self._updates,
            backprop,
            n_planned,
            sets_dropout=self._rule.sets_dropout,  # of no hidden layer
        )
        self._step.stop = 1
        self._compute: Callable[[], np.ndarray] = bind_validated(self._rule, self._step, self.state)

    def take(self, number: int, gradients: np.ndarray, loss: float) -> None:
        """Change the vector by the step of a number, from 1."""
        self._step.index, self._step.epoch, self._step.loss = number, number - 1, loss
        self._gradients[...] = gradients
        self.vector += self._compute()

    @property
    def kept(self) -> np.ndarray:
        """The average of the iterates; the vector itself before the first step."""
        return self._rule.kept_params(self.vector, self.state)
