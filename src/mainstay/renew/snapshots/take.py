"""Taking a snapshot, and finding out whether it still means what it meant.

Promises that a snapshot's rows are written once, before it is kept, under a name that only these
rows can have; that whoever reads them gets those very rows or an error; and that where the journal
would give other rows today, it is said what differs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from mainstay.base.errors import InvalidUsage, NotFound, StorageFailed
from mainstay.contract.finding import Finding
from mainstay.journal.arrow import ArrowTable, pc
from mainstay.renew.labels import read as labels
from mainstay.renew.labels.model import Definition, Labelled
from mainstay.renew.labels.read import Query
from mainstay.renew.snapshots import content as contents
from mainstay.renew.snapshots.content import Content
from mainstay.renew.snapshots.model import Snapshot, id_of
from mainstay.renew.snapshots.port import SnapshotStore

FILE: Final = "snapshot file"
ROWS: Final = "snapshot rows"
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where snapshots come from and where they go."""

    query: Query
    store: SnapshotStore
    folder: Path
    """Of the files."""


def take(shelf: Shelf, definition: Definition, actor: str, made_ns: int) -> Snapshot:
    """Find the rows that a definition means now, write them once, and keep what they are."""
    found = labels.read(shelf.query, definition)
    snapshot = described(found, definition, actor, made_ns)
    try:
        return shelf.store.find(snapshot.id)
    except NotFound:
        digest = contents.write(found.table, shelf.folder / snapshot.file)
        return shelf.store.keep(replace(snapshot, digest=digest))


def described(found: Labelled, definition: Definition, actor: str, made_ns: int) -> Snapshot:
    """Labelled rows as a snapshot that has no file yet."""
    table, content = found.table, contents.content_of(found.table)
    if not content.rows:
        reasons = "; ".join(f"{count:,} {why}" for why, count in found.left_out.items())
        raise InvalidUsage(
            f"no decision of {definition.model} in this time has a label that can be used"
            + (f" ({reasons})" if reasons else ""),
            field="since",
            expected="a longer time, or labels: POST /decisions/<id>/outcome tells them",
        )
    times, heard = table.column("time_us"), table.column("heard_us")
    last = max(pc.max(times).as_py(), pc.max(heard).as_py())
    id_ = id_of(definition, content.content)
    return Snapshot(
        id=id_,
        definition=definition,
        content=content.content,
        columns=content.columns,
        rows=content.rows,
        reaches=(pc.min(times).as_py() * 1000, last * 1000),
        left_out=found.left_out,
        contradicted=found.contradicted,
        silent=found.silent,
        late=found.late,
        file=f"{definition.model}/{id_}.parquet",
        digest="",
        made_ns=made_ns,
        actor=actor,
    )


def rows_of(shelf: Shelf, snapshot: Snapshot) -> ArrowTable:
    """The rows of a snapshot, from its file, or made again where the file is gone."""
    path = shelf.folder / snapshot.file
    if contents.digest_of(path) == snapshot.digest:
        return contents.read(path)
    found = labels.read(shelf.query, snapshot.definition).table
    now = contents.content_of(found)
    if now.content != snapshot.content:
        raise StorageFailed(
            f"{snapshot} is lost: its file is not what was written, and the journal gives other"
            f" rows today: {'; '.join(_differences(snapshot, None, found, now))}",
            field="snapshot",
            got=snapshot.file,
            expected="the file from a backup, or another snapshot",
        )
    return found


def verify(shelf: Shelf, snapshot: Snapshot) -> list[Finding]:
    """Whether the file is what was written, and whether the journal gives the same rows again."""
    path = shelf.folder / snapshot.file
    digest = contents.digest_of(path)
    sound = digest == snapshot.digest
    before = contents.read(path) if sound else None
    gone = f"{snapshot.file} is not there" if digest is None else f"{snapshot.file} was changed"
    words = f"{snapshot.file} is what was written" if sound else gone
    return [_found(FILE, sound, words, snapshot), _same_rows(shelf, snapshot, before)]


def _same_rows(shelf: Shelf, snapshot: Snapshot, before: ArrowTable | None) -> Finding:
    found = labels.read(shelf.query, snapshot.definition).table
    now = contents.content_of(found)
    same = now.content == snapshot.content
    words = f"the journal gives the same {snapshot.rows:,} rows again"
    if not same:
        said = "; ".join(_differences(snapshot, before, found, now))
        words = f"the journal gives other rows today: {said}"
    return _found(ROWS, same, words, snapshot)


def _found(check: str, good: bool, words: str, snapshot: Snapshot) -> Finding:  # noqa: FBT001  # because it is the finding itself
    return Finding(
        check=check, verdict="pass" if good else "fail", words=words, samples=snapshot.rows
    )


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
