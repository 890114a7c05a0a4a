"""What one worker counts, and the page that shows what all workers of a machine counted.

Promises that counting one request costs about a microsecond, that counters survive the restart of
a worker (a slot's last snapshot is the base of its next worker), and that label values are bounded
whatever callers send: a model, field or step that was not announced is counted as `(other)`.
Must never keep a value of a request, an id or a caller in a label.

A worker writes `snapshot()` to `metrics-<slot>.json` in the run folder every second and at its
end; any worker renders the page from its own counts and the other slots' files.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mainstay.access.model import Caller
from mainstay.base.clock import Clock
from mainstay.base.errors import MainstayError
from mainstay.serve.exposition import (
    Family,
    Sample,
    histogram_samples,
    keeper_families,
    machine_families,
    page,
)
from mainstay.serve.machine import MachineUse, ProcessUse, process_use
from mainstay.serve.refusals import Refusals
from mainstay.serve.rolling import Rolling
from mainstay.serve.snapshots import (
    Snapshot,
    decode_snapshot,
    level_families,
    slot_families,
    sum_families,
    traffic_families,
)

OTHER = "(other)"
NONE = "(none)"
"""Requests that are about no model, such as health checks."""

_WORDS_MAX = 1000
_MODELS_MAX = 1000
_STEPS_MAX = 32
_DOORS_MAX = 32
_BOUNDS_NS = tuple(
    round(milliseconds * 1e6)
    for milliseconds in (0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
)
_RUN_ROWS_DOUBLED = 14
"""Batch sizes are counted up to 1, 2, 4, … and this power of two."""
_ABOUT = {
    "requests": "Requests answered.",
    "runs": "Model runs; one run answers several rows.",
    "rows": "Rows a model answered.",
    "step_seconds": "Time spent in each step of a run.",
    "run_processor_seconds": "Processor time of the runs of a version.",
    "connections": "Connections that were accepted.",
    "connections_refused": "Connections beyond what a worker can keep.",
    "received_bytes": "Bytes that callers sent.",
    "sent_bytes": "Bytes that callers were sent.",
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
    "run_processor_seconds": ("model", "version"),
    "connections": ("door",),
    "connections_refused": ("door",),
    "received_bytes": ("door",),
    "sent_bytes": ("door",),
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

    __slots__ = ("processor_ns", "rows", "runs", "sizes", "steps_ns")

    def __init__(self) -> None:
        self.runs = 0
        self.rows = 0
        self.processor_ns = 0
        self.sizes = [0] * (_RUN_ROWS_DOUBLED + 2)
        self.steps_ns: dict[str, int] = {}


class Metrics:
    """The counters of one worker. All methods are called from one thread."""

    def __init__(self, slot: int, pid: int, clock: Clock, base: bytes | None = None) -> None:
        self.slot = slot
        self.in_flight = 0
        self.waiting_rows = 0
        self.connections_open = 0
        self._refusals = Refusals()
        self._pid = pid
        self._clock = clock
        self._born_ns = clock.now_ns()
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

    def asked(self, model: str, caller: Caller | None) -> None:
        """A known model was asked something, whatever it answered."""
        if model in self._models:
            self._refusals.asked(model, caller)

    def refused(self, model: str, caller: Caller | None, error: MainstayError) -> None:
        """What a known model was asked came to an error; only refusals are counted."""
        if model in self._models:
            self._refusals.refused(model, caller, error, self._fields[model])

    def answered(self, model: str, door: str, status: int, elapsed_ns: int) -> None:
        """A request was answered with an HTTP status (or a door's equivalent)."""
        found = self._answered.get((model, door, status))
        if found is None:
            found = self._new_answered(model, door, status)
        found.requests += 1
        found.nanoseconds += elapsed_ns
        found.buckets[bisect_left(_BOUNDS_NS, elapsed_ns)] += 1
        found.rolling(self._clock.now_ns() // 1_000_000_000, found.succeeded, elapsed_ns)

    def ran(
        self,
        model: str,
        number: int,
        rows: int,
        steps_ns: Mapping[str, int],
        processor_ns: int = 0,
    ) -> None:
        """A model ran once, for some rows; `steps_ns` names where the time went."""
        found = self._ran.get((model, number))
        if found is None:
            found = self._new_ran(model, number)
        found.runs += 1
        found.rows += rows
        found.processor_ns += processor_ns
        found.sizes[min((rows - 1).bit_length(), _RUN_ROWS_DOUBLED + 1)] += 1
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

    def carried(self, door: str, counts: Mapping[str, int]) -> None:
        """What a door's connections were and carried since the start."""
        for name, count in counts.items():
            self._counts[name, door] = count

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
            add(ran.processor_ns / 1e9, "run_processor_seconds", model, str(number))
            for step, nanoseconds in ran.steps_ns.items():
                add(nanoseconds / 1e9, "step_seconds", model, str(number), step)
        for key, count in self._counts.items():
            add(count, *key)
        return [*found.values(), self._latencies(), self._run_rows()]

    def _latencies(self) -> Family:
        about = "From the first byte of a request to its answer."
        family = Family("mainstay_request_seconds", "histogram", about, [])
        bounds = [repr(bound / 1e9) for bound in _BOUNDS_NS]
        for (model, door, _), answered in self._answered.items():
            labels = {"model": model, "door": door}
            seconds = answered.nanoseconds / 1e9
            family.samples += histogram_samples(
                family.name, labels, bounds, answered.buckets, seconds
            )
        return family

    def _run_rows(self) -> Family:
        family = Family("mainstay_run_rows", "histogram", "Rows of a model run.", [])
        bounds = [repr(float(2**power)) for power in range(_RUN_ROWS_DOUBLED + 1)]
        for (model, number), ran in self._ran.items():
            labels = {"model": model, "version": str(number)}
            family.samples += histogram_samples(family.name, labels, bounds, ran.sizes, ran.rows)
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
            families=sum_families([self._families(), self._base.families if self._base else []]),
            traffic={model: rolling.state() for model, rolling in self._rolling.items()},
            loaded=dict(self._loaded),
            born_ns=self._born_ns,
            in_flight=self.in_flight,
            waiting_rows=self.waiting_rows,
            connections_open=self.connections_open,
            processor_seconds=use.processor_seconds,
            resident_bytes=use.resident_bytes or 0,
            last_defect=self._last_defect,
            asked=self._refusals.counted(),
            levels=[
                Sample(name, dict(zip(_LEVELS[name][1], labels, strict=True)), level)
                for (name, *labels), level in self._levels.items()
            ],
        )

    def render(
        self,
        others: Iterable[bytes] = (),
        machine: MachineUse | None = None,
        keeper: ProcessUse | None = None,
    ) -> bytes:
        """The Prometheus page over all slots; `others` are the files of the other slots (a file
        of this slot among them is passed over)."""
        snapshots = [self._snapshot()]
        seen = {self.slot}
        for data in others:
            other = decode_snapshot(data)
            if other is not None and other.slot not in seen:
                seen.add(other.slot)
                snapshots.append(other)
        return page(families_of(snapshots, machine, keeper, self._clock.now_ns()))


def families_of(
    snapshots: Sequence[Snapshot],
    machine: MachineUse | None,
    keeper: ProcessUse | None,
    now_ns: int,
) -> list[Family]:
    """Everything that is known of all slots together."""
    families = sum_families([snapshot.families for snapshot in snapshots])
    families += traffic_families(snapshots, now_ns // 1_000_000_000)
    families += slot_families(snapshots, now_ns)
    families += level_families(
        snapshots, {name: about for name, (about, _) in _LEVELS.items()}, now_ns
    )
    if machine is not None:
        families += machine_families(machine)
    return families if keeper is None else [*families, *keeper_families(keeper)]
