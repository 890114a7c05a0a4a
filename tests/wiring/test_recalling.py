"""`mainstay recall` on real workspaces: what it says, does, and takes back (N2 L6 S5)."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from mainstay.base.errors import Conflict, MainstayError
from mainstay.cli import cli
from mainstay.release.recall.model import Window
from mainstay.wiring.packing import pack
from mainstay.wiring.quarantining import quarantines_of
from mainstay.wiring.recalling import WorkspaceHands, carry_out_recall, plan_recall, recalls_of
from mainstay.wiring.workspace import Workspace, open_workspace
from tests.servers.mainstay import onnx_model, pack_model

POLLUTED = "2026-03-10T08:00..2026-03-11T02:00"
WINDOWS = (("2026-01-01", "2026-02-01"), ("2026-02-01", "2026-03-01"), ("2026-02-01", "2026-04-01"))


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 1 to 3, each of which was in force; the last one learned from the stretch. No test
    changes it."""
    folder = tmp_path_factory.mktemp("recalling") / "shop"
    for place, window in enumerate(WINDOWS):
        pack_model(folder, place / 10, card={"window": window})
    opened = open_workspace(folder)
    opened.deploy("sums", 1, "the first")
    for number in (2, 3):
        opened.rollback("sums", number, "the next one")
    return folder


@pytest.fixture
def shop(still: Path, tmp_path: Path) -> Path:
    """The same, to change."""
    return shutil.copytree(still, tmp_path / "shop")


def run(shop: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(cli, [*arguments, "--workspace", str(shop)])
    assert "Traceback" not in result.output
    return result


def told(shop: Path, *arguments: str, status: int = 0) -> dict[str, Any]:
    result = run(shop, *arguments, "--json")
    assert result.exit_code == status, result.output
    return json.loads(result.output)


def live(shop: Path) -> int:
    route = open_workspace(shop).chain.current("sums")
    assert route is not None
    return route.number


def quarantined(workspace: Workspace) -> dict[str, list[str]]:
    """Model to the reasons of what is in force."""
    found: dict[str, list[str]] = {}
    for each in quarantines_of(workspace).of():
        if each.lifted_at_ns is None:
            found.setdefault(each.model, []).append(each.reason)
    return found


def test_a_recall_is_shown_carried_out_listed_and_taken_back(shop: Path):
    """N2: the plan first; then route and quarantine; once more changes nothing; undo restores."""
    shown = run(shop, "recall", "sums", "--polluted", POLLUTED, "--dry-run")
    assert shown.exit_code == 0
    for words in (
        "v3 learned from it: its training data is from 2026-02-01..2026-04-01",
        "v3 → v2   it was in force as epoch 2",
        "2 versions did not",
        "Nothing was changed",
    ):
        assert words in shown.output
    assert live(shop) == 3
    assert quarantined(open_workspace(shop)) == {}
    done = told(shop, "recall", "sums", "--polluted", POLLUTED, "--yes", "--reason", "sensor stuck")
    assert (done["changed"], done["status"], done["plan"]["to"]["number"]) == (True, "in force", 2)
    assert live(shop) == 2
    workspace = open_workspace(shop)
    assert quarantined(workspace) == {"sums": ["recall 1: sensor stuck"]}
    route = workspace.chain.history("sums")[-1]
    assert (route.reason, route.epoch) == ("recall 1: sensor stuck", done["epoch"])
    again = told(shop, "recall", "sums", "--polluted", POLLUTED, "--yes")
    assert (again["changed"], again["number"]) == (False, 1)
    assert len(workspace.chain.history("sums")) == 4
    listed = run(shop, "recall", "list", "sums").output
    assert "v3 → v2" in listed
    assert "in force" in listed
    assert "SELECT id FROM decisions" in run(shop, "recall", "show", "1").output
    undone = run(shop, "recall", "undo", "1")
    assert undone.exit_code == 0
    assert "recall 1 of sums is taken back: v3 answers again" in undone.output
    assert live(shop) == 3
    assert quarantined(open_workspace(shop)) == {}
    assert told(shop, "recall", "undo", "1")["changed"] is False
    events = open_workspace(shop).journal.query(
        "SELECT body FROM events WHERE kind = 'action' AND subject = 'recall-1' ORDER BY time"
    )
    bodies = [json.loads(each) for each in events.column("body").to_pylist()]
    assert [each["did"] for each in bodies] == ["recalled", "taken back"]
    assert (bodies[0]["from"], bodies[0]["to"], bodies[0]["recall"]) == (3, 2, 1)


def test_models_that_learned_from_its_answers_are_quarantined_too(shop: Path):
    """N2 L6: named with the versions that learned from the stretch, and told in the journal."""
    rows = np.linspace(-1, 1, 60).reshape(20, 3)
    for name, upstream in (("ranker", "sums"), ("pages", "ranker"), ("other", "nobody")):
        pack(
            name, model=onnx_model(), confidence=rows, contract=None, workspace=shop,
            classes=("low", "high"), quiet=True, card={"trained_on": [upstream]},
        )  # fmt: skip
    shown = run(shop, "recall", "sums", "--polluted", POLLUTED, "--yes")
    assert shown.exit_code == 0
    assert "ranker (nothing answers): 0 decisions since" in shown.output
    assert "v1 may have learned from it" in shown.output
    workspace = open_workspace(shop)
    assert sorted(quarantined(workspace)) == ["pages", "ranker", "sums"]
    told_of = workspace.journal.query(
        "SELECT kind, model, body FROM events WHERE subject = 'recall-1' ORDER BY model"
    ).to_pylist()
    for kind in ("action", "finding"):
        assert [each["model"] for each in told_of if each["kind"] == kind] == [
            "pages", "ranker", "sums",
        ]  # fmt: skip
    found = {each["model"]: json.loads(each["body"]) for each in told_of
             if each["kind"] == "finding"}  # fmt: skip
    assert {each["check"] for each in found.values()} == {"recall"}
    assert "sums was recalled, whose answers it takes or learned from" in found["ranker"]["words"]
    assert "Learned from it, or may have: v1;" in found["ranker"]["words"]
    assert "v2 answers now" in found["sums"]["words"]
    assert "(polluted data)" in found["sums"]["words"]
    run(shop, "recall", "undo", "1")
    assert quarantined(workspace) == {}


def test_a_recall_that_got_stuck_goes_on_by_another_way(shop: Path):
    """N2 S5: version 2 is damaged after the plan was made, so its check refuses it: the stretch is
    quarantined all the same, the same command goes on, passes it over, and undo restores."""

    workspace = open_workspace(shop)
    window = Window(1_773_129_600_000_000_000, 1_773_194_400_000_000_000)
    made = plan_recall(workspace, "sums", window)
    assert str(window) == "2026-03-10T08:00:00Z..2026-03-11T02:00:00Z"
    assert made.to is not None
    bundle = next((shop / "bundles").rglob(f"{made.to.fingerprint}*"))
    whole = bundle.read_bytes()
    bundle.chmod(0o600)
    bundle.write_bytes(whole[:-100])
    with pytest.raises(MainstayError) as stuck:
        carry_out_recall(workspace, made, "")
    assert "recall 1 is begun: the same command again goes on" in stuck.value.__notes__[0]
    assert list(quarantined(workspace)) == ["sums"]
    assert live(shop) == 3
    assert "was begun, and is not finished" in run(shop, "recall", "show", "1").output
    other = run(shop, "recall", "sums", "--polluted", "2026-03-10..2026-03-12", "--yes")
    assert other.exit_code == 1
    assert "recall 1 of sums" in other.output
    done = told(shop, "recall", "sums", "--polluted", POLLUTED, "--yes")
    assert (done["number"], done["plan"]["to"]["number"], live(shop)) == (1, 1, 1)
    assert len(recalls_of(workspace).of()) == 1
    bundle.write_bytes(whole)
    told(shop, "recall", "undo", "1")
    assert live(shop) == 3


def test_what_was_done_is_not_done_twice_nor_over_somebody_elses_route(shop: Path):
    """N2 S5: the hands of a command that goes on where another one was killed."""
    told(shop, "recall", "sums", "--polluted", POLLUTED, "--yes")
    workspace = open_workspace(shop)
    hands, recall = WorkspaceHands(workspace), recalls_of(workspace).find(1)
    hands.tell(recall, "recalled", again=True)
    for _ in range(2):
        hands.quarantine(recall, "sums")
    events = workspace.journal.query("SELECT kind FROM events WHERE subject = 'recall-1'")
    assert sorted(events.column("kind").to_pylist()) == ["action", "finding"]
    assert len(quarantines_of(workspace).of()) == 1
    with pytest.raises(Conflict):
        hands.route("sums", 3, "late", recall.epoch - 1)
    assert live(shop) == 2
    for _ in range(2):
        hands.lift(recall, "sums")
    hands.lift(recall, "nobody's")
    assert quarantined(workspace) == {}


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("summs", "--polluted", POLLUTED), 1, "did you mean 'sums'"),
        (("sums",), 2, "polluted"),
        (("sums", "--polluted", "yesterday"), 2, "not a stretch of time"),
        (("sums", "--polluted", "2026-03-11..2026-03-10"), 2, "begins before it ends"),
        (("sums", "--polluted", "2036-03-10..2036-03-11"), 2, "still to come"),
        (("sums", "--polluted", POLLUTED), 2, "nobody is there who could be asked"),
        (("sums", "--polluted", POLLUTED, "--to", "3"), 2, "training data"),
        (("sums", "--polluted", POLLUTED, "--to", "7"), 2, "no version 7"),
        (("sums", "--polluted", POLLUTED, "--reason", "x" * 600, "--yes"), 2, "too long"),
        (("sums", "--polluted", "2026-01-10..2026-04-01", "--yes"), 1, "known to be clean"),
        (("list", "--polluted", POLLUTED), 1, "list"),
        (("list", "summs"), 1, "did you mean 'sums'"),
        (("show", "9"), 1, "there is no recall 9"),
        (("undo", "9"), 1, "there is no recall 9"),
        (("undo", "0"), 2, "0"),
    ],
)
def test_what_cannot_be_done_is_told_in_words_and_changes_nothing(
    still: Path, arguments: tuple[str, ...], status: int, said: str
):
    """N2: exit 1 where it is not so, 2 where it was used wrongly; nothing is begun."""
    result = run(still, "recall", *arguments)
    assert (result.exit_code, said in result.output) == (status, True), result.output
    workspace = open_workspace(still)
    assert live(still) == 3
    assert quarantined(workspace) == {}
    assert list(recalls_of(workspace).of()) == []


def test_without_a_clean_version_the_plan_is_told_with_what_can_be_done(still: Path):
    """N2: exit 1, as one object."""
    found = told(still, "recall", "sums", "--polluted", "2026-01-10..2026-04-01", status=1)
    assert found["done"] is False
    assert "no version of sums is known to be clean" in found["error"]
    assert len(found["plan"]["passed_over"]) == 3
    assert found["plan"]["offers"]


def test_help_tells_how_it_is_mostly_used():
    for arguments in (("recall",), ("recall", "model")):
        result = CliRunner().invoke(cli, [*arguments, "--help"], prog_name="mainstay")
        assert result.exit_code == 0
        assert "mainstay recall" in result.output
        assert "--polluted" in result.output
