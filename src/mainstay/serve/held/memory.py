"""A desk in the memory of one process: the twin of the one in a folder."""

import threading
from collections.abc import Sequence

from mainstay.base.errors import Overloaded
from mainstay.base.limits import HELD_MAX
from mainstay.serve.held.model import Settled, Waiting


def too_many() -> Overloaded:
    """No room for another one."""
    return Overloaded(
        "too many answers wait for a person",
        expected="that those that wait are released or rejected; `mainstay held list` shows them",
    )


class MemoryDesk:
    """Keeps what waits and forgets it with the process."""

    def __init__(self, most: int = HELD_MAX) -> None:
        self._most = most
        self._waiting: dict[str, Waiting] = {}
        self._settled: dict[str, Settled] = {}
        self._lock = threading.Lock()

    def put(self, waiting: Waiting) -> None:
        """Let something wait."""
        with self._lock:
            if len(self._waiting) >= self._most:
                raise too_many()
            self._waiting[waiting.id] = waiting

    def take_back(self, decision: str) -> None:
        """Forget something that was put by mistake."""
        with self._lock:
            self._waiting.pop(decision, None)

    def find(self, decision: str) -> tuple[Waiting | None, Settled | None]:
        """What is known of one decision."""
        with self._lock:
            return self._waiting.get(decision), self._settled.get(decision)

    def waiting(self) -> Sequence[Waiting]:
        """Everything that nobody has decided about, oldest first."""
        with self._lock:
            found = [each for each in self._waiting.values() if each.id not in self._settled]
            return sorted(found, key=lambda each: (each.time_ns, each.id))

    def settle(self, settled: Settled) -> Settled:
        """Keep what was decided, unless somebody was first."""
        with self._lock:
            return self._settled.setdefault(settled.id, settled)

    def close(self, decision: str) -> None:
        """All that follows is done."""
        self.take_back(decision)

    def unfinished(self) -> Sequence[tuple[Waiting, Settled]]:
        """What was decided, and not closed."""
        with self._lock:
            return [
                (each, self._settled[each.id])
                for each in self._waiting.values()
                if each.id in self._settled
            ]

    def forget(self, before_ns: int) -> int:
        """Remove what was closed and decided before a moment."""
        with self._lock:
            old = [
                each.id
                for each in self._settled.values()
                if each.time_ns < before_ns and each.id not in self._waiting
            ]
            for decision in old:
                del self._settled[decision]
            return len(old)
