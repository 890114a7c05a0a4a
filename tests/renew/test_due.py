"""N3: when it is time to train anew, and why, as the contract says."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from mainstay.cli import cli
from mainstay.contract.document import InvalidContractFile
from mainstay.contract.finding import Finding
from mainstay.contract.load import load_contract
from mainstay.contract.renewing import RenewCosts, RenewWhen
from mainstay.renew.schedule.due import AGE, COST, DRIFT, LABELS, Standing, conditions
from mainstay.renew.schedule.policies import Served
from mainstay.wiring.acting import acting_of
from mainstay.wiring.alerting import Alerts
from mainstay.wiring.renewing import ACTOR, Renewing
from mainstay.wiring.watching import Watching
from mainstay.wiring.workspace import Workspace, open_workspace
from tests.renew.shop import Shop
from tests.renew.test_training import MODEL as TRAINING_CODE
from tests.servers.mainstay import CONTRACT

DAY_NS = 86_400_000_000_000
NOTHING = Standing(
    version="v3", learned_until_ns=0, labels=0, drifting={}, served=Served(losses=(), rows=())
)


def verdicts(when: RenewWhen, now_ns: int = 0, **known: Any) -> dict[str, str]:
    standing = Standing(
        **{name: getattr(NOTHING, name) for name in NOTHING.__struct_fields__} | known
    )
    return {each.check: each.verdict for each in conditions(when, standing, now_ns)}


def test_each_condition_that_is_named_is_told_and_no_other() -> None:
    """N3."""
    assert verdicts(RenewWhen()) == {}
    assert verdicts(RenewWhen(labels=5)) == {LABELS: "pass"}
    when = RenewWhen(
        fresher_than="30d", labels=5, drift=("labels",),
        costs=RenewCosts(of_error=1, of_training=2),
    )  # fmt: skip
    assert verdicts(when) == {AGE: "pass", LABELS: "pass", DRIFT: "pass", COST: "unsure"}


@pytest.mark.parametrize(("days", "verdict"), [(29.9, "pass"), (30.1, "fail")])
def test_what_it_learned_from_may_be_so_old(days: float, verdict: str) -> None:
    """N3: freshness."""
    assert verdicts(RenewWhen(fresher_than="30d"), int(days * DAY_NS)) == {AGE: verdict}


@pytest.mark.parametrize(("labels", "verdict"), [(4, "pass"), (5, "fail")])
def test_so_many_labels_are_enough(labels: int, verdict: str) -> None:
    """N3 N8: arrival of data."""
    assert verdicts(RenewWhen(labels=5), labels=labels) == {LABELS: verdict}


def test_only_the_drift_that_is_named_counts() -> None:
    """N3."""
    drifting = {"inputs": "input a: values are higher"}
    assert verdicts(RenewWhen(drift=("labels",)), drifting=drifting) == {DRIFT: "pass"}
    assert verdicts(RenewWhen(drift=("labels", "inputs")), drifting=drifting) == {DRIFT: "fail"}


def test_errors_are_weighed_against_a_training() -> None:
    """N3: what they cost beyond those the model made at its best."""
    served = Served(losses=(0.1, 0.1, 0.1, 0.3), rows=(100.0,) * 4)
    for of_training, verdict in ((39.0, "fail"), (41.0, "pass")):
        when = RenewWhen(costs=RenewCosts(of_error=2.0, of_training=of_training))
        assert verdicts(when, served=served) == {COST: verdict}
    promised = Served(losses=(0.3,), rows=(100.0,), promised=0.1)
    when = RenewWhen(costs=RenewCosts(of_error=2.0, of_training=39.0))
    assert verdicts(when, served=promised) == {COST: "fail"}
    free = RenewWhen(costs=RenewCosts(of_error=2.0, of_training=0.0))
    level = Served(losses=(0.1, 0.1), rows=(100.0, 100.0))
    assert verdicts(free, served=level) == {COST: "pass"}


@pytest.mark.parametrize(
    ("renew", "where", "words"),
    [
        ("when: {}", "renew.when", "says nothing"),
        ("when: {fresher_than: soon}", "renew.when.fresher_than", "is not a duration"),
        ("when: {fresher_than: 1m}", "renew.when.fresher_than", "must be 1h"),
        ("when: {labels: 0}", "renew.when.labels", "at least 1"),
        ("when: {drift: [label]}", "renew.when.drift", "did you mean"),
        ("when: {costs: {of_error: 0, of_training: 1}}", "costs.of_error", "more than 0"),
        ("when: {costs: {of_error: 1, of_training: -1}}", "costs.of_training", "0 or more"),
        ("start: befor", "renew.start", "did you mean"),
        ("""through: "srun 'x" """, "renew.through", "no closing quotation"),
        ('through: "a\\nb"', "renew.through", "one line"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_setting(
    tmp_path: Path, renew: str, where: str, words: str
) -> None:
    """N3 N5 N10."""
    file = tmp_path / "sums.yaml"
    file.write_text(CONTRACT + 'renew: {train: "weights:good", ' + renew + "}\n")
    with pytest.raises(InvalidContractFile) as refused:
        load_contract(file)
    assert where in str(refused.value)
    assert words in str(refused.value)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop")


def wanted(shop: Shop, when: str) -> None:
    (shop.folder / "contracts").mkdir(exist_ok=True)
    (shop.folder / "contracts" / "sums.yaml").write_text(
        CONTRACT + 'renew: {train: "weights:good", when: ' + when + "}\n"
    )


def told(workspace: Workspace) -> list[tuple[str, str]]:
    table = workspace.journal.query(
        f"SELECT body FROM events WHERE kind = 'finding' AND actor = '{ACTOR}' ORDER BY known_ns, id"
    )
    bodies = [json.loads(row["body"]) for row in table.to_pylist()]
    return [(body["state"], body["check"]) for body in bodies]


def answer(shop: Shop, days: int, right: float, seed: int) -> None:
    """Decisions and what was right of them, a hundred a day."""
    for day in range(days):
        rows = shop.rows(100, seed * 100 + day)
        true = np.where(rows @ [1.0, 2.0, 3.0] > 0, "high", "low")
        wrong = np.arange(100) >= 100 * right
        labels = np.where(wrong, np.where(true == "high", "low", "high"), true)
        shop.hear(labels.tolist(), shop.decide(rows))
        shop.clock.advance(86_400)


def test_the_keeper_tells_once_what_begins_and_what_ends(shop: Shop) -> None:
    """N3: over restarts; a new version is another beginning."""
    wanted(shop, "{labels: 300}")
    workspace = shop.workspace
    shop.clock.jump(7200)
    answer(shop, 2, 1.0, 1)
    shop.close()
    Renewing(workspace).look()
    assert told(workspace) == []
    shop.open()
    answer(shop, 1, 1.0, 2)
    shop.close()
    keeper = Renewing(workspace)
    keeper.look()
    keeper.look()
    assert told(workspace) == [("opened", LABELS)]
    Renewing(workspace).look()
    assert told(workspace) == [("opened", LABELS)]
    wanted(shop, "{labels: 301}")
    Renewing(workspace).look()
    assert told(workspace) == [("opened", LABELS), ("resolved", LABELS)]


def test_a_rule_trains_and_what_is_over_is_over_for_people_too(shop: Shop) -> None:
    """N3 M23: from the keeper's finding by an alert to a new version; then the alert resolves."""
    (shop.folder / "training").mkdir()
    (shop.folder / "training" / "weights.py").write_text(TRAINING_CODE)
    settings = shop.folder / "mainstay.toml"
    settings.write_text(
        settings.read_text() + '[[alerts.rules]]\nchecks = ["retraining: *"]\ndo = ["retrain"]\n'
    )
    wanted(shop, "{labels: 200}")
    shop.clock.jump(7200)
    answer(shop, 2, 1.0, 1)
    shop.close()
    workspace = open_workspace(shop.folder)
    workspace.clock = shop.clock
    keeper = Renewing(workspace)
    keeper.look()
    alerts = Alerts(workspace)
    alerts.look()
    (alert,) = alerts.book.open_alerts()
    assert [item.notice.check for item in alert.items.values()] == [LABELS]
    assert acting_of(workspace).look() == 1
    assert [version.number for version in workspace.registry.versions("sums")] == [1, 2]
    keeper.look()
    assert told(workspace) == [("opened", LABELS), ("resolved", LABELS)]
    alerts.look()
    ((item,),) = (tuple(each.items.values()) for each in alerts.book.alerts.values())
    assert item.resolved_ns


def test_errors_are_read_from_what_was_watched(shop: Shop) -> None:
    """N3: of the days since the version answers, out of the summaries."""
    wanted(shop, "{costs: {of_error: 1, of_training: 50}}")
    shop.workspace.clock = shop.clock
    shop.clock.jump(7200)
    (finding,) = conditions_after(shop, days=4, right=1.0)
    assert (finding.check, finding.verdict, finding.figure) == (COST, "pass", 0.0)
    (finding,) = conditions_after(shop, days=3, right=0.7)
    assert finding.verdict == "fail"
    assert finding.figure == pytest.approx(90.0)
    assert finding.samples == 700
    assert "a training costs 50" in finding.words


def conditions_after(shop: Shop, *, days: int, right: float) -> list[Finding]:
    answer(shop, days, right, days)
    shop.close()
    shop.workspace.journal.seal()
    watching = Watching(shop.workspace)
    while watching.tick():
        pass
    shop.open()
    return Renewing(shop.workspace).conditions("sums")


def test_the_command_says_why_and_whether(shop: Shop) -> None:
    """N3: exits 1 when it is time."""
    shop.clock.jump(7200)
    answer(shop, 1, 1.0, 1)
    shop.close()
    for labels, is_so in ((101, False), (100, True)):
        wanted(shop, f"{{labels: {labels}}}")
        arguments = ["experiment", "due", "sums", "--workspace", str(shop.folder)]
        done = CliRunner().invoke(cli, [*arguments, "--json"], prog_name="mainstay")
        assert done.exit_code == (1 if is_so else 0), done.output
        found = json.loads(done.output)
        assert (found["due"], found["findings"][0]["figure"]) == (is_so, 100.0)
        said = CliRunner().invoke(cli, arguments, prog_name="mainstay").output
        assert f"100 of {labels} labels have come since v1 was made" in " ".join(said.split())
        assert ("mainstay retrain sums" in said) == is_so


def test_without_a_policy_it_is_said_what_to_write(shop: Shop) -> None:
    """N3."""
    done = CliRunner().invoke(
        cli, ["experiment", "due", "sums", "--workspace", str(shop.folder)], prog_name="mainstay"
    )
    assert done.exit_code == 2
    assert "renew.when" in done.output
    assert "fresher_than: 30d" in " ".join(done.output.split())
