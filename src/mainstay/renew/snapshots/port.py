"""Where it is kept which snapshots there are; their rows are files."""

from collections.abc import Sequence
from typing import Protocol

from mainstay.renew.snapshots.model import Snapshot


class SnapshotStore(Protocol):
    """The snapshots of a workspace."""

    def keep(self, snapshot: Snapshot) -> Snapshot:
        """Keep a snapshot; the one that is there under this id stays, and is returned."""
        ...

    def find(self, id_: str) -> Snapshot:
        """By its id, or by as much of its beginning as is clear; `NotFound`."""
        ...

    def of(self, model: str | None = None) -> Sequence[Snapshot]:
        """The snapshots of a model, or of all, the newest first."""
        ...
