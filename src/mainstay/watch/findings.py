"""From checks to findings: the verdict of each, in words that name the column and the change."""

import difflib
import math
from typing import NamedTuple

from mainstay.contract.finding import Finding, Verdict
from mainstay.summaries.summary import Numbers
from mainstay.watch.column import new_names
from mainstay.watch.frames import Frame
from mainstay.watch.model import Check, Measured
from mainstay.watch.units import unit_change

_NAMES_SHOWN = 5
_NAME_SHOWN_CHARACTERS = 60
_BLIND_FROM = 0.5
"""Where only a change of more than half of all rows could have been seen, nothing was shown."""

_COMPARED = {
    ("number", "number"), ("sequence", "number"), ("text", "strings"), ("category", "strings"),
    ("vector", "vector"), ("time", "time"), ("unordered", "unordered"),
}  # fmt: skip


class Judged(NamedTuple):
    """A column with its checks: each with its corrected p-value and its part of the rate."""

    column: Measured
    checks: tuple[tuple[Check, float, float], ...]
    figures: dict[str, float]


def changed_columns(before: Frame, after: Frame, ignored: set[str]) -> list[Finding]:
    """Columns that are gone or new, and data sets without rows."""
    found: list[Finding] = []
    for role, frame in (("reference", before), ("current", after)):
        if frame.rows == 0:
            found.append(Finding(
                check=f"{role}: rows", verdict="unsure", figure=0.0, limit=1.0,
                words=f"The {role} data has no rows, so nothing can be said about it.",
            ))  # fmt: skip
    new = [name for name in after.names if name not in before.names and name not in ignored]
    for name in before.names:
        if name in after.names or name in ignored:
            continue
        near = difflib.get_close_matches(name, new, n=1)
        hint = f" Has it become `{near[0]}`?" if near else ""
        found.append(Finding(
            check=f"{name}: column", verdict="fail", samples=after.rows,
            words=f"Column `{name}` is gone.{hint}",
        ))  # fmt: skip
    for name in new:
        found.append(Finding(  # noqa: PERF401  # because a comprehension this long hides its subject
            check=f"{name}: column", verdict="unsure", samples=after.rows,
            words=f"Column `{name}` is new, so there is nothing to compare it with.",
        ))  # fmt: skip
    return found


def findings_of(judged: Judged, rate: float) -> list[Finding]:
    """What is found in one column."""
    column = judged.column
    facts = _facts(column)
    found = [_finding(column, check, p, weight, rate) for check, p, weight in judged.checks]
    if facts or found:
        return facts + found
    words = _incomparable(column)
    if not words:
        return []
    return [Finding(check=f"{column.name}: shape", verdict="unsure",
                    samples=column.current.rows, words=words)]  # fmt: skip


def _incomparable(column: Measured) -> str:
    """Why nothing could be asked of a column; empty where that says nothing."""
    if column.ruler.kind == "unordered":
        return f"Values of type {column.types[0]} are not compared."
    for role, each in (("The reference", column.reference), ("The current data", column.current)):
        numbers = each.numbers or each.lengths
        if numbers is None or numbers.moments.count:
            continue
        if numbers.nan + sum(numbers.infinite):
            return f"{role} has no finite value of `{column.name}`, so nothing can be compared."
    return ""


def _facts(column: Measured) -> list[Finding]:
    """What needs no test."""
    name, now = column.name, column.current
    found: list[Finding] = []
    kinds = (column.ruler.kind, now.kind)
    other = kinds not in _COMPARED or (kinds[1] == "vector" and column.types[0] != column.types[1])
    if "empty" not in kinds and other:
        found.append(Finding(
            check=f"{name}: type", verdict="fail", samples=now.rows,
            words=f"`{name}` was {column.types[0]} and is {column.types[1]} now.",
        ))  # fmt: skip
    before = column.reference.numbers or column.reference.lengths
    after = now.numbers or now.lengths
    if after is None:
        return found
    for question, words, was, count in (
        ("not a number", "not a number", before.nan if before else 0, after.nan),
        ("infinite", "infinite", sum(before.infinite) if before else 0, sum(after.infinite)),
    ):
        if count and not was:
            found.append(Finding(
                check=f"{name}: {question}", verdict="fail", figure=float(count), limit=0.0,
                compared=0.0, samples=now.rows,
                words=f"{count:,} of {now.rows:,} values of `{name}` are {words};"
                " the reference has none.",
            ))  # fmt: skip
    return found


def verdict_of(check: Check, p: float, weight: float, rate: float) -> tuple[Verdict, str]:
    """The verdict of a check, and what is to be said of how sure it is."""
    certain = p <= rate
    if certain and check.effect >= check.limit:
        return "fail", ""
    if certain:
        return "pass", " That is no chance, but too little to matter."
    # The Kolmogorov–Smirnov test's own threshold for this many rows and tests.
    seen_from = check.detectable * math.sqrt(math.log(2.0 / (rate * weight)) / 2.0)
    if seen_from > _BLIND_FROM:
        few = f" {check.samples:,} rows are too few to see less than a change of half of them."
        return "unsure", few
    return "pass", ""


def _finding(column: Measured, check: Check, p: float, weight: float, rate: float) -> Finding:
    certain = p <= rate
    verdict, tail = verdict_of(check, p, weight, rate)
    return Finding(
        check=f"{column.name}: {check.question}",
        verdict=verdict,
        words=_words(column, check, changed=certain) + tail,
        figure=check.effect,
        limit=check.limit,
        samples=check.samples,
    )


def _words(column: Measured, check: Check, *, changed: bool) -> str:
    name = f"`{column.name}`"
    if check.question == "shape":
        return _shape_words(column, check, changed=changed)
    if check.question == "missing":
        before, after = column.reference, column.current
        if after.missing == after.rows and before.missing < before.rows:
            return f"{name} has died: all its values are missing."
        if before.missing == before.rows and after.missing < after.rows:
            return f"{name} has come alive: in the reference all its values are missing."
        return (
            f"{_share(after.missing / after.rows)} of {name} are missing,"
            f" {_share(before.missing / before.rows)} in the reference."
        )
    if check.question in {"not a number", "infinite"}:
        return f"The share of {name} that is {check.question} differs by {_share(check.effect)}."
    if check.question == "range":
        return _range_words(column, check)
    shown = ", ".join(_shown(new) for new, _ in new_names(column, _NAMES_SHOWN))
    if not shown:
        return f"{name} has no values that the reference does not have."
    return f"{_share(check.effect)} of {name} are values that the reference does not have: {shown}."


def _shape_words(column: Measured, check: Check, *, changed: bool) -> str:
    name = f"`{column.name}`"
    if not changed:
        return f"{name} is distributed as in the reference, as far as {check.samples:,} rows tell."
    before = column.reference.numbers or column.reference.lengths
    after = column.current.numbers or column.current.lengths
    if before is None or after is None:
        return f"{_share(check.effect)} of the rows of {name} have moved to other categories."
    if column.vectors is not None:
        return (
            f"{name} has changed: its vectors can be told from those of the reference with an area"
            f" under the ROC curve of {column.vectors.apart.area:.3f}, where 0.5 is a coin; their"
            f" mean length was {_number(before.moments.mean)} and is {_number(after.moments.mean)}."
        )
    what = f"The length of {name}" if column.reference.lengths else name
    if after.low == after.high:
        return f"{what} has become constant: {_number(after.low)}."
    text = (
        f"{what} has changed: the share of rows below some value differs by {_share(check.effect)};"
        f" its mean was {_number(before.moments.mean)} and is {_number(after.moments.mean)}."
    )
    unit = "" if column.reference.lengths else unit_change(before.moments, after.moments)
    return f"{text} It looks {unit}." if unit else text


def _range_words(column: Measured, check: Check) -> str:
    before = column.reference.numbers or column.reference.lengths
    after = column.current.numbers or column.current.lengths
    assert before is not None
    assert after is not None
    what = "lengths" if column.reference.lengths else "values"
    if check.effect == 0.0:
        return f"All {what} of `{column.name}` lie within what the reference has seen."
    return (
        f"{_share(check.effect)} of the {what} of `{column.name}` lie outside what the reference"
        f" has seen, {_bounds(before)}; they reach from {_bounds(after)}."
    )


def _bounds(numbers: Numbers) -> str:
    return f"{_number(numbers.low)} to {_number(numbers.high)}"


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:,.4g}"


def _share(value: float) -> str:
    percent = value * 100.0
    return f"{percent:.3g} %" if percent < 99.95 else f"{percent:.0f} %"


def _shown(name: str) -> str:
    whole = name if len(name) <= _NAME_SHOWN_CHARACTERS else name[:_NAME_SHOWN_CHARACTERS] + "…"
    return repr(whole)
