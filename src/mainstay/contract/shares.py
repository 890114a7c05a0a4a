"""Shares as people write them, `10 %`, read into fractions.

Promises exactness before the last step: `0.1 %` is the float nearest to 1/1000. A share carries
its sign `%`; a bare number is refused rather than guessed, since 0.5 may mean a half or a half
percent.
"""

import re
from fractions import Fraction
from typing import Final

from mainstay.base.errors import InvalidUsage

SHARE_EXPECTED: Final = "a number with %, such as 1 %, 0.5 % or 100 %"
_SHARE: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?) ?%")


def share(text: str) -> float:
    """`10 %` as 0.1, at least 0 and at most 1; anything else is `InvalidUsage`."""
    match = _SHARE.fullmatch(text.strip()) if len(text) <= 40 else None
    part = Fraction(match[1]) / 100 if match else None
    if part is None or part > 1:
        raise InvalidUsage(
            f"{text[:40]!r} is not a share; write {SHARE_EXPECTED}",
            rule="share",
            got=text[:40],
            expected=SHARE_EXPECTED,
        )
    return float(part)
