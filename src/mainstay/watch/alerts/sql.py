"""Alerts in the database of the workspace.

Promises that the book and the ids of the events in it are saved together or not at all, and that
of two that save in place of the same revision one is told that it did not.
"""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    select,
)
from sqlalchemy.exc import IntegrityError

from mainstay.bundle.database import create_tables, reading, writing
from mainstay.watch.alerts.model import Book

_PART: Final = "alerts"
_SCHEMA: Final = 1
_ONLY: Final = 1
_AT_ONCE: Final = 500

_TABLES = MetaData()
_BOOK = Table(
    "mainstay_alerts",
    _TABLES,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", Integer, nullable=False),
    Column("saved", LargeBinary, nullable=False),
)
_SEEN = Table(
    "mainstay_alert_events",
    _TABLES,
    Column("event", Text, primary_key=True),
    Column("time_ns", BigInteger, nullable=False, index=True),
)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Book).decode


class SqlAlertStore:
    """Keeps alerts in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, _PART, _SCHEMA, _TABLES)
        self._engine = engine

    def load(self) -> tuple[Book, int]:
        """The book, and its revision; an empty one has revision 0."""
        with reading(self._engine) as connection:
            row = connection.execute(select(_BOOK.c.saved, _BOOK.c.revision)).one_or_none()
        return (Book(), 0) if row is None else (_decode(row.saved), row.revision)

    def save(self, book: Book, replaces: int, seen: Mapping[str, int]) -> bool:
        """Save it in place of that revision, with the events it has taken into account."""
        values = {"saved": _encode(book), "revision": replaces + 1}
        try:
            with writing(self._engine) as connection:
                if replaces == 0:
                    connection.execute(_BOOK.insert().values(id=_ONLY, **values))
                else:
                    same = _BOOK.c.revision == replaces
                    done = connection.execute(_BOOK.update().where(same).values(**values))
                    if done.rowcount != 1:
                        return False
                if seen:
                    rows = [{"event": event, "time_ns": at} for event, at in seen.items()]
                    connection.execute(_SEEN.insert(), rows)
                return True
        except IntegrityError:
            return False

    def known(self, events: Collection[str]) -> set[str]:
        """Which of these events were taken into account."""
        asked, found = list(events), set[str]()
        with reading(self._engine) as connection:
            for first in range(0, len(asked), _AT_ONCE):
                some = _SEEN.c.event.in_(asked[first : first + _AT_ONCE])
                found.update(connection.execute(select(_SEEN.c.event).where(some)).scalars())
        return found

    def forget(self, before_ns: int) -> None:
        """Let go of the ids of events from before then."""
        with writing(self._engine) as connection:
            connection.execute(delete(_SEEN).where(_SEEN.c.time_ns < before_ns))
