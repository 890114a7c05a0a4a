"""Score the default series detector on the Numenta Anomaly Benchmark, as NAB v1.1 scores.

Of each labelled window the earliest alarm counts, the more the earlier it is (a sigmoid from 1 at
the left edge to 0 at the right); each alarm outside costs 0.11, less right after a window; each
window without one costs 1. The first 15 % of a series (at most 750 points) are not scored. The sum
over all 58 series is put on a scale from 0 (no alarm ever) to 100 (each window at its first point).
The published scores use the one threshold over all series that makes this highest; so does the
column `best`. `shipped` is the detector as it is, with the threshold in its code.

The windowed Gaussian is NAB's own baseline, whose published score of 39.6 says whether this scores
as NAB does (its results are kept with 12 digits, and so they are here).

    MAINSTAY_DATA=../shared/data python bench/nab.py
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mainstay.watch.series.unusual import LOUD, REST, Detector

DATA = Path(os.environ.get("MAINSTAY_DATA") or Path(__file__).parents[2] / "shared" / "data")
FALSE_ALARM = 0.11
PROBATION = 0.15
PUBLISHED = {"windowed Gaussian": 39.6}
Floats = npt.NDArray[np.float64]


class Series(NamedTuple):
    """One series of the benchmark."""

    values: Floats
    per_day: int
    windows: list[tuple[int, int]]
    """First and last point."""


class Row(NamedTuple):
    """What an alarm at each point is worth."""

    worth: Floats
    window: npt.NDArray[np.int64]
    """Its number over all series; −1 outside."""


def corpus() -> dict[str, Series]:
    table = pq.read_table(DATA / "nab" / "series.parquet")
    named = json.loads((DATA / "nab" / "windows.json").read_text())
    found: dict[str, Series] = {}
    for name in sorted(named):
        own = table.filter(pc.field("series") == name)
        stamps = own.column("timestamp").cast("int64").to_numpy()
        texts = [str(stamp)[:19] for stamp in own.column("timestamp").to_pylist()]
        first = {text: at for at, text in reversed(list(enumerate(texts)))}
        windows = [(first[begin[:19]], first[end[:19]]) for begin, end in named[name]]
        step = float(np.median(np.diff(stamps))) / 1e6
        values = own.column("value").to_numpy()
        found[name] = Series(values, round(86_400 / step), windows)
    return found


def sigmoid(place: Floats) -> Floats:
    """1 to 0 within a window, 0 to −1 after it."""
    return np.where(place > 3.0, -1.0, 2.0 / (1.0 + np.exp(5.0 * np.minimum(place, 3.0))) - 1.0)


def worths(series: Mapping[str, Series]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    count = 0
    for name, each in series.items():
        size = len(each.values)
        worth = np.full(size, -FALSE_ALARM)
        window = np.full(size, -1)
        for number, (begin, end) in enumerate(each.windows):
            width = end - begin + 1
            inside = np.arange(begin, end + 1)
            worth[inside] = sigmoid(-(end - inside + 1) / width) / sigmoid(np.array(-1.0))
            window[inside] = count
            count += 1
            more = number + 1 < len(each.windows)
            after = np.arange(end + 1, each.windows[number + 1][0] if more else size)
            worth[after] = FALSE_ALARM * sigmoid((after - end) / (width - 1.0))
        skipped = min(int(PROBATION * size), int(PROBATION * 5000))
        found[name] = Row(worth[skipped:], window[skipped:])
    return found


class Scored(NamedTuple):
    """On the scale from 0 to 100."""

    whole: float
    """With every alarm that is louder than nothing."""
    best: float
    """With those above the one threshold that is best over all series."""
    threshold: float


def score(rows: Mapping[str, Row], heard: Mapping[str, Floats]) -> Scored:
    worth = np.concatenate([row.worth for row in rows.values()])
    window = np.concatenate([row.window for row in rows.values()])
    loud = np.concatenate([heard[name][-len(row.worth) :] for name, row in rows.items()])
    windows = int(window.max()) + 1
    order = np.argsort(-loud, kind="stable")
    total = best = float(-windows)
    best_at = math.inf
    earliest: dict[int, float] = {}
    for place, at in enumerate(order.tolist()):
        if loud[at] <= 0.0:
            break
        number = int(window[at])
        if number < 0:
            total += float(worth[at])
        elif worth[at] > earliest.get(number, -1.0):
            total += float(worth[at]) - earliest.get(number, -1.0)
            earliest[number] = float(worth[at])
        last = place + 1 == len(order) or loud[order[place + 1]] != loud[at]
        if last and total > best:
            best, best_at = total, float(loud[at])
    whole, best = (100.0 * (each + windows) / (2.0 * windows) for each in (total, best))
    return Scored(whole, best, best_at)


def alarms(loud: Floats, threshold: float, rest: int) -> Floats:
    """1 where an alarm is told, which then is silent for a while."""
    found = np.zeros(len(loud))
    until = -1
    for at in np.flatnonzero(loud >= threshold).tolist():
        if at > until:
            found[at] = 1.0
            until = at + rest
    return found


def told(rows: Mapping[str, Row], heard: Mapping[str, Floats]) -> tuple[int, int]:
    """How many windows have an alarm, and how many alarms lie outside."""
    windows: set[int] = set()
    outside = 0
    for name, row in rows.items():
        at = heard[name][-len(row.worth) :] > 0.0
        windows |= set(row.window[at & (row.window >= 0)].tolist())
        outside += int((at & (row.window < 0)).sum())
    return len(windows), outside


def windowed_gaussian(series: Series) -> Floats:
    """How far a value lies in the normal distribution of 6 400 before it, moved on by hundreds."""
    values, width, step = series.values, 6400, 100
    found = np.zeros(len(values))
    begin = end = 0
    mean, spread = 0.0, 1.0
    for at, value in enumerate(values.tolist()):
        if end:
            found[at] = 1.0 - 0.5 * math.erfc(abs(value - mean) / spread / math.sqrt(2.0))
        if end < width:
            end += 1
        elif at - end + 1 == step:
            begin, end = begin + step, end + step
        else:
            continue
        mean, spread = float(values[begin:end].mean()), float(values[begin:end].std()) or 1e-6
    return np.round(found, 12)


def every(period: int) -> Callable[[Series], Floats]:
    """Alarms without looking."""
    return lambda series: (np.arange(len(series.values)) % period == 0).astype(np.float64)


def loudness(series: Series) -> Floats:
    detector = Detector(series.per_day)
    return np.array([detector.add(value) for value in series.values.tolist()])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sensitivity", action="store_true", help="other thresholds and rests too")
    options = parser.parse_args()
    if not (DATA / "nab" / "series.parquet").exists():
        print(f"{DATA / 'nab'} is not there; MAINSTAY_DATA names the folder")
        return 0
    series = corpus()
    rows = worths(series)
    points = sum(len(each.values) for each in series.values())
    windows = sum(len(each.windows) for each in series.values())
    print(f"{len(series)} series, {points:,} points, {windows} windows; profile standard")
    print(f"{'':34}{'shipped':>9}{'best':>7}{'windows':>9}{'outside':>9}")
    for name, detect in (
        ("no alarm ever", lambda each: np.zeros(len(each.values))),
        ("an alarm every 100", every(100)),
        ("windowed Gaussian", windowed_gaussian),
    ):
        heard = {each: detect(own) for each, own in series.items()}
        found = score(rows, heard)
        at = found.threshold if name in PUBLISHED else 0.5
        hits = told(rows, {each: (own >= at).astype(float) for each, own in heard.items()})
        shipped = "" if name in PUBLISHED else f"{found.whole:.1f}"
        print(f"{name:34}{shipped:>9}{found.best:>7.1f}{hits[0]:>9}{hits[1]:>9}")
    began = time.process_time()
    heard = {name: loudness(each) for name, each in series.items()}
    spent = (time.process_time() - began) / points
    shipped = {name: alarms(own, LOUD, REST) for name, own in heard.items()}
    swept = [
        score(rows, {name: alarms(own, loud, REST) for name, own in heard.items()}).whole
        for loud in np.arange(3.5, 8.0, 0.25).tolist()
    ]
    hits = told(rows, shipped)
    name = "mainstay.watch.unusual"
    whole = score(rows, shipped).whole
    print(f"{name:34}{whole:>9.1f}{max(swept):>7.1f}{hits[0]:>9}{hits[1]:>9}")
    print(f"\n{1e6 * spent:.0f} µs of a processor for each point")
    for folder in sorted({name.partition("/")[0] for name in series}):
        own = {name: row for name, row in rows.items() if name.startswith(folder)}
        hits = told(own, shipped)
        there = sum(len(series[name].windows) for name in own)
        print(f"  {folder:24} {hits[0]:>3} of {there:>3} windows, {hits[1]:>3} alarms outside")
    if options.sensitivity:
        print("\nscore as shipped, by threshold and rest")
        for rest in (45, 60, 80, 100, 150):
            found = [
                score(rows, {name: alarms(own, loud, rest) for name, own in heard.items()}).whole
                for loud in (4.0, 4.5, 5.0, 5.5, 6.0, 6.5)
            ]
            print(f"  rest {rest:>3}  " + "  ".join(f"{each:5.1f}" for each in found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
