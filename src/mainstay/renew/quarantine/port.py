"""Where quarantines are kept."""

from collections.abc import Sequence
from typing import Protocol

from mainstay.renew.quarantine.model import Quarantine


class QuarantineStore(Protocol):
    """The stretches of time that no snapshot may use; none is ever forgotten."""

    def add(self, quarantine: Quarantine) -> None:
        """Let a stretch be quarantined from now on; one that is there under this id stays."""
        ...

    def lift(self, id_: str, at_ns: int) -> Quarantine:
        """Take a quarantine back. Lifting twice is lifting once; `NotFound`."""
        ...

    def active(self, model: str) -> Sequence[Quarantine]:
        """What is in force for a model, the earliest stretch first."""
        ...

    def at(self, model: str, known_ns: int) -> Sequence[Quarantine]:
        """What was in force for a model at a moment, lifted since or not."""
        ...

    def of(self, model: str | None = None) -> Sequence[Quarantine]:
        """All there ever was of a model, or of all, by model and begin."""
        ...
