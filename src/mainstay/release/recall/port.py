"""Where recalls are kept, and the hands that carry one out."""

from collections.abc import Sequence
from typing import Protocol

from mainstay.bundle.model import Version
from mainstay.release.gate.model import Verdict
from mainstay.release.model import Deployed
from mainstay.release.recall.model import Recall, Window
from mainstay.serve.routes.model import Route


class RecallStore(Protocol):
    """Recalls of all models; none is ever forgotten."""

    def begin(self, recall: Recall) -> Recall:
        """Keep a new one under the next number; `Conflict` when one of its model is open."""
        ...

    def save(self, recall: Recall) -> Recall:
        """Keep how far it is; `Conflict` when somebody else went on with it meanwhile."""
        ...

    def find(self, number: int) -> Recall:
        """The recall with a number; `NotFound`."""
        ...

    def of(self, model: str | None = None) -> Sequence[Recall]:
        """All of a model, or of the workspace, oldest first."""
        ...


class Known(Protocol):
    """What a plan asks for."""

    def versions(self) -> Sequence[Version]:
        """All versions of the model, oldest first."""
        ...

    def history(self) -> Sequence[Route]:
        """All its routes, oldest first."""
        ...

    def windows(self) -> Sequence[Window]:
        """What is quarantined for the model already."""
        ...

    def verdict(self, fingerprint: str) -> Verdict | None:
        """The newest verdict of the gate on a version."""
        ...

    def fits(self, version: Version) -> tuple[Sequence[str], str]:
        """What would change along with a version, and why it cannot answer at all; the latter is
        empty where it can."""
        ...


class Hands(Protocol):
    """What a recall does to the rest. Each does nothing where it was done before."""

    def current(self, model: str) -> Route | None:
        """The route in force."""
        ...

    def route(self, model: str, number: int, reason: str, epoch: int) -> Deployed:
        """Let a version answer, by the checks of going back; `Conflict` when another epoch than
        the one named is in force."""
        ...

    def quarantine(self, recall: Recall, model: str) -> None:
        """Keep the stretch out of a model's later snapshots."""
        ...

    def lift(self, recall: Recall, model: str) -> None:
        """Take that back, if it was done."""
        ...

    def tainted(self, recall: Recall, fingerprint: str) -> str:
        """Why a version cannot answer, whatever becomes of this recall: what is quarantined
        beside it. Empty where it can."""
        ...

    def tell(self, recall: Recall, did: str, *, again: bool) -> None:
        """Tell the journal what was done; `again`: unless it was told already, by a command that
        was killed."""
        ...
