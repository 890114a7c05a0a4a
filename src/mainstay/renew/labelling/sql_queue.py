"""Tasks and turns in a database that many processes and machines share.

Promises that a task is given to no more people at once than it wants answers, whoever asks at the
same moment: who gives it holds its row while the turns at it are counted.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Text,
    and_,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.exc import IntegrityError

from mainstay.bundle.database import create_tables, reading, storable, writing
from mainstay.renew.labelling.keeping import (
    answered,
    as_probe,
    given,
    is_free,
    no_task,
    putting,
)
from mainstay.renew.labelling.model import Asked, Said, State, Task, Turn

_PART: Final = "label_tasks"
_SCHEMA: Final = 1
_TRIED_AT_ONCE: Final = 20
_TRIES: Final = 5
_ROWS_AT_ONCE: Final = 500

_TABLES = MetaData()
_TASKS = Table(
    "mainstay_label_tasks",
    _TABLES,
    Column("id", String(64), primary_key=True),
    Column("model", String, nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("probe", Integer, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("made_ns", BigInteger, nullable=False),
    Column("place", Float, nullable=False),
    Column("task", Text, nullable=False),
)
_TURNS = Table(
    "mainstay_label_turns",
    _TABLES,
    Column("task", String(64), primary_key=True),
    Column("labeler", String, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("until_ns", BigInteger, nullable=False),
    Column("turn", Text, nullable=False),
)
_IN_ORDER: Final = (_TASKS.c.made_ns, _TASKS.c.place, _TASKS.c.id)


class SqlTaskQueue:
    """Keeps tasks and turns in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, _PART, _SCHEMA, _TABLES)
        self._engine = engine

    def add(self, tasks: Sequence[Task]) -> int:
        """Let tasks wait; one that is there stays, but for becoming a probe."""
        return sum(map(self._add, tasks))

    def _add(self, task: Task) -> bool:
        try:
            with writing(self._engine) as connection:
                known = _locked(connection, task.id)
                if known is None:
                    connection.execute(_TASKS.insert().values(_row(task)))
                    return True
                if task.gold is None or known.gold == task.gold:
                    return False
                _write(connection, as_probe(known, task.gold))
                return known.gold is None
        except IntegrityError:
            return False  # somebody added it at the same moment

    def give(
        self, model: str, labeler: str, *, gold: bool, lease_ns: int, now_ns: int
    ) -> tuple[Task, Turn] | None:
        """The task that the labeler has already, else the next for them."""
        if not storable(model) or not storable(labeler):
            return None
        for left in reversed(range(_TRIES)):
            try:
                with writing(self._engine) as connection:
                    held = connection.execute(_held(model, labeler, now_ns)).scalar()
                    if held is not None:
                        found = _locked(connection, held)
                        assert found is not None, "a task goes with its turns"
                        return found, _turn(connection, held, labeler)
                    whose = (model, labeler)
                    return _next(connection, whose, lease_ns, now_ns, gold=gold)
            except IntegrityError:
                # The same labeler asked twice at the same moment: both get the same task.
                if not left:
                    raise
        return None

    def answer(self, task: str, labeler: str, said: Said, now_ns: int) -> tuple[Turn, bool]:
        """Keep what a labeler says of the task they have."""
        with writing(self._engine) as connection:
            found = _there(connection, task)
            turns = {turn.labeler: turn for turn in _turns(connection, task)}
            turn, before = answered(found, turns.get(labeler), said, now_ns)
            if not before:
                _write_turn(connection, turn)
            return turn, before

    def saw(self, task: str, labeler: str, answer: str | float | None) -> None:
        """Keep what the model's answer was that a labeler was shown."""
        with writing(self._engine) as connection:
            _there(connection, task)
            for turn in _turns(connection, task):
                if turn.labeler == labeler:
                    _write_turn(connection, replace(turn, saw=answer))

    def put(self, turn: Turn) -> bool:
        """Keep a turn that was had elsewhere."""
        with writing(self._engine) as connection:
            _there(connection, turn.task)
            turns = {each.labeler: each for each in _turns(connection, turn.task)}
            mine = turns.get(turn.labeler)
            new = putting(mine, turn)
            if new and mine is None:
                connection.execute(_TURNS.insert().values(_turn_row(turn)))
            elif new:
                _write_turn(connection, turn)
            return new

    def find(self, task: str) -> Asked:
        """A task and every turn at it."""
        if not storable(task):
            raise no_task(task)
        with reading(self._engine) as connection:
            text = connection.execute(select(_TASKS.c.task).where(_TASKS.c.id == task)).scalar()
            if text is None:
                raise no_task(task)
            return _decode(text), _in_order(_turns(connection, task))

    def of(self, model: str) -> Sequence[Asked]:
        """All tasks of a model that are remembered."""
        if not storable(model):
            return []
        mine = _TASKS.c.model == model
        with reading(self._engine) as connection:
            texts = connection.execute(select(_TASKS.c.task).where(mine).order_by(*_IN_ORDER))
            tasks = [_decode(text) for text in texts.scalars()]
            joined = _TURNS.join(_TASKS, _TURNS.c.task == _TASKS.c.id)
            rows = connection.execute(select(_TURNS.c.turn).select_from(joined).where(mine))
            turns: dict[str, list[Turn]] = {}
            for turn in map(_decode_turn, rows.scalars()):
                turns.setdefault(turn.task, []).append(turn)
        return [(task, _in_order(turns.get(task.id, []))) for task in tasks]

    def change(self, task: Task, was: State, *, untold: bool = False) -> bool:
        """Keep a task as it is now, if it still is as it was."""
        with writing(self._engine) as connection:
            known = _locked(connection, task.id)
            if known is None or known.state != was:
                return False
            if untold and known.settled is not None and known.settled.told:
                return False
            _write(connection, replace(task, gold=known.gold))
            return True

    def mark(self, model: str) -> tuple[int, int, int]:
        """How many tasks, open ones, and turns that are over there are."""
        mine = _TASKS.c.model == model
        joined = _TURNS.join(_TASKS, _TURNS.c.task == _TASKS.c.id)
        counts = (
            select(func.count()).select_from(_TASKS).where(mine),
            select(func.count()).select_from(_TASKS).where(mine, _TASKS.c.state == "open"),
            select(func.count()).select_from(joined).where(mine, _TURNS.c.state != "given"),
        )
        with reading(self._engine) as connection:
            tasks, opened, over = (connection.execute(each).scalar_one() for each in counts)
        return tasks, opened, over

    def forget(self, before_ns: int) -> int:
        """Forget tasks that were made before then and are not open."""
        old = (_TASKS.c.made_ns < before_ns) & (_TASKS.c.state != "open")
        with writing(self._engine) as connection:
            ids = connection.execute(select(_TASKS.c.id).where(old)).scalars().all()
            for start in range(0, len(ids), _ROWS_AT_ONCE):
                part = ids[start : start + _ROWS_AT_ONCE]
                connection.execute(_TURNS.delete().where(_TURNS.c.task.in_(part)))
                connection.execute(_TASKS.delete().where(_TASKS.c.id.in_(part)))
            return len(ids)


def _held(model: str, labeler: str, now_ns: int) -> Select[Any]:
    """The task that a labeler has now."""
    joined = _TURNS.join(_TASKS, _TURNS.c.task == _TASKS.c.id)
    return (
        select(_TASKS.c.id)
        .select_from(joined)
        .where(_TASKS.c.model == model, _TASKS.c.state == "open")
        .where(_TURNS.c.labeler == labeler, _has(now_ns))
        .order_by(*_IN_ORDER)
        .limit(1)
    )


def _has(now_ns: int) -> ColumnElement[bool]:
    return and_(_TURNS.c.state == "given", _TURNS.c.until_ns > now_ns)


def _next(
    connection: Connection, whose: tuple[str, str], lease_ns: int, now_ns: int, *, gold: bool
) -> tuple[Task, Turn] | None:
    """Give the next task that is free, its row held while that is looked at."""
    model, labeler = whose
    while ids := connection.execute(_free(model, labeler, now_ns, gold=gold)).scalars().all():
        for id_ in ids:
            task = _locked(connection, id_)
            turns = _turns(connection, id_)
            if task is None or not is_free(task, turns, labeler, gold=gold, now_ns=now_ns):
                continue  # somebody was quicker
            turn = given(id_, labeler, lease_ns, now_ns)
            if any(each.labeler == labeler for each in turns):
                _write_turn(connection, turn)
            else:
                connection.execute(_TURNS.insert().values(_turn_row(turn)))
            return task, turn
        if len(ids) < _TRIED_AT_ONCE:
            break
    return None


def _free(model: str, labeler: str, now_ns: int, *, gold: bool) -> Select[Any]:
    """Tasks that look free; whether they are is looked at again with the row held."""
    of_task = _TURNS.c.task == _TASKS.c.id
    done = exists().where(of_task, _TURNS.c.labeler == labeler, _TURNS.c.state != "given")
    wanted = [_TASKS.c.model == model, _TASKS.c.state == "open", ~done]
    wanted += [_TASKS.c.probe == int(gold)]
    if not gold:
        others = (
            select(func.count())
            .select_from(_TURNS)
            .where(of_task, _TURNS.c.labeler != labeler)
            .where(or_(_TURNS.c.state == "answered", _has(now_ns)))
            .scalar_subquery()
        )
        wanted += [others < _TASKS.c.wanted]
    return select(_TASKS.c.id).where(*wanted).order_by(*_IN_ORDER).limit(_TRIED_AT_ONCE)


def _locked(connection: Connection, id_: str) -> Task | None:
    wanted = select(_TASKS.c.task).where(_TASKS.c.id == id_).with_for_update()
    text = connection.execute(wanted).scalar()
    return None if text is None else _decode(text)


def _there(connection: Connection, id_: str) -> Task:
    found = _locked(connection, id_) if storable(id_) else None
    if found is None:
        raise no_task(id_)
    return found


def _turns(connection: Connection, task: str) -> list[Turn]:
    rows = connection.execute(select(_TURNS.c.turn).where(_TURNS.c.task == task))
    return [_decode_turn(text) for text in rows.scalars()]


def _turn(connection: Connection, task: str, labeler: str) -> Turn:
    return next(turn for turn in _turns(connection, task) if turn.labeler == labeler)


def _in_order(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    return tuple(sorted(turns, key=lambda turn: (turn.given_ns, turn.labeler)))


def _row(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "model": task.model,
        "state": task.state,
        "probe": int(task.gold is not None),
        "wanted": task.wanted,
        "made_ns": task.made_ns,
        "place": task.place,
        "task": msgspec.json.encode(task).decode(),
    }


def _write(connection: Connection, task: Task) -> None:
    connection.execute(_TASKS.update().where(_TASKS.c.id == task.id).values(_row(task)))


def _turn_row(turn: Turn) -> dict[str, Any]:
    return {
        "task": turn.task,
        "labeler": turn.labeler,
        "state": turn.state,
        "until_ns": turn.until_ns,
        "turn": msgspec.json.encode(turn).decode(),
    }


def _write_turn(connection: Connection, turn: Turn) -> None:
    mine = (_TURNS.c.task == turn.task) & (_TURNS.c.labeler == turn.labeler)
    connection.execute(_TURNS.update().where(mine).values(_turn_row(turn)))


def _decode(text: str) -> Task:
    return msgspec.json.decode(text, type=Task)


def _decode_turn(text: str) -> Turn:
    return msgspec.json.decode(text, type=Turn)
