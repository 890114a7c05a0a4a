"""The tails of the distributions that the tests need, without SciPy.

Promises the upper tails of the normal, chi-square, Student, Fisher and Kolmogorov distributions
with a relative error below 1e-6 wherever the tail is above 1e-290; the tests hold them to SciPy.
Plain floats only: a comparison asks for a few of them per column, and SciPy alone would make the
import of this room ten times slower than its work.
"""

import math
from typing import Final

_TINY: Final = 1e-300
_EPSILON: Final = 1e-16
_ROUNDS_MAX: Final = 100_000
_NORMAL_FROM_FREEDOM: Final = 1e7
"""Degrees of freedom from which Student's distribution is the normal one to nine digits."""


def normal_tail(z: float) -> float:
    """P(Z >= z)."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def chi_square_tail(statistic: float, freedom: float) -> float:
    """P(chi-square >= statistic)."""
    return gamma_tail(freedom / 2.0, statistic / 2.0)


def gamma_tail(shape: float, x: float) -> float:
    """The regularised upper incomplete gamma function Q(shape, x)."""
    if x <= 0.0:
        return 1.0
    if math.isinf(x):
        return 0.0
    front = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    if x < shape + 1.0:
        return max(0.0, 1.0 - front * _gamma_series(shape, x))
    return front * _gamma_fraction(shape, x)


def _gamma_series(shape: float, x: float) -> float:
    term = total = 1.0 / shape
    for step in range(1, _ROUNDS_MAX):
        term *= x / (shape + step)
        total += term
        if term < total * _EPSILON:
            break
    return total


def _gamma_fraction(shape: float, x: float) -> float:
    """Lentz's evaluation of the continued fraction."""
    b = x + 1.0 - shape
    c = 1.0 / _TINY
    d = 1.0 / b
    value = d
    for step in range(1, _ROUNDS_MAX):
        a = -step * (step - shape)
        b += 2.0
        d = 1.0 / _away_from_zero(a * d + b)
        c = _away_from_zero(b + a / c)
        value *= d * c
        if abs(d * c - 1.0) < _EPSILON * 10:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def beta_share(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _beta_fraction(x, a, b) / a
    return 1.0 - front * _beta_fraction(1.0 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    c = 1.0
    d = 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for step in range(1, _ROUNDS_MAX):
        even = step * (b - step) * x / ((a + 2 * step - 1.0) * (a + 2 * step))
        d = 1.0 / _away_from_zero(1.0 + even * d)
        c = _away_from_zero(1.0 + even / c)
        value *= d * c
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1.0))
        d = 1.0 / _away_from_zero(1.0 + odd * d)
        c = _away_from_zero(1.0 + odd / c)
        value *= d * c
        if abs(d * c - 1.0) < _EPSILON * 10:
            break
    return value


def student_both_tails(t: float, freedom: float) -> float:
    """P(|T| >= |t|)."""
    if math.isinf(t):
        return 0.0
    if freedom > _NORMAL_FROM_FREEDOM:
        return 2.0 * normal_tail(abs(t))
    square = t * t
    if square < 1.0:
        # Near its middle the other side is exact: a share this close to 1 has lost its digits.
        return 1.0 - beta_share(square / (freedom + square), 0.5, freedom / 2.0)
    return beta_share(freedom / (freedom + square), freedom / 2.0, 0.5)


def fisher_tail(f: float, between: float, within: float) -> float:
    """P(F >= f) with `between` and `within` degrees of freedom."""
    if f <= 0.0:
        return 1.0
    if math.isinf(f):
        return 0.0
    return beta_share(within / (within + between * f), within / 2.0, between / 2.0)


def kolmogorov_tail(x: float) -> float:
    """P(K >= x) of the limiting distribution of the largest gap between two step functions."""
    if x <= 0.0:
        return 1.0
    if x < 1.0:
        # The series of the tail converges badly here, that of its complement at once.
        square = (math.pi / x) ** 2 / 8.0
        below = sum(math.exp(-square * (2 * k - 1) ** 2) for k in range(1, 6))
        return max(0.0, 1.0 - math.sqrt(2.0 * math.pi) / x * below)
    return 2.0 * sum((-1.0) ** (k - 1) * math.exp(-2.0 * (k * x) ** 2) for k in range(1, 9))
