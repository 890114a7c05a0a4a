"""A judged column for people: figures of both sides, and bars that share one axis."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from mainstay.contract.finding import Finding, worst
from mainstay.summaries.summary import Categories, Numbers, Summary
from mainstay.watch.column import bounds_of
from mainstay.watch.findings import Judged
from mainstay.watch.model import ColumnReport, Measured, Side

_BARS: Final = 24
_CATEGORIES_SHOWN: Final = 12
_REMARKS: Final = {
    "sequence": "A running number: its values are not compared.",
    "time": "A time: it moves by itself, so its values are not compared.",
    "unordered": "Values of this type are not compared.",
    "empty": "The reference has no values.",
    "text": "Text: its lengths are compared.",
    "vector": "Vectors: their lengths are shown, and both lengths and directions are compared.",
}


def column_report(judged: Judged, findings: list[Finding]) -> ColumnReport:
    """All that a report shows of one column."""
    column = judged.column
    labels, first, second = _bars(column)
    return ColumnReport(
        name=column.name,
        kind=column.ruler.kind,
        verdict=worst(findings),
        reference=_side(column.reference, column, column.types[0], first),
        current=_side(column.current, column, column.types[1], second),
        labels=labels,
        figures={name: figure for name, figure in judged.figures.items() if not math.isnan(figure)},
        remark=_REMARKS.get(column.ruler.kind, ""),
    )


def _side(summary: Summary, column: Measured, words: str, bars: tuple[float, ...]) -> Side:
    numbers = summary.numbers or summary.lengths
    plain = Side(type=words, rows=summary.rows, missing=summary.missing, bars=bars)
    if numbers is not None and numbers.moments.count:
        moments = numbers.moments
        deviation = moments.deviation if moments.count > 1 else None
        return Side(
            type=words, rows=summary.rows, missing=summary.missing, bars=bars,
            mean=moments.mean, deviation=deviation, low=numbers.low, high=numbers.high,
            nan=numbers.nan, infinite=sum(numbers.infinite), median=_median(numbers, column),
        )  # fmt: skip
    if numbers is not None:
        return Side(
            type=words, rows=summary.rows, missing=summary.missing, bars=bars,
            nan=numbers.nan, infinite=sum(numbers.infinite),
        )  # fmt: skip
    counted = summary.categories
    if counted is None or counted.others_cut:
        return plain
    distinct = sum(1 for count in counted.named if count) + len(counted.others)
    return Side(
        type=words, rows=summary.rows, missing=summary.missing, bars=bars, distinct=distinct
    )


def _median(numbers: Numbers, column: Measured) -> float | None:
    """From the histogram: within a cell of the value itself, and none beyond the reference."""
    cell = int(np.searchsorted(np.cumsum(numbers.cells), sum(numbers.cells) / 2.0))
    if cell == 0 or cell >= len(column.ruler.edges) or numbers.low is None or numbers.high is None:
        return None
    return min(max(column.ruler.edges[cell], numbers.low), numbers.high)


def _bars(column: Measured) -> tuple[tuple[str, ...], tuple[float, ...], tuple[float, ...]]:
    before = column.reference.numbers or column.reference.lengths
    after = column.current.numbers or column.current.lengths
    if before is not None and after is not None:
        return _ranges(before, after, column)
    first, second = column.reference.categories, column.current.categories
    if first is not None and second is not None:
        return _names(first, second, column)
    return (), (), ()


def _ranges(
    before: Numbers, after: Numbers, column: Measured
) -> tuple[tuple[str, ...], tuple[float, ...], tuple[float, ...]]:
    if not before.moments.count or not after.moments.count:
        return (), (), ()
    bounds = bounds_of(before, after, column.ruler.edges)
    below = [np.concatenate([[0.0], np.cumsum(each.cells) / sum(each.cells)])
             for each in (before, after)]  # fmt: skip
    # The axis leaves out the outermost half percent of both, which would flatten all the rest.
    low = min(float(np.interp(0.005, each, bounds)) for each in below)
    high = max(float(np.interp(0.995, each, bounds)) for each in below)
    if not (math.isfinite(low) and math.isfinite(high) and high - low > 0.0):
        return (), (), ()
    axis: npt.NDArray[np.float64] = np.linspace(low, high, _BARS + 1)
    first, second = (tuple(np.diff(np.interp(axis, bounds, each)).tolist()) for each in below)
    return tuple(f"{value:.4g}" for value in axis), first, second


def _names(
    before: Categories, after: Categories, column: Measured
) -> tuple[tuple[str, ...], tuple[float, ...], tuple[float, ...]]:
    n = max(1, sum(before.named) + before.others_rows)
    m = max(1, sum(after.named) + after.others_rows)
    rows = [
        (name, a / n, b / m)
        for name, a, b in zip(column.ruler.names, before.named, after.named, strict=True)
    ]
    rows += [
        (name, before.others.get(name, 0) / n, count / m) for name, count in after.others.items()
    ]
    rows.sort(key=lambda row: -max(row[1], row[2]))
    shown, rest = rows[:_CATEGORIES_SHOWN], rows[_CATEGORIES_SHOWN:]
    if rest or before.others_rows or after.others_rows:
        left = 1.0 - sum(row[1] for row in shown), 1.0 - sum(row[2] for row in shown)
        if max(left) > 1e-9:
            shown.append(("(all others)", max(0.0, left[0]), max(0.0, left[1])))
    return tuple(r[0] for r in shown), tuple(r[1] for r in shown), tuple(r[2] for r in shown)
