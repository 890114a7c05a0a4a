"""The hash of a table's values, and the file that holds them.

Promises that the hash depends on every value of every column, on which are missing, and on the
number of rows, and on nothing else: not on the file's format, nor on how Arrow happens to hold the
values. The same rows make the same file, byte for byte, with the same release of pyarrow, in
whatever pieces they come. Writing and hashing hold one row group in memory, however many there are.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.base.errors import StorageFailed
from mainstay.journal.arrow import ArrowTable, pa, pc, pq

_ROW_GROUP: Final = 65_536
_UNFINISHED: Final = ".unfinished-"
_READ_BYTES: Final = 1 << 20

_Parts = Callable[[], Iterator[Any]]
"""The arrays that a column consists of, from the first one again each time it is called."""


class Content(msgspec.Struct, frozen=True):
    """What a table holds, in short."""

    content: str
    columns: dict[str, str]
    rows: int


def content_of(table: ArrowTable) -> Content:
    """The hash of every column, and of all of them together."""
    return _content(
        table.schema,
        table.num_rows,
        lambda name: lambda: iter(table.column(name).chunks),
    )


def content_of_file(path: Path) -> Content:
    """The same of a file, one row group of one column at a time."""
    try:
        file = pq.ParquetFile(path)

        def parts_of(name: str) -> _Parts:
            return lambda: (
                chunk
                for group in range(file.num_row_groups)
                for chunk in file.read_row_group(group, columns=[name]).column(name).chunks
            )

        with file:
            return _content(file.schema_arrow, file.metadata.num_rows, parts_of)
    except (OSError, pa.ArrowException) as error:
        raise StorageFailed(f"{path} cannot be read: {error}", rule="storage") from error


def _content(schema: Any, rows: int, parts_of: Callable[[str], _Parts]) -> Content:
    columns = {field.name: _hash(field.type, parts_of(field.name)) for field in schema}
    said: Any = [list(columns.items()), rows]
    return Content(sha256(msgspec.json.encode(said)).hexdigest(), columns, rows)


def _hash(kind: Any, parts: _Parts) -> str:
    """Type, which are missing, then the values, with nothing in the place of missing ones."""
    digest = sha256(_type_of(kind).encode())
    _feed(digest, kind, parts)
    return digest.hexdigest()


def _type_of(kind: Any) -> str:
    """The type, without the names that libraries give to what is in a list."""
    if pa.types.is_fixed_size_list(kind):
        return f"{_type_of(kind.value_type)}[{kind.list_size}]"
    return "string" if pa.types.is_large_string(kind) else str(kind)


def _feed(digest: Any, kind: Any, parts: _Parts) -> None:
    _feed_missing(digest, parts)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        _feed_words(digest, parts)
    elif pa.types.is_fixed_size_list(kind):
        empty = [0.0] * kind.list_size
        _feed(
            digest,
            kind.value_type,
            lambda: (pc.fill_null(array, empty).flatten() for array in parts()),
        )
    else:
        zero = pa.scalar(0).cast(kind)
        for array in parts():
            values = pc.fill_null(array, zero).to_numpy(zero_copy_only=False)
            digest.update(np.ascontiguousarray(values))


def _feed_missing(digest: Any, parts: _Parts) -> None:
    """One bit for each value, eight to a byte across all parts."""
    left = np.empty(0, dtype=np.bool_)
    for array in parts():
        left = np.concatenate([left, pc.is_null(array).to_numpy(zero_copy_only=False)])
        whole = len(left) // 8 * 8
        digest.update(np.packbits(left[:whole]))
        left = left[whole:]
    digest.update(np.packbits(left))


def _feed_words(digest: Any, parts: _Parts) -> None:
    """Where each word ends among all of them, then all of them; a missing one has no length."""
    before: int | None = None
    for ends, _ in map(_words, parts()):
        if before is None and len(ends) > 1:
            digest.update(np.zeros(1, dtype=np.int64))
            before = 0
        if before is not None:
            digest.update(ends[1:] - ends[0] + before)
            before += int(ends[-1] - ends[0])
    for ends, data in map(_words, parts()):
        if data is not None:
            digest.update(memoryview(data)[int(ends[0]) : int(ends[-1])])


def _words(array: Any) -> tuple[Any, Any]:
    """Where the words of an array begin and end in one piece of memory, and that memory."""
    words = pc.fill_null(array, "").cast(pa.large_binary())
    _, places, data = words.buffers()
    if not len(words):
        return np.zeros(1, dtype=np.int64), None
    return np.frombuffer(places, np.int64)[words.offset : words.offset + len(words) + 1], data


def values_of(column: Any) -> Any:
    """One value per row that is equal where the rows are, missing and not-a-number ones too."""
    return np.array([repr(value) for value in column.to_pylist()], dtype=object)


class Writing:
    """A file that is being written, from tables of any length."""

    def __init__(self, path: Path, schema: Any) -> None:
        self._path = path
        self._schema = schema.remove_metadata()
        self._waiting: list[ArrowTable] = []
        self._rows = 0
        try:
            self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        except (OSError, pa.ArrowException) as error:
            raise self._failed(error) from error

    def add(self, table: ArrowTable) -> None:
        """Write rows behind those that are there."""
        if not table.num_rows:
            return
        self._waiting.append(table.replace_schema_metadata(None))
        self._rows += table.num_rows
        if self._rows >= _ROW_GROUP:
            self._write(self._rows // _ROW_GROUP)

    def _write(self, groups: int) -> None:
        """Row groups of one length, each in one piece of memory, so that its bytes do not depend on
        how its rows came."""
        there = pa.concat_tables(self._waiting)
        for group in range(groups):
            part = there.slice(group * _ROW_GROUP, _ROW_GROUP).combine_chunks()
            try:
                self._writer.write_table(part, row_group_size=_ROW_GROUP)
            except (OSError, pa.ArrowException) as error:
                raise self._failed(error) from error
        rest = there.slice(groups * _ROW_GROUP)
        self._waiting = [rest] if rest.num_rows else []
        self._rows = rest.num_rows

    def close(self) -> None:
        """Write what waits, down to the disk."""
        if self._rows:
            self._write(1)
        try:
            self._writer.close()
            with self._path.open("rb") as file:
                os.fsync(file.fileno())
        except (OSError, pa.ArrowException) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> StorageFailed:
        return StorageFailed(f"{self._path} cannot be written: {error}", rule="storage")


@contextmanager
def folder_for(folder: Path) -> Generator[Path]:
    """A folder beside finished files for one that is not, gone afterwards; what a process that was
    killed left behind goes, too, as soon as nobody writes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be written: {error}", rule="storage") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # somebody writes there
        else:
            for left in folder.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(left, ignore_errors=True)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=folder) as made:
            yield Path(made)
    finally:
        os.close(descriptor)


def move(file: Path, path: Path) -> None:
    """Give a finished file its name: it is there whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file.replace(path)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error}", rule="storage") from error


def digest_of(path: Path) -> str | None:
    """The SHA-256 of a file; nothing where there is none."""
    digest = sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_READ_BYTES):
                digest.update(piece)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageFailed(f"{path} cannot be read: {error}", rule="storage") from error
    return digest.hexdigest()


def read(path: Path) -> ArrowTable:
    """The table of a file."""
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise StorageFailed(f"{path} cannot be read: {error}", rule="storage") from error
