"""What numbers usually say beside what the model answered, and whether they still say it (M16).

A label is so many times its answer. Of like answers (of one version, within half a power of ten) it
is known how often it is how many times that; so what moves the answers, as inputs do that move,
moves nothing here, and another version is known by itself. A meaning changed where half of the
labels lie where a quarter of them did at most, and about 5 % or more off the middle: higher or
lower, or larger or smaller whatever their sign is. That the model errs more to both sides is none
of it. Pure.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from mainstay.renew.health.model import Block
from mainstay.summaries.labels import ARROW
from mainstay.summaries.ratios import place_of, size_of, times_of

WAYS: Final[Mapping[str, Callable[[str], float]]] = {
    "higher": place_of,
    "lower": lambda cell: -place_of(cell),
    "larger": size_of,
    "smaller": lambda cell: -size_of(cell),
}
"""In which way labels may have moved, to where a cell stands on it."""
HALF: Final = 0.5
_QUARTER: Final = 0.25
_APART: Final = 1.0
"""So many cells beyond the middle one labels may lie as they like."""
_LEAST: Final = 40
"""Of fewer labels of like answers nobody knows what is usual."""
_STRATA_MAX: Final = 60

Ratios = Mapping[str, Mapping[str, float]]


class Seen(NamedTuple):
    """What the labels of a block say, of those answers of which it is known what is usual."""

    share: float
    """How many are usually beyond …"""
    beyond: float
    """… and how many there are."""
    rows: float


def usual_ratios(counted: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """By stratum, how often a label is in which cell."""
    strata = _by_stratum(counted)
    many = {name: own for name, own in strata.items() if sum(own.values()) >= _LEAST}
    kept = sorted(many, key=lambda name: (-sum(many[name].values()), name))[:_STRATA_MAX]
    return {
        name: {cell: count / sum(many[name].values()) for cell, count in many[name].items()}
        for name in kept
    }


def seen_of(way: str, usual: Ratios, block: Block) -> Seen:
    """How many labels of a block lie beyond where at most a quarter of them usually does."""
    place = WAYS[way]
    share = beyond = rows = 0.0
    for name, own in _by_stratum(block.ratios).items():
        if name in usual:
            limit = _limit(place, usual[name])
            count = sum(own.values())
            share += count * sum(s for cell, s in usual[name].items() if place(cell) > limit)
            beyond += sum(n for cell, n in own.items() if place(cell) > limit)
            rows += count
    return Seen(share / rows if rows else 0.0, beyond, rows)


def times(usual: Ratios, block: Block) -> float:
    """How many times what it was the label in the middle is, of the commonest like answers."""
    strata = {name: own for name, own in _by_stratum(block.ratios).items() if name in usual}
    if not strata:
        return 1.0
    name = max(sorted(strata), key=lambda each: sum(strata[each].values()))
    before = times_of(_middle(place_of, usual[name].items()))
    return times_of(_middle(place_of, strata[name].items())) / before if before else 0.0


def _limit(place: Callable[[str], float], own: Mapping[str, float]) -> float:
    """Beyond it lies a quarter at most, and nothing that is near the middle."""
    left, limit = 1.0, 0.0
    for cell in sorted(own, key=place):
        left -= own[cell]
        limit = place(cell)
        if left <= _QUARTER:
            break
    return max(limit, _middle(place, own.items()) + _APART)


def _middle(place: Callable[[str], float], own: Iterable[tuple[str, float]]) -> float:
    """Where the one in the middle stands."""
    ordered = sorted((place(cell), weight) for cell, weight in own)
    whole, passed = sum(weight for _, weight in ordered), 0.0
    for at, weight in ordered:
        passed += weight
        if passed >= HALF * whole:
            return at
    return 0.0


def _by_stratum(counted: Mapping[str, int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for word, count in counted.items():
        cell, _, name = word.partition(ARROW)
        found.setdefault(name, {})[cell] = count
    return found
