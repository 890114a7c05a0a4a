"""A way back on a real server: people are told what changed, may keep the old version, and come
again, until the day that they were told."""

import http.client
import json
import os
import re
import signal
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mainstay.base.errors import Conflict
from mainstay.release.gate.run import Wish
from mainstay.release.rollout.model import Rollout
from mainstay.wiring.rollouts import Wanted, start_rollout, strategy_of
from mainstay.wiring.workspace import Workspace, open_workspace
from tests.servers.mainstay import MODEL, RunningServer, mainstay, start_server
from tests.servers.until import until
from tests.story.accounts import everywhere
from tests.story.biased import pack_biased

pytestmark = pytest.mark.slow

CONTRACT = """\
model: sums
inputs:
  a: {type: integer, min: 0, max: 1000000, about: the user}
  b: {type: number, min: -100, max: 100}
  c: {type: number, min: -1000000, max: 1000000}
output: {type: probability, classes: [low, high]}
release: {strategy: opt_back, opt_back_until: 1h, unit: a, notes: It adds one.}
"""
USERS = range(200)
BACK = range(0, 200, 4)
"""The users who go back."""


def test_two_hundred_users_may_keep_the_old_version_until_a_day(tmp_path: Path) -> None:
    """S31 L1: everybody meets the new version and is told; a quarter goes back, and stays there on
    every worker and through the death of the keeper; some come again; the way back is closed by
    hand, and the next one by its day."""
    shop = tmp_path / "shop"
    pack_biased(shop, CONTRACT, 0.0)
    open_workspace(shop).deploy(MODEL, None, "the first")
    server = start_server(shop, "--workers", "2")
    try:
        until(lambda: server.report.workers and server.complete(), what=server.said())
        workspace = open_workspace(shop)
        nothing = server.ask("POST", f"/models/{MODEL}/choice", {"unit": 1, "version": "previous"})
        assert nothing[0] == 404

        pack_biased(shop, CONTRACT, 1.0)
        begin(workspace, 2, Wanted())
        hold_told(server)
        assert ask_each(server, USERS) == dict.fromkeys(USERS, (2, "live"))
        for user in BACK:
            assert choose(server, user, "previous")[1]["number"] == 1
        os.kill(server.pids("keeper")[0], signal.SIGKILL)
        for user in BACK[:2]:
            assert choose(server, user, "current")[0] == 200
        after = dict.fromkeys(USERS, (2, "live")) | dict.fromkeys(BACK[2:], (1, "opt_back"))
        workers: set[str] = set()
        until(lambda: ask_each(server, USERS, workers) == after, what="all workers to follow")
        while len(workers) < 2:
            assert ask_each(server, USERS, workers) == after
        assert (
            server.ask("GET", f"/models/{MODEL}/choice?unit={BACK[5]}")[1]["version"] == "previous"
        )
        hold_journal(workspace)
        until(lambda: newest(workspace).findings, what="a look")
        until(lambda: "48 units went back to v1" in newest(workspace).words, what="the count")
        shown = mainstay("status", workspace=shop).stdout
        assert "opt_back of v2 against v1" in shown
        assert re.search(r"48 units went back to v1; [56]\d min left", shown), shown

        with pytest.raises(Conflict) as refused:
            workspace.deploy(MODEL, 1, "no")
        assert "to close the way back now" in str(refused.value.expected)
        closed = workspace.deploy(MODEL, 2, "seen enough")
        until(lambda: everywhere(workspace, closed.epoch), what="the end of the way back")
        assert ask_each(server, USERS) == dict.fromkeys(USERS, (2, "live"))
        assert server.ask("GET", f"/models/{MODEL}/choice?unit=8")[0] == 404

        begin(workspace, 1, Wanted(until="1s", tell="It adds nothing."))
        until(lambda: newest(workspace).status == "finished", what="the day")
        live = workspace.chain.current(MODEL)
        assert live is not None
        assert (live.number, live.arms, live.news) == (1, (), None)
        assert "opt_back finished: the time to go back is over" in live.reason
    finally:
        server.stop()


def begin(workspace: Workspace, number: int, wanted: Wanted) -> None:
    """Deploy a version with a way back, and wait for it."""
    version = workspace.registry.find(MODEL, number)
    assert strategy_of(workspace, version, wanted) == "opt_back"
    start_rollout(workspace, version, wanted, Wish(force=True, reason="planted"))
    until(lambda: newest(workspace).step >= 0, what="the first route")
    epoch = newest(workspace).epoch
    until(lambda: everywhere(workspace, epoch), what="the way back")


def newest(workspace: Workspace) -> Rollout:
    """The rollout that began last."""
    record = workspace.rollouts.newest(MODEL)
    assert record is not None
    return record.rollout


def choose(server: RunningServer, user: int, which: str) -> tuple[int, Any]:
    """One user's choice."""
    return server.ask("POST", f"/models/{MODEL}/choice", {"unit": user, "version": which})


def hold_told(server: RunningServer) -> None:
    """Every answer of our own and what is said of the model tell what changed, and until when."""
    one = {"inputs": {"a": 1, "b": 0.0, "c": -1e6}}
    _, alone = server.ask("POST", f"/models/{MODEL}/decide", one)
    _, rows = server.ask("POST", f"/models/{MODEL}/decide", {"rows": [one, one], "request": "r"})
    _, model = server.ask("GET", f"/models/{MODEL}")
    _, listed = server.ask("GET", "/models")
    _, described = server.ask("GET", f"/v2/models/{MODEL}")
    changed = alone["changed"]
    assert changed["words"] == "It adds one."
    assert rows["request"] == "r"
    for other in (rows, model, listed["models"][0], described["parameters"]):
        assert other["changed"] == changed


def ask_each(
    server: RunningServer, users: range, workers: set[str] | None = None
) -> dict[int, tuple[int, str]]:
    """Each user's version and arm, a new connection for every ten of them."""
    place = urlsplit(server.url)
    told: dict[int, tuple[int, str]] = {}
    for first in range(0, len(users), 10):
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=120)
        with closing(connection):
            for user in users[first : first + 10]:
                body = json.dumps({"inputs": {"a": user, "b": 0.0, "c": -1e6}})
                connection.request("POST", f"/models/{MODEL}/decide", body)
                answer: Any = json.loads(connection.getresponse().read())
                told[user] = (answer["version"], answer["arm"])
                if workers is not None:
                    workers.add(answer["id"][12:20])
    return told


def hold_journal(workspace: Workspace) -> None:
    """Every choice is an event, and every decision says by which arm, for certain."""
    chosen = workspace.journal.query(
        "SELECT count(*) AS n FROM events WHERE kind = 'choice'"
    ).to_pylist()
    assert chosen == [{"n": len(BACK) + 2}]
    arms = workspace.journal.query(
        "SELECT DISTINCT arm, version, propensity FROM decisions WHERE arm = 'opt_back'"
    ).to_pylist()
    assert arms == [{"arm": "opt_back", "version": 1, "propensity": 1.0}]
