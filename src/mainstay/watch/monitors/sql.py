"""The memory of monitors in the database of the workspace.

Promises that of two keepers that save in place of the same revision one is told that it did not.
"""

from typing import Final

import msgspec
from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, Table, Text, select
from sqlalchemy.exc import IntegrityError

from mainstay.bundle.database import create_tables, reading, writing
from mainstay.watch.monitors.model import Saved

_PART: Final = "monitors"
_SCHEMA: Final = 1

_TABLES = MetaData()
_MONITORS = Table(
    "mainstay_monitors",
    _TABLES,
    Column("model", Text, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("saved", LargeBinary, nullable=False),
)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Saved).decode


class SqlMonitorStore:
    """Keeps what monitors remember in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, _PART, _SCHEMA, _TABLES)
        self._engine = engine

    def load(self, model: str) -> tuple[Saved, int]:
        """What was saved last, and its revision; nothing yet is revision 0."""
        wanted = select(_MONITORS.c.saved, _MONITORS.c.revision).where(_MONITORS.c.model == model)
        with reading(self._engine) as connection:
            row = connection.execute(wanted).one_or_none()
        return (Saved(), 0) if row is None else (_decode(row.saved), row.revision)

    def save(self, model: str, saved: Saved, replaces: int) -> bool:
        """Save it in place of that revision; False when another one came in between."""
        values = {"saved": _encode(saved), "revision": replaces + 1}
        try:
            with writing(self._engine) as connection:
                if replaces == 0:
                    connection.execute(_MONITORS.insert().values(model=model, **values))
                    return True
                same = (_MONITORS.c.model == model) & (_MONITORS.c.revision == replaces)
                done = connection.execute(_MONITORS.update().where(same).values(**values))
                return done.rowcount == 1
        except IntegrityError:
            return False

    def models(self) -> list[str]:
        """The models of which something is remembered."""
        with reading(self._engine) as connection:
            return sorted(connection.execute(select(_MONITORS.c.model)).scalars())
