"""Reading on in the journal: what was written of one model since the look before.

Promises that every record comes once, whether it is met in the tail or in the lake, wherever it
is when a piece is sealed between two looks; that a look costs what happened since the one before,
never what is there already; and that one look holds at most about `ROWS_MAX` rows in memory, the
rest comes with the next ones. Records come in about the order of time, not in exact order.

What is written without waiting for it (shadows) may land after what was written later, so the end
of a piece is looked at again for `_UNSETTLED_MS`; what lands later than that is missed until the
piece is sealed, and then found.
"""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from mainstay.base.errors import StorageFailed
from mainstay.journal.arrow import pa, pq
from mainstay.journal.lake import FileMark, Lake, day_of
from mainstay.journal.model import Event, Fresh, Wanted
from mainstay.journal.tail import PieceReader, Run, open_piece, piece_names
from mainstay.journal.unfold import unfold

ROWS_MAX: Final = 50_000
_RUNS_MAX: Final = 5_000
"""How many model runs of one piece are taken in at a look."""
_UNSETTLED_MS: Final = 5_000

_EVENT_COLUMNS: Final = (
    "id", "kind", "time_ns", "known_ns", "model", "actor", "subject", "body"
)  # fmt: skip


class _Place(msgspec.Struct):
    """How far a piece was read."""

    settled: int = -1
    """All runs up to this first sequence were read."""
    recent: dict[int, int] = {}
    """Those after it that were read, with their times."""
    event: int = 0
    """The last event that was read."""
    events: dict[str, int] = {}
    """By day, how many of the model's events were read."""

    def has(self, first_sequence: int) -> bool:
        """Whether a run was read."""
        return first_sequence <= self.settled or first_sequence in self.recent

    def settle(self) -> None:
        """Forget what nothing can land before any more."""
        end = max(self.recent.values(), default=0) - _UNSETTLED_MS
        done = [first for first, time_ms in self.recent.items() if time_ms < end]
        if done:
            self.settled = max(done)
            self.recent = {f: t for f, t in self.recent.items() if f > self.settled}


class _Group(msgspec.Struct, frozen=True):
    """A part of the lake that waits to be read."""

    file: FileMark
    number: int
    place: _Place


class DiskNews:
    """Reads on in the spool and the lake of a machine."""

    def __init__(self, spool: Path, lake: Path, wanted: Wanted) -> None:
        self._spool = spool
        self._lake = Lake(lake)
        self._wanted = wanted
        self._places: dict[str, _Place] = {}
        self._sealed: set[str] = set()
        self._waiting: deque[_Group] = deque()

    def read(self) -> Fresh:
        """What is new since the last time."""
        fresh = Fresh([], [])
        self._find_sealed()
        while self._waiting and len(fresh.decisions) + len(fresh.events) < ROWS_MAX:
            self._read_group(self._waiting.popleft(), fresh)
        if not self._waiting:
            for name in piece_names(self._spool):
                if name not in self._sealed:
                    with open_piece(self._spool, name) as piece:
                        if piece is not None:
                            self._read_piece(piece, fresh)
        fresh.decisions.sort(key=lambda row: row["id"])
        return fresh

    def _find_sealed(self) -> None:
        new = [mark for mark in self._lake.markers() if mark.piece not in self._sealed]
        groups: list[_Group] = []
        for marker in new:
            self._sealed.add(marker.piece)
            place = self._places.pop(marker.piece, _Place())
            for file in marker.files:
                if file.kind == "decision" and not self._wanted.decisions:
                    continue
                if file.model == self._wanted.model and file.last_ms >= self._wanted.since_ms:
                    groups += [_Group(file, number, place) for number in self._groups(file)]
        groups.sort(key=lambda group: group.file.first_ms)
        self._waiting.extend(groups)

    def _groups(self, file: FileMark) -> Sequence[int]:
        with self._open(file) as opened:
            return range(opened.metadata.num_row_groups) if file.kind == "decision" else (0,)

    def _open(self, file: FileMark) -> Any:
        try:
            return pq.ParquetFile(self._lake.folder / file.path)
        except (OSError, pa.ArrowException) as error:
            raise StorageFailed(f"{file.path} of the lake cannot be read: {error}") from error

    def _read_group(self, group: _Group, fresh: Fresh) -> None:
        with self._open(group.file) as opened:
            if group.file.kind == "event":
                rows = opened.read(columns=_EVENT_COLUMNS).to_pylist()
                read = group.place.events.get(group.file.day, 0)
                fresh.events.extend(self._of_interest([_event(row) for row in rows[read:]]))
                return
            there = set(opened.schema_arrow.names)
            names = [name for name in columns_of(self._wanted) if name in there]
            rows = opened.read_row_group(group.number, columns=names).to_pylist()
        place = group.place
        new = [row for row in rows if not place.has(row["run_first_sequence"])]
        fresh.decisions.extend(_late_enough(new, self._wanted))

    def _read_piece(self, piece: PieceReader, fresh: Fresh) -> None:
        place = self._places.setdefault(piece.name, _Place())
        model = self._wanted.model
        if self._wanted.decisions:
            found = piece.runs_after(model, place.settled, place.recent, _RUNS_MAX)
            fresh.decisions.extend(rows_of(found, self._wanted))
            place.recent.update({batch.first_sequence: batch.time_ms for batch, _ in found})
            place.settle()
        events = piece.events_after(model, place.event, _RUNS_MAX)
        for row, event in events:
            day = day_of(event.time_ns // 1_000_000)
            place.event, place.events[day] = row, place.events.get(day, 0) + 1
        fresh.events.extend(self._of_interest([event for _, event in events]))

    def _of_interest(self, events: list[Event]) -> list[Event]:
        return [event for event in events if event.kind in self._wanted.kinds]


def _event(row: dict[str, Any]) -> Event:
    return msgspec.convert(row | {"body": msgspec.json.decode(row["body"])}, Event)


def columns_of(wanted: Wanted) -> list[str]:
    """The columns to read."""
    return list(dict.fromkeys(("id", "run_first_sequence", *wanted.columns)))


def rows_of(runs: Sequence[Run], wanted: Wanted) -> list[dict[str, Any]]:
    """The decisions of some runs, with the columns that are wanted and there."""
    rows: list[dict[str, Any]] = []
    for table in unfold(runs):
        names = [name for name in columns_of(wanted) if name in table.column_names]
        rows += table.select(names).to_pylist()
    return _late_enough(rows, wanted)


def _late_enough(rows: list[dict[str, Any]], wanted: Wanted) -> list[dict[str, Any]]:
    first = f"{max(0, wanted.since_ms):012x}"
    return [row for row in rows if row["id"] >= first]
