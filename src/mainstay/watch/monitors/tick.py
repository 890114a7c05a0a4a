"""One advance of everything that is remembered of a model: findings that begin, go on and end."""

from dataclasses import dataclass, field

import msgspec

from mainstay.contract.finding import Finding
from mainstay.watch.monitors.detector import State
from mainstay.watch.monitors.model import CALM_STRETCHES, Change, Open


@dataclass(slots=True)
class Tick:
    """What was remembered, changed in place; and what began and ended."""

    states: dict[str, State]
    open: dict[str, Open]
    limit: float = 0.0
    """How loudly a question must speak, as a logarithm."""
    changes: list[Change] = field(default_factory=list[Change])

    def found(self, key: str, finding: Finding, since_ms: int, at_ms: int) -> None:
        """A finding that begins, or goes on."""
        known = self.open.get(key)
        if known is None:
            self.changes.append(Change("opened", key, finding, since_ms, at_ms))
            self.open[key] = Open(finding, since_ms, at_ms)
        else:
            self.open[key] = Open(finding, known.since_ms, known.opened_ms)

    def calm(self, key: str, at_ms: int, *, usual: bool = True) -> None:
        """A stretch in which nothing was found; it may look as it should, or not yet."""
        known = self.open[key]
        after = msgspec.structs.replace(known, calm=known.calm + 1 if usual else 0)
        if after.calm < CALM_STRETCHES:
            self.open[key] = after
            return
        self.over(key, at_ms)

    def over(self, key: str, at_ms: int) -> None:
        """A finding ends."""
        known = self.open.pop(key)
        self.changes.append(Change("resolved", key, known.finding, known.since_ms, at_ms))
