"""Rows of one contract as another contract takes them.

A version is asked what it can be asked: a value that it does not know stands aside when its
contract lets it be missing or names what stands in for it; a row that it would refuse at its door
is left out; and where a value that it needs does not exist, no row can be asked, and the words say
which.
"""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.bundle.features import kinds_of
from mainstay.contract.columns import Column, Columns, rows_of, take
from mainstay.contract.fields import compile_field
from mainstay.contract.model import (
    Boolean,
    Category,
    Contract,
    FromLookup,
    FromRequest,
    Input,
    Integer,
    Number,
    Text,
    Timestamp,
    Vector,
)


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that a contract takes, as it takes them."""

    columns: Columns = {}
    rows: Column
    """Their places among the rows that were given."""
    why: str = ""
    """Why there are none, in words; empty where there are some."""


def fit(contract: Contract, given: Columns, known: frozenset[str], who: str) -> Fitted:
    """The rows as `contract` takes them. `known` are the names that the other contract has: what it
    has and did not give, was never needed. `who` says whose contract it is."""
    rows = rows_of(given)
    good: npt.NDArray[np.bool_] = np.ones(rows, dtype=np.bool_)
    fitted: Columns = {}
    for name, kind in kinds_of(contract).items():
        if name not in given and name in known:
            continue
        column = _cast(given[name], kind) if name in given else instead(contract, name, kind, rows)
        if column is None:
            there = "is of another kind now" if name in given else "is not there any more"
            return _none(f"{who} needs {name!r}, which {there}")
        field = compile_field(name, kind)
        wrong = field.form(column)
        if wrong is not None:
            return _none(f"{who} cannot take {name!r}: it {wrong}")
        good &= field.good(column)
        fitted[name] = field.settle(column) if good.all() else column
    places = np.flatnonzero(good)
    if not places.size:
        return _none(f"{who} would refuse every one of these rows")
    settled = take(fitted, places)
    kinds = kinds_of(contract)
    return Fitted(
        columns={n: compile_field(n, kinds[n]).settle(c) for n, c in settled.items()}, rows=places
    )


def _none(why: str) -> Fitted:
    return Fitted(rows=np.empty(0, dtype=np.int64), why=why)


def _cast(column: Column, kind: Input) -> Column | None:
    """A column in the type of another kind, where that changes no value."""
    if isinstance(kind, (Number, Integer, Boolean)):
        if column.dtype.kind not in "iufb" or column.ndim != 1:
            return None
        if isinstance(kind, Boolean):
            return column.astype(np.float64) if kind.optional else column.astype(np.bool_)
        if isinstance(kind, Integer) and column.dtype == np.int64:
            return column
        return column.astype(np.float64)
    if isinstance(kind, (Category, Text)):
        return column if column.dtype == object else None
    if isinstance(kind, Timestamp):
        return column if column.dtype.kind == "M" else None
    return column if column.dtype.kind == "f" and column.ndim == 2 else None


def instead(contract: Contract, name: str, kind: Input, rows: int) -> Column | None:
    """What stands in for a column that was not given; nothing where nothing does."""
    if kind.optional:
        return _missing(kind, rows)
    context, _, field = name.partition(".")
    match contract.context.get(name) or contract.context.get(context):
        case FromRequest(otherwise=value) if value is not None:
            return _constant(value, rows)
        case FromLookup(otherwise=values) if values.get(field) is not None:
            return _constant(values[field], rows)
        case _:
            return None


def _missing(kind: Input, rows: int) -> Column:
    match kind:
        case Category() | Text():
            return np.full(rows, None, dtype=object)
        case Timestamp():
            return np.full(rows, np.datetime64("NaT"), dtype="<M8[us]")
        case Vector():
            return np.full((rows, kind.length), np.nan)
        case _:
            return np.full(rows, np.nan)


def _constant(value: Any, rows: int) -> Column:
    dtype: Any = object if isinstance(value, str) else bool if isinstance(value, bool) else float
    return np.full(rows, value, dtype=dtype)


def joined(first: Columns, then: Columns) -> Columns:
    """One batch after another, in the columns that both have."""
    if not rows_of(first):
        return then
    return {name: np.concatenate([first[name], then[name]]) for name in then if name in first}
