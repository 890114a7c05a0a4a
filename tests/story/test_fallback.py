"""S30 S21 S38 L3: what answers in a model's place, over every door of a real server, and how a person
finds out why."""

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from mainstay.cli import cli
from mainstay.wiring.packing import pack
from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import (
    CONTRACT,
    FIELDS,
    MODEL,
    RunningServer,
    onnx_model,
    start_server,
)
from tests.servers.until import until

CHAIN = (
    "repair: {a: [comma]}\n"
    "judge:\n"
    "  confidence: {at_least: 0.6, calibrate: no}\n"
    "  fallback: [lite, {answer: high, when: a > 5}, {say: A person will look.}]\n"
)
LITE = CONTRACT.replace("model: sums", "model: lite").replace(
    "min: -100, max: 100", "min: -1, max: 1"
)
SURE, UNSURE, RULED, LOST = (1, 1, 1), (0, 0, 0), (6, -3, 0), (-6, 3, 0)


def pack_one(server_folder: Any, name: str, text: str, bias: float) -> None:
    file = server_folder.parent / f"{name}.yaml"
    file.write_text(text)
    rows = np.linspace(-1, 1, 60).reshape(20, 3)
    pack(name, model=onnx_model(bias), confidence=rows, contract=file, workspace=server_folder,
         classes=("low", "high"), quiet=True)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    workspace = tmp_path_factory.mktemp("chain") / "shop"
    pack_one(workspace, "lite", LITE, 4.0)
    pack_one(workspace, MODEL, CONTRACT + CHAIN, 0.0)
    shop = open_workspace(workspace)
    shop.deploy("lite", 1, "first")
    shop.deploy(MODEL, 1, "first")
    server = start_server(workspace, "--workers", "1")
    try:
        until(server.answers, what=f"the first answer: {server.said()}")
        yield server
    finally:
        server.stop()


def decide(server: RunningServer, *rows: tuple[Any, ...]) -> list[dict[str, Any]]:
    asked = [{"inputs": dict(zip(FIELDS, row, strict=True))} for row in rows]
    status, answer = server.ask("POST", f"/models/{MODEL}/decide", {"rows": asked})
    assert status == 200, answer
    return answer["rows"]


def command(server: RunningServer, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--workspace", str(server.workspace)])


def test_each_step_of_a_chain_answers_what_the_one_before_could_not(server):
    """S30 S38: model, other model, rule, honest words; and a comma is read as one."""
    found = decide(server, ("1,0", 1, 1), UNSURE, RULED, LOST)
    assert [each["status"] for each in found] == ["answered", "fallback", "fallback", "declined"]
    assert [each["answer"] for each in found] == ["high", "high", "high", None]
    assert found[1]["confidence"] == pytest.approx(1 / (1 + np.exp(-4)), abs=1e-4)
    assert found[2]["confidence"] is None
    assert found[3]["words"] == "A person will look."
    whole = [server.ask("GET", f"/decisions/{each['id']}")[1] for each in found]
    assert json.loads(whole[0]["judged"]["repaired"]) == {"a": ["comma", "1,0"]}
    steps = [
        (each["judged"]["fallback_step"], each["judged"]["fallback_version"]) for each in whole
    ]
    assert steps == [(0, 0), (1, 1), (2, 0), (3, 0)]
    assert [each["verdict"] for each in whole[2]["path"] if each["where"] == "fallback"] == [
        "withheld", "pass", "told",
    ]  # fmt: skip
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:
        page = answer.read().decode()
    for wanted in (
        r'mainstay_fallback_total\{.*outcome="answered".*step="2".*\} 1',
        r'mainstay_repaired_total\{.*field="a".*transform="comma".*\} 1',
        r'mainstay_withheld_total\{.*status="declined".*why="confidence".*\} 1',
        r'mainstay_fallback_breaker_open\{.*step="lite".*\} 0',
    ):
        assert re.search(wanted, page), wanted


def test_the_other_doors_tell_what_may_be_used(server):
    """S21 S30: a fallback's numbers are its own, and what nobody answers is an error that says so."""
    tensor = {"name": "matrix", "shape": [2, 3], "datatype": "FP64", "data": [*UNSURE, *RULED]}
    status, answer = server.ask("POST", f"/v2/models/{MODEL}/infer", {"inputs": [tensor]})
    assert status == 200, answer
    outputs = {each["name"]: each["data"] for each in answer["outputs"]}
    assert outputs["probability"][1] == pytest.approx(1 / (1 + np.exp(-4)), abs=1e-4)
    assert outputs["probability"][2:] == [0.0, 1.0]
    assert outputs["status"] == ["fallback", "fallback"]
    rows = {"instances": [list(UNSURE)]}
    status, answer = server.ask("POST", f"/models/{MODEL}/invocations", rows)
    assert (status, answer["predictions"]) == (200, ["high"])
    status, answer = server.ask("POST", f"/models/{MODEL}/invocations", {"instances": [list(LOST)]})
    assert status == 422
    assert answer["error"].startswith("A person will look.")


def test_a_person_finds_out_why(server):
    """S21 L3: the way of one answer, by command; and its run made again."""
    (found,) = decide(server, RULED)
    told = command(server, "judge", "--explain", found["id"])
    assert told.exit_code == 0, told.stderr
    assert "its confidence was 0.5, and at least 0.6 is wanted" in told.stdout
    assert "step 2, the answer high when a > 5: it answered high" in told.stdout
    path = json.loads(command(server, "judge", "--explain", found["id"], "--json").stdout)["path"]
    assert path[-1] == {
        "where": "fallback",
        "verdict": "told",
        "words": "what the fallback said was told",
    }
    replayed = command(server, "replay", "--decision", found["id"])
    assert replayed.exit_code == 0, replayed.stdout + replayed.stderr
    assert command(server, "judge", "--explain", "nothing").exit_code != 0


def test_a_newly_deployed_fallback_is_followed(server):
    """S30 S10: by the running workers, without the model itself being touched."""
    pack_one(server.workspace, "lite", LITE, -4.0)
    deployed = command(server, "deploy", "lite", "--force", "--reason", "it is another model")
    assert deployed.exit_code == 0, deployed.stdout + deployed.stderr
    until(lambda: decide(server, UNSURE)[0]["answer"] == "low", what="the new fallback")
    (found,) = decide(server, UNSURE)
    whole = server.ask("GET", f"/decisions/{found['id']}")[1]
    assert whole["judged"]["fallback_version"] == 2
    assert whole["version"] == 1


def test_a_version_is_stopped_by_command_and_answers_again(server):
    """S8 S30 S10: on a running server the chain answers for it, and every door of people says why;
    deploying it takes that back."""
    (before,) = decide(server, SURE)
    why = ("--reason", "wrong in Austria", "--wait", "120")
    stopped = command(server, "stop", MODEL, "--must-fall-back", *why)
    assert stopped.exit_code == 0, stopped.stdout + stopped.stderr
    assert "its fallback answers in its place" in " ".join(stopped.stdout.split())
    (found,) = decide(server, SURE)
    assert (before["status"], found["status"]) == ("answered", "fallback")
    told = command(server, "status", "--json")
    assert told.exit_code == 1
    (problem,) = (each for each in json.loads(told.stdout)["problems"] if "stopped" in each)
    assert f"{MODEL} v1 was stopped by" in problem
    assert f"wrong in Austria; `mainstay deploy {MODEL}@1` lets it answer again" in problem
    again = command(server, "stop", MODEL, "--json")
    assert (again.exit_code, json.loads(again.stdout)["stopped"]) == (0, False)
    assert command(server, "deploy", f"{MODEL}@1", "--wait", "120").exit_code == 0
    assert decide(server, SURE)[0]["status"] == "answered"
