"""N5 N1 O10: a retrain makes a version with its provenance, or leaves everything as it was."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from msgspec import structs

from mainstay.cli import cli
from mainstay.watch.alerts.model import Action
from mainstay.wiring import training
from mainstay.wiring.acting import WorkspaceDoer
from mainstay.wiring.recalling import recalls_of
from mainstay.wiring.workspace import Workspace, open_workspace
from tests.renew.shop import Shop
from tests.servers.mainstay import CONTRACT

MODEL = """
import numpy as np

class Weighted:
    def __init__(self, weights):
        self.weights = weights
        self.classes_ = ["low", "high"]

    def predict_proba(self, rows):
        matrix = np.column_stack([rows["a"], rows["b"], rows["c"]])
        high = 1 / (1 + np.exp(-20 * (matrix @ self.weights)))
        return np.column_stack([1 - high, high])

def fitted(data, sign=1):
    matrix = np.column_stack([data.inputs[name] for name in "abc"])
    right = np.where(data.labels == "high", 1.0, -1.0)
    return Weighted(sign * np.linalg.lstsq(matrix, right, rcond=None)[0])

def good(data):
    (data.folder / "log.txt").write_text(data.snapshot)
    assert len(data) == len(data.labels)
    return fitted(data)

def worse(data):
    return fitted(data, sign=-1)

def raises(data):
    raise KeyError("the price list")

def nothing(data):
    fitted(data)

def hangs(data):
    while True:
        pass

def leaks(data):
    return [np.empty(1 << 28, dtype=np.uint8) for _ in range(100)]

def fills(data):
    with open(data.folder / "big", "wb") as file:
        for _ in range(64):
            file.write(bytes(1 << 20))

def exits(data):
    raise SystemExit(3)

def goes_on(data):
    before = 0 if data.before is None else int((data.before / "count").read_text())
    (data.keep / "count").write_text(str(before + 1))
    (data.folder / "log.txt").write_text("gone")
    return fitted(data)

def hoards(data):
    for name in "abc":
        (data.keep / name).write_bytes(bytes(10_000_000))
    return fitted(data)

def draws(data):
    import random
    raise ValueError([random.random(), float(np.random.random()), data.seed])

not_one = 5
"""
RENEW = """\
assets: {metric: accuracy, acceptable: [0.0, 1.0]}
renew: {train: "weights:%s", time: 2s, memory_gb: 6, disk_gb: 0.02}
gate: {worse_by: 0.15}
"""


def run(shop: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(cli, [*arguments, "--workspace", str(shop)], prog_name="mainstay")
    assert "Traceback" not in result.output, result.output
    return result


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose live version is badly off, with 300 labelled decisions."""
    shop = Shop(tmp_path_factory.mktemp("training") / "shop", bias=1.0)
    for seed in range(3):
        rows = shop.rows(100, seed)
        right = np.where(rows @ [1.0, 2.0, 3.0] > 0, "high", "low")
        shop.hear(right.tolist(), shop.decide(rows))
    shop.close()
    code = shop.folder / "training"
    code.mkdir()
    (code / "weights.py").write_text(MODEL)
    return shop.folder


@pytest.fixture
def shop(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "shop"))


def squeezed(result: Result) -> str:
    return " ".join(result.output.split())


def trained_by(shop: Path, function: str) -> None:
    (shop / "contracts" / "sums.yaml").write_text(CONTRACT + RENEW % function)


def findings(workspace: Workspace) -> list[dict]:
    table = workspace.journal.query(
        "SELECT body FROM events WHERE kind = 'finding' AND body LIKE '%\"check\":\"training\"%'"
    )
    return [json.loads(row["body"]) for row in table.to_pylist()]


def test_a_retrain_makes_a_version_that_says_where_it_is_from(shop: Path):
    """N1 N5 O10: measured on the newest fifth; through the gate; snapshot, code, seed on it."""
    trained_by(shop, "good")
    done = run(shop, "retrain", "sums", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    workspace = open_workspace(shop)
    version = workspace.registry.find("sums", 2)
    assert workspace.chain.current("sums").fingerprint == version.fingerprint
    assert version.card.metrics["accuracy"] > 0.9
    assert version.card.snapshot == found["snapshot"]["id"]
    begin, end = version.card.window
    assert begin < end
    said = version.card.parameters["training"]
    assert said == found["run"]
    assert (said["rows"], said["tested"], said["repeated"]) == (240, 60, 0)
    assert said["order"] == "by time, oldest first"
    assert said["seed"] == int(found["snapshot"]["content"][:8], 16)
    assert findings(workspace) == []
    again = run(
        shop, "retrain", "sums", "--snapshot", found["snapshot"]["id"][:10], "--dry-run", "--json"
    )
    repeated = json.loads(again.output)
    assert repeated["run"] == said
    assert repeated["metrics"] == found["metrics"]
    assert repeated["version"] is None
    assert len(workspace.registry.versions("sums")) == 2


def test_a_worse_model_is_kept_and_does_not_answer(shop: Path):
    """N7: the gate's words, a finding, and what served goes on."""
    trained_by(shop, "worse")
    done = run(shop, "retrain", "sums")
    assert done.exit_code == 1
    assert "is kept and does not answer" in done.output
    assert "did not pass the gate" in done.output
    workspace = open_workspace(shop)
    assert workspace.chain.current("sums").number == 1
    assert workspace.registry.find("sums", 2)
    (finding,) = findings(workspace)
    assert "did not pass the gate" in finding["words"]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("raises", "weights:raises raised KeyError: 'the price list' (weights.py, line 28)"),
        ("nothing", "weights:nothing returned nothing"),
        ("hangs", "weights:hangs took longer than it may, and was ended"),
        ("leaks", "weights:leaks needs more memory than it may have"),
        ("fills", "raised OSError: [Errno 27] File too large"),
        ("exits", "the training ended the process"),
        ("not_one", "weights has no function 'not_one'"),
        ("absent", "weights has no function 'absent'"),
    ],
)
def test_training_code_that_fails_changes_nothing(shop: Path, function: str, words: str):
    """Nothing released, nothing lost, a finding and clear words."""
    trained_by(shop, function)
    done = run(shop, "retrain", "sums")
    assert done.exit_code != 0
    assert words in " ".join(done.output.split())
    workspace = open_workspace(shop)
    assert workspace.chain.current("sums").number == 1
    assert len(workspace.registry.versions("sums")) == 1
    (finding,) = findings(workspace)
    assert finding["verdict"] == "fail"
    assert finding["words"][:20] in words or words[:20] in finding["words"]


def test_the_seed_is_what_draws_begin_with(shop: Path):
    """O10: the same seed, the same draws; another one, others."""
    trained_by(shop, "draws")
    said = [run(shop, "retrain", "sums", "--seed", seed).output for seed in ("7", "7", "8")]
    assert said[0] == said[1] != said[2]
    assert ", 7]" in said[0]


def test_what_is_quarantined_is_never_learned_from(shop: Path):
    """N2: a third of the time away is a third of the rows; all of it away is no training."""
    trained_by(shop, "good")
    workspace = open_workspace(shop)
    times = workspace.journal.query("SELECT DISTINCT time FROM decisions ORDER BY time")
    end = times.column("time").to_pylist()[1]
    window = f"2020-01-01..{end.strftime('%Y-%m-%dT%H:%M:%S.%f')}"
    assert (
        run(shop, "quarantine", "add", "sums", "--window", window, "--reason", "x").exit_code == 0
    )
    found = json.loads(run(shop, "retrain", "sums", "--json").output)
    said = found["run"]
    (hole,) = found["version"]["card"]["without"]
    assert hole[0] == "2020-01-01T00:00:00.000000Z"
    assert (said["rows"], said["tested"]) == (160, 40)
    assert said["skipped"] == {"decided in a quarantined stretch": 100}
    window = f"{window.partition('..')[2]}..2100-01-01"
    assert (
        run(shop, "quarantine", "add", "sums", "--window", window, "--reason", "x").exit_code == 0
    )
    assert "outcomes of a quarantined stretch" in run(shop, "retrain", "sums").output


def recalled(shop: Path, *more: str) -> Result:
    """A recall of the first of three hundreds of decisions; version 1 stays."""
    times = open_workspace(shop).journal.query("SELECT DISTINCT time FROM decisions ORDER BY time")
    end = times.column("time").to_pylist()[1]
    window = f"2020-01-01..{end.strftime('%Y-%m-%dT%H:%M:%S.%f')}"
    return run(shop, "recall", "sums", "--polluted", window, "--to", "1", *more)


def half_measured(shop: Path, function: str) -> None:
    """As `trained_by`, with enough of what is left to be measured on."""
    text = (CONTRACT + RENEW % function).replace("time: 2s", "newest: 50 %, time: 2s")
    (shop / "contracts" / "sums.yaml").write_text(text)


def test_a_recall_trains_the_next_version_without_the_stretch(shop: Path):
    """N2 N5: by itself where the contract says how; the plan says so before; once, however often it
    is run; and taking the recall back takes that version back, too."""
    said = squeezed(recalled(shop, "--dry-run"))
    assert "train nothing: the contract of sums does not say how it is trained" in said
    half_measured(shop, "good")
    said = squeezed(recalled(shop, "--dry-run"))
    assert "train the next version, on 200 labelled decisions since 2" in said
    assert "train the next" not in squeezed(recalled(shop, "--dry-run", "--no-retrain"))
    assert open_workspace(shop).chain.current("sums").number == 1
    left_out = json.loads(recalled(shop, "--yes", "--no-retrain", "--json").output)
    assert left_out["retrained"] is None
    done = recalled(shop, "--yes", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert found["retrained"]["run"]["skipped"]["decided in a quarantined stretch"] == 100
    assert found["retrained"]["run"]["rows"] + found["retrained"]["run"]["tested"] == 200
    assert found["trained"]["number"] == 2
    assert len(found["retrained"]["version"]["card"]["without"]) == 1
    assert open_workspace(shop).chain.current("sums").number == 2
    again = recalled(shop, "--yes")
    assert again.exit_code == 0
    assert "nothing: recall 1 trained v2 already" in squeezed(again)
    assert "already; nothing changed" in again.output
    assert [each.number for each in open_workspace(shop).registry.versions("sums")] == [1, 2]
    assert (
        "v2, trained without the stretch, came to answer" in run(shop, "recall", "show", "1").output
    )
    undone = run(shop, "recall", "undo", "1", "--json")
    assert undone.exit_code == 0, undone.output
    back = json.loads(undone.stdout)
    assert back["words"] == "v1 answers again"
    assert open_workspace(shop).chain.current("sums").number == 1


def test_a_training_that_fails_leaves_the_recall_done(shop: Path):
    """N2 N5: it is said, kept as a finding, and the same command trains again, and only that; a
    version that the gate refuses is trained once."""
    half_measured(shop, "raises")
    first = recalled(shop, "--yes")
    assert first.exit_code == 1
    assert "it is recalled; no version was trained" in first.output
    workspace = open_workspace(shop)
    (kept,) = recalls_of(workspace).of("sums")
    assert (kept.status, kept.trained.number) == ("in force", 0)
    assert kept.trained.why_not
    assert len(findings(workspace)) == 1
    half_measured(shop, "worse")
    second = recalled(shop, "--yes")
    assert second.exit_code == 1
    assert "already; nothing changed" in second.output
    assert "is kept and does not answer" in second.output
    third = recalled(shop, "--yes")
    assert third.exit_code == 0
    assert "trained v2 already" in squeezed(third)
    assert len(open_workspace(shop).registry.versions("sums")) == 2


def test_a_rule_that_recalls_trains_too(shop: Path):
    """N2 M23 F4: what follows from the recall is an action of its own; done twice it is done once."""
    trained_by(shop, "good")
    workspace = open_workspace(shop)
    now_ns = workspace.clock.now_ns()  # version 1 is from before that, and clean
    wanted = Action(
        id="7", alert="1", model="sums", do="recall", check="labels.silent", subject="",
        since_ns=now_ns, until_ns=now_ns + 1, wanted_ns=now_ns,
    )  # fmt: skip
    doer = WorkspaceDoer(workspace)
    assert doer.then(wanted) is None
    assert doer.do(wanted).startswith("v1 answers")
    assert doer.then(wanted) == ("retrain", "recall-1")
    action = structs.replace(wanted, id="8", do="retrain", subject="recall-1")
    said = "v2 was trained and comes to answer: direct"
    assert [doer.do(action), doer.do(action)] == [said, said]
    assert doer.then(wanted) is None
    assert len(workspace.registry.versions("sums")) == 2


@pytest.mark.parametrize("step", ["version", "released"])
def test_a_recall_that_was_killed_while_training_trains_once(
    shop: Path, monkeypatch: pytest.MonkeyPatch, step: str
):
    """N2 N5 F4: killed once the version is kept, before it is released, or before that is noted: the
    same command makes no second one, and it comes to answer once."""
    half_measured(shop, "good")
    released = training.release

    def killed(*arguments: Any) -> None:
        if step == "released":
            released(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(training, "_keep" if step == "version" else "release", killed)
        recalled(shop, "--yes")
    workspace = open_workspace(shop)
    (kept,) = recalls_of(workspace).of("sums")
    assert (kept.status, kept.trained.settled) == ("in force", False)
    if step == "released":  # and somebody went back since: that stays
        workspace.rollback("sums", 1, "no")
    done = json.loads(recalled(shop, "--yes", "--json").output)
    assert (done["retrained"]["version"]["number"], done["retrained"]["why_not"]) == (2, "")
    workspace = open_workspace(shop)
    assert len(workspace.registry.versions("sums")) == 2
    answered = [each.number for each in workspace.chain.history("sums")]
    assert answered == ([1, 2, 1] if step == "released" else [1, 2])


@pytest.mark.parametrize(
    ("contract", "words"),
    [
        (CONTRACT, "does not say how it is trained"),
        (CONTRACT + 'renew: {train: "other:run"}\n', "there is no module 'other'"),
    ],
)
def test_what_is_not_set_up_is_said(shop: Path, contract: str, words: str):
    (shop / "contracts" / "sums.yaml").write_text(contract)
    assert words in run(shop, "retrain", "sums").output
    shutil.rmtree(shop / "training")
    trained_by(shop, "good")
    assert "there is no folder" in run(shop, "retrain", "sums").output


def test_a_training_goes_on_from_the_one_before_where_the_contract_says_so(shop: Path):
    """N5: from scratch by default; where it started is on the card, and what it left is kept."""
    trained_by(shop, "goes_on")
    workspace = open_workspace(shop)

    def next_one(start: str) -> tuple[str, str]:
        contract = shop / "contracts" / "sums.yaml"
        contract.write_text(contract.read_text().replace("time: 2s", f"start: {start}, time: 2s"))
        done = run(shop, "retrain", "sums", "--json")
        assert done.exit_code == 0, done.output
        contract.write_text(contract.read_text().replace(f"start: {start}, ", ""))
        version = workspace.registry.versions("sums")[-1]
        assert (
            version.card.parameters["training"]["started"]
            == json.loads(done.output)["run"]["started"]
        )
        kept = workspace.places.kept / version.fingerprint
        assert [file.name for file in kept.iterdir()] == ["count"]
        return json.loads(done.output)["run"]["started"], (kept / "count").read_text()

    # The version that answers was made by hand and left nothing.
    assert next_one("before") == ("scratch", "1")
    second = workspace.registry.versions("sums")[-1].fingerprint
    assert next_one("before") == (second, "2")
    assert next_one("scratch") == ("scratch", "1")


def test_more_than_it_may_write_is_not_kept(shop: Path):
    """N5: files that are each small enough, and too much together."""
    trained_by(shop, "hoards")
    done = run(shop, "retrain", "sums")
    assert done.exit_code == 1
    assert "renew.disk_gb" in done.output or "more than it may write" in done.output
    assert len(open_workspace(shop).registry.versions("sums")) == 1


def through(shop: Path, command: str) -> None:
    contract = shop / "contracts" / "sums.yaml"
    quoted = json.dumps(command)
    contract.write_text(contract.read_text().replace("time: 2s", f"through: {quoted}, time: 2s"))


def test_a_training_runs_through_a_command_of_the_users(shop: Path, tmp_path: Path):
    """N5: as a job of somebody's cluster: the command gets ours behind it, and its surroundings."""
    trained_by(shop, "good")
    job = tmp_path / "job"
    job.write_text('#!/bin/sh\necho "$1" > "$JOB_LOG"\nshift\nexec "$@"\n')
    job.chmod(0o755)
    through(shop, f"{job} 'two words'")
    log = tmp_path / "log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOB_LOG", str(log))
        done = run(shop, "retrain", "sums", "--json")
    assert done.exit_code == 0, done.output
    assert log.read_text() == "two words\n"
    assert open_workspace(shop).chain.current("sums").number == 2


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("no-such-program", "no-such-program cannot be run"),
        ("false", "exit status 1"),
        ("sh -c 'echo the queue is closed >&2; exit 7'", "the queue is closed"),
    ],
)
def test_a_command_that_does_not_train_is_told(shop: Path, command: str, words: str):
    """N5: a finding, and what served goes on."""
    trained_by(shop, "good")
    through(shop, command)
    done = run(shop, "retrain", "sums")
    assert done.exit_code == 1
    assert words in " ".join(done.output.split())
    workspace = open_workspace(shop)
    assert workspace.chain.current("sums").number == 1
    assert len(findings(workspace)) == 1
