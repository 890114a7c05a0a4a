"""Which snapshots there are, in the memory of one process: the twin of the store in a database."""

import threading
from collections.abc import Sequence

from mainstay.renew.snapshots.keeping import is_beginning, newest_first, the_one
from mainstay.renew.snapshots.model import Snapshot


class MemorySnapshotStore:
    """Keeps snapshots and forgets them with the process."""

    def __init__(self) -> None:
        self._kept: dict[str, Snapshot] = {}
        self._lock = threading.Lock()

    def keep(self, snapshot: Snapshot) -> Snapshot:
        """Keep a snapshot; the one that is there under this id stays, and is returned."""
        with self._lock:
            return self._kept.setdefault(snapshot.id, snapshot)

    def find(self, id_: str) -> Snapshot:
        """By its id, or by as much of its beginning as is clear; `NotFound`."""
        found = [each for each in self.of() if each.id.startswith(id_)] if is_beginning(id_) else []
        return the_one(id_, found)

    def of(self, model: str | None = None) -> Sequence[Snapshot]:
        """The snapshots of a model, or of all, the newest first."""
        with self._lock:
            kept = list(self._kept.values())
        return newest_first(each for each in kept if model in (None, each.definition.model))
