"""What waits for a person, what was decided, and how it stands, as values."""

from typing import Any, Literal

import msgspec

from mainstay.judge.holding import Holding

Verdict = Literal["released", "rejected"]
State = Literal["held", "released", "rejected"]
TIME = "time"
"""Who decides when nobody did."""


class Told(msgspec.Struct, frozen=True):
    """What a person is told once it is released."""

    answer: Any
    confidence: float | None
    options: list[Any]


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """One answer that waits."""

    id: str
    """Of its decision."""
    model: str
    version: int
    caller: str
    """Who asked."""
    time_ns: int
    until_ns: int
    """When it is rejected because nobody decided."""
    holding: Holding
    shown: Told


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided about one."""

    id: str
    model: str
    caller: str
    verdict: Verdict
    actor: str
    reason: str
    time_ns: int
    event: str
    """The id of the event that says so."""
    shown: Told | None = None
    """What is told, where it was released."""


class Standing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a decision that was held stands now, as every door shows it."""

    id: str
    model: str
    state: State
    words: str = ""
    """Why it was held, while it is."""
    until: str = ""
    """When it is rejected unless somebody decides, while it is held."""
    actor: str = ""
    reason: str = ""
    time: str = ""
    answer: Told | None = None
    """Where it was released."""
