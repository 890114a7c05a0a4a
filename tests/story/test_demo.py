"""The demonstration, whole and on real parts (S5 S10 N6 L2 L3 M22; the demo of the product), with
its Black Friday in simulated time (N1 N2 M16)."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mainstay.base.clock import ManualClock
from mainstay.drill.model import Chronicle, Moment
from mainstay.drill.shop import MODEL as SHOP
from mainstay.renew.health.model import SILENT
from mainstay.wiring.recalling import recalls_of
from mainstay.wiring.reprocessing import Reprocessing
from mainstay.wiring.workspace import open_workspace

HELD_OF_THE_DAY = [
    "noticed within an hour",
    "the gate refused it, and it is worse",
    "recalled to before",
    "listed and answered anew",
    "trained without it",
    "no snapshot learned from silence",
]


@pytest.mark.slow
def test_the_demonstration_ends_well(tmp_path):
    """S5 S10 N6 L2 L3: a better version by canary, a worse one refused, back, replayed, under
    traffic that tells outcomes: nothing fails, nothing is lost."""
    command = [sys.executable, "-m", "mainstay", "demo", "--once", "--json", "--port", "0"]
    done = subprocess.run(
        [*command, "--workspace", str(tmp_path / "demo")],
        capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    story = json.loads(done.stdout)
    assert story["failed"] == 0
    assert story["requests"] == sum(story["answered_by"].values()) == story["outcomes"]
    _commands_did_what_they_say(story)
    assert set(story["answered_by"]) == {"1", "2"}
    assert story["versions"]["2"]["roc_auc"] > story["versions"]["1"]["roc_auc"] + 0.02
    assert [each["status"] for each in story["statuses"]] == [
        "answered", "asked", "options", "held", "fallback", "declined",
    ]  # fmt: skip
    assert [bool(each["answer"]) for each in story["statuses"]] == [
        True,
        True,
        False,
        False,
        True,
        False,
    ]
    assert all(each["words"] for each in story["statuses"])
    assert story["refused"]["status"] == 400
    assert story["refused"]["field"] == "amount"
    assert story["replayed"]["verdict"] in {"same", "within"}
    # Every answer is in the journal: the traffic's and the first one.
    assert sum(story["journal"].values()) >= story["requests"] + 1
    assert story["journal"]["2"] == story["answered_by"]["2"]
    assert story["unseen"] > 0
    _what_was_learned_from_silence_is_recalled(story["black_friday"])
    again = subprocess.run(
        [sys.executable, "-m", "mainstay", "status", "--workspace", str(tmp_path / "demo")],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert "no server is running" in again.stdout


def _commands_did_what_they_say(story: Any) -> None:
    """`deploy --strategy canary`, `status --watch`, `verdict ID`, `rollback`: the real ones, in this
    order, each with what it told."""
    first, canary, watched, verdict, refused, back = story["commands"]
    assert first["command"] == "mainstay deploy fraud@1"
    assert canary["command"].startswith("mainstay deploy fraud@2 --strategy canary --steps")
    assert canary["told"][0]["rollout"]["plan"]["strategy"] == "canary"
    assert watched["command"].startswith("mainstay status --watch")
    pages = watched["told"]
    seen = [page["rollouts"][0]["rollout"]["status"] for page in pages]
    assert set(seen) <= {"running", "paused", "finished"}
    assert seen[-1] == "finished"
    assert [route["number"] for route in pages[-1]["routes"]] == [2]
    assert verdict["command"] == f"mainstay verdict {verdict['told'][0]['id']}"
    assert verdict["told"][0]["number"] == 2
    assert refused["command"].startswith("mainstay deploy fraud@3 --strategy canary")
    assert refused["status"] == 1
    assert refused["told"][0]["code"] == "not_passed"
    assert refused["told"][0]["got"].startswith("roc_auc: ")
    assert back["command"].startswith("mainstay rollback fraud")
    assert back["told"][0]["deployed"]["number"] == 1
    assert back["told"][0]["workers"] == back["told"][0]["serving"] == 2
    others = (first, canary, watched, verdict, back)
    assert [each["status"] for each in others] == [0] * len(others)
    released = {each["check"]: each for each in story["released"]["findings"]}
    assert story["released"]["status"] == "finished"
    assert {each["verdict"] for each in released.values()} == {"pass"}
    # It went live by outcomes that the callers told of what both versions answered.
    assert 0 < released["right answers"]["samples"] <= story["outcomes"]


def _what_was_learned_from_silence_is_recalled(day: Any) -> None:
    """M16 N1 N2 N5 L6: noticed within a simulated hour; never learned from by the product; what a
    script learned from it is recalled, its answers are given anew, and the next version is better."""
    assert [(each["check"], each["verdict"]) for each in day["findings"]] == [
        (check, "pass") for check in HELD_OF_THE_DAY
    ], day["findings"]
    times = [moment["at_ns"] for moment in day["timeline"]]
    assert len(times) >= 10
    assert times == sorted(times)
    # What the product itself wrote down says the same as the verdicts.
    workspace = open_workspace(Path(day["workspace"]))
    assert [route.number for route in workspace.chain.history(SHOP)] == [1, 2, 1, 3]
    (recall,) = recalls_of(workspace).of(SHOP)
    assert recall.status == "in force"
    assert [each.number for each in recall.plan.suspects] == [2]
    assert workspace.registry.find(SHOP, 3).card.without
    found = workspace.journal.query(
        "SELECT json_extract_string(body, '$.state') AS state FROM events WHERE kind = 'finding'"
        f" AND json_extract_string(body, '$.check') = '{SILENT}' ORDER BY known_ns"
    )
    assert found.column("state").to_pylist() == ["opened", "resolved"]
    (moved,) = workspace.journal.query(
        "SELECT count(*) FILTER (version = 2 AND arm <> 'shadow') AS bad,"
        " count(*) FILTER (version = 1 AND door = 'reprocess') AS anew FROM decisions"
    ).to_pylist()
    assert moved["bad"] == moved["anew"] > 0
    assert Reprocessing(workspace, SHOP, [2]).work.left == 0


def test_a_moment_of_a_drill_is_told_when_it_comes(tmp_path):
    """N1: not at the end; and the timeline holds the same."""
    told: list[Moment] = []
    clock = ManualClock()
    chronicle = Chronicle(clock, told.append)
    for at in range(1, 4):
        chronicle.happened(f"the {at}th", figure=at)
        assert len(told) == at
        clock.advance(60)
    assert chronicle.drilled("a day", tmp_path).timeline == tuple(told)
    assert [moment.figures for moment in told] == [{"figure": at} for at in range(1, 4)]


def test_a_folder_of_somebody_else_is_not_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    done = subprocess.run(
        [sys.executable, "-m", "mainstay", "demo", "--once", "--workspace", str(tmp_path)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "not overwritten" in done.stderr
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
