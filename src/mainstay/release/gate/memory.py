"""Verdicts in the memory of one process: the twin of the store in a database."""

import threading

from mainstay.release.gate.keeping import only_one, taken
from mainstay.release.gate.model import Verdict


class MemoryVerdictStore:
    """Keeps verdicts and forgets them with the process."""

    def __init__(self) -> None:
        self._verdicts: dict[str, Verdict] = {}
        self._lock = threading.Lock()

    def keep(self, verdict: Verdict) -> None:
        """Keep a new verdict; `Conflict` when its id is taken."""
        with self._lock:
            if verdict.id in self._verdicts:
                raise taken(verdict)
            self._verdicts[verdict.id] = verdict

    def find(self, verdict_id: str) -> Verdict:
        """The verdict with this id (or unambiguous beginning of it); `NotFound`."""
        if verdict_id in self._verdicts:
            return self._verdicts[verdict_id]
        found = [each for each in self._verdicts.values() if each.id.startswith(verdict_id)]
        return only_one(verdict_id, found if verdict_id else ())

    def about(self, model: str, candidate: str) -> Verdict | None:
        """The newest verdict on a version of a model, by its fingerprint."""
        of_model = [each for each in self._verdicts.values() if each.model == model]
        of_version = [each for each in of_model if each.candidate == candidate]
        return max(of_version, key=lambda each: (each.time_ns, each.id), default=None)

    def latest(self, model: str) -> Verdict | None:
        """The newest verdict of a model."""
        of_model = [each for each in self._verdicts.values() if each.model == model]
        return max(of_model, key=lambda each: (each.time_ns, each.id), default=None)
