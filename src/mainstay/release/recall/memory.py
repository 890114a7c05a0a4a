"""Recalls in the memory of one process: the twin of those in a database."""

import threading
from collections.abc import Sequence

from msgspec.structs import replace

from mainstay.release.recall.keeping import is_open, no_recall, went_on
from mainstay.release.recall.model import Recall


class MemoryRecallStore:
    """Keeps recalls and forgets them with the process."""

    def __init__(self) -> None:
        self._kept: list[Recall] = []
        self._lock = threading.Lock()

    def begin(self, recall: Recall) -> Recall:
        """Keep a new one under the next number; `Conflict` when one of its model is open."""
        with self._lock:
            for each in self._kept:
                if each.model == recall.model and each.open:
                    raise is_open(each)
            self._kept.append(replace(recall, number=len(self._kept) + 1, revision=1))
            return self._kept[-1]

    def save(self, recall: Recall) -> Recall:
        """Keep how far it is; `Conflict` when somebody else went on with it meanwhile."""
        with self._lock:
            place = recall.number - 1
            if not 0 <= place < len(self._kept) or self._kept[place].revision != recall.revision:
                raise went_on(recall)
            self._kept[place] = replace(recall, revision=recall.revision + 1)
            return self._kept[place]

    def find(self, number: int) -> Recall:
        """The recall with a number; `NotFound`."""
        with self._lock:
            if not 1 <= number <= len(self._kept):
                raise no_recall(number)
            return self._kept[number - 1]

    def of(self, model: str | None = None) -> Sequence[Recall]:
        """All of a model, or of the workspace, oldest first."""
        with self._lock:
            return [each for each in self._kept if model in (None, each.model)]
