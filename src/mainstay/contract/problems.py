"""What is wrong with a batch of values, as values of their own, and as the refusal a caller reads.

Promises that a caller learns the field, the rule, the value and the row, and how many more there
are; that nothing a caller sent is echoed at length.
"""

import math
import reprlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from mainstay.base.errors import InvalidRequest
from mainstay.base.limits import GOT_MAX_CHARACTERS, PROBLEMS_PER_CALL_MAX

_brief: Final = reprlib.Repr()
_brief.maxstring = GOT_MAX_CHARACTERS
_brief.maxother = GOT_MAX_CHARACTERS


class Wrong(msgspec.Struct, frozen=True):
    """Why one value is refused: the rule it breaks and what would be right."""

    rule: str
    expected: str
    words: str = ""
    """What is wrong, when `expected` does not say enough."""


class Problem(msgspec.Struct, frozen=True):
    """One value, name or shape that breaks the contract."""

    row: int | None
    """Counted from 0; nothing when the whole batch is meant."""
    field: str | None
    rule: str
    got: Any
    expected: str
    message: str


def brief(value: Any) -> Any:
    """A value short enough to echo, and one that JSON can carry."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else "a whole number of more than 64 bits"
    if isinstance(value, str):
        cut = value[:GOT_MAX_CHARACTERS].encode("utf-8", "replace").decode()
        return cut + "…" if len(value) > GOT_MAX_CHARACTERS else cut
    text = _brief.repr(value)
    return text if len(text) <= GOT_MAX_CHARACTERS else text[:GOT_MAX_CHARACTERS] + "…"


def problem_of(row: int | None, field: str, value: Any, wrong: Wrong) -> Problem:
    """The problem that a value has in a row."""
    got = brief(value)
    if wrong.rule == "missing":
        message = f"{field!r} is missing; expected {wrong.expected}"
    else:
        shown = "null" if got is None else repr(got) if isinstance(got, str) else str(got)
        words = wrong.words or f"is {shown}"
        message = f"{field!r} {words}; expected {wrong.expected}"
    return Problem(row, field, wrong.rule, got, wrong.expected, message)


def first_ones(problems: list[Problem], order: dict[str, int]) -> list[Problem]:
    """Row by row, fields in the contract's order, at most as many as a refusal counts."""
    problems.sort(key=lambda p: (-1 if p.row is None else p.row, order.get(p.field or "", -1)))
    return problems[:PROBLEMS_PER_CALL_MAX]


def refusal(problems: Sequence[Problem], rows: int) -> InvalidRequest:
    """The error that tells a caller about the first problem and counts the others."""
    first = problems[0]
    message = first.message
    if first.row is not None and rows > 1:
        message = f"row {first.row}: {message}"
    more = len(problems) - 1
    if more:
        least = "at least " if len(problems) >= PROBLEMS_PER_CALL_MAX else ""
        message += f" (and {least}{more} more {'problem' if more == 1 else 'problems'})"
    return InvalidRequest(
        message, field=first.field, rule=first.rule, got=first.got, expected=first.expected
    )


def raise_first(problems: Sequence[Problem], rows: int) -> None:
    """Refuse the call when there is a problem."""
    if problems:
        raise refusal(problems, rows)
