"""Limited-memory BFGS."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.utils._param_validation import Interval

from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.update_rules.line_search import LineSearchRule, Objective, limit_message


class LBFGS(LineSearchRule):
    r"""Limited-memory BFGS: steps by an approximation of the inverse Hessian.

    A line search finds the length of each step along :math:`d_k = -H_k g_k`. With
    :math:`s_k = w_{k+1} - w_k`, :math:`y_k = g_{k+1} - g_k` and :math:`\rho_k = 1 / y_k^\top s_k`,

    .. math::
        H_{k+1} = (I - \rho_k s_k y_k^\top) H_k (I - \rho_k y_k s_k^\top) + \rho_k s_k s_k^\top

    Only the last ``memory`` pairs (s, y) are kept. The search is that of SciPy with the settings of
    scikit-learn's MLP, so fits are those of ``MLPClassifier(solver="lbfgs")``.

    Parameters
    ----------
    max_fun : int, default=15000
        The largest number of evaluations of loss and gradient in one call of ``fit``.
    memory : int, default=10
        The number of pairs that are kept.

    See Also
    --------
    ConjugateGradient : Line search along conjugate directions.
    LineSearchRule : Base of rules that search along lines, on all rows.
    Adam : Steps by the mean gradient over its root mean square.

    Notes
    -----
    SciPy computes in float64. Float32 parameters are converted, and the loss at each point is that
    of the parameters rounded to float32. SciPy does not return its pairs. So a continued training
    starts at the last parameters without pairs, as in scikit-learn.

    References
    ----------
    D. Liu and J. Nocedal, "On the limited memory BFGS method for large scale optimization" (1989),
    in the code of R. Byrd, P. Lu, J. Nocedal and C. Zhu, "A limited memory algorithm for bound
    constrained optimization" (1995).

    Examples
    --------
    >>> from sklearn_metabp import LBFGS
    >>> LBFGS(memory=20)
    LBFGS(memory=20)
    """

    _parameter_constraints: dict = {
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "memory": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, max_fun: int = 15000, memory: int = 10) -> None:
        self.max_fun = max_fun
        self.memory = memory

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start an empty state, because SciPy returns none. See :meth:`LineSearchRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return {}

    def minimize(
        self,
        objective: Objective,
        params: np.ndarray,
        state: dict[str, Any],
        *,
        max_iter: int,
        tol: float,
        on_iteration: Callable[[np.ndarray], bool],
    ) -> str | None:
        """Search with SciPy. See :meth:`LineSearchRule.minimize`."""
        point = np.empty_like(params)

        def evaluate(x: np.ndarray) -> tuple[float, np.ndarray]:
            point[...] = x
            loss, gradients = objective(point)
            return float(loss), gradients.astype(np.float64)

        def after_iteration(x: np.ndarray) -> None:
            new = x.astype(params.dtype)
            stopped = on_iteration(new)
            params[...] = new
            if stopped:
                raise StopIteration

        start = params.astype(np.float64)
        options = {"maxiter": max_iter, "maxfun": self.max_fun, "gtol": tol, "maxcor": self.memory}
        result = minimize(
            evaluate,
            start,
            method="L-BFGS-B",
            jac=True,
            callback=after_iteration,
            options=options,
        )
        if result.status == 1:  # one of the two limits
            if result.nit >= max_iter:
                return limit_message(max_iter)
            return f"it computed the loss max_fun={self.max_fun} times; raise max_fun"
        # If rounding hides that no loss along the line is lower, SciPy reports convergence.
        stands_still = np.array_equal(result.x, start) and np.abs(result.jac).max() > tol
        if result.status == 2 or stands_still:  # 2: the line search failed
            return "no lower loss was found along the direction; scale X or y, or raise tol"
        return None
