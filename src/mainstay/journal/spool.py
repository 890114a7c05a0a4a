"""The writing side of the journal, on SQLite files that apsw brings its own library for.

Promises, by level: `append` returns when the operating system has the records, and they are on
disk within `SPOOL_SYNC_EVERY_MS`; `append_durable` confirms after they are on disk, many callers
with one sync; `append_buffered` never waits. No confirmation ever follows a failed sync.

The thread that appends writes to the piece itself, in one transaction and without any sync. One
tending thread does everything that may be slow: syncs, group commits, new pieces, letting go of
old ones. Both write under one lock, and no sync happens under it, so an append waits at most for
the writing of one group (`_GROUP_BYTES`), never for the disk.

The first sync after an append starts half the promised time later, which leaves the other half
for the disk. A power cut therefore loses at most that time of `written` records, always the
newest, because the log of a piece is synced as a whole and recovered up to its first gap.
"""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import apsw
import msgspec

from mainstay.base import limits
from mainstay.base.clock import Clock, SystemClock
from mainstay.base.errors import InvalidUsage, MainstayError, Overloaded, StorageFailed
from mainstay.journal.model import Layout, Record
from mainstay.journal.piece import Entry, Piece, Sync, prepare, storage_failed, sync_folder
from mainstay.journal.port import Done

_log = logging.getLogger(__name__)

_GROUP_BYTES: Final = 1024 * 1024
_ROOM_BYTES: Final = 256 * 1024
"""How much is written between two looks at how full the disk is."""
_RETRY_SECONDS: Final = 0.2


class SpoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How one spool breathes."""

    sync_every_ms: int = limits.SPOOL_SYNC_EVERY_MS
    piece_bytes: int = limits.SPOOL_PIECE_MAX_BYTES
    piece_seconds: float = limits.SPOOL_PIECE_MAX_SECONDS
    free_disk_bytes: int = limits.SPOOL_FREE_DISK_MIN_BYTES
    waiting_bytes: int = 16 * 1024 * 1024
    """How much `append_durable` and `append_buffered` may have waiting."""


class _Waiting(msgspec.Struct, frozen=True):
    """Records on their way to the tending thread; without `done` nobody waits for them."""

    entry: Entry
    done: Done | None


def free_bytes(folder: Path) -> int:
    """How much an ordinary process may still write to the disk that holds a folder."""
    figures = os.statvfs(folder)
    return figures.f_bavail * figures.f_frsize


class DiskSpool:
    """A spool in a folder, which many processes share; each writes pieces of its own."""

    def __init__(
        self,
        folder: Path,
        incarnation: int,
        *,
        clock: Clock | None = None,
        breath: SpoolLimits | None = None,
        sync: Sync = os.fdatasync,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._folder = folder
        self._incarnation = incarnation
        self._clock = clock or SystemClock()
        self._limits = breath or SpoolLimits()
        self._sync = sync
        self._free = free
        self._layouts: dict[str, Layout] = {}
        self._writing = threading.Lock()
        self._wake = threading.Condition()
        # Guarded by `_wake`, except that reading a flag needs no lock.
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._urgent = False
        self._unsynced = False
        self._closing = False
        self._broken = False
        # Guarded by `_writing`.
        self._refusal: MainstayError | None = None
        self._room = 0
        self._piece = self._new_piece()
        self._not_before_ns = 0
        self._began_ns = self._clock.elapsed_ns()
        self._thread = threading.Thread(target=self._tend, name="journal", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------------ the caller's side

    def describe(self, layout: Layout) -> None:
        """Make a version's names known; every piece that needs them gets them."""
        with self._writing:
            self._layouts[layout.fingerprint] = layout
            if self._refusal is not None or layout.fingerprint in self._piece.described:
                return  # A new piece gets all layouts when it begins.
            try:
                self._write(Entry([], [], 0), (layout,))
            except StorageFailed:
                del self._layouts[layout.fingerprint]
                raise

    def append(self, records: Sequence[Record]) -> None:
        """Hand records to the operating system; `StorageFailed` keeps none of them."""
        entry = prepare(records, self._incarnation, self._layouts)
        with self._writing:
            self._write(entry)
        if not self._unsynced:
            with self._wake:
                self._unsynced = True
                self._wake.notify()

    def append_durable(self, records: Sequence[Record], done: Done) -> None:
        """Write records with the next group commit and tell `done` how it went."""
        try:
            self._enqueue(_Waiting(prepare(records, self._incarnation, self._layouts), done))
        except (InvalidUsage, Overloaded, StorageFailed) as error:
            done(error)

    def append_buffered(self, records: Sequence[Record]) -> None:
        """Take records to be written soon; `Overloaded` when too many wait already."""
        self._enqueue(_Waiting(prepare(records, self._incarnation, self._layouts), None))

    def close(self) -> None:
        """Write what waits, have it on disk, and let go of the piece."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _enqueue(self, waiting: _Waiting) -> None:
        with self._wake:
            if self._closing:
                raise _closed(self._folder)
            if self._waiting and (
                self._waiting_bytes + waiting.entry.size > self._limits.waiting_bytes
            ):
                raise Overloaded(
                    "the journal has more records waiting than it can write in time",
                    rule="waiting_bytes",
                    got=self._waiting_bytes,
                    expected=f"at most {self._limits.waiting_bytes} bytes; try again later",
                )
            self._waiting.append(waiting)
            self._waiting_bytes += waiting.entry.size
            if waiting.done is not None and not self._urgent:
                self._urgent = True
                self._wake.notify()
            elif len(self._waiting) == 1:
                self._wake.notify()

    def _write(self, entry: Entry, layouts: Sequence[Layout] = ()) -> None:
        """Write to the piece, under the lock; the errors are those of the port."""
        if self._refusal is not None:
            raise self._refusal
        try:
            self._check_room(entry.size)
            self._piece.write(entry, layouts)
        except apsw.ConstraintError as error:
            raise InvalidUsage(
                "decisions with these ids were written already",
                field="first_sequence",
                expected="ids that were never used before",
            ) from error
        except (apsw.Error, OSError) as error:
            failure = storage_failed(error, self._folder, "write")
            if not isinstance(error, apsw.FullError):
                # The state of the file is unknown: nothing more may be added to it.
                self._give_up_piece(failure)
            raise failure from error

    def _check_room(self, size: int) -> None:
        """Look how full the disk is, once for some writing: looking costs what writing does."""
        if size <= self._room:
            self._room -= size
            return
        self._room = 0
        free = self._free(self._folder)
        if free < self._limits.free_disk_bytes + size:
            raise StorageFailed(
                f"the disk of {self._folder} is almost full, so no decision can be kept",
                rule="free_disk",
                got=free,
                expected=f"at least {self._limits.free_disk_bytes} free bytes; "
                "serving goes on by itself once there is room",
            )
        self._room = min(_ROOM_BYTES, free - self._limits.free_disk_bytes - size)

    def _give_up_piece(self, failure: MainstayError) -> None:
        self._refusal = failure
        with self._wake:
            self._broken = True
            self._wake.notify()

    # --------------------------------------------------------------- the tending thread

    def _tend(self) -> None:
        try:
            while not self._tend_once():
                pass
        except Exception as error:  # noqa: BLE001  # because a supervisor must say that it died
            _log.exception("the journal's tending thread died")
            failure = StorageFailed(f"the journal in {self._folder} stopped: {error}")
            with self._writing:
                self._refusal = failure
            with self._wake:
                self._closing = True
                group, self._waiting = self._waiting, []
            _tell(group, failure)

    def _tend_once(self) -> bool:
        group, closing, unsynced = self._next_group()
        if group:
            self._commit(group)
        elif unsynced:
            self._sync_written()
        if self._refusal is not None or (not closing and self._is_due()):
            self._next_piece()
        with self._wake:
            finished = closing and not self._waiting
        if finished:
            with self._writing:
                self._refusal = self._refusal or _closed(self._folder)
            self._let_go(self._piece, sound=True)
        return finished

    def _next_group(self) -> tuple[list[_Waiting], bool, bool]:
        """Wait for something to do, and gather what there is of it."""
        with self._wake:
            self._wake.wait_for(self._has_cause, self._patience())
            if not self._is_pressing():
                linger = self._limits.sync_every_ms / 2000
                self._wake.wait_for(self._is_pressing, linger)
            size = count = 0
            while count < len(self._waiting) and size < _GROUP_BYTES:
                size += self._waiting[count].entry.size
                count += 1
            group = self._waiting[:count]
            del self._waiting[:count]
            self._broken = False
            self._waiting_bytes -= size
            self._urgent = any(waiting.done is not None for waiting in self._waiting)
            return group, self._closing, self._unsynced

    def _has_cause(self) -> bool:
        return bool(self._waiting) or self._unsynced or self._closing or self._broken

    def _is_pressing(self) -> bool:
        return self._urgent or self._closing or self._broken or not self._has_cause()

    def _patience(self) -> float | None:
        if self._refusal is not None:
            return _RETRY_SECONDS
        return self._limits.piece_seconds if self._piece.records else None

    def _commit(self, group: list[_Waiting]) -> None:
        """Write a group in one transaction, have it on disk, then tell everybody."""
        entry = _join([waiting.entry for waiting in group])
        try:
            with self._writing:
                self._write(entry)
        except MainstayError as error:
            if isinstance(error, InvalidUsage) and len(group) > 1:
                for waiting in group:  # One of them is wrong; the others must not suffer.
                    self._commit([waiting])
                return
            if any(waiting.done is None for waiting in group):
                _log.error("buffered records were lost: %s", error)
            _tell(group, error)
            return
        failure = self._sync_written()
        if failure is not None:
            self._withdraw([waiting.entry for waiting in group if waiting.done is not None])
        _tell(group, failure)

    def _sync_written(self) -> StorageFailed | None:
        """One sync for everything written so far. After a failed one the system may have
        forgotten what it could not write, so another try would prove nothing: the piece ends."""
        self._unsynced = False
        try:
            self._piece.sync(self._sync)
        except OSError as error:
            failure = storage_failed(error, self._folder, "have its records on disk")
            _log.error("%s", failure)
            with self._writing:
                self._refusal = failure
            return failure
        return None

    def _withdraw(self, entries: list[Entry]) -> None:
        """Nobody was told that these are kept, so they should not turn up; on a broken disk
        this is an attempt."""
        try:
            with self._writing:
                self._piece.withdraw(_join(entries))
        except apsw.Error as error:
            _log.error("unconfirmed records could not be withdrawn: %s", error)

    def _is_due(self) -> bool:
        piece, now_ns = self._piece, self._clock.elapsed_ns()
        if now_ns < self._not_before_ns:
            return False
        return piece.bytes >= self._limits.piece_bytes or (
            piece.records > 0 and now_ns - self._began_ns >= self._limits.piece_seconds * 1e9
        )

    def _next_piece(self) -> None:
        """Begin a new piece and let go of the old one. Where that fails a sound piece goes on
        being used; without a sound one, everything is refused until it works."""
        failed = self._refusal is not None
        try:
            fresh = self._new_piece()
        except StorageFailed as error:
            _log.error("%s", error)
            self._not_before_ns = self._clock.elapsed_ns() + round(_RETRY_SECONDS * 1e9)
            return
        with self._writing:
            old, self._piece = self._piece, fresh
            self._began_ns = self._clock.elapsed_ns()
            self._refusal = None
            try:
                if self._layouts:
                    self._write(Entry([], [], 0), tuple(self._layouts.values()))
            except StorageFailed as error:
                self._refusal = error
        self._let_go(old, sound=not failed)

    def _new_piece(self) -> Piece:
        opened_ms = self._clock.now_ns() // 1_000_000
        try:
            if not self._folder.is_dir():
                self._folder.mkdir(parents=True, exist_ok=True)
                sync_folder(self._folder.parent, self._sync)
            return Piece.create(self._folder, self._incarnation, opened_ms, self._sync)
        except (apsw.Error, OSError) as error:
            raise storage_failed(error, self._folder, "begin a new piece") from error

    def _let_go(self, piece: Piece, *, sound: bool) -> None:
        try:
            if sound:
                piece.sync(self._sync)
        except OSError as error:
            _log.error("%s", storage_failed(error, self._folder, "have a finished piece on disk"))
        piece.close()


def _join(entries: list[Entry]) -> Entry:
    if len(entries) == 1:
        return entries[0]
    return Entry(
        [row for entry in entries for row in entry.decisions],
        [row for entry in entries for row in entry.events],
        sum(entry.size for entry in entries),
    )


def _tell(group: list[_Waiting], outcome: MainstayError | None) -> None:
    for waiting in group:
        if waiting.done is None:
            continue
        try:
            waiting.done(outcome)
        except Exception:  # noqa: BLE001  # because one caller's fault must not stop the journal
            _log.exception("a caller failed on being told the outcome of its append")


def _closed(folder: Path) -> StorageFailed:
    return StorageFailed(f"the spool in {folder} is closed", expected="an open spool")
