"""Training with each group left out, and which of them a model is surely better without.

Promises that of a hundred times in which nothing new is worse than the rest at most one names
anything, however many groups are asked; that what leaving out any rows would move is not taken for
what these rows did; and that a group which only shares rows with a worse one is told as that.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np
from msgspec import structs

from mainstay.contract.finding import Verdict
from mainstay.renew.suspects.model import BEFORE, BOTH, NEWEST, Floats, Group, Kind, Mask, Without
from mainstay.watch.paired import SAMPLES_MIN, Difference, holm, of_pairs, quantile

CHANCE: Final = 0.01
"""With which anything at all is named where nothing is wrong."""
DRAWN: Final = 6
"""Trainings without rows that were drawn at random."""
BESIDE: Final = DRAWN + 2
"""Trainings besides one for each group: with all, without anything new, and those."""
_POWER: Final = 0.8
_ROUNDS: Final = 4


@dataclass(frozen=True, slots=True)
class Told:
    """What a model said of each row that was asked: the newest ones, then those from before."""

    lost: Floats
    """How far it was off, by the measure that tells most."""
    wrong: Floats
    """The same in errors, or for numbers in distance."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked."""

    told: Callable[[Mask], Told]
    """Trains on these of the rows to learn from, and asks."""
    new: Mask
    newest: int
    """So many of the rows asked are the newest ones."""
    before: int
    """So many are from before."""
    seed: int
    without_new: bool = True
    """Something can be trained without anything new."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A group and what became of it."""

    group: Group
    verdict: Verdict
    without: tuple[Without, ...]
    explained_by: str = ""
    """Better without it only because it shares rows with the group of this name."""


@dataclass(frozen=True, slots=True)
class Found:
    """What asking came to."""

    everything: tuple[Without, ...]
    judged: tuple[Judged, ...]
    """The worst first."""
    would_be_found: float | None
    trainings: int


@dataclass(frozen=True, slots=True)
class _Side:
    """By how much a model is worse with some rows than without them, by one yardstick."""

    lost: Difference
    wrong: float


_Sides = dict[str, _Side]


class Finder:
    """One inquiry, training by training."""

    def __init__(self, inquiry: Inquiry, tell: Callable[[int, int], None]) -> None:
        """`tell` hears how many trainings are done, of how many as far as is known."""
        self._inquiry = inquiry
        self._tell = tell
        self._trainings = 0
        self._total = 0
        self._moves: dict[str, float] = {}
        """The variance of what leaving out any rows moves, by yardstick, for `_weight` 1."""

    def find(self, groups: Sequence[Group]) -> Found:
        """Ask about each group, then again about those that may only share rows with the worst."""
        new = self._inquiry.new
        self._total = BESIDE + len(groups)
        keep = np.ones_like(new)
        whole = self._told(keep)
        everything: _Sides = {}
        if self._inquiry.without_new:
            everything = self._sides(whole, self._told(~new), None)
        base = self._base(whole, groups)
        sides = [
            self._sides(base, self._told(~group.rows), group.newest, self._weight(group))
            for group in groups
        ]
        verdicts = _verdicts([group.kind for group in groups], sides)
        judged = {
            group.name: Judged(group, verdict, _without(each))
            for group, verdict, each in zip(groups, verdicts, sides, strict=True)
        }
        assert len(judged) == len(groups), "every group has a name of its own"
        self._explain(judged, base, keep)
        return Found(
            everything=_without(everything),
            judged=tuple(sorted(judged.values(), key=_worst_first)),
            would_be_found=_power(sides),
            trainings=self._trainings,
        )

    def _told(self, keep: Mask) -> Told:
        found = self._inquiry.told(keep)
        self._trainings += 1
        self._total = max(self._total, self._trainings)
        self._tell(self._trainings, self._total)
        return found

    def _base(self, whole: Told, groups: Sequence[Group]) -> Told:
        """What models lose that miss as many new rows as a group has, drawn at random: with the
        whole one their mean is what groups are held against, and their spread says how much leaving
        out any rows moves."""
        new = np.flatnonzero(self._inquiry.new)
        size = round(median([int(group.rows.sum()) for group in groups]))
        draw = np.random.default_rng(self._inquiry.seed)
        models = [whole]
        for _ in range(DRAWN):
            keep = np.ones_like(self._inquiry.new)
            keep[draw.choice(new, size, replace=False)] = False
            models.append(self._told(keep))
        base = Told(
            lost=np.mean([each.lost for each in models], axis=0),
            wrong=np.mean([each.wrong for each in models], axis=0),
        )
        spread = [self._sides(base, each, None) for each in models]
        for name in spread[0]:
            apart = sum(each[name].lost.worse_by ** 2 for each in spread) / DRAWN
            # One more model against the mean of these.
            self._moves[name] = apart * (1 + 1 / len(models)) / _odds(size, len(self._inquiry.new))
        return base

    def _weight(self, group: Group) -> float:
        """How much more leaving out so many rows moves than others: as the variance of a mean."""
        return _odds(int(group.rows.sum()), len(group.rows))

    def _sides(self, base: Told, without: Told, newest: Mask | None, weight: float = 0.0) -> _Sides:
        """`newest`: which of the newest rows count; all where nothing is said."""
        inquiry = self._inquiry
        places = {
            NEWEST: np.arange(inquiry.newest) if newest is None else np.flatnonzero(newest),
            BEFORE: np.arange(inquiry.newest, inquiry.newest + inquiry.before),
        }
        places[BOTH] = np.concatenate([places[NEWEST], places[BEFORE]])
        return {
            name: _Side(
                self._difference(
                    base.lost[rows] - without.lost[rows], self._moves.get(name, 0.0) * weight
                ),
                float(np.mean(base.wrong[rows] - without.wrong[rows])),
            )
            for name, rows in places.items()
            if len(rows) >= SAMPLES_MIN
        }

    def _difference(self, apart: Floats, moves: float) -> Difference:
        found = of_pairs(apart)
        own = found.error**2
        if not moves:
            return found
        # Welch and Satterthwaite: how sure the sum of two errors is, one of them from a few draws.
        freedom = (own + moves) ** 2 / (own**2 / found.freedom + moves**2 / DRAWN)
        return structs.replace(
            found, error=math.sqrt(own + moves), freedom=max(1, math.floor(freedom))
        )

    def _explain(self, judged: dict[str, Judged], base: Told, keep: Mask) -> None:
        """Of groups that share rows with the worst, which are worse by themselves: the same
        question where the worst is left out already."""
        worst: list[Judged] = []
        for _ in range(_ROUNDS):
            names = [each.group.name for each in worst]
            left = [
                each
                for each in judged.values()
                if each.verdict == "fail" and each.group.name not in names
            ]
            if worst and left:
                left = self._again(judged, left, (base, keep, names[-1]))
            if not left:
                return
            worst.append(min(left, key=_worst_first))
            keep = keep & ~worst[-1].group.rows
            if len(left) > 1:
                self._total = self._trainings + len(left)
                base = self._told(keep)

    def _again(
        self, judged: dict[str, Judged], left: Sequence[Judged], given: tuple[Told, Mask, str]
    ) -> list[Judged]:
        """Those that are worse still."""
        base, keep, worst = given
        sides = [
            self._sides(
                base,
                self._told(keep & ~each.group.rows),
                each.group.newest,
                self._weight(each.group),
            )
            for each in left
        ]
        verdicts = _verdicts([each.group.kind for each in left], sides)
        still: list[Judged] = []
        for each, verdict in zip(left, verdicts, strict=True):
            if verdict == "fail":
                still.append(each)
            else:
                judged[each.group.name] = Judged(each.group, "pass", each.without, worst)
        return still


def _odds(count: int, rows: int) -> float:
    return count / (rows - count)


def _without(sides: _Sides) -> tuple[Without, ...]:
    return tuple(
        Without(
            yardstick=name,
            fewer=side.wrong,
            better_by=side.lost.worse_by,
            interval=side.lost.interval(CHANCE),
            rows=side.lost.samples,
        )
        for name, side in sides.items()
    )


def _power(sides: Sequence[_Sides]) -> float | None:
    """How much a group must have added to be found by the newest rows, where it is hardest."""
    known = [each[NEWEST].lost for each in sides if NEWEST in each]
    claims = sum(map(len, sides))
    return max(
        (
            (quantile(1 - CHANCE / claims, each.freedom) + quantile(_POWER, each.freedom))
            * each.error
            for each in known
        ),
        default=None,
    )


def _verdicts(kinds: Sequence[Kind], sides: Sequence[_Sides]) -> list[Verdict]:
    """Of all groups together: surely better without it by one yardstick or by both together, and
    not worse by any."""
    claims = [(place, name) for place, each in enumerate(sides) for name in each]
    chances = [sides[place][name].lost.chance(0.0) for place, name in claims]
    held = zip(claims, holm(chances, CHANCE), strict=True)
    sure = {claim for claim, holds in held if holds}
    found: list[Verdict] = []
    for place, each in enumerate(sides):
        if not any((place, name) in sure for name in each):
            found.append("pass")
        elif all(side.lost.worse_by > 0 for side in each.values()) and _tells(kinds[place], each):
            found.append("fail")
        else:
            found.append("unsure")
    return found


def _tells(kind: Kind, sides: _Sides) -> bool:
    """What callers say cannot be held against what other callers say and nothing else: nobody
    knows which of them is right."""
    return NEWEST in sides and (kind != "source" or BEFORE in sides)


def _worst_first(judged: Judged) -> tuple[int, float]:
    order = {"fail": 0, "unsure": 1, "pass": 2}[judged.verdict]
    return order, -max((each.better_by for each in judged.without), default=-math.inf)
