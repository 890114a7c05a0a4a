"""Measure how often steps and leaks are told where there are none, and how soon real ones are.

Series in which nothing changes but noise of many kinds (heavy tails, neighbours that resemble each
other, days and weeks, bursts, memory that warms up), through the monitor itself, with the part of
one alarm in 30 days that it has. Then the same with a step, or a leak, planted.

    python bench/regressions.py            minutes
    python bench/regressions.py --short    seconds, for correctness; exits 1 when it cries wolf
"""

import argparse
import math
import statistics
import sys
from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from mainstay.summaries.summary import Summary, summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.model import DAY_MS, HOUR_MS, LATENCY, STRETCH_MS, TIMES, Key, Part
from mainstay.watch.gather.processes import Held, Processes, Reading
from mainstay.watch.monitors.model import Saved
from mainstay.watch.monitors.running import look_at_running
from mainstay.watch.watcher import OTHERS_PART

LOOKS = 30 * 144 / OTHERS_PART
"""What the watcher passes on for one alarm in 30 days."""
MARK = "ab" * 32
BEGIN = 1_700_000_000_000 // DAY_MS * DAY_MS
HOURS_OF_DAY = 24
Series = Callable[[np.random.Generator, int], np.ndarray]


def like_its_neighbours(
    generator: np.random.Generator, count: int, alike: float, heavy: float = 0.0
) -> np.ndarray:
    """Noise of deviation 1 that resembles what came just before it; heavy: degrees of freedom."""
    fresh = generator.normal(size=count)
    if heavy:
        fresh = generator.standard_t(heavy, count) / math.sqrt(heavy / (heavy - 2.0))
    found = np.empty(count)
    last = fresh[0]
    for place in range(count):
        last = alike * last + math.sqrt(1.0 - alike**2) * fresh[place]
        found[place] = last
    return found


def days(generator: np.random.Generator, count: int) -> np.ndarray:
    hour = np.arange(count) + int(generator.integers(168))
    day = 0.25 * np.sin(2.0 * np.pi * hour / HOURS_OF_DAY)
    weekend = 0.15 * (hour // HOURS_OF_DAY % 7 >= 5)
    return day - weekend + 0.08 * like_its_neighbours(generator, count, 0.6, 4.0)


def bursts(generator: np.random.Generator, count: int) -> np.ndarray:
    found = 0.05 * like_its_neighbours(generator, count, 0.5, 4.0)
    for begin in np.flatnonzero(generator.random(count) < 1.0 / 48.0):
        found[begin : begin + 1 + generator.geometric(0.4)] += 0.7
    return found


def volatile(generator: np.random.Generator, count: int) -> np.ndarray:
    spread = np.exp(0.8 * like_its_neighbours(generator, count, 0.98))
    return 0.05 * spread * generator.standard_t(4.0, count)


def whole_numbers(generator: np.random.Generator, count: int) -> np.ndarray:
    """Milliseconds of two or four, and little between."""
    return np.log(np.maximum(1.0, np.round(3.0 + 0.6 * like_its_neighbours(generator, count, 0.5))))


def by_the_day(generator: np.random.Generator, count: int) -> np.ndarray:
    """Each day has a level of its own."""
    hour = np.arange(count)
    level = np.repeat(0.15 * generator.normal(size=count // HOURS_OF_DAY + 1), HOURS_OF_DAY)[:count]
    return (
        level
        + 0.4 * np.sin(2.0 * np.pi * hour / HOURS_OF_DAY)
        + 0.05 * generator.normal(size=count)
    )


TIMES_OF_DAY: dict[str, Series] = {
    "normal": lambda g, n: 0.05 * g.normal(size=n),
    "heavy tails (t, 3)": lambda g, n: 0.05 * g.standard_t(3.0, n),
    "no variance (t, 2)": lambda g, n: 0.05 * g.standard_t(2.0, n),
    "neighbours alike (0.5)": lambda g, n: 0.08 * like_its_neighbours(g, n, 0.5),
    "alike (0.9), heavy (t, 4)": lambda g, n: 0.1 * like_its_neighbours(g, n, 0.9, 4.0),
    "very much alike (0.97)": lambda g, n: 0.1 * like_its_neighbours(g, n, 0.97),
    "skewed, alike (0.7)": lambda g, n: 0.15 * np.exp(0.7 * like_its_neighbours(g, n, 0.7)),
    "days and weeks": days,
    "days of their own level": by_the_day,
    "bursts of hours, doubled": bursts,
    "volatile": volatile,
    "few whole numbers": whole_numbers,
}


def warms_up(generator: np.random.Generator, count: int) -> np.ndarray:
    pace = generator.uniform(3.0, 30.0)
    grown = 0.4 * (1.0 - np.exp(-np.arange(count) / pace))
    return grown + 0.003 * like_its_neighbours(generator, count, 0.9)


def high_water(generator: np.random.Generator, count: int) -> np.ndarray:
    return np.maximum.accumulate(0.02 * generator.standard_t(3.0, count))


MEMORY: dict[str, Series] = {
    "level": lambda g, n: 0.003 * like_its_neighbours(g, n, 0.9),
    "warms up by half": warms_up,
    "grows as a logarithm": lambda g, n: 0.03 * np.log1p(np.arange(n)) + 0.002 * g.normal(size=n),
    "highest so far": high_water,
    "saw-tooth": lambda g, n: 0.15 * (np.arange(n) % 36) / 36.0 + 0.003 * g.normal(size=n),
    "days": lambda g, n: (
        0.15 * np.sin(np.arange(n) / 144.0 * 2.0 * np.pi) + 0.01 * g.normal(size=n)
    ),
}


def told(parts: Iterator[tuple[list[Part], list[Part]]]) -> list[tuple[str, int]]:
    """What began, and after how many milliseconds."""
    saved = Saved()
    found: list[tuple[str, int]] = []
    for asked, processes in parts:
        newest = (asked or processes)[0].key.begin_ms
        saved = msgspec.structs.replace(saved, until_ms=newest + STRETCH_MS)
        saved, changes = look_at_running(saved, asked, processes, LOOKS)
        found += [(each.key, each.at_ms - BEGIN) for each in changes if each.kind == "opened"]
    return found


def of_latency(logs: np.ndarray) -> Iterator[tuple[list[Part], list[Part]]]:
    """One stretch an hour: its median is the hour's."""
    for place, log in enumerate(logs.tolist()):
        times = np.full(60, 1e6 * math.exp(log))
        summary: Summary = summarise(values_of(times), TIMES)
        key = Key("m", MARK, 1, "live", "", BEGIN + place * HOUR_MS)
        yield [Part(key, 60, {LATENCY: summary})], []


def of_memory(logs: np.ndarray) -> Iterator[tuple[list[Part], list[Part]]]:
    gathered = Processes()
    for place, log in enumerate([*logs.tolist(), 0.0]):
        used = round(3e8 * math.exp(log))
        reading = Reading(process="worker 0", held=(Held("m", MARK, 1),), resident_bytes=used)
        parts = gathered.take([reading], BEGIN + place * STRETCH_MS)
        if parts:
            yield [], parts


def false_alarms(runs: int, length_days: int) -> float:
    """The most of any kind, in 30 days."""
    print(f"without a change, {runs} runs of {length_days} days each: alarms in 30 days")
    print(f"  {'latency by the hour':34}{'steps':>9}{'creeping':>10}")
    worst = 0.0
    for name, series in TIMES_OF_DAY.items():
        kinds = {"step": 0, "creeps": 0}
        for run in range(runs):
            logs = series(np.random.default_rng(run), length_days * 24)
            for key, _ in told(of_latency(logs)):
                kinds["creeps" if key.endswith("creeps") else "step"] += 1
        per_month = {kind: count / runs / length_days * 30.0 for kind, count in kinds.items()}
        worst = max(worst, *per_month.values())
        print(f"  {name:34}{per_month['step']:9.2f}{per_month['creeps']:10.2f}", flush=True)
    print(f"  {'memory by the stretch':34}")
    for name, series in MEMORY.items():
        count = 0
        for run in range(runs):
            logs = series(np.random.default_rng(run), min(length_days, 14) * 144)
            count += sum(key.endswith("creeps") for key, _ in told(of_memory(logs)))
        per_month = count / runs / min(length_days, 14) * 30.0
        worst = max(worst, per_month)
        print(f"  {name:34}{'':9}{per_month:10.2f}", flush=True)
    print(f"  promised, of all series of a model together {OTHERS_PART:.2f}")
    return worst


def found(
    name: str, runs: int, planted: Callable[[int], Iterator[tuple[list[Part], list[Part]]]],
    begin_ms: int, kind: str,
) -> None:  # fmt: skip
    delays: list[float] = []
    for run in range(runs):
        after = [at for key, at in told(planted(run)) if at > begin_ms and key.endswith(kind)]
        if after:
            delays.append((after[0] - begin_ms) / HOUR_MS)
    middle = f"{statistics.median(delays):.0f} h" if delays else "-"
    print(f"  {name:48}{len(delays):4} of {runs}{middle:>8}", flush=True)


def power(runs: int) -> None:
    """Steps after two weeks, leaks from the beginning."""
    print("planted: found, and after how long (median)")
    for name in (
        "normal", "neighbours alike (0.5)", "alike (0.9), heavy (t, 4)", "days and weeks",
        "bursts of hours, doubled", "volatile",
    ):  # fmt: skip
        for times in (1.2, 1.3, 1.6, 2.5):

            def stepping(run: int, name: str = name, times: float = times):
                logs = TIMES_OF_DAY[name](np.random.default_rng(100 + run), 18 * 24)
                logs[14 * 24 :] += math.log(times)
                return of_latency(logs)

            found(f"latency × {times}, {name}", runs, stepping, 14 * DAY_MS, "latency")
    for name in ("normal", "alike (0.9), heavy (t, 4)", "days and weeks"):
        for per_day in (0.03, 0.1, 0.3):

            def creeping(run: int, name: str = name, per_day: float = per_day):
                logs = TIMES_OF_DAY[name](np.random.default_rng(200 + run), 21 * 24)
                return of_latency(logs + per_day * np.arange(len(logs)) / 24.0)

            found(f"latency + {per_day:.0%} a day, {name}", runs, creeping, 0, "creeps")
    for name in ("level", "highest so far", "days"):
        for per_day in (0.1, 0.5, 2.0):

            def leaking(run: int, name: str = name, per_day: float = per_day):
                logs = MEMORY[name](np.random.default_rng(300 + run), 5 * 144)
                return of_memory(logs + per_day * np.arange(len(logs)) / 144.0)

            found(f"memory + {per_day:.0%} a day, {name}", runs, leaking, 0, "creeps")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="seconds, for correctness")
    parser.add_argument("--runs", type=int, default=8)
    options = parser.parse_args()
    short = options.short
    worst = false_alarms(1, 10) if short else false_alarms(options.runs, 45)
    power(1 if short else min(options.runs, 8))
    return int(short and worst > 3.0)


if __name__ == "__main__":
    sys.exit(main())
