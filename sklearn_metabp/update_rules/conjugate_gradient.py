"""Conjugate gradients, and steepest descent by line searches."""

import warnings
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.optimize import line_search
from sklearn.utils._param_validation import Interval, Options, StrOptions

from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.update_rules.line_search import LineSearchRule, Objective, limit_message

# The share of the decrease that the slope predicts which a step must reach (Armijo's c_1).
_SUFFICIENT_SHARE = 1e-4

# The factor beta, from the old and the new gradient and the old direction.
VARIANTS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    "fletcher_reeves": lambda old, new, direction: new @ new / (old @ old),
    "polak_ribiere": lambda old, new, direction: max(0.0, new @ (new - old) / (old @ old)),
    "hestenes_stiefel": lambda old, new, direction: max(
        0.0, new @ (new - old) / (direction @ (new - old))
    ),
    "dai_yuan": lambda old, new, direction: new @ new / (direction @ (new - old)),
}


class ConjugateGradient(LineSearchRule):
    r"""Conjugate gradients: a step keeps the progress along the earlier directions.

    .. math::
        d_0 = -g_0, \qquad w_{k+1} = w_k + \alpha_k d_k, \qquad d_{k+1} = -g_{k+1} + \beta_k d_k

    A line search finds :math:`\alpha_k`. With :math:`y_k = g_{k+1} - g_k`:

    .. math::
        \beta_k^{FR} = \frac{g_{k+1}^\top g_{k+1}}{g_k^\top g_k}, \quad
        \beta_k^{PR} = \max\left(0, \frac{g_{k+1}^\top y_k}{g_k^\top g_k}\right), \quad
        \beta_k^{HS} = \max\left(0, \frac{g_{k+1}^\top y_k}{d_k^\top y_k}\right), \quad
        \beta_k^{DY} = \frac{g_{k+1}^\top g_{k+1}}{d_k^\top y_k}

    On a quadratic function with exact line searches, the four variants are equal, and the number of
    steps is that of the parameters. Steepest descent replaces a direction that does not descend, or
    along which the line search finds no lower loss. If steepest descent finds no lower loss either,
    for example at a kink of relu, the step along the negative gradient is halved, from length one,
    until the loss is low enough (Armijo). The search ends with a warning only if no such step
    exists.

    Parameters
    ----------
    variant : str, default="polak_ribiere"
        The formula of :math:`\beta`: ``"fletcher_reeves"``, ``"polak_ribiere"``,
        ``"hestenes_stiefel"`` or ``"dai_yuan"``.
    n_steepest : int, default=0
        Number of iterations of steepest descent, :math:`\beta = 0`, before conjugate gradients
        begin. With ``np.inf`` they never begin.
    curvature : float, default=0.1
        Share between 0 and 1. A line search ends if the slope is this share of the slope at its
        start and the loss is low enough. A smaller value makes the search more exact and slower.

    See Also
    --------
    LBFGS : Line search along quasi-Newton directions, for small data sets.
    LineSearchRule : Base of rules that search along lines, on all rows.
    Adam : Steps by the mean gradient over its root mean square.

    Notes
    -----
    Line searches are those of ``scipy.optimize.line_search``, for the strong Wolfe conditions. They
    compute in float64. Float32 parameters are rounded after every iteration, and the loss at a
    point is that of the rounded parameters. The state keeps the direction, so a training in two
    parts is identical to a training in one part.

    References
    ----------
    J. Nocedal and S. Wright, "Numerical Optimization" (2006), chapter 5. Y. Dai and Y. Yuan, "A
    nonlinear conjugate gradient method with a strong global convergence property" (1999). An
    abstract on the web page of "Symmetry of backpropagation and chain rule" (2002) finds this
    strategy most promising: first steepest descent, then conjugate gradients.

    Examples
    --------
    >>> from sklearn_metabp import ConjugateGradient
    >>> ConjugateGradient("dai_yuan", n_steepest=10)
    ConjugateGradient(n_steepest=10, variant='dai_yuan')
    """

    _parameter_constraints: dict = {
        "variant": [StrOptions(set(VARIANTS))],
        "n_steepest": [
            Interval(Integral, 0, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "curvature": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        variant: str = "polak_ribiere",
        n_steepest: float = 0,
        curvature: float = 0.1,
    ) -> None:
        self.variant = variant
        self.n_steepest = n_steepest
        self.curvature = curvature

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start without a direction. See :meth:`LineSearchRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return {"n_iterations": 0, "direction": None, "gradient": None, "loss": None}

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
        """Step along conjugate directions. See :meth:`LineSearchRule.minimize`."""
        evaluations = _Evaluations(objective, params.dtype)
        x = params.astype(np.float64)
        loss, gradient = evaluations.at(x)
        for _ in range(max_iter):
            if np.abs(gradient).max() <= tol:
                return None
            direction, length = self._step(evaluations, x, loss, gradient, state)
            if length is None:
                return (
                    "no lower loss was found, not even along the negative gradient; scale X or y, "
                    "or raise tol"
                )
            new = _rounded(x + length * direction, params.dtype)
            stopped = on_iteration(new)
            params[...] = new
            state.update(
                n_iterations=state["n_iterations"] + 1,
                direction=direction,
                gradient=gradient,
                loss=loss,
            )
            if stopped:
                return None
            x = params.astype(np.float64)
            loss, gradient = evaluations.at(x)
        return None if np.abs(gradient).max() <= tol else limit_message(max_iter)

    def _step(
        self,
        evaluations: "_Evaluations",
        x: np.ndarray,
        loss: float,
        gradient: np.ndarray,
        state: dict[str, Any],
    ) -> tuple[np.ndarray, float | None]:
        """Return a direction and the length of the step, or None if steepest descent fails too."""
        direction = self._direction(gradient, state)
        if direction is not None:
            length = self._search(evaluations, x, loss, gradient, direction, state["loss"])
            if length is not None:
                return direction, length
        length = self._search(evaluations, x, loss, gradient, -gradient, None)
        if length is None:
            length = self._backtrack(evaluations, x, loss, gradient)
        return -gradient, length

    def _direction(self, gradient: np.ndarray, state: dict[str, Any]) -> np.ndarray | None:
        """Return the conjugate direction, or None if the step must be one of steepest descent."""
        if not state["n_iterations"] or state["n_iterations"] < self.n_steepest:
            return None
        with np.errstate(all="ignore"):
            beta = VARIANTS[self.variant](state["gradient"], gradient, state["direction"])
            direction = -gradient + beta * state["direction"]
            descends = np.isfinite(direction).all() and direction @ gradient < 0
        return direction if descends else None

    def _search(
        self,
        evaluations: "_Evaluations",
        x: np.ndarray,
        loss: float,
        gradient: np.ndarray,
        direction: np.ndarray,
        loss_before: float | None,
    ) -> float | None:
        """Return the length of the step along a direction, or None if no lower loss was found."""
        if loss_before is None:  # makes SciPy try a step of length one first
            loss_before = loss + float(np.linalg.norm(gradient)) / 2
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)  # LineSearchWarning: the length is None
            length, _, _, found, *_ = line_search(
                evaluations.loss,
                evaluations.gradient,
                x,
                direction,
                gradient,
                loss,
                loss_before,
                c1=min(_SUFFICIENT_SHARE, self.curvature / 2),
                c2=self.curvature,
            )
        return length if length is not None and found < loss else None

    def _backtrack(
        self, evaluations: "_Evaluations", x: np.ndarray, loss: float, gradient: np.ndarray
    ) -> float | None:
        """Return the length of a step down the gradient to a loss that is low enough, or None.

        At a kink of the loss the slope jumps, and perhaps no length satisfies the strong Wolfe
        conditions. This search needs only Armijo's condition.
        """
        slope = gradient @ gradient
        length = 1 / np.sqrt(slope)
        here = _rounded(x, evaluations.dtype)
        while np.isfinite(length) and not np.array_equal(
            _rounded(x - length * gradient, evaluations.dtype), here
        ):
            found = evaluations.loss(x - length * gradient)
            if found < loss and found <= loss - _SUFFICIENT_SHARE * length * slope:
                return length
            length /= 2
        return None


class _Evaluations:
    """The objective as two functions, loss and gradient, that compute each point once."""

    def __init__(self, objective: Objective, dtype: np.dtype) -> None:
        self._objective, self.dtype = objective, dtype
        self._x, self._known = np.empty(0), (np.inf, np.empty(0))  # the last point

    def at(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        if not np.array_equal(x, self._x):
            loss, gradients = self._objective(_rounded(x, self.dtype))
            loss = float(loss) if np.isfinite(loss) else np.inf
            self._x, self._known = x.copy(), (loss, gradients.astype(np.float64))
        return self._known

    def loss(self, x: np.ndarray) -> float:
        return self.at(x)[0]

    def gradient(self, x: np.ndarray) -> np.ndarray:
        return self.at(x)[1]


@np.errstate(over="ignore")
def _rounded(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return x.astype(dtype)
