"""A worker is killed at a random moment, again and again, and no acknowledged decision is lost."""

import heapq
import os
import random
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mainstay.journal.tail import piece_names
from mainstay.wiring.workspace import Workspace, open_workspace
from tests.servers.mainstay import FIELDS, MODEL, RunningServer, pack_model, serving
from tests.servers.until import until
from tests.story.accounts import everywhere, hold_answers, hold_to_account, in_journal
from tests.story.callers import Acknowledged, Callers, look_up

pytestmark = pytest.mark.slow

KILLS = 50
IN_FLIGHT = 2
"""So many requests are with the two workers when one of them is killed."""
KEEPER_KILLS = 5
AROUND_A_KILL = 20
SAMPLE = 200
BIASES = {1: 0.0, 2: 1.0}
Measured = Callable[[str, object], None]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    found = serving(tmp_path_factory.mktemp("kill") / "shop", "--workers", "2")
    yield found
    found.stop()


@pytest.fixture(scope="module")
def workspace(server: RunningServer) -> Workspace:
    return open_workspace(server.workspace)


def kill(server: RunningServer, role: str, victim: int) -> float:
    """Kill a process; the seconds until another one is ready in its place."""
    os.kill(victim, signal.SIGKILL)
    began = time.monotonic()
    until(
        lambda: victim not in server.pids(role) and server.complete(),
        what=f"another {role} instead of {victim}: {server.said()[-2000:]}",
    )
    return time.monotonic() - began


def near(answers: list[Acknowledged], kills: list[float]) -> set[str]:
    """The ids of the answers nearest to each kill."""
    found: set[str] = set()
    for moment in kills:
        nearest = heapq.nsmallest(AROUND_A_KILL, answers, key=lambda one: abs(one.at - moment))
        found.update(one.id for one in nearest)
    return found


def test_no_kill_of_a_worker_loses_or_doubles_an_acknowledged_decision(
    server: RunningServer, workspace: Workspace, measured: Measured
) -> None:
    """L7 S6: kill -9 of a worker at a random moment under load, fifty times."""
    draw = random.Random(20)
    kills: list[float] = []
    replaced: list[float] = []
    with Callers(server, think=0.04, seed=1) as callers:
        for _ in range(KILLS):
            callers.more(draw.randint(1, 60))
            victim = draw.choice(server.pids("worker"))
            callers.in_flight(IN_FLIGHT)
            kills.append(time.monotonic())
            replaced.append(kill(server, "worker", victim))
        callers.more(50)
    heard = callers.heard
    assert heard.hanging == []
    assert heard.refused == []
    assert heard.unconnected == []
    assert callers.unready == []
    assert callers.readies > KILLS
    assert len(heard.broken) >= KILLS // 5, "no kill met a request in flight: nothing was proven"
    hold_answers(heard.answers, BIASES)
    hold_to_account(heard, in_journal(workspace, seed=1))
    began = time.monotonic()
    wanted = near(heard.answers, kills)
    rest = [one.id for one in heard.answers if one.id not in wanted]
    wanted.update(draw.sample(rest, min(SAMPLE, len(rest))))
    by_id = {one.id: one for one in heard.answers}
    for decision_id, (status, told) in look_up(server, sorted(wanted)).items():
        one = by_id[decision_id]
        assert (status, told.get("id")) == (200, decision_id), told
        assert told["request"] == one.request
        assert tuple(told["inputs"][name] for name in FIELDS) == one.values
    measured("acknowledged, looked up", (len(heard.answers), len(wanted)))
    measured("look-ups per second", round(len(wanted) / (time.monotonic() - began)))
    measured("in flight at a kill", len(heard.broken))
    measured("replaced within s (median, most)", (
        round(statistics.median(replaced), 2), round(max(replaced), 2)
    ))  # fmt: skip


def test_no_kill_of_the_keeper_fails_a_request_or_doubles_an_event(
    server: RunningServer, workspace: Workspace, measured: Measured
) -> None:
    """L7 S6: kill -9 of the keeper under load while it has something to seal, five times."""
    numbers = [1, pack_model(server.workspace, BIASES[2]).version.number]
    epochs: list[int] = []
    replaced: list[float] = []
    with Callers(server, seed=2) as callers:
        for turn in range(KEEPER_KILLS):
            # Each deployment leaves a small piece of events behind, for the keeper to seal.
            route = workspace.deploy(MODEL, numbers[(turn + 1) % 2], f"turn {turn}")
            epochs.append(route.epoch)
            replaced.append(kill(server, "keeper", server.pids("keeper")[0]))
            until(
                lambda epoch=route.epoch: everywhere(workspace, epoch),
                what=f"epoch {route.epoch} everywhere: {server.said()[-2000:]}",
            )
        callers.more(50)
        until(
            lambda: len(piece_names(workspace.places.spool)) <= 2,
            what="everything sealed that nobody writes any more",
        )
    assert callers.heard.failures == []
    assert callers.unready == []
    hold_answers(callers.heard.answers, BIASES)
    rows = in_journal(workspace)
    hold_to_account(callers.heard, in_journal(workspace, seed=2))
    assert [one for one, times in Counter(row["id"] for row in rows).items() if times > 1] == []
    table = workspace.journal.query("SELECT id, kind, body FROM events WHERE kind = 'route'")
    events = table.to_pylist()
    assert len({event["id"] for event in events}) == len(events) == len(_history(workspace))
    measured("keeper replaced within s (most)", round(max(replaced), 2))


def _history(workspace: Workspace) -> list[Any]:
    return list(workspace.chain.history(MODEL))


def test_after_the_end_everything_is_sealed_once(
    server: RunningServer, workspace: Workspace, measured: Measured
) -> None:
    """L7: what was in the tail when all processes ended is in the lake, and nowhere twice."""
    server.stop()
    before = sorted(row["id"] for row in in_journal(workspace))
    workspace.journal.seal()
    assert list(piece_names(workspace.places.spool)) == []
    assert sorted(row["id"] for row in in_journal(workspace)) == before
    assert len(set(before)) == len(before)
    measured("decisions in the lake", len(before))
