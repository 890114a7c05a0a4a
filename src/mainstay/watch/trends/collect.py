"""From parts to charts.

A version is held against its own reference. Drift is the Jensen–Shannon distance between a tenth of
the reference each (or its commonest categories) and what came: 0 is the same, 1 has nothing in
common. What chance alone makes of it is drawn beside it. Longer stretches were merged into hours
and days by then, and are drawn as such.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mainstay.contract.expectations import expectations
from mainstay.contract.model import Contract, Ranking
from mainstay.journal.model import STATUSES
from mainstay.summaries.labels import rulers_of
from mainstay.summaries.rankings import ITEM, items_ruler
from mainstay.summaries.reference import Known
from mainstay.summaries.ruler import fingerprint
from mainstay.summaries.summary import Summary, merge
from mainstay.watch.distances import jensen_shannon
from mainstay.watch.gather.model import DAY_MS, HOUR_MS, LABEL, LATENCY, STRETCH_MS, TIMES, Part
from mainstay.watch.labels.metrics import Metric, metrics_of
from mainstay.watch.monitors.columns import Versions
from mainstay.watch.monitors.expectations import quantile
from mainstay.watch.monitors.words import named
from mainstay.watch.recommend.measures import Diversity, diversity, popularity
from mainstay.watch.trends.model import Chart, Limit, Points, Series

INPUTS_MAX: Final = 200
_METRICS_MAX: Final = 12
_DRAWN: Final = ("input_", "context_")
_CELLS: Final = 10
_BITS: Final = 8.0 * math.log(2.0)

Counts = npt.NDArray[np.int64]
Buckets = Mapping[int, Sequence[Part]]


def width_of(span_ms: int) -> int:
    """How long the buckets of a page are."""
    if span_ms <= DAY_MS:
        return STRETCH_MS
    return HOUR_MS if span_ms <= 8 * DAY_MS else DAY_MS


def buckets_of(parts: Iterable[Part], width_ms: int) -> Buckets:
    """Parts by the bucket that they begin in."""
    found: dict[int, list[Part]] = {}
    for part in parts:
        begin = part.key.begin_ms
        found.setdefault(begin - begin % width_ms, []).append(part)
    return dict(sorted(found.items()))


def charts_of(contract: Contract, buckets: Buckets, versions: Versions) -> tuple[Chart, ...]:
    """The charts about a model as a whole."""
    charts = [_decisions(buckets), _statuses(buckets), _latency(contract, buckets)]
    charts += _metrics(contract, buckets)
    if isinstance(contract.output, Ranking):
        charts += _lists(contract.output, buckets, versions)
    return tuple(chart for chart in charts if any(_told(each) for each in chart.series))


def inputs_of(buckets: Buckets, versions: Versions) -> tuple[tuple[str, tuple[Chart, ...]], ...]:
    """Two charts for each input and context value: what is missing, and how far it drifted."""
    references: dict[str, Mapping[str, Known]] = {}
    for mark in sorted({part.key.fingerprint for parts in buckets.values() for part in parts}):
        reference = versions.reference(mark)
        references[mark] = {} if reference is None else reference.columns
    names = dict.fromkeys(
        name for known in references.values() for name in known if name.startswith(_DRAWN)
    )
    return tuple((named(name), _input(name, buckets, references)) for name in
                 list(names)[:INPUTS_MAX])  # fmt: skip


def _told(series: Series) -> bool:
    return any(value is not None for _, value in series.points)


# The model as a whole -----------------------------------------------------------------------------


def _points(buckets: Buckets, figure: Callable[[Sequence[Part]], float | None]) -> Points:
    return tuple((begin, figure(parts)) for begin, parts in buckets.items())


def _decisions(buckets: Buckets) -> Chart:
    points = _points(buckets, lambda parts: float(sum(part.rows for part in parts)))
    return Chart(title="decisions", form="bars", series=(Series(name="decisions", points=points),),
                 about="usage")  # fmt: skip


def _statuses(buckets: Buckets) -> Chart:
    def share(place: int) -> Callable[[Sequence[Part]], float | None]:
        def figure(parts: Sequence[Part]) -> float | None:
            summary = _column(parts, "status")
            if summary is None or summary.categories is None or not summary.rows:
                return None
            counts = summary.categories.named
            return counts[place] / sum(counts) if place < len(counts) and sum(counts) else None

        return figure

    series = [
        Series(name=name, points=_points(buckets, share(place)))
        for place, name in enumerate(STATUSES)
    ]
    used = [each for each in series if any(value for _, value in each.points)]
    return Chart(title="what became of them", form="shares", unit="%", series=tuple(used),
                 about="share ")  # fmt: skip


def _latency(contract: Contract, buckets: Buckets) -> Chart:
    def within(part: float) -> Callable[[Sequence[Part]], float | None]:
        def figure(parts: Sequence[Part]) -> float | None:
            summary = _column(parts, LATENCY)
            numbers = None if summary is None else summary.numbers
            if numbers is None or not numbers.moments.count:
                return None
            cells = np.array(numbers.cells, dtype=np.float64)
            return quantile(cells, np.array(TIMES.edges), part, numbers.high or 0.0) / 1e6

        return figure

    limits = tuple(
        Limit(line.limit / 1e6, line.text)
        for line in expectations(contract.expect, contract.output)
        if line.kind == "latency"
    )
    series = [
        Series(name=f"p{part:.0%}"[:-1], points=_points(buckets, within(part)))
        for part in (0.5, 0.99)
    ]
    return Chart(title="latency", unit="ms", series=tuple(series), limits=limits, about="p")


def _metrics(contract: Contract, buckets: Buckets) -> list[Chart]:
    marks = {name: fingerprint(ruler) for name, ruler in rulers_of(contract).items()}
    found: dict[int, Mapping[str, Metric]] = {
        begin: metrics_of(contract, _labels(parts, marks)) for begin, parts in buckets.items()
    }
    names = list(dict.fromkeys(name for metrics in found.values() for name in metrics))
    lines = {
        line.name: Limit(line.limit, line.text)
        for line in expectations(contract.expect, contract.output)
        if line.kind == "metric"
    }
    # What is expected first.
    names.sort(key=lambda name: name not in lines)
    return [_metric(name, found, lines.get(name)) for name in names[:_METRICS_MAX]]


def _labels(parts: Sequence[Part], marks: Mapping[str, str]) -> Mapping[str, Summary]:
    names = {name for part in parts for name in part.columns if name.startswith(LABEL)}
    names &= marks.keys()
    found = {name: _column(parts, name, marks[name]) for name in {*names, "status"} if name in
             marks} | {"status": _column(parts, "status")}  # fmt: skip
    return {name: summary for name, summary in found.items() if summary is not None}


def _metric(name: str, found: Mapping[int, Mapping[str, Metric]], limit: Limit | None) -> Chart:
    def points(figure: Callable[[Metric], float]) -> Points:
        told = ((begin, metrics.get(name)) for begin, metrics in found.items())
        return tuple((begin, None if m is None else _finite(figure(m))) for begin, m in told)

    series = Series(
        name=name,
        points=points(lambda metric: metric.figure),
        low=points(lambda metric: metric.interval[0]),
        high=points(lambda metric: metric.interval[1]),
    )
    return Chart(
        title=name,
        series=(series,),
        floor=None,
        limits=() if limit is None else (limit,),
        about=name,
        note="by labels, each in the bucket of its decision; 95 % interval",
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _lists(output: Ranking, buckets: Buckets, versions: Versions) -> list[Chart]:
    mark = fingerprint(items_ruler(output))
    found: dict[int, Diversity | None] = {}
    for begin, parts in buckets.items():
        summary = _column(parts, ITEM, mark)
        reference = versions.reference(parts[-1].key.fingerprint)
        popular = None if reference is None else popularity(output, reference.columns)
        found[begin] = None if summary is None else diversity(output, {ITEM: summary}, popular)

    def points(figure: Callable[[Diversity], float | None]) -> Points:
        return tuple((begin, None if d is None else figure(d)) for begin, d in found.items())

    def tail(lists: Diversity) -> float | None:
        shares = lists.shares
        return shares["tail"] + shares["unseen"] if shares else None

    return [
        Chart(title="what two lists share", unit="%", about="lists: overlap",
              note="it grows where a model learns from what it showed itself",
              series=(Series(name="overlap", points=points(lambda d: d.overlap)),)),
        Chart(title="the long tail", unit="%", about="lists: long tail",
              series=(Series(name="of what was shown", points=points(tail)),)),
        Chart(title="items on any list", unit="%",
              series=(Series(name="coverage", points=points(lambda d: d.coverage)),)),
    ]  # fmt: skip


# Inputs -------------------------------------------------------------------------------------------


def _input(
    name: str, buckets: Buckets, references: Mapping[str, Mapping[str, Known]]
) -> tuple[Chart, ...]:
    def missing(parts: Sequence[Part]) -> float | None:
        columns = [part.columns[name] for part in parts if name in part.columns]
        rows = sum(column.rows for column in columns)
        return sum(column.missing for column in columns) / rows if rows else None

    drifted = {begin: _drift(name, parts, references) for begin, parts in buckets.items()}
    drift: Points = tuple((b, None if d is None else d[0]) for b, d in drifted.items())
    chance: Points = tuple((b, None if d is None else d[1]) for b, d in drifted.items())
    zero: Points = tuple((b, None if d is None else 0.0) for b, d in drifted.items())
    about = f"{named(name)}: "
    return (
        Chart(title="missing", unit="%", about=f"{about}missing",
              series=(Series(name="missing", points=_points(buckets, missing)),)),
        Chart(title="drift", about=about,
              series=(Series(name="drift", points=drift, low=zero, high=chance),)),
    )  # fmt: skip


def _drift(
    name: str, parts: Sequence[Part], references: Mapping[str, Mapping[str, Known]]
) -> tuple[float, float] | None:
    """How far a column is from the reference, and what chance alone would make of it."""
    total, drift, chance = 0.0, 0.0, 0.0
    for mark in {part.key.fingerprint for part in parts}:
        known = references[mark].get(name)
        if known is None:
            continue
        own = [part for part in parts if part.key.fingerprint == mark]
        before = _cells(known.summary)
        after = _cells(_column(own, name, known.summary.ruler))
        if before is None or after is None or not before.sum() or not after.sum():
            continue
        first, second = _coarse(before, after)
        rows = float(second.sum())
        used = int(((first + second) > 0).sum())
        noise = math.sqrt((used - 1) * (1.0 / rows + 1.0 / float(first.sum())) / _BITS)
        total, drift = total + rows, drift + rows * jensen_shannon(first, second)
        chance += rows * noise
    return (drift / total, chance / total) if total else None


def _cells(summary: Summary | None) -> Counts | None:
    if summary is None:
        return None
    numbers = summary.numbers or summary.lengths
    if numbers is not None:
        return np.array(numbers.cells, dtype=np.int64)
    if summary.categories is None:
        return None
    return np.array([*summary.categories.named, summary.categories.others_rows], dtype=np.int64)


def _coarse(before: Counts, after: Counts) -> tuple[Counts, Counts]:
    """As few cells as a handful of rows can tell apart: about a tenth of the reference each."""
    place = np.minimum(((np.cumsum(before) - 1) * _CELLS) // max(int(before.sum()), 1), _CELLS - 1)
    place = np.maximum(place, 0)
    # Above everything that the reference has is a cell of its own.
    place[-1] = _CELLS if before[-1] == 0 and len(place) > 1 else place[-1]
    sizes = _CELLS + 1
    return (
        np.bincount(place, weights=before, minlength=sizes).astype(np.int64),
        np.bincount(place, weights=after, minlength=sizes).astype(np.int64),
    )


def _column(parts: Iterable[Part], name: str, mark: str = "") -> Summary | None:
    """A column of all parts together; only of those with one ruler."""
    found: Summary | None = None
    for part in parts:
        summary = part.columns.get(name)
        if summary is not None and (not mark or summary.ruler == mark):
            found = summary if found is None else merge(found, summary)
    return found
