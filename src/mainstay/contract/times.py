"""Durations and moments as people write them, read into whole numbers.

Promises exactness: no float is involved, so `0.1s` is 100 000 000 ns, and a moment keeps its
microseconds. A duration carries its unit, a moment its offset from UTC; what lacks one is refused
rather than guessed.
"""

import re
from datetime import date
from fractions import Fraction
from typing import Final

from mainstay.base.errors import InvalidUsage

_UNITS_NS: Final = {
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "second": 1_000_000_000,
    "seconds": 1_000_000_000,
    "m": 60_000_000_000,
    "minute": 60_000_000_000,
    "minutes": 60_000_000_000,
    "h": 3_600_000_000_000,
    "hour": 3_600_000_000_000,
    "hours": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "day": 86_400_000_000_000,
    "days": 86_400_000_000_000,
}
_DURATION: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?) ?([a-z]{1,7})")
_DURATION_EXPECTED: Final = "a number with a unit, such as 50ms, 10s, 2m, 1h or 7d"

_MOMENT: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
MOMENT_EXPECTED: Final = (
    "a moment in RFC 3339 with an offset, such as 2026-05-01T09:30:00Z or 2026-05-01T11:30:00+02:00"
)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_MOMENT_MAX_CHARACTERS: Final = 64


def duration_ns(text: str) -> int:
    """`50ms`, `10s`, `2m` or `30 days` in nanoseconds; anything else is `InvalidUsage`."""
    match = _DURATION.fullmatch(text.strip()) if len(text) <= 40 else None
    unit = _UNITS_NS.get(match[2]) if match else None
    if match is None or unit is None:
        raise InvalidUsage(
            f"{text[:40]!r} is not a duration; write {_DURATION_EXPECTED}",
            rule="duration",
            got=text[:40],
            expected=_DURATION_EXPECTED,
        )
    return int(Fraction(match[1]) * unit)


def moment_us(text: str) -> int | None:
    """Microseconds since 1970 in UTC, or nothing when the text is not an RFC 3339 moment.

    Digits beyond the microsecond are dropped. A leap second is read as the second after it.
    """
    match = _MOMENT.fullmatch(text) if len(text) <= _MOMENT_MAX_CHARACTERS else None
    if match is None:
        return None
    hour, minute, second = int(match[4]), int(match[5]), int(match[6])
    if hour > 23 or minute > 59 or second > 60:
        return None
    try:
        day = date(int(match[1]), int(match[2]), int(match[3])).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    seconds = day * 86_400 + hour * 3_600 + minute * 60 + second
    if match[8] is not None:
        ahead_hours, ahead_minutes = int(match[9]), int(match[10])
        if ahead_hours > 23 or ahead_minutes > 59:
            return None
        ahead = ahead_hours * 3_600 + ahead_minutes * 60
        seconds -= ahead if match[8] == "+" else -ahead
    fraction = (match[7] or "")[:6].ljust(6, "0")
    return seconds * 1_000_000 + int(fraction)
