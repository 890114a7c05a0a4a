"""A batch of rows as columns: the one shape in which data crosses the rooms.

A column is a NumPy array whose first dimension is the rows:

    number    float64                 optional: NaN where missing
    integer   int64                   optional: float64, NaN where missing
    boolean   bool                    optional: float64 of 0, 1 and NaN
    category  object (str or None)
    text      object (str or None)
    timestamp datetime64[us], UTC     optional: NaT where missing
    vector    float64, two dimensions optional: rows of NaN

`encode` and `decode` turn columns into bytes and back without loss, bit for bit, NaN payloads
included. The bytes hold no code and are safe to read from an untrusted place: sizes are checked
against what is there before anything is allocated.
"""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.base.errors import InvalidBundle

Column = npt.NDArray[Any]
Columns = dict[str, Column]

_DTYPES = frozenset({"<f8", "<f4", "<i8", "<i4", "|b1", "<M8[us]"})


class _Encoded(msgspec.Struct, array_like=True, frozen=True):
    """One column on the wire: a plain array, or a list of strings."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes | list[str | None]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(dict[str, _Encoded])


def rows_of(columns: Columns) -> int:
    """How many rows a batch has."""
    for column in columns.values():
        return int(column.shape[0])
    return 0


def encode(columns: Columns) -> bytes:
    """Columns as bytes."""
    return _encoder.encode({name: _encode_column(name, c) for name, c in columns.items()})


def _encode_column(name: str, column: Column) -> _Encoded:
    kind = column.dtype.str
    if kind == "|O":
        return _Encoded("str", column.shape, column.tolist())
    plain = column if column.flags.c_contiguous else np.ascontiguousarray(column)
    if kind not in _DTYPES:
        raise TypeError(f"column {name!r} has type {column.dtype}, which no kind of value uses")
    return _Encoded(kind, plain.shape, plain.tobytes())


def decode(data: bytes) -> Columns:
    """Bytes back as columns; anything else than what `encode` wrote is an error."""
    try:
        wire = _decoder.decode(data)
        return {name: _decode_column(column) for name, column in wire.items()}
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidBundle(f"these bytes are not columns: {error}") from error


def _decode_column(column: _Encoded) -> Column:
    if column.dtype == "str":
        if isinstance(column.data, bytes) or column.shape != (len(column.data),):
            raise ValueError("a column of strings does not have the shape it states")
        strings = np.empty(len(column.data), dtype=object)
        strings[:] = column.data
        return strings
    if column.dtype not in _DTYPES or isinstance(column.data, list):
        raise ValueError(f"unknown column type {column.dtype!r}")
    return np.frombuffer(column.data, dtype=column.dtype).reshape(column.shape)


def take(columns: Columns, rows: npt.NDArray[Any] | slice) -> Columns:
    """The batch of some of the rows, in that order."""
    return {name: column[rows] for name, column in columns.items()}


MATRIX = "matrix"
"""The one name under which rows of numbers alone may travel as a single matrix [rows, columns],
in the order of the contract's inputs (float64) or of the version's features (float32)."""
