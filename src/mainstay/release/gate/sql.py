"""Verdicts in a database that many processes and machines share. Rows are only ever added."""

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Index,
    MetaData,
    String,
    Table,
    Text,
    func,
    select,
)
from sqlalchemy.exc import IntegrityError

from mainstay.bundle.database import create_tables, reading, storable, writing
from mainstay.release.gate.keeping import SHOWN_MAX, only_one, taken
from mainstay.release.gate.model import Verdict

_PART = "verdicts"
_SCHEMA = 1

_TABLES = MetaData()
_VERDICTS = Table(
    "mainstay_verdicts",
    _TABLES,
    Column("id", String, primary_key=True),
    Column("model", String, nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("verdict", Text, nullable=False),
    Index("mainstay_verdicts_by_model", "model", "time_ns"),
)


class SqlVerdictStore:
    """Keeps verdicts in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, _PART, _SCHEMA, _TABLES)
        self._engine = engine

    def keep(self, verdict: Verdict) -> None:
        """Keep a new verdict; `Conflict` when its id is taken."""
        row = {
            "id": verdict.id,
            "model": verdict.model,
            "time_ns": verdict.time_ns,
            # JSON writes a NUL as an escape, so whatever a value was called, the text is storable.
            "verdict": msgspec.json.encode(verdict).decode(),
        }
        try:
            with writing(self._engine) as connection:
                connection.execute(_VERDICTS.insert().values(row))
        except IntegrityError:
            raise taken(verdict) from None

    def find(self, verdict_id: str) -> Verdict:
        """The verdict with this id (or unambiguous beginning of it); `NotFound`."""
        if not verdict_id or not storable(verdict_id):
            return only_one(verdict_id, ())
        beginning = func.substr(_VERDICTS.c.id, 1, len(verdict_id)) == verdict_id
        wanted = select(_VERDICTS.c.verdict).where(beginning).order_by(_VERDICTS.c.id)
        with reading(self._engine) as connection:
            rows = connection.execute(wanted.limit(SHOWN_MAX)).scalars().all()
        found = [_decode(row) for row in rows]
        exact = [each for each in found if each.id == verdict_id]
        return only_one(verdict_id, exact or found)

    def about(self, model: str, candidate: str) -> Verdict | None:
        """The newest verdict on a version of a model, by its fingerprint."""
        if not storable(model) or not storable(candidate):
            return None
        # Text that names it may name it as the baseline: which one it is, its decoding tells.
        naming = (_VERDICTS.c.model == model) & _VERDICTS.c.verdict.contains(
            candidate, autoescape=True
        )
        newest = _VERDICTS.c.time_ns.desc(), _VERDICTS.c.id.desc()
        with reading(self._engine) as connection:
            rows = connection.execute(select(_VERDICTS.c.verdict).where(naming).order_by(*newest))
            found = (_decode(text) for text in rows.scalars())
            return next((each for each in found if each.candidate == candidate), None)

    def latest(self, model: str) -> Verdict | None:
        """The newest verdict of a model."""
        if not storable(model):
            return None
        of_model = select(_VERDICTS.c.verdict).where(_VERDICTS.c.model == model)
        newest = of_model.order_by(_VERDICTS.c.time_ns.desc(), _VERDICTS.c.id.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(newest).scalar()
        return None if row is None else _decode(row)


def _decode(text: str) -> Verdict:
    return msgspec.json.decode(text, type=Verdict)
