"""Stretches of time as people write them on a command line, read into nanoseconds.

Promises that a moment without an offset is UTC, as everything that Mainstay prints is, and that a
stretch reaches from its begin up to, but without, its end.
"""

import re
from typing import Final

from mainstay.base.errors import InvalidUsage
from mainstay.contract.times import duration_ns, moment_us

_MOMENT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,9})?)?)?([Zz]|[+-]\d{2}:\d{2})?",
    re.ASCII,
)
_MOMENT_EXPECTED: Final = (
    "a day or a moment, such as 2026-11-27, 2026-11-27T08:00 (UTC) or 2026-11-27T08:00:00+01:00"
)
_WINDOW_EXPECTED: Final = "two moments with .. between, such as 2026-11-27T08:00..2026-11-28T02:00"


def moment_ns(text: str, field: str = "moment") -> int:
    """A day or a moment in nanoseconds since 1970; anything else is `InvalidUsage`."""
    match = _MOMENT.fullmatch(text.strip())
    if match is not None:
        day, time, seconds, offset = match.groups()
        whole = moment_us(f"{day}T{time or '00:00'}{seconds or ':00'}{offset or 'Z'}")
        if whole is not None:
            return whole * 1000
    raise InvalidUsage(
        f"{text[:60]!r} is not a moment", field=field, got=text[:60], expected=_MOMENT_EXPECTED
    )


def moment_or_ago_ns(text: str, now_ns: int, field: str) -> int:
    """A moment, or a duration such as `90d` that is counted back from now."""
    if re.fullmatch(r"\s*[0-9.]+ ?[a-z]+\s*", text):
        return now_ns - duration_ns(text)
    return moment_ns(text, field)


def window_ns(text: str, field: str = "window") -> tuple[int, int]:
    """`BEGIN..END` in nanoseconds since 1970, the earlier one first."""
    begin, dots, end = text.partition("..")
    if not dots or not begin.strip() or not end.strip():
        raise InvalidUsage(
            f"{text[:80]!r} is not a stretch of time",
            field=field,
            got=text[:80],
            expected=_WINDOW_EXPECTED,
        )
    found = moment_ns(begin, field), moment_ns(end, field)
    if found[0] >= found[1]:
        raise InvalidUsage(
            "a stretch of time begins before it ends",
            field=field,
            got=text[:80],
            expected="the earlier moment first",
        )
    return found
