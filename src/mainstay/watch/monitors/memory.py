"""The memory of monitors in memory: the twin of the database, for tests and simulations.

Promises everything but to outlive its process.
"""

import threading

from mainstay.watch.monitors.model import Saved


class MemoryMonitorStore:
    """Keeps what monitors remember in a dictionary."""

    def __init__(self) -> None:
        self._saved: dict[str, tuple[Saved, int]] = {}
        self._lock = threading.Lock()

    def load(self, model: str) -> tuple[Saved, int]:
        """What was saved last, and its revision; nothing yet is revision 0."""
        return self._saved.get(model, (Saved(), 0))

    def save(self, model: str, saved: Saved, replaces: int) -> bool:
        """Save it in place of that revision; False when another one came in between."""
        with self._lock:
            if self.load(model)[1] != replaces:
                return False
            self._saved[model] = saved, replaces + 1
            return True

    def models(self) -> list[str]:
        """The models of which something is remembered."""
        return sorted(self._saved)
