"""Unusual values put right before they are checked, as a contract declares it.

Promises that a value which is in order is left alone, whatever is declared; that what a transform
makes is checked like anything else, so a repair never lets through what the contract refuses; and
that every change is told, with what was sent. Must never guess: where two readings of a value are
as likely, it stays as it is and is refused in words.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from mainstay.contract.columns import MATRIX, Column, Columns
from mainstay.contract.model import Category, Contract, Input, Integer, Number
from mainstay.contract.repairing import Step, Transform
from mainstay.contract.spelling import nearest

_LARGEST: Final = 1e300
_REMEMBERED_MAX: Final = 10_000
_SPELLED_MAX_CHARACTERS: Final = 64
_GROUPED: Final = re.compile(r"[+-]?[0-9]{1,3}(?:[. '][0-9]{3})*,[0-9]{1,30}")
_UNGROUPED: Final = re.compile(r"[+-]?[0-9]{1,30}(?:,[0-9]{1,30})?")
_WITH_POINT: Final = re.compile(r"[+-]?[0-9]{1,30}\.(?:[0-9]{1,2}|[0-9]{4,30})")


class Change(msgspec.Struct, frozen=True, gc=False):
    """One value that was repaired."""

    row: int
    field: str
    transform: str
    """The transforms that changed it, in their order."""
    sent: Any


Apply = Callable[[Any], Any]
"""A value to what is meant; itself where nothing else is."""


class Repairer:
    """The transforms of one contract, compiled once."""

    def __init__(self, contract: Contract) -> None:
        self._fields = {
            name: [(_name_of(step), _compiled(step, contract.inputs[name])) for step in steps]
            for name, steps in contract.repair.items()
        }
        self._kinds = {name: contract.inputs[name] for name in self._fields}
        self._names = tuple(contract.inputs)

    def rows(
        self, rows: Sequence[Mapping[str, Any]]
    ) -> tuple[Sequence[Mapping[str, Any]], tuple[Change, ...]]:
        """Decoded JSON objects, repaired; anything that is none is left to the check."""
        changes: list[Change] = []
        repaired: list[Mapping[str, Any]] = list(rows)
        for place, row in enumerate(rows):
            if not isinstance(row, dict):
                continue
            for name in self._fields:
                if name in row:
                    value, by = self._value(name, row[name])
                    if by:
                        changes.append(Change(place, name, by, row[name]))
                        repaired[place] = {**repaired[place], name: value}
        return repaired, tuple(changes)

    def columns(self, columns: Columns) -> tuple[Columns, tuple[Change, ...]]:
        """Columns of values, repaired; those of a form that the check refuses are left to it."""
        changes: list[Change] = []
        repaired = dict(columns)
        for name in self._fields:
            if MATRIX in columns:
                column: Column = columns[MATRIX][:, self._names.index(name)]
            elif name in columns and columns[name].ndim == 1:
                column = columns[name]
            else:
                continue
            found = self._column(name, column, changes)
            if found is None:
                continue
            if MATRIX in columns:
                if repaired[MATRIX] is columns[MATRIX]:
                    repaired[MATRIX] = columns[MATRIX].copy()
                repaired[MATRIX][:, self._names.index(name)] = found
            else:
                repaired[name] = found
        return repaired, tuple(sorted(changes, key=lambda change: change.row))

    def _column(self, name: str, column: Column, changes: list[Change]) -> Column | None:
        """A column with its repaired values; nothing where none was."""
        made: Column | None = None
        for row, value in enumerate(column.tolist()):
            repaired, by = self._value(name, value)
            if by:
                made = column.copy() if made is None else made
                made[row] = repaired
                changes.append(Change(row, name, by, value))
        return made

    def _value(self, name: str, value: Any) -> tuple[Any, str]:
        """What a value becomes, and by which transforms; none where it stays."""
        kind, by = self._kinds[name], ""
        for transform, apply in self._fields[name]:
            if isinstance(kind, Category) and isinstance(value, str) and value in kind.values:
                break
            found = apply(value)
            if found is value:
                continue
            if type(found) is not type(value) or found != value:
                by = f"{by}, {transform}" if by else transform
                value = found
        return value, by


def repairer_of(contract: Contract) -> Repairer | None:
    """What repairs the values of a contract; nothing where it declares nothing."""
    return Repairer(contract) if contract.repair else None


def changes_by_row(changes: Sequence[Change]) -> dict[int, str]:
    """What is recorded of each repaired row: field by field the transforms and what was sent."""
    told: dict[int, dict[str, list[Any]]] = {}
    for change in changes:
        told.setdefault(change.row, {})[change.field] = [change.transform, change.sent]
    return {row: msgspec.json.encode(each).decode() for row, each in told.items()}


def _name_of(step: Step) -> str:
    if isinstance(step, str):
        return step
    if step.map:
        return "map"
    return "unit" if step.spelling is None else "spelling"


def _compiled(step: Step, kind: Input) -> Apply:
    if isinstance(step, Transform):
        return _with_settings(step, kind)
    match step:
        case "trim":
            return lambda value: value.strip() if isinstance(value, str) else value
        case "encoding":
            return _decoded
        case "comma":
            return _number
        case "case":
            assert isinstance(kind, Category)
            known = {value.casefold(): value for value in kind.values}
            return lambda value: (
                known.get(value.casefold(), value) if isinstance(value, str) else value
            )
        case _:
            assert isinstance(kind, (Number, Integer))
            return lambda value: _clipped(value, kind)


def _with_settings(step: Transform, kind: Input) -> Apply:
    if step.map:
        words = step.map
        return lambda value: words.get(value, value) if isinstance(value, str) else value
    if step.spelling is not None:
        assert isinstance(kind, Category)
        return _Spelling(kind.values, step.spelling)
    return lambda value: _scaled(value, step, whole=isinstance(kind, Integer))


class _Spelling:
    """Known words by what people write for them; a bounded memory of what was looked up."""

    def __init__(self, known: tuple[str, ...], edits: int) -> None:
        self._known = known
        self._edits = edits
        self._remembered: dict[str, str] = {}

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, str) or len(value) > _SPELLED_MAX_CHARACTERS:
            return value
        found = self._remembered.get(value)
        if found is None:
            if len(self._remembered) >= _REMEMBERED_MAX:
                self._remembered.clear()
            found = nearest(value, self._known, self._edits) or value
            self._remembered[value] = found
        return found


def _decoded(value: Any) -> Any:
    """UTF-8 that was read as Latin-1 or Windows-1252, read anew; text that was not stays."""
    if not isinstance(value, str) or value.isascii():
        return value
    for wrong in ("cp1252", "latin-1"):
        try:
            return value.encode(wrong).decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
    return value


def _number(value: Any) -> Any:
    """A number that was written as text, with a comma before its decimals: 12,50 and 1.234,50. A
    point with three digits behind it could be either, so it stays text."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if _UNGROUPED.fullmatch(text) or _WITH_POINT.fullmatch(text):
        text = text.replace(",", ".")
    elif _GROUPED.fullmatch(text):
        text = re.sub(r"[. ']", "", text).replace(",", ".")
    else:
        return value
    number = float(text)
    return int(number) if "." not in text else number


def _clipped(value: Any, kind: Number | Integer) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:  # noqa: PLR0124  # because NaN is not itself
        return value
    if kind.min is not None and value < kind.min:
        return kind.min
    if kind.max is not None and value > kind.max:
        return kind.max
    return value


def _scaled(value: Any, step: Transform, *, whole: bool) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    if not abs(value) <= _LARGEST:
        return value
    above = step.when_above is not None and value > step.when_above
    below = step.when_below is not None and value < step.when_below
    if (not above and not below) or step.divide_by is None:
        return value
    found = value / step.divide_by
    return int(found) if whole and found.is_integer() else found
