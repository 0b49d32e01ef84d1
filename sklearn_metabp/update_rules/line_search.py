"""The protocol of rules that search along lines: they need the loss as a function."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_metabp.update_rules.base import UpdateRule

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


class LineSearchRule(UpdateRule):
    """A rule that minimises the loss of all rows as a function of the parameters.

    It has ``minimize`` in place of ``compute_update``: how far to go along a direction is found by trying.
    Every iteration counts as one step of the training.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp import LBFGS
    >>> from sklearn_metabp.network import ParameterLayout
    >>> rule, params = LBFGS(), np.array([3.0, -1.0])
    >>> def objective(params):
    ...     return np.sum((params - 1) ** 2), 2 * (params - 1)
    >>> state = rule.init_state(ParameterLayout((1, 1)))
    >>> rule.minimize(objective, params, state, max_iter=10, tol=1e-6, on_iteration=lambda params: False)
    True
    >>> params.round(6).tolist()
    [1.0, 1.0]
    """

    full_batch = True
    replayable = False

    @abstractmethod
    def minimize(
        self,
        objective: Objective,
        params: np.ndarray,
        state: Any,
        *,
        max_iter: int,
        tol: float,
        on_iteration: Callable[[np.ndarray], bool],
    ) -> bool:
        """Lower the objective, changing ``params`` and ``state`` in place.

        Parameters
        ----------
        objective : callable
            ``objective(params) -> (loss, gradients)`` over all rows; ``gradients`` may be a buffer that the
            next call fills again.
        params : ndarray of shape (n_params,)
            Where to start. Changed after every iteration, so that it holds the last one whatever ends the
            search.
        state : object
            What ``init_state`` returned.
        max_iter : int
            Iterations at most.
        tol : float
            No derivative is larger than this when the search has converged.
        on_iteration : callable
            ``on_iteration(new_params) -> bool``, called after every iteration while ``params`` still has the
            parameters before it; True stops the search.

        Returns
        -------
        finished : bool
            Whether it converged, found nowhere lower to go, or was stopped; False where ``max_iter`` or
            another limit ended it.
        """

    def compute_update(self, step, state):
        """Refuse: one step is not enough to search along a line.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(
            f"{type(self).__name__} searches along lines, for which it needs the loss of all rows as a "
            f"function: pass it as update_rule itself. It has no single steps, so no rule can wrap it and no "
            f"recorder ask it as a teacher."
        )
