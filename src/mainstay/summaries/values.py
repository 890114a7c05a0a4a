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

Kind = Literal["number", "strings", "time", "unordered", "empty"]
"""`unordered` is what no test here can compare: lists, structs, vectors, complex numbers."""

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
    return Values(kind, str(column.type), len(column), missing, column)


def _numpy(column: npt.NDArray[Any]) -> Values:
    code = column.dtype.kind
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
    for chunk in _strings(values).chunks:
        for start in range(0, len(chunk), BLOCK_ROWS):
            counted = arrow().compute.utf8_length(chunk.slice(start, BLOCK_ROWS)).drop_null()
            yield counted.to_numpy(zero_copy_only=False).astype(np.float64)


def _strings(values: Values) -> Any:
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
            column = _strings(values)
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
