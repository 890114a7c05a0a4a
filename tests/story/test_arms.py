"""Two versions side by side on a real server: a thousand users, each with a version of their own."""

import http.client
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mainstay.serve.routes.assign import assign
from mainstay.serve.routes.model import Arm, Draft, Route
from mainstay.wiring.workspace import Workspace, open_workspace
from tests.servers.mainstay import MODEL, RunningServer, pack_model, serving
from tests.servers.until import until
from tests.story.accounts import everywhere

pytestmark = pytest.mark.slow

USERS = [number / 8 for number in range(-500, 500)]
"""The input `a` names the user here; eighths are the same in binary and in JSON."""


def test_a_thousand_users_and_two_versions(tmp_path: Path) -> None:
    """S31, N6, N12, S10, L1, L3: a share of 30 % is 30 %, sticky over connections, workers and a
    growing share; every decision says by which version and how probably; a shadow is recorded and
    never shown; versions answer by number; and one rollback ends it all."""
    server = serving(tmp_path / "shop", "--workers", "2")
    try:
        for bias in (1.0, 2.0):
            pack_model(server.workspace, bias)
        workspace = open_workspace(server.workspace)
        first = roll_out(workspace, share=0.3)
        told = ask_each(server)
        assert told == ask_each(server), "another connection, maybe another worker"
        assert told == {a: drawn(first, a) for a in USERS}
        share = sum(number == 2 for number, _ in told.values())
        assert abs(share - 300) < 4 * math.sqrt(1000 * 0.3 * 0.7)
        hold_rows_of_one_call(server, told)
        hold_journal(workspace, first, told)
        hold_numbers(server)

        grown = roll_out(workspace, share=0.6)
        after = ask_each(server)
        assert {a for a in USERS if told[a][0] == 2} < {a for a in USERS if after[a][0] == 2}
        assert after == {a: drawn(grown, a) for a in USERS}

        back = workspace.rollback(MODEL, None, "seen enough")
        assert (back.number, back.arms) == (1, ())
        until(lambda: everywhere(workspace, back.epoch), what="the rollback")
        assert set(ask_each(server).values()) == {(1, "live")}
    finally:
        server.stop()


def roll_out(workspace: Workspace, share: float) -> Route:
    """Version 2 for a share of the users, version 3 as the shadow of version 1."""
    versions = {number: workspace.registry.find(MODEL, number) for number in (1, 2, 3)}
    current = workspace.chain.current(MODEL)
    assert current is not None
    draft = Draft(
        model=MODEL, number=1, fingerprint=versions[1].fingerprint, actor="ann", reason="try it",
        salt="rollout 1", unit="a",
        arms=(
            Arm(role="share", number=2, fingerprint=versions[2].fingerprint, share=share),
            Arm(role="shadow", number=3, fingerprint=versions[3].fingerprint, share=1.0),
        ),
    )  # fmt: skip
    route = workspace.chain.append(draft, current.epoch)
    until(lambda: everywhere(workspace, route.epoch), what="the rollout")
    return route


def drawn(route: Route, a: float) -> tuple[int, str]:
    """Who should answer a user, worked out from the route alone."""
    arm, _ = assign(route, str(int(a)) if a.is_integer() else str(a))
    return (1, "live") if arm is None else (arm.number, "share")


def ask_each(server: RunningServer) -> dict[float, tuple[int, str]]:
    """Each user's version and arm, one call each, over one connection."""
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=120)
    told: dict[float, tuple[int, str]] = {}
    for a in USERS:
        body = json.dumps({"inputs": {"a": a, "b": 0.5, "c": 0.5}})
        connection.request("POST", f"/models/{MODEL}/decide", body)
        answer: Any = json.loads(connection.getresponse().read())
        told[a] = (answer["version"], answer["arm"])
    connection.close()
    return told


def hold_rows_of_one_call(server: RunningServer, told: dict[float, tuple[int, str]]) -> None:
    """A call of all users is answered row by row as each of them alone."""
    rows = [{"inputs": {"a": a, "b": 0.5, "c": 0.5}} for a in USERS]
    status, answer = server.ask("POST", f"/models/{MODEL}/decide", {"rows": rows})
    assert status == 200
    assert [(row["version"], row["arm"]) for row in answer["rows"]] == list(told.values())
    for row, a in list(zip(answer["rows"], USERS, strict=True))[::97]:
        _, kept = server.ask("GET", f"/decisions/{row['id']}")
        assert kept["inputs"]["a"] == a
        assert (kept["version"], kept["arm"]) == told[a]
        assert kept["propensity"] == {"live": 0.7, "share": 0.3}[kept["arm"]]
        _, replayed = open_workspace(server.workspace).replay(row["id"])
        assert replayed.verdict == "same"
    matrix = {"name": "matrix", "shape": [2, 3], "datatype": "FP64", "data": [USERS[0], 0, 0] * 2}
    _, answer = server.ask("POST", f"/v2/models/{MODEL}/infer", {"inputs": [matrix]})
    assert answer["parameters"] == {"arm": told[USERS[0]][1]}
    assert answer["model_version"] == str(told[USERS[0]][0])


def hold_journal(workspace: Workspace, route: Route, told: dict[float, tuple[int, str]]) -> None:
    """What is recorded is what was told; shadows stand beside the live decisions they repeat."""
    rows = workspace.journal.query(
        "SELECT input_a AS a, version, arm, propensity, count(*) AS n FROM decisions"
        f" WHERE route = {route.epoch} AND arm IN ('live', 'share') AND door = 'decide'"
        " GROUP BY ALL"
    ).to_pylist()
    assert {row["a"]: (row["version"], row["arm"]) for row in rows} == told
    assert {row["n"] for row in rows} == {3}
    assert {(row["arm"], row["propensity"]) for row in rows} == {("live", 0.7), ("share", 0.3)}
    live = Counter(arm for _, arm in told.values())["live"]

    def shadowed() -> bool:
        (row,) = workspace.journal.query(
            "SELECT count(DISTINCT s.input_a) AS n FROM decisions s JOIN decisions l"
            " ON s.shadows = l.id AND l.arm = 'live' AND s.input_a = l.input_a"
            " WHERE s.arm = 'shadow' AND s.version = 3 AND s.door = 'shadow'"
        ).to_pylist()
        return row["n"] == live

    until(shadowed, what="a shadow of every live answer")


def hold_numbers(server: RunningServer) -> None:
    """Every version in force answers by its number, and says that it was asked for."""
    body = {"inputs": [{"name": "matrix", "shape": [1, 3], "datatype": "FP64", "data": [1, 1, 1]}]}
    for number in ("1", "2", "3"):
        path = f"/v2/models/{MODEL}/versions/{number}"
        status, answer = server.ask("POST", f"{path}/infer", body)
        assert (status, answer["model_version"]) == (200, number)
        assert answer["parameters"] == {"arm": "named"}
        assert server.ask("GET", path)[1]["versions"] == [number]
    assert server.ask("GET", f"/v2/models/{MODEL}")[1]["versions"] == ["1", "2", "3"]
    assert server.ask("POST", f"/v2/models/{MODEL}/versions/4/infer", body)[0] == 404
    page = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    page.request("GET", "/metrics")
    counted = page.getresponse().read()
    page.close()
    assert b"shadow_missed_total{" not in counted, "nothing was dropped"
