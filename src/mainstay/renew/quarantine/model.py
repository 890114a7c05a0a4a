"""A quarantine: a stretch of time whose decisions and outcomes nobody may learn from.

Promises that it excludes and never deletes, so that lifting it brings everything back; and that
what was in force at a moment can be told later, lifted or not.
"""

from collections.abc import Iterable

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import WORDS_MAX_CHARACTERS
from mainstay.renew.labels.model import joined


class Quarantine(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of one model, from its begin up to, but without, its end."""

    id: str
    model: str
    begin_ns: int
    """Event time: when a decision was made, or when what an outcome tells of happened."""
    end_ns: int
    reason: str
    actor: str
    at_ns: int
    """When it came into force."""
    lifted_at_ns: int | None = None
    """When it was taken back; nothing as long as it is in force."""

    def check(self) -> None:
        """Refuse a stretch without length, and one that nobody gave a reason for."""
        if not self.begin_ns < self.end_ns:
            raise InvalidUsage(
                "a quarantined stretch begins before it ends",
                field="window",
                got=f"{self.begin_ns}..{self.end_ns}",
                expected="the earlier moment first",
            )
        if not self.reason.strip() or len(self.reason) > WORDS_MAX_CHARACTERS:
            raise InvalidUsage(
                "a quarantine says why",
                field="reason",
                got=self.reason[:80],
                expected=f"1 to {WORDS_MAX_CHARACTERS} characters that say what was wrong",
            )

    def covers(self, time_ns: int) -> bool:
        """Whether a moment lies in it."""
        return self.begin_ns <= time_ns < self.end_ns

    def in_force(self, known_ns: int) -> bool:
        """Whether it was in force at a moment."""
        return self.at_ns <= known_ns and (
            self.lifted_at_ns is None or known_ns < self.lifted_at_ns
        )


def merged(quarantines: Iterable[Quarantine]) -> tuple[tuple[int, int], ...]:
    """The stretches that quarantines cover together: apart from each other, the earliest first."""
    return joined((each.begin_ns, each.end_ns) for each in quarantines)
