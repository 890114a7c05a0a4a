"""What the slots of a machine counted, put together: for Prometheus as families, for people as
plain figures.

Promises that a torn file stops nobody, that counters of all slots add up, and that what is said of
how things are now comes from workers that are there. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mainstay.serve.exposition import Family, Sample, gauge
from mainstay.serve.refusals import AskedBy
from mainstay.serve.rolling import (
    RollingState,
    last_day,
    last_hour,
    last_minute,
    latency_quantiles,
)

SNAPSHOT_FRESH_SECONDS = 10
"""The gauges of a slot whose file is older than this belong to a worker that is gone."""
SLOT_FIGURES: tuple[tuple[str, str], ...] = (
    ("in_flight", "Requests being answered now."),
    ("waiting_rows", "Rows waiting for a model run."),
    ("connections_open", "Connections that are open now."),
    ("processor_seconds", "Processor time of the worker since its start."),
    ("resident_bytes", "Memory of the worker."),
)
"""Fields of a snapshot that go up and down."""


class Snapshot(msgspec.Struct, kw_only=True):
    """Everything one slot counted."""

    slot: int
    pid: int
    time_ns: int
    born_ns: int = 0
    """When the process began; with the slot, it tells one process from the next."""
    families: list[Family] = []
    traffic: dict[str, RollingState] = {}
    loaded: dict[str, int] = {}
    in_flight: int = 0
    waiting_rows: int = 0
    connections_open: int = 0
    processor_seconds: float = 0.0
    resident_bytes: int = 0
    last_defect: str = ""
    asked: list[AskedBy] = []
    """By caller, since the process began; for the keeper, and on no page."""
    levels: list[Sample] = []
    """What judgement says of how things are now."""


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """One model's requests, for people."""

    last_minute: int
    last_hour: int
    last_day: int
    share_succeeded: float | None
    """Of the last hour."""
    p50_ms: float | None
    p99_ms: float | None
    """Of the last hour."""
    rows_per_run: float | None = None
    processor_us: float | None = None
    """Processor time of the model's runs, for one row; like the rows of a run, of the versions in
    memory, since they first answered."""


def decode_snapshot(data: bytes | None) -> Snapshot | None:
    """A slot's file, or nothing when it is not one: a torn file must not stop a worker."""
    if not data:
        return None
    try:
        return msgspec.json.decode(data, type=Snapshot)
    except msgspec.MsgspecError:
        return None


def traffic_by_model(files: Iterable[bytes], now_ns: int) -> dict[str, Traffic]:
    """What the slots' files say about each model's recent requests."""
    snapshots = [found for data in files if (found := decode_snapshot(data)) is not None]
    models = sorted({model for snapshot in snapshots for model in snapshot.traffic})
    return {model: _traffic(snapshots, model, now_ns) for model in models}


def _states(snapshots: Iterable[Snapshot], model: str) -> list[RollingState]:
    return [found for shot in snapshots if (found := shot.traffic.get(model)) is not None]


def _traffic(snapshots: Sequence[Snapshot], model: str, now_ns: int) -> Traffic:
    states, second = _states(snapshots, model), now_ns // 1_000_000_000
    p50, p99 = latency_quantiles(states, second, (0.5, 0.99))
    hour = last_hour(states, second)
    return Traffic(
        last_minute=last_minute(states, second).requests,
        last_hour=hour.requests,
        last_day=last_day(states, second).requests,
        share_succeeded=hour.share_succeeded,
        p50_ms=None if p50 is None else p50 / 1e6,
        p99_ms=None if p99 is None else p99 / 1e6,
        rows_per_run=_ratio(snapshots, model, "rows", "runs"),
        processor_us=_ratio(snapshots, model, "run_processor_seconds", "rows", 1e6),
    )


def _ratio(
    snapshots: Iterable[Snapshot], model: str, above: str, below: str, times: float = 1.0
) -> float | None:
    """One counter over another, of the versions of a model that are in memory."""
    sums = {above: 0.0, below: 0.0}
    for shot in snapshots:
        number = str(shot.loaded.get(model, ""))
        for name in sums:
            sums[name] += sum(
                sample.value
                for family in shot.families
                if family.name == f"mainstay_{name}"
                for sample in family.samples
                if sample.labels.get("model") == model and sample.labels.get("version") == number
            )
    return sums[above] / sums[below] * times if sums[below] else None


def sum_families(groups: Iterable[Sequence[Family]]) -> list[Family]:
    """Add counters and histograms line by line."""
    merged: dict[str, Family] = {}
    lines: dict[tuple[str, tuple[tuple[str, str], ...]], Sample] = {}
    for families in groups:
        for family in families:
            kept = merged.setdefault(
                family.name, Family(family.name, family.kind, family.about, [])
            )
            for sample in family.samples:
                key = (sample.name, tuple(sorted(sample.labels.items())))
                line = lines.get(key)
                if line is None:
                    lines[key] = line = Sample(sample.name, sample.labels, 0.0)
                    kept.samples.append(line)
                line.value += sample.value
    return list(merged.values())


def traffic_families(snapshots: Sequence[Snapshot], second: int) -> list[Family]:
    """Requests of the last minute, hour and day."""
    counts: list[tuple[dict[str, str], float | None]] = []
    shares: list[tuple[dict[str, str], float | None]] = []
    for model in sorted({name for snapshot in snapshots for name in snapshot.traffic}):
        states = _states(snapshots, model)
        for name, window in (
            ("minute", last_minute(states, second)),
            ("hour", last_hour(states, second)),
            ("day", last_day(states, second)),
        ):
            labels = {"model": model, "window": name}
            counts.append((labels, window.requests))
            shares.append((labels, window.share_succeeded))
    return [
        gauge("requests_last", "Requests in the last minute, hour and day.", counts),
        gauge("requests_last_2xx_share", "Share of them answered with 2xx.", shares),
    ]


def slot_families(snapshots: Iterable[Snapshot], now_ns: int) -> list[Family]:
    """What every worker has in hand, of those that are there."""
    alive = still_there(snapshots, now_ns)
    loaded = [
        ({"slot": str(shot.slot), "model": model, "version": str(number)}, 1.0)
        for shot in alive
        for model, number in sorted(shot.loaded.items())
    ]
    figures = [
        gauge(name, about, [({"slot": str(shot.slot)}, getattr(shot, name)) for shot in alive])
        for name, about in SLOT_FIGURES
    ]
    return [*figures, gauge("loaded_version", "Versions in memory, by worker.", loaded)]


def level_families(
    snapshots: Iterable[Snapshot], about: Mapping[str, str], now_ns: int
) -> list[Family]:
    """What judgement says of how things are now, of workers that are there."""
    alive = still_there(snapshots, now_ns)
    return [gauge(name, words, _levels(alive, name)) for name, words in about.items()]


def still_there(snapshots: Iterable[Snapshot], now_ns: int) -> list[Snapshot]:
    """Those whose workers have just said something."""
    fresh_ns = SNAPSHOT_FRESH_SECONDS * 1_000_000_000
    return [shot for shot in snapshots if now_ns - shot.time_ns < fresh_ns]


def _levels(alive: Iterable[Snapshot], name: str) -> Iterable[tuple[dict[str, str], float | None]]:
    return [
        ({"slot": str(shot.slot), **level.labels}, level.value)
        for shot in alive
        for level in shot.levels
        if level.name == name
    ]
