"""Histories that a database answers: one SELECT, read in pieces into a file of this process.

Promises one transaction that only reads and sees one moment, that only a bounded piece of the
answer is in memory, and that a value of another kind than is needed is named with its column and
row. Nothing of a URL is ever told.
"""

import datetime as dt
import decimal
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, cast

from sqlalchemy import Connection, CursorResult

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.database import borrowed
from mainstay.contract.renewing import History
from mainstay.journal.arrow import pa, pq
from mainstay.renew.history.model import Kind, Origin, Role, missing, unfit

_PIECE_ROWS: Final = 10_000
_TYPES: Final[dict[Kind, Any]] = {
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "vector": pa.list_(pa.float64()),
}
"""As what values are written; all others as text."""


def names_in(history: History, origin: Origin) -> list[str]:
    """The columns that the SELECT answers."""
    with borrowed(_url(history, origin), origin.folder) as connection:
        nothing = f"SELECT * FROM ({history.sql.rstrip().rstrip(';')}\n) AS history LIMIT 0"  # noqa: S608  # because whoever writes the contract says what is asked
        with closing(_run(connection, nothing)) as answer:
            return list(answer.keys())


def copy(history: History, origin: Origin, roles: Sequence[Role], into: Path) -> None:
    """Write the columns that are needed into a Parquet file, as snapshots call them."""
    schema = pa.schema([(role.name, _TYPES.get(role.kind, pa.string())) for role in roles])
    with (
        borrowed(_url(history, origin), origin.folder) as connection,
        closing(_run(connection, history.sql)) as answer,
        pq.ParquetWriter(into, schema, compression="zstd") as writer,
    ):
        places = _places(list(answer.keys()), roles)
        first = 1
        for piece in answer.partitions(_PIECE_ROWS):
            columns = list(zip(*piece, strict=True))
            arrays = [
                pa.array(_taken(role, columns[place], first), schema.field(role.name).type)
                for role, place in zip(roles, places, strict=True)
            ]
            writer.write_table(pa.table(arrays, schema=schema))
            first += len(piece)


def _run(connection: Connection, sql: str) -> CursorResult[Any]:
    # Without parameters, so that no % or : of the SELECT means anything but itself.
    options = {"stream_results": True, "no_parameters": True, "max_row_buffer": _PIECE_ROWS}
    return connection.execution_options(**options).exec_driver_sql(sql)


def _url(history: History, origin: Origin) -> str:
    url = origin.environment.get(history.database_env, "")
    if not url:
        raise InvalidUsage(
            f"the environment variable {history.database_env} is not set, so there is no database"
            " to read the history from",
            field="renew.history.database_env",
            got=history.database_env,
            expected="the URL of the database in it, such as postgresql://user@host/database",
        )
    return url


def _places(names: list[str], roles: Sequence[Role]) -> list[int]:
    for name in names:
        if names.count(name) > 1 and any(role.column == name for role in roles):
            raise InvalidUsage(
                f"the history has two columns {name!r}",
                field="renew.history.sql",
                got=name,
                expected="a name of its own for each, by AS",
            )
    for role in roles:
        if role.column not in names:
            raise missing(role, "the history", names)
    return [names.index(role.column) for role in roles]


def _taken(role: Role, values: Sequence[Any], first: int) -> list[Any]:
    take = _TAKE[role.kind]
    try:
        return [None if value is None else take(value) for value in values]
    except (TypeError, ValueError, OverflowError):
        for row, value in enumerate(values, first):
            if value is not None and not _takes(take, value):
                held = f"{type(value).__name__} ({str(value)[:40]!r} in row {row:,})"
                raise unfit(role, "the history", held) from None
        raise


def _takes(take: Callable[[Any], Any], value: Any) -> bool:
    try:
        take(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _text(value: Any) -> str:
    if isinstance(value, (str, uuid.UUID)):
        return str(value)
    raise TypeError


def _name(value: Any) -> str:
    return str(value) if type(value) is int else _text(value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float, decimal.Decimal)) else _text(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, decimal.Decimal)):
        raise TypeError
    return float(value)


def _boolean(value: Any) -> bool:
    # SQLite has no truth values.
    if isinstance(value, int) and value in {0, 1}:
        return bool(value)
    raise TypeError


def _moment(value: Any) -> str:
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    return _text(value)


def _vector(value: Any) -> list[float]:
    if isinstance(value, list):
        return [_number(each) for each in cast("list[Any]", value)]
    raise TypeError


_TAKE: Final[dict[Kind, Callable[[Any], Any]]] = {
    "text": _text,
    "name": _name,
    "value": _value,
    "number": _number,
    "boolean": _boolean,
    "moment": _moment,
    "vector": _vector,
}
