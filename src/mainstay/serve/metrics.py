"""What one worker counts, and the page that shows what all workers of a machine counted.

Promises that counting one request costs about a microsecond, that counters survive the restart of
a worker (a slot's last snapshot is the base of its next worker), and that label values are bounded
whatever callers send: a model, field or step that was not announced is counted as `(other)`.
Must never keep a value of a request, an id or a caller in a label.

A worker writes `snapshot()` to `metrics-<slot>.json` in the run folder every second and at its
end; any worker renders the page from its own counts and the other slots' files.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from mainstay.base.clock import Clock
from mainstay.serve.machine import MachineUse, ProcessUse, process_use
from mainstay.serve.rolling import (
    Rolling,
    RollingState,
    last_day,
    last_hour,
    last_minute,
    latency_quantiles,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "(other)"
NONE = "(none)"
"""Requests that are about no model, such as health checks."""
SNAPSHOT_FRESH_SECONDS = 10
"""The gauges of a slot whose file is older than this belong to a worker that is gone."""

_WORDS_MAX = 1000
_MODELS_MAX = 1000
_FIELDS_MAX = 10_000
_STEPS_MAX = 32
_DOORS_MAX = 16
_BOUNDS_SECONDS = (
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)


class Sample(msgspec.Struct, array_like=True):
    """One line of the page."""

    name: str
    labels: dict[str, str]
    value: float


class Family(msgspec.Struct, array_like=True):
    """A metric with its lines."""

    name: str
    kind: str
    about: str
    samples: list[Sample]


class Snapshot(msgspec.Struct, kw_only=True):
    """Everything one slot counted."""

    slot: int
    pid: int
    time_ns: int
    families: list[Family] = []
    traffic: dict[str, RollingState] = {}
    loaded: dict[str, int] = {}
    in_flight: int = 0
    waiting_rows: int = 0
    processor_seconds: float = 0.0
    resident_bytes: int = 0
    last_defect: str = ""


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


@dataclass(frozen=True, slots=True)
class _Answered:
    add: Callable[[], None]
    observe: Callable[[float], None]
    rolling: Callable[[int, int, int], None]
    succeeded: int


@dataclass(frozen=True, slots=True)
class _Ran:
    runs: Callable[[], None]
    rows: Callable[[float], None]
    steps: dict[str, Callable[[float], None]]


class Metrics:
    """The counters of one worker. All methods are called from one thread."""

    def __init__(self, slot: int, pid: int, clock: Clock, base: bytes | None = None) -> None:
        self.slot = slot
        self.in_flight = 0
        self.waiting_rows = 0
        self._pid = pid
        self._clock = clock
        self._base = decode_snapshot(base)
        self._last_defect = self._base.last_defect if self._base else ""
        self._registry = CollectorRegistry(auto_describe=False)
        self._models: set[str] = set()
        self._fields: dict[str, frozenset[str]] = {}
        self._steps: set[str] = set()
        self._doors: set[str] = set()
        self._loaded: dict[str, int] = {}
        self._rolling: dict[str, Rolling] = {
            model: Rolling(state)
            for model, state in (self._base.traffic if self._base else {}).items()
        }
        self._answered: dict[tuple[str, str, int], _Answered] = {}
        self._ran: dict[tuple[str, int], _Ran] = {}
        self._declare()

    def _declare(self) -> None:
        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"mainstay_{name}", about, labels, registry=self._registry)

        self._requests = counter("requests", "Requests answered.", "model", "door", "status")
        self._seconds = Histogram(
            "mainstay_request_seconds",
            "From the first byte of a request to its answer.",
            ("model", "door"),
            buckets=_BOUNDS_SECONDS,
            registry=self._registry,
        )
        self._runs = counter(
            "runs", "Model runs; one run answers several rows.", "model", "version"
        )
        self._rows = counter("rows", "Rows a model answered.", "model", "version")
        self._step_seconds = counter(
            "step_seconds", "Time spent in each step of a run.", "model", "version", "step"
        )
        self._withheld = counter(
            "withheld", "Answers not shown as the model gave them.", "model", "version", "status"
        )
        self._non_finite = counter("non_finite", "Rows with NaN or infinity.", "model", "where")
        self._refused = counter(
            "refused_values", "Input values that broke the contract.", "model", "field"
        )
        self._defects = counter("defects", "Errors that nobody foresaw, each one a failed request.")
        self._spool_errors = counter("spool_errors", "Records the journal could not take.")

    # What is served ---------------------------------------------------------------------------

    def loaded(self, model: str, number: int, fields: Iterable[str] = ()) -> None:
        """A version serves from now on; its name and fields may appear as labels."""
        if len(self._models) < _MODELS_MAX or model in self._models:
            self._models.add(model)
            self._fields[model] = frozenset(fields)
        self._loaded[model] = number

    def unloaded(self, model: str) -> None:
        """A model is not served any more; what was counted stays."""
        self._loaded.pop(model, None)

    # The request path -------------------------------------------------------------------------

    def answered(self, model: str, door: str, status: int, elapsed_ns: int) -> None:
        """A request was answered with an HTTP status (or a door's equivalent)."""
        found = self._answered.get((model, door, status))
        if found is None:
            found = self._resolve_answered(model, door, status)
        found.add()
        found.observe(elapsed_ns * 1e-9)
        found.rolling(self._clock.now_ns() // 1_000_000_000, found.succeeded, elapsed_ns)

    def ran(self, model: str, number: int, rows: int, steps_ns: Mapping[str, int]) -> None:
        """A model ran once, for some rows; `steps_ns` names where the time went."""
        found = self._ran.get((model, number))
        if found is None:
            found = self._resolve_ran(model, number)
        found.runs()
        found.rows(rows)
        steps = found.steps
        for step, elapsed_ns in steps_ns.items():
            add = steps.get(step)
            if add is None:
                add = self._resolve_step(model, number, step)
            add(elapsed_ns * 1e-9)

    def withheld(self, model: str, number: int, status: str, rows: int) -> None:
        """Some rows' answers were asked about, held, replaced or declined."""
        self._withheld.labels(self._model(model), str(number), status).inc(rows)

    def non_finite(self, model: str, where: str, rows: int) -> None:
        """Some rows held NaN or infinity, in their `inputs`, `features` or `outputs`."""
        self._non_finite.labels(self._model(model), where).inc(rows)

    def refused_value(self, model: str, field: str | None) -> None:
        """A request was refused because of a field; callers' own inventions are `(other)`."""
        known = self._fields.get(model, frozenset())
        self._refused.labels(self._model(model), field if field in known else OTHER).inc()

    def defect(self, words: str) -> None:
        """An error that nobody foresaw failed a request; the newest one's words are kept."""
        self._defects.inc()
        self._last_defect = words[:_WORDS_MAX]

    def spool_error(self) -> None:
        """The journal could not take a record."""
        self._spool_errors.inc()

    # Labels are resolved once; only announced names become labels. ----------------------------

    def _model(self, model: str) -> str:
        if not model:
            return NONE
        return model if model in self._models else OTHER

    def _resolve_answered(self, model: str, door: str, status: int) -> _Answered:
        shown = self._model(model)
        if len(self._doors) < _DOORS_MAX:
            self._doors.add(door)
        shown_door = door if door in self._doors else OTHER
        rolling = self._rolling.get(shown)
        if rolling is None:
            rolling = self._rolling[shown] = Rolling()
        found = _Answered(
            add=self._requests.labels(shown, shown_door, str(status)).inc,
            observe=self._seconds.labels(shown, shown_door).observe,
            rolling=rolling.add,
            succeeded=int(200 <= status < 300),
        )
        # An unknown name is not remembered: it may become known, and there is no end of them.
        if shown != OTHER and shown_door == door and 100 <= status < 600:
            self._answered[model, door, status] = found
        return found

    def _resolve_ran(self, model: str, number: int) -> _Ran:
        shown, version = self._model(model), str(number)
        found = _Ran(
            runs=self._runs.labels(shown, version).inc,
            rows=self._rows.labels(shown, version).inc,
            steps={},
        )
        if shown == model:
            self._ran[model, number] = found
        return found

    def _resolve_step(self, model: str, number: int, step: str) -> Callable[[float], None]:
        if len(self._steps) < _STEPS_MAX:
            self._steps.add(step)
        shown = step if step in self._steps else OTHER
        add = self._step_seconds.labels(self._model(model), str(number), shown).inc
        kept = self._ran.get((model, number))
        if kept is not None and shown == step:
            kept.steps[step] = add
        return add

    # What is shown ----------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Everything this slot ever counted, for its file."""
        return msgspec.json.encode(self._snapshot())

    def _snapshot(self) -> Snapshot:
        use: ProcessUse = process_use()
        own = [_family(metric) for metric in self._registry.collect()]
        return Snapshot(
            slot=self.slot,
            pid=self._pid,
            time_ns=self._clock.now_ns(),
            families=_sum_families([own, self._base.families if self._base else []]),
            traffic={model: rolling.state() for model, rolling in self._rolling.items()},
            loaded=dict(self._loaded),
            in_flight=self.in_flight,
            waiting_rows=self.waiting_rows,
            processor_seconds=use.processor_seconds,
            resident_bytes=use.resident_bytes or 0,
            last_defect=self._last_defect,
        )

    def render(self, others: Iterable[bytes] = (), machine: MachineUse | None = None) -> bytes:
        """The Prometheus page over all slots; `others` are the files of the other slots (a file
        of this slot among them is passed over)."""
        now_ns = self._clock.now_ns()
        snapshots = [self._snapshot()]
        seen = {self.slot}
        for data in others:
            other = decode_snapshot(data)
            if other is not None and other.slot not in seen:
                seen.add(other.slot)
                snapshots.append(other)
        families = _sum_families([snapshot.families for snapshot in snapshots])
        families += _traffic_families(snapshots, now_ns // 1_000_000_000)
        families += _slot_families(snapshots, now_ns)
        if machine is not None:
            families += _machine_families(machine)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Page(families))
        return generate_latest(registry)


class _Page(Collector):
    """Families that were counted elsewhere, in the form the exposition writer wants."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        for family in self._families:
            metric = Metric(family.name, family.about, family.kind)
            for sample in family.samples:
                metric.add_sample(sample.name, sample.labels, sample.value)
            yield metric


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
    return {model: _traffic(_states(snapshots, model), now_ns) for model in models}


def _states(snapshots: Iterable[Snapshot], model: str) -> list[RollingState]:
    return [found for shot in snapshots if (found := shot.traffic.get(model)) is not None]


def _traffic(states: Sequence[RollingState], now_ns: int) -> Traffic:
    second = now_ns // 1_000_000_000
    p50, p99 = latency_quantiles(states, second, (0.5, 0.99))
    hour = last_hour(states, second)
    return Traffic(
        last_minute=last_minute(states, second).requests,
        last_hour=hour.requests,
        last_day=last_day(states, second).requests,
        share_succeeded=hour.share_succeeded,
        p50_ms=None if p50 is None else p50 / 1e6,
        p99_ms=None if p99 is None else p99 / 1e6,
    )


def _family(metric: Metric) -> Family:
    """A library's metric as plain values, without the creation times it adds."""
    samples = [
        Sample(sample.name, dict(sample.labels), sample.value)
        for sample in metric.samples
        if not sample.name.endswith("_created")
    ]
    return Family(metric.name, metric.type, metric.documentation, samples)


def _sum_families(groups: Iterable[Sequence[Family]]) -> list[Family]:
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


def _gauge(name: str, about: str, values: Iterable[tuple[dict[str, str], float | None]]) -> Family:
    full = f"mainstay_{name}"
    samples = [Sample(full, labels, value) for labels, value in values if value is not None]
    return Family(full, "gauge", about, samples)


def _traffic_families(snapshots: Sequence[Snapshot], second: int) -> list[Family]:
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
        _gauge("requests_last", "Requests in the last minute, hour and day.", counts),
        _gauge("requests_last_2xx_share", "Share of them answered with 2xx.", shares),
    ]


def _slot_families(snapshots: Sequence[Snapshot], now_ns: int) -> list[Family]:
    alive = [
        shot for shot in snapshots if now_ns - shot.time_ns < SNAPSHOT_FRESH_SECONDS * 1_000_000_000
    ]

    def by_slot(name: str, about: str, value: Callable[[Snapshot], float]) -> Family:
        return _gauge(name, about, [({"slot": str(shot.slot)}, value(shot)) for shot in alive])

    loaded = [
        ({"slot": str(shot.slot), "model": model, "version": str(number)}, 1.0)
        for shot in alive
        for model, number in sorted(shot.loaded.items())
    ]
    return [
        by_slot("in_flight", "Requests being answered now.", lambda shot: shot.in_flight),
        by_slot("waiting_rows", "Rows waiting for a model run.", lambda shot: shot.waiting_rows),
        by_slot(
            "processor_seconds",
            "Processor time of the worker since its start.",
            lambda shot: shot.processor_seconds,
        ),
        by_slot("resident_bytes", "Memory of the worker.", lambda shot: shot.resident_bytes),
        _gauge("loaded_version", "Versions in memory, by worker.", loaded),
    ]


def _machine_families(use: MachineUse) -> list[Family]:
    figures: tuple[tuple[str, str, float | None], ...] = (
        ("machine_processors", "Processors of the machine.", use.processors),
        ("machine_load_1m", "Threads that wanted a processor, over a minute.", use.load_1m),
        ("machine_busy_seconds", "Processor time spent since boot.", use.busy_seconds),
        ("machine_idle_seconds", "Processor time not spent since boot.", use.idle_seconds),
        ("machine_memory_bytes", "Memory of the machine.", use.memory_total_bytes),
        ("machine_memory_available_bytes", "Memory still free.", use.memory_available_bytes),
        ("machine_disk_bytes", "Size of the workspace's disk.", use.disk_total_bytes),
        ("machine_disk_free_bytes", "Free space on it.", use.disk_free_bytes),
    )
    return [_gauge(name, about, [({}, value)]) for name, about, value in figures]
