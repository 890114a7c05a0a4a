"""The monitor of how models run: do answers take longer, cost more, or does memory grow?

Two questions to each figure. Has it stepped up? Its hours are held against the same hours of the
days before, and what is left against all that was left before (`series/step.py`). Does it creep up?
Every value is held against those of the same process or version before it (`leaks.py`): memory
starts anew with a process, latency and processor time with a version.

Latency is the median of decisions, from receipt to the end of the run; processor time is the
median of a row's share of its run; memory is that of the processes that answer. Improvements are
not told. A step is told from a fifth on, creeping from a tenth on. What has gone on for a week is
what is usual.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from mainstay.contract.finding import Finding
from mainstay.summaries.summary import Summary, merge
from mainstay.watch.gather.model import (
    DAY_MS,
    HOUR_MS,
    LATENCY,
    PROCESSOR,
    STRETCH_MS,
    TIMES,
    Part,
)
from mainstay.watch.gather.processes import MEMORY
from mainstay.watch.monitors.expectations import quantile
from mainstay.watch.monitors.leaks import Growth, growth, lived_on, loudness
from mainstay.watch.monitors.model import MARK_LENGTH, Change, Life, Running, Saved
from mainstay.watch.monitors.tick import Tick
from mainstay.watch.monitors.words import since
from mainstay.watch.series.step import Floats, Step, begun, stepped_up

KEY: Final = "||running|"
"""How the keys of steps begin; those of what creeps end with `CREEPS`."""
CREEPS: Final = "|creeps"
STEP_LEAST: Final = math.log(1.2)
ROWS_LEAST: Final = 30
"""A median of fewer rows says little of a stretch."""
_KEPT: Final = 28 * 24
_A_DAY: Final = 24
_DAYS_COMPARED: Final = 14
_DAYS_LEAST: Final = 3
_USUAL_AFTER_MS: Final = 7 * DAY_MS
_LIVES_MAX: Final = 256
_WARM_UP_MS: Final = 3 * HOUR_MS
"""How long the memory of a process that has just begun may grow."""
_PROCESS_GONE_MS: Final = 3 * STRETCH_MS
_VERSION_GONE_MS: Final = 3 * DAY_MS
"""Nights and weekends without a request are no end."""
_TIMES: Final = {"latency": LATENCY, "processor time": PROCESSOR}
_MEMORY: Final = "memory"
FIGURES: Final = (*_TIMES, _MEMORY)
_QUESTIONS: Final = 2
"""Steps and creeping have half of the false alarms each."""

Values = dict[str, float]


def look_at_running(
    saved: Saved, parts: Sequence[Part], processes: Sequence[Part], looks_per_alarm: float
) -> tuple[Saved, list[Change]]:
    """Take the stretches into account that have closed: `parts` without shadows and slices, and
    what processes used. `saved` is as it is after them."""
    tick = Tick(saved.states, dict(saved.open))
    begins = sorted({part.key.begin_ms for part in (*parts, *processes)})
    known = _Known(saved.running, begins[0] if begins else 0)
    for begin_ms in begins:
        _close_hours(tick, known, begin_ms, looks_per_alarm)
        here = [part for part in parts if part.key.begin_ms == begin_ms]
        beside = [part for part in processes if part.key.begin_ms == begin_ms]
        for name, value in {**_times(here), **_times_of_versions(here), **_memory(beside)}.items():
            known.stretches.setdefault(name, []).append(value)
        used = _memory_of_processes(beside)
        _live_on(tick, known.lives, used, (begin_ms, STRETCH_MS), looks_per_alarm)
    _close_hours(tick, known, saved.until_ms, looks_per_alarm)
    _bury(tick, known.lives, saved.until_ms)
    return msgspec.structs.replace(saved, open=tick.open, running=known.running), tick.changes


class _Known:
    """What is remembered, to be changed in place."""

    def __init__(self, running: Running, first_ms: int) -> None:
        self.hour_ms = running.hour_ms or first_ms - first_ms % HOUR_MS
        self.stretches = {name: list(values) for name, values in running.stretches.items()}
        self.hours = dict(running.hours)
        self.lives = dict(running.lives)

    @property
    def running(self) -> Running:
        kept = {name: tuple(values) for name, values in self.stretches.items()}
        return Running(self.hour_ms, kept, self.hours, self.lives)


# What a stretch says ------------------------------------------------------------------------------


def _times(parts: Iterable[Part]) -> Values:
    """Of all versions together."""
    found: Values = {}
    for figure, column in _TIMES.items():
        value = _median(part.columns.get(column) for part in parts)
        if value is not None:
            found[figure] = value
    return found


def _times_of_versions(parts: Sequence[Part]) -> Values:
    """By the beginning of the key of what creeps."""
    found: Values = {}
    for fingerprint in sorted({part.key.fingerprint for part in parts}):
        own = [part for part in parts if part.key.fingerprint == fingerprint]
        for figure, value in _times(own).items():
            found[f"{fingerprint[:MARK_LENGTH]}||{figure}"] = value
    return found


def _median(summaries: Iterable[Summary | None]) -> float | None:
    """The logarithm of the median of nanoseconds."""
    whole: Summary | None = None
    for each in summaries:
        if each is not None:
            whole = each if whole is None else merge(whole, each)
    if whole is None or whole.numbers is None:
        return None
    numbers = whole.numbers
    cells = np.array(numbers.cells, dtype=np.float64)
    if cells.sum() < ROWS_LEAST:
        return None
    return math.log(max(quantile(cells, np.array(TIMES.edges), 0.5, numbers.high or 0.0), 1.0))


def _memory_of_processes(parts: Iterable[Part]) -> Values:
    found: Values = {}
    for part in parts:
        used = _bytes(part)
        if used:
            name = f"{part.key.fingerprint[:MARK_LENGTH]}||{_MEMORY} of {part.key.arm}"
            found[name] = math.log(used)
    return found


def _memory(parts: Iterable[Part]) -> Values:
    """Of the processes on average."""
    used = {part.key.arm: each for part in parts if (each := _bytes(part))}
    return {_MEMORY: math.log(sum(used.values()) / len(used))} if used else {}


def _bytes(part: Part) -> float:
    summary = part.columns.get(MEMORY)
    return 0.0 if summary is None or summary.numbers is None else summary.numbers.moments.mean


# Steps --------------------------------------------------------------------------------------------


def _close_hours(tick: Tick, known: _Known, until_ms: int, looks_per_alarm: float) -> None:
    """The hours that are over by then."""
    per_alarm = looks_per_alarm * STRETCH_MS / HOUR_MS
    while known.hour_ms and known.hour_ms + HOUR_MS <= until_ms:
        values = {name: float(np.median(each)) for name, each in known.stretches.items()}
        for figure in FIGURES:
            value = values.pop(figure, None)
            if value is not None or figure in known.hours:
                hours = (*known.hours.get(figure, ()), value)[-_KEPT:]
                known.hours[figure] = hours
                _step(tick, figure, hours, known.hour_ms, _QUESTIONS * len(FIGURES) * per_alarm)
        _live_on(tick, known.lives, values, (known.hour_ms, HOUR_MS), per_alarm)
        known.hour_ms, known.stretches = known.hour_ms + HOUR_MS, {}


def _step(
    tick: Tick, figure: str, hours: Sequence[float | None], begin_ms: int, looks: float
) -> None:
    """An hour more of a figure, which may be told wrongly once in so many looks."""
    key, end_ms = KEY + figure, begin_ms + HOUR_MS
    if hours[-1] is None:
        return
    known = tick.open.get(key)
    if known is not None:
        before = hours[: len(hours) - max(1, (end_ms - known.since_ms) // HOUR_MS)]
        usual = usual_at(before, len(hours) - 1)
        if end_ms - known.since_ms >= _USUAL_AFTER_MS or usual is None:
            tick.over(key, end_ms)
        else:
            tick.calm(key, end_ms, usual=hours[-1] - usual < STEP_LEAST / 2.0)
        return
    left = left_over(hours)
    step = stepped_up(left)
    if step.chance * looks > 1.0 or step.size < STEP_LEAST:
        return
    newest = min(len(hours), max(begun(left), 1))
    since_ms = end_ms - newest * HOUR_MS
    tick.found(key, _stepped(figure, step, hours[-1], since_ms), since_ms, end_ms)


def usual_at(hours: Sequence[float | None], place: int) -> float | None:
    """What is usual at a place in a series, at that hour of the day; nothing where too few days
    before it are known. `hours` may end before the place."""
    known = float(_usual([*hours, *[None] * (place + 1 - len(hours))])[place])
    return None if math.isnan(known) else known


def _usual(hours: Sequence[float | None]) -> Floats:
    """At every place; not a number where too few days are known."""
    values = np.array(hours, dtype=np.float64)
    before = np.full((_DAYS_COMPARED, len(values)), np.nan)
    for day in range(1, min(_DAYS_COMPARED, (len(values) - 1) // _A_DAY) + 1):
        before[day - 1, day * _A_DAY :] = values[: -day * _A_DAY]
    before.sort(axis=0)
    # What is missing is sorted behind all others.
    there = np.isfinite(before).sum(axis=0)
    places = np.arange(len(values))
    middle = (before[(there - 1) // 2, places] + before[there // 2, places]) / 2.0
    return np.where(there >= _DAYS_LEAST, middle, np.nan)


def left_over(hours: Sequence[float | None]) -> list[float]:
    """What is left of each hour beside what is usual, where that is known."""
    left = np.array(hours, dtype=np.float64) - _usual(hours)
    return left[np.isfinite(left)].tolist()


def _stepped(figure: str, step: Step, value: float, since_ms: int) -> Finding:
    times = math.exp(step.size)
    now, before = _shown(figure, value), _shown(figure, value - step.size)
    words = (
        f"{figure}{_OF.get(figure, '')}: {times:.2f} times what is usual, {now} where {before} is"
        f" usual, since {since(since_ms)}."
    )
    return Finding(
        check=f"{figure}: step", verdict="fail", words=words, figure=math.exp(value),
        compared=math.exp(value - step.size), limit=math.exp(value - step.size + STEP_LEAST),
        samples=step.width,
    )  # fmt: skip


_OF: Final = {"processor time": " of a prediction", _MEMORY: " of the workers"}


def _shown(figure: str, value: float) -> str:
    if figure.startswith(_MEMORY):
        return f"{math.exp(value) / 2**20:,.0f} MiB"
    return f"{math.exp(value) / 1e3:,.0f} µs"


# Creeping -----------------------------------------------------------------------------------------


def _live_on(
    tick: Tick,
    lives: dict[str, Life],
    values: Mapping[str, float],
    at: tuple[int, int],
    looks_per_alarm: float,
) -> None:
    """One value more of each series, for a moment and so long; each series has its part of the
    false alarms."""
    begin_ms, end_ms = at[0], sum(at)
    many = len(lives.keys() | values.keys())
    loud = math.log(max(looks_per_alarm, 1.0) * _QUESTIONS * max(many, 1))
    for name, value in sorted(values.items()):
        warm_up_ms = _WARM_UP_MS if _is_memory(name) else 0
        life = lives[name] = lived_on(lives.get(name, Life()), value, begin_ms, warm_up_ms)
        key = name + CREEPS
        if key not in tick.open and loudness(life.state) < loud:
            continue
        grown = growth(life.values)
        if key in tick.open:
            tick.calm(key, end_ms, usual=grown is None)
        elif grown is not None:
            since_ms = end_ms - grown.values * at[1]
            tick.found(key, _crept(name, grown, since_ms), since_ms, end_ms)


def _crept(name: str, grown: Growth, since_ms: int) -> Finding:
    figure = name.rpartition("|")[2]
    percent = math.expm1(grown.end - grown.start)
    words = (
        f"{figure}: creeps up, steadily, by {percent:.0%} since {since(since_ms)}: from"
        f" {_shown(figure, grown.start)} to {_shown(figure, grown.end)}."
    )
    return Finding(
        check=f"{figure.partition(' of ')[0]}: creeps up", verdict="fail", words=words,
        figure=math.exp(grown.end), compared=math.exp(grown.start), samples=grown.values,
    )  # fmt: skip


def _bury(tick: Tick, lives: dict[str, Life], until_ms: int) -> None:
    """A process or version that is gone takes what was found of it along."""
    gone = [name for name, life in lives.items() if until_ms - life.seen_ms > _patience_ms(name)]
    if len(lives) - len(gone) > _LIVES_MAX:
        rest = sorted(lives.keys() - set(gone), key=lambda name: lives[name].seen_ms)
        gone += rest[: len(rest) - _LIVES_MAX]
    for name in gone:
        del lives[name]
        if name + CREEPS in tick.open:
            tick.over(name + CREEPS, until_ms)


def _patience_ms(name: str) -> int:
    return _PROCESS_GONE_MS if _is_memory(name) else _VERSION_GONE_MS


def _is_memory(name: str) -> bool:
    return f"||{_MEMORY} of " in name
