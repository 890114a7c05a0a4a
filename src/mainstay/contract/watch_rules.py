"""Whether `watch` makes sense: alone, and with the inputs.

Promises to name every fault at its setting, with what would be right; see `rules.py`.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.contract.model import Boolean, Category, Integer
from mainstay.contract.quotas import quota
from mainstay.contract.release_rules import Known, unit_faults
from mainstay.contract.shape import Fault
from mainstay.contract.shares import share
from mainstay.contract.watching import UsageRules, Watch
from mainstay.contract.words import Setting

_SHORTEST_NS: Final = 3_600_000_000_000
_LONGEST_NS: Final = 10 * 365 * 24 * _SHORTEST_NS
_EXPECTED: Final = "such as 1 per 30d or 2 per 7d"


def watch_faults(watch: Watch, known: Known) -> Iterator[Fault]:
    """What makes no sense in how a model is watched."""
    at: Setting = ("watch", "false_alarms")
    try:
        allowed = quota(watch.false_alarms)
    except InvalidUsage:
        words = f"{watch.false_alarms[:40]!r} is not how often; write how many in which time, "
        yield Fault(at, words + _EXPECTED)
    else:
        if not allowed.most or not _SHORTEST_NS <= allowed.period_ns <= _LONGEST_NS:
            words = f"must be at least 1 in 1h to 10 years, {_EXPECTED}; got {watch.false_alarms}"
            yield Fault(at, words)
    for place, name in enumerate(watch.slices):
        here: Setting = ("watch", "slices", place)
        yield from unit_faults(name, here, known, (Category, Boolean, Integer))
        if name in watch.slices[:place]:
            where = watch.slices.index(name)
            yield Fault(here, f"{name[:60]!r} is listed already, as [{where}]")
    if watch.usage is not None:
        yield from _usage_faults(watch.usage)


def _usage_faults(usage: UsageRules) -> Iterator[Fault]:
    rules = msgspec.structs.asdict(usage)
    if not any(rules.values()):
        words = "needs a rule, such as hour_vs_yesterday: 30 %; leave it out for what is usual"
        yield Fault(("watch", "usage"), words)
    for name, text in rules.items():
        if text:
            try:
                share(text)
            except InvalidUsage as error:
                yield Fault(("watch", "usage", name), str(error))
