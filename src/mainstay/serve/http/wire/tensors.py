"""One tensor's data, as JSON or as raw little-endian bytes, to a NumPy array of a field's kind.

Promises that JSON and raw bytes of the same values give the same column, bit for bit; that no
value is changed silently: a whole number that a 64-bit float cannot hold, a fraction sent as an
integer, a number beyond its own datatype and text that is not UTF-8 are refused; and that sizes
are compared with what is there before anything is allocated.

Numbers in JSON are kept as they are written, also under FP16 and FP32: rounding them to a
narrower type would only make the record differ from what the caller sent.
"""

import math
import struct
from typing import Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.base.errors import InvalidRequest
from mainstay.base.limits import INTEGER_MAX, TENSOR_MAX_DIMENSIONS
from mainstay.contract.columns import Column
from mainstay.contract.model import (
    Boolean,
    Category,
    Input,
    Integer,
    Number,
    Text,
    Timestamp,
    Vector,
)
from mainstay.contract.problems import brief
from mainstay.contract.times import MOMENT_EXPECTED, moment_us
from mainstay.serve.http.wire.model import check_rows
from mainstay.serve.http.wire.strict import decode

_LITTLE: Final[dict[str, np.dtype[Any]]] = {
    "BOOL": np.dtype("u1"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
_FLOAT_LIMITS: Final = {"FP16": 65504.0, "FP32": 3.4028234663852886e38, "FP64": math.inf}
_FLOATS: Final = ("FP64", "FP32", "FP16")
_INTEGERS: Final = (
    "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8",
)  # fmt: skip
NUMBERS: Final = (*_FLOATS, *_INTEGERS)

_ACCEPTED: Final[dict[type, tuple[str, ...]]] = {
    Number: NUMBERS,
    Integer: _INTEGERS,
    Boolean: ("BOOL",),
    Category: ("BYTES",),
    Text: ("BYTES",),
    Timestamp: ("BYTES",),
    Vector: NUMBERS,
}
"""What each kind is read from; the first is what metadata shows. A whole number is never read
from a floating-point tensor, and true or false never from numbers."""

Scalar = Literal["float", "int", "bool", "str"]


def _decoders(kind: Any) -> tuple[msgspec.json.Decoder[Any], msgspec.json.Decoder[Any]]:
    return msgspec.json.Decoder(list[kind]), msgspec.json.Decoder(list[list[kind]])


_JSON: Final[dict[tuple[Scalar, bool], Any]] = {
    ("float", False): _decoders(float),
    ("float", True): _decoders(float | None),
    ("int", False): _decoders(int),
    ("int", True): _decoders(int | None),
    ("bool", False): _decoders(bool),
    ("bool", True): _decoders(bool | None),
    ("str", False): _decoders(str),
    ("str", True): _decoders(str | None),
}
"""By what an item is and whether it may be null: the decoders of flat and of nested data."""

_SCALARS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(_FLOATS, "float"),
    **dict.fromkeys(_INTEGERS, "int"),
    "BOOL": "bool",
    "BYTES": "str",
}
_length_before = struct.Struct("<I")


def datatypes_of(kind: Input) -> tuple[str, ...]:
    """The datatypes that a kind of value may be sent as; the first is the one to prefer."""
    return _ACCEPTED[type(kind)]


def check_datatype(name: str, datatype: str, accepted: tuple[str, ...]) -> None:
    """Refuse a datatype that would have to be changed into something else."""
    if datatype in accepted:
        return
    raise InvalidRequest(
        f"{name} cannot be sent as {brief(datatype)}",
        field=name,
        rule="datatype",
        got=brief(datatype),
        expected=" or ".join(accepted),
    )


def check_shape(name: str, shape: list[int], width: int, *, flat: bool) -> int:
    """The number of rows of a tensor [rows, width], or [rows] too where `flat` says so."""
    if len(shape) == 2 and shape[1] == width:
        return check_rows(shape[0], name)
    if flat and len(shape) == 1:
        return check_rows(shape[0], name)
    shown = shape if len(shape) <= TENSOR_MAX_DIMENSIONS else [*shape[:TENSOR_MAX_DIMENSIONS], "…"]
    raise InvalidRequest(
        f"{name} has the wrong shape",
        field=name,
        rule="shape",
        got=f"[{', '.join(str(brief(size)) for size in shown)}]",
        expected=f"[rows] or [rows, {width}]" if flat else f"[rows, {width}]",
    )


def from_json(
    name: str, datatype: str, rows: int, width: int, data: msgspec.Raw, *, null: bool
) -> npt.NDArray[Any]:
    """JSON data of one tensor, flat or nested, as a flat array of float64, int64, bool or str."""
    scalar = _SCALARS[datatype]
    items = _items(name, scalar, rows, width, data, null=null)
    if scalar == "float":
        return _floats(name, datatype, items, null=null)
    if scalar == "int":
        return _integers(name, datatype, items)
    if scalar == "bool":
        holed = null and None in items
        return np.array(items, dtype=np.float64 if holed else np.bool_)
    strings = np.empty(len(items), dtype=object)
    strings[:] = items
    return strings


def _items(
    name: str, scalar: Scalar, rows: int, width: int, data: msgspec.Raw, *, null: bool
) -> list[Any]:
    flat, nested = _JSON[scalar, null]
    raw = bytes(data)
    # Whether a list begins with a list is seen before any white space but the rarest.
    if raw[1:2] == b"[" or (raw[1:2].isspace() and raw[1:].lstrip()[:1] == b"["):
        lists: list[list[Any]] = decode(nested, raw, name)
        if len(lists) != rows:
            raise _wrong_count(name, f"{len(lists)} lists", f"{rows} lists of {width}")
        for row in lists:
            if len(row) != width:
                raise _wrong_count(name, f"a list of {len(row)}", f"lists of {width}")
        return [item for row in lists for item in row]
    items: list[Any] = decode(flat, raw, name)
    if len(items) != rows * width:
        raise _wrong_count(name, f"{len(items)} values", f"{rows * width} values, as in its shape")
    return items


def _wrong_count(name: str, got: str, expected: str) -> InvalidRequest:
    return InvalidRequest(
        f"the data of {name} does not fill its shape",
        field=name,
        rule="shape",
        got=got,
        expected=expected,
    )


def _floats(name: str, datatype: str, items: list[Any], *, null: bool) -> npt.NDArray[Any]:
    array = np.array(items, dtype=np.float64)
    limit = _FLOAT_LIMITS[datatype]
    # No number is larger than the root of the sum of all squares, which for a few numbers is found
    # several times as fast as the largest of them.
    few = not null and len(items) <= 256
    if limit == math.inf or (few and math.hypot(*items) <= limit):
        return array
    largest = float(np.nanmax(np.abs(array))) if not np.isnan(array).all() else 0.0
    if largest > limit:
        place = int(np.flatnonzero(np.abs(array) > limit)[0])
        raise _beyond(name, datatype, items[place], f"at most {limit:g} in size")
    return array


def _integers(name: str, datatype: str, items: list[Any]) -> npt.NDArray[Any]:
    limits = np.iinfo(_LITTLE[datatype])
    low, high = max(int(limits.min), -INTEGER_MAX), min(int(limits.max), INTEGER_MAX)
    holed = False
    for item in items:
        if item is None:
            holed = True
        elif not low <= item <= high:
            raise _beyond(name, datatype, item, f"{low} to {high}")
    return np.array(items, dtype=np.float64 if holed else np.int64)


def _beyond(name: str, datatype: str, got: Any, expected: str) -> InvalidRequest:
    return InvalidRequest(
        f"{name} holds a number that {datatype} cannot carry exactly here",
        field=name,
        rule="range",
        got=brief(got),
        expected=expected,
    )


def from_bytes(
    name: str, datatype: str, rows: int, width: int, data: memoryview
) -> npt.NDArray[Any]:
    """Raw bytes of one tensor as a flat array of float64, int64, bool or str."""
    count = rows * width
    if datatype == "BYTES":
        return _strings_from_bytes(name, count, data)
    dtype = _LITTLE[datatype]
    if len(data) != count * dtype.itemsize:
        raise InvalidRequest(
            f"the raw bytes of {name} do not fill its shape",
            field=name,
            rule="size",
            got=f"{len(data)} bytes",
            expected=f"{count * dtype.itemsize} bytes for {count} × {datatype}",
        )
    array = np.frombuffer(data, dtype=dtype)
    if datatype == "BOOL":
        if array.max() > 1:
            raise InvalidRequest(
                f"{name} holds a byte that is neither true nor false",
                field=name,
                rule="range",
                got=int(array.max()),
                expected="0 or 1",
            )
        return array.astype(np.bool_)
    if dtype.kind == "f":
        return array.astype(np.float64)
    if dtype.itemsize == 8:
        wrong = (array > INTEGER_MAX) | (array < -INTEGER_MAX if dtype.kind == "i" else False)
        if wrong.any():
            got = int(array[int(np.flatnonzero(wrong)[0])])
            raise _beyond(name, datatype, got, f"{-INTEGER_MAX} to {INTEGER_MAX}")
    return array.astype(np.int64)


def _strings_from_bytes(name: str, count: int, data: memoryview) -> npt.NDArray[Any]:
    # Every string takes at least its length, so no more are made than the bytes can hold.
    if len(data) < 4 * count:
        raise _broken_strings(name, f"{len(data)} bytes", f"at least {4 * count} bytes")
    strings = np.empty(count, dtype=object)
    place = 0
    for item in range(count):
        if place + 4 > len(data):
            raise _broken_strings(name, f"{item} strings", f"{count} strings")
        (length,) = _length_before.unpack_from(data, place)
        place += 4
        if length > len(data) - place:
            raise _broken_strings(
                name, f"a string of {length} bytes", f"at most {len(data) - place} more bytes"
            )
        try:
            strings[item] = str(data[place : place + length], "utf-8")
        except UnicodeDecodeError:
            raise InvalidRequest(
                f"{name} holds a string that is not UTF-8",
                field=name,
                rule="utf-8",
                got=brief(bytes(data[place : place + 16]).hex(" ")),
                expected="text in UTF-8",
            ) from None
        place += length
    if place != len(data):
        raise _broken_strings(name, f"{len(data) - place} bytes too many", f"{count} strings")
    return strings


def _broken_strings(name: str, got: str, expected: str) -> InvalidRequest:
    return InvalidRequest(
        f"the raw bytes of {name} are not the strings its shape states",
        field=name,
        rule="size",
        got=got,
        expected=expected,
    )


def column_of(name: str, kind: Input, array: npt.NDArray[Any], rows: int) -> Column:
    """A flat array from one of the readers above as the column of a kind."""
    if isinstance(kind, Vector):
        return array.astype(np.float64, copy=False).reshape(rows, kind.length)
    if isinstance(kind, Number):
        return array.astype(np.float64, copy=False)
    if isinstance(kind, Integer | Boolean) and kind.optional:
        return array.astype(np.float64, copy=False)
    if isinstance(kind, Timestamp):
        return moments(name, array.tolist())
    return array


def moments(name: str, texts: list[str | None]) -> Column:
    """RFC 3339 texts as UTC to the microsecond; missing ones as NaT."""
    column = np.empty(len(texts), dtype="datetime64[us]")
    for row, text in enumerate(texts):
        moment = None if text is None else moment_us(text)
        if moment is None and text is not None:
            raise InvalidRequest(
                f"{name} holds a text that is not a moment",
                field=name,
                rule="timestamp",
                got=brief(text),
                expected=MOMENT_EXPECTED,
            )
        column[row] = np.datetime64("NaT") if moment is None else np.datetime64(moment, "us")
    return column


def missing(kind: Input, rows: int) -> Column:
    """The column of an optional field that was not sent at all."""
    if isinstance(kind, Vector):
        return np.full((rows, kind.length), np.nan)
    if isinstance(kind, Timestamp):
        return np.full(rows, np.datetime64("NaT"), dtype="datetime64[us]")
    if isinstance(kind, Category | Text):
        return np.full(rows, None, dtype=object)
    return np.full(rows, np.nan)


def to_bytes(datatype: str, values: Column | list[str]) -> bytes:
    """An output as raw little-endian bytes."""
    if datatype == "BYTES":
        parts: list[bytes] = []
        for text in values:
            raw = str(text).encode()
            parts += (_length_before.pack(len(raw)), raw)
        return b"".join(parts)
    return np.ascontiguousarray(values, dtype=_LITTLE[datatype]).tobytes()
