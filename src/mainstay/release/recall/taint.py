"""Whether a version learned from a stretch of time, by its card.

Promises never to call a version clean that may have learned from it: what a card does not say, or
says too roughly, is unsure. A day, or a moment without an offset, may be that of any time zone. A
version that came before the stretch began is clean, whatever its card leaves out.
"""

import re
from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

from mainstay.bundle.model import Version
from mainstay.contract.times import moment_us
from mainstay.release.recall.model import Judged, Taint, Window

_HOUR_NS: Final = 3_600_000_000_000
_DAY_NS: Final = 24 * _HOUR_NS
_EARLIEST_NS: Final = 14 * _HOUR_NS
"""A day begins so much earlier in the easternmost time zone than in UTC."""
_LATEST_NS: Final = 12 * _HOUR_NS
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_WITHOUT_OFFSET: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?", re.ASCII)
_WITHOUT_SECONDS: Final = re.compile(r"(.{16})([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


class Reach(NamedTuple):
    """A stretch whose ends are known roughly: each lies between two moments."""

    begin: tuple[int, int]
    end: tuple[int, int]

    @property
    def widest(self) -> Window:
        """All that may be in it."""
        return Window(self.begin[0], self.end[1])

    @property
    def narrowest(self) -> Window:
        """All that is certainly in it; without length where nothing is."""
        return Window(self.begin[1], max(self.begin[1], self.end[0]))


def taint(version: Version, windows: Sequence[Window]) -> Taint:
    """Whether a version learned from any of these stretches, in the worst case: the first is the
    one that is asked about, the others are quarantined besides."""
    judged, words = _judged(version, windows)
    return Taint(
        model=version.model,
        number=version.number,
        fingerprint=version.fingerprint,
        judged=judged,
        words=words,
    )


def _judged(version: Version, windows: Sequence[Window]) -> tuple[Judged, str]:
    card = version.card
    if card.window is None:
        if _came_before(version, windows):
            return "clean", "it came before the stretch began"
        return "unsure", "its card does not say from when to when its training data reaches"
    said = f"its training data is from {card.window[0]}..{card.window[1]}"
    trained = reach(*card.window)
    if trained is None:
        if _came_before(version, windows):
            return "clean", "it came before the stretch began"
        return "unsure", f"{said}, which is no stretch of time"
    holes = [found for found in (reach(*pair) for pair in card.without) if found is not None]
    wide = [hole.widest for hole in holes]
    touched = next((each for each in windows if _touches(trained.narrowest, each, wide)), None)
    if touched is not None:
        other = "" if touched == windows[0] else f", of which {touched} is quarantined"
        return "trained", said + other
    narrow = [hole.narrowest for hole in holes]
    if not any(_touches(trained.widest, each, narrow) for each in windows):
        spared = any(_touches(trained.widest, each, []) for each in windows)
        return "clean", f"{said} without the stretch" if spared else said
    if _came_before(version, windows):
        return "clean", "it came before the stretch began"
    return "unsure", f"{said}, which does not say in which time zone"


def _came_before(version: Version, windows: Sequence[Window]) -> bool:
    return all(version.registered_at_ns <= each.begin_ns for each in windows)


def _touches(one: Window, other: Window, holes: Sequence[Window]) -> bool:
    """Whether two stretches have time in common that no hole covers."""
    begin, end = max(one.begin_ns, other.begin_ns), min(one.end_ns, other.end_ns)
    for hole in sorted(holes):
        if hole.begin_ns <= begin < hole.end_ns:
            begin = hole.end_ns
    return begin < end


def reach(begin: str, end: str) -> Reach | None:
    """The stretch between two moments as cards say them; nothing where they are none."""
    first, last = _moment(begin), _moment(end)
    if first is None or last is None:
        return None
    if _is_day(end):
        last = (last[0] + _DAY_NS, last[1] + _DAY_NS)  # a last day belongs to it
    return Reach(first, last) if first[0] < last[1] else None


def _is_day(text: str) -> bool:
    return len(text.strip()) == len("2026-11-27")


def _moment(text: str) -> tuple[int, int] | None:
    """Between which two moments one lies that somebody wrote down."""
    text = text.strip()
    if (short := _WITHOUT_SECONDS.fullmatch(text)) is not None:
        text = f"{short[1]}:00{short[2]}"
    exact = moment_us(text)
    if exact is not None:
        return exact * 1000, exact * 1000
    if _is_day(text):
        try:
            day = (date.fromisoformat(text).toordinal() - _EPOCH_DAY) * _DAY_NS
        except ValueError:
            return None
        return day - _EARLIEST_NS, day + _LATEST_NS
    match = _WITHOUT_OFFSET.fullmatch(text)
    if match is None:
        return None
    utc = moment_us(text + ("Z" if match[1] else ":00Z"))
    return None if utc is None else (utc * 1000 - _EARLIEST_NS, utc * 1000 + _LATEST_NS)
