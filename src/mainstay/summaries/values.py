"""One column as plain values: what kind it is, and its numbers or strings piece by piece.

Promises that every column that a frame can hold gets a kind, whatever is in it, and that pieces
are views where the memory allows it. Values of several types in one column are compared as
strings, which is said. Missing (null, None) is never mixed up with not-a-number.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from mainstay.summaries.arrow import arrow

Kind = Literal["number", "strings", "vector", "time", "unordered", "empty"]
"""`vector` is a list of numbers, equally many in each row; `unordered` is what no test here can
compare: other lists, structs, complex numbers."""

BLOCK_ROWS: Final = 1 << 15
"""How many numbers are looked at in one go: few enough to stay in the cache of a core."""
_UNREADABLE: Final = "<unreadable>"


@dataclass(frozen=True, slots=True)
class Values:
    """A column whose kind is known."""

    kind: Kind
    type: str
    """Its type in words of its library, for people."""
    rows: int
    missing: int
    column: Any


def values_of(column: Any) -> Values:
    """A NumPy or Arrow column with its kind."""
    if isinstance(column, np.ndarray):
        return _numpy(column)  # pyright: ignore[reportUnknownArgumentType]  # because any array is taken
    pa = arrow()
    kind = _arrow_kind(column.type)
    if kind == "number" and pa.types.is_decimal(column.type):
        words = str(column.type)
        column = column.cast(pa.float64(), safe=False)
        return Values("number", words, len(column), column.null_count, column)
    missing = int(column.null_count)
    if missing == len(column):
        kind = "empty"
    elif kind == "unordered" and dimensions(column):
        return Values("vector", _vector_words(column), len(column), missing, column)
    return Values(kind, str(column.type), len(column), missing, column)


def dimensions(column: Any) -> int:
    """How many numbers each row of a column of vectors has; 0 where it is none."""
    if not hasattr(column, "chunks"):
        return int(column.shape[1]) if column.ndim == 2 and column.dtype.kind in "fiu" else 0
    types = arrow().types
    fixed = types.is_fixed_size_list(column.type)
    if not (fixed or types.is_list(column.type) or types.is_large_list(column.type)):
        return 0
    inner = column.type.value_type
    if not (types.is_integer(inner) or types.is_floating(inner)):
        return 0
    if fixed:
        return int(column.type.list_size)
    sizes = arrow().compute.min_max(arrow().compute.list_value_length(column)).as_py()
    return int(sizes["min"] or 0) if sizes["min"] == sizes["max"] else 0


def _vector_words(column: Any) -> str:
    return f"vector of {dimensions(column)}"


def _numpy(column: npt.NDArray[Any]) -> Values:
    code = column.dtype.kind
    if len(column) and dimensions(column):
        return Values("vector", _vector_words(column), len(column), 0, column)
    if column.ndim != 1 or code in "cV":
        return Values("unordered", str(column.dtype), len(column), 0, column)
    if code in "fiu":
        kind: Kind = "number" if len(column) else "empty"
        return Values(kind, str(column.dtype), len(column), 0, column)
    pa = arrow()
    words = str(column.dtype)
    if code == "O":
        taken, words = _objects(column)
    else:
        taken = pa.array(column, from_pandas=True)
    inner = values_of(pa.chunked_array([taken]))
    return Values(inner.kind, words or inner.type, inner.rows, inner.missing, inner.column)


def _objects(column: npt.NDArray[Any]) -> tuple[Any, str]:
    """Python objects as Arrow; of several types, as the strings they print as."""
    pa = arrow()
    try:
        return pa.array(column, from_pandas=True), ""
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        types = sorted({type(value).__name__ for value in column if value is not None})
        words = f"mixed ({', '.join(types[:5])})"
        return pa.array([None if _is_missing(v) else _printed(v) for v in column]), words


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _printed(value: Any) -> str:
    try:
        return str(value).encode("utf-8", "replace").decode("utf-8")
    except (ValueError, TypeError, AttributeError, RecursionError):
        return _UNREADABLE


def _arrow_kind(arrow_type: Any) -> Kind:
    types = arrow().types
    if types.is_null(arrow_type):
        return "empty"
    if types.is_dictionary(arrow_type) or types.is_boolean(arrow_type):
        return "strings"
    if types.is_integer(arrow_type) or types.is_floating(arrow_type):
        return "number"
    if types.is_decimal(arrow_type):
        return "number"
    if types.is_temporal(arrow_type):
        return "time"
    if types.is_string(arrow_type) or types.is_large_string(arrow_type):
        return "strings"
    return "strings" if types.is_string_view(arrow_type) else "unordered"


def arrays(values: Values) -> Iterator[npt.NDArray[Any]]:
    """The numbers of a column that are not missing, in pieces as they lie in memory."""
    column: Any = values.column
    if not hasattr(column, "chunks"):
        yield column
        return
    for chunk in column.chunks:
        present = chunk.drop_null() if chunk.null_count else chunk
        yield present.to_numpy(zero_copy_only=False)


def blocks(values: Values) -> Iterator[npt.NDArray[np.float64]]:
    """The numbers of a column, in copies that may be written to and fit into a cache."""
    for array in arrays(values):
        for start in range(0, len(array), BLOCK_ROWS):
            yield array[start : start + BLOCK_ROWS].astype(np.float64)


def lengths(values: Values) -> Iterator[npt.NDArray[np.float64]]:
    """How long the strings of a column are, in characters, block by block."""
    for chunk in strings_of(values).chunks:
        for start in range(0, len(chunk), BLOCK_ROWS):
            counted = arrow().compute.utf8_length(chunk.slice(start, BLOCK_ROWS)).drop_null()
            yield counted.to_numpy(zero_copy_only=False).astype(np.float64)


def vectors(values: Values) -> Iterator[npt.NDArray[np.float64]]:
    """The vectors of a column that are not missing, block by block, one a row."""
    size = dimensions(values.column)
    step = max(1, BLOCK_ROWS // size)
    for part in getattr(values.column, "chunks", [values.column]):
        for start in range(0, len(part), step):
            piece = part[start : start + step]
            if not isinstance(piece, np.ndarray):
                piece = _matrix(piece, size)
            yield piece.astype(np.float64)


def _matrix(part: Any, size: int) -> npt.NDArray[Any]:
    """An Arrow array of lists as rows, without those that are missing."""
    numbers = part.drop_null().flatten().to_numpy(zero_copy_only=False)
    return numbers.reshape(-1, size)


def vector_lengths(values: Values) -> Iterator[npt.NDArray[np.float64]]:
    """How long the vectors of a column are (Euclid's way), block by block, to one part in 65,536,
    so that vectors that were made to have one length do; not a number or infinite where one of
    their numbers is."""
    with np.errstate(over="ignore", invalid="ignore"):
        for block in vectors(values):
            scale = np.abs(block).max(axis=1)
            scale[~((scale > 0.0) & (scale < np.inf))] = 1.0
            # Scaled, because a square leaves the range of a float long before its root does.
            shares: npt.NDArray[np.float64] = block / scale[:, np.newaxis]
            long: npt.NDArray[np.float64] = np.sqrt((shares * shares).sum(axis=1)) * scale
            part, power = np.frexp(long)
            yield np.ldexp(np.round(part * 65536.0) / 65536.0, power)


def strings_of(values: Values) -> Any:
    """A column of strings as large strings, whatever it was encoded as."""
    pa = arrow()
    if values.column.type == pa.string() or values.column.type == pa.large_string():
        return values.column
    if pa.types.is_dictionary(values.column.type):
        inner = values.column.type.value_type
        return values.column.cast(inner).cast(pa.large_string())
    return values.column.cast(pa.large_string())


@dataclass(frozen=True, slots=True)
class Tally:
    """The different strings of a column and how often each is there."""

    strings: Any
    """An Arrow array without nulls."""
    counts: npt.NDArray[np.int64]


def tally_of(values: Values) -> Tally:
    """Count the strings of a column."""
    pa = arrow()
    parts: list[tuple[Any, npt.NDArray[np.int64]]] = []
    column = values.column
    if pa.types.is_dictionary(column.type):
        parts = [_tally_dictionary(chunk) for chunk in column.chunks]
    else:
        if not (pa.types.is_boolean(column.type) or pa.types.is_string(column.type)):
            column = strings_of(values)
        counted = arrow().compute.value_counts(column)
        parts = [(counted.field("values"), counted.field("counts").to_numpy())]
    if not parts:
        return Tally(pa.array([], pa.large_string()), np.zeros(0, np.int64))
    # Strings are shortened nowhere: two that differ late are two values.
    cast = [(strings.cast(pa.large_string()), counts) for strings, counts in parts]
    if len(cast) == 1 and not isinstance(column.type, pa.DictionaryType):
        return _without_null(*cast[0])
    table = pa.table({
        "value": pa.chunked_array([strings for strings, _ in cast]),
        "count": pa.chunked_array([pa.array(counts) for _, counts in cast]),
    })  # fmt: skip
    grouped = table.group_by("value", use_threads=False).aggregate([("count", "sum")])
    return _without_null(
        grouped.column("value").combine_chunks(), grouped.column("count_sum").to_numpy()
    )


def _tally_dictionary(chunk: Any) -> tuple[Any, npt.NDArray[np.int64]]:
    """Counting the codes is ten times faster than hashing the strings."""
    codes = chunk.indices.drop_null().to_numpy(zero_copy_only=False)
    counts = np.bincount(codes, minlength=len(chunk.dictionary)).astype(np.int64)
    return chunk.dictionary, counts


def _without_null(strings: Any, counts: npt.NDArray[np.int64]) -> Tally:
    pa = arrow()
    kept = (counts > 0) & strings.is_valid().to_numpy(zero_copy_only=False)
    if not kept.all():
        strings, counts = strings.filter(pa.array(kept)), counts[kept]
    return Tally(strings, counts.astype(np.int64))


def sampled(values: Values, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The numbers of some rows, NaN where missing."""
    column: Any = values.column
    if not hasattr(column, "chunks"):
        return column[rows].astype(np.float64)
    pa = arrow()
    taken = column.take(pa.array(rows)).cast(pa.float64(), safe=False)
    return taken.to_numpy(zero_copy_only=False)


def sampled_part(values: Values, rows: npt.NDArray[np.int64]) -> Values:
    """Some rows of a column, given in order, as a column."""
    column: Any = values.column
    if isinstance(column, np.ndarray):
        return Values(values.kind, values.type, len(rows), 0, column[rows])
    pa = arrow()
    parts: list[Any] = []
    begin = 0
    # Piece by piece: taken from the whole, all its strings would be copied first.
    for chunk in column.chunks:
        first, last = np.searchsorted(rows, [begin, begin + len(chunk)])
        if pa.types.is_string_view(chunk.type):
            chunk = chunk.cast(pa.large_string())  # noqa: PLW2901  # because views cannot be taken
        parts.append(chunk.take(pa.array(rows[first:last] - begin)))
        begin += len(chunk)
    taken = pa.chunked_array(parts, None if parts else column.type)
    return Values(values.kind, values.type, len(rows), int(taken.null_count), taken)
