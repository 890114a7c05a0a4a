"""An unusual answer on a real server: held, kept over a restart, released at the machine."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from mainstay.cli import cli
from mainstay.serve.held.folder import FolderDesk
from mainstay.wiring.packing import pack
from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import MODEL, onnx_model, start_server
from tests.servers.until import until

pytestmark = pytest.mark.slow

CONTRACT = """\
model: sums
inputs:
  a: {type: integer, min: 0, max: 1000000}
  b: {type: number, min: -100, max: 100}
  c: {type: number, min: -1000000, max: 1000000}
output: {type: probability, classes: [low, high]}
judge:
  rules: ["c != 13"]
  hold: {what: b, above: mean + 3 sd, least: 20, wait: 1h}
"""


def run(workspace: Path, *words: str) -> dict[str, Any]:
    result = CliRunner().invoke(cli, [*words, "--json", "--workspace", str(workspace)])
    return {"exit": result.exit_code, **json.loads(result.stdout)}


def test_what_is_held_outlives_the_server_and_is_released_by_command(tmp_path: Path) -> None:
    """S19 S29 S5: workers agree within a second on what is usual, a restart forgets neither that
    nor what waits, and `mainstay held` decides for the running server."""
    shop = tmp_path / "shop"
    contract = tmp_path / "sums.yaml"
    contract.write_text(CONTRACT)
    rows = np.column_stack([np.arange(20), np.linspace(-1, 1, 20), np.full(20, 5.0)])
    pack(
        MODEL, model=onnx_model(0.0), confidence=rows, contract=contract, workspace=shop,
        classes=("low", "high"), quiet=True,
    )  # fmt: skip
    workspace = open_workspace(shop)
    workspace.deploy(MODEL, 1, "the first")

    def decide(b: float, c: float = 5.0) -> dict[str, Any]:
        _, said = server.decide(a=1, b=b, c=c)
        return said

    server = start_server(shop, "--workers", "2")
    try:
        until(lambda: server.report.workers and server.complete(), what=server.said())
        for place in range(60):
            assert decide(place % 5)["status"] == "answered"
        assert decide(1.0, c=13.0)["status"] == "declined"
        until(lambda: decide(90.0)["status"] == "held", what="every worker to know what is usual")
    finally:
        server.stop()
    before = FolderDesk(workspace.places.held).waiting()
    assert before
    assert run(shop, "status")["held"] == len(before)

    server = start_server(shop, "--workers", "1")
    try:
        until(lambda: server.report.workers and server.complete(), what=server.said())
        said = decide(90.0)
        assert said["status"] == "held"
        listed = run(shop, "held", "list")["held"]
        assert [each["id"] for each in listed] == [*(each.id for each in before), said["id"]]
        shown = run(shop, "held", "show", said["id"])
        assert shown["standing"]["state"] == "held"
        assert shown["decision"]["inputs"]["b"] == 90.0
        assert run(shop, "held", "release", said["id"], "--reason", "seen")["state"] == "released"
        again = run(shop, "held", "reject", said["id"], "--reason", "no")
        assert (again["exit"], again["code"]) == (1, "conflict")
        _, state = server.ask("GET", f"/decisions/{said['id']}/state")
        assert (state["state"], state["reason"]) == ("released", "seen")
        assert state["answer"]["answer"] in ("low", "high")
        _, record = server.ask("GET", f"/decisions/{said['id']}")
        assert record["held"] == state
        assert {event["kind"] for event in record["since"]} >= {"finding", "action"}
        path = f"/decisions/{listed[0]['id']}/reject"
        _, rejected = server.ask("POST", path, {"reason": "no"})
        assert rejected["state"] == "rejected"
        assert run(shop, "held", "show", "0" * 28)["code"] == "not_found"
    finally:
        server.stop()
