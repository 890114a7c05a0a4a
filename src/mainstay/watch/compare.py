"""Compare two data sets: `compare(reference, current)` says what changed and what to make of it.

Promises a verdict for every column, whatever is in it; that at most the stated share of
comparisons raises any alarm when nothing has changed; and that what is significant but too small
to matter passes. Each data set is read once, column by column, on as many threads as there are
cores; what is kept of a column is bounded. Facts (a column that is gone, a first infinity) fail
without a test.
"""

import os
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.base.errors import InvalidUsage
from mainstay.summaries.ruler import Ruler, ruler_of
from mainstay.summaries.summary import Summary, summarise
from mainstay.summaries.values import values_of
from mainstay.watch.column import checks_of
from mainstay.watch.correlated import correlated
from mainstay.watch.findings import Judged, changed_columns, findings_of, verdict_of
from mainstay.watch.frames import Frame, frame_of
from mainstay.watch.mmd import discrepancy
from mainstay.watch.model import LEAST_EFFECT, WEIGHTS, Check, ColumnReport, Measured
from mainstay.watch.multiplicity import adjusted
from mainstay.watch.profile import column_report
from mainstay.watch.report import Report
from mainstay.watch.sample import Sample, cells_of, rows_of, sample_of
from mainstay.watch.together import finding_of, together

_THREADS_MAX: Final = 8


def compare(  # because each option is a word of its own to the person who calls
    reference: Any,
    current: Any,
    *,
    false_alarms: float = 0.05,
    looks: int = 1,
    least_effect: float = LEAST_EFFECT,
    ignore: Collection[str] = (),
    domain_classifier: bool = True,
) -> Report:
    """What changed from the reference to the current data.

    `false_alarms` is the share of comparisons that may raise any alarm although nothing changed;
    when one promise is to cover several comparisons (one a day for a month), `looks` says how
    many. A distribution that moved fewer than `least_effect` of its rows passes. Columns in
    `ignore` are left alone. `domain_classifier=False` leaves out the question whether a model can
    tell the two apart by all columns together.
    """
    _options(false_alarms, looks, least_effect)
    before, after = frame_of(reference, "reference"), frame_of(current, "current")
    ignored = set(ignore)
    if isinstance(ignore, str) or not ignored <= {*before.names, *after.names}:
        raise InvalidUsage(
            "ignore names a column that is in neither data set",
            field="ignore",
            got=ignore if isinstance(ignore, str) else sorted(ignored),
            expected="a list of names of columns",
        )
    here = set(after.names)
    names = [name for name in before.names if name in here and name not in ignored]
    measured = measure(before, after, names)
    rate = false_alarms / looks
    whole = together(measured, least_effect) if domain_classifier else None
    judged, (p, weight) = _judged(measured, least_effect, whole[0] if whole else None)
    findings = changed_columns(before, after, ignored)
    reports: list[ColumnReport] = []
    for column in judged:
        found = findings_of(column, rate)
        findings += found
        reports.append(column_report(column, found))
    if whole is not None:
        findings.append(finding_of(*whole, *verdict_of(whole[0], p, weight, rate)))
    return Report(
        findings=tuple(findings),
        columns=tuple(reports),
        rows=(before.rows, after.rows),
        false_alarms=false_alarms,
        looks=looks,
        correlated=tuple(correlated(measured)),
        classifier=whole[1] if whole else None,
    )


def _options(false_alarms: float, looks: int, least_effect: float) -> None:
    for field, value, right in (
        ("false_alarms", false_alarms, 0.0 < false_alarms < 1.0),
        ("least_effect", least_effect, 0.0 <= least_effect < 1.0),
    ):
        if not right:
            raise InvalidUsage(
                f"{field} is a share", field=field, got=value, expected="a number between 0 and 1"
            )
    if looks < 1:
        raise InvalidUsage(
            "looks counts comparisons", field="looks", got=looks, expected="1 or more"
        )


class FirstLook(NamedTuple):
    """What is kept of a column of the reference, whatever it is held against."""

    name: str
    ruler: Ruler
    summary: Summary
    sample: Sample
    type: str


def measure(before: Frame, after: Frame, names: list[str]) -> list[Measured]:
    """Look at every column of both data sets, several at a time."""
    threads = max(1, min(_THREADS_MAX, os.cpu_count() or 1, len(names)))
    first, second = rows_of(before.rows), rows_of(after.rows)

    def one(name: str) -> Measured:
        # The first column is let go of before the second is read.
        return against(known_of(before, name, first), after, second)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, names))


def known_of(frame: Frame, name: str, rows: npt.NDArray[np.int64]) -> FirstLook:
    """A column of the reference, with the rows of it that are looked at one by one."""
    values = values_of(frame.column(name))
    ruler, tally = ruler_of(values)
    summary = summarise(values, ruler, tally)
    return FirstLook(name, ruler, summary, sample_of(values, ruler, rows), values.type)


def against(known: FirstLook, frame: Frame, rows: npt.NDArray[np.int64]) -> Measured:
    """The same column of the current data beside it."""
    values = values_of(frame.column(known.name))
    current = summarise(values, known.ruler)
    types = known.type, values.type
    return _measured(Measured(known.name, known.ruler, known.summary, current, types),
                     known.sample, sample_of(values, known.ruler, rows))  # fmt: skip


def _measured(column: Measured, first: Sample, second: Sample) -> Measured:
    """What two samples of a column's rows add to it."""
    if column.ruler.kind == "number" and first.numbers is not None and second.numbers is not None:
        column = msgspec.structs.replace(column, samples=(first.numbers, second.numbers))
    column = msgspec.structs.replace(column, cells=cells_of(first, second))
    if first.vectors is not None and second.vectors is not None:
        found = discrepancy(first.vectors, second.vectors)
        column = msgspec.structs.replace(column, vectors=found)
    return column


def _judged(
    measured: list[Measured], least_effect: float, whole: Check | None
) -> tuple[list[Judged], tuple[float, float]]:
    """The checks of all columns, and that of the whole, their p-values corrected for how many
    there are, with the part of the rate that each has."""
    asked = [(column, *checks_of(column, least_effect)) for column in measured]
    every = [check for _, checks, _ in asked for check in checks]
    every += [whole] if whole is not None else []
    weights = [WEIGHTS[check.question] for check in every]
    corrected = iter(adjusted([check.p for check in every], weights))
    total = sum(weights)
    columns = [
        Judged(
            column,
            tuple((check, next(corrected), WEIGHTS[check.question] / total) for check in checks),
            figures,
        )
        for column, checks, figures in asked
    ]
    if whole is None:
        return columns, (1.0, 0.0)
    return columns, (next(corrected), WEIGHTS[whole.question] / total)
