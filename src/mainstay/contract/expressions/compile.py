"""The door of the room: a text as an expression, or everything that is wrong with it."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NoReturn

import numpy as np

from mainstay.base.errors import InvalidContract
from mainstay.base.limits import EXPRESSION_MAX_CHARACTERS
from mainstay.contract.columns import Column
from mainstay.contract.expressions import columns
from mainstay.contract.expressions.build import Builder, Known, Part, Sort
from mainstay.contract.expressions.columns import Run, Values
from mainstay.contract.expressions.model import BadText
from mainstay.contract.expressions.parse import parse
from mainstay.contract.expressions.spans import FINITE, Span
from mainstay.contract.model import (
    Boolean,
    Category,
    Integer,
    Kind,
    Number,
    Text,
    Timestamp,
)
from mainstay.contract.shape import Fault
from mainstay.contract.times import moment_us
from mainstay.contract.words import Setting, setting_name

Names = Mapping[str, Kind | Literal["number", "boolean", "text"]]
"""Name to the kind of its value; the bare words are values that may be missing."""
_WANTED: Final = {"number": "a number", "boolean": "true or false", "text": "text"}
_AROUND: Final = 12
_FAULTS_MAX: Final = 10
_INTEGER_MAX: Final = 2.0**53
_SECONDS_MAX: Final = 2.0**63 / 1e6
"""What 64 bits of microseconds reach."""


class InvalidExpression(InvalidContract):
    """A text that is no expression; `faults` says all that is wrong with it."""

    def __init__(self, at: Setting, faults: list[Fault]) -> None:
        super().__init__(f"{setting_name(at)}: {faults[0].words}", field=setting_name(at))
        self.faults = tuple(faults)


class Expression:
    """A rule or a formula, ready to look at columns."""

    __slots__ = ("_plain", "_run", "kind", "names", "text")

    def __init__(self, text: str, names: frozenset[str], kind: Sort, run: Run) -> None:
        self.text = text
        self.names = names
        """What it looks at."""
        self.kind: Sort = kind
        self._run = run
        self._plain = text.strip() in names

    def __call__(self, values: Values, rows: int | None = None) -> Column:
        """The value for every row; never raises for data. A number is NaN, a text None and a
        truth not true where something it needs is missing. `rows` makes a column of what looks at
        no column, which otherwise has no dimension."""
        if self._plain:  # a name alone computes nothing that could go wrong
            found: Any = self._run(values)
        else:
            with np.errstate(all="ignore"):
                found = self._run(values)
        column: Column = np.asarray(found[0] if self.kind == "boolean" else found)
        if rows is not None and column.ndim == 0:
            return np.full(rows, column[()], dtype=column.dtype)
        return column


def compile_expression(
    text: str,
    names: Names,
    at: Setting,
    *,
    kind: Sort | None = None,
) -> Expression:
    """A text as an expression over some names, of one kind where one is wanted.
    `InvalidExpression`, with faults at `at`, when it is none."""
    if len(text) > EXPRESSION_MAX_CHARACTERS:
        words = f"has {len(text)} characters; an expression has at most {EXPRESSION_MAX_CHARACTERS}"
        raise InvalidExpression(at, [Fault(at, words)])
    builder = Builder(_known(names))
    try:
        part = builder.build(parse(text))
    except BadText as wrong:
        _refuse(text, at, [wrong])
    if builder.faults or part is None:
        _refuse(text, at, builder.faults)
    if kind is not None and part.sort != kind:
        _refuse(text, at, [BadText(0, f"must be {_WANTED[kind]}, this is {_WANTED[part.sort]}")])
    return Expression(text, frozenset(builder.names), part.sort, part.run)


def _refuse(text: str, at: Setting, wrong: list[BadText]) -> NoReturn:
    faults = [Fault(at, f"{_place(text, bad.at)}: {bad.words}") for bad in wrong[:_FAULTS_MAX]]
    raise InvalidExpression(at, faults) from None


def _place(text: str, at: int) -> str:
    """Where, with what stands there."""
    if at >= len(text):
        return "at the end"
    seen = " ".join(text[at : at + _AROUND].split())
    return f"at character {at + 1} ({seen!r}{'…' if at + _AROUND < len(text) else ''})"


def _known(names: Names) -> Known:
    return {name: _part(name, kind) for name, kind in names.items()}


def _part(name: str, kind: Kind | str) -> Part | str:
    match kind:
        case "number":
            return Part("number", columns.number_named(name), FINITE, misses=True)
        case "boolean":
            return Part("boolean", columns.truth_named(name), misses=True)
        case "text":
            return Part("text", columns.text_named(name), misses=True)
        case Number():
            return _number(name, kind, FINITE)
        case Integer():
            return _number(name, kind, Span(-_INTEGER_MAX, _INTEGER_MAX))
        case Boolean():
            return Part("boolean", columns.truth_named(name), misses=kind.optional)
        case Text():
            return Part("text", columns.text_named(name), misses=kind.optional)
        case Category():
            words = None if kind.others else kind.values
            return Part("text", columns.text_named(name), misses=kind.optional, words=words)
        case Timestamp():
            span = Span(_seconds(kind.after, -_SECONDS_MAX), _seconds(kind.before, _SECONDS_MAX))
            run = columns.seconds_named(name)
            return Part("number", run, span, misses=kind.optional)
        case _:
            return "it is a vector, not one value"


def _number(name: str, kind: Number | Integer, widest: Span) -> Part:
    low = widest.low if kind.min is None else float(kind.min)
    high = widest.high if kind.max is None else float(kind.max)
    span = Span(low, high).within(widest)
    return Part("number", columns.number_named(name), span, kind.optional)


def _seconds(moment: str | None, otherwise: float) -> float:
    found = None if moment is None else moment_us(moment)
    return otherwise if found is None else found / 1e6
