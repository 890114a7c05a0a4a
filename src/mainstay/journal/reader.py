"""The reading side of the journal: lake and unsealed tail as one.

Promises that every row that was written before a question was asked is in the answer, once: the
pieces are opened before the markers are listed, a piece that has a marker by then is read from the
lake only, and a piece is removed only after it has one. Answers come from DuckDB, which is given
the files of the lake by name and nothing else: it can neither write nor read anything else. It
holds no more than `QUERY_MEMORY_MAX_BYTES` in memory, and the rest in a folder that it removes; the
answer itself has to fit into memory.
"""

import tempfile
import threading
from collections.abc import Container, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb

from mainstay.base.clock import Clock, SystemClock
from mainstay.base.errors import InvalidUsage, NotFound, StorageFailed
from mainstay.base.ids import DecisionId, parse_decision_id
from mainstay.base.limits import QUERY_MEMORY_MAX_BYTES
from mainstay.journal.arrow import ArrowTable
from mainstay.journal.lake import Lake, Marker, remove_leftovers, seal_piece
from mainstay.journal.model import Decision, DecisionBatch, Event, Layout, Wanted
from mainstay.journal.news import DiskNews
from mainstay.journal.port import News
from mainstay.journal.quoting import quoted
from mainstay.journal.rows import decision_of, with_events
from mainstay.journal.tail import Content, Run, open_piece, piece_names
from mainstay.journal.unfold import DECISION_SCHEMA, EVENT_SCHEMA, unfold, unfold_events

VIEWS: Final = ("decisions", "events")
_CLOCKS_APART_MS: Final = 60_000
"""How far the clock of whoever hears of a decision may be behind that of who made it."""
_ARMS: Final = " REPLACE (coalesce(arm, 'live') AS arm, coalesce(propensity, 1.0) AS propensity)"
"""Files from before there were arms do not have these columns."""


class DiskJournal:
    """What all processes wrote to one spool folder, and what became of it in one lake."""

    def __init__(self, spool: Path, lake: Path, *, clock: Clock | None = None) -> None:
        self._spool = spool
        self._lake = Lake(lake)
        self._clock = clock or SystemClock()
        self._reading = threading.Lock()

    def find(self, decision_id: str) -> Decision:
        """One decision; `NotFound`."""
        batch, layout = self.run_of(decision_id)
        row = parse_decision_id(decision_id).sequence - batch.first_sequence
        return decision_of(batch, layout, row)

    def run_of(self, decision_id: str) -> tuple[DecisionBatch, Layout]:
        """The whole model run a decision was made in; `NotFound`."""
        decision = parse_decision_id(decision_id)
        with self._reading:
            # First the tail, then the lake: a piece moves in that direction only.
            run = self._find_in_tail(decision) or self._lake.find(decision)
        if run is None:
            raise not_found(decision_id)
        return run

    def _find_in_tail(self, decision: DecisionId) -> Run | None:
        for name in piece_names(self._spool, decision.incarnation):
            with open_piece(self._spool, name) as piece:
                run = piece.find(decision) if piece else None
            if run is not None:
                return run
        return None

    def find_with_all(self, decision_id: str) -> Decision:
        """One decision with what was said and done about it since."""
        found = self.find(decision_id)
        return with_events(found, self.about(found.model, decision_id))

    def about(self, model: str, decision_id: str) -> Sequence[Event]:
        """What was said and done about a decision of a model, oldest first."""
        since_ms = parse_decision_id(decision_id).time_ms - _CLOCKS_APART_MS
        found: dict[str, Event] = {}
        with self._reading:
            for name in piece_names(self._spool):
                with open_piece(self._spool, name) as piece:
                    if piece is not None:
                        tail = piece.events_about(model, decision_id, since_ms)
                        found.update((event.id, event) for event in tail)
            sealed = self._lake.events_about(model, decision_id, since_ms)
            found.update((event.id, event) for event in sealed)
        return sorted(found.values(), key=lambda event: (event.time_ns, event.id))

    def query(self, sql: str) -> ArrowTable:
        """An Arrow table, from one SELECT over the views `decisions` and `events`."""
        tail, markers = self._all()
        files = [file for marker in markers for file in marker.files]
        paths = {
            kind: [str(self._lake.folder / file.path) for file in files if file.kind == kind]
            for kind in ("decision", "event")
        }
        return ask(
            sql,
            runs=[run for content in tail for run in content.runs],
            events=[event for content in tail for event in content.events],
            decision_files=paths["decision"],
            event_files=paths["event"],
        )

    def runs(self, model: str, fingerprints: Container[str]) -> Iterator[Run]:
        """Every model run of some versions of a model, each once."""
        tail, markers = self._all()
        for content in tail:
            for run in content.runs:
                if run[1].model == model and run[1].fingerprint in fingerprints:
                    yield run
        for marker in markers:
            for file in marker.files:
                if file.kind == "decision" and file.model == model:
                    yield from self._lake.runs_in(file, fingerprints)

    def _all(self) -> tuple[list[Content], Sequence[Marker]]:
        """What is not sealed, and what is: each piece once."""
        with self._reading:
            contents: dict[str, Content] = {}
            for name in piece_names(self._spool):
                with open_piece(self._spool, name) as piece:
                    if piece is not None:
                        contents[name] = piece.content()
            markers = self._lake.markers()
        sealed = {marker.piece for marker in markers}
        return [content for name, content in contents.items() if name not in sealed], markers

    def news(self, wanted: Wanted) -> News:
        """Reads on from a moment: what was written of one model since the look before."""
        return DiskNews(self._spool, self._lake.folder, wanted)

    def seal(self) -> int:
        """Turn every piece that no process writes any more into Parquet, exactly once."""
        sealed = 0
        for name in piece_names(self._spool):
            sealed += seal_piece(self._spool, self._lake.folder, name, self._clock.now_ns())
        remove_leftovers(self._spool, self._lake.folder)
        return sealed


def not_found(decision_id: str) -> NotFound:
    """Nobody made this decision."""
    return NotFound(
        "no decision has this id",
        field="id",
        got=decision_id,
        expected="the id that came with an answer of this workspace",
    )


def ask(
    sql: str,
    *,
    runs: Sequence[Run],
    events: Sequence[Event],
    decision_files: Sequence[str] = (),
    event_files: Sequence[str] = (),
) -> ArrowTable:
    """The answer to one SELECT over what is given."""
    with connected() as connection:
        _check(connection, sql)
        try:
            _set_up(connection, (runs, events), (decision_files, event_files))
        except duckdb.Error as error:
            raise StorageFailed(f"the lake cannot be read: {error}", rule="storage") from error
        try:
            result: Any = connection.sql(sql)
            return result.to_arrow_table()
        except duckdb.IOException as error:
            raise StorageFailed(f"the lake cannot be read: {error}", rule="storage") from error
        except duckdb.Error as error:
            raise _wrong_sql(str(error), sql) from error


@contextmanager
def connected() -> Generator[duckdb.DuckDBPyConnection]:
    """A database of its own, in bounded memory; what does not fit is in a folder that nobody else
    can read, until the question is answered."""
    with tempfile.TemporaryDirectory(prefix="mainstay-query-") as folder:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "temp_directory": folder,
            "memory_limit": f"{QUERY_MEMORY_MAX_BYTES}B",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
        }
        with duckdb.connect(":memory:", config=settings) as connection:
            yield connection


def lock(connection: duckdb.DuckDBPyConnection, files: Sequence[str]) -> None:
    """From now on it reads these files and nothing else, and no setting changes."""
    if files:
        connection.execute(f"SET allowed_paths = {_list(files)}")
    # It would stand in the middle of what a command prints.
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _set_up(
    connection: duckdb.DuckDBPyConnection,
    tail: tuple[Sequence[Run], Sequence[Event]],
    files: tuple[Sequence[str], Sequence[str]],
) -> None:
    """Make the two views, then shut the doors behind them."""
    tables = [DECISION_SCHEMA.empty_table(), *unfold(tail[0])]
    _make_view(connection, "decisions", tables, files[0], _ARMS)
    tables = [EVENT_SCHEMA.empty_table(), unfold_events(tail[1])]
    _make_view(connection, "events", tables, files[1])
    lock(connection, [*files[0], *files[1]])


def _check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise _wrong_sql(str(error), sql) from error
    readers = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
    if len(statements) != 1 or statements[0].type not in readers:
        raise _wrong_sql("the journal answers one SELECT at a time and changes nothing", sql)


def _wrong_sql(message: str, sql: str) -> InvalidUsage:
    return InvalidUsage(
        message,
        field="sql",
        got=sql[:1000],
        expected=f"one SELECT over {' and '.join(VIEWS)}",
    )


def _make_view(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    tables: Sequence[ArrowTable],
    files: Sequence[str],
    replaced: str = "",
) -> None:
    parts: list[str] = []
    for number, table in enumerate(tables):
        if number and not table.num_rows:
            continue
        connection.register(f"_{name}_{number}", table)
        parts.append(f"SELECT * FROM _{name}_{number}")  # noqa: S608  # because no part is a caller's
    if files:
        parts.append(f"SELECT * FROM {parquet(files)}")  # noqa: S608  # because paths are quoted
    union = " UNION ALL BY NAME ".join(parts)
    connection.execute(f"CREATE VIEW {name} AS SELECT *{replaced} FROM ({union})")  # noqa: S608  # because no part is a caller's


def parquet(paths: Sequence[str]) -> str:
    """The rows of files as SQL writes them."""
    return f"read_parquet({_list(paths)}, union_by_name = true, hive_partitioning = false)"


def _list(paths: Sequence[str]) -> str:
    return "[" + ", ".join(quoted(path) for path in paths) + "]"
