"""What a version failed to answer reaches the journal: gathered, bounded, and in few records."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

from mainstay.base.clock import ManualClock
from mainstay.base.errors import InvalidRequest, ModelFailed, StorageFailed, TooLate
from mainstay.base.ids import DecisionIds
from mainstay.journal.memory import MemoryLog
from mainstay.serve import failures
from mainstay.serve.engine import Engine, Serving
from mainstay.serve.failures import Failures
from mainstay.serve.mixture import Missed
from tests.serve.world import FailingSpool, SumModel, World, route_of


def test_a_beat_is_one_record_for_a_version_and_an_arm():
    """N6: rows are summed up, units are told once; the next beat begins anew."""
    log, clock = MemoryLog(), ManualClock()
    found = Failures(FailingSpool(log, 7), DecisionIds(7, clock), clock, 3)
    route, other = route_of(2, 5), route_of(2, 5, "e" * 64)
    found.add(Missed(route, 3, "failed", "share", (0.5, 0.25)))
    found.add(Missed(route, 2, "failed", "share", (0.5,)))
    found.add(Missed(route, 1, "failed", "shadow", (0.75,)))
    found.add(Missed(other, 1, "failed", "live", (0.5,)))
    found.record()
    found.record()
    assert [(e.kind, e.model, e.subject[0], e.actor) for e in log.events] == [
        ("failure", "sum", "f", "worker 3"),
        ("failure", "sum", "f", "worker 3"),
        ("failure", "sum", "e", "worker 3"),
    ]
    assert [event.body for event in log.events] == [
        {"epoch": 5, "arm": "share", "rows": 5, "draws": (0.25, 0.5)},
        {"epoch": 5, "arm": "shadow", "rows": 1, "draws": (0.75,)},
        {"epoch": 5, "arm": "live", "rows": 1, "draws": (0.5,)},
    ]
    found.add(Missed(route, 1, "failed", "share", ()))
    found.record()
    assert len(log.events) == 4


def test_a_version_alone_in_force_notes_what_it_failed():
    """M2: and nothing that was the caller's own fault."""

    async def prepared(engine: Engine) -> Serving:
        return engine.prepare(SumModel(), route_of(2, 5), {})

    world = World()
    engine = world.engine()
    serving = asyncio.run(prepared(engine))
    for error in (ModelFailed("no"), TooLate("no"), InvalidRequest("no")):
        engine.note_failure(serving, 3, error)
    assert world.missed == [Missed(route_of(2, 5), 3, "failed", "live")] * 2
    mixed = replace(serving, pipeline=SimpleNamespace(arm="named"))
    engine.note_failure(mixed, 3, ModelFailed("no"))
    assert len(world.missed) == 2


def test_a_full_disk_and_a_storm_of_failures_are_survived(monkeypatch):
    """L7 N6: bounded, and never in the way of answers."""
    monkeypatch.setattr(failures, "DRAWS_MAX", 10)
    log, clock = MemoryLog(), ManualClock()
    spool = FailingSpool(log, 7)
    found = Failures(spool, DecisionIds(7, clock), clock, 0)
    spool.failure = StorageFailed("full")
    found.add(Missed(route_of(), 1, "failed", "live", (0.1,)))
    found.record()
    spool.failure = None
    for number in range(1000):
        found.add(Missed(route_of(), 1, "failed", "live", (number / 1000,)))
    found.record()
    (event,) = log.events
    assert event.body["rows"] == 1000
    assert len(event.body["draws"]) == 10
