"""How a model fares, in figures: what `mainstay watch` shows.

Promises figures of whole stretches only, from what was taken in, and what is found wrong now. The
newest decisions come with the next sealed pieces, within about two minutes.
"""

from collections.abc import Iterable, Sequence

import msgspec

from mainstay.contract.finding import Finding
from mainstay.contract.model import Contract, Ranking
from mainstay.journal.model import STATUSES
from mainstay.summaries.reference import Reference
from mainstay.summaries.summary import Summary
from mainstay.watch.gather.model import (
    DAY_MS,
    HOUR_MS,
    PROCESSES,
    PROCESSOR,
    STRETCH_MS,
    Key,
    Part,
    merged,
)
from mainstay.watch.gather.port import SummaryStore
from mainstay.watch.gather.processes import MEMORY
from mainstay.watch.labels.metrics import Metric, metrics_of
from mainstay.watch.monitors.columns import Versions
from mainstay.watch.monitors.expectations import expected
from mainstay.watch.monitors.model import Saved
from mainstay.watch.recommend.measures import Recommended, recommended
from mainstay.watch.watcher import Watched, looks_per_alarm, seen_by

LABELS_MS = 7 * DAY_MS
"""The window of metrics."""


class Window(msgspec.Struct, frozen=True):
    """Decisions of a stretch of time."""

    hours: int
    decisions: int
    statuses: dict[str, int]
    """How many were answered, declined and so on; those that are none are left out."""
    step_us: dict[str, float]
    """Mean microseconds of each step, for one decision."""
    processor_us: float | None = None
    """Mean microseconds of processor time, for one decision."""


class VersionView(msgspec.Struct, frozen=True):
    """One version in one arm."""

    number: int
    fingerprint: str
    arm: str
    windows: tuple[Window, ...]
    metrics: tuple[Metric, ...]
    """Of the labels for decisions of the last seven days."""
    recommended: Recommended | None = None
    """Of a model that makes lists, in the last seven days."""
    memory_bytes: float | None = None
    """Of the processes that answered with it in the last day, on average."""
    reference: str = ""
    """What it is held against, in words."""
    chosen: bool = False
    """That is a period which somebody chose, and not what was packed."""


class OpenView(msgspec.Struct, frozen=True):
    """A finding that goes on."""

    key: str
    since_ms: int
    opened_ms: int
    finding: Finding


class Overview(msgspec.Struct, frozen=True):
    """One model."""

    model: str
    until_ms: int
    """All stretches that ended by then were looked at; 0 when none were."""
    versions: tuple[VersionView, ...]
    findings: tuple[OpenView, ...]
    expected: tuple[Finding, ...] = ()
    """How everything stands that the contract expects."""


def overview(
    watched: Watched, store: SummaryStore, saved: Saved, versions: Versions, now_ms: int
) -> Overview:
    """How a model fares now."""
    model, contract = watched.model, watched.contract
    parts = store.read(model, now_ms - LABELS_MS, now_ms)
    shown: dict[tuple[int, str, str], list[Part]] = {}
    for part in parts:
        if part.key.number:
            named = (part.key.number, part.key.fingerprint, part.key.arm)
            shown.setdefault(named, []).append(part)
    processes = store.read(model, now_ms - DAY_MS, now_ms, PROCESSES)
    found = [
        OpenView(key, each.since_ms, each.opened_ms, each.finding)
        for key, each in saved.open.items()
    ]
    seen = seen_by(contract, store, saved, watched.live)
    return Overview(
        model,
        saved.until_ms,
        tuple(
            msgspec.structs.replace(
                _version(named, contract, own, versions.reference(named[1]), now_ms),
                memory_bytes=_memory(processes, named[1]),
                chosen=named[1] in saved.chosen,
            )
            for named, own in sorted(shown.items())
        ),
        tuple(sorted(found, key=lambda each: (each.opened_ms, each.key))),
        tuple(expected(contract, seen, looks_per_alarm(contract))),
    )


def _memory(processes: Iterable[Part], fingerprint: str) -> float | None:
    own = [part for part in processes if part.key.fingerprint == fingerprint]
    return _mean(_merged(own).columns.get(MEMORY))


def _version(
    named: tuple[int, str, str],
    contract: Contract,
    parts: Sequence[Part],
    reference: Reference | None,
    now_ms: int,
) -> VersionView:
    number, fingerprint, arm = named
    windows = tuple(_window(parts, hours, now_ms) for hours in (1, 24))
    columns = _merged(parts).columns
    metrics = tuple(metrics_of(contract, columns).values())
    lists: Recommended | None = None
    if isinstance(contract.output, Ranking):
        known = {} if reference is None else reference.columns
        lists = recommended(contract.output, known, columns)
    held = "" if reference is None else reference.source
    return VersionView(number, fingerprint, arm, windows, metrics, lists, reference=held)


def _window(parts: Iterable[Part], hours: int, now_ms: int) -> Window:
    since_ms = now_ms - hours * HOUR_MS - STRETCH_MS
    whole = _merged([part for part in parts if part.key.begin_ms >= since_ms])
    status = whole.columns.get("status")
    counts = status.categories.named if status is not None and status.categories else ()
    steps = {
        name.removeprefix("step_"): summary.numbers.moments.mean / 1000.0
        for name, summary in whole.columns.items()
        if name.startswith("step_") and summary.numbers is not None
    }
    named = {name: count for name, count in zip(STATUSES, counts, strict=False) if count}
    used = _mean(whole.columns.get(PROCESSOR))
    return Window(hours, whole.rows, named, steps, None if used is None else used / 1000.0)


def _mean(summary: Summary | None) -> float | None:
    if summary is None or summary.numbers is None or not summary.numbers.moments.count:
        return None
    return summary.numbers.moments.mean


def _merged(parts: Sequence[Part]) -> Part:
    return merged(parts, parts[0].key if parts else Key("", "", 0, "", "", 0))
