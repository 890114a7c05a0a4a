"""What one worker counts, and the page that shows what all workers of a machine counted.

Promises that counting one request costs about a microsecond, that counters survive the restart of
a worker (a slot's last snapshot is the base of its next worker), and that label values are bounded
whatever callers send: a model, field or step that was not announced is counted as `(other)`.
Must never keep a value of a request, an id or a caller in a label.

A worker writes `snapshot()` to `metrics-<slot>.json` in the run folder every second and at its
end; any worker renders the page from its own counts and the other slots' files.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from mainstay.base.clock import Clock
from mainstay.serve.exposition import (
    Family,
    Sample,
    gauge,
    machine_families,
    page,
)
from mainstay.serve.machine import MachineUse, ProcessUse, process_use
from mainstay.serve.rolling import (
    Rolling,
    RollingState,
    last_day,
    last_hour,
    last_minute,
    latency_quantiles,
)

OTHER = "(other)"
NONE = "(none)"
"""Requests that are about no model, such as health checks."""
SNAPSHOT_FRESH_SECONDS = 10
"""The gauges of a slot whose file is older than this belong to a worker that is gone."""

_WORDS_MAX = 1000
_MODELS_MAX = 1000
_STEPS_MAX = 32
_DOORS_MAX = 32
_BOUNDS_NS = tuple(
    round(milliseconds * 1e6)
    for milliseconds in (0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
)
_ABOUT = {
    "requests": "Requests answered.",
    "runs": "Model runs; one run answers several rows.",
    "rows": "Rows a model answered.",
    "step_seconds": "Time spent in each step of a run.",
    "withheld": "Answers not shown as the model gave them, by the check that took them back.",
    "fallback": "Rows that a step of the fallback chain answered, passed on, or had words for.",
    "fallback_troubles": "Runs in which a fallback step was missing, paused, slow, or failed.",
    "safeguard_troubles": "Runs in which a safeguard was missing, paused, slow, or failed.",
    "safeguard_unsure": "Answers that a safeguard could not judge, and what became of them.",
    "lookup_troubles": "Look-ups that failed, were slow, or were left alone; a stand-in was used.",
    "rules_broken": "Answers that broke a rule of the contract, by the rule's place in it.",
    "hold_unsure": "Answers whose usual range is not known yet.",
    "cold": "Rows with a value that the model never learned from.",
    "repaired": "Values that were repaired before a model saw them.",
    "non_finite": "Rows with NaN or infinity.",
    "refused_values": "Input values that broke the contract.",
    "defects": "Errors that nobody foresaw, each one a failed request.",
    "spool_errors": "Records the journal could not take.",
    "shadow_missed": "Rows that a shadow did not answer.",
    "tally_forgotten": "Keys whose counts made room for newer ones.",
}
_LABELS = {
    "requests": ("model", "door", "status"),
    "runs": ("model", "version"),
    "rows": ("model", "version"),
    "step_seconds": ("model", "version", "step"),
    "withheld": ("model", "version", "status", "why"),
    "fallback": ("model", "version", "step", "outcome"),
    "fallback_troubles": ("model", "version", "step", "trouble"),
    "safeguard_troubles": ("model", "version", "safeguard", "trouble"),
    "safeguard_unsure": ("model", "version", "then"),
    "lookup_troubles": ("model", "version", "lookup", "trouble"),
    "rules_broken": ("model", "version", "rule"),
    "hold_unsure": ("model", "version", "then"),
    "cold": ("model", "version", "input"),
    "repaired": ("model", "version", "field", "transform"),
    "non_finite": ("model", "where"),
    "refused_values": ("model", "field"),
    "defects": (),
    "spool_errors": (),
    "shadow_missed": ("model", "version", "why"),
    "tally_forgotten": (),
}


_LEVELS = {
    f"{part}_breaker_open": (
        f"1 while a {words} is left alone because it failed or was slow, by worker.",
        ("model", "version", label),
    )
    for part, words, label in (
        ("fallback", "fallback step", "step"),
        ("safeguard", "safeguard", "safeguard"),
        ("lookup", "look-up", "lookup"),
    )
}


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


class _Answered:
    """What was answered to one kind of request: plain numbers, so that counting costs little."""

    __slots__ = ("buckets", "nanoseconds", "requests", "rolling", "succeeded")

    def __init__(self, rolling: Rolling, succeeded: int) -> None:
        self.requests = 0
        self.nanoseconds = 0
        self.buckets = [0] * (len(_BOUNDS_NS) + 1)
        self.rolling = rolling.add
        self.succeeded = succeeded


class _Ran:
    """What one version ran."""

    __slots__ = ("rows", "runs", "steps_ns")

    def __init__(self) -> None:
        self.runs = 0
        self.rows = 0
        self.steps_ns: dict[str, int] = {}


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
        self._levels: dict[tuple[str, ...], float] = {}
        self._counts: dict[tuple[str, ...], int] = {("defects",): 0, ("spool_errors",): 0}

    # What is served ---------------------------------------------------------------------------

    def loaded(self, model: str, number: int, fields: Iterable[str] = ()) -> None:
        """A version serves from now on; its name and fields may appear as labels."""
        self._forget_levels(model)
        if len(self._models) < _MODELS_MAX or model in self._models:
            self._models.add(model)
            self._fields[model] = frozenset(fields)
        self._loaded[model] = number

    def unloaded(self, model: str) -> None:
        """A model is not served any more; what was counted stays."""
        self._forget_levels(model)
        self._loaded.pop(model, None)

    def _forget_levels(self, model: str) -> None:
        """How things were with versions that answer no more says nothing of how they are now."""
        self._levels = {key: level for key, level in self._levels.items() if key[1] != model}

    # The request path -------------------------------------------------------------------------

    def answered(self, model: str, door: str, status: int, elapsed_ns: int) -> None:
        """A request was answered with an HTTP status (or a door's equivalent)."""
        found = self._answered.get((model, door, status))
        if found is None:
            found = self._new_answered(model, door, status)
        found.requests += 1
        found.nanoseconds += elapsed_ns
        found.buckets[bisect_left(_BOUNDS_NS, elapsed_ns)] += 1
        found.rolling(self._clock.now_ns() // 1_000_000_000, found.succeeded, elapsed_ns)

    def ran(self, model: str, number: int, rows: int, steps_ns: Mapping[str, int]) -> None:
        """A model ran once, for some rows; `steps_ns` names where the time went."""
        found = self._ran.get((model, number))
        if found is None:
            found = self._new_ran(model, number)
        found.runs += 1
        found.rows += rows
        steps = found.steps_ns
        for step, elapsed_ns in steps_ns.items():
            if step in steps:
                steps[step] += elapsed_ns
            else:
                self._first_step(steps, step, elapsed_ns)

    def judged(
        self,
        model: str,
        number: int,
        counts: Mapping[tuple[str, ...], int],
        levels: Mapping[tuple[str, ...], float],
    ) -> None:
        """What judgement counted in a run, and figures as they are now; a contract's own words
        are the only labels."""
        shown = self._model(model), str(number)
        for (name, *labels), by in counts.items():
            self._count(by, name, *shown, *labels)
        for (name, *labels), level in levels.items():
            self._levels[name, *shown, *labels] = level

    def non_finite(self, model: str, where: str, rows: int) -> None:
        """Some rows held NaN or infinity, in their `inputs`, `features` or `outputs`."""
        self._count(rows, "non_finite", self._model(model), where)

    def shadow_missed(self, model: str, number: int, rows: int, why: str) -> None:
        """A shadow dropped some rows, because it or the callers were behind, or failed on them."""
        self._count(rows, "shadow_missed", self._model(model), str(number), why)

    def refused_value(self, model: str, field: str | None) -> None:
        """A request was refused because of a field; callers' own inventions are `(other)`."""
        shown = field if field in self._fields.get(model, frozenset()) else OTHER
        self._count(1, "refused_values", self._model(model), shown or OTHER)

    def _count(self, by: int, *key: str) -> None:
        self._counts[key] = self._counts.get(key, 0) + by

    def defect(self, words: str) -> None:
        """An error that nobody foresaw failed a request; the newest one's words are kept."""
        self._count(1, "defects")
        self._last_defect = words[:_WORDS_MAX]

    def tally_forgotten(self, keys: int) -> None:
        """What is counted across requests had no room for so many keys since the start."""
        self._counts["tally_forgotten",] = keys

    def spool_error(self) -> None:
        """The journal could not take a record."""
        self._count(1, "spool_errors")

    # Only announced names become labels. ------------------------------------------------------

    def _model(self, model: str) -> str:
        if not model:
            return NONE
        return model if model in self._models else OTHER

    def _new_answered(self, model: str, door: str, status: int) -> _Answered:
        """Where to count a kind of request that was not seen before."""
        if len(self._doors) < _DOORS_MAX:
            self._doors.add(door)
        key = (
            self._model(model),
            door if door in self._doors else OTHER,
            status if 100 <= status < 600 else 0,
        )
        found = self._answered.get(key)
        if found is None:
            rolling = self._rolling.setdefault(key[0], Rolling())
            found = self._answered[key] = _Answered(rolling, int(200 <= status < 300))
        return found

    def _new_ran(self, model: str, number: int) -> _Ran:
        return self._ran.setdefault((self._model(model), number), _Ran())

    def _first_step(self, steps: dict[str, int], step: str, elapsed_ns: int) -> None:
        if len(self._steps) < _STEPS_MAX:
            self._steps.add(step)
        shown = step if step in self._steps else OTHER
        steps[shown] = steps.get(shown, 0) + elapsed_ns

    def _families(self) -> list[Family]:
        """Everything counted in this life, as the page has it."""
        found = {
            name: Family(f"mainstay_{name}", "counter", about, []) for name, about in _ABOUT.items()
        }

        def add(value: float, name: str, *labels: str) -> None:
            named = dict(zip(_LABELS[name], labels, strict=True))
            found[name].samples.append(Sample(f"mainstay_{name}_total", named, value))

        for (model, door, status), answered in self._answered.items():
            add(answered.requests, "requests", model, door, str(status))
        for (model, number), ran in self._ran.items():
            add(ran.runs, "runs", model, str(number))
            add(ran.rows, "rows", model, str(number))
            for step, nanoseconds in ran.steps_ns.items():
                add(nanoseconds / 1e9, "step_seconds", model, str(number), step)
        for key, count in self._counts.items():
            add(count, *key)
        return [*found.values(), self._histogram()]

    def _histogram(self) -> Family:
        about = "From the first byte of a request to its answer."
        family = Family("mainstay_request_seconds", "histogram", about, [])
        for (model, door, _), answered in self._answered.items():
            labels = {"model": model, "door": door}
            cumulative = 0
            bounds = [*(repr(bound / 1e9) for bound in _BOUNDS_NS), "+Inf"]
            for bound, count in zip(bounds, answered.buckets, strict=True):
                cumulative += count
                family.samples.append(
                    Sample(f"{family.name}_bucket", {**labels, "le": bound}, cumulative)
                )
            seconds = answered.nanoseconds / 1e9
            family.samples.append(Sample(f"{family.name}_count", labels, answered.requests))
            family.samples.append(Sample(f"{family.name}_sum", labels, seconds))
        return family

    # What is shown ----------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Everything this slot ever counted, for its file."""
        return msgspec.json.encode(self._snapshot())

    def _snapshot(self) -> Snapshot:
        use: ProcessUse = process_use()
        return Snapshot(
            slot=self.slot,
            pid=self._pid,
            time_ns=self._clock.now_ns(),
            families=_sum_families([self._families(), self._base.families if self._base else []]),
            traffic={model: rolling.state() for model, rolling in self._rolling.items()},
            loaded=dict(self._loaded),
            in_flight=self.in_flight,
            waiting_rows=self.waiting_rows,
            processor_seconds=use.processor_seconds,
            resident_bytes=use.resident_bytes or 0,
            last_defect=self._last_defect,
            levels=[
                Sample(name, dict(zip(_LEVELS[name][1], labels, strict=True)), level)
                for (name, *labels), level in self._levels.items()
            ],
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
            families += machine_families(machine)
        return page(families)


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
        gauge("requests_last", "Requests in the last minute, hour and day.", counts),
        gauge("requests_last_2xx_share", "Share of them answered with 2xx.", shares),
    ]


def _slot_families(snapshots: Sequence[Snapshot], now_ns: int) -> list[Family]:
    alive = [
        shot for shot in snapshots if now_ns - shot.time_ns < SNAPSHOT_FRESH_SECONDS * 1_000_000_000
    ]

    def by_slot(name: str, about: str, value: Callable[[Snapshot], float]) -> Family:
        return gauge(name, about, [({"slot": str(shot.slot)}, value(shot)) for shot in alive])

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
        gauge("loaded_version", "Versions in memory, by worker.", loaded),
        *(gauge(name, about, _levels(alive, name)) for name, (about, _) in _LEVELS.items()),
    ]


def _levels(alive: Iterable[Snapshot], name: str) -> Iterable[tuple[dict[str, str], float | None]]:
    return [
        ({"slot": str(shot.slot), **level.labels}, level.value)
        for shot in alive
        for level in shot.levels
        if level.name == name
    ]
