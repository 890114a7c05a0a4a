"""A column that seems to be measured in another unit than before.

Promises a suspicion only where both the mean and the spread have changed by the same well-known
factor; it explains a change that a test has found, and is never one by itself.
"""

import math
from typing import Final

from mainstay.summaries.moments import Moments

_LOOSE: Final = 0.1
_TIGHT: Final = 0.03
"""How far the mean may be from a factor that is no power of ten: there are many of those."""
_FACTORS: Final[tuple[tuple[float, str, str], ...]] = (
    (2.54, "inches", "centimetres"),
    (0.3048, "feet", "metres"),
    (1.609344, "miles", "kilometres"),
    (0.45359237, "pounds", "kilograms"),
    (3.6, "metres per second", "kilometres per hour"),
    (60.0, "minutes", "seconds"),
    (3600.0, "hours", "seconds"),
    (24.0, "days", "hours"),
    (86400.0, "days", "seconds"),
    (4.184, "calories", "joules"),
    (28.349523, "ounces", "grams"),
)
_WARMEST: Final = 1000.0
"""In degrees Celsius, of anything that anybody predicts from."""
_POWERS: Final = (1, 2, 3, 4, 6, 9)


def unit_change(before: Moments, after: Moments) -> str:
    """What the unit may have become, in words; empty where nothing fits."""
    if before.count < 2 or after.count < 2 or not before.deviation > 0.0:
        return ""
    spread = after.deviation / before.deviation
    if not (math.isfinite(spread) and spread > 0.0):
        return ""
    warm = 1.8 * before.mean + 32.0
    cold = (before.mean - 32.0) / 1.8
    if (
        _near(spread, 1.8, _TIGHT)
        and abs(after.mean - warm) < 0.1 * after.deviation
        and _temperatures(before)
    ):
        return "as if degrees Celsius had become degrees Fahrenheit"
    if (
        _near(spread, 1.0 / 1.8, _TIGHT)
        and abs(after.mean - cold) < 0.1 * after.deviation
        and _temperatures(after)
    ):
        return "as if degrees Fahrenheit had become degrees Celsius"
    if _near(spread, 1.0) and abs(before.mean) > before.deviation:
        return "as if the sign had been turned" if _near(-after.mean / before.mean, 1.0) else ""
    # Around zero the mean says nothing about the unit, and the spread alone must do.
    centred = abs(before.mean) < 0.1 * before.deviation
    ratio = spread if centred else after.mean / before.mean
    if ratio <= 0.0:
        return ""
    for factor, words, tolerance in _candidates():
        if _near(spread, factor) and _near(ratio, factor, tolerance):
            return words
    return ""


def _temperatures(celsius: Moments) -> bool:
    """Large numbers that spread further are no temperatures."""
    return abs(celsius.mean) + celsius.deviation < _WARMEST


def _candidates() -> list[tuple[float, str, float]]:
    found: list[tuple[float, str, float]] = []
    for power in _POWERS:
        ten = 10**power
        found.append((float(ten), f"as if multiplied by {ten:,}", _LOOSE))
        found.append((1.0 / ten, f"as if divided by {ten:,}", _LOOSE))
    for factor, one, other in _FACTORS:
        found.append((factor, f"as if {one} had become {other}", _TIGHT))
        found.append((1.0 / factor, f"as if {other} had become {one}", _TIGHT))
    return found


def _near(value: float, factor: float, tolerance: float = _LOOSE) -> bool:
    return abs(value / factor - 1.0) < tolerance
