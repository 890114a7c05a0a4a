"""Where what waits is kept."""

from collections.abc import Sequence
from typing import Protocol

from mainstay.serve.held.model import Settled, Waiting


class Desk(Protocol):
    """What waits and what was decided, by the id of the decision. Shared by the processes of one
    machine."""

    def put(self, waiting: Waiting) -> None:
        """Let something wait; `Overloaded` when too much does, `StorageFailed` when it cannot be
        kept."""
        ...

    def take_back(self, decision: str) -> None:
        """Forget something that was put by mistake."""
        ...

    def find(self, decision: str) -> tuple[Waiting | None, Settled | None]:
        """What is known of one decision."""
        ...

    def waiting(self) -> Sequence[Waiting]:
        """Everything that nobody has decided about, oldest first."""
        ...

    def settle(self, settled: Settled) -> Settled:
        """Keep what was decided, unless somebody was first; the one that holds."""
        ...

    def close(self, decision: str) -> None:
        """All that follows from what was decided is done."""
        ...

    def unfinished(self) -> Sequence[tuple[Waiting, Settled]]:
        """What was decided, and not closed."""
        ...

    def forget(self, before_ns: int) -> int:
        """Remove what was closed and decided before a moment; how many that were."""
        ...
