"""S22 S21: a safeguard that is trained while a server runs, takes part in the next answers, and is
not asked about a version that it does not know."""

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from mainstay.cli import cli
from mainstay.release.gate.run import Wish
from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import CONTRACT, FIELDS, MODEL, RunningServer, pack_model, start_server
from tests.servers.until import until
from tests.wiring.test_refreshing import Shop
from tests.wiring.test_safeguarding import world

CLOSED = CONTRACT + "judge: {safeguard: {at_most: 0.4, otherwise: closed}}\n"
OPEN = CONTRACT + "judge: {safeguard: {at_most: 0.4, otherwise: open, unsure: ask}}\n"
BAD, GOOD = (0.9, 0.9, -0.2), (-0.9, 0.9, -0.2)
GUARD = f"{MODEL}-safeguard"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A workspace with a past, in which nothing was ever guarded."""
    shop = Shop(tmp_path_factory.mktemp("guarded") / "shop", written=CLOSED)
    rows, truth = world(1200)
    shop.hear(list(truth), shop.decide(rows))
    shop.spool.close()
    server = start_server(shop.workspace.places.root, "--workers", "1")
    try:
        until(server.answers, what=f"the first answer: {server.said()}")
        yield server
    finally:
        server.stop()


def decide(server: RunningServer, *rows: Any) -> list[dict[str, Any]]:
    asked = [{"inputs": dict(zip(FIELDS, row, strict=True))} for row in rows]
    status, answer = server.ask("POST", f"/models/{MODEL}/decide", {"rows": asked})
    assert status == 200, answer
    return answer["rows"]


def whole(server: RunningServer, decision: dict[str, Any]) -> dict[str, Any]:
    return server.ask("GET", f"/decisions/{decision['id']}")[1]


def command(server: RunningServer, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--workspace", str(server.workspace)])


def test_a_safeguard_is_trained_beside_the_traffic_and_takes_part(server: RunningServer) -> None:
    """S22: closed, nothing is told before there is one; then what it takes for wrong is declined
    and the rest answered; new outcomes show what that is worth."""
    (before,) = decide(server, GOOD)
    assert before["status"] == "declined"
    told = whole(server, before)
    assert (told["judged"]["risk"], told["judged"]["safeguard_version"]) == (None, 0)
    assert told["judged"]["withheld_by"] == "safeguard"
    assert f"the safeguard {GUARD}: there is none here" in told["reason"]
    made = command(server, "safeguard", "train", MODEL)
    assert made.exit_code == 0, made.output
    until(lambda: decide(server, GOOD)[0]["status"] == "answered", what="the safeguard")
    good, bad = decide(server, GOOD, BAD)
    assert (good["status"], bad["status"]) == ("answered", "declined")
    assert bad["answer"] is None
    found = [whole(server, each)["judged"] for each in (good, bad)]
    assert found[0]["risk"] <= 0.4 < found[1]["risk"]
    assert [each["safeguard_version"] for each in found] == [1, 1]
    explained = command(server, "judge", "--explain", bad["id"]).stdout
    assert "its safeguard v1 took it for wrong with probability" in explained
    rows, truth = world(300, 9)
    for answer, label in zip(decide(server, *rows.tolist()), truth, strict=True):
        status, _ = server.ask("POST", f"/decisions/{answer['id']}/outcome", {"label": label})
        assert status in {200, 201, 202, 204}
    shown = command(server, "safeguard", "effect", MODEL, "--json")
    assert shown.exit_code == 0, shown.output
    effect = json.loads(shown.stdout)["effect"]
    assert (effect["labels"], effect["unguarded"]) == (300, 1200)
    assert effect["prevented"]["share"] > 0.6 > effect["prevented_by_confidence"]["share"]
    assert effect["safeguard"]["auc"] > effect["confidence"]["auc"]
    assert effect["wrong_after"]["interval"][1] < effect["wrong_before"]["interval"][0]
    assert "errors prevented" in command(server, "safeguard", "effect", MODEL).stdout


def test_a_version_that_it_does_not_know_is_not_judged_by_it(server: RunningServer) -> None:
    """S22: open, such answers pass, each one noted and counted; the server shows what is amiss."""
    pack_model(server.workspace, bias=0.01, written=OPEN)
    shop = open_workspace(server.workspace)
    shop.deploy(MODEL, 2, "newer", wish=Wish(force=True, reason="it shows what it held back"))
    until(lambda: decide(server, BAD)[0]["status"] == "answered", what="the new version")
    (found,) = decide(server, BAD)
    told = whole(server, found)
    assert told["version"] == 2
    assert told["reason"].endswith("so it passes unguarded")
    assert told["judged"]["risk"] is None
    explained = command(server, "judge", "--explain", found["id"]).stdout
    assert f"the safeguard {GUARD}: there is none here" in " ".join(explained.split())
    assert "the answer was told as it is" in explained
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:
        page = answer.read().decode()
    assert re.search(r'mainstay_safeguard_unsure_total\{.*then="open".*version="2".*\} [1-9]', page)
    assert re.search(r'mainstay_safeguard_unsure_total\{.*then="closed".*version="1".*\}', page)
    assert np.isfinite(decide(server, GOOD)[0]["confidence"])
