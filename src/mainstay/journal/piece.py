"""One piece of the spool: a SQLite file in WAL mode that one process writes and then lets go of.

Promises: what `write` accepted is in the hands of the operating system; what was written before
`sync` returned survives a power cut; a cut or damaged piece opens to a prefix of what was written.
The third holds because a piece is never checkpointed: its main file stays the one page it was
created with, everything else is in the write-ahead log, which only grows and carries a checksum
over every frame. So one `fdatasync` of the log makes all of it recoverable, and no reset of the
log ever happens.

Whoever holds the lock of `<name>.lock` owns a piece. The lock is on a file of its own, because
closing any descriptor of a database file would drop the locks that SQLite has on it. A piece
whose lock can be had was closed, or its process is dead: it may be sealed.
Must never import pyarrow, duckdb or the standard library's sqlite3.
"""

import fcntl
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

import apsw
import msgspec

from mainstay.base.errors import InvalidUsage, StorageFailed
from mainstay.base.ids import new_incarnation
from mainstay.journal.model import DecisionBatch, Event, Layout, Record

SUFFIX: Final = ".piece"
LOCK_SUFFIX: Final = ".lock"
SIDE_SUFFIXES: Final = (f"{SUFFIX}-wal", f"{SUFFIX}-shm", LOCK_SUFFIX)

PAGE_BYTES: Final = 4096
_ROWS_PER_STATEMENT = 64
_SCHEMA = """
CREATE TABLE decision(
    first_sequence INTEGER PRIMARY KEY, rows INTEGER NOT NULL, time_ms INTEGER NOT NULL,
    fingerprint TEXT NOT NULL, record BLOB NOT NULL);
CREATE TABLE event(
    id TEXT NOT NULL, kind TEXT NOT NULL, time_ms INTEGER NOT NULL, model TEXT NOT NULL,
    record BLOB NOT NULL);
CREATE TABLE layout(fingerprint TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;
"""
TABLES: Final = ("decision", "event", "layout")

Row = tuple[Any, ...]
Sync = Callable[[int], None]

_encoder = msgspec.msgpack.Encoder()


class Entry(msgspec.Struct, frozen=True):
    """Records made ready for writing: their rows for the tables, and how large they are."""

    decisions: list[Row]
    events: list[Row]
    size: int


def prepare(records: Sequence[Record], incarnation: int, known: dict[str, Layout]) -> Entry:
    """Encode records; what could never be found or read again is refused here."""
    decisions: list[Row] = []
    events: list[Row] = []
    size = 0
    for record in records:
        data = _encoder.encode(record)
        size += len(data)
        if isinstance(record, Event):
            time_ms = record.time_ns // 1_000_000
            events.append((record.id, record.kind, time_ms, record.model, data))
            continue
        if record.incarnation != incarnation:
            raise InvalidUsage(
                "a spool keeps only the decisions of its own process, or they could not be found",
                field="incarnation",
                got=f"{record.incarnation:08x}",
                expected=f"{incarnation:08x}",
            )
        if record.fingerprint not in known:
            raise InvalidUsage(
                "the version of these decisions was never described to the spool",
                field="fingerprint",
                got=record.fingerprint,
                expected="describe(layout) before the first decision of a version",
            )
        if record.rows:
            decisions.append(_row_of(record, data))
    return Entry(decisions, events, size)


def _row_of(record: DecisionBatch, data: bytes) -> Row:
    return (record.first_sequence, record.rows, record.time_ms, record.fingerprint, data)


@lru_cache(maxsize=4 * _ROWS_PER_STATEMENT)
def _insert(table: str, rows: int) -> str:
    """One statement for many rows: every step of a statement gives up the interpreter's lock,
    and on a busy process waiting to have it back costs more than the writing."""
    values = ",".join(["(?,?,?,?,?)"] * rows)
    return f"INSERT INTO {table} VALUES {values}"  # noqa: S608  # because nothing is from outside


_INSERT_DECISION = _insert("decision", 1)


def piece_name(incarnation: int, opened_ms: int, mark: int) -> str:
    """The name of a piece. Time and a random mark are in it so that no two pieces ever have the
    same name: one that was sealed under a name would be taken for the other."""
    return f"{incarnation:08x}-{opened_ms:012x}-{mark:08x}"


class Lock:
    """The ownership of a piece."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path, *, new: bool = False) -> Self | None:
        """Own the piece, or None when somebody else does. With `new`, nobody may have owned it
        before."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (os.O_EXCL if new else 0)
        try:
            descriptor = os.open(path, flags, 0o640)
        except FileExistsError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between opening and locking, another may have removed the file and gone.
            if os.fstat(descriptor).st_ino != path.stat().st_ino:
                raise FileNotFoundError(path)
        except (BlockingIOError, FileNotFoundError):
            os.close(descriptor)
            return None
        return cls(path, descriptor)

    def release(self) -> None:
        """Let somebody else own the piece."""
        os.close(self._descriptor)

    def remove(self) -> None:
        """Remove the lock together with the piece it was for."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


class Piece:
    """A piece that this process writes. One thread at a time may call `write`."""

    def __init__(self, path: Path, lock: Lock, connection: Any, log: int) -> None:
        self.path = path
        self.bytes = 0
        self.records = 0
        self.described: set[str] = set()
        self._lock = lock
        self._connection = connection
        self._log = log

    @classmethod
    def create(cls, folder: Path, incarnation: int, opened_ms: int, sync: Sync) -> Self:
        """Begin a piece; when this returns its files are on disk."""
        while True:
            path = folder / (piece_name(incarnation, opened_ms, new_incarnation()) + SUFFIX)
            lock = Lock.take(path.with_suffix(LOCK_SUFFIX), new=True)
            if lock is not None:
                break
        try:
            return cls(path, lock, *_begin(path, sync))
        except (apsw.Error, OSError):
            remove_files(path)
            lock.remove()
            raise

    def write(self, entry: Entry, layouts: Sequence[Layout] = ()) -> None:
        """All of it or nothing, in one transaction; returns when the system has it."""
        decisions, events = entry.decisions, entry.events
        if len(decisions) == 1 and not events and not layouts:
            self._connection.execute(_INSERT_DECISION, decisions[0])
        else:
            self._write_many(decisions, events, layouts)
        self.bytes += entry.size
        self.records += len(decisions) + len(events)

    def _write_many(
        self, decisions: list[Row], events: list[Row], layouts: Sequence[Layout]
    ) -> None:
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        try:
            for table, rows in (("decision", decisions), ("event", events)):
                for start in range(0, len(rows), _ROWS_PER_STATEMENT):
                    part = rows[start : start + _ROWS_PER_STATEMENT]
                    run(_insert(table, len(part)), [value for row in part for value in row])
            for layout in layouts:
                data = _encoder.encode(layout)
                run("INSERT OR IGNORE INTO layout VALUES (?,?)", (layout.fingerprint, data))
            run("COMMIT")
        except apsw.Error:
            if self._connection.in_transaction:
                run("ROLLBACK")
            raise
        self.described.update(layout.fingerprint for layout in layouts)

    def withdraw(self, entry: Entry) -> None:
        """Take back what was written but could not be confirmed."""
        with self._connection:
            for row in entry.decisions:
                self._connection.execute("DELETE FROM decision WHERE first_sequence = ?", (row[0],))
            for row in entry.events:
                self._connection.execute("DELETE FROM event WHERE id = ?", (row[0],))

    def sync(self, sync: Sync) -> None:
        """Have everything written so far on disk. Any thread may call this, beside `write`."""
        sync(self._log)

    def close(self) -> None:
        """Let go of the piece, so that it may be sealed; an empty one leaves nothing behind."""
        os.close(self._log)
        self._connection.close()
        if self.records:
            self._lock.release()
        else:
            remove_files(self.path)
            self._lock.remove()


def _begin(path: Path, sync: Sync) -> tuple[Any, int]:
    connection: Any = apsw.Connection(str(path))
    log = -1
    try:
        keep_log(connection)
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}").fetchall()
        # The first page is written whole or not at all, and needs no journal of its own.
        connection.execute("PRAGMA journal_mode=OFF").fetchall()
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.execute("PRAGMA wal_autocheckpoint=0").fetchall()
        connection.execute(_SCHEMA).fetchall()
        # From here on this piece is synced by the spool: SQLite itself would wait in `write`.
        connection.execute("PRAGMA synchronous=OFF").fetchall()
        log = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC)
        sync(log)
        sync_folder(path.parent, sync)
    except (apsw.Error, OSError):
        connection.close()
        if log >= 0:
            os.close(log)
        raise
    return connection, log


def keep_log(connection: apsw.Connection) -> None:
    """Closing the last connection must not move the log into the main file, see above."""
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)


def sync_folder(folder: Path, sync: Sync = os.fsync) -> None:
    """Have the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def remove_files(path: Path) -> None:
    """Remove a piece's files but its lock: the main file first, for without it nobody reads
    the others."""
    path.unlink(missing_ok=True)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def storage_failed(error: Exception, folder: Path, doing: str) -> StorageFailed:
    """The error in our words."""
    full = isinstance(error, apsw.FullError) or getattr(error, "errno", None) == 28
    why = "the disk is full" if full else f"the disk or file system failed: {error}"
    return StorageFailed(
        f"the journal in {folder} cannot {doing}: {why}",
        rule="storage",
        expected="free disk space" if full else "a working disk",
    )
