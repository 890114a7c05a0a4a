"""Alerts of a workspace on its real stores and journal: M23 M24."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mainstay.base.clock import ManualClock
from mainstay.cli import cli
from mainstay.watch.alerts.memory import MemoryPost
from mainstay.watch.gather.model import STRETCH_MS
from mainstay.watch.monitors.sql import SqlMonitorStore
from mainstay.wiring.alerting import Alerts
from tests.servers.mainstay import MODEL
from tests.wiring.test_watching import Shop

TEAM = "memory://team"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch) -> Shop:
    monkeypatch.setenv("TEAM_ALERTS_URL", TEAM)
    begin_ms = 1_700_000_400_000 // STRETCH_MS * STRETCH_MS
    shop = Shop(tmp_path / "shop", ManualClock(begin_ms * 1_000_000))
    settings = shop.folder / "mainstay.toml"
    channel = '[alerts.channels.team]\nurl_env = "TEAM_ALERTS_URL"\n'
    settings.write_text(settings.read_text() + channel)
    return shop


def keeper(shop: Shop, post: MemoryPost) -> None:
    """What the duties of a keeper that has just started do, and a minute later again."""
    shop.look()
    alerts = Alerts(shop.opened(), post)
    for _ in range(3):
        alerts.look()
        shop.clock.advance(20)


def steps(shop: Shop) -> list[dict[str, Any]]:
    """What the journal was told of alerts, each step once."""
    shop.workspace.journal.seal()
    return shop.workspace.journal.query(
        "SELECT DISTINCT ON (id) body->>'alerts' AS did, subject, model, actor FROM events"
        " WHERE kind = 'action' AND body->>'alerts' IS NOT NULL ORDER BY id"
    ).to_pylist()


def test_a_drift_is_told_seen_to_called_false_and_taken_back(shop: Shop):
    """M23 M24: from the monitor's finding to the raised tolerance, each step in the journal."""
    post = MemoryPost()
    shop.stretch()
    keeper(shop, post)
    assert post.sent == []
    for _ in range(3):
        shop.stretch(shift=0.5)
        keeper(shop, post)
    assert post.sent
    _, title, body = post.sent[0]
    assert title.startswith(f"{MODEL}: input a: place")
    assert "version v1" in body
    alerts = Alerts(shop.opened(), post)
    (first, *_) = alerts.book.open_alerts()
    assert alerts.acknowledge(first.id, "ann").acknowledged_by == "ann"
    alert, tuned = alerts.call_false(first.id, "ann", "the sales")
    assert alert.closed_why == "called false"
    assert 0.1 <= tuned["input_a|place"] <= 0.2
    assert alerts.tolerances()[MODEL]["input_a|place"] == {first.id: tuned["input_a|place"]}
    saved, _ = SqlMonitorStore(shop.opened().database).load(MODEL)
    assert not [key for key in saved.states if key.endswith("|input_a|place")]
    alerts.call_true(first.id, "ann")
    assert alerts.tolerances() == {}
    done = {row["did"] for row in steps(shop)}
    assert {"opened", "queued", "sent", "acknowledged", "called false", "called true"} <= done
    assert {row["model"] for row in steps(shop)} == {MODEL}


def test_what_was_called_false_is_not_found_again(shop: Shop):
    """M23: a shift that is usual from now on; a larger one is still found."""
    post = MemoryPost()
    for shift in (0.0, 0.35, 0.35, 0.35):
        shop.stretch(shift)
        keeper(shop, post)
    alerts = Alerts(shop.opened(), post)
    (alert, *_) = alerts.book.open_alerts()
    assert "input_a|place" in alerts.call_false(alert.id, "ann", "as every year")[1]
    for _ in range(10):
        shop.stretch()
        keeper(shop, post)
    before = len(Alerts(shop.opened(), post).book.alerts)
    for _ in range(3):
        shop.stretch(0.35)
        keeper(shop, post)
    later = list(Alerts(shop.opened(), post).book.alerts.values())[before:]
    assert not [key for each in later for key in each.items if key.endswith("input_a|place")]
    for _ in range(4):
        shop.stretch(2.0)
        keeper(shop, post)
    later = list(Alerts(shop.opened(), post).book.alerts.values())[before:]
    assert [key for each in later for key in each.items if key.endswith("input_a|place")]


def test_the_commands_say_and_do_it(shop: Shop):
    """M23: list, show, ack, silence, test, false and true; for people and for programs."""
    post = MemoryPost()
    post.down.add(TEAM)
    for shift in (0.0, 0.5, 0.5, 0.5):
        shop.stretch(shift)
        keeper(shop, post)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, [*arguments, "--workspace", str(shop.folder)])

    listed = run("alerts", "list", "--json")
    assert listed.exit_code == 1
    found = json.loads(listed.stdout)
    (alert, *_) = found["alerts"]
    assert alert["model"] == MODEL
    assert found["channels"]["team"]["failing_since_ns"]
    told = run("status").stdout
    assert "mainstay alerts list" in told
    assert "alerts do not get through to team since" in told
    number = alert["id"]
    shown = run("alerts", "show", number).stdout
    assert "values are higher" in shown
    assert "nobody answers there" in shown
    assert "seen to" in run("alerts", "ack", number).stdout
    done = run("alerts", "silence", f"{MODEL}/input a: place", "--for", "2h", "--reason", "r")
    assert "is silent until" in done.stdout
    assert run("alerts", "silence", MODEL).exit_code == 2
    assert run("alerts", "silence", "nobody", "--for", "1h", "--reason", "r").exit_code == 1
    done = run("alerts", "false", number, "--reason", "sales")
    assert "input a: place counts from an effect of" in done.stdout
    assert "called false" in run("alerts", "list").stdout
    assert run("alerts", "false", number, "--reason", "x").exit_code == 1
    assert run("alerts", "true", number).exit_code == 0
    assert json.loads(run("alerts", "show", "99", "--json").stdout)["code"] == "not_found"
    assert "there is no channel 'taem'" in run("alerts", "test", "taem").stderr
