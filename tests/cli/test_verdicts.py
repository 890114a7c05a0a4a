"""N7 O13 S10: what the gate says is shown, kept, and overruled only with a reason."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mainstay.cli import cli
from mainstay.wiring.duties import duties_of
from mainstay.wiring.orders import OrderWriter
from mainstay.wiring.packing import pack
from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import CONTRACT, onnx_model, pack_model
from tests.servers.until import until


def run(shop: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(cli, [*arguments, "--workspace", str(shop)], prog_name="mainstay")
    assert "Traceback" not in result.output
    return result


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose second version takes less than the first, which is live."""
    folder = tmp_path_factory.mktemp("gate") / "shop"
    pack_model(folder)
    assert run(folder, "deploy", "sums@1").exit_code == 0
    narrow = folder.parent / "narrow.yaml"
    narrow.write_text(CONTRACT.replace("max: 100", "max: 50", 1))
    rows = [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]]
    pack(
        "sums", model=onnx_model(0.0), confidence=rows, contract=narrow, workspace=folder,
        classes=("low", "high"), quiet=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def shop(template: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(template, tmp_path / "shop")
    return tmp_path / "shop"


def live(shop: Path) -> int:
    route = open_workspace(shop).chain.current("sums")
    assert route is not None
    return route.number


def test_a_failing_gate_keeps_the_old_version_and_its_verdict_is_kept(shop):
    """N7: exit 1, words first, the verdict by its id, a refusal in the journal."""
    refused = run(shop, "deploy", "sums", "--json")
    assert (refused.exit_code, live(shop)) == (1, 1)
    told = json.loads(refused.output)
    assert told["code"] == "not_passed"
    shown = run(shop, "verdict", told["verdict"][:20])
    assert shown.exit_code == 1
    assert "✗ fails    sums v2 against v1, which serves" in shown.output
    assert "values that were let through are refused" in shown.output
    verdict = json.loads(run(shop, "verdict", "sums", "--json").output)
    assert (verdict["id"], verdict["verdict"], verdict["epoch"]) == (told["verdict"], "fail", 1)
    journal = run(shop, "query", "select body from events where kind = 'refusal'", "--json")
    assert told["verdict"] in journal.output


def test_what_is_wanted_is_accepted_by_its_name(shop):
    """O13: and a slip in the name is a usage error that says what there is."""
    said = run(shop, "deploy", "sums")
    assert said.exit_code == 1
    name = (
        next(line for line in said.output.splitlines() if "fails    contract" in line)
        .split("contract ")[1]
        .split("  ")[0]
    )
    wrong = run(shop, "deploy", "sums", "--accept", name[:-2])
    assert (wrong.exit_code, live(shop)) == (2, 1)
    assert "did you mean" in wrong.output
    done = run(shop, "deploy", "sums", "--accept", name)
    assert (done.exit_code, live(shop)) == (0, 2)
    assert "~ accepted" in run(shop, "verdict", "sums").output


def test_force_needs_a_reason_and_keeps_it(shop):
    """N7: nobody goes against the gate without a word."""
    assert run(shop, "deploy", "sums", "--force").exit_code == 2
    assert live(shop) == 1
    assert run(shop, "deploy", "sums", "--accept-unsure", "--reason", "hm").exit_code == 1
    assert run(shop, "deploy", "sums", "--force", "--reason", "agreed with shop").exit_code == 0
    assert live(shop) == 2
    assert "forced against the gate: agreed with shop" in run(shop, "verdict", "sums").output
    back = run(shop, "rollback", "sums")
    assert (back.exit_code, live(shop)) == (0, 1)


def test_a_dry_run_judges_and_changes_nothing(shop):
    assert run(shop, "deploy", "sums", "--dry-run").exit_code == 1
    assert live(shop) == 1
    itself = run(shop, "deploy", "sums@1", "--dry-run")
    assert itself.exit_code == 2
    assert "compared with itself" in itself.output


def test_a_verdict_that_is_not_there_says_how_to_get_one(shop):
    assert "--dry-run" in run(shop, "deploy", "--help").output
    unknown = run(shop, "verdict", "nobody")
    assert unknown.exit_code == 1
    assert "no verdict 'nobody'" in unknown.output


def test_the_inbox_goes_through_the_gate_too(shop, tmp_path):
    """N7: refused with the findings in the file beside it."""
    opened = open_workspace(shop)
    version = opened.registry.find("sums", 2)
    (look,) = [
        d
        for d in duties_of(OrderWriter(opened, opened.bring), lambda: opened, lambda words: None)
        if d.name == "look into the inbox"
    ]
    file = opened.store.fetch(version.fingerprint, tmp_path)
    target = opened.places.inbox / "sums.mainstay"
    file.rename(target)

    def done() -> bool:
        look.run()
        return (opened.places.inbox / "refused" / "sums.mainstay.txt").exists()

    until(done, what="the inbox took the file in")
    words = (opened.places.inbox / "refused" / "sums.mainstay.txt").read_text()
    assert "did not pass the gate against v1" in words
    assert "values that were let through are refused" in words
    assert live(shop) == 1
