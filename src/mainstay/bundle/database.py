"""The one database of a workspace: opening it, transactions, and what its faults are called.

SQLite (one machine) and PostgreSQL (many) are used through the same code; this file is the only
place that knows they differ. Promises that a write is one transaction that starts with the right
to write, that a fault becomes `StorageFailed` and names the server, and that no password is ever
part of a message. Must never hold a table of its own but the one that says which tables there are.

Limits: an engine belongs to one process and must not be carried across a fork. SQLite is kept in
its rollback-journal mode, because write-ahead logs of SQLite before 3.51.3 can be damaged when two
connections write and checkpoint at once, and the interpreter's own library is often older.
"""

import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    NullPool,
    String,
    Table,
    create_engine,
    event,
    inspect,
    select,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from mainstay.base.errors import InvalidUsage, StorageFailed
from mainstay.base.limits import HISTORY_MAX_SECONDS

_WAIT_SECONDS: Final = 10
"""How long a statement may wait for another process before the database counts as failed."""
_CONNECTIONS: Final = 8
"""How many connections a process keeps open; under load it may open ten more for a moment."""
_REASON_MAX_CHARACTERS: Final = 300
_SECRET_MIN_CHARACTERS: Final = 8
_WRITES: Final = "mainstay_writes"
_CREATING: Final = 0x6D61696E
"""The PostgreSQL advisory lock that is held while tables are created."""
_NO_UPGRADES: Final[Mapping[int, Sequence[str]]] = {}
_EXPECTED_URL: Final = "sqlite:///folder/file.db or postgresql://user:password@host:5432/database"

_EXPECTED_TO_WORK: Final = "a database that runs, can be reached and written, and lets this user in"
_EXPECTED_TO_LEND: Final = (
    "a database that runs, can be reached, lets this user read, and answers this SELECT"
)

_SCHEMA = Table(
    "mainstay_schema",
    MetaData(),
    Column("part", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
)


def open_engine(url: str) -> Engine:
    """Connect to the database a URL names, and prove that it answers."""
    parsed = _parse(url)
    try:
        engine = create_engine(parsed, **_options(parsed))
    except ModuleNotFoundError as error:
        raise InvalidUsage(
            f"the driver for {place_of(parsed)} is not installed",
            field="database",
            got=error.name,
            expected="pip install 'mainstay[postgres]'",
        ) from error
    except (ArgumentError, ValueError):
        # Their messages would repeat what stands behind the question mark.
        raise InvalidUsage(
            "a setting behind the ? of the database URL is not understood",
            field="database",
            expected=_EXPECTED_URL,
        ) from None
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin)
    with reading(engine):
        return engine


@contextmanager
def borrowed(url: str, folder: Path) -> Generator[Connection]:
    """A database that is not ours, for one transaction that only reads and sees one moment; nothing
    of it is changed, not even how it is kept. A relative SQLite file is one in `folder`."""
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        file = folder / str(parsed.database)
        engine = create_engine(
            parsed.set(database=str(file)), creator=lambda: _only_reading(file),
            poolclass=NullPool, hide_parameters=True,
        )  # fmt: skip
    else:
        engine = create_engine(
            parsed, poolclass=NullPool, hide_parameters=True, connect_args=_patience(parsed),
            isolation_level="REPEATABLE READ",
        )  # fmt: skip
    event.listen(engine, "begin", _begin_long)
    try:
        with _named_faults(engine, _EXPECTED_TO_LEND), engine.connect() as connection:
            lent = connection.execution_options(postgresql_readonly=True)
            with lent.begin():
                yield lent
    finally:
        engine.dispose()


def _only_reading(file: Path) -> sqlite3.Connection:
    """A connection to a SQLite file that cannot write, nor make one."""
    connection = sqlite3.connect(
        f"file:{quote(str(file))}?mode=ro", uri=True, timeout=_WAIT_SECONDS,
        check_same_thread=False, isolation_level=None,
    )  # fmt: skip
    connection.execute("PRAGMA query_only = ON")
    return connection


def place_of(where: URL | Engine) -> str:
    """Which database this is, in words without any secret."""
    url = where.url if isinstance(where, Engine) else where
    if url.get_backend_name() == "sqlite":
        return f"the SQLite file {url.database}"
    port = f":{url.port}" if url.port else ""
    return f"the PostgreSQL database {url.database} at {url.host or 'a local socket'}{port}"


@contextmanager
def reading(engine: Engine) -> Generator[Connection]:
    """A transaction that only reads, and sees one moment of one statement at a time."""
    with _named_faults(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Generator[Connection]:
    """A transaction that writes: all of it is kept, or none.

    On SQLite it waits for its turn before it reads anything, so what it read still holds when it
    writes. On PostgreSQL two of them may run at once; the loser of a race meets a constraint and
    `IntegrityError` is let through for the caller, who knows what it means.
    """
    with _named_faults(engine), engine.connect() as connection:
        connection.execution_options(**{_WRITES: True})
        with connection.begin():
            yield connection


def create_tables(
    engine: Engine,
    part: str,
    number: int,
    tables: MetaData,
    upgrades: Mapping[int, Sequence[str]] = _NO_UPGRADES,
) -> None:
    """Create the tables of one part of the product unless they are there; refuse newer ones.

    `upgrades` has, for each older number, the statements that lead to the next one, in words that
    both databases know; what is there is kept. Safe when many processes do it at once. Once the
    tables are as they should be it only reads.
    """
    with reading(engine) as connection:
        found = _schema_of(connection, part)
    if found is None or (found != number and found in upgrades):
        with writing(engine) as connection:
            if connection.dialect.name == "postgresql":
                # PostgreSQL's own "if not exists" still fails when two create at the same time.
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CREATING})")
            found = _schema_of(connection, part)
            if found is None:
                _SCHEMA.create(connection, checkfirst=True)
                tables.create_all(connection)
                connection.execute(_SCHEMA.insert().values(part=part, number=number))
                found = number
            while found < number and found in upgrades:
                for statement in upgrades[found]:
                    connection.exec_driver_sql(statement)
                found += 1
                mine = _SCHEMA.update().where(_SCHEMA.c.part == part)
                connection.execute(mine.values(number=found))
    if found != number:
        whose, knows, update = (
            ("a newer", "know yet", "this Mainstay")
            if found > number
            else ("an older", "read any more", "the database")
        )
        raise StorageFailed(
            f"the {part} in {place_of(engine)} were written by {whose} Mainstay, in a form that"
            f" this one does not {knows}",
            field="database",
            rule="schema",
            got=found,
            expected=f"schema {number}; update {update}",
        )


def storable(text: str) -> bool:
    """Whether both databases can hold this text: no NUL, no half of a character."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _schema_of(connection: Connection, part: str) -> int | None:
    if not inspect(connection).has_table(_SCHEMA.name):
        return None
    return connection.execute(select(_SCHEMA.c.number).where(_SCHEMA.c.part == part)).scalar()


def _parse(url: str) -> URL:
    """Read a URL; nothing of it is repeated in an error, since it may hold a password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidUsage(
            "this is not the URL of a database", field="database", expected=_EXPECTED_URL
        ) from None
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        if parsed.query:
            raise InvalidUsage(
                "the URL of a SQLite file takes no settings behind a ?",
                field="database",
                expected="sqlite:///folder/file.db",
            )
        if not parsed.database or parsed.database == ":memory:":
            raise InvalidUsage(
                "a SQLite database needs a file: what is in memory only is gone with the process",
                field="database",
                expected="sqlite:///folder/file.db",
            )
        return parsed
    if parsed.drivername != "postgresql+psycopg":
        raise InvalidUsage(
            f"Mainstay keeps nothing in a database of the kind {parsed.drivername!r}",
            field="database",
            expected=_EXPECTED_URL,
        )
    if "@" in (parsed.host or "") or not parsed.database:
        raise InvalidUsage(
            "the database URL cannot be taken apart into user, password, host and database",
            field="database",
            expected=_EXPECTED_URL + "; in a password write @ as %40, / as %2F and : as %3A",
        )
    return parsed


def _options(url: URL) -> dict[str, Any]:
    """What the two drivers need to be told, so that no wait is for ever."""
    common: dict[str, Any] = {
        "pool_pre_ping": True,
        "pool_size": _CONNECTIONS,
        "pool_timeout": _WAIT_SECONDS,
        "hide_parameters": True,
    }
    if url.get_backend_name() == "sqlite":
        return common | {"connect_args": {"timeout": _WAIT_SECONDS, "check_same_thread": False}}
    return common | {"connect_args": _patience(url)}


def _patience(url: URL) -> dict[str, Any]:
    """Of the driver of PostgreSQL, where the URL does not say otherwise."""
    patience = {
        "connect_timeout": _WAIT_SECONDS,
        "keepalives_idle": _WAIT_SECONDS,
        "tcp_user_timeout": _WAIT_SECONDS * 1000,
        "application_name": "mainstay",
    }
    return {name: value for name, value in patience.items() if name not in url.query}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Make a new SQLite connection keep what it acknowledged, even through a power cut."""
    # Without this the driver opens transactions by itself, and never with the right to write.
    connection.isolation_level = None
    (mode,) = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    if mode != "delete":
        raise StorageFailed(
            "the SQLite file is in use in another journal mode",
            field="database",
            rule="journal_mode",
            got=mode,
            expected="delete; let the programs that use the file end, then start again",
        )
    # EXTRA also syncs the folder, without which a finished transaction may come undone.
    connection.execute("PRAGMA synchronous=EXTRA")


def _begin(connection: Connection) -> None:
    """Start a transaction the way the database needs it to be started."""
    if connection.dialect.name == "sqlite":
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
    else:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{_WAIT_SECONDS}s'")


def _begin_long(connection: Connection) -> None:
    """Start a transaction that may take its time."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")
    else:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{HISTORY_MAX_SECONDS}s'")


@contextmanager
def _named_faults(engine: Engine, expected: str = _EXPECTED_TO_WORK) -> Generator[None]:
    """Give the database's own errors our names; losing a race keeps its own."""
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        shown = reason
        for secret in _secrets_of(engine.url):
            shown = shown.replace(secret, "***")
        # A cause is printed with its effect, so one that tells a secret is left out.
        raise _fault(engine, shown, expected) from (error if shown == reason else None)
    except PoolTimeout as error:
        busy = "all connections of this process are busy"
        raise _fault(engine, busy, expected) from error


def _fault(engine: Engine, reason: str, expected: str) -> StorageFailed:
    return StorageFailed(
        f"{place_of(engine)} does not do its work: {reason[:_REASON_MAX_CHARACTERS]}",
        field="database",
        expected=expected,
    )


def _secrets_of(url: URL) -> Iterator[str]:
    """What must not be shown, should a driver ever say it: passwords, wherever they stand.

    A short one, or one that is also a name, is left out: putting stars in its place would point
    it out among words that are there for another reason.
    """
    given = [value for name, value in url.query.items() if "pass" in name.lower()]
    for secret in (url.password, *given):
        long = isinstance(secret, str) and len(secret) >= _SECRET_MIN_CHARACTERS
        if long and secret not in {url.username, url.database, url.host}:
            yield str(secret)
