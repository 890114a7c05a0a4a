"""A call, an answer, and the one model run that joins several calls.

Every door turns what it reads into a `Call` and what comes back, an `Answer`, into bytes. Between
the two there is a `Run`: the rows of one or several calls going through the steps together.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import numpy as np

from mainstay.access.model import Caller
from mainstay.contract.columns import Column, Columns
from mainstay.contract.model import Contract
from mainstay.contract.repair import Change
from mainstay.judge.holding import Holding
from mainstay.judge.present import Presented, Shown, woven
from mainstay.serve.tracing import Trace


class Call(msgspec.Struct, frozen=True, gc=False):
    """What a caller asks: rows in the contract's shapes, their values not checked yet."""

    caller: Caller
    door: str
    request: str
    inputs: Columns
    context: Columns
    rows: int
    received_ns: int
    notes: dict[int, str] = {}
    """Row of the call to what was unusual about its context."""
    repaired: tuple[Change, ...] = ()
    """Values that were put right, and what was sent."""
    shadows: tuple[str, ...] = ()
    """Per row: the decision that a shadow repeats."""
    trace: Trace | None = None
    """Where somebody wants to know the way of its request."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """Who answered a row."""

    arm: str
    version: int


class Ids:
    """The ids of consecutive decisions, written out when somebody looks."""

    __slots__ = ("_first", "_mark", "_rows")

    def __init__(self, mark: str, first: int, rows: int) -> None:
        """`mark` is what the ids begin with, `first` the counter of the first of them."""
        self._mark = mark
        self._first = first
        self._rows = rows

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, row: int) -> str:
        if not 0 <= row < self._rows:
            raise IndexError(row)
        return f"{self._mark}{self._first + row:08x}"

    def __iter__(self) -> Iterator[str]:
        return iter(self.listed())

    def listed(self) -> list[str]:
        """All of them."""
        mark = self._mark
        return [f"{mark}{n:08x}" for n in range(self._first, self._first + self._rows)]


class OwnIds(Ids):
    """The ids of decisions that were made in several runs."""

    __slots__ = ("_all",)

    def __init__(self, ids: list[str]) -> None:
        super().__init__("", 0, len(ids))
        self._all = ids

    def __getitem__(self, row: int) -> str:
        return self._all[row]

    def listed(self) -> list[str]:
        """All of them."""
        return self._all


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What a call is told: one decision for each of its rows, already recorded."""

    model: str
    number: int
    fingerprint: str
    route: int
    ids: Ids
    output: Column
    shown: Presented
    statuses: list[str]
    reasons: list[str]
    contract: Contract
    arm: str = "live"
    """The part its version has in the route; `mixed` when `rows` tells it row by row."""
    rows: list[Row] = []
    words: dict[int, str] = {}
    """Row to plain words for the person, where the contract's own are not meant."""


@dataclass(slots=True)
class Run:
    """The rows of some calls on their way through the steps; each step fills in its part."""

    calls: list[Call]
    rows: int
    inputs: Columns
    context: Columns
    features: Columns
    output: Column
    shown: Presented
    statuses: bytearray
    reasons: dict[int, str]
    started_ns: int
    steps_ns: dict[str, int] = field(default_factory=dict[str, int])
    processor_ns: int = 0
    """Processor time of all steps but the record."""
    judged: Columns = field(default_factory=dict[str, Column])
    """What judgement measured, one column each."""
    replaced: dict[int, Shown] = field(default_factory=dict[int, Shown])
    """Rows that something else than the model's output answers."""
    words: dict[int, str] = field(default_factory=dict[int, str])
    unsaid: set[int] = field(default_factory=set[int])
    """Rows whose recorded reason is not told to who asked."""
    held: dict[int, Holding] = field(default_factory=dict[int, Holding])
    """Rows that wait for a person, and why."""
    told: Column | None = None
    """The output as it leaves, where a fallback answers some rows; the record has the model's."""
    without_model: str = ""
    """Why the model had no part in it."""
    counts: dict[tuple[str, ...], int] = field(default_factory=dict[tuple[str, ...], int])
    levels: dict[tuple[str, ...], float] = field(default_factory=dict[tuple[str, ...], float])
    """What judgement wants counted, and shown as it is now."""


NOTHING: Column = np.empty((0,))
NOTHING_SHOWN = woven(())


def join_columns(parts: list[Columns]) -> Columns:
    """The rows of several calls one after the other."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
