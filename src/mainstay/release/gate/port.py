"""Where verdicts are kept."""

from typing import Protocol

from mainstay.release.gate.model import Verdict


class VerdictStore(Protocol):
    """Verdicts, which never change."""

    def keep(self, verdict: Verdict) -> None:
        """Keep a new verdict; `Conflict` when its id is taken."""
        ...

    def find(self, verdict_id: str) -> Verdict:
        """The verdict with this id (or unambiguous beginning of it); `NotFound`."""
        ...

    def about(self, model: str, candidate: str) -> Verdict | None:
        """The newest verdict on a version of a model, by its fingerprint."""
        ...

    def latest(self, model: str) -> Verdict | None:
        """The newest verdict of a model."""
        ...
