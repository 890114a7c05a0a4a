"""`mainstay deploy --strategy opt_back`: what is refused, and what whoever asked is told (S31)."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mainstay.cli import cli
from mainstay.contract.finding import Finding
from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import pack_model

HOW = ("--strategy", "opt_back", "--force", "--reason", "try it")


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, list(arguments), prog_name="mainstay")
    assert "Traceback" not in result.output
    return result


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two versions, of which the first is live."""
    folder = tmp_path_factory.mktemp("cli") / "shop"
    pack_model(folder)
    open_workspace(folder).deploy("sums", 1, "first")
    pack_model(folder, bias=1.0)
    return folder


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "must be told what changed"),
        (("--tell", "x" * 1001), "longer than 1000 characters"),
        (("--tell", "New.", "--until", "Monday"), "'Monday' is not a duration"),
        (("--tell", "New.", "--until", "0s"), "a time from 1s to 365d, such as 14d"),
        (("--tell", "New.", "--until", "366d"), "people cannot go back for 366d"),
        (("--tell", "New.", "--bake", "1h"), "--bake has no effect here: opt_back has no bake"),
        (("--tell", "New.", "--steps", "1 %, 100 %"), "opt_back has no steps"),
    ],
)
def test_a_way_back_that_makes_no_sense_is_refused(
    shop: Path, options: tuple[str, ...], said: str
) -> None:
    """S31: in words, before the gate is asked, and nothing has begun."""
    done = run("deploy", "sums@2", *HOW, *options, "--json", "--workspace", str(shop))
    assert done.exit_code != 0
    assert said in " ".join(map(str, json.loads(done.output).values()))
    assert open_workspace(shop).rollouts.newest("sums") is None


@pytest.mark.parametrize("option", ["--until", "--tell"])
def test_what_only_a_way_back_has_is_refused_elsewhere(shop: Path, option: str) -> None:
    """N10: an option without effect misleads."""
    done = run(
        "deploy", "sums@2", "--strategy", "canary", option, "1d", "--json", "--workspace", str(shop)
    )
    told = json.loads(done.output)
    assert f"{option} has no effect here" in told["error"]
    assert "--strategy opt_back" in told["expected"]


def test_whoever_begins_one_is_told_until_when(shop: Path) -> None:
    """S31: with the keeper away nothing happens yet; the plan has the day and the words."""
    done = run(
        "deploy",
        "sums@2",
        *HOW,
        "--tell",
        "It adds one.",
        "--until",
        "14d",
        "--workspace",
        str(shop),
    )
    assert done.exit_code == 0, done.output
    words = " ".join(done.output.split())
    assert "its opt_back begins: it answers everybody, and who wants may go back to v1" in words
    assert "for 14 d" in words
    workspace = open_workspace(shop)
    record = workspace.rollouts.newest("sums")
    assert record is not None
    plan = record.rollout.plan
    assert (plan.tell, plan.steps) == ("It adds one.", (1.0,))
    assert abs(plan.until_ns - workspace.clock.now_ns() - 14 * 86_400e9) < 3600e9
    workspace.remind(record.rollout, Finding(check="sunset", verdict="unsure", words="2 units"))
    (told,) = workspace.journal.query(
        "SELECT subject, body FROM events WHERE kind = 'finding' AND body LIKE '%sunset%'"
    ).to_pylist()
    assert told["subject"] == plan.candidate.fingerprint
    assert json.loads(told["body"])["verdict"] == "unsure"
    again = run("deploy", "sums@2", *HOW, "--tell", "x", "--json", "--workspace", str(shop))
    told = json.loads(again.output)
    assert "an opt_back of sums v2" in told["error"]
    assert "to close the way back now" in told["expected"]
