"""Answers outside their usual range wait for a person, and are told to nobody until then.

Mean and standard deviation move: they look back over the contract's time, for every value of
`by` apart, at what was told and at what was released. Promises that what is held is not counted
until then; that all rows of one run are held against the same mean, which none of them is in yet;
that processes count together and restarts forget nothing (see the tally room); and that what
cannot be compared, because too few numbers are known or a value is missing, is never compared:
the contract says what becomes of it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Literal

import numpy as np

from mainstay.contract.columns import Column, Columns
from mainstay.contract.expressions.compile import Expression, compile_expression
from mainstay.contract.expressions.names import OUTPUT, names_of_rule
from mainstay.contract.holding import Hold
from mainstay.contract.holding_rules import MEAN, SD, names_of_bar
from mainstay.contract.model import Contract
from mainstay.contract.times import duration_ns
from mainstay.judge.holding import Counted, Holding, Side
from mainstay.judge.model import FALLBACK, HELD, Case, Mask, Means
from mainstay.judge.moments import WIDTH, mean_and_sd, sums_of
from mainstay.judge.values import Values, Views

VALUE: Final = "hold_value"
_MEAN: Final = "hold_mean"
_SD: Final = "hold_sd"
_BUCKETS: Final = 30
_ALL: Final = "all"
_NEW: Final = 0.01
"""Mean and sd are worked out anew when there are this much more numbers, or after a moment."""
_HOLDS_NS: Final = 100_000_000
_KNOWN_MAX: Final = 1000
_ROUNDING: Final = 1e-12
"""By how much of itself a mean may be off."""
Of = Literal["model", "fallback"]


@dataclass(slots=True)
class _Known:
    """What was usual a moment ago."""

    found: tuple[int, float, float]
    left: int
    """How many more numbers change next to nothing."""
    until_ns: int


class Usual:
    """Mean and sd of each group, as far as a contract's bars want them."""

    def __init__(self, contract: Contract, hold: Hold, what: str, means: Means) -> None:
        self.over_ns = duration_ns(hold.over)
        self._tally = means.tally
        self._bucket_ns = max(self.over_ns // _BUCKETS, 1)
        mark = blake2b(what.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
        self._name = f"hold {contract.model} {mark} {hold.by} {self._bucket_ns}"
        means.tally.declare(self._name, self._bucket_ns, _BUCKETS + 2, WIDTH)
        self._known: dict[str, _Known] = {}

    def of(self, key: str, now_ns: int) -> tuple[int, float, float]:
        """How many numbers there are, their mean and sd; never less than the mean is rounded by,
        so that a number which is always the same is not unusual."""
        known = self._known.get(key)
        if known is not None and known.left > 0 and now_ns < known.until_ns:
            return known.found
        sums = self._tally.read(self._name, key, now_ns - self.over_ns, now_ns)
        mean, sd = mean_and_sd(sums)
        least = _ROUNDING * abs(mean)
        found = int(sums[0]), mean, max(sd, least)
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        self._known[key] = _Known(found, int(sums[0] * _NEW), now_ns + _HOLDS_NS)
        return found

    def add(self, key: str, values: Column, now_ns: int) -> None:
        """Count numbers that were told."""
        sums = sums_of(values)
        if sums[0]:
            self._tally.add(self._name, key, sums, now_ns)
            known = self._known.get(key)
            if known is not None:
                known.left -= int(sums[0])

    def counted(self, key: str) -> Counted:
        """Where a number of a group counts."""
        return Counted(name=self._name, key=key, bucket_ns=self._bucket_ns, buckets=_BUCKETS + 2)


@dataclass(frozen=True, slots=True)
class Found:
    """How many numbers are known, their mean and sd: the same for all rows, or each group's."""

    count: Any
    mean: Any
    sd: Any
    by_row: bool = False

    def of(self, row: int) -> tuple[float, float, float]:
        """Those of one row."""
        if self.by_row:
            return float(self.count[row]), float(self.mean[row]), float(self.sd[row])
        return self.count, self.mean, self.sd


_NOTHING: Final = Found(math.nan, math.nan, math.nan)


class HoldStage:
    """Holds what lies outside."""

    def __init__(self, contract: Contract, hold: Hold, means: Means, of: Of = "model") -> None:
        """`of` says whose answers are looked at, the model's own or those that fell back."""
        self._hold = hold
        self._of = of
        names = names_of_rule(contract.inputs, contract.context, contract.output)
        at = ("judge", "hold")
        self._what = hold.what or OUTPUT
        self._value = compile_expression(self._what, names, (*at, "what"), kind="number")
        bars = names_of_bar(names)
        self._above = _bar(hold.above, lambda text: compile_expression(text, bars, (*at, "above")))
        self._below = _bar(hold.below, lambda text: compile_expression(text, bars, (*at, "below")))
        looks: set[str] = set()
        for bar in (self._above, self._below):
            if isinstance(bar, Expression):
                looks |= bar.names
        self._of_usual = looks <= {MEAN, SD} and not hold.by
        self._before: Found | None = None
        self._limits_before: tuple[Any, Any] = (None, None)
        self._usual = None
        if looks & {MEAN, SD}:
            self._usual = Usual(contract, hold, self._what, means)
        self._views = Views(contract, means.calibration)

    def __call__(self, case: Case) -> None:
        rows = case.statuses == FALLBACK if self._of == "fallback" else case.standing()
        looks = bool(rows.any())
        if not looks and VALUE in case.judged:
            return
        others = self._views.of(case)
        value = self._value(others, case.rows)
        groups = self._groups(case) if looks else None
        found = self._found(rows, groups, case.time_ns) if looks else _NOTHING
        self._note(case, rows, {VALUE: value})
        if not looks:
            return
        above, below = self._limits(others, found)
        # NaN fails every comparison, so what cannot be compared is not among these.
        good = value <= above if below is None else value >= below
        if above is not None and below is not None:
            good &= value <= above
        if self._usual is not None:
            good &= found.count >= self._hold.least
        if not (good | ~rows).all():
            mean, sd = (np.broadcast_to(each, case.rows) for each in (found.mean, found.sd))
            self._note(case, rows, {_MEAN: mean, _SD: sd})
            rows = self._take_some(case, rows & ~good, rows, (value, above, below), groups, found)
        self._count(case, rows, value, groups)

    def _found(self, rows: Mask, groups: list[str] | None, now_ns: int) -> Found:
        """How many numbers are known for every row, their mean and sd."""
        usual = self._usual
        if usual is None:
            return _NOTHING
        if groups is None:
            return Found(*usual.of(_ALL, now_ns))
        known: dict[str, tuple[float, float, float]] = {}
        for group, looks in zip(groups, rows.tolist(), strict=True):
            if looks and group not in known:
                known[group] = usual.of(key_of(group), now_ns)
        nothing = (math.nan, math.nan, math.nan)
        count, mean, sd = np.array([known.get(group, nothing) for group in groups]).T
        return Found(count, mean, sd, by_row=True)

    def _note(self, case: Case, rows: Mask, measured: Columns) -> None:
        """Record what was measured; what was usual only where something was not."""
        if self._of == "fallback":
            # Of a model that was not asked, nothing was measured before.
            nothing = np.full(case.rows, np.nan)
            for name, column in measured.items():
                measured[name] = np.where(rows, column, case.judged.get(name, nothing))
        case.judged.update(measured)

    def _groups(self, case: Case) -> list[str] | None:
        if not self._hold.by or self._usual is None:
            return None
        return [_text(value) for value in case.column(self._hold.by).tolist()]

    def _limits(self, others: Values, found: Found) -> tuple[Any, Any]:
        """What is above the first or below the second is held; None where there is no bar."""
        if self._of_usual and found == self._before:
            return self._limits_before

        def values(name: str) -> Column:
            if name == MEAN:
                return np.asarray(found.mean)
            return np.asarray(found.sd) if name == SD else others(name)

        limits = _limit(self._above, values), _limit(self._below, values)
        if self._of_usual and not found.by_row:
            self._before, self._limits_before = found, limits
        return limits

    def _take_some(
        self,
        case: Case,
        bad: Mask,
        rows: Mask,
        compared: tuple[Column, Any, Any],
        groups: list[str] | None,
        found: Found,
    ) -> Mask:
        """Hold what lies outside, and do with what cannot be compared as declared; what is told
        all the same."""
        value, above, below = compared
        known = ~np.isnan(value)
        for bar in (above, below):
            if bar is not None:
                known &= ~np.isnan(bar)
        if self._usual is not None:
            known &= found.count >= self._hold.least
        unsure = bad & ~known
        held = bad & known
        if unsure.any():
            case.count("hold_unsure", self._hold.unsure, by=int(np.count_nonzero(unsure)))
            if self._hold.unsure == "hold":
                held |= unsure
        if held.any():
            self._take(case, held, (value, above, below, known), groups, found)
        return rows & ~held

    def _take(
        self,
        case: Case,
        held: Mask,
        compared: tuple[Column, Any, Any, Mask],
        groups: list[str] | None,
        found: Found,
    ) -> None:
        """Hold rows, and note why for the person who decides."""
        value, *bars, known = compared
        above, below = (np.broadcast_to(np.nan if b is None else b, case.rows) for b in bars)
        holdings: dict[int, Holding] = {}

        def why(row: int) -> str:
            side: Side = "unsure"
            limit = np.nan
            if known[row]:
                side = "above" if value[row] > above[row] else "below"
                limit = above[row] if side == "above" else below[row]
            count, mean, sd = found.of(row)
            group = "" if groups is None else groups[row]
            usual = self._usual
            holdings[row] = Holding(
                side=side,
                words=self._words(side, value[row], limit, (count, mean, sd), group),
                value=_plain(value[row]),
                limit=_plain(limit),
                mean=_plain(mean),
                sd=_plain(sd),
                count=0 if math.isnan(count) else int(count),
                group=group,
                wait=self._hold.wait,
                counted=None if usual is None else usual.counted(_key(group, groups)),
            )
            return f"held: {holdings[row].words}"

        case.turn(held, HELD, why)
        case.held.update(holdings)
        for row in holdings:
            case.words[row] = self._hold.say

    def _words(
        self, side: Side, value: Any, limit: Any, found: tuple[float, float, float], group: str
    ) -> str:
        count, mean, sd = found
        of = f" of {self._hold.by} {group[:60]!r}" if self._hold.by else ""
        said = f"{self._what} is {value:.6g}"
        if side == "unsure":
            few = self._usual is not None and count < self._hold.least
            if few:
                return f"{said}, and only {count:.0f} of {self._hold.least} numbers{of} are known"
            return (
                f"{said}, and what it is held against cannot be known, because a value is missing"
            )
        bar = self._hold.above if side == "above" else self._hold.below
        words = f"{said}, {side} {limit:.6g}"
        if self._usual is None:
            return words
        return (
            f"{words} ({bar}, where the {count:.0f} before{of} have mean {mean:.6g}, sd {sd:.6g})"
        )

    def _count(self, case: Case, told: Mask, value: Column, groups: list[str] | None) -> None:
        """Let what is told count from now on."""
        usual = self._usual
        if usual is None:
            return
        if groups is None:
            usual.add(_ALL, value if told.all() else value[told], case.time_ns)
            return
        places: dict[str, list[int]] = {}
        for row in np.flatnonzero(told).tolist():
            places.setdefault(groups[row], []).append(row)
        for group, own in places.items():
            usual.add(key_of(group), value[own], case.time_ns)


def key_of(group: str) -> str:
    """A group as it is counted, which says nothing of whom it may name."""
    return blake2b(group.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _key(group: str, groups: list[str] | None) -> str:
    return _ALL if groups is None else key_of(group)


def _text(value: Any) -> str:
    """A value of `by` as text; 7 and 7.0 are one group, and so are all that are missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


Bar = Expression | float | None


def _bar(stated: float | str | None, compiled: Callable[[str], Expression]) -> Bar:
    return compiled(stated) if isinstance(stated, str) else stated


def _limit(bar: Bar, values: Values) -> Any:
    return bar(values) if isinstance(bar, Expression) else bar


def _plain(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
