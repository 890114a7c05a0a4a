"""One advance of everything that is remembered of a model: findings that begin, go on and end."""

from dataclasses import dataclass, field
from typing import Final

import msgspec

from mainstay.contract.finding import Finding
from mainstay.watch.monitors.detector import Floats, Question, State
from mainstay.watch.monitors.model import CALM_STRETCHES, Change, Open

_SINCE: Final = "|since"
"""Where it is remembered how rows were since an alarm."""


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
        self.states.pop(key + _SINCE, None)
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

    def is_as_it_was(
        self, key: str, question: Question, counts: Floats, needed: float = 0.0
    ) -> bool:
        """Whether the rows since the last alarm are back where they belong. A few would say so
        whatever is true: it is asked whenever so many have come that they can tell."""
        before = self.states.get(key + _SINCE, State()).runs[0]
        rows = before[2] + float(counts.sum())
        total = before[3] + float((counts * question.values).sum())
        needed = needed or question.mean * (1.0 - question.mean) * (2.0 / question.tolerance) ** 2
        if rows < needed:
            since_then = (0.0, 0, rows, total)
            self.states[key + _SINCE] = State(runs=(since_then, (0.0, 0, 0.0, 0.0)))
            return False
        self.states.pop(key + _SINCE, None)
        return abs(total / rows - question.mean) <= question.tolerance

    def over(self, key: str, at_ms: int) -> None:
        """A finding ends."""
        known = self.open.pop(key)
        self.changes.append(Change("resolved", key, known.finding, known.since_ms, at_ms))
