"""From decisions to labels of people, through a real server's door and the command (N8 M14 L4)."""

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from mainstay.renew.labelling.model import task_id
from mainstay.wiring.labelling import labelling_of
from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import (
    CONTRACT,
    MODEL,
    RunningServer,
    mainstay,
    pack_model,
    start_server,
)
from tests.servers.until import until

ASK = """\
labels:
  ask: {most: 40 per 2s, overlap: 2, gold: 50 %, bar: 70 %, enough: 20, question: High or low?}
"""
DECISIONS, PROBES = 60, 12


class Labeler:
    """Somebody with a key who says what they think is right."""

    def __init__(self, server: RunningServer, name: str, right: Callable[[str], str]) -> None:
        made = mainstay("key", "create", name, "--for", "label", "--model", MODEL, "--json",
                        workspace=server.workspace)  # fmt: skip
        self._key = json.loads(made.stdout)["key"]
        self._server = server
        self._right = right
        self.said: dict[str, str] = {}
        until(lambda: self.ask("POST", "/labels/none/skip")[0] != 401, what="the key")

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        place = urlsplit(self._server.url)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
        try:
            content = None if body is None else json.dumps(body)
            head = {"authorization": f"Bearer {self._key}"}
            connection.request(method, path, content, head)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def work(self) -> None:
        """Label until nothing waits."""
        while True:
            status, told = self.ask("POST", f"/models/{MODEL}/label/next", {})
            assert status == 200, told
            if told["task"] is None:
                return
            assert set(told) == {
                "task", "model", "question", "answers", "inputs", "until"
            }, "blind, and no word about probes"  # fmt: skip
            label = self._right(told["task"])
            status, kept = self.ask("POST", f"/labels/{told['task']}", {"label": label})
            assert (status, kept["label"], kept["already"]) == (200, label, False), kept
            self.said[told["task"]] = label


def report(workspace: Path) -> dict[str, Any]:
    return msgspec.to_builtins(labelling_of(open_workspace(workspace)).report(MODEL))


def opposite(label: str) -> str:
    return "low" if label == "high" else "high"


@dataclass
class World:
    """What was decided, and what is truly right of it, which is not quite what the model says."""

    truths: dict[str, str]
    answers: dict[str, str]
    probes: list[str]

    def right(self, task: str) -> str:
        """What somebody who knows says of a task."""
        return self.truths.get(self.decision(task), "high")

    def decision(self, task: str) -> str:
        """Which one a task is about; empty for what was decided besides."""
        return next((id_ for id_ in self.truths if task_id(MODEL, id_) == task), "")


def decided_by(server: RunningServer) -> World:
    """Decisions, some of them with a label that is known."""
    rows = [server.decide(a=at / DECISIONS - 0.5, b=0.1, c=0.0)[1] for at in range(DECISIONS)]
    truths = {each["id"]: "high" if at / DECISIONS > 0.5 else "low" for at, each in enumerate(rows)}
    probes = [server.decide(a=0.2 + at / 100)[1]["id"] for at in range(PROBES)]
    truths |= {probe: ("high", "low")[at % 2] for at, probe in enumerate(probes)}
    told = mainstay("label", "gold", MODEL, probes[0], truths[probes[0]],
                    workspace=server.workspace)  # fmt: skip
    assert told.returncode == 0, told.stderr
    for probe in probes[1:]:
        labelling_of(open_workspace(server.workspace)).know(MODEL, probe, truths[probe])
    return World(truths, {each["id"]: each["answer"] for each in rows}, probes)


@pytest.mark.slow
def test_people_label_what_was_decided(tmp_path: Path) -> None:
    """N8 M14: set aside, three labelers of whom one is bad, probes, agreement, a label of all of
    them, joined to its decision, measured, learned from; the bad one is found and does not count."""
    workspace = tmp_path / "shop"
    pack_model(workspace, written=CONTRACT + ASK, assets="{metric: accuracy, acceptable: [0, 1]}")
    assert mainstay("deploy", MODEL, workspace=workspace).returncode == 0
    server = start_server(workspace, "--workers", "1")
    try:
        until(server.answers, what=server.said())
        world = decided_by(server)
        # What a worker wrote is sealed when it ends.
        assert server.stop() == 0
        server = start_server(workspace, "--workers", "1")
        until(server.answers, what=server.said())
        until(lambda: report(workspace)["tasks"].get("open", 0) >= 20, what="what is set aside")
        eve = Labeler(server, "eve", lambda task: opposite(world.right(task)))
        ann, bob = (Labeler(server, name, world.right) for name in ("ann", "bob"))
        eve.work()
        # Whoever is certainly below the bar is told as a finding, and makes room.
        until(lambda: "fail" in str(report(workspace)["findings"]), what="the finding")

        def all_settled() -> bool:
            ann.work()
            bob.work()
            return set(report(workspace)["tasks"]) == {"settled"}

        until(all_settled, what="every task is settled")
        told = mainstay("label", "report", MODEL, "--json", workspace=workspace)
        assert told.returncode == 1, "somebody fails"
        found = json.loads(told.stdout)
        _check_report(found)
        _check_refusals(ann, next(iter(eve.said)))
        _check_outcomes(server, world, ann, found)
    finally:
        server.stop()


def _check_refusals(ann: Labeler, task: str) -> None:
    """N8: at the door, in words: no class, another answer, another purpose."""
    status, told = ann.ask("POST", f"/labels/{task}", {"label": "medium"})
    assert (status, told["field"]) == (400, "label")
    again = next(iter(ann.said))
    status, told = ann.ask("POST", f"/labels/{again}", {"label": ann.said[again]})
    assert (status, told["already"]) == (200, True)
    status, told = ann.ask("POST", f"/labels/{again}", {"label": opposite(ann.said[again])})
    assert (status, told["code"]) == (409, "conflict")
    assert ann.ask("POST", f"/models/{MODEL}/decide", {"inputs": {}})[0] == 403


def _check_outcomes(
    server: RunningServer, world: World, ann: Labeler, found: dict[str, Any]
) -> None:
    """M14: a label is part of its decision, of the figure, of snapshots and of what is watched."""
    labelled = {world.decision(task) for task in ann.said} - {*world.probes, ""}
    one = next(iter(labelled))
    _, shown = server.ask("GET", f"/decisions/{one}")
    [event] = [each for each in shown["since"] if "labelling" in each]
    assert (event["label"], event["actor"]) == (world.truths[one], "labelling")
    assert {each["by"] for each in event["labelling"]["answers"]} >= {"ann", "bob"}
    [score, *_] = found["scores"]
    assert score["tasks"] == found["labels"]
    assert score["stands_for"] > score["tasks"]
    right = [world.answers[id_] == world.truths[id_] for id_ in labelled]
    assert abs(score["figure"] - sum(right) / len(right)) < 0.1
    workspace = server.workspace
    snapshot = json.loads(mainstay("snapshot", MODEL, "--json", workspace=workspace).stdout)
    assert snapshot["rows"] == found["labels"]
    until(lambda: _measured(workspace) == found["labels"], what="the metric of watching")
    told = mainstay("query", "SELECT body FROM events WHERE kind = 'finding' AND actor ="
                    " 'labelling' ORDER BY id", "--json", workspace=workspace)  # fmt: skip
    assert "labels.enough" in told.stdout


def _check_report(found: dict[str, Any]) -> None:
    people = {each["name"]: each for each in found["labelers"]}
    assert {name: each["counts"] for name, each in people.items()} == {
        "ann": True, "bob": True, "eve": False
    }  # fmt: skip
    assert people["eve"]["right"] == 0
    assert people["ann"]["right"] == people["ann"]["probes"]
    assert found["agreement"]["alpha"] == 1.0
    assert found["contradicted"] >= 20
    assert found["labels"] >= 20


def _measured(workspace: Path) -> int:
    """How many labels watching has measured accuracy by."""
    told = mainstay("watch", MODEL, "--json", workspace=workspace)
    versions = [each for model in json.loads(told.stdout) for each in model["versions"]]
    metrics = [metric for each in versions for metric in each["metrics"]]
    return max((each["rows"] for each in metrics if each["name"] == "accuracy"), default=0)
