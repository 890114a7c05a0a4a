"""A choice as a value, and all choices of one rollout as what assignment looks at.

A unit is known by a mark of 63 bits that follows from the rollout and the unit, so that neither a
database nor a file of choices holds what people are called. A choice is a mark and a stamp: when it
was made, and which of the two versions it is for. Of two choices of one unit the higher stamp
holds, wherever and in whatever order they arrive, so choices can be merged again and again.
"""

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from mainstay.serve.routes.model import Route

CHOICES_FILE = "choices.json"
"""Beside the orders: what the keeper knows, for the workers."""
WAITING_FOLDER = "choices"
"""Choices that workers wrote down and the keeper has not taken yet, one file each."""
Which = Literal["previous", "current"]


def mark_of(rollout: str, unit: str) -> int:
    """What a unit is known by in one rollout: 63 bits, so that every database can hold it."""
    key = hashlib.blake2b(rollout.encode("utf-8", "surrogatepass"), digest_size=32).digest()
    digest = hashlib.blake2b(unit.encode("utf-8", "surrogatepass"), key=key, digest_size=8)
    return int.from_bytes(digest.digest(), "big") >> 1


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What one unit chose."""

    model: str
    rollout: str
    """The salt of the route: choices end with the rollout they were made in."""
    mark: int
    stamp: int
    """Nanoseconds since 1970, doubled; 1 more where the choice is the version before."""


def stamp_of(time_ns: int, which: Which) -> int:
    """The stamp of a choice that is made now."""
    return 2 * time_ns + (which == "previous")


def went_back(stamp: int) -> bool:
    """Whether a stamp is of a choice of the version before."""
    return stamp % 2 == 1


def merge(into: dict[int, int], stamps: Mapping[int, int]) -> bool:
    """Add marks with their stamps; whether that changed anything."""
    newer = {mark: stamp for mark, stamp in stamps.items() if stamp > into.get(mark, 0)}
    into.update(newer)
    return bool(newer)


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """All choices of one rollout, as they stand in the keeper's file."""

    rollout: str
    packed: bytes
    """Sixteen bytes for each unit, in this machine's order: sorted marks, then their stamps."""


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    """The keeper's file."""

    models: dict[str, Table] = {}


def packed(stamps: Mapping[int, int]) -> bytes:
    """Marks and stamps as bytes."""
    marks = sorted(stamps)
    return array("Q", [*marks, *map(stamps.__getitem__, marks)]).tobytes()


class Packed:
    """Marks and stamps as they were packed: read at once, however many they are, because whoever
    reads them answers requests, and looked up in a microsecond."""

    __slots__ = ("_marks", "_stamps")

    def __init__(self, content: bytes = b"") -> None:
        half = len(content) // 2
        self._marks = array("Q", content[:half])
        self._stamps = array("Q", content[half:])

    def __len__(self) -> int:
        return len(self._marks)

    def stamp(self, mark: int) -> int:
        """The stamp of a unit; 0 where it chose nothing."""
        place = bisect_left(self._marks, mark)
        known = place < len(self._marks) and self._marks[place] == mark
        return self._stamps[place] if known else 0

    def all(self) -> dict[int, int]:
        """Every mark with its stamp."""
        return dict(zip(self._marks, self._stamps, strict=True))


def rollouts_of(routes: Iterable[Route]) -> dict[str, str]:
    """Model to the rollout whose choices hold, where there is one."""
    return {route.model: route.salt for route in routes if route.opt_back is not None}
