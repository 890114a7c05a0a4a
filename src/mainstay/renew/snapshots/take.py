"""Taking a snapshot, and finding out whether it still means what it meant.

Promises that a snapshot's rows are written once, before it is kept, under a name that only these
rows can have; that whoever reads them gets those very rows or an error; and that where the journal,
or the history, would give other rows today, it is said what differs. Rows are written and hashed
part by part and never stand in memory whole; whoever reads them, or what differs, has them there.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from mainstay.base.errors import InvalidUsage, MainstayError, NotFound, StorageFailed
from mainstay.contract.finding import Finding, Verdict
from mainstay.journal.arrow import ArrowTable, pc
from mainstay.renew.history.model import Origin
from mainstay.renew.history.read import asked
from mainstay.renew.labels import read as labels
from mainstay.renew.labels.model import Definition, Labelled, together
from mainstay.renew.labels.read import Query
from mainstay.renew.snapshots import content as contents
from mainstay.renew.snapshots.content import Content, Writing
from mainstay.renew.snapshots.model import Snapshot, id_of
from mainstay.renew.snapshots.port import SnapshotStore

FILE: Final = "snapshot file"
ROWS: Final = "snapshot rows"
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where snapshots come from and where they go."""

    query: Query
    """Of the journal."""
    store: SnapshotStore
    folder: Path
    """Of the files."""
    origin: Origin
    """Where histories may be."""


def take(shelf: Shelf, definition: Definition, actor: str, made_ns: int) -> Snapshot:
    """Find the rows that a definition means now, write them once, and keep what they are."""
    with _made(shelf, definition) as made:
        snapshot = _described(made, definition, actor, made_ns)
        try:
            return shelf.store.find(snapshot.id)
        except NotFound:
            contents.move(made.file, shelf.folder / snapshot.file)
            return shelf.store.keep(snapshot)


@dataclass(frozen=True, slots=True)
class _Made:
    """The rows that a definition means now, in a file that is gone afterwards unless it is moved
    away."""

    file: Path
    found: Labelled
    """Without the rows."""
    content: Content


@contextmanager
def _made(shelf: Shelf, definition: Definition) -> Generator[_Made]:
    with contents.folder_for(shelf.folder) as folder:
        file, writing = folder / "rows", None
        found: list[Labelled] = []
        with asked(shelf.query, shelf.origin, definition) as query:
            for part in labels.parts(query, definition):
                writing = writing or Writing(file, part.table.schema)
                writing.add(part.table)
                found.append(replace(part, table=part.table.slice(0, 0)))
        assert writing is not None, "there is at least one part"
        writing.close()
        yield _Made(file, together(found), contents.content_of_file(file))


def _described(made: _Made, definition: Definition, actor: str, made_ns: int) -> Snapshot:
    found, content = made.found, made.content
    if found.reaches is None:
        reasons = "; ".join(f"{count:,} {why}" for why, count in found.left_out.items())
        raise InvalidUsage(
            f"no decision of {definition.model} in this time has a label that can be used"
            + (f" ({reasons})" if reasons else ""),
            field="since",
            expected="a longer time, or labels: "
            + (
                "POST /decisions/<id>/outcome tells them"
                if definition.history is None
                else "rows of it in the history"
            ),
        )
    digest = contents.digest_of(made.file)
    assert digest is not None
    id_ = id_of(definition, content.content)
    return Snapshot(
        id=id_,
        definition=definition,
        content=content.content,
        columns=content.columns,
        rows=content.rows,
        reaches=found.reaches,
        left_out=found.left_out,
        contradicted=found.contradicted,
        silent=found.silent,
        late=found.late,
        file=f"{definition.model}/{id_}.parquet",
        digest=digest,
        made_ns=made_ns,
        actor=actor,
    )


def rows_of(shelf: Shelf, snapshot: Snapshot) -> ArrowTable:
    """The rows of a snapshot, from its file, or made again where the file is gone."""
    path = shelf.folder / snapshot.file
    if contents.digest_of(path) == snapshot.digest:
        return contents.read(path)
    with _made(shelf, snapshot.definition) as made:
        found = contents.read(made.file)
    if made.content.content != snapshot.content:
        differences = _differences(snapshot, None, found, made.content)
        raise StorageFailed(
            f"{snapshot} is lost: its file is not what was written, and {_whence(snapshot)} gives"
            f" other rows today: {'; '.join(differences)}",
            field="snapshot",
            got=snapshot.file,
            expected="the file from a backup, or another snapshot",
        )
    return found


def verify(shelf: Shelf, snapshot: Snapshot) -> list[Finding]:
    """Whether the file is what was written, and whether the same rows are found again."""
    path = shelf.folder / snapshot.file
    digest = contents.digest_of(path)
    sound = digest == snapshot.digest
    gone = f"{snapshot.file} is not there" if digest is None else f"{snapshot.file} was changed"
    words = f"{snapshot.file} is what was written" if sound else gone
    return [
        _found(FILE, "pass" if sound else "fail", words, snapshot),
        _same_rows(shelf, snapshot, path if sound else None),
    ]


def _same_rows(shelf: Shelf, snapshot: Snapshot, before: Path | None) -> Finding:
    whence = _whence(snapshot)
    try:
        with _made(shelf, snapshot.definition) as made:
            if made.content.content == snapshot.content:
                words = f"{whence} gives the same {snapshot.rows:,} rows again"
                return _found(ROWS, "pass", words, snapshot)
            differences = _differences(
                snapshot,
                None if before is None else contents.read(before),
                contents.read(made.file),
                made.content,
            )
    except MainstayError as error:
        if snapshot.definition.history is None:
            raise
        return _found(ROWS, "fail", f"{whence} gives no rows today: {error.message}", snapshot)
    words = f"{whence} gives other rows today: {'; '.join(differences)}"
    return _found(ROWS, "fail", words, snapshot)


def _whence(snapshot: Snapshot) -> str:
    return "the journal" if snapshot.definition.history is None else "the history"


def _found(check: str, verdict: Verdict, words: str, snapshot: Snapshot) -> Finding:
    return Finding(check=check, verdict=verdict, words=words, samples=snapshot.rows)


def _differences(
    snapshot: Snapshot, before: ArrowTable | None, found: ArrowTable, now: Content
) -> list[str]:
    """What differs between what a snapshot was and what its definition means now."""
    said: list[str] = []
    if now.rows != snapshot.rows:
        said.append(f"{now.rows:,} rows instead of {snapshot.rows:,}")
    said += [f"no column {name} any more" for name in snapshot.columns if name not in now.columns]
    said += [f"a column {name} besides" for name in now.columns if name not in snapshot.columns]
    if before is not None:
        return said + _of_rows(before, found)
    other = [n for n, hash_ in now.columns.items() if snapshot.columns.get(n, hash_) != hash_]
    if now.rows == snapshot.rows and other:
        said.append("other values in " + ", ".join(other))
    return said


def _of_rows(before: ArrowTable, found: ArrowTable) -> list[str]:
    """Which rows came, went, or hold something else."""
    old, new = before.column("id"), found.column("id")
    gone = before.filter(pc.invert(pc.is_in(old, value_set=new))).column("id")
    come = found.filter(pc.invert(pc.is_in(new, value_set=old))).column("id")
    said = [
        f"{len(ids):,} {words} ({', '.join(ids.slice(0, _SHOWN).to_pylist())}"
        + (", …)" if len(ids) > _SHOWN else ")")
        for ids, words in ((gone, "rows gone"), (come, "rows more"))
        if len(ids)
    ]
    # Both are in the order of their ids, so what both have stands side by side.
    left = before.filter(pc.is_in(old, value_set=new))
    right = found.filter(pc.is_in(new, value_set=old))
    for name in (each for each in before.column_names if each in found.column_names):
        mine, theirs = left.column(name), right.column(name)
        if mine.type != theirs.type:
            said.append(f"{name} is {theirs.type} instead of {mine.type}")
            continue
        one, other = contents.values_of(mine), contents.values_of(theirs)
        changed = int((one != other).sum())
        if changed:
            said.append(f"another {name} in {changed:,} rows")
    return said
