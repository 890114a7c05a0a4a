"""Our own form: one decision or several, in plain words."""

import json
from typing import Any

import numpy as np
import pytest

from mainstay.base.errors import InvalidRequest
from mainstay.contract.columns import MATRIX
from mainstay.contract.model import Contract, Number
from tests.serve_http.world import MIXED, NUMERIC, OUTPUTS, answer, body, decide

ROW = {"amount": 12.5, "count": 3, "vip": True}
MIXED_ROW = {
    "amount": 1.5,
    "country": "DE",
    "at": "2026-01-01T00:00:00Z",
    "embedding": [1, 2.5, 3],
    "count": 7,
}
SPACES = {"embedding": "e5"}


def test_one_row_becomes_a_call_of_one_row() -> None:
    parsed = decide(NUMERIC).parse(body(inputs=ROW, request="mine"))
    assert parsed.inputs[MATRIX].tolist() == [[12.5, 3, 1]]
    assert (parsed.rows, parsed.request, parsed.single) == (1, "mine", True)


def test_rows_keep_their_order_and_their_context() -> None:
    """S16"""
    rows = [
        {"inputs": MIXED_ROW, "context": {"age": 30}},
        {"inputs": {**MIXED_ROW, "note": "x"}, "context": {"age": 40, "channel": "app"}},
    ]
    parsed = decide(MIXED).parse(body(rows=rows, spaces=SPACES))
    assert parsed.inputs["note"].tolist() == [None, "x"]
    assert parsed.context["age"].tolist() == [30, 40]
    assert parsed.context["channel"].tolist() == ["web", "app"]
    assert not parsed.single


DEEP = b'{"inputs":{"amount":' + b"[" * 50_000 + b"]" * 50_000 + b"}}"
BAD: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "body", "json"),
    "not an object": (b"3", "body", "type"),
    "neither": (b"{}", "inputs", "missing"),
    "both": (body(inputs=ROW, rows=[{"inputs": ROW}]), "inputs", "duplicate"),
    "context beside rows": (body(rows=[{"inputs": ROW}], context={}), "context", "unknown"),
    "unknown key": (body(input=ROW), "input", "unknown"),
    "no rows": (body(rows=[]), None, "rows"),
    "inputs a list": (body(inputs=[ROW]), "inputs", "type"),
    "row without inputs": (body(rows=[{}]), "rows[0].inputs", "missing"),
    "unknown input": (body(inputs={**ROW, "amont": 1}), "amont", "unknown"),
    "missing input": (body(inputs={"amount": 1, "vip": True}), "count", "missing"),
    "null": (body(inputs={**ROW, "amount": None}), "amount", "missing"),
    "text": (body(inputs={**ROW, "amount": "1"}), "amount", "type"),
    "true for a number": (body(inputs={**ROW, "amount": True}), "amount", "type"),
    "number for true": (body(inputs={**ROW, "vip": 1}), "vip", "type"),
    "object": (body(inputs={**ROW, "amount": {"value": 1}}), "amount", "type"),
    "below the minimum": (body(inputs={**ROW, "amount": -1}), "amount", "min"),
    "huge integer": (b'{"inputs":{"amount":' + b"9" * 5000 + b',"count":1,"vip":true}}',
                     "amount", "range"),
    "beyond 53 bits": (body(inputs={**ROW, "count": 2**53}), "count", "max"),
    "fraction": (body(inputs={**ROW, "count": 1.5}), "count", "whole"),
    "NaN": (b'{"inputs":{"amount":NaN}}', "body", "finite"),
    "too large a float": (b'{"inputs":{"amount":1e999}}', "amount", "range"),
    "depth": (DEEP, "body", "depth"),
    "10 MB of text": (body(inputs={**ROW, "amount": "x" * 10_000_000}), "amount", "type"),
    "key twice": (b'{"inputs":{"amount":1,"amount":2,"count":3,"vip":true}}', "amount",
                  "duplicate"),
    "inputs twice": (b'{"inputs":{"amount":1},"inputs":{"amount":2}}', "inputs", "duplicate"),
    "key twice in a value": (b'{"inputs":{"amount":{"a":1,"a":2},"count":3,"vip":true}}', "a",
                             "duplicate"),
    "request too long": (body(inputs=ROW, request="x" * 257), "request", "length"),
    "spaces of nothing": (body(inputs=ROW, spaces={"amount": "e5"}), "amount", "unknown"),
    "context of nothing": (body(inputs=ROW, context={"age": 5}), "age", "unknown"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_requests_name_field_and_rule(case: str) -> None:
    """S3"""
    request, field, rule = BAD[case]
    with pytest.raises(InvalidRequest) as refused:
        decide(NUMERIC).parse(request)
    assert (refused.value.field, refused.value.rule) == (field, rule), refused.value.message
    assert len(json.dumps(refused.value.as_dict())) < 1500


@pytest.mark.parametrize(
    ("spaces", "context", "field", "rule"),
    [
        ({}, {"age": 3}, "embedding", "space"),
        ({"embedding": "bge"}, {"age": 3}, "embedding", "space"),
        ({**SPACES, "note": "e5"}, {"age": 3}, "note", "unknown"),
        (SPACES, {}, "age", "missing"),
        (SPACES, {"age": 151}, "age", "max"),
        (SPACES, {"age": 3, "account": 1}, "account", "unknown"),
    ],
)
def test_spaces_and_context_are_held_to_the_contract(
    spaces: dict[str, str], context: dict[str, Any], field: str, rule: str
) -> None:
    """S3, S16; an embedding from another space is refused (O17)."""
    with pytest.raises(InvalidRequest) as refused:
        decide(MIXED).parse(body(inputs=MIXED_ROW, spaces=spaces, context=context))
    assert (refused.value.field, refused.value.rule) == (field, rule)


def test_an_answer_carries_everything_a_caller_needs() -> None:
    contract = Contract(model="m", inputs={"x": Number()}, output=OUTPUTS["probability"][0])
    door = decide(contract)
    given = answer(contract, OUTPUTS["probability"][1][:1])
    got = json.loads(door.encode(given, door.parse(body(inputs={"x": 1}, request="r"))))
    assert got["id"] == given.ids[0]
    assert (got["model"], got["version"], got["arm"]) == ("m", 3, "live")
    assert got["status"] == "answered"
    assert (got["answer"], got["confidence"], got["words"]) == ("fraud", 0.75, "")
    assert got["options"][0] == {"answer": "fraud", "probability": 0.75}
    assert got["request"] == "r"
    assert "reason" not in got


def test_a_withheld_row_has_words_and_no_value() -> None:
    """S19"""
    contract = Contract(model="m", inputs={"x": Number()}, output=OUTPUTS["number"][0])
    door = decide(contract)
    given = answer(contract, np.array([1.5, np.inf]), ["answered", "declined"])
    parsed = door.parse(body(rows=[{"inputs": {"x": 1}}] * 2))
    first, second = json.loads(door.encode(given, parsed))["rows"]
    assert first["answer"] == 1.5
    assert (second["answer"], second["confidence"], second["options"]) == (None, None, [])
    assert second["words"] == contract.judge.say
    assert second["reason"] == "not finite"


def test_features_go_out_by_name_row_by_row() -> None:
    """S11"""
    door = decide(NUMERIC)
    single = door.parse(body(inputs=ROW))
    got = door.encode_features({MATRIX: np.array([[1, np.nan]], "f4")}, ("a", "b"), single)
    assert json.loads(got) == {"features": {"a": 1.0, "b": None}}
    rows = door.parse(body(rows=[{"inputs": ROW}] * 2))
    moments = np.array(["2026-01-01T00:00:00", "NaT"], dtype="datetime64[us]")
    words = np.array(["x", None], dtype=object)
    got = door.encode_features({"w": words, "t": moments}, ("t", "w"), rows)
    assert json.loads(got)["rows"] == [
        {"features": {"t": "2026-01-01T00:00:00.000000Z", "w": "x"}},
        {"features": {"t": None, "w": None}},
    ]
