"""The rows of one model run as judgement sees them, and what a stage of judgement is.

A stage looks at the rows whose answers still stand and may take some of them back: ask first,
offer several, hold, or decline. No stage can give back what another one took, so the order of the
stages never makes an answer bolder. Only the fallback chain answers in place of the model, and what
it says goes through the last stages again.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mainstay.base.clock import Clock, SystemClock
from mainstay.bundle.judgement import Calibration
from mainstay.bundle.known import Marks
from mainstay.bundle.port import Loaded
from mainstay.contract.columns import MATRIX, Column, Columns
from mainstay.journal.model import STATUSES
from mainstay.judge.holding import Holding
from mainstay.judge.present import Shown
from mainstay.tally.memory import MemoryTally
from mainstay.tally.port import Tally

Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]
Why = str | Callable[[int], str]
"""The reason that is recorded: one for all rows, or made for each row that needs one."""

ANSWERED = STATUSES.index("answered")
ASKED = STATUSES.index("asked")
OPTIONS = STATUSES.index("options")
HELD = STATUSES.index("held")
FALLBACK = STATUSES.index("fallback")
DECLINED = STATUSES.index("declined")

SPEAKING = frozenset({"answered", "asked", "options", "fallback"})
"""Statuses with which something is shown."""

_WEIGHT = np.zeros(len(STATUSES), dtype=np.int8)
"""How much a status takes back."""
for _code, _weight in ((FALLBACK, 0), (OPTIONS, 1), (ASKED, 2), (HELD, 3), (DECLINED, 4)):
    _WEIGHT[_code] = _weight


@dataclass(slots=True)
class Case:
    """What is judged: the rows of a run, and what became of each so far."""

    rows: int
    inputs: Columns
    """As they were joined: by name, or one matrix in the order of `names`."""
    context: Columns
    output: Column
    names: tuple[str, ...]
    callers: Callable[[], list[str]]
    """Who asked for each row; made when a stage wants to know."""
    time_ns: int
    statuses: npt.NDArray[np.uint8]
    reasons: dict[int, str]
    judged: Columns = field(default_factory=dict[str, Column])
    """What the stages measured, one column each; recorded with the decision."""
    shown: dict[int, Shown] = field(default_factory=dict[int, Shown])
    """Rows that are answered otherwise than the output says."""
    words: dict[int, str] = field(default_factory=dict[int, str])
    """Plain words for the person, row by row, where the contract's own are not meant."""
    unsaid: set[int] = field(default_factory=set[int])
    """Rows whose recorded reason is not told to who asked."""
    held: dict[int, Holding] = field(default_factory=dict[int, Holding])
    """Rows that wait for a person, and why."""
    told: Column | None = None
    """The output as it leaves, where a fallback answers some rows; see `said`."""
    counts: dict[tuple[str, ...], int] = field(default_factory=dict[tuple[str, ...], int])
    """What is to be counted in metrics: the name of a count and its labels to how many."""

    @property
    def said(self) -> Column:
        """What is answered, in the form of the output: the model's own, and in the rows that a
        fallback answers what that says. Never the model's where the model is not what answers."""
        return self.output if self.told is None else self.told

    levels: dict[tuple[str, ...], float] = field(default_factory=dict[tuple[str, ...], float])
    """What is to be shown in metrics as it is now: the name and its labels to a figure."""
    final: Mask | None = None
    """Rows that were declined for good: no fallback answers them."""
    stage: int = 0
    """The place of the stage that looks now, from 1; see `taken_by`."""
    taken_by: npt.NDArray[np.uint8] | None = None
    """Row by row, the place of the stage that took back last; nothing while none did."""

    def count(self, *key: str, by: int = 1) -> None:
        """Add to what is counted."""
        self.counts[key] = self.counts.get(key, 0) + by

    def column(self, name: str) -> Column:
        """An input or context value of all rows; `KeyError` when there is none."""
        if name in self.context:
            return self.context[name]
        if MATRIX in self.inputs:
            try:
                return self.inputs[MATRIX][:, self.names.index(name)]
            except ValueError:
                raise KeyError(name) from None
        return self.inputs[name]

    def standing(self) -> Mask:
        """Rows with which something would be shown as it is."""
        return _WEIGHT[self.statuses] < _WEIGHT[HELD]

    def turn(self, rows: Mask, status: int, why: Why) -> Mask:
        """Take the answers of some rows back as far as a status says; which rows changed. Rows of
        which as much or more was taken back already stay as they are."""
        changed = rows & (_WEIGHT[self.statuses] < _WEIGHT[status])
        if changed.any():
            for row in np.flatnonzero(changed & (self.statuses == OPTIONS)).tolist():
                self.shown.pop(row, None)
            self.statuses[changed] = status
            if self.taken_by is None:
                self.taken_by = np.zeros(self.rows, dtype=np.uint8)
            self.taken_by[changed] = self.stage
            for row in np.flatnonzero(changed).tolist():
                self.note(row, why if isinstance(why, str) else why(row))
                # What an earlier stage meant to say may name an answer that nobody is told now.
                self.words.pop(row, None)
        return changed

    def note(self, row: int, reason: str) -> None:
        """Add to what is recorded of a row, the newest first; a semicolon parts the notes."""
        reason = reason.replace("; ", ", ")
        before = self.reasons.get(row)
        self.reasons[row] = f"{reason}; {before}" if before else reason


@dataclass(slots=True, frozen=True)
class Other:
    """A version that was loaded to answer in place of another one."""

    number: int
    loaded: Loaded
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held while its model is asked, which happens for all who fall back on it."""


@dataclass(slots=True, frozen=True)
class Means:
    """What stages work with beside the contract; each has a default that works alone."""

    clock: Clock = field(default_factory=SystemClock)
    others: Mapping[str, "Other"] = field(default_factory=dict[str, "Other"])
    """The versions that fallback steps and safeguards name and that are here, by the key of the
    step."""
    calibration: Calibration | None = None
    """How the version corrects its confidence."""
    known: Mapping[str, Marks] = field(default_factory=dict[str, Marks])
    """By input, what the version learned from."""
    marks: frozenset[str] = frozenset()
    """The fingerprints that the version goes by: its own, and that of the one it was refreshed
    from."""
    tally: Tally = field(default_factory=MemoryTally)
    """Where is counted what is limited or compared across requests."""


class Stage(Protocol):
    """One look at all rows of a run. Vectorised; never waits; lives as long as its version."""

    def __call__(self, case: Case) -> None:
        """Take back what must not be shown as it is."""
        ...
