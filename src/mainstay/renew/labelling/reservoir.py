"""Decisions drawn at random as they come, so many of a stretch of time, by strata.

Every decision has a place between 0 and 1 / rate that follows from its id alone, and the `most`
lowest places below 1 are kept. Promises that the order in which decisions come, how they were
parted among processes, and how often one is offered make no difference: merging is the same as
having seen all of them together. Weights are unbiased: a decision is kept when its place is below
the limit, so its chance is rate × limit, and the weights 1 / chance sum up to how many decisions
there were, on average over draws, in every stratum and every part of it.
"""

import heapq
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Final

import msgspec

from mainstay.base.draws import draw
from mainstay.contract.asking import OTHERS

_SALT: Final = "set aside "


class Drawn(msgspec.Struct, frozen=True, array_like=True):
    """A decision that is kept for now."""

    id: str
    place: float
    rate: float
    stratum: str


class Reservoir(msgspec.Struct, frozen=True):
    """What is kept of one model and one stretch of time."""

    most: int
    limit: float = 1.0
    """What has a place at or above was not kept."""
    kept: tuple[Drawn, ...] = ()
    """By place, the lowest first."""
    even_rate: float = 1.0
    """The lowest rate of any stratum."""


def offer(
    model: str, most: int, rates: Mapping[str, float], rows: Iterable[tuple[str, str]]
) -> Reservoir:
    """The reservoir of some decisions, each an id and the stratum it is in."""
    found: list[Drawn] = []
    for id_, stratum in rows:
        rate = rates.get(stratum, rates.get(OTHERS, 1.0))
        place = draw(_SALT + model, id_) / rate
        if place < 1.0:
            found.append(Drawn(id_, place, rate, stratum))
            if len(found) > 4 * most + 64:
                found = _lowest(found, most + 1)
    lowest_rate = min([*rates.values(), 1.0])
    return _kept(Reservoir(most, even_rate=lowest_rate), found)


def merge(one: Reservoir, other: Reservoir) -> Reservoir:
    """Both together."""
    both = {each.id: each for each in (*one.kept, *other.kept)}
    base = Reservoir(
        min(one.most, other.most),
        min(one.limit, other.limit),
        even_rate=min(one.even_rate, other.even_rate),
    )
    return _kept(base, both.values())


def chance(reservoir: Reservoir, drawn: Drawn) -> float:
    """How probable it was that this decision is kept."""
    return drawn.rate * reservoir.limit


def is_even(reservoir: Reservoir, drawn: Drawn) -> bool:
    """Whether it would have been kept at the lowest rate as well: those that would are a sample
    in which every decision has the same chance."""
    return drawn.place * drawn.rate < reservoir.even_rate * reservoir.limit


def _kept(base: Reservoir, found: Iterable[Drawn]) -> Reservoir:
    lowest = _lowest({each.id: each for each in found}.values(), base.most + 1)
    limit = base.limit
    if len(lowest) > base.most:
        limit = min(limit, lowest[base.most].place)
    kept = tuple(each for each in lowest[: base.most] if each.place < limit)
    return msgspec.structs.replace(base, limit=limit, kept=kept)


def _lowest(found: Iterable[Drawn], count: int) -> list[Drawn]:
    return heapq.nsmallest(count, found, key=attrgetter("place", "id"))
