"""Clocks that jump, times from the future, versions that change within a stretch, hours without
anybody: no stretch is missed and none is counted twice. M4 M12 M16 F4."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from mainstay.base.clock import ManualClock
from mainstay.contract.columns import encode
from mainstay.journal.spool import DiskSpool, SpoolLimits
from mainstay.watch.gather.model import HOUR_MS, STRETCH_MS
from mainstay.watch.monitors.columns import GRACE_MS
from mainstay.watch.monitors.model import Saved
from mainstay.watch.watcher import Watched, Watcher
from tests.journal.records import FRAUD, FRAUD_2, batch
from tests.watch_watcher.test_watcher import BEGIN, CONTRACT, World

BOTH = frozenset({FRAUD.fingerprint, FRAUD_2.fingerprint})
Looking = Callable[[World, Watcher], None]


def look(world: World, watcher: Watcher, aside_ms: int = 0) -> None:
    """A look by a clock that is so much ahead."""
    watched = Watched("fraud", CONTRACT, BOTH, FRAUD.fingerprint)
    watcher.tick([watched], world.now + GRACE_MS + aside_ms)


def ahead(world: World, watcher: Watcher) -> None:
    """The clock of the keeper is three hours ahead, for one look."""
    look(world, watcher)
    if world.number % 5 == 0:
        look(world, watcher, 3 * HOUR_MS)


def weeks_ahead(world: World, watcher: Watcher) -> None:
    if world.number == 7:
        look(world, watcher, 30 * 24 * HOUR_MS)
    look(world, watcher)


def back(world: World, watcher: Watcher) -> None:
    """It steps back after every look, by a little and by much."""
    look(world, watcher)
    for aside in (-1, -STRETCH_MS, -5 * HOUR_MS, -400 * 24 * HOUR_MS):
        look(world, watcher, aside)


def seldom(world: World, watcher: Watcher) -> None:
    if world.number % 9 == 0:
        look(world, watcher)


def often(world: World, _: Watcher) -> None:
    """By keepers that start anew."""
    for _ in range(3):
        look(world, world.watcher())


def passed(folder: Path, looking: Looking) -> Saved:
    """Five hours, one of them without anybody."""
    folder.mkdir()
    world = World(folder)
    watcher = world.watcher()
    for stretch in range(30):
        if 12 <= stretch < 18:
            world.now += STRETCH_MS
            world.number += 1
        else:
            world.write(shift=0.7 if stretch in {9, 20} else 0.0, rows=60)
        looking(world, watcher)
    look(world, watcher)
    return world.monitors.load("fraud")[0]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """What is remembered when somebody looks after every stretch, by a clock that is right."""
    return passed(tmp_path_factory.mktemp("plain") / "house", look)


@pytest.mark.parametrize("looking", [ahead, back, seldom, often])
def test_however_the_clock_runs_each_stretch_counts_once(
    tmp_path: Path, plain: Saved, looking: Looking
):
    """M4 M12: what is remembered at the end is the same."""
    odd = passed(tmp_path / "odd", looking)
    assert odd.until_ms == plain.until_ms
    assert odd.states == plain.states
    assert odd.usage.counts == plain.usage.counts
    assert (odd.usage.hour_ms, odd.usage.count) == (plain.usage.hour_ms, plain.usage.count)
    assert odd.open == plain.open


def test_a_clock_that_was_weeks_ahead_is_forgiven(tmp_path: Path, plain: Saved):
    """M4: it goes on from where it was; what was usual of hours is learned anew."""
    odd = passed(tmp_path / "odd", weeks_ahead)
    assert (odd.until_ms, odd.states) == (plain.until_ms, plain.states)
    assert odd.usage.hour_ms == plain.usage.hour_ms


def write_at(world: World, time_ms: int, rows: int, layout=FRAUD) -> None:
    """Decisions that bear this time, whatever time it is."""
    world.number += 1
    made = batch(0, rows, incarnation=world.number, time_ms=time_ms, layout=layout)
    output = np.full((rows, 2), 0.5)
    made = structs.replace(made, outputs=encode({"output": output}))
    if layout is FRAUD:
        made = structs.replace(made, inputs=encode({"matrix": np.zeros((rows, 2))}))
    spool = DiskSpool(
        world.folder / "spool", world.number, clock=ManualClock(),
        breath=SpoolLimits(free_disk_bytes=0),
    )  # fmt: skip
    spool.describe(layout)
    spool.append([made])
    spool.close()
    world.journal.seal()


def test_decisions_from_the_future_count_when_it_comes(tmp_path: Path):
    """M4 M12: a replica whose clock is two hours ahead."""
    world = World(tmp_path)
    watcher = world.watcher()
    world.write(rows=60)
    write_at(world, world.now + 2 * HOUR_MS, 40)
    write_at(world, world.now - STRETCH_MS + 5000, 20)
    for _ in range(6):
        look(world, watcher)
        world.now += STRETCH_MS
    look(world, watcher)
    saved = world.monitors.load("fraud")[0]
    rows = [state.runs for key, state in saved.states.items() if key.endswith("missing")]
    assert saved.until_ms == world.now
    assert rows
    for _ in range(12):
        world.now += STRETCH_MS
        look(world, watcher)
    usage = world.monitors.load("fraud")[0].usage
    assert sum(usage.counts) + usage.count in {40, 100, 120}
    parts = world.summaries.read("fraud", 0, 2**50)
    assert sum(part.rows for part in parts) == 120


def test_a_stretch_in_which_the_version_changed_counts_for_both(tmp_path: Path):
    """M4 M12: each with its own rows, and together for how much it is used."""
    world = World(tmp_path)
    watcher = world.watcher()
    for stretch in range(18):
        write_at(world, world.now + 1000, 30 if stretch < 10 else 10)
        if stretch >= 9:
            write_at(world, world.now + 300_000, 50, FRAUD_2)
        world.now += STRETCH_MS
        look(world, watcher)
        look(world, world.watcher())
    saved = world.monitors.load("fraud")[0]
    every = [30] * 9 + [80] + [60] * 8
    first = (-BEGIN // STRETCH_MS) % 6
    hours = [sum(every[at : at + 6]) for at in range(first, 18, 6) if at + 6 <= 18]
    assert list(saved.usage.counts) == hours
    parts = world.summaries.read("fraud", 0, 2**50)
    both = [part for part in parts if part.key.begin_ms == BEGIN + 9 * STRETCH_MS]
    assert [(part.key.number, part.rows) for part in both] == [(1, 30), (2, 50)]


def test_nobody_and_nothing(tmp_path: Path):
    """M4: a model that is never asked, by any clock."""
    world = World(tmp_path)
    watcher = world.watcher()
    for aside in (0, HOUR_MS, -HOUR_MS, 2**40, 0, -world.now - GRACE_MS):
        look(world, watcher, aside)
        world.now += STRETCH_MS
    assert world.told == []
    assert world.monitors.load("fraud")[0].states == {}
