"""S18 S23 S24 S33 M7: from a confidence set to answers that are told, asked about or withheld, and
from their outcomes to better bars, over HTTP and as a person would do it."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from mainstay.cli import cli
from mainstay.wiring.packing import pack
from tests.servers.mainstay import (
    CONTRACT,
    FIELDS,
    MODEL,
    RunningServer,
    mainstay,
    onnx_model,
    start_server,
)
from tests.servers.until import until

JUDGED = CONTRACT.replace(
    "classes: [low, high]}",
    "classes: [low, high], threshold: {max: precision, recall_at_least: 0.8}}",
) + (
    "judge:\n"
    "  confidence: {at_least: 0.55, otherwise: options 2}\n"
    "  cost: {of_error: 10 * abs(a), ask_above: 2, actions: {low: {decline_above: 3}}}\n"
)
BAR, ASK = 0.55, 2


def world(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and a truth that the model is much too sure of."""
    random = np.random.default_rng(seed)
    values = random.uniform(-1, 1, (rows, 3))
    chance = 1 / (1 + np.exp(-0.5 * values @ [1.0, 2.0, 3.0]))
    return values, np.where(random.random(rows) < chance, "high", "low")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    workspace = tmp_path_factory.mktemp("judged") / "shop"
    contract = workspace.parent / "sums.yaml"
    contract.write_text(JUDGED)
    pack(MODEL, model=onnx_model(), confidence=world(2000, 1), contract=contract,
         workspace=workspace, classes=("low", "high"), quiet=True)  # fmt: skip
    deployed = mainstay("deploy", MODEL, workspace=workspace)
    assert deployed.returncode == 0, deployed.stderr + deployed.stdout
    server = start_server(workspace, "--workers", "1")
    try:
        until(server.answers, what=f"the first answer: {server.said()}")
        yield server
    finally:
        server.stop()


def command(server: RunningServer, *arguments: str) -> Result:
    """A command of a person, in this process: each of its own would take seconds."""
    return CliRunner().invoke(cli, [*arguments, "--workspace", str(server.workspace)])


def told(server: RunningServer, values: np.ndarray) -> list[dict[str, Any]]:
    rows = [{"inputs": dict(zip(FIELDS, row, strict=True))} for row in values.tolist()]
    status, answer = server.ask("POST", f"/models/{MODEL}/decide", {"rows": rows})
    assert status == 200, answer
    return answer["rows"]


def test_no_answer_below_the_bar_is_answered_over_http(server):
    """S18 S24: each status with its words, and the figures with the decision."""
    values, _ = world(300, 2)
    found = told(server, values)
    kinds = {each["status"] for each in found}
    assert kinds == {"answered", "asked", "options", "declined"}
    for row, each in zip(values, found, strict=True):
        shares = [option["probability"] for option in each["options"]]
        match each["status"]:
            case "answered":
                assert each["confidence"] >= BAR
                assert (1 - each["confidence"]) * 10 * abs(row[0]) <= ASK + 1e-9
                assert sum(shares) == pytest.approx(1)
            case "asked":
                assert each["words"] == (
                    f"A mistake would be costly here. Is it really {each['answer']}?"
                )
            case "options":
                assert each["words"].startswith("We are not sure. It could be ")
                assert (each["answer"], len(shares)) == (None, 2)
            case _:
                assert each["answer"] is None
                assert each["options"] == []
    asked = next(each for each in found if each["status"] == "asked")
    _, whole = server.ask("GET", f"/decisions/{asked['id']}")
    assert whole["judged"]["confidence"] == pytest.approx(asked["confidence"])
    assert whole["judged"]["cost"] > ASK
    # The model itself is much surer than it should be.
    assert max(whole["output"].values()) > whole["judged"]["confidence"] + 0.05


def test_the_threshold_is_seen_where_people_look(server):
    """S23: with every client, in the card, and in a difference."""
    status, described = server.ask("GET", f"/v2/models/{MODEL}")
    assert status == 200
    shown = command(server, "show", MODEL, "--json")
    assert shown.exit_code == 0, shown.stderr
    judgement = json.loads(shown.stdout)["judgement"]
    assert described["parameters"]["threshold"] == judgement["threshold"]["chosen"]
    assert judgement["threshold"]["rule"]["recall_at_least"] == 0.8
    assert judgement["calibration"]["method"] in {"temperature", "isotonic"}
    assert judgement["after"]["error"] < judgement["before"]["error"] / 2
    plain = command(server, "show", MODEL)
    assert "chosen by {max: precision, recall_at_least: 0.8}" in plain.stdout
    assert "expected calibration error" in plain.stdout
    other = server.workspace.parent / "other.yaml"
    other.write_text(JUDGED.replace("recall_at_least: 0.8", "recall_at_least: 0.9"))
    diff = command(server, "diff", MODEL, str(other), "--json")
    changed = {each["setting"] for each in json.loads(diff.stdout)["changes"]}
    assert changed == {"output.threshold"}


def test_the_limits_are_told_in_plain_words(server):
    """S33: what it was tried on, and where it has little to go by."""
    status, limits = server.ask("GET", f"/models/{MODEL}/limits")
    assert status == 200
    words = " ".join(limits["words"])
    assert "tried on 2000 examples" in words
    assert "It knows little about: a below -0.9" in words
    for jargon in ("calibration", "precision", "recall", "probability", "distribution"):
        assert jargon not in words.lower()
    assert limits["examples"] == 2000
    assert {each["input"] for each in limits["little_evidence"]} == set(FIELDS)
    assert server.ask("GET", "/models/none/limits")[0] == 404
    assert server.ask("POST", f"/models/{MODEL}/limits", {})[0] == 405


def test_outcomes_become_bars(server):
    """S18 S23: nothing from no labels; then a curve, bars with intervals, and a replay."""
    few = command(server, "judge", MODEL, "--tune", "--json")
    assert few.exit_code == 1, few.stderr
    assert json.loads(few.stdout)["tuned"]["verdict"] == "unsure"
    values, truth = world(260, 5)
    found = told(server, values)
    for each, label in zip(found, truth.tolist(), strict=True):
        status, said = server.ask("POST", f"/decisions/{each['id']}/outcome",
                                  {"label": label, "model": MODEL})  # fmt: skip
        assert status == 200, said
    # The latest word counts.
    for label in ("low", "high", truth[0]):
        server.ask("POST", f"/decisions/{found[0]['id']}/outcome", {"label": label, "model": MODEL})
    tuned = command(server, "judge", MODEL, "--tune", "--json")
    assert tuned.exit_code == 0, tuned.stderr + tuned.stdout
    result = json.loads(tuned.stdout)["tuned"]
    assert result["labels"] == 260
    advised = {each["setting"] for each in result["advice"]}
    assert advised == {"judge.confidence.at_least", "judge.cost.ask_above"}
    assert result["threshold"]["reached"]["recall"] >= 0.8
    people = command(server, "judge", MODEL, "--tune", "--since", "1h")
    assert "wrong among those told, by the share told" in people.stdout
    bars = f"confidence={BAR},ask_above={ASK}"
    again = command(server, "judge", MODEL, "--bars", bars, "--json")
    replayed = json.loads(again.stdout)["replayed"]
    # What was declined for its cost alone is asked about under these bars; nothing else changes.
    was = [each["status"] for each in found]
    assert replayed["told"] == was.count("answered") == replayed["was_told"]
    assert replayed["asked"] + replayed["withheld"] == 260 - replayed["told"]
    wrong = command(server, "judge", MODEL, "--bars", "confidnce=1")
    assert wrong.exit_code == 2
    assert "did you mean 'confidence'?" in wrong.stderr
