"""Print the polynomials of ``elementary_template.h`` for the tail of the normal distribution.

With Q(a) the normal probability above a >= 0, the compiled gelu takes Q(a) = exp(-a^2 / 2) p(t) /
(a + c), t = (a - c) / (a + c), and p is a polynomial: here the interpolation of exp(a^2 / 2) Q(a)
(a + c) at the Chebyshev points of the interval that t runs through, in 60 decimal digits. With the
factor a + c, p has a limit other than 0 far out, and its terms are at most 4 times their sum (30
times without). Run ``python docs/design/gelu_polynomials.py``.
"""

from decimal import Decimal, getcontext
from math import cos, pi

getcontext().prec = 60
CENTRE = Decimal(5)
CASES = {"float64": (Decimal("37.5"), 21, ""), "float32": (Decimal(13), 9, "f")}
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")


def scaled_tail(a: Decimal) -> Decimal:
    """exp(a^2 / 2) Q(a): by its series below 6, by Laplace's continued fraction above."""
    density = 1 / (2 * PI).sqrt()
    if a < 6:
        term = total = a
        k = 1
        while abs(term) > Decimal(10) ** -70:
            term *= a * a / (2 * k + 1)
            total += term
            k += 1
        return (a * a / 2).exp() / 2 - density * total
    value = a
    for k in range(500, 0, -1):
        value = a + k / value
    return density / value


def interpolate(points: list[Decimal], values: list[Decimal]) -> list[Decimal]:
    """Return the coefficients, by rising power, of Newton's polynomial through the points."""
    divided = list(values)
    for order in range(1, len(points)):
        for i in range(len(points) - 1, order - 1, -1):
            divided[i] = (divided[i] - divided[i - 1]) / (points[i] - points[i - order])
    coefficients = [divided[-1]]
    for i in range(len(points) - 2, -1, -1):  # p(t) (t - t_i) + d_i
        shifted = [Decimal(0), *coefficients]
        for power, coefficient in enumerate(coefficients):
            shifted[power] -= points[i] * coefficient
        shifted[0] += divided[i]
        coefficients = shifted
    return coefficients


def fit(largest: Decimal, degree: int) -> tuple[list[Decimal], Decimal]:
    """The polynomial, and its largest relative error among 2000 points."""
    low, high = Decimal(-1), (largest - CENTRE) / (largest + CENTRE)
    nodes = [Decimal(cos(pi * (k + 0.5) / (degree + 1))) for k in range(degree + 1)]
    points = [(low + high) / 2 + (high - low) / 2 * node for node in nodes]

    def at(t):
        a = CENTRE * (1 + t) / (1 - t)
        return scaled_tail(a) * (a + CENTRE)

    coefficients = interpolate(points, [at(t) for t in points])
    worst = Decimal(0)
    for k in range(2001):
        t = low + (high - low) * k / 2000
        value = Decimal(0)
        for coefficient in reversed(coefficients):
            value = value * t + coefficient
        worst = max(worst, abs(value / at(t) - 1))
    return coefficients, worst


if __name__ == "__main__":
    for name, (largest, degree, suffix) in CASES.items():
        coefficients, worst = fit(largest, degree)
        print(f"/* {name}: a up to {largest}, degree {degree}, relative error {worst:.1e} */")
        digits = [
            f"{coefficient:.{9 if suffix else 17}e}{suffix}"
            for coefficient in reversed(coefficients)
        ]
        lines = [f"    {'+ ' * (i > 0)}{c}) * t \\" for i, c in enumerate(digits[:-1])]
        print(f"#define NORMAL_TAIL(t) ({'(' * degree} \\")
        print("\n".join(lines), f"    + {digits[-1]})", sep="\n")
