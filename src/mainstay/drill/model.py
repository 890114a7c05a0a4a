"""What a drill tells: what happened when, and the verdicts."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from mainstay.base.clock import Clock
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

    @property
    def day(self) -> str:
        """The day, as people read it."""
        return datetime.fromtimestamp(self.at_ns / 1e9, UTC).strftime("%d %b")


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


Tell = Callable[[Moment], None]


class Chronicle:
    """A drill as it happens: each moment is told when it comes."""

    def __init__(self, clock: Clock, tell: Tell) -> None:
        self._clock = clock
        self._tell = tell
        self._timeline: list[Moment] = []
        self._findings: list[Finding] = []

    def happened(self, what: str, **figures: Any) -> None:
        """Something happened now."""
        moment = Moment(at_ns=self._clock.now_ns(), what=what, figures=figures)
        self._timeline.append(moment)
        self._tell(moment)

    def found(self, check: str, words: str, *, holds: bool, **about: Any) -> None:
        """A verdict on what was promised; `about` are further parts of the finding."""
        verdict = "pass" if holds else "fail"
        self._findings.append(Finding(check=check, verdict=verdict, words=words, **about))

    def drilled(self, name: str, workspace: Path) -> Drilled:
        """All of it."""
        return Drilled(
            name=name,
            workspace=str(workspace),
            timeline=tuple(self._timeline),
            findings=tuple(self._findings),
        )
