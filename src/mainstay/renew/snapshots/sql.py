"""Which snapshots there are, in a database that many processes and machines share."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Column, Engine, MetaData, String, Table, Text, select
from sqlalchemy.exc import IntegrityError

from mainstay.bundle.database import create_tables, reading, storable, writing
from mainstay.renew.snapshots.keeping import is_beginning, newest_first, the_one
from mainstay.renew.snapshots.model import Snapshot

_PART = "snapshots"
_SCHEMA = 1

_TABLES = MetaData()
_KEPT = Table(
    "mainstay_snapshots",
    _TABLES,
    Column("id", String(64), primary_key=True),
    Column("model", String, nullable=False, index=True),
    Column("snapshot", Text, nullable=False),
)


class SqlSnapshotStore:
    """Keeps snapshots in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, _PART, _SCHEMA, _TABLES)
        self._engine = engine

    def keep(self, snapshot: Snapshot) -> Snapshot:
        """Keep a snapshot; the one that is there under this id stays, and is returned."""
        text = msgspec.json.encode(snapshot).decode()
        row = {"id": snapshot.id, "model": snapshot.definition.model, "snapshot": text}
        try:
            with writing(self._engine) as connection:
                connection.execute(_KEPT.insert().values(row))
        except IntegrityError:
            return self.find(snapshot.id)
        return snapshot

    def find(self, id_: str) -> Snapshot:
        """By its id, or by as much of its beginning as is clear; `NotFound`."""
        found: list[Snapshot] = []
        if is_beginning(id_):
            wanted = select(_KEPT.c.snapshot).where(_KEPT.c.id.startswith(id_))
            with reading(self._engine) as connection:
                found = [_decode(text) for text in connection.execute(wanted).scalars().all()]
        return the_one(id_, newest_first(found))

    def of(self, model: str | None = None) -> Sequence[Snapshot]:
        """The snapshots of a model, or of all, the newest first."""
        wanted = select(_KEPT.c.snapshot)
        if model is not None:
            if not storable(model):
                return []
            wanted = wanted.where(_KEPT.c.model == model)
        with reading(self._engine) as connection:
            return newest_first(map(_decode, connection.execute(wanted).scalars().all()))


def _decode(text: str) -> Snapshot:
    return msgspec.json.decode(text, type=Snapshot)
