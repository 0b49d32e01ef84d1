"""What a learned rule has learned, readable."""

from dataclasses import dataclass, field

import numpy as np

_QUANTILES = (0.01, 0.5, 0.99)


@dataclass(frozen=True)
class InputRanges:
    """Where the inputs lay when the rule was fitted.

    Attributes
    ----------
    low, typical, high : ndarray of shape (n_inputs,)
        Quantiles 0.01, 0.5 and 0.99 of every input.
    """

    low: np.ndarray
    typical: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, Z: np.ndarray) -> "InputRanges":
        """Quantiles of the columns of a matrix."""
        return cls(*np.quantile(Z, _QUANTILES, axis=0))


@dataclass(frozen=True)
class RuleExplanation:
    """What a learned rule does with its inputs; made by :meth:`LearnedUpdateRule.explain`.

    Attributes
    ----------
    scope : str
        What one prediction is about.
    inputs : tuple of str
        Names of the inputs.
    unit : str
        What the predictions of ``effects`` are to be multiplied by.
    formula : str or None
        The rule as an equation, where it is linear in its inputs; of ``"network"`` a line for every
        update.
    coefficients : dict of str to float
        Of every input in the formula; empty where there is none.
    typical : dict of str to float
        Median of every input when the rule was fitted.
    effects : dict of str to tuple of two ndarray
        By input: values over the range that was seen, of shape (n_points,), and the predictions
        there in the unit, of shape (n_points,) or (n_points, n_params), every other input at its
        median.
    """

    scope: str
    inputs: tuple[str, ...]
    unit: str
    formula: str | None
    coefficients: dict[str, float] = field(repr=False)
    typical: dict[str, float] = field(repr=False)
    effects: dict[str, tuple[np.ndarray, np.ndarray]] = field(repr=False)

    def __str__(self) -> str:
        if self.formula is not None:
            return self.formula
        lines = [
            f"scope={self.scope!r}, predictions in units of {self.unit}; every other input at its median:"
        ]
        for name, (values, predictions) in self.effects.items():
            ends = predictions.reshape(len(values), -1)[[0, -1], 0]
            lines.append(
                f"  {name:<24} {values[0]:9.4g} to {values[-1]:9.4g}: {ends[0]:10.4g} to {ends[1]:10.4g}"
            )
        return "\n".join(lines)


def effects(
    predict, names, ranges: InputRanges, n_points: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Predictions along every input, the others at their medians."""
    found = {}
    for position, name in enumerate(names):
        grid = np.linspace(ranges.low[position], ranges.high[position], n_points)
        Z = np.tile(ranges.typical, (n_points, 1))
        Z[:, position] = grid
        found[name] = grid, predict(Z)
    return found


def linear_terms(predict, ranges: InputRanges, tolerance=1e-6) -> tuple[np.ndarray, float] | None:
    """Coefficients and constant of a function of one output, if it is linear where it was fitted."""
    rng = np.random.default_rng(0)
    n_inputs = len(ranges.typical)
    spread = np.where(ranges.high > ranges.low, ranges.high - ranges.low, 1.0)
    Z = ranges.low + spread * rng.uniform(size=(4 * n_inputs + 20, n_inputs))
    values = predict(Z)
    columns = np.column_stack([Z, np.ones(len(Z))])
    terms, *_ = np.linalg.lstsq(columns, values, rcond=None)
    error = np.abs(columns @ terms - values).max()
    if error > tolerance * max(np.abs(values).max(), np.finfo(float).tiny):
        return None
    return terms[:-1], float(terms[-1])


def that_count(
    values: np.ndarray, constant: float, ranges: InputRanges
) -> tuple[np.ndarray, float]:
    """Coefficients and constant with zeros for those that move the target by a thousandth of the most.

    An input that hardly varies counts for what it is: its term at the median goes into the
    constant.
    """
    moves = np.abs(values) * (ranges.high - ranges.low)
    most = moves.max(initial=0.0)
    counts = moves > 1e-3 * most
    constant += float(values[~counts] @ ranges.typical[~counts])
    return np.where(counts, values, 0.0), constant if abs(constant) > 1e-3 * most else 0.0


def formula_of(target: str, terms: dict[str, float], constant: float, unit: str = "") -> str:
    """An equation of the terms that are not zero.

    Parameters
    ----------
    target : str
        Left side.
    terms : dict of str to float
        Coefficient by symbol.
    constant : float
    unit : str, default=""
        Symbol that the constant is multiplied by.
    """
    kept = [f"{value:.4g}·{symbol}" for symbol, value in terms.items() if value]
    if constant:
        kept.append(f"{constant:.4g}·{unit}" if unit else f"{constant:.4g}")
    return f"{target} = " + (" + ".join(kept) or "0").replace("+ -", "- ")
