"""Reading pieces that are not sealed yet: those being written, and those left by the dead.

Promises a consistent view of each piece as of one moment, while its owner goes on writing; and
that a cut or damaged piece reads as a prefix. Must never write to a piece.
"""

import logging
from collections.abc import Container, Generator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from mainstay.base.errors import StorageFailed
from mainstay.base.ids import DecisionId
from mainstay.journal.model import DecisionBatch, Event, Layout
from mainstay.journal.piece import PAGE_BYTES, SUFFIX, TABLES, keep_log

_log = logging.getLogger(__name__)

_BUSY_MS: Final = 5000

_batch_decoder = msgspec.msgpack.Decoder(DecisionBatch)
_event_decoder = msgspec.msgpack.Decoder(Event)
_layout_decoder = msgspec.msgpack.Decoder(Layout)

Run = tuple[DecisionBatch, Layout]


class Content(msgspec.Struct, frozen=True):
    """What a piece held at one moment, in the order of ids."""

    runs: list[Run]
    events: list[Event]


def decode_batch(data: bytes) -> DecisionBatch:
    """A batch from the bytes a piece keeps it as."""
    return _batch_decoder.decode(data)


def piece_names(folder: Path, incarnation: int | None = None) -> Sequence[str]:
    """The pieces in a spool, of all processes or of one."""
    start = "" if incarnation is None else f"{incarnation:08x}-"
    return sorted(path.name.removesuffix(SUFFIX) for path in folder.glob(f"{start}*{SUFFIX}"))


class PieceReader:
    """An open piece, read as of one moment."""

    def __init__(self, name: str, connection: Any) -> None:
        self.name = name
        self._connection = connection

    def content(self) -> Content:
        """Everything in the piece; `StorageFailed` when some of it cannot be read."""
        with self._readable():
            return self._content()

    @contextmanager
    def _readable(self) -> Generator[None]:
        try:
            yield
        except (apsw.Error, msgspec.MsgspecError, KeyError) as error:
            raise StorageFailed(
                f"the piece {self.name} holds what cannot be read: {error}", rule="storage"
            ) from error

    def _content(self) -> Content:
        layouts = self._layouts()
        runs: list[Run] = []
        run = self._connection.execute
        for (data,) in run("SELECT record FROM decision ORDER BY first_sequence"):
            batch = _batch_decoder.decode(data)
            runs.append((batch, layouts[batch.fingerprint]))
        rows = run("SELECT record FROM event ORDER BY rowid")
        return Content(runs, [_event_decoder.decode(data) for (data,) in rows])

    def runs_after(
        self, model: str, sequence: int, but: Container[int], most: int
    ) -> Sequence[Run]:
        """Runs of a model whose first sequences are higher, without those named, oldest first."""
        with self._readable():
            layouts = {m: each for m, each in self._layouts().items() if each.model == model}
            run = self._connection.execute
            marks = ", ".join("?" * len(layouts))
            places = run(
                "SELECT first_sequence FROM decision WHERE first_sequence > ?"  # noqa: S608  # because it is question marks
                f" AND fingerprint IN ({marks}) ORDER BY first_sequence",
                (sequence, *layouts),
            )
            new = list(islice((first for (first,) in places if first not in but), most))
            rows = (
                run("SELECT record FROM decision WHERE first_sequence = ?", (first,)).fetchone()
                for first in new
            )
            batches = (_batch_decoder.decode(row[0]) for row in rows)
            return [(batch, layouts[batch.fingerprint]) for batch in batches]

    def events_after(self, model: str, place: int, most: int) -> Sequence[tuple[int, Event]]:
        """Events of a model with their places in the piece, from behind one of these on."""
        with self._readable():
            rows = self._connection.execute(
                "SELECT rowid, record FROM event WHERE rowid > ? AND model = ?"
                " ORDER BY rowid LIMIT ?",
                (place, model, most),
            )
            return [(row, _event_decoder.decode(data)) for row, data in rows]

    def events_about(self, model: str, subject: str, since_ms: int) -> Sequence[Event]:
        """Events of a model about one subject."""
        with self._readable():
            rows = self._connection.execute(
                "SELECT record FROM event WHERE model = ? AND time_ms >= ?", (model, since_ms)
            )
            events = (_event_decoder.decode(data) for (data,) in rows)
            return [event for event in events if event.subject == subject]

    def find(self, decision: DecisionId) -> Run | None:
        """The run that a decision was made in."""
        rows = self._connection.execute(
            "SELECT d.record, l.record FROM decision d JOIN layout l USING (fingerprint)"
            " WHERE first_sequence <= ? ORDER BY first_sequence DESC LIMIT 1",
            (decision.sequence,),
        ).fetchall()
        for data, layout in rows:
            batch = _batch_decoder.decode(data)
            if holds(batch, decision):
                return batch, _layout_decoder.decode(layout)
        return None

    def _layouts(self) -> dict[str, Layout]:
        rows = self._connection.execute("SELECT fingerprint, record FROM layout")
        return {fingerprint: _layout_decoder.decode(data) for fingerprint, data in rows}


def holds(batch: DecisionBatch, decision: DecisionId) -> bool:
    """Whether a decision is one of a run's rows."""
    row = decision.sequence - batch.first_sequence
    return (
        0 <= row < batch.rows
        and batch.time_ms == decision.time_ms
        and batch.incarnation == decision.incarnation
    )


@contextmanager
def open_piece(folder: Path, name: str) -> Generator[PieceReader | None]:
    """A piece as of now; None when it holds nothing, is gone, or cannot be read at all."""
    path = folder / (name + SUFFIX)
    if not _is_of_pages(path):
        # SQLite would take an empty main file for a new one, and throw the log away.
        yield None
        return
    try:
        connection: Any = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.CantOpenError:
        yield None
        return
    try:
        yield PieceReader(name, connection) if _is_ready(connection, path) else None
    finally:
        connection.close()


def _is_ready(connection: Any, path: Path) -> bool:
    try:
        keep_log(connection)
        connection.set_busy_timeout(_BUSY_MS)
        connection.execute("BEGIN")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except (apsw.NotADBError, apsw.CorruptError, apsw.CantOpenError) as error:
        if path.exists():
            _log.error("%s cannot be read, so what it held is missing: %s", path, error)
        return False
    except apsw.Error as error:
        if not path.exists():
            return False
        raise StorageFailed(f"{path} cannot be read now: {error}", rule="storage") from error
    return tables.issuperset(TABLES)


def _is_of_pages(path: Path) -> bool:
    """Told by its size alone: reading the file would drop the locks SQLite has on it."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return False
    return size > 0 and size % PAGE_BYTES == 0
