"""Which way of retraining to take from now on, and what taking such advice would have been worth.

Promises that the advice rests on the newest periods, because how fast a model grows old changes
too; and that what it is worth is told of the newer half of the history as it would have come about:
at the end of each period the way that was cheapest over the periods before, seen by nobody in
advance, beside every single way and beside the best there could have been.
"""

import math
from typing import Final

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.renew.schedule.model import (
    Floats,
    Losses,
    Prices,
    Run,
    half_life,
    kept_by_age,
    loss_by_age,
)
from mainstay.renew.schedule.policies import Policy, best, candidates, cheapest, follow, run

PERIODS_MIN: Final = 6
"""With fewer there is nothing to learn from and nothing to be held to."""
RECENT: Final = 20
"""So many of the newest periods say which way is the cheapest."""


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One way of retraining over the newer half of a history."""

    name: str
    run: Run
    regret: float
    """How much more it cost than the best there could have been."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """Which way to take."""

    take: str
    """The way that was cheapest over the newest periods."""
    followed: Tried
    """What it would have cost to ask again after each period of the newer half."""
    tried: list[Tried]
    """Every single way on the newer half, cheapest first."""
    best: Run
    """What would have been cheapest there, known only afterwards."""
    by_age: list[float | None]
    """The mean loss of models that are 1, 2, … periods old; nothing where no row tells."""
    periods: int
    """How many periods the newer half has."""
    kept: list[float | None] = []
    """Which part of its advantage over never retraining a model of 1, 2, … periods still has."""
    half_life: float | None = None
    """After how many periods half of that is lost; nothing where no history is long enough."""


def advise(losses: Losses, prices: Prices, also: tuple[Policy, ...] = ()) -> Advice:
    """The way to take; `also` names ways that are tried and never taken, to compare with."""
    if losses.periods < PERIODS_MIN:
        raise InvalidUsage(
            f"{losses.periods} periods are too few to compare ways of retraining",
            field="periods",
            got=losses.periods,
            expected=f"at least {PERIODS_MIN}: a longer history, or shorter periods",
        )
    middle = losses.periods // 2
    newer = losses.part(middle, losses.periods)
    ways = candidates(min(middle, RECENT) + 1)
    least = best(newer, prices)
    known = {way.name: way for way in (*ways, *also)}
    tried = [_tried(name, run(way, newer, prices), least) for name, way in known.items()]
    tried.sort(key=lambda each: (each.run.cost, each.name))
    recent = losses.part(max(0, losses.periods - 1 - RECENT), losses.periods)
    kept = kept_by_age(losses)
    return Advice(
        take=cheapest(ways, recent, prices).name,
        followed=_tried("as advised", follow(ways, losses, prices, middle, RECENT), least),
        tried=tried,
        best=least,
        by_age=_known(loss_by_age(losses)),
        periods=newer.periods - 1,
        kept=_known(kept),
        half_life=half_life(kept),
    )


def _known(values: Floats) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]


def _tried(name: str, done: Run, least: Run) -> Tried:
    return Tried(name=name, run=done, regret=done.cost - least.cost)
