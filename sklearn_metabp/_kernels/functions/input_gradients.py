"""The table of norms of the gradient of a loss by the inputs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class InputGradientNorm:
    """One norm of the gradient g of a pattern's loss by the inputs, as a penalty adds it up.

    Attributes
    ----------
    name : str
    code : int
        Number of the norm in ``layer_loops.h``.
    description : str
        The penalty of a pattern in words, as the docstrings of the estimators give it.
    value : callable
        Penalty of every pattern, (n,), from its gradient, (n, n_inputs).
    slope : callable
        Derivative of the penalty by g.
    """

    name: str
    code: int
    description: str
    value: Function
    slope: Function


_TABLE = (
    InputGradientNorm(
        "l2",
        code=0,
        description="half the sum of the squares",
        value=lambda g: 0.5 * (g.astype(float) ** 2).sum(axis=1),
        slope=lambda g: g,
    ),
    InputGradientNorm(
        "l1",
        code=1,
        description="the sum of the absolute values",
        value=lambda g: np.abs(g).astype(float).sum(axis=1),
        slope=np.sign,
    ),
)
INPUT_GRADIENT_NORMS: dict[str, InputGradientNorm] = {norm.name: norm for norm in _TABLE}


def check_input_gradient(penalty: float, norm: str) -> None:
    """Raise ValueError unless the penalty is a finite number of 0 or more and the norm is known."""
    if not 0 <= penalty < np.inf:
        raise ValueError(
            f"input_gradient_penalty must be a finite number of 0 or more, got {penalty!r}."
        )
    if norm not in INPUT_GRADIENT_NORMS:
        raise ValueError(f"input_gradient_norm {norm!r}: there are {list(INPUT_GRADIENT_NORMS)}.")
