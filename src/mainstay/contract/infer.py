"""A contract out of sample data, so that the first model is served without writing one.

Promises that the data it was made from passes it, and that its defaults are generous where a
guess could refuse good values: a range is the observed one with its own width added on both
sides. What was seen is told in `observed`, for the comments of the written file. Must never copy
the data itself into a contract, except the few words that are the values of a category.
"""

import math
from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final, cast

import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import CATEGORY_MAX_CHARACTERS, INTEGER_MAX, TEXT_MAX_CHARACTERS
from mainstay.contract.columns import Column
from mainstay.contract.fields import FLOAT_MAX, plain
from mainstay.contract.load import check_contract
from mainstay.contract.model import (
    Boolean,
    Category,
    Contract,
    Input,
    Integer,
    Number,
    Output,
    Text,
    Timestamp,
    Vector,
)
from mainstay.contract.rules import field_name_fault

_CATEGORY_VALUES_MAX: Final = 100
_ROWS_PER_CATEGORY_VALUE: Final = 5
"""Words are a category when each is seen about this often; else they are free text."""
_TEXT_LENGTH_LEAST: Final = 1000
_DIGITS: Final = 2


def infer_contract(
    model: str, columns: Mapping[str, Column], output: Output, *, about: str = ""
) -> Contract:
    """The contract that sample data suggests; `InvalidUsage` names a column that fits no kind."""
    inputs: dict[str, Input] = {}
    for name, column in columns.items():
        fault = field_name_fault(name)
        if fault is not None:
            raise InvalidUsage(f"column {name[:60]!r} cannot be an input: {fault}", field=name)
        inputs[name] = infer_kind(name, column)
    contract = Contract(model=model, about=about, inputs=inputs, output=output)
    check_contract(contract)
    return contract


def observed(columns: Mapping[str, Column]) -> dict[str, str]:
    """What was seen in each column, in a few words for the comments of a written contract."""
    return {name: _seen(*_canonical(name, column)) for name, column in columns.items()}


def infer_kind(name: str, column: Column) -> Input:
    """The kind of value that a column of sample data suggests."""
    kind, values, missing = _canonical(name, column)
    optional = missing > 0
    match kind:
        case "boolean":
            return Boolean(optional=optional)
        case "integer":
            low, high = _widened(float(values.min()), float(values.max()))
            return Integer(
                optional=optional,
                min=max(math.floor(low), -INTEGER_MAX),
                max=min(math.ceil(high), INTEGER_MAX),
            )
        case "number":
            if values.size == 0:
                return Number(optional=optional)
            low, high = _widened(float(values.min()), float(values.max()))
            return Number(optional=optional, min=low, max=high)
        case "words":
            return _words_kind(values, len(column), optional=optional)
        case "timestamp":
            return Timestamp(optional=optional)
        case _:
            return Vector(optional=optional, length=int(values.shape[1]))


def _words_kind(values: Column, rows: int, *, optional: bool) -> Input:
    distinct: set[str] = set(values.tolist())
    longest = max((len(word) for word in distinct), default=0)
    few = 0 < len(distinct) <= min(_CATEGORY_VALUES_MAX, rows // _ROWS_PER_CATEGORY_VALUE)
    if few and longest <= CATEGORY_MAX_CHARACTERS:
        return Category(optional=optional, values=tuple(sorted(distinct)))
    generous = max(_TEXT_LENGTH_LEAST, int(_rounded(4.0 * longest, ROUND_CEILING)))
    return Text(optional=optional, max_length=min(generous, TEXT_MAX_CHARACTERS))


def _widened(low: float, high: float) -> tuple[float, float]:
    """A range with its own width on both sides, rounded outwards to two digits."""
    width = high - low
    if width == 0:
        width = abs(low) or 1.0
    elif not math.isfinite(width):
        return -FLOAT_MAX, FLOAT_MAX
    wide_low, wide_high = low - width, high + width
    return (
        max(_rounded(wide_low, ROUND_FLOOR), -FLOAT_MAX),
        min(_rounded(wide_high, ROUND_CEILING), FLOAT_MAX),
    )


def _rounded(number: float, direction: str) -> float:
    if number == 0 or not math.isfinite(number):
        return number
    exact = Decimal(number)
    step = Decimal(1).scaleb(exact.adjusted() - _DIGITS + 1)
    return float((exact / step).to_integral_value(rounding=direction) * step)


def _seen(kind: str, values: Column, missing: int) -> str:
    lacking = f", {missing} missing" if missing else ""
    if values.size == 0:
        return f"nothing seen{lacking}"
    match kind:
        case "number" | "integer":
            low, high = float(values.min()), float(values.max())
            return f"seen {_short(low)} to {_short(high)}{lacking}"
        case "words":
            distinct = set(values.tolist())
            longest = max(len(word) for word in distinct)
            return f"seen {len(distinct)} different, at most {longest} characters{lacking}"
        case "timestamp":
            return f"seen {values.min()}Z to {values.max()}Z{lacking}"
        case "boolean":
            return f"seen true in {100 * float(values.mean()):.2g} %{lacking}"
        case _:
            return f"seen {_short(float(values.min()))} to {_short(float(values.max()))}{lacking}"


def _short(number: float) -> str:
    return plain(float(f"{number:.6g}"))


def _canonical(name: str, column: Column) -> tuple[str, Column, int]:
    """(kind, the values that are there, how many are missing) of a column of any NumPy type."""
    if column.ndim == 2 and column.dtype.kind in "fiu":
        return _canonical_vectors(name, column.astype(np.float64))
    if column.ndim != 1:
        raise _unfit(name, f"it has {column.ndim} dimensions; give one value or vector per row")
    if column.shape[0] == 0:
        raise _unfit(name, "it has no rows, so nothing can be learnt from it")
    match column.dtype.kind:
        case "b":
            return "boolean", column, 0
        case "i" | "u":
            return _canonical_integers(name, column, 0)
        case "f":
            return _canonical_numbers(name, column.astype(np.float64))
        case "M":
            moments = column.astype("M8[us]")
            there = moments[~np.isnat(moments)]
            return "timestamp", there, len(moments) - len(there)
        case "U":
            return "words", _words(name, column.tolist()), 0
        case "O":
            return _canonical_objects(name, column.tolist())
        case _:
            raise _unfit(name, f"values of the type {column.dtype} fit no kind of input")


def _unfit(name: str, words: str) -> InvalidUsage:
    return InvalidUsage(f"column {name!r} cannot be an input: {words}", field=name)


def _canonical_integers(name: str, values: Column, missing: int) -> tuple[str, Column, int]:
    if int(values.max()) > INTEGER_MAX or int(values.min()) < -INTEGER_MAX:
        words = "it has whole numbers of more than 53 bits, which JSON cannot carry; use text"
        raise _unfit(name, words)
    return "integer", values, missing


def _canonical_numbers(name: str, values: Column) -> tuple[str, Column, int]:
    if np.isinf(values).any():
        raise _unfit(name, "it holds infinity, which no model should be sent; clean it first")
    there = values[~np.isnan(values)]
    return "number", there, len(values) - len(there)


def _canonical_vectors(name: str, values: Column) -> tuple[str, Column, int]:
    missing = np.isnan(values).all(axis=1)
    there = values[~missing]
    if not np.isfinite(there).all():
        raise _unfit(name, "some vectors hold numbers that are not finite; clean them first")
    return "vector", there, int(missing.sum())


def _words(name: str, values: list[Any]) -> Column:
    words = np.empty(len(values), dtype=object)
    words[:] = values
    try:
        "\0".join(values).encode()
    except UnicodeEncodeError:
        raise _unfit(name, "it holds text that is not valid Unicode; clean it first") from None
    return words


def _is_missing(value: Any) -> bool:
    # The missing values of data frames are recognised without importing their libraries.
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(value, (float, np.floating)) and math.isnan(cast("float", value))


def _canonical_objects(name: str, values: list[Any]) -> tuple[str, Column, int]:
    there = [value for value in values if not _is_missing(value)]
    missing = len(values) - len(there)
    if not there:
        return "words", _words(name, []), missing
    kinds = {_kind_of_object(value) for value in there}
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    if len(kinds) != 1 or None in kinds:
        seen = ", ".join(sorted({type(value).__name__ for value in there})[:5])
        raise _unfit(name, f"it mixes or holds values that fit no one kind of input: {seen}")
    match kinds.pop():
        case "words":
            return "words", _words(name, there), missing
        case "boolean":
            return "boolean", np.array(there, dtype=np.bool_), missing
        case "integer":
            if max(there) > INTEGER_MAX or min(there) < -INTEGER_MAX:
                return _canonical_integers(name, np.array([2**60]), missing)
            return "integer", np.array(there, dtype=np.int64), missing
        case "number":
            kind, column, _ = _canonical_numbers(name, np.array(there, dtype=np.float64))
            return kind, column, missing
        case "timestamp":
            return "timestamp", _moments(name, there), missing
        case _:
            return _lists(name, there, missing)


def _kind_of_object(value: Any) -> str | None:
    match value:
        case str():
            return "words"
        case bool() | np.bool_():
            return "boolean"
        case int() | np.integer():
            return "integer"
        case float() | np.floating():
            return "number"
        case np.datetime64():
            return "timestamp"
        case list() | tuple() | np.ndarray():
            return "vector"
        case _:
            return "timestamp" if hasattr(value, "utcoffset") else None


def _moments(name: str, values: list[Any]) -> Column:
    moments = np.empty(len(values), dtype="M8[us]")
    for row, value in enumerate(values):
        if isinstance(value, np.datetime64):
            moments[row] = value
            continue
        ahead = value.utcoffset()
        if ahead is None:
            raise _unfit(name, "some moments have no time zone; say which one they are in")
        moments[row] = np.datetime64(value.replace(tzinfo=None) - ahead, "us")
    return moments


def _lists(name: str, values: list[Any], missing: int) -> tuple[str, Column, int]:
    try:
        vectors = np.array([np.asarray(value, dtype=np.float64) for value in values])
    except ValueError:
        raise _unfit(name, "its lists differ in length or hold more than numbers") from None
    if vectors.ndim != 2:
        raise _unfit(name, "its lists are nested; give one list of numbers per row")
    kind, column, lacking = _canonical_vectors(name, vectors)
    return kind, column, missing + lacking
