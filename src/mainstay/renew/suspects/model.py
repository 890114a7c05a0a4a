"""What is suspected of having made a model worse, how it is measured, and what was found.

Two yardsticks, because labels that are bad now may be bad in the newest rows too: the `newest`
rows, which no training sees, and the confidence set of the version that answers, which is from
`before` whatever is new. What is better without a group by one of them and not worse by the other
is named. Where they contradict each other, either the world has changed or the newest labels are
bad as well: which of them no figure can tell.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.contract.finding import Finding, Verdict

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Kind = Literal["period", "source", "version", "input"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
CHECK: Final = "training data"
NEWEST: Final = "newest"
BEFORE: Final = "before"
BOTH: Final = "both"


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the new rows, by what they have in common."""

    kind: Kind
    name: str
    """For people."""
    rows: Mask
    """Among the rows to learn from."""
    stretch: tuple[int, int]
    """From when until when they were decided, in nanoseconds, without the end."""
    value: str = ""
    """Of a source its caller."""
    newest: Mask | None = None
    """The newest rows that it is measured on; nothing where none of them can tell."""


class Yardstick(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that models are measured on."""

    name: str
    rows: int
    words: str


class Without(msgspec.Struct, frozen=True, kw_only=True):
    """How much better a model is without some rows, by one yardstick."""

    yardstick: str
    fewer: float
    """Errors for each answer, or for numbers distance; less than 0 where they are more."""
    better_by: float
    """The same by the loss that decides: of probabilities the squared distance from what turned
    out, which tells more than whether the likeliest class was right."""
    interval: tuple[float, float]
    """What that is at the least, and at the most."""
    rows: int


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """A group that was asked about."""

    kind: Kind
    name: str
    rows: int
    verdict: Verdict
    """`fail`: it surely made the model worse. `unsure`: the yardsticks contradict each other."""
    without: list[Without]
    words: str
    next: list[str] = []
    """What to do, ready to be typed."""


class Suspected(msgspec.Struct, frozen=True, kw_only=True):
    """What was found."""

    model: str
    version: int
    """The one that answers; what it learned is not new."""
    snapshot: str
    learned: int
    """Rows that are learned from."""
    new: int
    """Of them, those that are new."""
    yardsticks: list[Yardstick]
    everything: list[Without]
    """Without anything new."""
    suspects: list[Suspect]
    """The worst first."""
    not_asked: list[str]
    """Groups for which no training was left."""
    would_be_found: float | None
    """So much loss for each answer a group must have added to be found, four times in five."""
    trainings: int
    finding: Finding
