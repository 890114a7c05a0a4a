"""A call, an answer, and the one model run that joins several calls.

Every door turns what it reads into a `Call` and what comes back, an `Answer`, into bytes. Between
the two there is a `Run`: the rows of one or several calls going through the steps together.
"""

from dataclasses import dataclass, field

import msgspec
import numpy as np

from mainstay.access.model import Caller
from mainstay.contract.columns import Column, Columns
from mainstay.contract.model import Contract
from mainstay.journal.model import STATUSES
from mainstay.judge.present import Shown

DECLINED = STATUSES.index("declined")


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
    shadows: tuple[str, ...] = ()
    """Per row: the decision that a shadow repeats."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """Who answered a row."""

    arm: str
    version: int


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What a call is told: one decision for each of its rows, already recorded."""

    model: str
    number: int
    fingerprint: str
    route: int
    ids: list[str]
    output: Column
    shown: list[Shown]
    statuses: list[str]
    reasons: list[str]
    contract: Contract
    arm: str = "live"
    """The part its version has in the route; `mixed` when `rows` tells it row by row."""
    rows: list[Row] = []


@dataclass(slots=True)
class Run:
    """The rows of some calls on their way through the steps; each step fills in its part."""

    calls: list[Call]
    rows: int
    inputs: Columns
    context: Columns
    features: Columns
    output: Column
    shown: list[Shown]
    statuses: bytearray
    reasons: dict[int, str]
    started_ns: int
    steps_ns: dict[str, int] = field(default_factory=dict[str, int])


NOTHING: Column = np.empty((0,))


def join_columns(parts: list[Columns]) -> Columns:
    """The rows of several calls one after the other."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
