"""Print the polynomials of ``input_layer_loops.h`` for the sine of a part of a turn.

They interpolate sin(2 pi v) / v - 2 pi for |v| <= 1/4, divided by q = v^2, at the Chebyshev points
of q, in 60 decimal digits. 2 pi v itself is added last, so that what is rounded at the end is
small. Run ``python docs/design/sine_polynomials.py``.
"""

from decimal import Decimal, getcontext
from pathlib import Path
from runpy import run_path

exp_polynomials = run_path(str(Path(__file__).with_name("exp_polynomials.py")))
fit, horner = exp_polynomials["fit"], exp_polynomials["horner"]

getcontext().prec = 60
TURN = 2 * Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
WIDEST = Decimal(1) / 16  # of q
PRECISIONS = {"float64": ("", 18, 7), "float32": ("f", 10, 3)}


def sine_part(q: Decimal) -> Decimal:
    """(sin(2 pi v) / v - 2 pi) / q by Taylor's series."""
    total, term = Decimal(0), -(TURN**3) / 6
    for k in range(2, 40):
        total += term
        term *= -(TURN**2) * q / (2 * k * (2 * k + 1))
    return total


def main() -> None:
    """Print the definitions in C, and the largest error of the sine."""
    for name, (suffix, digits, degree) in PRECISIONS.items():
        coefficients, error = fit(sine_part, Decimal(0), WIDEST, degree)
        numbers = [f"{c:.{digits - 1}e}{suffix}" for c in coefficients]
        print(f"#define TURN_SINE_{name}(q) {horner(numbers, 'q')}")
        print(f"error at most {error * WIDEST ** Decimal('1.5'):.2g}")


if __name__ == "__main__":
    main()
