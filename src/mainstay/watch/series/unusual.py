"""The default detector of operational series: which values of a series nobody would expect?

Latency, load, counts, prices, temperatures: a series is any figures at equal distances in time, and
nothing is set for one. Each new value is looked at in two ways, as it is and as it differs from the
median of the last days at this time of day; and in each way at three figures: where it lies, how
far it jumped, and where the mean of the last few lies. For each figure a tail fitted to its own
past says how rare it is. A figure within what was seen at this time of day in the last week says
nothing, so that the nightly job is no news. Rarities are cut off, fade, and are added up: two of
the three must be loud before anything is said.

Promises a constant effort for each value and bounded memory, and one voice at a time: after it has
spoken it is silent for a while. Must never take a value into account before it was judged. Limits:
a rarity is no probability that all three together occur, so no rate of false alarms is promised
(the monitors that promise one are elsewhere); what grows slowly is found by the slope test.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mainstay.watch.series.tail import BEYOND, Tail, tail_of

Floats = npt.NDArray[np.float64]

LOUD: Final = 5.0
"""How loud the three figures together must be: as two chances of about 1 in 300 at once."""
REST: Final = 60
"""For how many values it is silent after it has spoken."""
_LEAST: Final = 100
"""How many values a tail is fitted to at least."""
_KEPT: Final = 8000
"""How many values a tail is fitted to at most."""
_REFIT: Final = 50
"""After how many new values tails are fitted anew."""
_LAG: Final = 2
"""Over how many values a jump is measured."""
_FEW: Final = 12
"""Over how many values the mean goes."""
_LOUDEST: Final = 4.5
"""No figure alone may be louder."""
_FADES: Final = 0.85
"""What is left, one value later, of how loud a place or a jump was."""
_DAYS: Final = 7
_DAYS_LEAST: Final = 3
_PARTS_OF_DAY: Final = 12
"""In so many parts of the day what was seen at a time of day is kept."""
_FLAT: Final = 0.02
"""Of a figure's own reach: no tail is narrower."""
_FLAT_APART: Final = 0.08
"""Of the reach of the values: no tail of how they differ from a day ago is narrower."""


class Unusual(NamedTuple):
    """A value that nobody would expect."""

    at: int
    """The how manieth value it is, from 0."""
    value: float
    usual: float
    """The median of the last days at this time, or of all values while there are too few days."""
    loud: float


class _Heard(NamedTuple):
    """What a value says."""

    loud: float
    usual: float


class _Figure:
    """One figure of a series, and how rare its newest value is."""

    def __init__(self, *, both: bool) -> None:
        self.both = both
        """Whether low values are as telling as high ones."""
        self.kept: deque[float] = deque(maxlen=_KEPT)
        self.high: Tail | None = None
        self.low: Tail | None = None
        self.reach = 0.0
        self.middle = math.nan

    def fit(self, least: float) -> None:
        """To what was kept."""
        values = np.fromiter(self.kept, np.float64, len(self.kept))
        self.high = self._tail(values, least)
        if self.both:
            self.low = self._tail(-values, least)

    def _tail(self, values: Floats, least: float) -> Tail:
        count = len(values)
        at = [int(count * BEYOND), count // 2, count - 1 - int(count * BEYOND)]
        parted = np.partition(values, at)
        low, middle, bound = parted[at].tolist()
        self.reach, self.middle = bound - low, middle
        beyond = parted[at[2] + 1 :]
        floor = max(_FLAT * (bound - middle), least, 1e-12)
        return tail_of(beyond[beyond > bound] - bound, bound, floor)

    def rarity(self, value: float) -> float:
        """0 while too little is known."""
        if self.high is None:
            return 0.0
        found = self.high.rarity(value)
        if self.low is not None:
            found = max(found, self.low.rarity(-value))
        return min(found, _LOUDEST)


class _View:
    """A series looked at in one way: its place, its jumps, and its short mean."""

    def __init__(self) -> None:
        self.figures = (_Figure(both=True), _Figure(both=False), _Figure(both=True))
        self.last: deque[float] = deque(maxlen=max(_LAG, _FEW))
        self.heard = [0.0, 0.0]
        self.count = 0

    def now(self, value: float) -> tuple[float, float, float]:
        """The three figures, once this value has come; the mean is over the newest there are."""
        self.last.append(value)
        before = self.last[max(len(self.last) - 1 - _LAG, 0)]
        return value, abs(value - before), sum(self.last) / len(self.last)

    def loudness(self, now: tuple[float, float, float], known: tuple[bool, bool, bool]) -> float:
        """How loud the figures are together; what is known of the time of day is not."""
        found = [
            0.0 if is_known else figure.rarity(value)
            for figure, value, is_known in zip(self.figures, now, known, strict=True)
        ]
        self.heard = [
            max(new, old * _FADES) for new, old in zip(found[:2], self.heard, strict=True)
        ]
        return sum(self.heard) + found[2]

    def keep(self, now: tuple[float, float, float], least: float) -> None:
        """Take the figures into account, from the next value on."""
        for figure, value in zip(self.figures, now, strict=True):
            figure.kept.append(value)
        self.count += 1
        if self.count >= _LEAST and self.count % _REFIT == 0:
            for figure in self.figures:
                figure.fit(least)


class _Days:
    """The furthest that was seen in each part of the last days."""

    def __init__(self, per_day: int) -> None:
        self.per_day = per_day
        self.parts = min(_PARTS_OF_DAY, per_day)
        self.seen: dict[int, list[float]] = {}
        self.part = -1
        self.around: list[float] | None = None

    def knows(self, at: int, now: tuple[float, float, float]) -> tuple[bool, bool, bool]:
        """Whether each figure lies within what was seen around this time of the last days."""
        ends = _ends(now)
        day, place = divmod(at, self.per_day)
        part = day * self.parts + place * self.parts // self.per_day
        if part != self.part:
            self._enter(part)
        inside = [False] * len(ends)
        if self.around is not None:
            inside = [end <= most for end, most in zip(ends, self.around, strict=True)]
        own = self.seen.setdefault(part, [-math.inf] * len(ends))
        self.seen[part] = [max(pair) for pair in zip(own, ends, strict=True)]
        return inside[0] and inside[1], inside[2], inside[3] and inside[4]

    def _enter(self, part: int) -> None:
        self.part = part
        near = [
            self.seen[part - day * self.parts + aside]
            for day in range(1, _DAYS + 1)
            for aside in (-1, 0, 1)
            if part - day * self.parts + aside in self.seen
        ]
        self.around = [max(each) for each in zip(*near, strict=True)] if near else None
        oldest = part - _DAYS * self.parts - 1
        for old in [old for old in self.seen if old < oldest]:
            del self.seen[old]


def _ends(now: tuple[float, float, float]) -> list[float]:
    place, jump, mean = now
    return [place, -place, jump, mean, -mean]


class Detector:
    """One series, value by value."""

    def __init__(self, per_day: int) -> None:
        """`per_day` is how many values there are in a day; with less than two, days mean
        nothing."""
        self._per_day = per_day
        self._as_is, self._apart = _View(), _View()
        self._days = _Days(per_day) if per_day > 1 else None
        # A ring: in the middle of a deque nothing is found at once.
        self._before = [math.nan] * (_DAYS * per_day if self._days else 0)
        self._at = -1
        self._silent_until = -1

    def add(self, value: float) -> float:
        """How loud a value is; one that is missing or not finite says nothing."""
        return self._heard(value).loud

    def told(self, value: float) -> Unusual | None:
        """What is to be said of a value, if anything."""
        heard = self._heard(value)
        if heard.loud < LOUD or self._at <= self._silent_until:
            return None
        self._silent_until = self._at + REST
        return Unusual(self._at, value, *reversed(heard))

    def _heard(self, value: float) -> _Heard:
        self._at += 1
        usual = self._usual()
        if self._before:
            self._before[self._at % len(self._before)] = value
        middle = self._as_is.figures[0].middle
        if not math.isfinite(value):
            return _Heard(0.0, middle)
        now = self._as_is.now(value)
        known = self._days.knows(self._at, now) if self._days else (False, False, False)
        loud = self._as_is.loudness(now, known)
        reach = self._as_is.figures[0].reach
        self._as_is.keep(now, 0.0)
        if usual is None:
            return _Heard(loud, middle)
        apart = self._apart.now(value - usual)
        loud = max(loud, self._apart.loudness(apart, known))
        self._apart.keep(apart, _FLAT_APART * reach)
        return _Heard(loud, usual)

    def _usual(self) -> float | None:
        """The median of the last days at the time of the value that comes now."""
        if self._days is None:
            return None
        size = len(self._before)
        days = range(self._per_day, min(self._at, size) + 1, self._per_day)
        there = (self._before[(self._at - back) % size] for back in days)
        same = sorted(value for value in there if math.isfinite(value))
        if len(same) < _DAYS_LEAST:
            return None
        half = len(same) // 2
        return same[half] if len(same) % 2 else (same[half - 1] + same[half]) / 2.0


def unusual(values: Iterable[float | None], per_day: int) -> Iterator[Unusual]:
    """Every value of a series that nobody would expect, as it comes; `per_day` is how many there
    are in a day, and missing ones are None or not a number."""
    detector = Detector(per_day)
    for value in values:
        found = detector.told(math.nan if value is None else float(value))
        if found is not None:
            yield found
