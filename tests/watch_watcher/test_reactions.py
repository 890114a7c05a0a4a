"""From what callers tell of people to what is told of a model: through journal, join and monitor. M3."""

from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs

from mainstay.base.clock import ManualClock
from mainstay.base.ids import DecisionId
from mainstay.contract.columns import encode
from mainstay.contract.model import Contract, Number, Ranking
from mainstay.contract.watching import Watch
from mainstay.journal.model import Event
from mainstay.journal.spool import DiskSpool, SpoolLimits
from mainstay.watch.gather.model import STRETCH_MS
from mainstay.watch.monitors.feedback import MATURE_MS, kept_under
from tests.journal.records import FRAUD, batch
from tests.watch_watcher.test_watcher import World

ROWS = 120
CLICKED = {"reaction": "clicked", "dwell_ms": 3000}
SHOP = Contract(
    model="fraud", inputs={"amount": Number(), "age": Number()},
    output=Ranking(items=("ok", "fraud"), top=1), watch=Watch(false_alarms="1 per 7d"),
)  # fmt: skip


class Lists(World):
    """The same, with a model that makes lists."""

    def contract(self, fingerprint: str) -> Contract | None:
        return SHOP


def decide(world: World, share: float, said: dict[str, Any] = CLICKED) -> None:
    """A stretch of answers, of which people click so many, in the same piece; some twice."""
    world.number += 1
    time_ms = world.now + 1000
    made = batch(0, ROWS, incarnation=world.number, time_ms=time_ms)
    made = structs.replace(
        made,
        inputs=encode({"matrix": world.generator.normal(0, 1, (ROWS, 2))}),
        outputs=encode({"output": np.full((ROWS, 2), 0.5)}),
        statuses=bytes(ROWS),
    )
    events: list[Event] = []
    for row in range(round(share * ROWS)):
        subject = str(DecisionId(time_ms, world.number, row))
        for turn in range(2):
            at = (time_ms + 60_000 * turn) * 1_000_000
            name = f"e{world.number}-{row}-{turn}"
            events.append(Event(
                id=name, kind="outcome", time_ns=at, known_ns=at, model="fraud", actor="shop",
                subject=subject, body=said,
            ))  # fmt: skip
    spool = DiskSpool(
        world.folder / "spool", world.number, clock=ManualClock(),
        breath=SpoolLimits(free_disk_bytes=0),
    )  # fmt: skip
    spool.describe(FRAUD)
    spool.append([made, *events])
    spool.close()
    world.journal.seal()
    world.now += STRETCH_MS


def test_people_who_cease_to_click_are_told_of(tmp_path: Path):
    """M3: what is usual is learned from the first thousand answers, a loss is told once; by a
    keeper that starts anew at every look."""
    world = World(tmp_path)
    for share in [0.25] * 14 + [0.05] * 8:
        decide(world, share)
        world.tick(world.watcher())
    assert not any("feedback" in change.key for _, change in world.told)
    for _ in range(MATURE_MS // STRETCH_MS):
        world.now += STRETCH_MS
        world.tick(world.watcher())
    usual = world.summaries.reference(kept_under(FRAUD.fingerprint))
    assert usual is not None
    told = [change.finding for _, change in world.told if "feedback" in change.key]
    (found,) = told
    assert found.check == "feedback: rate of clicked"
    assert found.compared == 0.25
    assert found.figure == 0.05
    assert "has fallen" in found.words


def test_lists_from_which_people_cease_to_take_anything_are_told_of(tmp_path: Path):
    """M15 M3: the click-through rate of lists, from labels through the join, with nothing set; what
    was taken that was not shown is no click."""
    world = Lists(tmp_path)

    for _ in range(14):
        decide(world, 0.25, {"label": "ok"})
    world.now += MATURE_MS
    world.tick(world.watcher(), SHOP)
    for share, label in ((0.05, "ok"), *[(0.25, "fraud")] * 5):
        decide(world, share, {"label": label})
    world.now += MATURE_MS
    world.tick(world.watcher(), SHOP)
    told = [change.finding for _, change in world.told if "feedback" in change.key]
    (found,) = told
    assert found.check == "feedback: click-through rate"
    assert found.compared == 0.25
    assert found.figure is not None
    assert found.figure <= 0.05
    assert "the click-through rate has fallen" in found.words
