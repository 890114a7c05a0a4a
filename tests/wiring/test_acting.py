"""What rules want done, on a real workspace: done twice it is done once. N2 S10 M24 F4."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from mainstay.base.clock import ManualClock
from mainstay.base.errors import InvalidUsage, NotFound
from mainstay.cli import cli
from mainstay.release.gate.run import Wish
from mainstay.serve.keeper import Duty
from mainstay.watch.alerts.model import Action
from mainstay.watch.gather.model import STRETCH_MS
from mainstay.wiring.acting import WorkspaceDoer, acting_of
from mainstay.wiring.alerting import Alerts
from mainstay.wiring.duties import duties_of
from mainstay.wiring.orders import OrderWriter
from mainstay.wiring.quarantining import quarantines_of
from mainstay.wiring.rollouts import Wanted, start_rollout
from mainstay.wiring.workspace import Workspace, open_workspace
from tests.servers.mainstay import MODEL, live_model, pack_model
from tests.wiring.test_watching import Shop

RULE = '[[alerts.rules]]\nverdicts = ["fail"]\ndo = ["roll back", "quarantine"]\n'


def action(workspace: Workspace, do, **more) -> Action:
    route = workspace.chain.current("sums")
    assert route is not None
    given = {"id": "4", "alert": "2", "model": "sums", "do": do, "check": "input a: place",
             "subject": route.fingerprint[:16], "since_ns": 10**18, "until_ns": 10**18 + 9,
             "wanted_ns": workspace.clock.now_ns()} | more  # fmt: skip
    return Action(**given)


@pytest.fixture
def two(tmp_path: Path) -> Workspace:
    """A workspace in which the second version answers."""
    folder = tmp_path / "shop"
    live_model(folder)
    pack_model(folder, bias=1.0)
    workspace = open_workspace(folder)
    workspace.deploy("sums", 2, "second")
    return workspace


def test_a_version_is_rolled_back_once_and_never_past_the_good_one(two: Workspace):
    """S10 F4: killed after the route changed, the next keeper finds it done."""
    doer = WorkspaceDoer(two)
    wanted = action(two, "roll back")
    assert doer.do(wanted) == "v1 answers in the place of v2"
    assert doer.do(wanted) == "the version that it is about does not answer any more"
    route = two.chain.current("sums")
    assert route is not None
    assert (route.number, route.actor, route.reason) == (1, "alerts", "alert 2: input a: place")
    assert [each.number for each in two.chain.history("sums")] == [1, 2, 1]


def test_a_version_is_stopped_once_and_deploying_it_takes_that_back(two: Workspace):
    """S8 S30 M24: by the route, so on every machine; falling back needs a fallback; the journal and
    the command say why. A rollout has nothing to compare with meanwhile."""
    doer = WorkspaceDoer(two)
    with pytest.raises(InvalidUsage, match="sums v2 has nothing to fall back on"):
        doer.do(action(two, "fall back"))
    wanted = action(two, "stop")
    assert doer.do(wanted) == (
        "v2 is stopped and nothing answers; `mainstay deploy sums@2` lets it answer again"
    )
    assert doer.do(wanted) == "the version that it is about does not answer any more"
    route = two.chain.current("sums")
    assert route is not None
    assert (route.number, route.actor, route.stopped) == (2, "alerts", "alert 2: input a: place")
    where = "FROM events WHERE kind = 'route' AND body->>'stopped' IS NOT NULL"
    told = two.journal.query(f"SELECT body->>'stopped' AS why {where}").to_pylist()
    assert told == [{"why": route.stopped}]
    with pytest.raises(InvalidUsage, match="v2 was stopped, so nothing answers"):
        start_rollout(two, two.registry.find("sums", 1), Wanted("canary"), Wish(reason="x"))
    assert two.deploy("sums", 2, "it was the sales").changed
    assert (doer.do(action(two, "stop", subject="0" * 16)), two.chain.current("sums")) == (
        "the version that it is about does not answer any more", two.chain.history("sums")[-1],
    )  # fmt: skip


def test_a_quarantine_has_the_id_of_its_action(two: Workspace):
    """N2 F4: made twice there is one, and lifting it is lifting all of it."""
    doer = WorkspaceDoer(two)
    wanted = action(two, "quarantine")
    assert doer.do(wanted) == doer.do(wanted)
    (made,) = quarantines_of(two).active("sums")
    assert (made.begin_ns, made.end_ns, made.actor) == (10**18, 10**18 + 9, "alerts")
    doer.do(action(two, "quarantine", id="5"))
    assert len(quarantines_of(two).active("sums")) == 2


def test_a_recall_is_begun_once_and_can_be_taken_back(tmp_path: Path):
    """N2 F4: done twice there is one; the version that learned from the stretch does not answer; and
    people are told by an alert of their own. Where no version is clean, nothing changes."""
    folder = tmp_path / "shop"
    for number, month in ((1, "2001-09-01"), (2, "2001-10-01")):
        pack_model(folder, float(number), card={"window": ("2001-01-01", month)})
    workspace = open_workspace(folder)
    workspace.deploy("sums", 1, "first")
    workspace.rollback("sums", 2, "second")
    doer = WorkspaceDoer(workspace)
    wanted = action(workspace, "recall")
    said = doer.do(wanted)
    assert said == (
        "v1 answers, nothing learns from 2001-09-09T01:46:40Z..2001-09-09T01:46:40.000000Z; "
        "`mainstay recall undo 1`"
    )
    assert doer.do(wanted) == said
    assert [each.number for each in workspace.chain.history("sums")] == [1, 2, 1]
    (made,) = quarantines_of(workspace).active("sums")
    assert (made.begin_ns, made.end_ns, made.actor) == (10**18, 10**18 + 9, "alerts")
    alerts = Alerts(workspace)
    alerts.look()
    (alert,) = alerts.book.open_alerts()
    (item,) = alert.items.values()
    assert (alert.model, item.notice.check) == ("sums", "recall")
    assert "v1 answers now" in item.notice.words
    assert "mainstay recall show 1" in item.notice.words
    early = action(workspace, "recall", id="5", since_ns=982 * 10**15, until_ns=983 * 10**15)
    with pytest.raises(NotFound, match="no version of sums is known to be clean"):
        doer.do(early)
    assert [each.number for each in workspace.chain.history("sums")] == [1, 2, 1]


def test_training_without_a_way_to_train_is_said(two: Workspace):
    """N5: a rule cannot do what the contract does not say how to do."""
    with pytest.raises(InvalidUsage, match="does not say how it is trained"):
        WorkspaceDoer(two).do(action(two, "retrain"))


def test_from_a_drift_to_what_was_done_about_it(tmp_path: Path):
    """M24 N2: found by the monitor, quarantined by the keeper, shown by the command."""
    begin_ms = 1_700_000_400_000 // STRETCH_MS * STRETCH_MS
    shop = Shop(tmp_path / "shop", ManualClock(begin_ms * 1_000_000))
    settings = shop.folder / "mainstay.toml"
    settings.write_text(settings.read_text() + RULE)
    for number in range(4):
        shop.stretch(shift=1.5 if number else 0.0)
        shop.look()
    workspace = shop.opened()
    alerts = Alerts(workspace)
    alerts.look()
    acting_of(workspace).look()
    assert acting_of(shop.opened()).look() == 0
    quarantined = quarantines_of(workspace).active(MODEL)
    assert quarantined
    assert all(each.end_ns <= shop.clock.now_ns() for each in quarantined)
    done = {(each.do, each.state) for each in alerts.book.actions}
    assert done >= {("roll back", "failed"), ("quarantine", "done")}
    assert ("roll back", "done") not in done, "there is no version before it"
    shown = CliRunner().invoke(cli, ["alerts", "show", "1", "--workspace", str(shop.folder)])
    assert "quarantine: done, nothing learns from" in " ".join(shown.output.split())
    assert "roll back: failed" in " ".join(shown.output.split())


def test_the_keeper_acts_where_a_rule_says_so(two: Workspace):
    """M24: its own duty, which training does not keep others waiting in; idle without a rule."""
    opened: list[int] = []

    def late() -> Workspace:
        opened.append(1)
        return two

    def duty() -> Duty:
        writer = OrderWriter(open_workspace(two.places.root), two.bring, "")
        found = [each for each in duties_of(writer, late, print) if each.name == "act on findings"]
        assert len(found) == 1
        return found[0]

    duty().run()
    assert opened == []
    settings = two.places.root / "mainstay.toml"
    settings.write_text(settings.read_text() + RULE)
    duty().run()
    assert opened == [1]
