"""Counts that the processes of one machine share through one SQLite file.

Promises that reading and adding touch memory only; that a thread of its own brings what was added
here into the file, and what others added from there, every half second, so that all processes
agree within one; that a process that is killed loses at most what it had not brought there yet;
and that nothing is ever counted twice: an exchange is one transaction that also keeps its number,
so one whose end nobody heard of is not done again. With the file away, full or broken, each
process goes on with its own numbers, says so once, and brings them later.

Every change carries the number of its exchange, so a process reads what changed since it last
looked and nothing else. Must never be waited for by a request, except that `declare` reads once
what is kept of a name. Must never import the standard library's sqlite3.
"""

import logging
import threading
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from mainstay.base.clock import Clock, SystemClock
from mainstay.base.errors import StorageFailed
from mainstay.base.ids import new_incarnation
from mainstay.base.limits import TALLY_KEYS_MAX, TALLY_ROWS_MAX
from mainstay.tally.model import Amounts, Counts, Form, key_of, sum_of

_log = logging.getLogger(__name__)

EXCHANGE_EVERY_SECONDS: Final = 0.5
_TIDY_EVERY_NS: Final = 60_000_000_000
_BUSY_MS: Final = 1000
_LATEST_NS: Final = 2**63 - 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS amount(
    name TEXT NOT NULL, key TEXT NOT NULL, bucket INTEGER NOT NULL, place INTEGER NOT NULL,
    amount REAL NOT NULL, changed INTEGER NOT NULL, ends_ns INTEGER NOT NULL,
    PRIMARY KEY(name, key, bucket, place)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS amount_changed ON amount(changed);
CREATE TABLE IF NOT EXISTS writer(id TEXT PRIMARY KEY, exchange INTEGER NOT NULL,
    changed INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS latest(id INTEGER PRIMARY KEY CHECK (id = 1), change INTEGER NOT NULL);
INSERT OR IGNORE INTO latest VALUES (1, 0);
"""
_ADD: Final = """
INSERT INTO amount VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET amount = amount + excluded.amount, changed = excluded.changed,
    ends_ns = max(ends_ns, excluded.ends_ns)
"""
_CHANGED: Final = """
SELECT name, key, bucket, amount FROM amount WHERE changed > ? AND ends_ns > ?
ORDER BY name, key, bucket, place
"""
_NAMED: Final = """
SELECT name, key, bucket, amount FROM amount WHERE name = ? AND ends_ns > ?
ORDER BY name, key, bucket, place
"""
_SURPLUS: Final = """
DELETE FROM amount WHERE changed <=
(SELECT changed FROM amount ORDER BY changed DESC LIMIT 1 OFFSET ?)
"""

_Row = tuple[str, str, int]
_Batch = dict[_Row, Amounts]


class _Exchange(msgspec.Struct):
    """What an exchange brought from the file."""

    change: int
    rows: list[tuple[Any, ...]]


class SqliteTally:
    """Counts in a file that many processes share; each of them has one of these."""

    def __init__(
        self,
        file: Path,
        clock: Clock | None = None,
        *,
        keys_max: int = TALLY_KEYS_MAX,
        every_seconds: float = EXCHANGE_EVERY_SECONDS,
    ) -> None:
        self._file = file
        self._clock = clock or SystemClock()
        self._every_seconds = every_seconds
        self._id = f"{new_incarnation():08x}"
        # Guarded by `_lock`, held for memory only.
        self._lock = threading.Lock()
        self._counts = Counts(keys_max)
        self._pending: _Batch = {}
        self._pending_max = 2 * keys_max
        self._forgotten = 0
        # Guarded by `_exchanging`, held while the file is looked at.
        self._exchanging = threading.Lock()
        self._connection: Any = None
        self._forms: dict[str, Form] = {}
        self._unread: set[str] = set()
        self._leaving: _Batch = {}
        self._exchange_number = 0
        self._seen = 0
        self._tidied_ns: int | None = None
        self._failing = False
        self._wake = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------------ the caller's side

    def declare(self, name: str, bucket_ns: int, buckets: int, width: int) -> None:
        """Say how a name is counted, and read what is kept of it."""
        form = Form(bucket_ns, buckets, width)
        with self._lock:
            new = self._counts.declare(name, form)
            known = self._counts.form(name)
        if self._forms.get(name) == known:
            return
        with self._exchanging:
            self._forms[name] = known
            if new:
                self._unread.add(name)
        if new:
            self._try()
            self._start()

    def add(self, name: str, key: str, amounts: tuple[float, ...], time_ns: int) -> None:
        """Add to the bucket of a moment."""
        amounts, key = tuple(map(float, amounts)), key_of(key)
        with self._lock:
            form = self._counts.check(name, amounts)
            place = time_ns // form.bucket_ns
            self._counts.add(name, key, place, amounts)
            row = (name, key, place)
            before = self._pending.get(row)
            self._pending[row] = amounts if before is None else sum_of(before, amounts)
            if len(self._pending) > self._pending_max:
                del self._pending[next(iter(self._pending))]
                self._forgotten += 1

    def read(self, name: str, key: str, since_ns: int, until_ns: int) -> tuple[float, ...]:
        """The sums of the buckets between two moments."""
        with self._lock:
            return self._counts.read(name, key_of(key), since_ns, until_ns)

    @property
    def forgotten(self) -> int:
        """How many keys were let go of."""
        return self._counts.forgotten + self._forgotten

    def close(self) -> None:
        """Bring what is there into the file, and let go of it."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
            self._try()
            if self._pending:  # what was left of an exchange that had failed went first
                self._try()
        with self._exchanging:
            self._disconnect()

    # ------------------------------------------------------------------- the exchange

    def exchange(self) -> None:
        """Bring what was added here into the file, and what others added from there;
        `StorageFailed` loses nothing of either."""
        with self._exchanging:
            if not self._leaving:
                with self._lock:
                    self._leaving, self._pending = self._pending, {}
                self._exchange_number += 1
            now_ns = self._clock.now_ns()
            try:
                got = self._in_one_transaction(now_ns)
            except (apsw.Error, OSError) as error:
                self._disconnect()
                raise StorageFailed(
                    f"what is counted cannot be shared through {self._file}: {error}",
                    expected="a file that can be written; until then each process counts alone",
                ) from error
            self._take_in(got.rows, now_ns)
            self._seen = got.change
            self._leaving = {}
            self._unread.clear()

    def _in_one_transaction(self, now_ns: int) -> _Exchange:
        connection = self._connect()
        try:
            connection.execute("BEGIN IMMEDIATE" if self._leaving else "BEGIN")
            if self._leaving:
                self._bring(connection, now_ns)
            latest = connection.execute("SELECT change FROM latest").get
            changed = connection.execute(_CHANGED, (self._seen, now_ns))
            rows = [row for row in changed if row[0] not in self._unread]
            for name in self._unread:
                rows += list(connection.execute(_NAMED, (name, now_ns)))
            connection.execute("COMMIT")
            return _Exchange(int(latest), rows)
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _bring(self, connection: Any, now_ns: int) -> None:
        """Add what was counted here, unless this very exchange is in the file already."""
        done = connection.execute("SELECT exchange FROM writer WHERE id = ?", (self._id,)).get
        if done is not None and int(done) >= self._exchange_number:
            return
        connection.execute("UPDATE latest SET change = change + 1")
        change = connection.execute("SELECT change FROM latest").get
        rows: list[tuple[Any, ...]] = []
        for (name, key, bucket), amounts in self._leaving.items():
            form = self._forms[name]
            ends_ns = min((bucket + form.buckets + 1) * form.bucket_ns, _LATEST_NS)
            rows += [
                (name, key, bucket, place, amount, change, ends_ns)
                for place, amount in enumerate(amounts)
            ]
        connection.executemany(_ADD, rows)
        mine = (self._id, self._exchange_number, change)
        connection.execute("INSERT OR REPLACE INTO writer VALUES (?, ?, ?)", mine)
        if self._tidied_ns is None or abs(now_ns - self._tidied_ns) >= _TIDY_EVERY_NS:
            self._tidied_ns = now_ns
            connection.execute("DELETE FROM amount WHERE ends_ns <= ?", (now_ns,))
            connection.execute(_SURPLUS, (TALLY_ROWS_MAX,))
            connection.execute("DELETE FROM writer WHERE changed < ?", (change - 1_000_000,))

    def _take_in(self, rows: Sequence[tuple[Any, ...]], now_ns: int) -> None:
        """What the file has now, and on top of it what was added here meanwhile."""
        for row, places in groupby(rows, key=lambda each: each[:3]):
            name, key, bucket = row
            form = self._forms.get(name)
            amounts = tuple(float(each[3]) for each in places)
            if form is None or len(amounts) != form.width:
                continue
            if abs(bucket - now_ns // form.bucket_ns) >= form.buckets:
                continue
            with self._lock:
                since = self._pending.get((name, key, bucket))
                known = amounts if since is None else sum_of(amounts, since)
                self._counts.put(name, key, bucket, known)

    def _connect(self) -> Any:
        if self._connection is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            connection: Any = apsw.Connection(str(self._file))
            connection.set_busy_timeout(_BUSY_MS)
            connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
            connection.execute(_SCHEMA)
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # --------------------------------------------------------------------- the thread

    def _start(self) -> None:
        with self._wake:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="tally", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._wake:
                if not self._closing:
                    self._wake.wait(self._every_seconds)
                if self._closing:
                    return
            self._try()

    def _try(self) -> None:
        """An exchange that may fail; told when it begins to fail, and when it works again."""
        try:
            self.exchange()
        except StorageFailed as error:
            if not self._failing:
                _log.error("%s", error)
            self._failing = True
            return
        if self._failing:
            _log.warning("what is counted is shared again through %s", self._file)
        self._failing = False
