"""A part of the users is held out on a real server: marked, kept apart, and the same ones through
versions and rollouts."""

import json
import math
from pathlib import Path

import pytest

from mainstay.release.gate.run import Wish
from mainstay.serve.routes.assign import is_held_out
from mainstay.serve.routes.model import Arm, Draft
from mainstay.wiring.workspace import Workspace, open_workspace
from tests.servers.mainstay import MODEL, RunningServer, start_server
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
judge: {say: Nobody looked at this one.}
release: {unit: a}
labels: {hold_out: 10 %}
"""
USERS = range(2000)


def test_a_tenth_of_the_users_is_answered_without_the_model(tmp_path: Path) -> None:
    """S14: a tenth within four standard deviations; with its arm, propensity, status and plain
    words in answer and journal; sticky over a deployment and a rollout; by no version's number
    either."""
    shop = tmp_path / "shop"
    for bias in (0.0, 1.0):
        pack_biased(shop, CONTRACT, bias)
    workspace = open_workspace(shop)
    workspace.deploy(MODEL, 1, "the first")
    server = start_server(shop, "--workers", "2")
    try:
        until(lambda: server.report.workers and server.complete(), what=server.said())
        held_out = ask_all(server)
        spread = math.sqrt(len(USERS) * 0.1 * 0.9)
        assert abs(len(held_out) - 0.1 * len(USERS)) < 4 * spread
        assert held_out == {user for user in USERS if is_held_out(MODEL, str(user), 0.1)}
        hold_journal(workspace, held_out)
        hold_numbers(server, min(held_out))

        mixed = begin_share(workspace)
        until(lambda: everywhere(workspace, mixed), what="the rollout")
        assert ask_all(server) == held_out

        deployed = workspace.deploy(MODEL, 2, "", wish=Wish(force=True, reason="planted"))
        until(lambda: everywhere(workspace, deployed.epoch), what="the second version")
        assert ask_all(server) == held_out
    finally:
        server.stop()


def begin_share(workspace: Workspace) -> int:
    """Half of the users for the second version."""
    first, second = (workspace.registry.find(MODEL, number) for number in (1, 2))
    arm = Arm(role="share", number=2, fingerprint=second.fingerprint, share=0.5)
    draft = Draft(
        model=MODEL, number=1, fingerprint=first.fingerprint, actor="ann", reason="", arms=(arm,),
        salt="half", unit="a",
    )  # fmt: skip
    return workspace.append_route(draft, 1).epoch


def ask_all(server: RunningServer) -> set[int]:
    """Who was held out, with what they are told looked at."""
    rows = [{"inputs": {"a": user, "b": 0.0, "c": -1e6}} for user in USERS]
    status, answer = server.ask("POST", f"/models/{MODEL}/decide", {"rows": rows})
    assert status == 200, answer
    found: set[int] = set()
    for user, row in zip(USERS, answer["rows"], strict=True):
        if row["arm"] == "held_out":
            found.add(user)
            assert (row["status"], row["answer"]) == ("declined", None)
            assert row["words"] == "Nobody looked at this one."
        else:
            assert row["status"] == "answered"
    return found


def hold_numbers(server: RunningServer, user: int) -> None:
    """A version that is asked for by its number keeps a user out as well."""
    tensor = {"name": "matrix", "shape": [1, 3], "datatype": "FP64", "data": [user, 0, 0]}
    path = f"/v2/models/{MODEL}/versions/1/infer"
    status, told = server.ask("POST", path, {"inputs": [tensor]})
    assert status == 422, told
    (identity,) = told["decisions"]
    assert server.ask("GET", f"/decisions/{identity}")[1]["arm"] == "held_out"


def hold_journal(workspace: Workspace, held_out: set[int]) -> None:
    """The silent rows are found by their arm, with the probability that they were drawn with."""
    rows = workspace.journal.query(
        "SELECT input_a AS a, propensity, status, reason, output_high AS high FROM decisions"
        " WHERE arm = 'held_out'"
    ).to_pylist()
    assert {row["a"] for row in rows} == held_out
    assert {(row["propensity"], row["status"]) for row in rows} == {(0.1, "declined")}
    assert all("held out" in row["reason"] for row in rows)
    assert all(row["high"] is None or math.isnan(row["high"]) for row in rows), json.dumps(rows[:2])
