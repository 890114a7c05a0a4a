"""Why an answer waits for a person, as a value that can be kept until they come to it."""

from typing import Literal

import msgspec

Side = Literal["above", "below", "unsure"]


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Where a number counts once it was released."""

    name: str
    key: str
    bucket_ns: int
    buckets: int


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found about one answer."""

    side: Side
    words: str
    """One sentence for the person who decides."""
    value: float | None
    """The number that was looked at; nothing where it is missing."""
    limit: float | None
    mean: float | None = None
    sd: float | None = None
    count: int = 0
    """How many numbers mean and sd are of."""
    group: str = ""
    """The value of the input whose groups are looked at apart."""
    wait: str
    """How long a person has, as the contract says it."""
    counted: Counted | None = None
    """Nothing where mean and sd do not matter."""
