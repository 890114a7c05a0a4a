"""What a monitor makes of a clock that was ahead and was set right.

Promises that no stretch is taken into account twice: it goes back to where nothing had been counted
yet, and no further. What was counted with the wrong time stays where it was counted. Pure.
"""

import msgspec

from mainstay.watch.gather.model import DAY_MS, HOUR_MS
from mainstay.watch.monitors.model import Saved, Usage


def set_back(saved: Saved, until_ms: int) -> Saved:
    """What is remembered, when now only the stretches until then can be over. Stretches in which
    there was nothing may have been looked at before they were; they are looked at again."""
    back_ms = max(saved.counted_ms, until_ms - DAY_MS)
    if until_ms >= saved.until_ms or back_ms >= saved.until_ms:
        return saved
    return msgspec.structs.replace(saved, until_ms=back_ms, usage=_usage(saved.usage, back_ms))


def _usage(usage: Usage, until_ms: int) -> Usage:
    """Without the hours that have not been yet; the one that is going on is so again."""
    begin_ms = until_ms - until_ms % HOUR_MS
    ahead = (usage.hour_ms - begin_ms) // HOUR_MS
    if ahead <= 0:
        return usage
    if ahead > len(usage.counts):
        return Usage()
    return msgspec.structs.replace(
        usage, hour_ms=begin_ms, count=usage.counts[-ahead], counts=usage.counts[:-ahead],
        ratios=usage.ratios[:-ahead], places=usage.places[:-ahead],
    )  # fmt: skip
