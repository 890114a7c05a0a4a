"""What a drill tells: what happened when, and the verdicts."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from mainstay.contract.finding import Finding, Verdict, worst


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, in simulated time."""

    at_ns: int
    what: str
    figures: dict[str, Any] = {}

    @property
    def clock(self) -> str:
        """The time of day, as people read it."""
        return datetime.fromtimestamp(self.at_ns / 1e9, UTC).strftime("%H:%M")


class Drilled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a drill."""

    name: str
    workspace: str
    timeline: tuple[Moment, ...]
    findings: tuple[Finding, ...]
    """A verdict on each thing that was promised."""

    @property
    def verdict(self) -> Verdict:
        """The worst of them."""
        return worst(self.findings)
