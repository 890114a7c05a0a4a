"""The checker: a contract compiled once into the tests that every batch of values goes through.

Promises that rows of JSON objects, named columns and one matrix of numbers are held to the same
rules and refused in the same words; that a batch either passes whole or yields its problems and
nothing else; and that a batch without a fault costs a handful of NumPy calls. Must never change a
value: what passed is what the model sees.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from mainstay.base.limits import PROBLEMS_PER_CALL_MAX, ROWS_PER_CALL_MAX
from mainstay.contract.columns import MATRIX, Column, Columns
from mainstay.contract.fields import Field, Mask, NumberField, ParsedField, WordField, compile_field
from mainstay.contract.model import (
    Boolean,
    Contract,
    FromLookup,
    FromRequest,
    Input,
    Integer,
    Number,
    Vector,
)
from mainstay.contract.problems import Problem, Wrong, brief, first_ones, problem_of
from mainstay.contract.repair import repairer_of
from mainstay.contract.words import did_you_mean, one_of

Matrix = npt.NDArray[np.float64]
Value = bool | int | float | str | None

_ABSENT: Final[Any] = object()
_UNKNOWN_SHOWN_MAX: Final = 10


class FieldSet:
    """Named kinds of value, compiled: the inputs, the context a caller sends, or what a lookup
    brings back."""

    def __init__(
        self,
        kinds: Mapping[str, Input],
        *,
        otherwise: Mapping[str, Value] | None = None,
        gathered: frozenset[str] = frozenset(),
        prefix: str = "",
    ) -> None:
        """`otherwise` stands in for what is not sent; `gathered` are names that must not be sent
        because Mainstay looks them up itself; `prefix` goes before the names of the columns."""
        self.names = tuple(kinds)
        self.fields = tuple(compile_field(name, kind) for name, kind in kinds.items())
        self._by_name = {field.name: field for field in self.fields}
        self._order = {name: place for place, name in enumerate(self.names)}
        self._otherwise = dict(otherwise or {})
        self._gathered = gathered
        self._prefix = prefix

    def from_rows(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Columns, list[Problem]]:
        """Decoded JSON objects as columns, or what is wrong with them."""
        problems = _count_problems(len(rows))
        if problems:
            return {}, problems
        for row, values in enumerate(rows):
            if not isinstance(cast("Any", values), Mapping):
                problems.append(_not_an_object(row, values))
                rows = _with_empty(rows, row)
            elif not values.keys() <= self._by_name.keys():
                problems.extend(self._unknown(row, values))
            if len(problems) >= PROBLEMS_PER_CALL_MAX:
                break
        skip = {problem.row for problem in problems if problem.field is None}
        columns: Columns = {}
        for field in self.fields:
            column, found = self._read(field, rows)
            problems.extend(problem for problem in found if problem.row not in skip)
            columns[self._prefix + field.name] = column
        return ({}, first_ones(problems, self._order)) if problems else (columns, [])

    def _read(
        self, field: Field, rows: Sequence[Mapping[str, Any]]
    ) -> tuple[Column, list[Problem]]:
        name = field.name
        stand_in = self._otherwise.get(name)
        if stand_in is None:
            values = [row.get(name) for row in rows]
        else:
            values = [stand_in if (v := row.get(name)) is None else v for row in rows]
        odd = set(map(type, values)) - field.types
        suspects: list[int] = []
        readable = values
        if odd and not (field.optional and odd == {type(None)}):
            suspects = [
                row
                for row, value in enumerate(values)
                if type(value) not in field.types and not (field.optional and value is None)
            ]
            readable = [value if type(value) in field.types else None for value in values]
        column = field.read(readable)
        good = field.good(column)
        if not good.all():
            suspects.extend(np.flatnonzero(~good).tolist())
        if field.optional and isinstance(field, ParsedField):
            empty: list[int] = np.flatnonzero(field.blank(column)).tolist()
            suspects.extend(row for row in empty if values[row] is not None)
        if not suspects:
            return field.settle(column), []
        found: list[Problem] = []
        for row in sorted(set(suspects))[:PROBLEMS_PER_CALL_MAX]:
            wrong = field.refuses(values[row])
            if wrong is not None:
                found.append(problem_of(row, name, values[row], wrong))
        return column, found

    def _unknown(self, row: int, values: Mapping[str, Any]) -> list[Problem]:
        unknown = [name for name in values if name not in self._by_name]
        return [
            _unknown_name(row, name, self.names, gathered=name in self._gathered)
            for name in unknown[:_UNKNOWN_SHOWN_MAX]
        ]

    def check(self, columns: Columns) -> list[Problem]:
        """What is wrong with named columns."""
        if columns.keys() != self._by_name.keys():
            return self._name_problems(columns)
        problems: list[Problem] = []
        rows = -1
        for field in self.fields:
            column = columns[field.name]
            fault = field.form(column)
            if fault is not None:
                expected = f"a column of values that are each {field.expected}"
                problems.append(_whole(field.name, "type", fault, expected))
                continue
            if rows >= 0 and column.shape[0] != rows:
                fault = f"has {column.shape[0]} rows, others have {rows}"
                problems.append(_whole(field.name, "rows", fault, "as many rows in each column"))
                continue
            rows = column.shape[0]
            problems.extend(_column_problems(field, column))
        return first_ones(problems, self._order) if problems else _count_problems(max(rows, 0))

    def _name_problems(self, columns: Columns) -> list[Problem]:
        problems = [
            _whole(field.name, "missing", "is missing", field.expected)
            for field in self.fields
            if field.name not in columns
        ]
        unknown = [name for name in columns if name not in self._by_name][:_UNKNOWN_SHOWN_MAX]
        problems.extend(_unknown_name(None, name, self.names) for name in unknown)
        return first_ones(problems, self._order)


def _column_problems(field: Field, column: Column) -> list[Problem]:
    good = field.good(column)
    if good.all():
        return []
    found: list[Problem] = []
    words = isinstance(field, WordField)
    for row in np.flatnonzero(~good)[:PROBLEMS_PER_CALL_MAX].tolist():
        value = column[row]
        if isinstance(value, np.generic) and value.dtype.kind in "fi":
            value = value.item()
        wrong = field.refuses(value) if words else field.wrong(value)
        if wrong is not None:
            found.append(problem_of(row, field.name, _plain(value), wrong))
    return found


def _plain(value: Any) -> Any:
    """A value of a column as JSON would show it."""
    if isinstance(value, np.ndarray):
        return cast("Any", value).tolist()
    if isinstance(value, np.datetime64):
        shown = str(cast("Any", value))
        return None if shown == "NaT" else f"{shown}Z"
    return value


def _whole(field: str, rule: str, fault: str, expected: str) -> Problem:
    message = f"{field!r} {fault}; expected {expected}"
    return Problem(None, field, rule, None, expected, message)


def _not_an_object(row: int, value: Any) -> Problem:
    expected = "an object of named values"
    return Problem(row, None, "type", brief(value), expected, f"each row must be {expected}")


def _unknown_name(
    row: int | None, name: Any, names: Sequence[str], *, gathered: bool = False
) -> Problem:
    shown = brief(name) if isinstance(name, str) else brief(repr(name))
    if gathered:
        expected = "no such value: it is looked up here, not sent"
        return Problem(row, str(shown), "unknown", None, expected, f"{shown!r} must not be sent")
    guess = did_you_mean(name, names) if isinstance(name, str) else ""
    expected = f"one of {one_of(names)}" if names else "no values at all"
    message = f"{shown!r} is not known here{guess}; expected {expected}"
    return Problem(row, str(shown), "unknown", None, expected, message)


def _with_empty(rows: Sequence[Mapping[str, Any]], place: int) -> Sequence[Mapping[str, Any]]:
    kept = list(rows)
    kept[place] = {}
    return kept


def _count_problems(rows: int) -> list[Problem]:
    if 1 <= rows <= ROWS_PER_CALL_MAX:
        return []
    expected = f"1 to {ROWS_PER_CALL_MAX} rows in a call"
    message = f"the call has {rows} rows; expected {expected}"
    return [Problem(None, None, "rows", rows, expected, message)]


class Checker:
    """Everything a contract says about values, ready to run.

    `numeric` says that all inputs are numbers, whole numbers or booleans, so rows may travel as
    one float64 matrix in the order of `names`; `spaces` names the embedding space that a vector
    input must come from.
    """

    def __init__(self, contract: Contract) -> None:
        kinds = contract.inputs
        self.names = tuple(kinds)
        self.inputs = FieldSet(kinds)
        self.numeric = all(isinstance(k, (Number, Integer, Boolean)) for k in kinds.values())
        self.repairer = repairer_of(contract)
        self.spaces = {
            name: kind.space
            for name, kind in kinds.items()
            if isinstance(kind, Vector) and kind.space is not None
        }
        sent = {n: c for n, c in contract.context.items() if isinstance(c, FromRequest)}
        looked_up = {n: c for n, c in contract.context.items() if isinstance(c, FromLookup)}
        self.context = FieldSet(
            {name: source.value for name, source in sent.items()},
            otherwise={name: source.otherwise for name, source in sent.items()},
            gathered=frozenset(looked_up),
        )
        self.lookups = {
            name: FieldSet(source.fields, otherwise=source.otherwise, prefix=f"{name}.")
            for name, source in looked_up.items()
        }
        self._order = {name: place for place, name in enumerate(self.names)}
        self._numbers: tuple[NumberField, ...] = tuple(
            field for field in self.inputs.fields if isinstance(field, NumberField)
        )
        if self.numeric:
            self._compile_matrix()

    def _compile_matrix(self) -> None:
        numbers = self._numbers
        self._low = np.array([number.low for number in numbers])
        self._high = np.array([number.high for number in numbers])
        self._optional = np.array([number.optional for number in numbers])
        whole = [place for place, number in enumerate(numbers) if number.whole]
        self._whole = _as_slice(whole)
        self._some_optional = bool(self._optional.any())
        self._plain_rows = all(number.types >= {int, float} for number in numbers)
        getter = cast("Any", itemgetter(*self.names))
        # An itemgetter of a single name returns the value itself instead of a tuple of one.
        self._values_of: Any = getter if len(self.names) > 1 else _One(getter)

    def check_matrix(self, matrix: Matrix) -> list[Problem]:
        """What is wrong with rows of numbers in the order of the inputs."""
        if matrix.ndim != 2 or matrix.shape[1] != len(self.names) or matrix.dtype != np.float64:
            return [self._matrix_form(matrix)]
        if not 1 <= matrix.shape[0] <= ROWS_PER_CALL_MAX:
            return _count_problems(matrix.shape[0])
        # NaN fails every comparison.
        good: Mask = (matrix >= self._low) & (matrix <= self._high)
        if np.count_nonzero(good) == good.size:  # several times as fast as `all`
            if self._whole is None:
                return []
            whole = matrix[:, self._whole]
            if (np.rint(whole) == whole).all():
                return []
        elif self._some_optional and self._good(matrix).all():
            return []
        return self._matrix_problems(matrix)

    def _good(self, matrix: Matrix) -> Mask:
        good: Mask = (matrix >= self._low) & (matrix <= self._high)
        if self._whole is not None:
            whole = matrix[:, self._whole]
            good[:, self._whole] &= np.rint(whole) == whole
        return good | (np.isnan(matrix) & self._optional)

    def _matrix_problems(self, matrix: Matrix) -> list[Problem]:
        found = np.argwhere(~self._good(matrix))[:PROBLEMS_PER_CALL_MAX]
        places: list[list[int]] = found.tolist()
        problems: list[Problem] = []
        for row, place in places:
            field = self._numbers[place]
            value = float(matrix[row, place])
            wrong = field.wrong(value)
            if wrong is not None:
                problems.append(problem_of(row, field.name, value, wrong))
        return problems

    def _matrix_form(self, matrix: Any) -> Problem:
        expected = f"a float64 matrix of shape [rows, {len(self.names)}]"
        wrong = Wrong("shape", expected, f"has the type {matrix.dtype} and shape {matrix.shape}")
        return problem_of(None, MATRIX, None, wrong)

    def check_columns(self, columns: Columns) -> list[Problem]:
        """What is wrong with named columns, or with the matrix form where that is allowed."""
        if self.numeric and columns.keys() == {MATRIX}:
            return self.check_matrix(columns[MATRIX])
        return self.inputs.check(columns)

    def columns_from_rows(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Columns, list[Problem]]:
        """Decoded JSON objects as columns (the matrix form where all inputs are numbers), or
        what is wrong with them and no columns."""
        if not self.numeric:
            return self.inputs.from_rows(rows)
        matrix = self._matrix_at_once(rows) if self._plain_rows else None
        if matrix is None:
            columns, problems = self.inputs.from_rows(rows)
            if problems:
                return {}, problems
            stacked = np.empty((len(rows), len(self.names)))
            for place, name in enumerate(self.names):
                stacked[:, place] = columns[name]
            matrix = stacked
        return {MATRIX: matrix}, []

    def _matrix_at_once(self, rows: Sequence[Mapping[str, Any]]) -> Matrix | None:
        """The matrix of rows without any fault; nothing when one row needs a closer look."""
        width = len(self.names)
        if set(map(type, rows)) != {dict} or set(map(len, rows)) != {width}:
            return None
        try:
            flat = list(chain.from_iterable(map(self._values_of, rows)))
            if not {int, float}.issuperset(map(type, flat)):
                return None
            matrix = np.array(flat, dtype=np.float64).reshape(len(rows), width)
        except (KeyError, OverflowError):
            return None
        return None if self.check_matrix(matrix) else matrix

    def context_from_rows(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Columns, list[Problem]]:
        """What callers sent beside the inputs, as columns, with `otherwise` standing in."""
        return self.context.from_rows(rows)

    def spread(self, columns: Columns) -> Columns:
        """The named view of a checked batch: each column in the exact form of its kind."""
        if not self.numeric or columns.keys() != {MATRIX}:
            return columns
        matrix = columns[MATRIX]
        return {f.name: f.settle(matrix[:, place]) for place, f in enumerate(self._numbers)}


class _One:
    """Makes a tuple of the one value that a getter returns."""

    def __init__(self, getter: Any) -> None:
        self._getter = getter

    def __call__(self, row: Mapping[str, Any]) -> tuple[Any]:
        return (self._getter(row),)


def _as_slice(places: list[int]) -> slice | npt.NDArray[np.intp] | None:
    """Neighbouring columns as a slice, which NumPy reads without copying."""
    if not places:
        return None
    if places == list(range(places[0], places[-1] + 1)):
        return slice(places[0], places[-1] + 1)
    return np.array(places, dtype=np.intp)
