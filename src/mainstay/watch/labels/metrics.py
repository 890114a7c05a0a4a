"""Metrics of a window, from the sums that its parts hold, each with a 95 % interval.

Shares come with Wilson's interval, means with the normal one, the area under the curve with
DeLong's. Scores are counted in cells of half a hundredth: two scores in one cell count as equal, so
an area may be off by what lies in one cell together.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.bundle.metrics import wilson
from mainstay.contract.model import Contract, Label, Probability, Ranking
from mainstay.contract.reactions import CLICK_RATE, REACTIONS, rate_of
from mainstay.journal.model import STATUSES
from mainstay.summaries.labels import ARROW, rulers_of
from mainstay.summaries.rankings import CLICKED
from mainstay.summaries.summary import Numbers, Summary
from mainstay.watch.labels.reactions import DWELL, REACTED

TOLD: Final = frozenset({"answered", "asked"})
"""Statuses with which the model's own answer is told."""
_Z: Final = 1.959963984540054
_CALIBRATION_CELLS: Final = 10
Floats = npt.NDArray[np.float64]


class Metric(msgspec.Struct, frozen=True):
    """A figure with what is known of it."""

    name: str
    figure: float
    interval: tuple[float, float]
    rows: int
    bigger_is_better: bool = True


def metrics_of(contract: Contract, columns: Mapping[str, Summary]) -> dict[str, Metric]:
    """Every metric that the labels of a window allow, by name."""
    return {metric.name: metric for metric in _metrics(contract, columns)}


def _metrics(contract: Contract, columns: Mapping[str, Summary]) -> Iterator[Metric]:
    if isinstance(contract.output, Probability | Label):
        pairs = pairs_of(contract, columns.get("label_pair"))
        yield from _of_pairs(contract.output.classes, pairs)
        shown = pairs_of(contract, columns.get("label_shown"))
        total = sum(shown.values())
        if total:
            right = sum(n for (truth, answer), n in shown.items() if truth == answer)
            yield _share("accuracy of what was shown", right, total)
    yield from _areas(_numbers(columns, "label_score_of"), _numbers(columns, "label_score_else"))
    yield from _means(columns)
    yield from _calibration(
        _numbers(columns, "label_sure_right"), _numbers(columns, "label_sure_wrong")
    )
    yield from _places(_numbers(columns, "label_place"))
    if isinstance(contract.output, Ranking):
        yield from _clicks(columns.get(CLICKED), columns.get("status"))
    yield from _reactions(columns)


def _numbers(columns: Mapping[str, Summary], name: str) -> Numbers | None:
    summary = columns.get(name)
    return None if summary is None else summary.numbers


def pairs_of(contract: Contract, summary: Summary | None) -> dict[tuple[str, str], int]:
    """How often each truth met each answer."""
    if summary is None or summary.categories is None:
        return {}
    names = rulers_of(contract)["label_pair"].names
    counted = dict(zip(names, summary.categories.named, strict=True)) | summary.categories.others
    found: dict[tuple[str, str], int] = {}
    for name, count in counted.items():
        truth, _, answer = name.partition(ARROW)
        found[truth, answer] = count
    return found


def _share(name: str, count: int, rows: int) -> Metric:
    return Metric(name, count / rows, wilson(count / rows, rows, _Z), rows)


def _of_pairs(classes: tuple[str, ...], pairs: dict[tuple[str, str], int]) -> Iterator[Metric]:
    total = sum(pairs.values())
    if not total:
        return
    right = sum(count for (truth, answer), count in pairs.items() if truth == answer)
    yield _share("accuracy", right, total)
    for each in classes:
        both = pairs.get((each, each), 0)
        answered = sum(count for (_, answer), count in pairs.items() if answer == each)
        true = sum(count for (truth, _), count in pairs.items() if truth == each)
        if answered:
            yield _share(f"precision of {each}", both, answered)
        if true:
            yield _share(f"recall of {each}", both, true)
        yield _share(f"share of {each}", true, total)


def _areas(of: Numbers | None, others: Numbers | None) -> Iterator[Metric]:
    """DeLong's area from counts: every row stands where its cell does, ties half."""
    if of is None or others is None or not of.moments.count or not others.moments.count:
        return
    above, below = np.array(of.cells, float), np.array(others.cells, float)
    positives, negatives = above.sum(), below.sum()
    lower = (np.cumsum(below) - below / 2.0) / negatives
    higher = (positives - np.cumsum(above) + above / 2.0) / positives
    area = float((above * lower).sum() / positives)
    rows = int(positives + negatives)
    smallest = int(min(positives, negatives))
    variance = _variance(lower, above) / positives + _variance(higher, below) / negatives
    if smallest < 2 or not 0.0 < area < 1.0 or variance <= 0.0:
        yield Metric("roc_auc", area, wilson(area, smallest, _Z), rows)
        return
    odds = math.log(area / (1.0 - area))
    half = _Z * math.sqrt(variance) / (area * (1.0 - area))
    interval = 1.0 / (1.0 + math.exp(half - odds)), 1.0 / (1.0 + math.exp(-half - odds))
    yield Metric("roc_auc", area, interval, rows)


def _variance(values: Floats, counts: Floats) -> float:
    total = float(counts.sum())
    mean = float((values * counts).sum() / total)
    return float((counts * (values - mean) ** 2).sum() / max(total - 1.0, 1.0))


def _means(columns: Mapping[str, Summary]) -> Iterator[Metric]:
    for name, column in (("log_loss", "label_loss"), ("mae", "label_distance")):
        numbers = _numbers(columns, column)
        if numbers is not None and numbers.moments.count:
            low, high = _about_mean(numbers)
            mean, count = numbers.moments.mean, numbers.moments.count
            yield Metric(name, mean, (max(0.0, low), high), count, bigger_is_better=False)
    errors = _numbers(columns, "label_error")
    if errors is None or not errors.moments.count:
        return
    moments = errors.moments
    yield Metric("bias", moments.mean, _about_mean(errors), moments.count, bigger_is_better=False)
    mean_square = moments.squares / moments.count + moments.mean**2
    # The variance of the squares, from the central sums: E e⁴ − (E e²)².
    fourth = (
        moments.fourths + 4.0 * moments.mean * moments.cubes
        + 6.0 * moments.mean**2 * moments.squares
    ) / moments.count + moments.mean**4  # fmt: skip
    half = _Z * math.sqrt(max(fourth - mean_square**2, 0.0) / max(moments.count - 1, 1))
    interval = math.sqrt(max(mean_square - half, 0.0)), math.sqrt(mean_square + half)
    yield Metric("rmse", math.sqrt(mean_square), interval, moments.count, bigger_is_better=False)


def _about_mean(numbers: Numbers) -> tuple[float, float]:
    moments = numbers.moments
    if moments.count < 2:
        return -math.inf, math.inf
    half = _Z * moments.deviation / math.sqrt(moments.count)
    return moments.mean - half, moments.mean + half


def _calibration(right: Numbers | None, wrong: Numbers | None) -> Iterator[Metric]:
    """The expected calibration error over ten cells, with an interval from the rows of each."""
    if right is None or wrong is None:
        return
    good, bad = np.array(right.cells, float), np.array(wrong.cells, float)
    total = float(good.sum() + bad.sum())
    if not total:
        return
    middles = (np.arange(good.size) + 0.5) / good.size
    error = variance = 0.0
    for part in np.array_split(np.arange(good.size), _CALIBRATION_CELLS):
        rows = float(good[part].sum() + bad[part].sum())
        if not rows:
            continue
        share = float(good[part].sum()) / rows
        sure = float(((good + bad)[part] * middles[part]).sum()) / rows
        error += rows / total * abs(share - sure)
        variance += (rows / total) ** 2 * share * (1.0 - share) / rows
    half = _Z * math.sqrt(variance)
    interval = max(0.0, error - half), error + half
    yield Metric("calibration error", error, interval, int(total), bigger_is_better=False)


def _places(places: Numbers | None) -> Iterator[Metric]:
    if places is None or not places.moments.count:
        return
    cells: Any = np.cumsum(places.cells)
    total = places.moments.count
    for top in (1, 3, 10):
        yield _share(f"hit rate at {top}", int(cells[top - 1]), total)


def told_of(status: Summary | None) -> int:
    """How many decisions were told with the model's own answer."""
    if status is None or status.categories is None:
        return 0
    counts = zip(STATUSES, status.categories.named, strict=False)
    return sum(count for name, count in counts if name in TOLD)


def _reactions(columns: Mapping[str, Summary]) -> Iterator[Metric]:
    """Of the answers that were told, and for how long people looked; of the newest, not everything
    may have been heard yet."""
    told, reacted = told_of(columns.get("status")), columns.get(REACTED)
    if told and reacted is not None and reacted.categories is not None:
        for name, count in zip(REACTIONS, reacted.categories.named, strict=True):
            if count:
                yield _share(rate_of(name), min(count, told), told)
    dwell = _numbers(columns, DWELL)
    if dwell is not None and dwell.moments.count:
        yield Metric("mean dwell_s", dwell.moments.mean, _about_mean(dwell), dwell.moments.count)


def _clicks(clicked: Summary | None, status: Summary | None) -> Iterator[Metric]:
    """Of the lists that were told; of the newest, not everything may have been heard yet."""
    told = told_of(status)
    clicks = 0 if clicked is None else clicked.rows
    if told:
        yield _share(CLICK_RATE, min(clicks, told), told)
