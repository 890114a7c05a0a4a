"""The facts the journal keeps. Fields are only ever added, with defaults: old pieces stay readable.

Decisions are written a model run at a time, column by column, because that is how they are made
and because it costs a fraction of a record each. An `Event` is any other single fact.
"""

from typing import Any, Literal

import msgspec

Status = Literal["answered", "asked", "options", "held", "fallback", "declined"]

CERTAIN = 1.0
"""The propensity of what no draw decided on."""

STATUSES: tuple[Status, ...] = ("answered", "asked", "options", "held", "fallback", "declined")


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """The names that a version's matrices and outputs are read by; kept once in each piece."""

    fingerprint: str
    model: str
    number: int
    inputs: tuple[str, ...]
    """Names of the inputs in contract order (a matrix of inputs has these columns)."""
    features: tuple[str, ...]
    outputs: tuple[str, ...]
    """One name per column of a two-dimensional output; one name for a one-dimensional one."""


class DecisionBatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The decisions of one model run: rows with consecutive ids that were computed together."""

    fingerprint: str
    route: int
    """The epoch of the route that was in force."""
    door: str
    time_ms: int
    """Event time of all rows; the first part of their ids."""
    incarnation: int
    first_sequence: int
    rows: int
    callers: tuple[str, ...]
    """One per row, or a single one for all."""
    requests: tuple[str, ...] = ()
    """The callers' own request ids, one per row; empty when nobody sent any."""
    inputs: bytes
    """Encoded columns: the raw input, named or as a matrix."""
    context: bytes = b""
    features: bytes = b""
    """Encoded columns; empty when the inputs are the features."""
    outputs: bytes
    """Encoded columns: one column `output`, as the model gave it."""
    judged: bytes = b""
    """Encoded columns: what judgement measured (confidence, cost …); empty where it measured
    nothing."""
    statuses: bytes
    """One byte per row: the index in `STATUSES`."""
    reasons: dict[int, str] = {}
    """Row to the reason why its answer was withheld or its context fell back."""
    waited_ns: tuple[int, ...] = ()
    """Per row: from receipt to the start of the run."""
    steps_ns: dict[str, int] = {}
    """Time of each step of the run, for all rows together."""
    arm: str = "live"
    """The part the version had in its route: `live`, `share`, `shadow`, or `named` where the
    caller asked for this very version."""
    propensity: float = CERTAIN
    """How probable it was, before the unit was drawn, that this version answers it."""
    shadows: tuple[str, ...] = ()
    """Per row of a shadow: the id of the decision that was made and shown in its place."""
    processor_ns: int = 0
    """Processor time of the run, for all rows together; 0 where it was not measured."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One fact other than a decision."""

    id: str
    kind: Literal[
        "route",
        "version",
        "refusal",
        "finding",
        "outcome",
        "keyed",
        "action",
        "choice",
        "failure",
    ]
    time_ns: int
    """When it happened."""
    known_ns: int
    """When the journal learnt of it."""
    model: str
    actor: str
    subject: str
    """What it is about: a version's fingerprint, a decision's id; of `keyed`, the key by which
    somebody knows a decision."""
    body: dict[str, Any] = {}


Record = DecisionBatch | Event


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one decision, as `GET /decisions/{id}` shows it."""

    id: str
    model: str
    version: int
    fingerprint: str
    route: int
    door: str
    time: str
    """RFC 3339, UTC."""
    caller: str
    request: str
    status: Status
    reason: str
    inputs: dict[str, Any]
    context: dict[str, Any]
    features: dict[str, Any]
    output: dict[str, Any]
    judged: dict[str, Any] = {}
    """What judgement measured."""
    waited_ns: int
    steps_ns: dict[str, int]
    arm: str = "live"
    propensity: float = CERTAIN
    shadows: str = ""
    """The decision that this one is the shadow of."""
    processor_ns: int = 0
    """Processor time of the run, for all its rows together."""
    run_rows: int
    """How many rows the model run had."""
    run_row: int
    """Which of them this decision is."""
    since: list[dict[str, Any]] = []
    """What was said and done about it since, oldest first: reports, outcomes, undoing."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Whose news somebody wants, and which part of it."""

    model: str
    since_ms: int
    """Decisions from before then are of no interest, nor are files that end before then."""
    columns: tuple[str, ...]
    """Of decisions, as SQL names them; one that a version does not have is left out."""
    kinds: tuple[str, ...]
    """Of events."""
    decisions: bool = True
    """Whether decisions are wanted at all."""


class Fresh(msgspec.Struct, frozen=True):
    """What a look brought."""

    decisions: list[dict[str, Any]]
    """In the order of their ids."""
    events: list[Event]
