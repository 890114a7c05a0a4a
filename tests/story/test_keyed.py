"""L2 M16 N1: decided at a server's door, told of an order number, learned from as by id."""

import json
from pathlib import Path
from typing import Any

import pytest

from mainstay.renew.labels.read import read
from mainstay.wiring.snapshotting import define
from mainstay.wiring.workspace import open_workspace
from tests.renew.keyed import pack_keyed
from tests.servers.mainstay import FIELDS, MODEL, mainstay, start_server
from tests.servers.until import until


@pytest.mark.slow
def test_who_knows_the_order_tells_what_was_right(tmp_path: Path):
    workspace = tmp_path / "shop"
    pack_keyed(workspace)
    assert mainstay("deploy", MODEL, workspace=workspace).returncode == 0
    server = start_server(workspace)
    row: dict[str, Any] = {"inputs": dict.fromkeys(FIELDS, 0.5)}
    try:
        until(lambda: running(server, row), what=f"the first answer: {server.said()}")
        asked = [{**row, "context": {"order": f"A-{place}"}} for place in range(3)]
        status, decided = server.ask("POST", f"/models/{MODEL}/decide", {"rows": asked})
        assert status == 200, decided
        path = f"/models/{MODEL}/outcome"
        said = {"outcomes": [{"key": f"A-{n}", "label": "low"} for n in (0, 2, 9)]}
        assert server.ask("POST", path, said)[0] == 200

        def keys() -> Any:
            shown = mainstay("heard", MODEL, "--json", workspace=workspace)
            return json.loads(shown.stdout)["of_keys"]

        until(lambda: keys()[0]["joined"] == 2, what="the decisions of the orders")
        assert (keys()[0]["count"], keys()[0]["waiting"]) == (3, 1)
        ids = [each["id"] for each in decided["rows"]]
        [told] = server.ask("GET", f"/decisions/{ids[2]}")[1]["since"]
        assert (told["label"], told["keyed"]["found"], told["actor"]) == ("low", True, "local")
    finally:
        server.stop()
    opened = open_workspace(workspace)
    rows = read(opened.journal.query, define(opened, MODEL, 0)).table.to_pylist()
    assert {each["id"]: each["label"] for each in rows} == {ids[0]: "low", ids[2]: "low"}


def running(server: Any, row: dict[str, Any]) -> bool:
    """Whether it decides now."""
    try:
        body = {**row, "context": {"order": "first"}}
        return server.ask("POST", f"/models/{MODEL}/decide", body)[0] == 200
    except OSError:
        return False
