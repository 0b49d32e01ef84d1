"""Print the polynomials of ``elementary_template.h`` for exp and for the logarithm.

They interpolate (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2, and (atanh(s) / s - 1) / s^2 by q = s^2
for |s| <= 1/3, at the Chebyshev points, in 60 decimal digits. To reach the same error, Taylor's
series needs one or two terms more for exp, and three or five for atanh. Even and odd powers are
summed apart, so that a processor has two chains of operations to work at. Run
``python docs/design/exp_polynomials.py``.
"""

from collections.abc import Callable
from decimal import Decimal, getcontext
from math import cos, pi
from pathlib import Path
from runpy import run_path

interpolate = run_path(str(Path(__file__).with_name("gelu_polynomials.py")))["interpolate"]

getcontext().prec = 60
HALF_LN2 = Decimal(2).ln() / 2 * Decimal("1.0005")  # rounding to the next k goes a little beyond
PRECISIONS = {"float64": ("", 18, 9, 10), "float32": ("f", 10, 4, 4)}


def exp_part(r: Decimal) -> Decimal:
    """(e^r - 1 - r) / r^2 by its series."""
    return _series(r, lambda k: _factorial(k + 2))


def atanh_part(q: Decimal) -> Decimal:
    """(atanh(s) / s - 1) / s^2 by its series, q = s^2."""
    return _series(q, lambda k: Decimal(2 * k + 3))


def _series(x: Decimal, divisor: Callable[[int], Decimal]) -> Decimal:
    return sum((x**k / divisor(k) for k in range(1, 70)), 1 / divisor(0))


def _factorial(n: int) -> Decimal:
    return Decimal(1) if n < 2 else n * _factorial(n - 1)


def fit(f: Callable[[Decimal], Decimal], low: Decimal, high: Decimal, degree: int):
    """The coefficients by rising power, and the largest error among 500 points."""
    nodes = [Decimal(cos(pi * (k + 0.5) / (degree + 1))) for k in range(degree + 1)]
    points = [(low + high) / 2 + (high - low) / 2 * node for node in nodes]
    coefficients = interpolate(points, [f(x) for x in points])
    grid = [low + (high - low) * k / 500 for k in range(501)]
    return coefficients, max(abs(evaluate(coefficients, x) - f(x)) for x in grid)


def evaluate(coefficients: list[Decimal], x: Decimal) -> Decimal:
    """The value of a polynomial, coefficients by rising power."""
    value = Decimal(0)
    for coefficient in reversed(coefficients):
        value = value * x + coefficient
    return value


def horner(coefficients: list[str], x: str) -> str:
    """A polynomial in C, coefficients by rising power."""
    text = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        text = f"({text}) * {x} + {coefficient}"
    return text


if __name__ == "__main__":
    for precision, (suffix, digits, exp_degree, atanh_degree) in PRECISIONS.items():
        for name, f, low, high, degree in (
            ("EXP", exp_part, -HALF_LN2, HALF_LN2, exp_degree),
            ("ATANH", atanh_part, Decimal(0), Decimal(1) / 9, atanh_degree),
        ):
            coefficients, worst = fit(f, low, high, degree)
            print(f"/* {precision}, {name}: degree {degree}, error {worst:.1e} */")
            texts = [f"{coefficient:.{digits - 1}e}{suffix}" for coefficient in coefficients]
            print("    even:", horner(texts[::2], "qq" if name == "ATANH" else "q"))
            print("    odd:", horner(texts[1::2], "qq" if name == "ATANH" else "q"))
