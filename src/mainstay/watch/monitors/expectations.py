"""Whether what a contract expects is so: over its own window, at every look.

Promises three answers. `fail`: the figure is beyond the limit, and so is all of an interval that is
wide enough for all looks and lines together: every line may be wrong at one look with the
probability that makes, over all of them, the alarms that the contract allows. So it holds however
the windows overlap. `pass`: all of a 95 % interval is within the limit. `unsure`: too few rows to
say either. Counts of requests are no sample and have no interval.

Limits: rows of one window count as independent of each other; intervals of means are normal ones
and want `ROWS_MIN` rows. The latency is that of decisions, from receipt to the end of the run; the
reply's way back is no part of it.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.contract.expectations import Expectation, expectations
from mainstay.contract.finding import Finding, Verdict
from mainstay.contract.model import Contract
from mainstay.journal.model import STATUSES
from mainstay.summaries.summary import Summary, merge
from mainstay.watch.gather.model import FAILED, LABEL, LATENCY, TIMES, Part
from mainstay.watch.labels.metrics import Metric, metrics_of
from mainstay.watch.monitors.bounds import share_bounds
from mainstay.watch.monitors.model import Change, Saved
from mainstay.watch.monitors.tick import Tick

Floats = npt.NDArray[np.float64]

ROWS_MIN: Final = 50
KEY: Final = "||expect|"
"""How the keys of these findings begin."""
_PASS_SURE: Final = math.log(20.0)
_Z: Final = 1.959963984540054
_MEANS: Final = frozenset({"log_loss", "mae", "rmse"})


class Seen(NamedTuple):
    """What there is to hold expectations against."""

    parts: Sequence[Part]
    """Of the longest window, without shadows."""
    live: str
    """The fingerprint of the version whose labels count."""
    first_ms: int
    """Where the first decisions were."""
    until_ms: int


class _Measured(NamedTuple):
    """A figure, and what is known of it."""

    figure: float
    met: bool
    """Whether the figure alone is within the limit."""
    beyond: bool
    """Whether the truth is certainly not."""
    within: bool
    """Whether the truth is likely to be."""
    rows: int
    words: str
    interval: tuple[float, float] | None = None


def longest_ms(contract: Contract) -> int:
    """How far back the expectations of a contract look; 0 where it has none."""
    lines = expectations(contract.expect, contract.output)
    return max((line.window_ms for line in lines), default=0)


def expected(contract: Contract, seen: Seen, looks_per_alarm: float) -> list[Finding]:
    """How every expectation stands."""
    return [finding for finding, _ in _held_all(contract, seen, looks_per_alarm)]


def hold_to(
    saved: Saved, contract: Contract, seen: Seen, looks_per_alarm: float
) -> tuple[Saved, list[Change]]:
    """One look: which expectations ceased to hold, and which hold again."""
    tick = Tick(saved.states, dict(saved.open))
    lines: set[str] = set()
    for finding, met in _held_all(contract, seen, looks_per_alarm):
        key = KEY + finding.check.replace("|", "¦")
        lines.add(key)
        if finding.verdict == "fail":
            tick.found(key, finding, seen.until_ms, seen.until_ms)
        elif key in tick.open:
            tick.calm(key, seen.until_ms, usual=met)
    for key in [key for key in tick.open if key.startswith(KEY) and key not in lines]:
        tick.over(key, seen.until_ms)
    return msgspec.structs.replace(saved, open=tick.open), tick.changes


def _held_all(contract: Contract, seen: Seen, looks_per_alarm: float) -> list[tuple[Finding, bool]]:
    lines = expectations(contract.expect, contract.output)
    sure = math.log(max(looks_per_alarm, 2.0) * max(len(lines), 1))
    return [_held(line, contract, seen, sure) for line in lines]


def _held(line: Expectation, contract: Contract, seen: Seen, sure: float) -> tuple[Finding, bool]:
    """How one stands, and whether its figure alone is within the limit."""
    since_ms = seen.until_ms - line.window_ms
    parts = [part for part in seen.parts if part.key.begin_ms >= since_ms]
    if line.kind == "metric":
        found = _metric(line, contract, parts, seen.live, sure)
    elif line.kind == "requests":
        found = _requests(line, parts) if seen.first_ms and seen.first_ms <= since_ms else None
    elif line.kind == "latency":
        found = _latency(line, parts, sure)
    else:
        found = _share(line, parts, sure)
    over = _time(line.window_ms)
    if found is None:
        words = f"{line.text}: nothing to tell it by in the last {over}."
        return Finding(check=line.text, verdict="unsure", words=words, limit=line.limit), True
    verdict: Verdict = "unsure"
    if found.beyond:
        verdict = "fail"
    elif found.met and found.within:
        verdict = "pass"
    words = f"{line.text}: {found.words} in the last {over}"
    words += "; too few to be certain." if verdict == "unsure" else "."
    finding = Finding(
        check=line.text, verdict=verdict, words=words, figure=found.figure,
        limit=line.limit, interval=found.interval, samples=found.rows,
    )  # fmt: skip
    return finding, found.met


def _measured(
    line: Expectation,
    figure: float,
    surely: tuple[float, float],
    likely: tuple[float, float],
    told: tuple[int, str],
) -> _Measured:
    """From the interval that certainly holds the truth, and the one that is likely to."""
    met = figure <= line.limit if line.below else figure >= line.limit
    beyond = surely[0] > line.limit if line.below else surely[1] < line.limit
    within = likely[1] <= line.limit if line.below else likely[0] >= line.limit
    interval = likely if math.isfinite(likely[0] + likely[1]) else None
    return _Measured(figure, met, beyond, within, *told, interval)


def _shared(line: Expectation, hits: float, rows: float, noun: str, sure: float) -> _Measured:
    share = hits / rows
    return _measured(
        line, share, share_bounds(share, rows, sure), share_bounds(share, rows, _PASS_SURE),
        (round(rows), f"{share:.2%} of {rows:,.0f} {noun}"),
    )  # fmt: skip


def _share(line: Expectation, parts: Iterable[Part], sure: float) -> _Measured | None:
    columns = _columns(parts, ("status", FAILED))
    counts, failed = _named(columns.get("status")), sum(_named(columns.get(FAILED)))
    rows = float(sum(counts))
    if line.name == "2xx":
        whole = rows + failed
        return _shared(line, rows, whole, "requests for an answer", sure) if whole else None
    hits = sum(n for name, n in zip(STATUSES, counts, strict=False) if name == line.name)
    return _shared(line, float(hits), rows, "decisions", sure) if rows else None


def _requests(line: Expectation, parts: Sequence[Part]) -> _Measured:
    failed = sum(_named(_columns(parts, (FAILED,)).get(FAILED)))
    count = float(sum(part.rows for part in parts) + failed)
    exact = count, count
    return _measured(line, count, exact, exact, (round(count), f"{count:,.0f} requests"))


def _latency(line: Expectation, parts: Iterable[Part], sure: float) -> _Measured | None:
    """A quantile is within a limit as long as no more than its share of the rows is beyond it."""
    summary = _columns(parts, (LATENCY,)).get(LATENCY)
    if summary is None or summary.numbers is None or not summary.numbers.moments.count:
        return None
    cells = np.array(summary.numbers.cells, dtype=np.float64)
    edges = np.array(TIMES.edges)
    rows = float(cells.sum())
    # The rows of the cell that the limit lies in may be on either side of it.
    slow = float(cells[1:][edges >= line.limit].sum()) / rows
    perhaps = float(cells[int(np.searchsorted(edges, line.limit, side="left")) :].sum()) / rows
    allowed = 1.0 - line.part
    figure = quantile(cells, edges, line.part, summary.numbers.high or 0.0)
    return _Measured(
        figure,
        figure <= line.limit,
        share_bounds(slow, rows, sure)[0] > allowed,
        share_bounds(perhaps, rows, _PASS_SURE)[1] <= allowed,
        round(rows),
        f"{figure / 1e6:,.3g} ms, of {rows:,.0f} decisions",
    )


def quantile(cells: Floats, edges: Floats, part: float, highest: float) -> float:
    """By the logarithm within its cell."""
    total: list[float] = np.cumsum(cells).tolist()
    at = bisect_left(total, part * total[-1])
    before = total[at - 1] if at else 0.0
    inside = (part * total[-1] - before) / float(cells[at])
    low = float(edges[at - 1]) if at else float(edges[0])
    high = float(edges[at]) if at < len(edges) else max(highest, low)
    return min(low * (high / low) ** inside, max(highest, low))


def _metric(
    line: Expectation, contract: Contract, parts: Iterable[Part], live: str, sure: float
) -> _Measured | None:
    own = [part for part in parts if part.key.fingerprint == live]
    names = {name for part in own for name in part.columns if name.startswith(LABEL)} | {"status"}
    metric = metrics_of(contract, _columns(own, names)).get(line.name)
    if metric is None:
        return None
    surely, likely = _intervals(metric, sure)
    words = f"{metric.figure:.4g}, by {metric.rows:,} labels"
    return _measured(line, metric.figure, surely, likely, (metric.rows, words))


def _intervals(metric: Metric, sure: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """As wide as it must be to be certain, and that of 95 %."""
    low, high = metric.interval
    figure = metric.figure
    if metric.name == "calibration error":
        # By chance alone a fair forecaster shows some error: at most this, over ten cells.
        low -= 0.4 * math.sqrt(10.0 / metric.rows)
    elif metric.name not in _MEANS and metric.name != "roc_auc":
        bounds = share_bounds(figure, metric.rows, sure)
        return bounds, share_bounds(figure, metric.rows, _PASS_SURE)
    if metric.rows < ROWS_MIN or not math.isfinite(low + high):
        return (-math.inf, math.inf), (low, high)
    wider = NormalDist().inv_cdf(1.0 - math.exp(-sure)) / _Z
    if metric.name == "roc_auc" and 0.0 < low <= high < 1.0 and 0.0 < figure < 1.0:
        ends = [_odds(figure) + (_odds(end) - _odds(figure)) * wider for end in (low, high)]
        return (_chance(ends[0]), _chance(ends[1])), (low, high)
    return (figure - (figure - low) * wider, figure + (high - figure) * wider), (low, high)


def _odds(chance: float) -> float:
    return math.log(chance / (1.0 - chance))


def _chance(odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-odds))


def _columns(parts: Iterable[Part], names: Iterable[str]) -> Mapping[str, Summary]:
    """Only these of all parts together: other columns of several versions do not merge."""
    found: dict[str, Summary] = {}
    wanted = tuple(names)
    for part in parts:
        for name in wanted:
            summary = part.columns.get(name)
            if summary is not None:
                before = found.get(name)
                found[name] = summary if before is None else merge(before, summary)
    return found


def _named(summary: Summary | None) -> tuple[int, ...]:
    if summary is None or summary.categories is None:
        return ()
    return summary.categories.named


def _time(window_ms: int) -> str:
    for size, noun in ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute")):
        if window_ms % size == 0:
            count = window_ms // size
            return noun if count == 1 else f"{count} {noun}s"
    return f"{window_ms / 1000:g} seconds"
