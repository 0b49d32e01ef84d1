"""The protocol of rules that search along lines and need the loss as a function."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_metabp.update_rules.training_rule import TrainingRule

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


def limit_message(max_iter: int) -> str:
    """Return the reason of a search that ends at the largest number of iterations."""
    return f"it took max_iter={max_iter} iterations; raise max_iter or tol"


class LineSearchRule(TrainingRule):
    """A rule that minimizes the loss of all rows as a function of the parameters.

    It has ``minimize`` in place of ``compute_update`` of an :class:`UpdateRule`. It tries the loss
    at several points along a direction to find the length of a step. Every iteration counts as one
    step of the training. :doc:`/writing_your_own_rule` has an example in ten lines.

    See Also
    --------
    UpdateRule : Base of rules that compute an update at every step.
    LBFGS : Line search along quasi-Newton directions, for small data sets.
    ConjugateGradient : Line search along conjugate directions.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp import LBFGS
    >>> from sklearn_metabp.network import ParameterLayout
    >>> rule, params = LBFGS(), np.array([3.0, -1.0])
    >>> def objective(params):
    ...     return np.sum((params - 1) ** 2), 2 * (params - 1)
    >>> state = rule.init_state(ParameterLayout((1, 1)))
    >>> rule.minimize(
    ...     objective, params, state, max_iter=10, tol=1e-6,
    ...     on_iteration=lambda params: False,
    ... )
    >>> params.round(6).tolist()
    [1.0, 1.0]
    """

    takes_steps = False
    adds_updates = False  # an update of a search is the rounded difference of two points
    tests_convergence = True
    needs_fixed_loss = True
    resumable = False  # part of the state of a search is in SciPy
    full_batch = True

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
    ) -> str | None:
        """Minimize the objective, changing ``params`` and ``state`` in place.

        Parameters
        ----------
        objective : callable
            ``objective(params) -> (loss, gradients)`` over all rows. ``gradients`` may be a buffer
            that the next call fills again.
        params : ndarray of shape (n_params,)
            The start. It changes after every iteration, so it has the last parameters however the
            search ends.
        state : object
            The state from ``init_state``.
        max_iter : int
            The largest number of iterations.
        tol : float
            The search has converged if no derivative is larger than this number.
        on_iteration : callable
            ``on_iteration(new_params) -> bool``. Call it after every iteration, while ``params``
            still has the parameters before the iteration. It changes ``params``, and returns True
            to stop the search.

        Returns
        -------
        why_not : str or None
            None if the search converged or ``on_iteration`` stopped it. Otherwise a text with the
            reason why it ended, and with a remedy. The estimator gives it as the end of the warning
            "LBFGS ended before it converged: ...".
        """
