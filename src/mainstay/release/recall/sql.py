"""Recalls in a database that many processes and machines share."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
)
from sqlalchemy.exc import IntegrityError

from mainstay.base.errors import StorageFailed
from mainstay.bundle.database import create_tables, reading, storable, writing
from mainstay.release.recall.keeping import is_open, no_recall, went_on
from mainstay.release.recall.model import Recall

_PART = "recalls"
_SCHEMA = 1
_NUMBER_MAX: Final = 2**31 - 1

_TABLES = MetaData()
_KEPT = Table(
    "mainstay_recalls",
    _TABLES,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("model", String, nullable=False),
    Column("revision", Integer, nullable=False),
    # 1, or nothing once it came to an end: so that the database itself lets only one be open.
    Column("going", Integer),
    Column("state", Text, nullable=False),
    UniqueConstraint("model", "going"),
)
_state = msgspec.json.Decoder(Recall)


class SqlRecallStore:
    """Keeps recalls in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, _PART, _SCHEMA, _TABLES)
        self._engine = engine

    def begin(self, recall: Recall) -> Recall:
        """Keep a new one under the next number; `Conflict` when one of its model is open."""
        try:
            with writing(self._engine) as connection:
                last = connection.execute(select(func.max(_KEPT.c.number))).scalar() or 0
                made = replace(recall, number=last + 1, revision=1)
                connection.execute(_KEPT.insert().values(number=made.number, **_row(made)))
                return made
        except IntegrityError as error:
            for each in self.of(recall.model):
                if each.open:
                    raise is_open(each) from error
            raise StorageFailed(
                f"a recall of {recall.model} was refused by the database, though none is open",
                field="database",
                expected="the same command again",
            ) from error

    def save(self, recall: Recall) -> Recall:
        """Keep how far it is; `Conflict` when somebody else went on with it meanwhile."""
        after = replace(recall, revision=recall.revision + 1)
        same = (_KEPT.c.number == recall.number) & (_KEPT.c.revision == recall.revision)
        with writing(self._engine) as connection:
            done = connection.execute(_KEPT.update().where(same).values(**_row(after)))
            if done.rowcount != 1:
                raise went_on(recall)
        return after

    def find(self, number: int) -> Recall:
        """The recall with a number; `NotFound`."""
        if not 1 <= number <= _NUMBER_MAX:
            raise no_recall(number)
        with reading(self._engine) as connection:
            wanted = select(_KEPT.c.state).where(_KEPT.c.number == number)
            found = connection.execute(wanted).scalar()
        if found is None:
            raise no_recall(number)
        return _state.decode(found)

    def of(self, model: str | None = None) -> Sequence[Recall]:
        """All of a model, or of the workspace, oldest first."""
        wanted = select(_KEPT.c.state).order_by(_KEPT.c.number)
        if model is not None:
            if not storable(model):
                return []
            wanted = wanted.where(_KEPT.c.model == model)
        with reading(self._engine) as connection:
            return [_state.decode(text) for text in connection.execute(wanted).scalars().all()]


def _row(recall: Recall) -> dict[str, Any]:
    return {
        "model": recall.model,
        "revision": recall.revision,
        "going": 1 if recall.open else None,
        "state": msgspec.json.encode(recall).decode(),
    }
