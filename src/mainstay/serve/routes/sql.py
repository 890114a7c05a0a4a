"""A chain of routes in a database that many processes and machines share.

Promises that a chain has no gap and no fork: the epoch is part of the primary key, so of two who
want to add the same epoch the database lets one in. When an append fails because the database went
away, it may or may not have been kept; `current` tells, and appending it again cannot add it twice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import structs
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    func,
    select,
)
from sqlalchemy.exc import IntegrityError

from mainstay.base.clock import Clock
from mainstay.base.errors import StorageFailed
from mainstay.bundle.database import create_tables, reading, storable, writing
from mainstay.serve.routes.append import entries, entry, lost_to, next_route, next_routes
from mainstay.serve.routes.model import Arm, Draft, News, Route

_PART = "routes"
_SCHEMA = 2
_UPGRADES = {1: ("ALTER TABLE mainstay_routes ADD COLUMN mix TEXT NOT NULL DEFAULT ''",)}

_TABLES = MetaData()
_ROUTES = Table(
    "mainstay_routes",
    _TABLES,
    Column("model", String, primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("mix", Text, nullable=False, server_default=""),
)


class _Mix(msgspec.Struct, frozen=True):
    """What a route has only during a rollout, or while its version is stopped, kept as JSON; any
    other route keeps nothing."""

    arms: tuple[Arm, ...] = ()
    salt: str = ""
    unit: str = ""
    news: News | None = None
    stopped: str = ""


_NO_MIX = _Mix()
_mix_of = msgspec.json.Decoder(_Mix).decode


class SqlRouteChain:
    """Keeps the chain in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        create_tables(engine, _PART, _SCHEMA, _TABLES, _UPGRADES)
        self._engine = engine
        self._clock = clock

    def append(self, draft: Draft, replaces: int) -> Route:
        """Add the entry with epoch `replaces + 1`; `Conflict` names who was first when the
        newest epoch is not `replaces` (0 when there is none)."""
        wanted = entry(draft, replaces, self._clock.now_ns())
        model = draft.model
        try:
            with writing(self._engine) as connection:
                route = next_route(_current(connection, model), wanted)
                connection.execute(_ROUTES.insert().values(_columns(route)))
                return route
        except IntegrityError as error:
            winner = self._winner(model, wanted.epoch)
            if winner is None:
                raise StorageFailed(
                    f"the route of {model} was refused by the database, though nobody was first",
                    field="database",
                    expected="the tables as Mainstay made them",
                ) from error
            raise lost_to(winner, replaces) from error

    def append_all(
        self, wanted: Sequence[tuple[Draft, int]], seen: Mapping[str, int] | None = None
    ) -> Sequence[Route]:
        """Add the entries of several models in one transaction: all of them, or none."""
        new = entries(wanted, self._clock.now_ns())
        with writing(self._engine) as connection:
            if connection.dialect.name != "sqlite":
                # What was seen must hold until the end, and no key guards a look; a SQLite file
                # has one writer anyhow. Reading goes on meanwhile.
                connection.exec_driver_sql(f"LOCK TABLE {_ROUTES.name} IN EXCLUSIVE MODE")
            current = {route.model: route for route in _all_current(connection)}
            routes = next_routes(current, new, seen)
            connection.execute(_ROUTES.insert(), [_columns(route) for route in routes])
            return routes

    def _winner(self, model: str, epoch: int) -> Route | None:
        mine = select(_ROUTES).where(_ROUTES.c.model == model, _ROUTES.c.epoch == epoch)
        with reading(self._engine) as connection:
            row = connection.execute(mine).one_or_none()
        return None if row is None else _route(row)

    def current(self, model: str) -> Route | None:
        """The entry in force."""
        if not storable(model):
            return None
        with reading(self._engine) as connection:
            return _current(connection, model)

    def all_current(self) -> Sequence[Route]:
        """The entry in force of every model."""
        with reading(self._engine) as connection:
            return _all_current(connection)

    def history(self, model: str) -> Sequence[Route]:
        """All entries of a model, oldest first."""
        if not storable(model):
            return ()
        entries = select(_ROUTES).where(_ROUTES.c.model == model).order_by(_ROUTES.c.epoch)
        with reading(self._engine) as connection:
            return tuple(map(_route, connection.execute(entries).all()))


def _current(connection: Connection, model: str) -> Route | None:
    entries = select(_ROUTES).where(_ROUTES.c.model == model)
    row = connection.execute(entries.order_by(_ROUTES.c.epoch.desc()).limit(1)).first()
    return None if row is None else _route(row)


def _all_current(connection: Connection) -> list[Route]:
    newest = (
        select(_ROUTES.c.model, func.max(_ROUTES.c.epoch).label("epoch"))
        .group_by(_ROUTES.c.model)
        .subquery()
    )
    same = (_ROUTES.c.model == newest.c.model) & (_ROUTES.c.epoch == newest.c.epoch)
    rows = connection.execute(select(_ROUTES).join(newest, same)).all()
    # Sorted here, because databases differ in how they order text.
    return sorted(map(_route, rows), key=lambda route: route.model)


def _columns(route: Route) -> dict[str, Any]:
    columns = structs.asdict(route)
    mix = _Mix(*(columns.pop(field) for field in _Mix.__struct_fields__))
    return {**columns, "mix": "" if mix == _NO_MIX else msgspec.json.encode(mix).decode()}


def _route(row: Row[Any]) -> Route:
    mix = _mix_of(row.mix) if row.mix else _NO_MIX
    return Route(
        model=row.model,
        epoch=row.epoch,
        number=row.number,
        fingerprint=row.fingerprint,
        actor=row.actor,
        reason=row.reason,
        time_ns=row.time_ns,
        arms=mix.arms,
        salt=mix.salt,
        unit=mix.unit,
        news=mix.news,
        stopped=mix.stopped,
    )
