"""The lake: sealed pieces as Parquet files, partitioned by model, kind and day.

    model=<model>/kind=<decision|event>/day=<YYYY-MM-DD>/<piece>-<n>.parquet
    _pieces/<piece>.json      the marker: which files a piece became, and what is in them

Promises that a piece becomes Parquet exactly once, wherever a process dies: the files are written
first and nobody reads them; the rename of the marker is the one moment at which they count; only
then the piece is removed. Whoever seals holds the piece's lock. Files without a marker are left
from an attempt that did not get that far, and the next attempt writes over them, because it gives
the same names to the same rows. Whoever finds a piece and its marker only finishes the removal.
"""

import logging
import os
from collections.abc import Callable, Container, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal
from urllib.parse import quote

import msgspec

from mainstay.base.errors import StorageFailed
from mainstay.base.ids import DecisionId
from mainstay.journal.arrow import ArrowTable, pa, pq
from mainstay.journal.model import Event
from mainstay.journal.piece import (
    LOCK_SUFFIX,
    PAGE_BYTES,
    SIDE_SUFFIXES,
    SUFFIX,
    Lock,
    remove_files,
    storage_failed,
    sync_folder,
)
from mainstay.journal.tail import Content, Run, holds, open_piece
from mainstay.journal.unfold import fold, layout_in, unfold, unfold_events

MARKERS: Final = "_pieces"
DAMAGED: Final = "damaged"
"""Where in the spool a piece goes that cannot be read."""

_ROW_GROUP: Final = 16_384
_UNFINISHED: Final = ".part"

_log = logging.getLogger(__name__)

Step = Callable[[str], None]


class FileMark(msgspec.Struct, frozen=True, kw_only=True):
    """One Parquet file of the lake."""

    path: str
    """Relative to the lake."""
    model: str
    kind: Literal["decision", "event"]
    day: str
    rows: int
    first_ms: int
    last_ms: int
    first_sequence: int = 0
    """Of the decisions in it; both are 0 for events."""
    last_sequence: int = 0


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """What a sealed piece became."""

    format: Literal[1] = 1
    piece: str
    incarnation: int
    decisions: int
    events: int
    sealed_ns: int
    files: tuple[FileMark, ...]


_marker_decoder = msgspec.json.Decoder(Marker)


def _no_step(_name: str) -> None:
    """Nothing happens between two steps, but in tests."""


def seal_piece(spool: Path, lake: Path, name: str, now_ns: int, step: Step = _no_step) -> bool:
    """Turn one piece into Parquet; False when its owner lives, or another seals it."""
    lock = Lock.take(spool / (name + LOCK_SUFFIX))
    if lock is None:
        return False
    finished = False
    try:
        path = spool / (name + SUFFIX)
        marker = marker_path(lake, name)
        fresh = path.exists() and not marker.exists()
        if fresh:
            step("locked")
            content = _content_of(spool, name)
            if content is None and not _was_never_begun(path):
                _set_aside(path)
                return False
            if content is None:
                content = Content([], [])
            _write_marker(lake, _write_files(lake, name, content, now_ns, step), step)
        remove_files(path)
        step("piece removed")
        finished = True
    except (OSError, pa.ArrowException) as error:
        raise storage_failed(error, lake, f"seal the piece {name}") from error
    finally:
        if finished:
            lock.remove()
        else:
            lock.release()
    return fresh


def _content_of(spool: Path, name: str) -> Content | None:
    with open_piece(spool, name) as piece:
        try:
            return piece.content() if piece else None
        except StorageFailed as error:
            _log.error("%s", error)
            return None


def _was_never_begun(path: Path) -> bool:
    """Whether a piece's owner died before the piece could take anything."""
    log = path.with_name(path.name + "-wal")
    empty = not log.exists() or log.stat().st_size == 0
    return empty and path.stat().st_size <= PAGE_BYTES


def _set_aside(path: Path) -> None:
    """Keep a piece that cannot be read out of the way of the others, for a person to look at.
    The log goes first: a main file alone holds nothing, a log must never be without a home."""
    folder = path.parent / DAMAGED
    _make_folder(folder)
    for name in (path.name + "-wal", path.name):
        if (path.parent / name).exists():
            (path.parent / name).rename(folder / name)
        sync_folder(folder)
    # The third file is only SQLite's index of the log; it is made anew whenever that is opened.
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    _log.error(
        "%s cannot be read; it was set aside in %s and nothing of it is in the lake", path, folder
    )


def marker_path(lake: Path, name: str) -> Path:
    """Where the marker of a piece is."""
    return lake / MARKERS / f"{name}.json"


def remove_leftovers(spool: Path, lake: Path) -> None:
    """Remove what a sealed piece, or one that never began, left beside it."""
    for suffix in SIDE_SUFFIXES:
        for path in spool.glob(f"*{suffix}"):
            name = path.name.removesuffix(suffix)
            if (spool / (name + SUFFIX)).exists():
                continue
            if marker_path(lake, name).exists() and suffix != LOCK_SUFFIX:
                path.unlink(missing_ok=True)
            elif suffix == LOCK_SUFFIX:
                lock = Lock.take(path)
                if lock is not None and (spool / (name + SUFFIX)).exists():
                    lock.release()
                elif lock is not None:
                    lock.remove()


def _write_files(lake: Path, name: str, content: Content, now_ns: int, step: Step) -> Marker:
    parts: dict[tuple[str, str], tuple[list[Run], list[Event]]] = {}
    for run in content.runs:
        batch, layout = run
        parts.setdefault((layout.model, day_of(batch.time_ms)), ([], []))[0].append(run)
    for event in content.events:
        day = day_of(event.time_ns // 1_000_000)
        parts.setdefault((event.model, day), ([], []))[1].append(event)
    files: list[FileMark] = []
    for (model, day), (runs, events) in parts.items():
        for table in unfold(runs):
            files.append(_write_file(lake, name, ("decision", model, day), table, len(files)))
            step(f"file {len(files)} written")
        if events:
            table = unfold_events(events)
            files.append(_write_file(lake, name, ("event", model, day), table, len(files)))
            step(f"file {len(files)} written")
    return Marker(
        piece=name,
        incarnation=int(name[:8], 16),
        decisions=sum(file.rows for file in files if file.kind == "decision"),
        events=len(content.events),
        sealed_ns=now_ns,
        files=tuple(files),
    )


def day_of(time_ms: int) -> str:
    """The partition of a time."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%d")


def _write_file(
    lake: Path,
    name: str,
    part: tuple[Literal["decision", "event"], str, str],
    table: ArrowTable,
    number: int,
) -> FileMark:
    kind, model, day = part
    relative = f"model={quote(model, safe='')}/kind={kind}/day={day}/{name}-{number}.parquet"
    path = lake / relative
    _make_folder(path.parent)
    unfinished = path.with_suffix(_UNFINISHED)
    with unfinished.open("wb") as file:
        write_parquet(table, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    sync_folder(path.parent)
    times = table.column("time").cast(pa.int64()).to_numpy() // 1000
    sequences = table.column("sequence").to_numpy() if kind == "decision" else None
    return FileMark(
        path=relative,
        model=model,
        kind=kind,
        day=day,
        rows=table.num_rows,
        first_ms=int(times.min()),
        last_ms=int(times.max()),
        first_sequence=0 if sequences is None else int(sequences.min()),
        last_sequence=0 if sequences is None else int(sequences.max()),
    )


def write_parquet(table: ArrowTable, file: BinaryIO) -> None:
    """A table as Parquet. Words repeat and get a dictionary; measured values seldom do."""
    words = [field.name for field in table.schema if pa.types.is_string(field.type)]
    pq.write_table(table, file, compression="zstd", use_dictionary=words, row_group_size=_ROW_GROUP)


def _make_folder(folder: Path) -> None:
    """Make a folder, and have its name on disk before anything in it counts."""
    missing: list[Path] = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for made in reversed(missing):
        made.mkdir(exist_ok=True)
        sync_folder(made.parent)


def _write_marker(lake: Path, marker: Marker, step: Step) -> None:
    path = marker_path(lake, marker.piece)
    _make_folder(path.parent)
    unfinished = path.with_suffix(_UNFINISHED)
    with unfinished.open("wb") as file:
        file.write(msgspec.json.encode(marker))
        file.flush()
        os.fsync(file.fileno())
    step("marker written")
    unfinished.rename(path)
    step("marker renamed")
    sync_folder(path.parent)
    step("marker on disk")


class Lake:
    """The sealed pieces of a folder. Markers never change, so each is read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._markers: dict[str, Marker] = {}

    def markers(self, incarnation: int | None = None) -> Sequence[Marker]:
        """All sealed pieces, or those of one incarnation."""
        start = "" if incarnation is None else f"{incarnation:08x}-"
        return [self._marker(path) for path in self._paths(start)]

    def _paths(self, start: str) -> list[str]:
        try:
            names = [path.name for path in (self.folder / MARKERS).iterdir()]
        except FileNotFoundError:
            return []
        return sorted(name for name in names if name.startswith(start) and name.endswith(".json"))

    def _marker(self, file_name: str) -> Marker:
        marker = self._markers.get(file_name)
        if marker is None:
            path = self.folder / MARKERS / file_name
            try:
                marker = _marker_decoder.decode(path.read_bytes())
            except (OSError, msgspec.MsgspecError) as error:
                raise StorageFailed(f"the marker {path} cannot be read: {error}") from error
            self._markers[file_name] = marker
        return marker

    def find(self, decision: DecisionId) -> Run | None:
        """The run that a sealed decision was made in."""
        for marker in self.markers(decision.incarnation):
            for file in marker.files:
                if (
                    file.kind == "decision"
                    and file.first_sequence <= decision.sequence <= file.last_sequence
                    and file.first_ms <= decision.time_ms <= file.last_ms
                ):
                    run = self._find_in(self.folder / file.path, decision)
                    if run is not None:
                        return run
        return None

    def runs_in(self, file: FileMark, fingerprints: Container[str]) -> list[Run]:
        """The runs of these versions in a file of decisions, which holds those of one version."""
        path = self.folder / file.path
        try:
            with pq.ParquetFile(path) as opened:
                if layout_in(opened.schema_arrow).fingerprint not in fingerprints:
                    return []
                return fold(opened.read())
        except (OSError, pa.ArrowException) as error:
            raise StorageFailed(f"{path} cannot be read: {error}") from error

    def events_about(self, model: str, subject: str, since_ms: int) -> Sequence[Event]:
        """Sealed events of a model about one subject."""
        found: list[Event] = []
        for marker in self.markers():
            for file in marker.files:
                if file.kind == "event" and file.model == model and file.last_ms >= since_ms:
                    found += self._events_in(self.folder / file.path, subject)
        return found

    def _events_in(self, path: Path, subject: str) -> Sequence[Event]:
        try:
            about = [("subject", "==", subject)]
            rows = pq.read_table(path, partitioning=None, filters=about).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise StorageFailed(f"{path} cannot be read: {error}") from error
        return [
            msgspec.convert(row | {"body": msgspec.json.decode(row["body"])}, Event) for row in rows
        ]

    def _find_in(self, path: Path, decision: DecisionId) -> Run | None:
        try:
            with pq.ParquetFile(path) as file:
                return _find_run(file, decision)
        except (OSError, pa.ArrowException) as error:
            raise StorageFailed(f"{path} cannot be read: {error}") from error


def _find_run(file: Any, decision: DecisionId) -> Run | None:
    """Rows are in the order of sequences, so a run is in one row group or in neighbours."""
    ranges = _sequence_ranges(file)
    groups = [n for n, (low, high) in enumerate(ranges) if low <= decision.sequence <= high]
    for group in groups:
        keys = file.read_row_group(group, columns=["sequence", "run_first_sequence", "run_rows"])
        places = (keys.column("sequence").to_numpy() == decision.sequence).nonzero()[0]
        for place in places.tolist():
            first = keys.column("run_first_sequence")[place].as_py()
            last = first + keys.column("run_rows")[place].as_py() - 1
            wanted = [n for n, (low, high) in enumerate(ranges) if low <= last and first <= high]
            table = file.read_row_groups(wanted)
            inside = table.column("run_first_sequence").to_numpy() == first
            for run in fold(table.filter(pa.array(inside))):
                if holds(run[0], decision):
                    return run
    return None


def _sequence_ranges(file: Any) -> list[tuple[int, int]]:
    metadata = file.metadata
    place = file.schema_arrow.get_field_index("sequence")
    ranges: list[tuple[int, int]] = []
    for group in range(metadata.num_row_groups):
        statistics = metadata.row_group(group).column(place).statistics
        ranges.append((statistics.min, statistics.max))
    return ranges
