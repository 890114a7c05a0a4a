"""A snapshot: a definition of labelled decisions, and what it meant when it was taken.

Promises that its id stands for the definition, every value of every column and the number of rows;
so two snapshots with one id are the same data, and a journal that would give other rows cannot go
unnoticed.
"""

from hashlib import sha256
from typing import Any, Final

import msgspec

from mainstay.renew.labels.model import Definition

SHOWN_CHARACTERS: Final = 12
"""So much of an id is shown to people; as much of it as is clear is enough to name it."""


ASKED: Final = ("features", "places", "lists", "history")
"""What a definition may ask for besides; one that does not has the id that it always had."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A version of data."""

    id: str
    definition: Definition
    content: str
    """A hash over all columns and the number of rows."""
    columns: dict[str, str]
    """Every column and the hash of its values."""
    rows: int
    reaches: tuple[int, int]
    """Event times in nanoseconds: of the first decision, and of the last thing that is in it, be
    it a decision or a label."""
    left_out: dict[str, int]
    """Why to how much is not in it."""
    contradicted: int
    """Decisions in it of which different labels were heard."""
    silent: int = 0
    """Decisions in it whose label is what silence means."""
    late: int = 0
    """Decisions in it whose label was heard after the feedback window."""
    file: str
    """The Parquet file, relative to the folder of snapshots."""
    digest: str
    """The SHA-256 of that file."""
    made_ns: int
    actor: str

    def __str__(self) -> str:
        return f"snapshot {self.id[:SHOWN_CHARACTERS]} of {self.definition.model}"


def id_of(definition: Definition, content: str) -> str:
    """The name of what a definition meant."""
    wanted = msgspec.to_builtins(definition)
    for name in ASKED:
        if not wanted.get(name):
            wanted.pop(name, None)
    said: Any = [wanted, content]
    return sha256(msgspec.json.encode(said, order="sorted")).hexdigest()
