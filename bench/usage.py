"""Measure how often usage is said to have changed, and how much of what did change is found.

The taxi series of the Numenta Anomaly Benchmark, by the hour, with its five labelled windows;
beside the monitor stand the fixed rules (an hour against the one a day before, a day against the
one a week before). Then series in which nothing changes but noise: how many alarms there are to
those that were promised.

    MAINSTAY_DATA=../shared/data python bench/usage.py
"""

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mainstay.contract.watching import UsageRules
from mainstay.watch.gather.model import HOUR_MS, Key, Part
from mainstay.watch.monitors.model import Saved
from mainstay.watch.monitors.usage import look_at_usage
from mainstay.watch.watcher import USAGE_PART

DATA = Path(os.environ.get("MAINSTAY_DATA") or Path(__file__).parents[2] / "shared" / "data")
TAXI = "realKnownCause/nyc_taxi.csv"
FIXED = {
    "30 % against the day before": UsageRules(hour_vs_yesterday="30 %"),
    "15 % against the week before": UsageRules(day_vs_last_week="15 %"),
}
LOOKS = 30 * 144 / USAGE_PART
"""What the watcher passes on for one alarm in 30 days."""


def watched(counts: np.ndarray, first_ms: int, rules: UsageRules | None) -> tuple[list, list]:
    """The hours in which findings began, and all hours that did not look as they should."""
    saved = Saved(first_ms=first_ms)
    began: list[int] = []
    wrong: list[int] = []
    for at, count in enumerate(counts.tolist()):
        begin_ms = first_ms + at * HOUR_MS
        saved = msgspec.structs.replace(saved, until_ms=begin_ms + HOUR_MS)
        part = Part(Key("taxi", "", 1, "live", "", begin_ms, HOUR_MS), int(count), {})
        saved, changes = look_at_usage(saved, [part], rules, LOOKS)
        began += [at for change in changes if change.kind == "opened"]
        if any(each.calm == 0 for each in saved.open.values()):
            wrong.append(at)
    return began, wrong


def taxi() -> tuple[np.ndarray, int, list[tuple[int, int]]]:
    """Counts by the hour, where they begin, and the labelled windows as hours."""
    table = pq.read_table(DATA / "nab" / "series.parquet")
    table = table.filter(pc.field("series") == TAXI)
    times = table.column("timestamp").cast("int64").to_numpy() // 1000
    first_ms = int(times[0])
    counts = np.bincount((times - first_ms) // HOUR_MS, weights=table.column("value").to_numpy())
    named = json.loads((DATA / "nab" / "windows.json").read_text())[TAXI]
    hour = {text: (moment(text) - first_ms) // HOUR_MS for pair in named for text in pair}
    windows = [(hour[begin], hour[end]) for begin, end in named]
    return counts, first_ms, windows


def moment(text: str) -> int:
    """In milliseconds; the series has no time zone."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def alerts() -> None:
    """The taxi series."""
    counts, first_ms, windows = taxi()
    print(f"taxi series: {len(counts):,} hours, {len(windows)} labelled windows")
    print(f"{'':32}{'alerts':>8}{'hours':>8}{'outside':>9}{'windows':>9}")
    for name, rules in {**FIXED, "what is usual (the default)": None}.items():
        began, wrong = watched(counts, first_ms, rules)
        found = sum(any(a <= at <= b for at in began) for a, b in windows)
        outside = sum(not any(a <= at <= b for a, b in windows) for at in began)
        print(f"{name:32}{len(began):>8}{len(wrong):>8}{outside:>9}{found:>9}")


def quiet(runs: int) -> None:
    """Series with days and weeks, a level, and noise that lasts, but no change."""
    print(f"\nnothing changes: alarms, and how many are promised, {runs} runs of half a year")
    generator = np.random.default_rng(0)
    at = np.arange(26 * 168)
    shape = np.exp(0.8 * np.sin(2 * np.pi * at / 24) + 0.3 * np.sin(2 * np.pi * at / 168))
    for level, lasting, size in ((5, 0.0, 0.0), (20, 0.0, 0.0), (200, 0.8, 0.1), (2000, 0.5, 0.3)):
        alarms = hours = 0
        for _ in range(runs):
            noise = np.zeros(len(at))
            for each in range(1, len(at)):
                fresh = (1 - lasting**2) ** 0.5 * size * generator.normal()
                noise[each] = lasting * noise[each - 1] + fresh
            began, _ = watched(generator.poisson(level * shape * np.exp(noise)), HOUR_MS, None)
            alarms += len(began)
            hours += len(at) - 7 * 168
        promised = hours / 720 * USAGE_PART
        print(
            f"  about {level:>5,} an hour, noise {size:.0%} (lasting {lasting}):"
            f" {alarms}, promised {promised:.1f}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=6)
    options = parser.parse_args()
    if (DATA / "nab" / "series.parquet").exists():
        alerts()
    else:
        print(f"{DATA / 'nab'} is not there; MAINSTAY_DATA names the folder")
    quiet(options.runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
