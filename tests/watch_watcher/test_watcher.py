"""From the journal to what is told: once at least, once at most a state, whatever dies. M4 M24 F4."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from mainstay.base.clock import ManualClock
from mainstay.contract.columns import encode
from mainstay.contract.model import Contract, Number, Probability
from mainstay.contract.watching import Watch
from mainstay.journal.reader import DiskJournal
from mainstay.journal.spool import DiskSpool, SpoolLimits
from mainstay.summaries.reference import Reference, reference_of
from mainstay.watch.gather.gatherer import Gatherer
from mainstay.watch.gather.memory import MemorySummaryStore
from mainstay.watch.gather.model import STRETCH_MS
from mainstay.watch.gather.processes import Held, Processes, Reading
from mainstay.watch.labels.labeller import Labeller
from mainstay.watch.monitors.columns import GRACE_MS
from mainstay.watch.monitors.memory import MemoryMonitorStore
from mainstay.watch.monitors.model import Change
from mainstay.watch.overview import overview
from mainstay.watch.watcher import Watched, Watcher
from tests.journal.records import FRAUD, TIME_MS, batch

BEGIN = TIME_MS // STRETCH_MS * STRETCH_MS
CONTRACT = Contract(
    model="fraud",
    inputs={"amount": Number(), "age": Number()},
    output=Probability(classes=("ok", "fraud")),
    watch=Watch(false_alarms="1 per 7d"),
)


class Killed(BaseException):
    """The process ends here: nothing of ours catches this."""


class World:
    """A journal that fills, and keepers that watch it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = DiskJournal(folder / "spool", folder / "lake", clock=ManualClock())
        self.summaries, self.monitors = MemorySummaryStore(), MemoryMonitorStore()
        self.generator = np.random.default_rng(1)
        self.now = BEGIN
        self.number = 0
        self.told: list[tuple[str, Change]] = []
        self.known = reference_of(
            {"input_amount": self.generator.normal(0, 1, 3000)}, "training data"
        )

    def reference(self, fingerprint: str) -> Reference | None:
        return self.known

    def contract(self, fingerprint: str) -> Contract | None:
        return CONTRACT

    def slices(self, fingerprint: str) -> Sequence[str]:
        return []

    def source(self, fingerprint: str, column: str) -> str:
        return ""

    def write(self, shift: float = 0.0, rows: int = 200) -> None:
        """A stretch of decisions, sealed when it is over."""
        self.number += 1
        values = np.stack([self.generator.normal(shift, 1, rows), np.zeros(rows)], axis=1)
        made = batch(0, rows, incarnation=self.number, time_ms=self.now + 1000)
        output = np.full((rows, 2), 0.5)
        made = structs.replace(
            made, inputs=encode({"matrix": values}), outputs=encode({"output": output})
        )
        spool = DiskSpool(
            self.folder / "spool", self.number, clock=ManualClock(),
            breath=SpoolLimits(free_disk_bytes=0),
        )  # fmt: skip
        spool.describe(FRAUD)
        spool.append([made])
        spool.close()
        self.journal.seal()
        self.now += STRETCH_MS

    def watcher(self, tell=None) -> Watcher:
        """A keeper that has just started."""
        lake = self.folder / "lake"
        return Watcher(
            Gatherer(lake, self.summaries, self),
            Labeller(lake, self.journal.query, self.summaries, self),
            (self.summaries, self.monitors),
            self,
            tell or (lambda model, change: self.told.append((model, change))),
        )

    def tick(self, watcher: Watcher, contract: Contract = CONTRACT) -> None:
        watched = Watched("fraud", contract, frozenset({FRAUD.fingerprint}), FRAUD.fingerprint)
        watcher.tick([watched], self.now + GRACE_MS)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def opened(world: World) -> list[str]:
    return [change.key.split("|")[3] for _, change in world.told if change.kind == "opened"]


def test_a_shift_is_told_once_and_its_end_once(world: World):
    """M4 M24: a new keeper at every stretch changes nothing."""
    for _ in range(5):
        world.write()
        world.tick(world.watcher())
    assert world.told == []
    for _ in range(5):
        world.write(shift=0.7)
        world.tick(world.watcher())
        world.tick(world.watcher())
    assert opened(world) == ["place"]
    assert world.told[0][0] == "fraud"
    assert "input amount: values are higher" in world.told[0][1].finding.words
    for _ in range(8):
        world.write()
        world.tick(world.watcher())
    assert [change.kind for _, change in world.told] == ["opened", "resolved"]
    saved, _ = world.monitors.load("fraud")
    assert saved.open == {}


def test_a_keeper_that_dies_while_telling_tells_it_again(world: World):
    """M24 F4: what was not told for certain is told by the next one, as the same thing."""
    for _ in range(3):
        world.write(shift=0.7)

    def die(_model: str, change: Change) -> None:
        heard.append(change)
        raise Killed

    heard: list[Change] = []
    with pytest.raises(Killed):
        world.tick(world.watcher(die))
    world.tick(world.watcher())
    world.tick(world.watcher())
    assert [change for _, change in world.told] == heard != []


def test_two_keepers_find_it_once(world: World):
    """F4: the state moves on once, and what it found is told by whoever moved it."""
    one, two = world.watcher(), world.watcher()
    for _ in range(4):
        world.write(shift=0.7)
    world.tick(one)
    world.tick(two)
    assert opened(world) == ["place"]


def test_a_long_past_is_taken_in_parts(world: World):
    """M4: nothing is judged before all that was sealed of it is in."""
    for _ in range(60):
        world.write(shift=0.7, rows=40)
    watcher = world.watcher()
    world.tick(watcher)
    assert world.told == []
    world.tick(watcher)
    assert opened(world) == ["place"]


def test_versions_that_are_gone_are_forgotten(world: World):
    """M4: what is remembered stays bounded, however many versions there were."""
    world.write()
    world.tick(world.watcher())
    assert world.monitors.load("fraud")[0].states
    world.now += STRETCH_MS
    world.watcher().tick([Watched("fraud", CONTRACT, frozenset())], world.now + GRACE_MS)
    assert world.monitors.load("fraud")[0].states == {}


def test_what_is_expected_is_told_and_shown(world: World):
    """M2 M24: begun once and ended once, by keepers that start anew; shown at any time."""
    lines = ("requests >= 600 per 1h", "p99 latency < 100s", "accuracy >= 0.5")
    contract = structs.replace(CONTRACT, expect=lines)
    watched = Watched("fraud", contract, frozenset({FRAUD.fingerprint}), FRAUD.fingerprint)
    for rows in [200] * 6 + [20] * 8 + [200] * 14:
        world.write(rows=rows)
        world.tick(world.watcher(), contract)
        now_ms, saved = world.now + GRACE_MS, world.monitors.load("fraud")[0]
        shown = overview(watched, world.summaries, saved, world, now_ms).expected
        assert tuple(finding.check for finding in shown) == lines
    told = [(change.kind, change.finding.check) for _, change in world.told]
    assert told == [("opened", lines[0]), ("resolved", lines[0])]
    assert [finding.verdict for finding in shown] == ["pass", "pass", "unsure"]
    assert world.monitors.load("fraud")[0].usage.counts[:2] == (300, 660)


def test_a_week_that_nobody_watched_is_no_quiet_week(world: World):
    """M12: hours that were not seen are not hours without requests."""
    for _ in range(12):
        world.write()
    world.tick(world.watcher())
    assert world.monitors.load("fraud")[0].usage.counts == (1200,)
    world.now += 14 * 24 * 6 * STRETCH_MS
    world.write()
    world.tick(world.watcher())
    assert world.monitors.load("fraud")[0].usage.counts == ()


def test_a_leak_of_a_process_is_told_and_its_memory_shown(world: World):
    """M11 M1: from what the keeper read of workers, beside what decisions say."""
    gathered = Processes()
    held = (Held("fraud", FRAUD.fingerprint, FRAUD.number),)
    watcher = world.watcher()
    for place in range(90):
        used = round(200 * 2**20 * 1.01**place)
        reading = Reading(process="worker 0 (7)", held=held, resident_bytes=used)
        parts = gathered.take([reading], world.now)
        world.summaries.add(f"processes-{place}", parts)
        world.tick(watcher)
        world.now += STRETCH_MS
    world.write()
    world.tick(watcher)
    checks = [change.finding.check for _, change in world.told if change.kind == "opened"]
    assert checks == ["memory: creeps up"]
    saved, _ = world.monitors.load("fraud")
    watched = Watched("fraud", CONTRACT, frozenset({FRAUD.fingerprint}), FRAUD.fingerprint)
    (version, *_) = overview(watched, world.summaries, saved, world, world.now).versions
    assert version.memory_bytes is not None
    assert 200 * 2**20 < version.memory_bytes < 200 * 2**20 * 1.01**90
