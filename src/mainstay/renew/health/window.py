"""How long to wait before silence means something: speed against accuracy, from history (M17).

For each length of the feedback window: which share of all labels that are ever heard has been heard
by then, and how many decisions would be learned wrongly because their label comes later. Decisions
that are young count for as long as they have been waiting (Kaplan and Meier). Pure.
"""

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.bundle.metrics import wilson
from mainstay.renew.health.survival import Curve, Floats, survival

MISSING: Final = 0.05
"""What part of the labels may come after a recommended window."""
DECISIONS_LEAST: Final = 100
"""So many decisions must have waited as long for anybody to know."""
_MINUTE: Final = 60.0
_HOUR: Final = 60.0 * _MINUTE
_DAY: Final = 24.0 * _HOUR
LENGTHS: Final[dict[str, float]] = {
    "1m": _MINUTE, "5m": 5 * _MINUTE, "15m": 15 * _MINUTE, "30m": 30 * _MINUTE,
    "1h": _HOUR, "3h": 3 * _HOUR, "6h": 6 * _HOUR, "12h": 12 * _HOUR,
    "1d": _DAY, "2d": 2 * _DAY, "3d": 3 * _DAY, "7d": 7 * _DAY, "14d": 14 * _DAY,
    "30d": 30 * _DAY, "60d": 60 * _DAY, "90d": 90 * _DAY, "180d": 180 * _DAY, "365d": 365 * _DAY,
}  # fmt: skip
"""Windows that are looked at, in seconds."""
_Z: Final = 1.959963984540054


class Past(msgspec.Struct, frozen=True):
    """Decisions, some of which something was said of."""

    waited: Floats
    """Seconds until it was; for the others so far."""
    said: npt.NDArray[np.bool_]
    """Something was said."""
    other: npt.NDArray[np.bool_] | None
    """And it was something else than what silence means; nothing where that has no meaning."""
    counts: Floats
    """How many decisions each row stands for."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One length of the window."""

    window: str
    seconds: float
    """Also how much later anything is learned."""
    known: float
    """The share of all labels ever heard that has been heard by then."""
    wrong: float | None
    """The share of decisions that silence would be wrong about; nothing where it has no meaning."""
    interval: tuple[float, float] | None
    """Where that share lies, with 95 %."""
    decisions: int
    """How many have waited as long."""
    sure: bool
    """Enough of them."""


class TradeOff(msgspec.Struct, frozen=True, kw_only=True):
    """All lengths, and which one is recommended."""

    rows: tuple[Row, ...]
    labels: float
    """The share of decisions of which something is ever said, as far as anybody has waited."""
    recommended: str
    """The shortest after which few labels come; empty where nobody has waited long enough."""
    missing: float
    """How few."""


def trade_off(past: Past, contract: tuple[str, float], missing: float = MISSING) -> TradeOff:
    """Every length up to the age of the oldest decisions, and the contract's own, if it has one
    (its name and seconds)."""
    heard = survival(past.waited, past.said, past.counts)
    asked = heard
    if past.other is not None:
        # A label that means the same as silence makes silence right for ever.
        waited = np.where(past.said & ~past.other, np.inf, past.waited)
        asked = survival(waited, past.said & past.other, past.counts)
    oldest = float(past.waited.max(initial=0.0))
    lengths = {name: seconds for name, seconds in LENGTHS.items() if seconds <= oldest}
    if contract[0]:
        lengths[contract[0]] = contract[1]
    rows = [
        _row(each, heard, None if past.other is None else asked, past)
        for each in sorted(lengths.items(), key=lambda each: each[1])
    ]
    few = (1.0 - missing) * asked.whole
    enough = [row for row in rows if row.sure and asked.whole and asked.at(row.seconds) >= few]
    return TradeOff(
        rows=tuple(rows),
        labels=heard.whole,
        recommended=enough[0].window if enough else "",
        missing=missing,
    )


def _row(window: tuple[str, float], heard: Curve, other: Curve | None, past: Past) -> Row:
    name, seconds = window
    old = int(past.counts[past.waited >= seconds].sum())
    waited = int(past.counts[(past.waited >= seconds) | past.said].sum())
    wrong = None if other is None else other.whole - other.at(seconds)
    return Row(
        window=name,
        seconds=seconds,
        known=heard.at(seconds) / heard.whole if heard.whole else 0.0,
        wrong=wrong,
        interval=None if wrong is None or not waited else wilson(wrong, waited, _Z),
        decisions=waited,
        sure=old >= DECISIONS_LEAST,
    )
