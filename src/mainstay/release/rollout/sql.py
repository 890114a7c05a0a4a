"""Rollouts in a database that many processes and machines share.

Promises that a model has one rollout at a time, that of two changes of the same revision one is
kept, and that one holder at a time has the lease. A lease runs out by the clock of whoever asks
for it, so two machines whose clocks differ by more than its length may both drive: routes and
rollouts are changed by compare-and-swap, so they get in each other's way and harm nothing.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
)
from sqlalchemy.exc import IntegrityError

from mainstay.base.clock import Clock
from mainstay.base.errors import StorageFailed
from mainstay.bundle.database import create_tables, reading, storable, writing
from mainstay.release.rollout.append import changed_meanwhile, goes_on
from mainstay.release.rollout.model import Record, Rollout

_PART = "rollouts"
_SCHEMA = 1
_LEASE = "rollouts"

_TABLES = MetaData()
_ROLLOUTS = Table(
    "mainstay_rollouts",
    _TABLES,
    Column("model", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("revision", Integer, nullable=False),
    # 1, or nothing once it has ended: so that the database itself lets only one go on.
    Column("active", Integer),
    Column("state", Text, nullable=False),
    UniqueConstraint("model", "active"),
)
_LEASES = Table(
    "mainstay_leases",
    _TABLES,
    Column("name", String, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until_ns", BigInteger, nullable=False),
)
_state = msgspec.json.Decoder(Rollout)


class SqlRolloutStore:
    """Keeps rollouts in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        create_tables(engine, _PART, _SCHEMA, _TABLES)
        self._engine = engine
        self._clock = clock

    def start(self, rollout: Rollout) -> Record:
        """Keep a new rollout; `Conflict` when one of its model goes on."""
        model = rollout.plan.model
        newest = select(func.max(_ROLLOUTS.c.number)).where(_ROLLOUTS.c.model == model)
        try:
            with writing(self._engine) as connection:
                number = (connection.execute(newest).scalar() or 0) + 1
                record = Record(number=number, revision=1, rollout=rollout)
                connection.execute(
                    _ROLLOUTS.insert().values(model=model, number=number, **_row(record))
                )
                return record
        except IntegrityError as error:
            first = self.active(model) or self.newest(model)
            if first is None:
                raise StorageFailed(
                    f"a rollout of {model} was refused by the database, though there is none",
                    field="database",
                    expected="the tables as Mainstay made them",
                ) from error
            raise goes_on(first) from error

    def save(self, record: Record, rollout: Rollout) -> Record:
        """Replace what a record holds; `Conflict` when somebody did before."""
        after = Record(number=record.number, revision=record.revision + 1, rollout=rollout)
        mine = (_ROLLOUTS.c.model == rollout.plan.model) & (_ROLLOUTS.c.number == record.number)
        same = mine & (_ROLLOUTS.c.revision == record.revision)
        with writing(self._engine) as connection:
            done = connection.execute(_ROLLOUTS.update().where(same).values(**_row(after)))
            if done.rowcount != 1:
                raise changed_meanwhile(record)
        return after

    def active(self, model: str) -> Record | None:
        """The rollout of a model that goes on."""
        if not storable(model):
            return None
        going = (_ROLLOUTS.c.model == model) & (_ROLLOUTS.c.active == 1)
        with reading(self._engine) as connection:
            row = connection.execute(select(_ROLLOUTS).where(going)).one_or_none()
        return None if row is None else _record(row)

    def all_active(self) -> Sequence[Record]:
        """All rollouts that go on, by model."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(_ROLLOUTS).where(_ROLLOUTS.c.active == 1)).all()
        return sorted(map(_record, rows), key=lambda record: record.rollout.plan.model)

    def newest(self, model: str) -> Record | None:
        """The rollout of a model that began last."""
        if not storable(model):
            return None
        mine = select(_ROLLOUTS).where(_ROLLOUTS.c.model == model)
        with reading(self._engine) as connection:
            row = connection.execute(mine.order_by(_ROLLOUTS.c.number.desc()).limit(1)).first()
        return None if row is None else _record(row)

    def lease(self, holder: str, seconds: float) -> bool:
        """Take or keep the right to drive rollouts for some time; False while another has it."""
        now_ns = self._clock.now_ns()
        values = {"holder": holder, "until_ns": now_ns + round(seconds * 1e9)}
        free = (_LEASES.c.holder == holder) | (_LEASES.c.until_ns <= now_ns)
        named = _LEASES.c.name == _LEASE
        try:
            with writing(self._engine) as connection:
                taken = connection.execute(_LEASES.update().where(named & free).values(**values))
                if taken.rowcount == 1:
                    return True
                if connection.execute(select(_LEASES.c.name).where(named)).first() is not None:
                    return False
                connection.execute(_LEASES.insert().values(name=_LEASE, **values))
                return True
        except IntegrityError:
            return False


def _row(record: Record) -> dict[str, Any]:
    return {
        "revision": record.revision,
        "active": 1 if record.rollout.active else None,
        "state": msgspec.json.encode(record.rollout).decode("utf-8"),
    }


def _record(row: Row[Any]) -> Record:
    return Record(number=row.number, revision=row.revision, rollout=_state.decode(row.state))
