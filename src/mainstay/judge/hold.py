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
from hashlib import blake2b
from typing import Any, Final, Literal

import numpy as np

from mainstay.contract.columns import Column
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
Of = Literal["model", "fallback"]


class Usual:
    """Mean and sd of each group, as far as a contract's bars want them."""

    def __init__(self, contract: Contract, hold: Hold, what: str, means: Means) -> None:
        self.over_ns = duration_ns(hold.over)
        self._tally = means.tally
        self._bucket_ns = max(self.over_ns // _BUCKETS, 1)
        mark = blake2b(what.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
        self._name = f"hold {contract.model} {mark} {hold.by} {self._bucket_ns}"
        means.tally.declare(self._name, self._bucket_ns, _BUCKETS + 2, WIDTH)

    def of(self, key: str, now_ns: int) -> tuple[int, float, float]:
        """How many numbers there are, their mean and sd."""
        sums = self._tally.read(self._name, key, now_ns - self.over_ns, now_ns)
        return int(sums[0]), *mean_and_sd(sums)

    def add(self, key: str, values: Column, now_ns: int) -> None:
        """Count numbers that were told."""
        sums = sums_of(values)
        if sums[0]:
            self._tally.add(self._name, key, sums, now_ns)

    def counted(self, key: str) -> Counted:
        """Where a number of a group counts."""
        return Counted(name=self._name, key=key, bucket_ns=self._bucket_ns, buckets=_BUCKETS + 2)


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
        self._usual = None
        if looks & {MEAN, SD}:
            self._usual = Usual(contract, hold, self._what, means)
        self._views = Views(contract, means.calibration)

    def __call__(self, case: Case) -> None:
        rows = case.statuses == FALLBACK if self._of == "fallback" else case.standing()
        value, groups, found = self._measured(case, rows)
        if not rows.any():
            return
        values = self._named(case, found)
        above = _limits(self._above, values, case.rows, np.inf)
        below = _limits(self._below, values, case.rows, -np.inf)
        inside = (value <= above) & (value >= below)
        known = ~(np.isnan(value) | np.isnan(above) | np.isnan(below))
        if self._usual is not None:
            known &= found[0] >= self._hold.least
        unsure = rows & ~known
        held = rows & known & ~inside
        if unsure.any():
            case.count("hold_unsure", self._hold.unsure, by=int(np.count_nonzero(unsure)))
            if self._hold.unsure == "hold":
                held |= unsure
        if held.any():
            self._take(case, held, value, (above, below, known), groups, found)
        self._count(case, rows & ~held, value, groups)

    def _measured(
        self, case: Case, rows: Mask
    ) -> tuple[Column, list[str] | None, tuple[Column, Column, Column]]:
        """The value of every row, its group, and how many, mean and sd of that; recorded."""
        value = self._value(self._views.of(case), case.rows)
        groups = self._groups(case)
        count, mean, sd = (np.full(case.rows, np.nan) for _ in range(3))
        if self._usual is not None and rows.any():
            if groups is None:
                count[:], mean[:], sd[:] = self._usual.of(_ALL, case.time_ns)
            else:
                wanted = set(np.flatnonzero(rows).tolist())
                keys = {key_of(group) for row, group in enumerate(groups) if row in wanted}
                known = {key: self._usual.of(key, case.time_ns) for key in keys}
                for row in wanted:
                    count[row], mean[row], sd[row] = known[key_of(groups[row])]
        for name, column in ((VALUE, value), (_MEAN, mean), (_SD, sd)):
            before = case.judged.get(name)
            keeps = before is not None and self._of == "fallback"
            case.judged[name] = np.where(rows, column, before) if keeps else column
        return value, groups, (count, mean, sd)

    def _groups(self, case: Case) -> list[str] | None:
        if not self._hold.by:
            return None
        return [_text(value) for value in case.column(self._hold.by).tolist()]

    def _named(self, case: Case, found: tuple[Column, Column, Column]) -> Values:
        others = self._views.of(case)
        own = {MEAN: found[1], SD: found[2]}

        def value(name: str) -> Column:
            return own[name] if name in own else others(name)

        return value

    def _take(
        self,
        case: Case,
        held: Mask,
        value: Column,
        limits: tuple[Column, Column, Mask],
        groups: list[str] | None,
        found: tuple[Column, Column, Column],
    ) -> None:
        """Hold rows, and note why for the person who decides."""
        above, below, known = limits
        holdings: dict[int, Holding] = {}

        def why(row: int) -> str:
            side: Side = "unsure"
            limit = np.nan
            if known[row]:
                side = "above" if value[row] > above[row] else "below"
                limit = above[row] if side == "above" else below[row]
            count, mean, sd = (column[row] for column in found)
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
        self, side: Side, value: Any, limit: Any, found: tuple[Any, Any, Any], group: str
    ) -> str:
        count, mean, sd = found
        of = f" of {self._hold.by} {group[:60]!r}" if self._hold.by else ""
        said = f"{self._what} is {value:.6g}"
        if side == "unsure":
            few = self._usual is not None and count < self._hold.least
            if few:
                return (
                    f"{said}; only {count:.0f} numbers{of} are known, {self._hold.least} are needed"
                )
            return f"{said}; what it is held against cannot be known, because a value is missing"
        bar = self._hold.above if side == "above" else self._hold.below
        words = f"{said}, {side} {limit:.6g}"
        if self._usual is None:
            return words
        return f"{words} ({bar}; the {count:.0f} before{of} have mean {mean:.6g}, sd {sd:.6g})"

    def _count(self, case: Case, told: Mask, value: Column, groups: list[str] | None) -> None:
        """Let what is told count from now on."""
        usual = self._usual
        if usual is None:
            return
        if groups is None:
            usual.add(_ALL, value[told], case.time_ns)
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


def _limits(bar: Bar, values: Values, rows: int, otherwise: float) -> Column:
    if isinstance(bar, Expression):
        return bar(values, rows)
    return np.full(rows, otherwise if bar is None else bar)


def _plain(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
