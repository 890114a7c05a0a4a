"""What needs no test: a value that cannot be, a column that died, another type than before.

Promises that a fact is told in the stretch in which it happens, and only where the reference was
without it.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from mainstay.summaries.reference import Known
from mainstay.summaries.summary import Summary

ROWS_MIN: Final = 20
"""In fewer rows a column may well be empty, or all the same, by chance."""
_SAME_ROWS_MIN: Final = 100
_USUAL_MISSING: Final = 0.5


class Fact(NamedTuple):
    """Something about a column in one stretch."""

    name: str
    words: str
    rows: int


def facts_of(known: Known, current: Summary) -> Iterator[Fact]:
    """Everything about a column that cannot be right."""
    before, after = known.summary, current
    if after.kind not in ("empty", before.kind) and before.kind != "empty":
        yield Fact(
            "type", f"values are {after.kind} now, where they were {before.kind}", after.rows
        )
        return
    yield from _not_finite(before, after)
    usual = before.missing / before.rows if before.rows else 0.0
    if after.rows >= ROWS_MIN and after.missing == after.rows and usual < _USUAL_MISSING:
        yield Fact("dead", f"no value at all in {after.rows:,} decisions", after.missing)
    elif after.rows - after.missing >= _SAME_ROWS_MIN and _varied(before) and _same(after):
        yield Fact("constant", f"one and the same value in {after.rows:,} decisions", after.rows)


def _not_finite(before: Summary, after: Summary) -> Iterator[Fact]:
    was, now = before.numbers, after.numbers
    if now is None:
        return
    if now.nan and (was is None or not was.nan):
        yield Fact("not a number", f"{now.nan:,} of {after.rows:,} are not a number", now.nan)
    infinite, usual = sum(now.infinite), 0 if was is None else sum(was.infinite)
    if infinite and not usual:
        yield Fact("infinite", f"{infinite:,} of {after.rows:,} are infinite", infinite)


def _varied(summary: Summary) -> bool:
    if summary.numbers is not None:
        return summary.numbers.low != summary.numbers.high
    return summary.categories is not None and not _same(summary)


def _same(summary: Summary) -> bool:
    if summary.numbers is not None:
        return summary.numbers.low is not None and summary.numbers.low == summary.numbers.high
    if summary.categories is None:
        return False
    seen = sum(count > 0 for count in summary.categories.named) + len(summary.categories.others)
    return seen == 1
