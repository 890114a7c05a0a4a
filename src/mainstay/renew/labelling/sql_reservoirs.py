"""Reservoirs in a database that many processes and machines share."""

from collections.abc import Mapping
from typing import Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Engine,
    MetaData,
    String,
    Table,
    Text,
    select,
)
from sqlalchemy.exc import IntegrityError

from mainstay.bundle.database import create_tables, reading, writing
from mainstay.renew.labelling.port import Stretch
from mainstay.renew.labelling.reservoir import Reservoir, merge

_PART: Final = "label_reservoirs"
_SCHEMA: Final = 1
_TRIES: Final = 5

_TABLES = MetaData()
_TAKEN = Table(
    "mainstay_label_pieces",
    _TABLES,
    Column("piece", String(128), primary_key=True),
    Column("sealed_ns", BigInteger, nullable=False),
)
_KEPT = Table(
    "mainstay_label_reservoirs",
    _TABLES,
    Column("model", String, primary_key=True),
    Column("begin_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("end_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("reservoir", Text, nullable=False),
)


class SqlReservoirStore:
    """Keeps what is drawn in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, _PART, _SCHEMA, _TABLES)
        self._engine = engine

    def taken(self) -> frozenset[str]:
        """The pieces that were taken in."""
        with reading(self._engine) as connection:
            return frozenset(connection.execute(select(_TAKEN.c.piece)).scalars())

    def add(self, piece: str, sealed_ns: int, drawn: Mapping[Stretch, Reservoir]) -> None:
        """Merge what a piece brought, once."""
        for left in reversed(range(_TRIES)):
            try:
                return self._add(piece, sealed_ns, drawn)
            except IntegrityError:
                # Somebody took the same piece in, or began the same stretch, at the same moment.
                if piece in self.taken():
                    return None
                if not left:
                    raise
        return None

    def _add(self, piece: str, sealed_ns: int, drawn: Mapping[Stretch, Reservoir]) -> None:
        with writing(self._engine) as connection:
            connection.execute(_TAKEN.insert().values(piece=piece, sealed_ns=sealed_ns))
            for stretch, reservoir in sorted(drawn.items()):
                mine = _is(stretch)
                wanted = select(_KEPT.c.reservoir).where(mine).with_for_update()
                text = connection.execute(wanted).scalar()
                if text is None:
                    row = {**msgspec.structs.asdict(stretch), "reservoir": _encode(reservoir)}
                    connection.execute(_KEPT.insert().values(row))
                else:
                    both = _encode(merge(_decode(text), reservoir))
                    connection.execute(_KEPT.update().where(mine).values(reservoir=both))

    def due(self, now_ns: int) -> Mapping[Stretch, Reservoir]:
        """What was drawn in stretches that are over."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(_KEPT).where(_KEPT.c.end_ns <= now_ns)).all()
        found = {Stretch(r.model, r.begin_ns, r.end_ns): _decode(r.reservoir) for r in rows}
        return dict(sorted(found.items()))

    def drop(self, stretch: Stretch, drawn: Reservoir) -> bool:
        """Forget a stretch, unless something came to it since."""
        mine = _is(stretch) & (_KEPT.c.reservoir == _encode(drawn))
        with writing(self._engine) as connection:
            return connection.execute(_KEPT.delete().where(mine)).rowcount == 1

    def forget(self, before_ns: int) -> None:
        """Forget which pieces sealed before then were taken in."""
        with writing(self._engine) as connection:
            connection.execute(_TAKEN.delete().where(_TAKEN.c.sealed_ns < before_ns))


def _is(stretch: Stretch) -> ColumnElement[bool]:
    return (
        (_KEPT.c.model == stretch.model)
        & (_KEPT.c.begin_ns == stretch.begin_ns)
        & (_KEPT.c.end_ns == stretch.end_ns)
    )


def _encode(reservoir: Reservoir) -> str:
    return msgspec.json.encode(reservoir).decode()


def _decode(text: str) -> Reservoir:
    return msgspec.json.decode(text, type=Reservoir)
