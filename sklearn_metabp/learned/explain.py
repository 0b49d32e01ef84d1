"""An explanation of a learned rule: its equation, and its step along every input."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sklearn_metabp.description import Report, Table, shortened

_QUANTILES = (0.01, 0.5, 0.99)


@dataclass(frozen=True)
class InputRanges:
    """Ranges of the inputs in the data that the rule was fitted on.

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
        """Compute the quantiles of the columns of a matrix."""
        return cls(*np.quantile(Z, _QUANTILES, axis=0))


@dataclass(frozen=True, repr=False)
class RuleExplanation(Report):
    """Explanation of a learned rule; made by :meth:`LearnedUpdateRule.explain`.

    ``print`` shows it as text. A notebook shows the text and a table of the inputs.

    Attributes
    ----------
    scope : str
        Scope of the rule.
    inputs : tuple of str
        Names of the inputs.
    normalizer : str
        Unit of the predictions of ``effects``: multiplied by it they are updates. ``"1"`` if the
        predictions are updates.
    formula : str or None
        The rule as an equation, if it is linear in its inputs. A line for every update, if one
        prediction has several.
    coefficients : dict of str to float
        Coefficient of every input in the formula; empty where there is none.
    typical : dict of str to float
        Median of every input in the data that was fitted.
    effects : dict of str to tuple of two ndarray
        By input: values over the range in the data, of shape (n_points,), and the predictions for
        these values, in units of the normalizer, of shape (n_points,) or (n_points, n_params).
        Every other input is at its median.
    outputs : tuple of str
        Names of the values of one prediction, if they have names; else empty.
    text : str
        The explanation in words, if the scope has one; else empty.
    """

    scope: str
    inputs: tuple[str, ...]
    normalizer: str
    formula: str | None
    coefficients: dict[str, float]
    typical: dict[str, float]
    effects: dict[str, tuple[np.ndarray, np.ndarray]]
    outputs: tuple[str, ...] = ()
    text: str = ""

    def __str__(self) -> str:
        if self.text:
            return self.text
        if self.formula is not None:
            return self.formula
        lines = [
            f"scope={self.scope!r}, predictions measured in {self.normalizer}; every other input "
            f"at its median:"
        ]
        for name, (values, predictions) in self.effects.items():
            ends = predictions.reshape(len(values), -1)[[0, -1], 0]
            lines.append(
                f"  {name:<24} {values[0]:9.4g} to {values[-1]:9.4g}: "
                f"{ends[0]:10.4g} to {ends[1]:10.4g}"
            )
        return "\n".join(lines)

    def _title(self) -> str:
        return f"Learned update rule of scope {self.scope!r}"

    def _details(self) -> Iterator[Table | str]:
        if self.text or self.formula:
            yield str(self)
        rows = []
        for name, (values, predictions) in self.effects.items():
            ends = predictions.reshape(len(values), -1)[[0, -1], 0]
            coefficient = (f"{self.coefficients.get(name, 0.0):.4g}",) if self.coefficients else ()
            span = f"{values[0]:.4g} to {values[-1]:.4g}", f"{ends[0]:.4g} to {ends[1]:.4g}"
            rows.append((name, f"{self.typical[name]:.4g}", *span, *coefficient))
        if rows:
            head = ("input", "median", "range", "prediction over the range", "coefficient")
            n_columns = len(rows[0])
            yield Table(
                head[:n_columns], shortened(rows, "input"), (False, *[True] * n_columns)[:-1]
            )
            yield (
                f"The predictions are measured in {self.normalizer}. All other inputs are at "
                "their medians."
            )


Predict = Callable[[np.ndarray], np.ndarray]


def effects(
    predict: Predict, names: Sequence[str], ranges: InputRanges, n_points: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Compute predictions along every input, the others at their medians."""
    found = {}
    for position, name in enumerate(names):
        grid = np.linspace(ranges.low[position], ranges.high[position], n_points)
        Z = np.tile(ranges.typical, (n_points, 1))
        Z[:, position] = grid
        found[name] = grid, predict(Z)
    return found


def linear_terms(
    predict: Predict, ranges: InputRanges, tolerance: float = 1e-6
) -> tuple[np.ndarray, float] | None:
    """Find coefficients and constant of a function of one output, if it is linear in the ranges."""
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


def significant_terms(
    values: np.ndarray, constant: float, ranges: InputRanges
) -> tuple[np.ndarray, float]:
    """Set to zero the terms that change the target less than a thousandth of the largest does.

    The term of an input that hardly varies is a constant: its value at the median is added to the
    constant.
    """
    moves = np.abs(values) * (ranges.high - ranges.low)
    most = moves.max(initial=0.0)
    counts = moves > 1e-3 * most
    constant += float(values[~counts] @ ranges.typical[~counts])
    return np.where(counts, values, 0.0), constant if abs(constant) > 1e-3 * most else 0.0


def equation(target: str, terms: dict[str, float], constant: float, normalizer: str = "") -> str:
    """Write an equation of the terms that are not zero.

    Parameters
    ----------
    target : str
        Left side.
    terms : dict of str to float
        Coefficient by symbol.
    constant : float
    normalizer : str, default=""
        Symbol that the constant is multiplied by.
    """
    kept = [f"{value:.4g}·{symbol}" for symbol, value in terms.items() if value]
    if constant:
        kept.append(f"{constant:.4g}·{normalizer}" if normalizer else f"{constant:.4g}")
    return f"{target} = " + (" + ".join(kept) or "0").replace("+ -", "- ")
