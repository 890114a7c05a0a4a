"""Choices in a database that many machines share.

Promises that the newest choice of a unit holds, and that whoever asks for what is new misses
nothing: every change of a rollout's choices takes the next revision of its book in one transaction
that has the book to itself.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    delete,
    func,
    select,
)
from sqlalchemy.exc import IntegrityError

from mainstay.base.clock import Clock
from mainstay.bundle.database import create_tables, reading, storable, writing
from mainstay.serve.choices.model import Choice
from mainstay.serve.choices.port import Page

_PART = "choices"
_SCHEMA = 1

_TABLES = MetaData()
_BOOKS = Table(
    "mainstay_choice_books",
    _TABLES,
    Column("model", String, primary_key=True),
    Column("rollout", String, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("changed_ns", BigInteger, nullable=False),
)
_CHOICES = Table(
    "mainstay_choices",
    _TABLES,
    Column("model", String, primary_key=True),
    Column("rollout", String, primary_key=True),
    Column("mark", BigInteger, primary_key=True, autoincrement=False),
    Column("stamp", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
)
_which = attrgetter("model", "rollout")


class SqlChoiceStore:
    """Keeps choices in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        create_tables(engine, _PART, _SCHEMA, _TABLES)
        self._engine = engine
        self._clock = clock

    def keep(self, choices: Sequence[Choice]) -> None:
        """Add choices; one that is older than what is known of its unit changes nothing."""
        for (model, rollout), some in groupby(sorted(choices, key=_which), key=_which):
            newest: dict[int, int] = {}
            for choice in some:
                newest[choice.mark] = max(choice.stamp, newest.get(choice.mark, 0))
            self._keep_of(model, rollout, newest)

    def _keep_of(self, model: str, rollout: str, newest: dict[int, int]) -> None:
        now_ns = self._clock.now_ns()
        mine = (_BOOKS.c.model == model) & (_BOOKS.c.rollout == rollout)
        taken = _BOOKS.update().where(mine).values(
            revision=_BOOKS.c.revision + 1, changed_ns=now_ns
        )  # fmt: skip
        try:
            with writing(self._engine) as connection:
                if connection.execute(taken).rowcount != 1:
                    connection.execute(
                        _BOOKS.insert().values(
                            model=model, rollout=rollout, revision=1, changed_ns=now_ns
                        )
                    )
                # From here on, nobody else changes choices of this rollout.
                revision = connection.execute(select(_BOOKS.c.revision).where(mine)).scalar_one()
                _write(connection, (model, rollout), newest, revision)
        except IntegrityError:
            # Two wrote the first choices of a rollout at once; by now the book is there.
            with writing(self._engine) as connection:
                connection.execute(taken)
                revision = connection.execute(select(_BOOKS.c.revision).where(mine)).scalar_one()
                _write(connection, (model, rollout), newest, revision)

    def since(self, model: str, rollout: str, revision: int) -> Page:
        """What came to be known after a revision (0: everything), and the revision reached."""
        if not (storable(model) and storable(rollout)):
            return 0, {}
        mine = (_BOOKS.c.model == model) & (_BOOKS.c.rollout == rollout)
        new = _of(model, rollout) & (_CHOICES.c.revision > revision)
        columns = select(_CHOICES.c.mark, _CHOICES.c.stamp, _CHOICES.c.revision)
        with reading(self._engine) as connection:
            reached = connection.execute(select(_BOOKS.c.revision).where(mine)).scalar() or 0
            if reached <= revision:
                return reached, {}
            # What was added between the two looks comes again with the next one.
            rows = connection.execute(columns.where(new)).all()
        return reached, {row.mark: row.stamp for row in rows}

    def went_back(self, model: str, rollout: str) -> int:
        """How many units have chosen the version before."""
        if not (storable(model) and storable(rollout)):
            return 0
        back = _of(model, rollout) & (_CHOICES.c.stamp % 2 == 1)
        with reading(self._engine) as connection:
            found = connection.execute(select(func.count()).select_from(_CHOICES).where(back))
            return found.scalar_one()

    def forget(self, in_force: Mapping[str, str], before_ns: int) -> int:
        """Remove all of other rollouts than those in force that did not change since a moment."""
        with writing(self._engine) as connection:
            old = [
                (row.model, row.rollout)
                for row in connection.execute(
                    select(_BOOKS).where(_BOOKS.c.changed_ns < before_ns)
                ).all()
                if in_force.get(row.model) != row.rollout
            ]
            for model, rollout in old:
                connection.execute(delete(_CHOICES).where(_of(model, rollout)))
                mine = (_BOOKS.c.model == model) & (_BOOKS.c.rollout == rollout)
                connection.execute(delete(_BOOKS).where(mine))
        return len(old)


def _of(model: str, rollout: str) -> ColumnElement[bool]:
    return (_CHOICES.c.model == model) & (_CHOICES.c.rollout == rollout)


def _write(
    connection: Connection, which: tuple[str, str], newest: Mapping[int, int], revision: int
) -> None:
    model, rollout = which
    mine = _of(model, rollout)
    for mark, stamp in newest.items():
        this = mine & (_CHOICES.c.mark == mark)
        known = connection.execute(select(_CHOICES.c.stamp).where(this)).scalar()
        if known is None:
            connection.execute(
                _CHOICES.insert().values(
                    model=model, rollout=rollout, mark=mark, stamp=stamp, revision=revision
                )
            )
        elif stamp > known:
            connection.execute(_CHOICES.update().where(this).values(stamp=stamp, revision=revision))
