"""The rows of one model run as judgement sees them, and what a stage of judgement is.

A stage looks at the rows whose answers still stand and may take some of them back: ask first,
offer several, hold, or decline. No stage can give back what another one took, so the order of the
stages never makes an answer bolder. Only the fallback chain answers in place of the model, and what
it says goes through the last stages again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mainstay.contract.columns import MATRIX, Column, Columns
from mainstay.journal.model import STATUSES
from mainstay.judge.present import Shown
from mainstay.tally.memory import MemoryTally
from mainstay.tally.port import Tally

Mask = npt.NDArray[np.bool_]
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
            self.statuses[changed] = status
            for row in np.flatnonzero(changed).tolist():
                self.note(row, why if isinstance(why, str) else why(row))
        return changed

    def note(self, row: int, reason: str) -> None:
        """Add to what is recorded of a row."""
        before = self.reasons.get(row)
        self.reasons[row] = f"{reason}; {before}" if before else reason


@dataclass(slots=True, frozen=True)
class Means:
    """What stages work with beside the contract; each has a default that works alone."""

    tally: Tally = field(default_factory=MemoryTally)
    """Where is counted what is limited or compared across requests."""


class Stage(Protocol):
    """One look at all rows of a run. Vectorised; never waits; lives as long as its version."""

    def __call__(self, case: Case) -> None:
        """Take back what must not be shown as it is."""
        ...
