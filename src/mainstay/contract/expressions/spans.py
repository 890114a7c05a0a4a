"""Between which bounds a number lies, followed through arithmetic.

Promises that a span holds every number that the same arithmetic gives: its ends are computed as
the numbers are, in 64-bit floats whose rounding never turns an order around. What is not sure is
widened, never narrowed.
"""

import math
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np


@dataclass(frozen=True, slots=True)
class Span:
    """All numbers from `low` to `high`."""

    low: float
    high: float
    nonzero: bool = False
    """Zero is left out."""

    @property
    def has_zero(self) -> bool:
        """Whether zero can be."""
        return not self.nonzero and self.low <= 0 <= self.high

    @property
    def finite(self) -> bool:
        """Whether no number in it is infinite."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def within(self, other: "Span") -> "Span":
        """What both have in common; the other one where that is nothing, since each is true."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        if low > high:
            low, high = other.low, other.high
        return Span(low, high, self.nonzero or other.nonzero)

    def hull(self, other: "Span") -> "Span":
        """The least span that holds both."""
        nonzero = not self.has_zero and not other.has_zero
        return Span(min(self.low, other.low), max(self.high, other.high), nonzero)


FLOAT_MAX: Final = float(np.finfo(np.float64).max)
ANY: Final = Span(-math.inf, math.inf)
FINITE: Final = Span(-FLOAT_MAX, FLOAT_MAX)
_ROUNDS_TO: Final = 1e200


def _around(ends: list[float]) -> Span:
    if any(map(math.isnan, ends)):
        return ANY
    return Span(min(ends), max(ends))


def negative(span: Span) -> Span:
    """Of the negative number."""
    return Span(-span.high, -span.low, span.nonzero)


def combined(sign: str, left: Span, right: Span) -> Span:
    """Of a sum, a difference, a product or a quotient whose divisor is never zero, or of what a
    division leaves."""
    match sign:
        case "+":
            return _around([left.low + right.low, left.high + right.high])
        case "-":
            return _around([left.low - right.high, left.high - right.low])
        case "*":
            ends = product((left.low, left.high), (right.low, right.high))
            return _around([one * other for one, other in ends])
        case "/":
            if right.low <= 0 <= right.high:
                return ANY  # zero is left out, but what is next to it is not
            ends = product((left.low, left.high), (right.low, right.high))
            return _around([one / other for one, other in ends])
        case _:
            return Span(min(right.low, 0.0), max(right.high, 0.0))


def raised(base: Span, exponent: float) -> Span:
    """Of a power with a fixed exponent."""
    if base.low <= 0 <= base.high and exponent < 0:
        return ANY if base.low < 0 else Span(0.0, math.inf)
    with np.errstate(all="ignore"):
        ends = [float(np.power(np.float64(end), exponent)) for end in (base.low, base.high)]
    even = exponent % 2 == 0
    if even and base.low < 0 < base.high:
        ends.append(0.0 if exponent else 1.0)
    return _around(ends)


def of_function(name: str, spans: list[Span]) -> Span:
    """Of what a function of numbers gives."""
    first = spans[0]
    match name:
        case "abs":
            if first.low >= 0:
                return first
            low = 0.0 if first.high >= 0 else -first.high
            return Span(low, max(-first.low, first.high), first.nonzero)
        case "min":
            return Span(min(s.low for s in spans), min(s.high for s in spans), _none_zero(spans))
        case "max":
            return Span(max(s.low for s in spans), max(s.high for s in spans), _none_zero(spans))
        case "sqrt":
            return Span(math.sqrt(max(first.low, 0.0)), math.sqrt(max(first.high, 0.0)))
        case "exp":
            return Span(0.0, math.inf) if first.high > 700 else _exp(first)
        case "log":
            return ANY
        case "len":
            return Span(0.0, FLOAT_MAX)
        case _:  # round, which moves a number by one at most, but may overflow on its way
            if first.low < -_ROUNDS_TO or first.high > _ROUNDS_TO:
                return ANY
            return Span(first.low - 1, first.high + 1)


def _exp(span: Span) -> Span:
    # An end is moved past what two ways of rounding may differ by.
    return Span(math.exp(span.low) * (1 - 1e-12), math.exp(span.high) * (1 + 1e-12))


def _none_zero(spans: list[Span]) -> bool:
    return not any(span.has_zero for span in spans)
