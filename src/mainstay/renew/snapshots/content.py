"""The hash of a table's values, and the file that holds them.

Promises that the hash depends on every value of every column, on which are missing, and on the
number of rows, and on nothing else: not on the file's format, nor on how Arrow happens to hold the
values. The same table makes the same file, byte for byte, with the same release of pyarrow.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.base.errors import StorageFailed
from mainstay.journal.arrow import ArrowTable, pa, pc, pq

_ROW_GROUP: Final = 65_536
_UNFINISHED: Final = ".part"
_READ_BYTES: Final = 1 << 20


class Content(msgspec.Struct, frozen=True):
    """What a table holds, in short."""

    content: str
    columns: dict[str, str]
    rows: int


def content_of(table: ArrowTable) -> Content:
    """The hash of every column, and of all of them together."""
    columns = {name: _hash(table.column(name)) for name in table.column_names}
    said: Any = [list(columns.items()), table.num_rows]
    return Content(sha256(msgspec.json.encode(said)).hexdigest(), columns, table.num_rows)


def _hash(column: Any) -> str:
    """Type, which are missing, then the values, with nothing in the place of missing ones."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # what an empty column stays
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    digest = sha256(_type_of(array.type).encode())
    _feed(digest, array)
    return digest.hexdigest()


def _type_of(kind: Any) -> str:
    """The type, without the names that libraries give to what is in a list."""
    if pa.types.is_fixed_size_list(kind):
        return f"{_type_of(kind.value_type)}[{kind.list_size}]"
    return "string" if pa.types.is_large_string(kind) else str(kind)


def _feed(digest: Any, array: Any) -> None:
    digest.update(np.packbits(pc.is_null(array).to_numpy(zero_copy_only=False)))
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        # One large piece of memory, where every missing word has no length.
        words = pc.fill_null(array, "").cast(pa.large_binary())
        _, places, data = words.buffers()
        if len(words):
            ends = np.frombuffer(places, np.int64)[words.offset : words.offset + len(words) + 1]
            digest.update(ends - ends[0])
            if data is not None:
                digest.update(memoryview(data)[int(ends[0]) : int(ends[-1])])
    elif pa.types.is_fixed_size_list(kind):
        _feed(digest, pc.fill_null(array, [0.0] * kind.list_size).flatten())
    else:
        values = pc.fill_null(array, pa.scalar(0).cast(kind)).to_numpy(zero_copy_only=False)
        digest.update(np.ascontiguousarray(values))


def values_of(column: Any) -> Any:
    """One value per row that is equal where the rows are, missing and not-a-number ones too."""
    return np.array([repr(value) for value in column.to_pylist()], dtype=object)


def write(table: ArrowTable, path: Path) -> str:
    """Keep a table as a file, which is there whole or not at all; returns its SHA-256."""
    unfinished = path.with_name(path.name + _UNFINISHED)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            table.replace_schema_metadata(None),
            unfinished,
            compression="zstd",
            row_group_size=_ROW_GROUP,
        )
        digest = digest_of(unfinished)
        unfinished.replace(path)
    except (OSError, pa.ArrowException) as error:
        unfinished.unlink(missing_ok=True)
        raise StorageFailed(f"{path} cannot be written: {error}", rule="storage") from error
    assert digest is not None
    return digest


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
