"""Rollouts on a real server: a canary that harms goes back by itself, one that does not goes on."""

import http.client
import json
import os
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mainstay.release.rollout.model import Rollout
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
release: {strategy: canary, steps: [50 %, 100 %], bake: 2s, unit: a}
"""
USERS_PER_CALL = 50


def test_a_canary_that_harms_goes_back_and_one_that_does_not_goes_live(tmp_path: Path) -> None:
    """N6 S31 L2 S10: by the strategy of the contract, judged by outcomes that came over HTTP; with
    the keeper killed in the middle, another deployment refused meanwhile, and all of it shown."""
    shop = tmp_path / "shop"
    pack_biased(shop, CONTRACT, 0.0)
    assert mainstay("deploy", MODEL, workspace=shop).returncode == 0
    server = start_server(shop, "--workers", "1")
    try:
        until(lambda: server.report.workers and server.complete(), what=server.said())
        workspace = open_workspace(shop)
        users = iter(range(0, 1_000_000, USERS_PER_CALL))

        pack_biased(shop, CONTRACT, 1e7)
        told = deploy(shop)
        assert told["rollout"]["plan"]["candidate"]["number"] == 2
        harmed = ask_until_ended(server, workspace, users)
        assert harmed.status == "rolled back"
        assert "right answers" in harmed.words
        route = workspace.chain.current(MODEL)
        assert route is not None
        assert (route.number, route.arms) == (1, ())
        until(lambda: everywhere(workspace, route.epoch), what="the way back")

        pack_biased(shop, CONTRACT, 1.0)
        deploy(shop)
        refused = mainstay("deploy", f"{MODEL}@2", "--json", workspace=shop)
        assert refused.returncode == 1
        assert "a canary of sums v3" in json.loads(refused.stdout)["error"]
        until(lambda: newest(workspace).step == 0, what="the first step")
        ask_and_tell(server, next(users))
        os.kill(server.pids("keeper")[0], signal.SIGKILL)
        assert ask_until_ended(server, workspace, users).status == "finished"
        live = workspace.chain.current(MODEL)
        assert live is not None
        assert (live.number, live.arms) == (3, ())
        shown = mainstay("status", "--json", workspace=shop)
        assert json.loads(shown.stdout)["rollouts"][0]["rollout"]["status"] == "finished"
        assert "canary of v3 against v1" in mainstay("status", workspace=shop).stdout
    finally:
        server.stop()


def deploy(workspace: Path) -> Any:
    """Begin what the contract says; the gate has no labels to go by here."""
    done = mainstay(
        "deploy", MODEL, "--force", "--reason", "planted", "--json", workspace=workspace
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def newest(workspace: Workspace) -> Rollout:
    """The rollout that began last."""
    record = workspace.rollouts.newest(MODEL)
    assert record is not None
    return record.rollout


def ask_until_ended(server: RunningServer, workspace: Workspace, users: Any) -> Rollout:
    """New users come until the rollout is over."""

    def ended() -> bool:
        if newest(workspace).step >= 0:
            ask_and_tell(server, next(users))
        return not newest(workspace).active

    until(ended, what="the end of the rollout")
    return newest(workspace)


def ask_and_tell(server: RunningServer, first: int) -> None:
    """New users ask once each, and the world says that `low` would have been right."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=120)

    def post(path: str, body: Any) -> Any:
        connection.request("POST", path, json.dumps(body))
        answer = connection.getresponse()
        content = json.loads(answer.read())
        assert answer.status == 200, content
        return content

    asked = range(first, first + USERS_PER_CALL)
    rows = [{"inputs": {"a": user, "b": 0.0, "c": -1e6}} for user in asked]
    for row in post(f"/models/{MODEL}/decide", {"rows": rows})["rows"]:
        post(f"/decisions/{row['id']}/outcome", {"label": "low", "model": MODEL})
    connection.close()
