"""Quarantines in the memory of one process: the twin of the store in a database."""

import threading
from collections.abc import Sequence

from msgspec.structs import replace

from mainstay.renew.quarantine.keeping import in_order, no_quarantine
from mainstay.renew.quarantine.model import Quarantine


class MemoryQuarantineStore:
    """Keeps quarantines and forgets them with the process."""

    def __init__(self) -> None:
        self._kept: dict[str, Quarantine] = {}
        self._lock = threading.Lock()

    def add(self, quarantine: Quarantine) -> None:
        """Let a stretch be quarantined from now on; one that is there under this id stays."""
        quarantine.check()
        with self._lock:
            self._kept.setdefault(quarantine.id, quarantine)

    def lift(self, id_: str, at_ns: int) -> Quarantine:
        """Take a quarantine back. Lifting twice is lifting once; `NotFound`."""
        with self._lock:
            found = self._kept.get(id_)
            if found is None:
                raise no_quarantine(id_)
            if found.lifted_at_ns is None:
                found = self._kept[id_] = replace(found, lifted_at_ns=at_ns)
            return found

    def active(self, model: str) -> Sequence[Quarantine]:
        """What is in force for a model, the earliest stretch first."""
        return [each for each in self.of(model) if each.lifted_at_ns is None]

    def at(self, model: str, known_ns: int) -> Sequence[Quarantine]:
        """What was in force for a model at a moment, lifted since or not."""
        return [each for each in self.of(model) if each.in_force(known_ns)]

    def of(self, model: str | None = None) -> Sequence[Quarantine]:
        """All there ever was of a model, or of all, by model and begin."""
        with self._lock:
            kept = list(self._kept.values())
        return in_order(each for each in kept if model in (None, each.model))
