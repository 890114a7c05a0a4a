"""A chain of routes in the memory of one process: the twin of the one in a database."""

import threading
from collections.abc import Mapping, Sequence

from mainstay.base.clock import Clock
from mainstay.serve.routes.append import entries, entry, next_route, next_routes
from mainstay.serve.routes.model import Draft, Route


class MemoryRouteChain:
    """Keeps the chain and forgets it with the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._chains: dict[str, tuple[Route, ...]] = {}
        self._lock = threading.Lock()

    def append(self, draft: Draft, replaces: int) -> Route:
        """Add the entry with epoch `replaces + 1`; `Conflict` names who was first when the
        newest epoch is not `replaces` (0 when there is none)."""
        wanted = entry(draft, replaces, self._clock.now_ns())
        with self._lock:
            route = next_route(self.current(draft.model), wanted)
            self._chains[draft.model] = (*self._chains.get(draft.model, ()), route)
            return route

    def append_all(
        self, wanted: Sequence[tuple[Draft, int]], seen: Mapping[str, int] | None = None
    ) -> Sequence[Route]:
        """Add the entries of several models, all of them at the same moment, or none."""
        new = entries(wanted, self._clock.now_ns())
        with self._lock:
            current = {route.model: route for route in self.all_current()}
            routes = next_routes(current, new, seen)
            more = {route.model: (*self._chains.get(route.model, ()), route) for route in routes}
            # One assignment, because whoever reads takes no lock.
            self._chains = self._chains | more
            return routes

    def current(self, model: str) -> Route | None:
        """The entry in force."""
        chain = self._chains.get(model, ())
        return chain[-1] if chain else None

    def all_current(self) -> Sequence[Route]:
        """The entry in force of every model."""
        chains = dict(self._chains)
        return [chains[model][-1] for model in sorted(chains)]

    def history(self, model: str) -> Sequence[Route]:
        """All entries of a model, oldest first."""
        return self._chains.get(model, ())
