"""What is usual of a source of labels, what is remembered of it, and what may be found."""

from typing import Any, Final, Literal

import msgspec

from mainstay.watch.monitors.detector import State

SILENT: Final = "labels.silent"
"""As good as nothing comes of what should."""
FEWER: Final = "labels.fewer"
"""Less than half of what should comes: some labels are lost, or fewer things really happen."""
LATE: Final = "labels.late"
"""What comes, comes much later than it used to."""
MEANING: Final = "labels.meaning"
"""What comes says something else than it used to, and the model's answers do not."""
UNKNOWN: Final = "labels.unknown"
"""What comes is said of decisions that nobody made."""
KINDS: Final = (SILENT, FEWER, LATE, MEANING, UNKNOWN)
"""Stable: events, snapshots and other programs know findings by these names."""

ALL: Final = ""
"""The name of all sources of labels together."""
NEW: Final = "…new"
"""The name of all sources of labels together of which nobody knows yet what is usual."""
KEY: Final = "||heard|"
"""How the keys of these findings begin."""

Kind = Literal["labels.silent", "labels.fewer", "labels.late", "labels.meaning", "labels.unknown"]


class Said(msgspec.Struct, frozen=True, array_like=True):
    """What labels usually say: classes how often, numbers how far from what the model answered."""

    shares: dict[str, float] = {}
    """Of each label."""
    given: dict[str, dict[str, float]] = {}
    """Of each label where the model gave this answer."""
    agreed: float = 0.0
    """How often label and answer are the same."""
    chance: float = 0.0
    """How often they would be if they had nothing to do with each other."""
    scatter: float = 1.0
    """How many labels say as much as one, because those that come together are alike."""
    ratios: dict[str, dict[str, float]] = {}
    """Of numbers: of like answers, how often a label is how many times its answer."""


class Usual(msgspec.Struct, frozen=True, kw_only=True):
    """What is usual of a source."""

    made_ms: int
    delays: tuple[float, ...]
    shares: tuple[float, ...]
    """Of how many decisions it has said something, by how many seconds after them."""
    reach_s: float
    """How old the oldest decision was; nobody knows of longer delays."""
    block_ms: int
    """How long is waited before what came is held against what should have; 0 where too little
    ever comes to be missed."""
    scatter: float
    """How many labels come at once, in so far as nothing foretells it."""
    unknown: float = 0.0
    """The share of what is said of decisions that nobody made."""
    said: Said = Said()


class Block(msgspec.Struct, frozen=True, array_like=True):
    """What came since a moment, and what should have."""

    begin_ms: int = 0
    came: float = 0.0
    expected: float = 0.0
    places: float = 0.0
    """The sum of where the labels should have stood among all delays."""
    cells: tuple[int, ...] = ()
    """Delays."""
    of: tuple[int, int] = (0, 0)
    """Known decisions, and unknown ones."""
    labels: dict[str, int] = {}
    pairs: dict[str, int] = {}
    ratios: dict[str, int] = {}


class Ear(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of one source."""

    usual: Usual | None = None
    tried_ms: int = 0
    """When it was last looked what is usual."""
    block: Block = Block()
    states: dict[str, State] = {}
    """By question."""
    calm_ms: dict[str, int] = {}
    """Of findings that go on: since when all has looked as it should."""
    left: tuple[tuple[int, int], ...] = ()
    """Stretches of time of which nobody learns what is usual."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of all sources of one model."""

    ears: dict[str, Ear] = {}
    until_ms: int = 0
    """All stretches that ended by then were taken into account."""


def restored(kept: Any) -> Health:
    """What a monitor's memory holds of it."""
    return msgspec.convert(kept or {}, Health)
