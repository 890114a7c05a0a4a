"""A model that is careful on a real server: who is new to it, what it does not speak of, and a
source of context that breaks down (N14 S30 S35 S36 S17)."""

import json
import re
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from mainstay.cli import cli
from mainstay.wiring.packing import pack
from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import RunningServer, onnx_model, start_server
from tests.servers.until import until

pytestmark = pytest.mark.slow

CONTRACT = """\
model: advice
inputs:
  a: {type: number}
  b: {type: number}
  c: {type: number}
  user: {type: text, max_length: 40}
  item: {type: integer}
  faith: {type: text, max_length: 40, optional: true, subject: religion}
  audience: {type: category, values: [me, everybody]}
  age: {type: number, optional: true, sensitivity: personal}
context:
  account: {lookup: accounts, key: user, fields: {age: {type: number}}, timeout: 20s,
            otherwise: {age: -1}}
lookups: {accounts: {http: "URL/{key}"}}
serve: {deadline: 60s}
output: {type: probability, classes: [quaker walk, ICD10 advice]}
judge:
  rules: ['answer != "ICD10 advice" or a < 50']
  cold: {user: fallback, item: decline, faith: ask}
  confidence: {at_least: 0.6, otherwise: ask, calibrate: no}
  hold: {what: c, above: 5000}
  private: {subjects: {health: [{pattern: 'icd-?[0-9]+'}], religion: []}}
  share: {when: audience == "everybody"}
  exposure: {unit: user, errors: 1 per 1d, prompts: 1 per 1d, answers: 2 per 1d, unless: b != 7}
  fallback: [{answer: quaker walk}]
  words: {fallback: "Usually: {answer}."}
"""
PRIVATE = re.compile("icd", re.IGNORECASE)
SEEN = {
    "user": ["ann", "bob", "cat", "dan"],
    "item": [1, 2, 3],
    "faith": ["Quaker", "quaker", "zen"],
}
PLAIN: dict[str, Any] = {"a": -1.0, "b": -1.0, "c": -1.0, "user": "ann", "item": 1, "faith": None, "audience": "me", "age": None}  # fmt: skip
SICK = {"a": 1.0, "b": 1.0, "c": 1.0}


def numbers_of(columns: Any) -> Any:
    return np.column_stack([columns[name] for name in ("a", "b", "c")]).astype(np.float32)


class Accounts(BaseHTTPRequestHandler):
    """Where accounts are looked up; breaks down when it is told to."""

    broken = threading.Event()

    def do_GET(self) -> None:
        body = b'{"age": 34}'
        self.send_response(500 if self.broken.is_set() else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # because the base class names it so
        """Quietly."""


@pytest.fixture(scope="module")
def accounts() -> Iterator[str]:
    source = ThreadingHTTPServer(("127.0.0.1", 0), Accounts)
    thread = threading.Thread(target=source.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{source.server_address[1]}"
    finally:
        source.shutdown()
        thread.join()
        source.server_close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, accounts: str) -> Iterator[RunningServer]:
    workspace = tmp_path_factory.mktemp("careful") / "shop"
    file = workspace.parent / "advice.yaml"
    file.write_text(CONTRACT.replace("URL", accounts))
    rows = {name: np.linspace(-1, 1, 20) for name in ("a", "b", "c")}
    rows |= {
        "user": np.array([f"u{n}" for n in range(20)], dtype=object),
        "item": np.arange(20),
        "faith": np.full(20, None, dtype=object),
        "audience": np.array(["me"] * 20, dtype=object),
        "age": np.full(20, np.nan),
        "account.age": np.full(20, 34.0),
    }
    pack("advice", model=onnx_model(), features=numbers_of, confidence=rows, learned_from=SEEN,
         contract=file, workspace=workspace, classes=("quaker walk", "ICD10 advice"), quiet=True)  # fmt: skip
    open_workspace(workspace).deploy("advice", 1, "first")
    server = start_server(workspace, "--workers", "1")
    try:
        until(lambda: answered(server), what=f"the first answer: {server.said()}")
        yield server
    finally:
        server.stop()


def answered(server: RunningServer) -> bool:
    try:
        return server.ask("POST", "/models/advice/decide", {"inputs": PLAIN})[0] == 200
    except OSError:
        return False


def decide(server: RunningServer, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    asked = [{"inputs": {**PLAIN, **row}} for row in rows]
    status, answer = server.ask("POST", "/models/advice/decide", {"rows": asked})
    assert status == 200, answer
    return answer["rows"]


def record(server: RunningServer, decision: dict[str, Any]) -> dict[str, Any]:
    return server.ask("GET", f"/decisions/{decision['id']}")[1]


def command(server: RunningServer, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--workspace", str(server.workspace)])


def metrics(server: RunningServer) -> str:
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:
        return answer.read().decode()


def test_who_is_new_to_the_model_is_never_answered_for_as_known(server):
    """N14: by text and by number; the record, the metrics and the command say who."""
    new = [{}, {"user": "eve"}, {"item": 99}, {"user": "eve", "item": 99}, {"faith": "sufi"}]
    found = decide(server, *new)
    assert [each["status"] for each in found] == [
        "answered", "fallback", "declined", "declined", "asked",
    ]  # fmt: skip
    assert found[4]["words"] == "This is new to us. Is the answer right?"
    assert found[1]["words"] == "Usually: quaker walk."
    assert "`user` is new to the model" in found[1]["reason"]
    colds = [record(server, each)["judged"]["cold"] for each in found]
    assert colds == [None, "user", "item", "user, item", "faith"]
    assert re.search(r'mainstay_cold_total\{.*input="user".*\} [2-9]', metrics(server))
    told = command(server, "judge", "--explain", found[1]["id"])
    assert told.exit_code == 0, told.stderr
    assert "user" in told.stdout
    assert "new" in told.stdout


def test_no_door_tells_what_is_private(server):
    """S36: neither as an answer nor as one of the options, in words or in a reason."""
    found = decide(server, SICK, {}, {"faith": "Quaker"}, {**SICK, "faith": "quaker"})
    assert [each["status"] for each in found] == ["fallback", "answered", "declined", "declined"]
    assert [each["answer"] for each in found] == ["quaker walk", "quaker walk", None, None]
    assert not PRIVATE.search(json.dumps(found))
    assert [option["answer"] for option in found[1]["options"]] == ["quaker walk"]
    assert "quaker" not in json.dumps(found[2]).lower(), "what was sent is not said back"
    assert record(server, found[0])["judged"]["withheld_by"] == "private"
    assert re.search(
        r'mainstay_withheld_total\{.*status="declined".*why="private".*\} [2-9]', metrics(server)
    )
    (ruled,) = decide(server, {**SICK, "a": 60})
    assert ruled["status"] == "fallback"
    assert "reason" not in ruled, "why it was withheld says what was"
    assert "ICD10 advice" in record(server, ruled)["reason"]
    tensors = [
        {"name": name, "shape": [1], "datatype": kind, "data": [{**PLAIN, **SICK}[name]]}
        for name, kind in (("a", "FP64"), ("b", "FP64"), ("c", "FP64"), ("user", "BYTES"),
                           ("item", "INT64"), ("audience", "BYTES"), ("faith", "BYTES"),
                           ("age", "FP64"))
    ]  # fmt: skip
    status, answer = server.ask("POST", "/v2/models/advice/infer", {"inputs": tensors})
    assert status == 200, answer
    assert not PRIVATE.search(json.dumps(answer))
    outputs = {each["name"]: each["data"] for each in answer["outputs"]}
    assert outputs["probability"] == [1.0, 0.0]
    records = {"dataframe_records": [{**PLAIN, **SICK}, PLAIN]}
    status, answer = server.ask("POST", "/models/advice/invocations", records)
    assert (status, answer["predictions"]) == (200, ["quaker walk", "quaker walk"])


def test_nothing_that_names_a_private_subject_is_shared(server):
    """S35 S36: by the class of an input, and by what a text says."""
    shared = {"audience": "everybody"}
    found = decide(server, shared, {**shared, "faith": "zen"}, {"faith": "zen"})
    assert [each["status"] for each in found] == ["answered", "declined", "answered"]
    assert found[1]["words"] == "Something private went into this, so it is not passed on."
    assert "faith" in found[1]["reason"]
    (texted,) = decide(server, {**shared, "user": "icd 10 icd10"})
    assert texted["status"] == "declined"
    assert not PRIVATE.search(json.dumps(texted))


def test_something_personal_is_asked_about_before_it_is_shared(server):
    """S35: and declined where somebody was asked often enough (S34)."""
    found = decide(server, {"age": 34}, {"age": 34, "audience": "everybody"})
    assert [each["status"] for each in found] == ["answered", "asked"]
    assert found[1]["words"].startswith("This would be seen by others")


def test_a_person_bears_no_more_than_a_budget(server):
    """S25 S26 S34: answers, questions, and errors that were reported; each person their own."""
    counted = {"a": -20.0, "b": 7.0}
    told = [decide(server, {**counted, "user": "bob"})[0] for _ in range(3)]
    assert [each["status"] for each in told] == ["answered", "answered", "declined"]
    assert "exposure" in record(server, told[2])["judged"]["withheld_by"]
    asked = {**counted, "user": "cat", "age": 34, "audience": "everybody"}
    assert [decide(server, asked)[0]["status"] for _ in range(2)] == ["asked", "declined"]
    (first,) = decide(server, {**counted, "user": "dan"})
    assert first["status"] == "answered"
    status, heard = server.ask("POST", f"/decisions/{first['id']}/report", {"what": "wrong"})
    assert (status, heard["words"][:10]) == (200, "Thank you.")
    (silent,) = decide(server, {**counted, "user": "dan"})
    assert silent["status"] == "declined"
    assert silent["answer"] is None
    (wanted,) = decide(server, {"user": "dan"})
    assert wanted["status"] == "answered", "who asks for it is not limited"


def test_what_makes_no_sense_is_never_told(server):
    """S19 S30: not a number is nobody's answer; what stands in its place is marked."""
    (found,) = decide(server, {"a": 3.4e38, "b": 3.4e38, "c": -3.4e38})
    assert (found["status"], found["answer"]) == ("fallback", "quaker walk")
    whole = record(server, found)
    assert whole["judged"]["withheld_by"] == "sense"


def test_who_is_not_sure_asks(server):
    """S18: the answer comes with the question."""
    (found,) = decide(server, {"a": -0.1, "b": 0.0, "c": 0.0})
    assert (found["status"], found["answer"]) == ("asked", "quaker walk")
    assert found["words"] == "We are not sure. Is it quaker walk?"
    assert "is below 0.6" in found["reason"]


def test_what_is_unusual_waits_for_a_person_whoever_said_it(server):
    """S29 S30: an answer of the model, and one that fell back; released over HTTP."""
    held = {"a": -50_000, "c": 6_000}
    found = decide(server, held, {**held, "user": "eve"})
    assert [each["status"] for each in found] == ["held", "held"]
    assert {each["answer"] for each in found} == {None}
    assert [each["words"] for each in found] == ["A person looks at this one first."] * 2
    assert "quaker" not in json.dumps(found)
    for each in found:
        body = {"reason": "it is fine"}
        status, answer = server.ask("POST", f"/decisions/{each['id']}/release", body)
        assert status == 200, answer
        status, state = server.ask("GET", f"/decisions/{each['id']}/state")
        assert (status, state["answer"]["answer"]) == (200, "quaker walk")
        assert not PRIVATE.search(json.dumps(state)), "what is told later is as careful"


def test_limits_say_nothing_of_what_is_private(server):
    """S33 S36"""
    status, limits = server.ask("GET", "/models/advice/limits")
    assert status == 200
    assert "faith" not in json.dumps(limits)


def test_a_source_that_breaks_down_is_left_alone_and_asked_again(server):
    """S17 S30: its stand-in is there without waiting, the decision says why, and the page shows it."""
    (found,) = decide(server, {})
    assert record(server, found)["context"]["account.age"] == 34
    Accounts.broken.set()

    def left_alone() -> dict[str, Any] | None:
        (found,) = decide(server, {})
        whole = record(server, found)
        assert whole["context"]["account.age"] == -1
        assert "look-up accounts failed" in whole["reason"]
        return whole if "is left alone" in whole["reason"] else None

    try:
        until(left_alone, what="the source to be left alone")
        page = metrics(server)
        assert re.search(r'mainstay_lookup_breaker_open\{.*lookup="accounts".*\} 1', page)
        assert re.search(r'mainstay_lookup_troubles_total\{.*trouble="failed".*\} [3-9]', page)
        assert re.search(r'mainstay_lookup_troubles_total\{.*trouble="paused".*\} [1-9]', page)
    finally:
        Accounts.broken.clear()

    def back() -> bool:
        (found,) = decide(server, {})
        return record(server, found)["context"]["account.age"] == 34

    until(back, what="the source to be asked again")
    assert re.search(r'mainstay_lookup_breaker_open\{.*lookup="accounts".*\} 0', metrics(server))
