"""The chain of routes, wherever it is kept."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from mainstay.serve.routes.model import Draft, Route


class RouteChain(Protocol):
    """Append-only, by compare-and-swap: of two simultaneous deployers exactly one wins."""

    def append(self, draft: Draft, replaces: int) -> Route:
        """Add the entry with epoch `replaces + 1`; `Conflict` names who was first when the
        newest epoch is not `replaces` (0 when there is none)."""
        ...

    def append_all(
        self, wanted: Sequence[tuple[Draft, int]], seen: Mapping[str, int] | None = None
    ) -> Sequence[Route]:
        """Add the entries of several models, each with the epoch it replaces: all of them at the
        same moment, or none. `seen` is the newest epoch of every model that has a route, as the
        deployer saw it; when any other one moved, the `Conflict` has the rule `as seen`."""
        ...

    def current(self, model: str) -> Route | None:
        """The entry in force."""
        ...

    def all_current(self) -> Sequence[Route]:
        """The entry in force of every model."""
        ...

    def history(self, model: str) -> Sequence[Route]:
        """All entries of a model, oldest first."""
        ...
