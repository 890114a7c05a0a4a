"""Parts in the database of the workspace.

Promises that the parts of a piece and the mark that it was taken are written in one transaction,
so that a keeper that dies in between takes it again from the start; and that merging older parts
into longer ones is one transaction too. Rows of different pieces stay apart until then and are
merged when they are read.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    select,
)
from sqlalchemy.exc import IntegrityError

from mainstay.bundle.database import create_tables, reading, writing
from mainstay.summaries.reference import Reference, decode_reference, encode_reference
from mainstay.watch.gather.model import Key, Part, merge_parts, merged, widened

_PART: Final = "summaries"
_SCHEMA: Final = 1

_TABLES = MetaData()
_PIECES = Table("mainstay_summary_pieces", _TABLES, Column("piece", String(64), primary_key=True))
_PARTS = Table(
    "mainstay_summary_parts",
    _TABLES,
    Column("piece", String(64), nullable=False),
    Column("model", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("arm", Text, nullable=False),
    Column("slice", Text, nullable=False),
    Column("begin_ms", BigInteger, nullable=False),
    Column("width_ms", BigInteger, nullable=False),
    Column("part", LargeBinary, nullable=False),
    Index("mainstay_summary_window", "model", "slice", "begin_ms"),
)
_REFERENCES = Table(
    "mainstay_summary_references",
    _TABLES,
    Column("fingerprint", String(64), primary_key=True),
    Column("reference", LargeBinary, nullable=False),
)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Part).decode


class SqlSummaryStore:
    """Keeps parts in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, _PART, _SCHEMA, _TABLES)
        self._engine = engine

    def taken(self) -> frozenset[str]:
        """Every piece whose parts are here."""
        with reading(self._engine) as connection:
            return frozenset(connection.execute(select(_PIECES.c.piece)).scalars())

    def add(self, piece: str, parts: Iterable[Part]) -> bool:
        """Keep the parts of a piece, all or none; False when the piece was taken before."""
        rows = [_row(piece, part) for part in parts]
        try:
            with writing(self._engine) as connection:
                connection.execute(_PIECES.insert().values(piece=piece))
                if rows:
                    connection.execute(_PARTS.insert(), rows)
        except IntegrityError:
            return False
        return True

    def read(self, model: str, since_ms: int, until_ms: int, slice_: str = "") -> Sequence[Part]:
        """The parts that begin in a stretch of time, one for each key, in the order of keys."""
        wanted = select(_PARTS.c.part).where(
            _within(model, since_ms, until_ms), _PARTS.c.slice == _text(slice_)
        )
        found: dict[Key, Part] = {}
        with reading(self._engine) as connection:
            for data in connection.execute(wanted).scalars():
                part = _decode(data)
                before = found.get(part.key)
                found[part.key] = part if before is None else merge_parts(before, part, part.key)
        return [found[key] for key in sorted(found)]

    def slices(self, model: str, since_ms: int, until_ms: int) -> Sequence[str]:
        """The slices that have parts there, without the whole."""
        wanted = select(_PARTS.c.slice).where(_within(model, since_ms, until_ms)).distinct()
        with reading(self._engine) as connection:
            found = connection.execute(wanted).scalars()
            return sorted(slice_ for text in found if (slice_ := json.loads(text)))

    def compact(self, before_ms: int, width_ms: int) -> int:
        """Merge parts of stretches that ended before a moment into ones of this width."""
        end = before_ms - before_ms % width_ms
        apart = (_PARTS.c.width_ms == width_ms) & (_PARTS.c.piece != "")
        old = ((_PARTS.c.width_ms < width_ms) | apart) & (_PARTS.c.begin_ms < end)
        fewer = 0
        with reading(self._engine) as connection:
            wanted = select(_PARTS.c.model, _PARTS.c.slice).where(old).distinct()
            groups = connection.execute(wanted).all()
        for model, slice_ in groups:
            with writing(self._engine) as connection:
                fewer += _compact(
                    connection,
                    old & (_PARTS.c.model == model) & (_PARTS.c.slice == slice_),
                    width_ms,
                )
        return fewer

    def reference(self, fingerprint: str) -> Reference | None:
        """The reference that was kept for a version without one of its own."""
        wanted = select(_REFERENCES.c.reference).where(_REFERENCES.c.fingerprint == fingerprint)
        with reading(self._engine) as connection:
            data = connection.execute(wanted).scalar()
        return None if data is None else decode_reference(data)

    def keep_reference(self, fingerprint: str, reference: Reference) -> None:
        """Keep the reference of a version; the first stays."""
        values = {"fingerprint": fingerprint, "reference": encode_reference(reference)}
        try:
            with writing(self._engine) as connection:
                connection.execute(_REFERENCES.insert().values(**values))
        except IntegrityError:
            return


def _within(model: str, since_ms: int, until_ms: int) -> Any:
    begin = _PARTS.c.begin_ms
    return (_PARTS.c.model == _text(model)) & (begin >= since_ms) & (begin < until_ms)


def _compact(connection: Connection, old: Any, width_ms: int) -> int:
    groups: dict[Key, list[Part]] = {}
    parts = [
        _decode(data) for data in connection.execute(select(_PARTS.c.part).where(old)).scalars()
    ]
    for part in parts:
        groups.setdefault(widened(part.key, width_ms), []).append(part)
    connection.execute(_PARTS.delete().where(old))
    rows = [_row("", merged(each, key)) for key, each in groups.items()]
    if rows:
        connection.execute(_PARTS.insert(), rows)
    return len({part.key for part in parts}) - len(rows)


def _row(piece: str, part: Part) -> dict[str, Any]:
    key = part.key
    return {
        "piece": piece,
        "model": _text(key.model),
        "fingerprint": key.fingerprint,
        "arm": key.arm,
        "slice": _text(key.slice),
        "begin_ms": key.begin_ms,
        "width_ms": key.width_ms,
        "part": _encode(part),
    }


def _text(value: str) -> str:
    """Any string as one that both databases can hold: a slice is named after what callers send."""
    return json.dumps(value)
