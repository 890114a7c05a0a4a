"""What was logged of some decisions, held against what an extractor makes of them now.

Promises that every feature is either the same bit for bit, within the noise of computing (see
`bundle.noise`), or named, with how often and how far it differs and an example; and that what is
said of the cause was observed (asked again, asked alone) or read in the code, and is called so.
Pure.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.bundle.extracting import Extracted
from mainstay.bundle.noise import apart
from mainstay.contract.columns import Column, Columns
from mainstay.contract.finding import Finding
from mainstay.journal.rows import plain

CHECK: Final = "skew"
TWICE: Final = "asked twice it says two things"
ALONE: Final = "it depends on which rows are asked together"
OTHERWISE: Final = (
    "today it says the same each time, so then it read something that is otherwise now: the clock, "
    "a file, its surroundings"
)
_TEXT_MAX: Final = 60


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One value that came out otherwise."""

    decision: str
    logged: Any
    made: Any


class Skewed(msgspec.Struct, frozen=True, kw_only=True):
    """One feature that comes out otherwise."""

    feature: str
    rows: int
    """In how many decisions."""
    of: int
    furthest: float | None
    """By how much at most; nothing where no number says so."""
    example: Example
    """The decision in which it is the furthest."""
    causes: tuple[str, ...]
    """What it may be."""

    @property
    def words(self) -> str:
        """In one sentence."""
        far = "" if self.furthest is None else f", by {self.furthest:.4g} at most"
        shown = self.example
        said = (
            f"{self.feature} comes out otherwise in {self.rows:,} of {self.of:,} decisions{far}: "
            f"{shown.decision} had {shown.logged!r} and would get {shown.made!r}"
        )
        return said + (f"; {'; '.join(self.causes)}" if self.causes else "")


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """All features of some decisions."""

    skewed: tuple[Skewed, ...]
    """Those in most decisions first."""
    noisy: tuple[str, ...]
    """Features that differ, in noise only."""
    same: int
    """How many are the same bit for bit."""
    gone: tuple[str, ...] = ()
    """Features that are not made any more."""
    new: tuple[str, ...] = ()


class Hints(msgspec.Struct, frozen=True, kw_only=True):
    """What may be the cause, by the code and by what is installed."""

    reads: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    """Each that the code imports and that is another release now, in words."""


def compare(
    ids: Sequence[str], logged: Columns, extracted: Extracted, hints: Hints | None
) -> Compared:
    """Of the decisions whose rows were taken; `hints` where both are of one extractor."""
    rows, made = extracted.rows, extracted.features
    skewed: list[Skewed] = []
    noisy: list[str] = []
    for name in (each for each in logged if each in made):
        before, after = logged[name][rows], made[name]
        found = apart(before, after)
        if not found.beyond.any():
            noisy += [name] if found.differs.any() else []
            continue
        place = int(np.argmax(np.where(found.beyond, found.by, -1.0)))
        far = float(found.by[place])
        skewed.append(
            Skewed(
                feature=name,
                rows=int(found.beyond.sum()),
                of=len(rows),
                furthest=far if np.isfinite(far) else None,
                example=Example(
                    decision=ids[int(rows[place])],
                    logged=_shown(before, place),
                    made=_shown(after, place),
                ),
                causes=() if hints is None else _causes(name, extracted, hints),
            )
        )
    return Compared(
        skewed=tuple(sorted(skewed, key=lambda each: (-each.rows, each.feature))),
        noisy=tuple(noisy),
        same=sum(name in made for name in logged) - len(skewed) - len(noisy),
        gone=tuple(name for name in logged if name not in made),
        new=tuple(name for name in made if name not in logged),
    )


def findings_of(compared: Compared, rows: int) -> list[Finding]:
    """One for each feature that differs; one that passes where none does."""
    found = [
        Finding(
            check=f"{CHECK}: {each.feature}",
            verdict="fail",
            words=each.words,
            figure=each.rows / each.of,
            limit=0.0,
            samples=each.of,
        )
        for each in compared.skewed
    ]
    for names, said in ((compared.gone, "is not made any more"), (compared.new, "is new")):
        found += [
            Finding(check=f"{CHECK}: {name}", verdict="fail", words=f"{name} {said}", samples=rows)
            for name in names
        ]
    if found:
        return found
    noise = f", {len(compared.noisy):,} within the noise of computing" if compared.noisy else ""
    words = f"{compared.same:,} features come out bit for bit as they were logged{noise}"
    return [Finding(check=CHECK, verdict="pass", words=words, samples=rows)]


def other_releases(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """The libraries that are another release now than when a version was packed."""
    return tuple(
        f"{name} is {release} now and was {before[name]} when it was packed"
        for name, release in sorted(now.items())
        if before.get(name, release) != release
    )


def _causes(name: str, extracted: Extracted, hints: Hints) -> tuple[str, ...]:
    observed = [TWICE] if name in extracted.again else []
    if name in extracted.alone and not observed:
        observed.append(ALONE)
    read = [f"the code reads {', '.join(hints.reads)}"] if hints.reads else []
    return (*(observed or [OTHERWISE]), *read, *hints.libraries)


def _shown(column: Column, place: int) -> Any:
    value = plain(column[place])
    return value[:_TEXT_MAX] if isinstance(value, str) else value
