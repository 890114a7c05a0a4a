"""Where monitors keep what they remember."""

from typing import Protocol

from mainstay.watch.monitors.model import Saved


class MonitorStore(Protocol):
    """One `Saved` for each model; of two keepers that save at once, one is told."""

    def load(self, model: str) -> tuple[Saved, int]:
        """What was saved last, and its revision; nothing yet is revision 0."""
        ...

    def save(self, model: str, saved: Saved, replaces: int) -> bool:
        """Save it in place of that revision; False when another one came in between."""
        ...

    def models(self) -> list[str]:
        """The models of which something is remembered."""
        ...
