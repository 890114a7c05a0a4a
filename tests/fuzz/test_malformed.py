"""Each way in which a body can be wrong, at each door: refused in words, and nothing happens."""

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from mainstay.wiring.workspace import Workspace, open_workspace
from tests.servers.mainstay import MODEL, RunningServer

DECIDE = f"/models/{MODEL}/decide"
INFER = f"/v2/models/{MODEL}/infer"
MLFLOW = f"/models/{MODEL}/invocations"
FEATURES = f"/models/{MODEL}/features"
GOOD = '{"a": 1, "b": 2, "c": 3}'
LONG = "x" * 10_000_000
HUGE = 2**62


def row(**changed: Any) -> str:
    return json.dumps({"inputs": {"a": 1, "b": 2, "c": 3, **changed}})


def tensor(shape: Any = (1, 3), data: Any = (1, 2, 3), **changed: Any) -> str:
    one = {"name": "matrix", "datatype": "FP64", "shape": shape, "data": data}
    return json.dumps({"inputs": [{**one, **changed}]})


def raw(**values: str) -> str:
    """Inputs as JSON texts, whatever those are."""
    return '{"inputs": {' + ", ".join(f'"{name}": {text}' for name, text in values.items()) + "}}"


# door, body, status, rule, and whether it says where and what came
CASES: dict[str, tuple[str, str | bytes, int, str, set[str]]] = {
    "not JSON": (DECIDE, "amount=1", 400, "json", set()),
    "half of it": (DECIDE, row()[:-3], 400, "json", set()),
    "nothing": (DECIDE, "", 400, "json", set()),
    "not UTF-8": (DECIDE, b'{"inputs": {"a": "\xff"}}', 400, "utf-8", set()),
    "a list": (DECIDE, "[]", 400, "type", set()),
    "null": (DECIDE, "null", 400, "type", set()),
    "deep": (DECIDE, "[" * 100_000 + "]" * 100_000, 400, "", set()),
    "deep inside": (DECIDE, raw(a='{"a":' * 5000 + "1" + "}" * 5000), 400, "depth", set()),
    "too large": (DECIDE, " " * (17 * 1024 * 1024), 413, "size", {"field", "got"}),
    "NaN": (DECIDE, raw(a="NaN", b="1", c="1"), 400, "finite", set()),
    "Infinity": (DECIDE, raw(a="Infinity", b="1", c="1"), 400, "finite", set()),
    "beyond a double": (DECIDE, raw(a="1e999", b="1", c="1"), 400, "", {"field"}),
    "a huge integer": (DECIDE, raw(a="1" * 5000, b="1", c="1"), 400, "", {"field"}),
    "text for a number": (DECIDE, row(a="one"), 400, "type", {"field", "got"}),
    "a list for a number": (DECIDE, row(a=[1]), 400, "type", {"field", "got"}),
    "true for a number": (DECIDE, row(a=True), 400, "type", {"field", "got"}),
    "null for a number": (DECIDE, row(a=None), 400, "missing", {"field"}),
    "10 MB of text": (DECIDE, row(a=LONG), 400, "type", {"field", "got"}),
    "a name of 10 MB": (DECIDE, row(**{LONG: 1}), 400, "unknown", {"field"}),
    "a misspelt name": (DECIDE, row(aa=1), 400, "unknown", {"field"}),
    "a missing field": (DECIDE, '{"inputs": {"a": 1, "b": 2}}', 400, "missing", {"field"}),
    "out of range": (DECIDE, row(a=1e6), 400, "max", {"field", "got"}),
    "a key twice": (DECIDE, '{"inputs": {"a": 1, "a": 2, "b": 2, "c": 3}}', 400, "duplicate", set()),
    "inputs twice": (DECIDE, f'{{"inputs": {GOOD}, "inputs": {GOOD}}}', 400, "duplicate", set()),
    "no rows": (DECIDE, '{"rows": []}', 400, "rows", {"got"}),
    "too many rows": (
        DECIDE, '{"rows": [' + ",".join([f'{{"inputs": {GOOD}}}'] * 9000) + "]}", 400, "rows", {"got"},
    ),
    "the second row wrong": (
        DECIDE, f'{{"rows": [{{"inputs": {GOOD}}}, {{"inputs": {{"a": 1}}}}]}}', 400, "missing", {"field"},
    ),
    "a request id of 10 MB": (DECIDE, row()[:-1] + f', "request": "{LONG}"}}', 400, "", {"field"}),
    "features of what is wrong": (FEATURES, row(a="one"), 400, "type", {"field", "got"}),
    "a negative dimension": (INFER, tensor([-1, 3]), 400, "rows", {"field", "got"}),
    "two negative dimensions": (INFER, tensor([-1, -3]), 400, "shape", {"field", "got"}),
    "a huge shape": (INFER, tensor([HUGE, 3]), 400, "rows", {"field", "got"}),
    "a shape that overflows": (INFER, tensor([HUGE, HUGE, HUGE]), 400, "shape", {"field", "got"}),
    "a shape of ten million": (
        INFER, tensor([1]).replace("[1]", f"[{'1,' * 9_999_999}1]"), 413, "", {"field"},
    ),
    "a shape of text": (INFER, tensor(["1", "3"]), 400, "", set()),
    "a shape that is not that of the data": (INFER, tensor([2, 3]), 400, "", {"field"}),
    "another datatype": (INFER, tensor(datatype="BOOL"), 400, "", {"field", "got"}),
    "a datatype of nobody": (INFER, tensor(datatype="FP7"), 400, "", {"field", "got"}),
    "a tensor of nobody": (INFER, tensor(name="matrx"), 400, "unknown", {"field"}),
    "no tensors": (INFER, '{"inputs": []}', 400, "", {"field"}),
    "text in a matrix": (INFER, tensor(data=[1, 2, "3"]), 400, "", {"field"}),
    "data nested wrongly": (INFER, tensor(data=[[1, 2], [3]]), 400, "", {"field"}),
    "a tensor twice": (
        INFER, json.dumps({"inputs": json.loads(tensor())["inputs"] * 2}), 400, "duplicate", {"field"},
    ),
    "an output of nobody": (INFER, tensor()[:-1] + ', "outputs": [{"name": "x"}]}', 400, "", {"field"}),
    "four forms at once": (MLFLOW, '{"inputs": [[1,2,3]], "instances": [[1,2,3]]}', 400, "", {"field"}),
    "columns of nobody": (
        MLFLOW, '{"dataframe_split": {"columns": ["a","b","d"], "data": [[1,2,3]]}}', 400, "", {"field"},
    ),
    "a short row": (
        MLFLOW, '{"dataframe_split": {"columns": ["a","b","c"], "data": [[1,2]]}}', 400, "", {"field"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def workspace(running_server: RunningServer) -> Workspace:
    return open_workspace(running_server.workspace)


@pytest.fixture
def nothing_happens(workspace: Workspace) -> Iterator[None]:
    """No decision is recorded while a test runs."""
    before = decisions(workspace)
    yield
    assert decisions(workspace) == before


def decisions(workspace: Workspace) -> int:
    return workspace.journal.query("SELECT count(*) AS n FROM decisions").to_pylist()[0]["n"]


def post(server: RunningServer, path: str, body: str | bytes) -> tuple[int, bytes]:
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
    try:
        data = body.encode() if isinstance(body, str) else body
        connection.request("POST", path, data, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("nothing_happens")
def test_a_malformed_body_is_refused_in_words(running_server: RunningServer, name: str) -> None:
    """S3: 4xx with what is wrong, by which rule, where, what came and what would be right."""
    path, body, status, rule, more = CASES[name]
    got_status, data = post(running_server, path, body)
    told = json.loads(data)
    assert got_status == status, told
    assert {"error", "code", "rule", "expected", *more} <= set(told), told
    assert not rule or told["rule"] == rule, told
    assert len(data) < 3000
    assert (path == MLFLOW) == ("error_code" in told)


@pytest.mark.usefixtures("nothing_happens")
def test_one_wrong_row_among_good_ones_leaves_no_partial_effect(
    running_server: RunningServer,
) -> None:
    """S3: a call is answered whole or refused whole."""
    good, wrong = json.loads(GOOD), {"a": 1, "b": 2, "c": 1e9}
    rows = [{"inputs": good}] * 20 + [{"inputs": wrong}]
    status, data = post(running_server, DECIDE, json.dumps({"rows": rows}))
    assert status == 400
    assert "20" in json.loads(data)["error"] + json.loads(data)["field"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/models/somebody/decide", 404),
        ("POST", "/v2/models/sums/versions/99/infer", 404),
        ("POST", "/v2/models/sums/versions/-1/infer", 404),
        ("GET", "/decisions/nothing", 404),
        ("GET", "/decisions/" + "0" * 28, 404),
        ("GET", "/decisions/" + "0" * 8000, 404),
        ("GET", "/nowhere", 404),
        ("GET", "/models/sums/decide", 405),
        ("BREW", "/models/sums/decide", 400),
        ("GET", "/" + "x" * 9000, 413),
    ],
)
def test_what_is_not_there_is_said_to_be_so(
    running_server: RunningServer, method: str, path: str, status: int
) -> None:
    """S3"""
    got, told = running_server.ask(method, path, {} if method == "POST" else None)
    assert got == status, told
    assert {"error", "code", "expected"} <= set(told), told
