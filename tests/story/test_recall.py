"""Recalling a version under traffic: nobody notices but by the version, and it can be taken back."""

import json
from collections.abc import Callable, Iterator

import pytest

from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import (
    MODEL,
    RunningServer,
    mainstay,
    pack_model,
    start_server,
)
from tests.servers.until import until
from tests.story.accounts import everywhere, hold_answers, hold_to_account, in_journal
from tests.story.callers import Callers

pytestmark = pytest.mark.slow

BIASES = {1: 0.0, 2: 1.0}
POLLUTED = "2026-03-10T08:00..2026-03-11T02:00"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Version 2 answers, and learned from a stretch that version 1 knows nothing of."""
    folder = tmp_path_factory.mktemp("recall") / "shop"
    for number, month in ((1, "03"), (2, "04")):
        pack_model(folder, BIASES[number], card={"window": ("2026-01-01", f"2026-{month}-01")})
    opened = open_workspace(folder)
    opened.deploy(MODEL, 1, "the first")
    opened.rollback(MODEL, 2, "a newer one")
    found = start_server(folder, "--workers", "2")
    until(found.answers, what=f"the first answer: {found.said()}")
    until(found.complete, what=f"all processes: {found.said()}")
    yield found
    found.stop()


def test_a_recall_under_traffic_fails_nobody_and_is_taken_back(
    server: RunningServer, measured: Callable[[str, object], None]
) -> None:
    """N2 S5 L6 L7: the command returns when every worker answers with the clean version; no request
    fails meanwhile; the decisions it lists are those that the bad one made, every one; each of
    these is answered anew, and whoever asks for one is told."""
    opened = open_workspace(server.workspace)
    with Callers(server, seed=6) as callers:
        callers.more(200)
        said = mainstay(
            "recall", MODEL, "--polluted", POLLUTED, "--yes", "--json", workspace=server.workspace
        )
        assert said.returncode == 0, said.stdout + said.stderr
        done = json.loads(said.stdout)
        assert done["everywhere"], server.said()[-2000:]
        before = {one.id for one in callers.heard.answers}
        callers.more(200)
        after = [one for one in list(callers.heard.answers)[-100:] if one.id not in before]
        listed = mainstay(
            "recall", "show", "1", "--decisions", "--json", workspace=server.workspace
        )
        again = mainstay("reprocess", "--recall", "1", "--json", workspace=server.workspace)
        assert again.returncode == 0, again.stdout + again.stderr
        undone = mainstay("recall", "undo", "1", "--json", workspace=server.workspace)
        assert undone.returncode == 0, undone.stdout + undone.stderr
        route = opened.chain.current(MODEL)
        assert route is not None
        assert route.number == 2
        until(lambda: everywhere(opened, route.epoch), what="the way forward everywhere")
        callers.more(50)
    heard = callers.heard
    assert heard.failures == []
    assert callers.unready == []
    assert {one.version for one in after} == {1}
    hold_answers(heard.answers, BIASES)
    rows = in_journal(opened)
    hold_to_account(heard, rows)
    epoch = int(done["epoch"])
    table = opened.journal.query(f"SELECT id FROM decisions WHERE version = 2 AND route < {epoch}")
    bad = set(table.column("id").to_pylist())
    shown = [json.loads(line) for line in listed.stdout.splitlines()]
    assert {row["id"] for row in shown} == bad
    assert len(shown) == len(bad) > 200
    assert done["plan"]["blast"]["made"][0]["decisions"] <= len(bad)
    reprocessed = json.loads(again.stdout)
    assert (reprocessed["answered"], reprocessed["refused"]) == (len(bad), 0)
    new = opened.journal.query("SELECT shadows, id FROM decisions WHERE door = 'reprocess'")
    by = dict(zip(new.column("shadows").to_pylist(), new.column("id").to_pylist(), strict=True))
    assert by.keys() == bad
    assert new.num_rows == len(bad)
    status, old = server.ask("GET", f"/decisions/{shown[0]['id']}")
    assert status == 200
    assert [each["replaced"]["by"] for each in old["since"] if "replaced" in each] == [
        by[shown[0]["id"]]
    ]
    measured("recalled, all workers answering, within s", done["seconds"])
    measured("answers heard; decisions of the bad version", (len(heard.answers), len(bad)))
