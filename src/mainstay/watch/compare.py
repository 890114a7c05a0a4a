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
from typing import Any, Final

import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.summaries.ruler import ruler_of
from mainstay.summaries.summary import summarise
from mainstay.summaries.values import sampled, values_of
from mainstay.watch.column import checks_of
from mainstay.watch.findings import Judged, changed_columns, findings_of
from mainstay.watch.frames import Frame, frame_of
from mainstay.watch.model import LEAST_EFFECT, WEIGHTS, ColumnReport, Correlated, Measured
from mainstay.watch.multiplicity import adjusted
from mainstay.watch.profile import column_report
from mainstay.watch.report import Report

_SAMPLE_ROWS: Final = 5000
_CORRELATED_FROM: Final = 0.95
_CORRELATED_MAX: Final = 100
_THREADS_MAX: Final = 8


def compare(  # because each option is a word of its own to the person who calls
    reference: Any,
    current: Any,
    *,
    false_alarms: float = 0.05,
    looks: int = 1,
    least_effect: float = LEAST_EFFECT,
    ignore: Collection[str] = (),
) -> Report:
    """What changed from the reference to the current data.

    `false_alarms` is the share of comparisons that may raise any alarm although nothing changed;
    when one promise is to cover several comparisons (one a day for a month), `looks` says how
    many. A distribution that moved fewer than `least_effect` of its rows passes. Columns in
    `ignore` are left alone.
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
    judged = _judged(measured, least_effect)
    findings = changed_columns(before, after, ignored)
    reports: list[ColumnReport] = []
    for column in judged:
        found = findings_of(column, rate)
        findings += found
        reports.append(column_report(column, found))
    return Report(
        findings=tuple(findings),
        columns=tuple(reports),
        rows=(before.rows, after.rows),
        false_alarms=false_alarms,
        looks=looks,
        correlated=tuple(_correlated(measured)),
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


def measure(before: Frame, after: Frame, names: list[str]) -> list[Measured]:
    """Look at every column of both data sets, several at a time."""
    threads = max(1, min(_THREADS_MAX, os.cpu_count() or 1, len(names)))
    rows = tuple(
        np.linspace(0, frame.rows - 1, min(_SAMPLE_ROWS, frame.rows)).astype(np.int64)
        for frame in (before, after)
    )

    def one(name: str) -> Measured:
        values = values_of(before.column(name))
        ruler, tally = ruler_of(values)
        first = summarise(values, ruler, tally)
        numeric = ruler.kind == "number"
        kept = sampled(values, rows[0]) if numeric else None
        # Let go of the first column before the second is read.
        reference_type, tally, values = values.type, None, values_of(after.column(name))
        second = summarise(values, ruler)
        samples = None
        if kept is not None and values.kind == "number":
            samples = kept, sampled(values, rows[1])
        return Measured(name, ruler, first, second, (reference_type, values.type), samples)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, names))


def _judged(measured: list[Measured], least_effect: float) -> list[Judged]:
    """The checks of all columns, their p-values corrected for how many were made."""
    asked = [(column, *checks_of(column, least_effect)) for column in measured]
    every = [check for _, checks, _ in asked for check in checks]
    weights = [WEIGHTS[check.question] for check in every]
    corrected = iter(adjusted([check.p for check in every], weights))
    total = sum(weights)
    return [
        Judged(
            column,
            tuple((check, next(corrected), WEIGHTS[check.question] / total) for check in checks),
            figures,
        )
        for column, checks, figures in asked
    ]


def _correlated(measured: list[Measured]) -> list[Correlated]:
    """Pairs of columns that say the same, in either data set, the strongest first."""
    named = [(column.name, column.samples) for column in measured if column.samples is not None]
    if len(named) < 2:
        return []
    first, second = (_correlations([samples[side] for _, samples in named]) for side in (0, 1))
    strongest = np.maximum(np.abs(first), np.abs(second))
    pairs = np.argwhere(np.triu(strongest >= _CORRELATED_FROM, 1))
    order = sorted(pairs.tolist(), key=lambda pair: -float(strongest[pair[0], pair[1]]))
    return [
        Correlated(
            columns=(named[a][0], named[b][0]),
            reference=round(float(first[a, b]), 4),
            current=round(float(second[a, b]), 4),
        )
        for a, b in order[:_CORRELATED_MAX]
    ]


def _correlations(columns: list[np.ndarray[Any, np.dtype[np.float64]]]) -> Any:
    """Pearson's, with what is missing put at the mean; 0 where nothing varies."""
    table = np.array(columns)
    if table.shape[1] < 2:
        return np.zeros((len(columns), len(columns)))
    with np.errstate(all="ignore"):
        table[~np.isfinite(table)] = np.nan
        there = ~np.isnan(table)
        count = np.maximum(1, there.sum(axis=1, keepdims=True))
        table = np.where(there, table - np.nansum(table, axis=1, keepdims=True) / count, 0.0)
        length = np.sqrt((table**2).sum(axis=1, keepdims=True))
        table = np.where((length > 0) & np.isfinite(length), table / length, 0.0)
        return np.clip(np.einsum("ik,jk->ij", table, table), -1.0, 1.0)
