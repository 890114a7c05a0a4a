"""Quotas as people write them, `5 per 1d` or `1000 per minute`: how often, in which time."""

import re
from typing import Final

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.contract.times import duration_ns

QUOTA_EXPECTED: Final = "how many, and per what time, such as 5 per 1d, 20 per 12h or 3 per minute"
_QUOTA: Final = re.compile(r"([0-9]{1,9}) +per +(?:([a-z]{1,7})|([0-9].*))")


class Quota(msgspec.Struct, frozen=True):
    """At most so many in any stretch of so much time."""

    most: int
    period_ns: int


def quota(text: str) -> Quota:
    """`5 per 1d` as a quota; anything else is `InvalidUsage`."""
    match = _QUOTA.fullmatch(text.strip()) if len(text) <= 60 else None
    try:
        if match is not None:
            return Quota(int(match[1]), duration_ns(match[3] or f"1 {match[2]}"))
    except InvalidUsage:
        pass
    raise InvalidUsage(
        f"{text[:40]!r} is not a quota; write {QUOTA_EXPECTED}",
        rule="quota",
        got=text[:40],
        expected=QUOTA_EXPECTED,
    )
