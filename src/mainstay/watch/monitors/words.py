"""What a monitor found, in a sentence that says what, since when, how much, and what it may be."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from mainstay.contract.finding import Finding
from mainstay.summaries.reference import Known
from mainstay.summaries.summary import Categories, Summary
from mainstay.watch.monitors.detector import Evidence
from mainstay.watch.monitors.model import Subject
from mainstay.watch.monitors.questions import UNKNOWN, Asked
from mainstay.watch.units import unit_change

_PREFIXES: Final = {
    "format_input_": "form of input",
    "format_context_": "form of context",
    "source_": "lookup",
    "input_": "input",
    "context_": "context",
    "feature_": "feature",
    "output_": "output",
    "judged_": "measured",
}
_NAMED_MAX: Final = 60
_NAMES_SHOWN: Final = 3
_NAME_SHOWN: Final = 30


def named(column: str) -> str:
    """A column as people call it: `input amount`."""
    for prefix, noun in _PREFIXES.items():
        if column.startswith(prefix):
            return f"{noun} {column.removeprefix(prefix)[:_NAMED_MAX]}"
    return column[:_NAMED_MAX]


def since(time_ms: int) -> str:
    """A moment, to the minute."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def moved(
    subject: Subject, asked: Asked, found: Evidence, current: Summary, known: Known, source: str
) -> Finding:
    """A question whose answer has changed."""
    question = asked.question
    what = named(subject.column)
    where = f" where {subject.slice}" if subject.slice else ""
    if asked.what == "place":
        way = "higher" if found.shift > 0 else "lower"
        said = (
            f"values are {way} than they were: the average one stands above "
            f"{found.mean:.0%} of the reference, where {question.mean:.0%} is usual"
        )
    elif asked.what == "spread":
        way = "further apart" if found.shift > 0 else "closer together"
        said = f"values lie {way} than they did"
    else:
        name = "missing values" if asked.what == "missing" else asked.what[:_NAMED_MAX]
        said = f"{name}: {found.mean:.1%}, where {question.mean:.1%} is usual"
        if asked.what == UNKNOWN and current.categories is not None:
            said += _such_as(current.categories, known.ruler.names)
    words = f"{what}{where}: {said}, since {since(found.since_ms)}"
    before, after = known.summary.numbers, current.numbers
    if before is not None and after is not None and asked.what in {"place", "spread"}:
        unit = unit_change(before.moments, after.moments)
        words += f", {unit}" if unit else ""
    if source:
        words += f"; it comes from {source}"
    return Finding(
        check=f"{what}: {asked.what}",
        verdict="fail",
        words=words + ".",
        figure=found.mean,
        limit=question.mean + (question.tolerance if found.shift > 0 else -question.tolerance),
        compared=question.mean,
        samples=found.rows,
        slice=subject.slice,
    )


def _such_as(current: Categories, names: Sequence[str]) -> str:
    """The commonest of what was unknown, and what it may be."""
    common = sorted(current.others.items(), key=lambda pair: (-pair[1], pair[0]))[:_NAMES_SHOWN]
    if not common:
        return ""
    quoted = ", ".join(f"“{name[:_NAME_SHOWN]}”" for name, _ in common)
    plain = {" ".join(name.split()).casefold() for name in names}
    same = [" ".join(name.split()).casefold() in plain for name, _ in common]
    hint = ", as if only letters' case or spaces had changed" if all(same) else ""
    return f", such as {quoted}{hint}"


def plain_fact(
    subject: Subject, fact: str, said: str, count: int, rows: int, source: str
) -> Finding:
    """Something that needs no test."""
    what = named(subject.column)
    where = f" where {subject.slice}" if subject.slice else ""
    origin = f"; it comes from {source}" if source else ""
    return Finding(
        check=f"{what}: {fact}",
        verdict="fail",
        words=f"{what}{where}: {said}{origin}.",
        figure=float(count),
        limit=0.0,
        samples=rows,
        slice=subject.slice,
    )
