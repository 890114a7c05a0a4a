"""Quarantines in a database that many processes and machines share."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace
from sqlalchemy import Column, Engine, MetaData, String, Table, Text, select
from sqlalchemy.exc import IntegrityError

from mainstay.bundle.database import create_tables, reading, storable, writing
from mainstay.renew.quarantine.keeping import in_order, no_quarantine
from mainstay.renew.quarantine.model import Quarantine

_PART = "quarantines"
_SCHEMA = 1

_TABLES = MetaData()
_KEPT = Table(
    "mainstay_quarantines",
    _TABLES,
    Column("id", String(64), primary_key=True),
    Column("model", String, nullable=False, index=True),
    Column("quarantine", Text, nullable=False),
)


class SqlQuarantineStore:
    """Keeps quarantines in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, _PART, _SCHEMA, _TABLES)
        self._engine = engine

    def add(self, quarantine: Quarantine) -> None:
        """Let a stretch be quarantined from now on; one that is there under this id stays."""
        quarantine.check()
        row = {"id": quarantine.id, "model": quarantine.model, "quarantine": _encode(quarantine)}
        try:
            with writing(self._engine) as connection:
                connection.execute(_KEPT.insert().values(row))
        except IntegrityError:
            return

    def lift(self, id_: str, at_ns: int) -> Quarantine:
        """Take a quarantine back. Lifting twice is lifting once; `NotFound`."""
        if not storable(id_):
            raise no_quarantine(id_)
        one = _KEPT.c.id == id_
        with writing(self._engine) as connection:
            # Locked, so that of two who lift at once the first one's moment stays.
            text = connection.execute(select(_KEPT.c.quarantine).where(one).with_for_update())
            found = text.scalar()
            if found is None:
                raise no_quarantine(id_)
            kept = _decode(found)
            if kept.lifted_at_ns is None:
                kept = replace(kept, lifted_at_ns=at_ns)
                connection.execute(_KEPT.update().where(one).values(quarantine=_encode(kept)))
            return kept

    def active(self, model: str) -> Sequence[Quarantine]:
        """What is in force for a model, the earliest stretch first."""
        return [each for each in self.of(model) if each.lifted_at_ns is None]

    def at(self, model: str, known_ns: int) -> Sequence[Quarantine]:
        """What was in force for a model at a moment, lifted since or not."""
        return [each for each in self.of(model) if each.in_force(known_ns)]

    def of(self, model: str | None = None) -> Sequence[Quarantine]:
        """All there ever was of a model, or of all, by model and begin."""
        wanted = select(_KEPT.c.quarantine)
        if model is not None:
            if not storable(model):
                return []
            wanted = wanted.where(_KEPT.c.model == model)
        with reading(self._engine) as connection:
            return in_order(map(_decode, connection.execute(wanted).scalars().all()))


def _encode(quarantine: Quarantine) -> str:
    return msgspec.json.encode(quarantine).decode()


def _decode(text: str) -> Quarantine:
    return msgspec.json.decode(text, type=Quarantine)
