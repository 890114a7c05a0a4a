"""What is to be answered anew, and what became of it."""

from typing import Any, Final

import msgspec

from mainstay.journal.model import Status

DOOR: Final = "reprocess"
"""Of the decisions that replace others. They have the arm of shadows, because nobody was shown them
when they were made, and name what they replace where a shadow names what it repeats."""
REPLACED: Final = "replaced"
"""What events about a replaced decision have in their body."""
REFUSED_SHOWN: Final = 20


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision says."""

    version: int
    status: Status
    answer: Any = None
    """Nothing where it was withheld, or where something else than the model answered then."""


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """One decision that was answered anew."""

    replaces: str
    id: str
    before: Told
    after: Told

    @property
    def changed(self) -> bool:
        """Whether it says something else now; what a fallback said then, nobody knows any more."""
        first, second = self.before, self.after
        if first.status != second.status:
            return True
        return first.status != "fallback" and first.answer != second.answer


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that the version in force cannot answer."""

    id: str
    words: str


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to do."""

    model: str
    versions: tuple[int, ...]
    """Whose decisions are to be replaced."""
    fingerprints: tuple[str, ...]
    by: int
    """The version in force, which answers."""
    by_fingerprint: str
    epoch: int
    decisions: int
    """All that those versions made and somebody was shown, or that replaced others."""
    replaced: int
    """Of these, replaced already by a version that is not one of them."""
    undone: int
    """Of these, undone: they do not stand any more."""

    @property
    def left(self) -> int:
        """How many there are to answer."""
        return self.decisions - self.replaced - self.undone


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What one go came to."""

    work: Work
    answered: int = 0
    changed: int = 0
    refused: int = 0
    first_refused: tuple[Refused, ...] = ()
