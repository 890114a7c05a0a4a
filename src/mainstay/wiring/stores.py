"""The stores of a workspace that say what is in force: its routes, its keys, and who went back.

Light on purpose: a server answers nobody before its keeper has looked into these once.
"""

from collections.abc import Sequence
from functools import cached_property

from sqlalchemy import Engine

from mainstay.access.model import Key
from mainstay.access.port import KeyStore
from mainstay.access.sql import SqlKeyStore
from mainstay.base.clock import Clock, SystemClock
from mainstay.bundle.database import open_engine
from mainstay.bundle.port import Registry
from mainstay.bundle.sql import SqlRegistry
from mainstay.serve.choices.port import ChoiceStore
from mainstay.serve.choices.sql import SqlChoiceStore
from mainstay.serve.routes.port import RouteChain
from mainstay.serve.routes.sql import SqlRouteChain
from mainstay.wiring.folders import Places


class Stores:
    """Routes, keys and choices of one workspace, opened when they are first asked for."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.clock: Clock = SystemClock()

    @cached_property
    def _engine(self) -> Engine:
        return open_engine(self.places.metadata)

    @property
    def database(self) -> Engine:
        """The one database, for stores that only some commands need."""
        return self._engine

    @cached_property
    def chain(self) -> RouteChain:
        """Routes; appending here tells no journal: a workspace's `deploy` and `rollback` do."""
        return SqlRouteChain(self._engine, self.clock)

    @cached_property
    def choices(self) -> ChoiceStore:
        """Who went back to the version before, where people may."""
        return SqlChoiceStore(self._engine, self.clock)

    @cached_property
    def registry(self) -> Registry:
        """Versions by number."""
        return SqlRegistry(self._engine, self.clock)

    @cached_property
    def keys(self) -> KeyStore:
        """Keys of callers."""
        return SqlKeyStore(self._engine, self.clock)

    def all_keys(self) -> Sequence[Key]:
        """The keys of all callers, revoked or not."""
        return self.keys.keys()
