"""What a monitor remembers, and what it says when something begins or ends."""

from typing import Any, Literal

import msgspec

from mainstay.contract.finding import Finding
from mainstay.watch.monitors.detector import State

MARK_LENGTH = 16
"""How much of a fingerprint a key begins with."""
CALM_STRETCHES = 6
"""How many stretches in a row must look as they should before a finding ends."""


class Open(msgspec.Struct, frozen=True):
    """A finding that goes on."""

    finding: Finding
    since_ms: int
    """Where the change is thought to have begun."""
    opened_ms: int
    """The end of the stretch in which it was found."""
    calm: int = 0
    """How many stretches in a row have looked as they should."""


class Change(msgspec.Struct, frozen=True):
    """A finding that begins, or ends."""

    kind: Literal["opened", "resolved"]
    key: str
    """What is found, in a form that stays the same while it goes on."""
    finding: Finding
    since_ms: int
    at_ms: int
    touched: tuple[int, ...] = ()
    """Of findings about labels: from when until when decisions were made that it touches (ms); the
    end is 0 as long as it goes on, and there is nothing where none is touched."""


class Usage(msgspec.Struct, frozen=True, array_like=True):
    """How many requests there were, hour by hour."""

    hour_ms: int = 0
    """Where the hour begins that has not closed yet."""
    count: int = 0
    """What there was of it so far."""
    counts: tuple[int, ...] = ()
    """Of the hours before it, the oldest first."""
    ratios: tuple[float | None, ...] = ()
    """For each hour, how it stood to what is usual; nothing where that was not known."""
    places: tuple[float | None, ...] = ()
    """For each hour, how far it strayed; nothing where that says nothing of other hours."""


class Life(msgspec.Struct, frozen=True, array_like=True):
    """One figure of a process, or of a version, since that began."""

    values: tuple[float, ...] = ()
    """Logarithms, the oldest first."""
    state: State = State()
    seen_ms: int = 0
    """Where the newest of them begins."""
    born_ms: int = 0
    """Where the first was seen of it."""


class Running(msgspec.Struct, frozen=True, array_like=True):
    """How long answers took and what they cost, by the hour; as logarithms."""

    hour_ms: int = 0
    """Where the hour begins that has not closed yet."""
    stretches: dict[str, tuple[float, ...]] = {}
    """Of it, so far: by figure, and by figure and version."""
    hours: dict[str, tuple[float | None, ...]] = {}
    """Of the hours before it, the oldest first; nothing where too few answered."""
    lives: dict[str, Life] = {}
    """By the beginning of the key of what may be found."""


class Asking(msgspec.Struct, frozen=True, array_like=True):
    """How one caller is usually refused."""

    refused: int = 0
    asked: int = 0
    """Of its first requests."""
    state: State = State()
    seen_ms: int = 0


class Chosen(msgspec.Struct, frozen=True):
    """That a version is held to a period of what it answered, and not to what was packed."""

    kept: str
    """The name that this reference is kept under."""
    since_ms: int
    until_ms: int
    without: tuple[tuple[int, int], ...] = ()
    """What of it was quarantined when it was made."""
    by: str = ""


class Saved(msgspec.Struct, frozen=True):
    """Everything that is remembered of one model, so that the next keeper goes on from here."""

    until_ms: int = 0
    """All stretches that ended by then were taken into account."""
    counted_ms: int = 0
    """Where the last of them ended in which there was anything."""
    matured_ms: int = 0
    """Decisions that were made by then were looked at for what people did with them."""
    states: dict[str, State] = {}
    """By version, slice, column and question."""
    asked: dict[str, int] = {}
    """By version and slice: how many questions about columns share their false alarms."""
    open: dict[str, Open] = {}
    untold: tuple[Change, ...] = ()
    """What began and ended at the last look, until it was told."""
    tuned: dict[str, dict[str, float]] = {}
    """By column and question: the tolerance that is wanted since an alert was called false, by
    that alert."""
    first_ms: int = 0
    """Where the first decisions were that anybody looked at."""
    usage: Usage = Usage()
    """Without shadows, all versions together."""
    running: Running = Running()
    """Without shadows."""
    others: dict[str, Any] = {}
    """What monitors of rooms above remember, by their names, as plain values."""
    asking: dict[str, Asking] = {}
    """By caller: what of its requests is usually refused."""
    chosen: dict[str, Chosen] = {}
    """By fingerprint: versions that are held to another reference than the packed one."""


class Subject(msgspec.Struct, frozen=True):
    """Whose column a question is about."""

    fingerprint: str
    number: int
    slice: str
    column: str

    def key(self, what: str) -> str:
        """The name under which it is remembered."""
        return f"{self.fingerprint[:MARK_LENGTH]}|{self.slice}|{self.column}|{what}"
