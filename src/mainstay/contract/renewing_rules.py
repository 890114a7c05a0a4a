"""Whether `renew` makes sense.

Promises to name every fault at its setting, with what would be right; see `rules.py`.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.contract.renewing import Renew
from mainstay.contract.shape import Fault
from mainstay.contract.shares import SHARE_EXPECTED, share
from mainstay.contract.times import duration_ns

_FUNCTION: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_SECOND_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND_NS
_SIZES: Final = {"memory_gb": (1.0, 4096.0), "disk_gb": (0.001, 4096.0)}


def renew_faults(renew: Renew) -> Iterator[Fault]:
    """What makes no sense in how a model is trained anew."""
    if not renew.train:
        for name in sorted(msgspec.structs.asdict(renew)):
            if getattr(renew, name) != getattr(Renew(), name):
                words = "has no effect without `renew.train`: the function, such as fraud:train"
                yield Fault(("renew", name), words)
        return
    if len(renew.train) > 200 or not _FUNCTION.fullmatch(renew.train):
        words = f"{renew.train[:60]!r} is not a function; write module:function, as fraud:train"
        yield Fault(("renew", "train"), words)
    for name, least, most in (
        ("over", _DAY_NS // 24, 36_500 * _DAY_NS),
        ("time", _SECOND_NS, 30 * _DAY_NS),
    ):
        yield from _duration_faults(name, getattr(renew, name), least, most)
    try:
        newest = share(renew.newest)
    except InvalidUsage:
        words = f"{renew.newest[:40]!r} is not a share; write {SHARE_EXPECTED}"
        yield Fault(("renew", "newest"), words)
    else:
        if not 0.01 <= newest <= 0.5:
            yield Fault(("renew", "newest"), f"must be 1 % to 50 %, got {renew.newest}")
    for name, (least, most) in _SIZES.items():
        size: float = getattr(renew, name)
        if not least <= size <= most:
            yield Fault(("renew", name), f"must be {least:g} to {most:g} gigabytes, got {size:g}")


def _duration_faults(name: str, text: str, least: int, most: int) -> Iterator[Fault]:
    try:
        length = duration_ns(text)
    except InvalidUsage:
        yield Fault(("renew", name), f"{text[:40]!r} is not a duration; write 20m, 12h or 90d")
        return
    if not least <= length <= most:
        words = f"must be {_shown(least)} to {_shown(most)}, got {text}"
        yield Fault(("renew", name), words)


def _shown(length_ns: int) -> str:
    for size, unit in ((_DAY_NS, "d"), (_DAY_NS // 24, "h")):
        if length_ns >= size:
            return f"{length_ns // size}{unit}"
    return f"{length_ns // _SECOND_NS}s"
