"""Whatever bytes come, every door answers with a `Parsed` or an `InvalidRequest`, never worse."""

import json
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from mainstay.base.errors import InvalidRequest, MainstayError, UnsupportedForm
from mainstay.contract.columns import MATRIX, rows_of
from mainstay.contract.model import Contract
from mainstay.contract.values import Checker
from mainstay.serve.http.status import error_body
from mainstay.serve.http.wire.model import Parsed
from tests.serve_http.world import (
    CONTRACTS,
    HOLED,
    MIXED,
    NUMERIC,
    body,
    decide,
    matrix,
    mixed_tensors,
    mlflow,
    oip,
    tensor,
)

Parse = Callable[[bytes], Parsed]

OIP = {contract.model: oip(contract) for contract in CONTRACTS}
DECIDE = {contract.model: decide(contract) for contract in CONTRACTS}
MLFLOW = {contract.model: mlflow(contract) for contract in CONTRACTS}

ROW = {"amount": 12.5, "count": 3, "vip": True}
MIXED_ROW = {
    "amount": 1.5,
    "country": "DE",
    "at": "2026-01-01T00:00:00Z",
    "embedding": [1, 2.5, 3],
    "count": 7,
}
VALID: list[tuple[str, Contract, bytes]] = [
    ("oip", NUMERIC, body(inputs=[matrix(2)], id="x", outputs=[{"name": "status"}])),
    ("oip", MIXED, body(inputs=mixed_tensors(), parameters={"channel": "app"})),
    ("oip", HOLED, body(inputs=[tensor("a", [2], "FP64", [None, 1])])),
    ("decide", NUMERIC, body(inputs=ROW, request="x")),
    (
        "decide",
        MIXED,
        body(
            rows=[{"inputs": MIXED_ROW, "context": {"age": 3}}],
            spaces={"embedding": "e5"},
        ),
    ),
    ("mlflow", NUMERIC, body(dataframe_split={"columns": list(ROW), "data": [[1, 2, True]]})),
    ("mlflow", NUMERIC, body(inputs={"amount": [1], "count": [2], "vip": [True]})),
    (
        "mlflow",
        MIXED,
        body(
            dataframe_records=[{**MIXED_ROW, "age": 3}],
            params={"spaces": {"embedding": "e5"}},
        ),
    ),
]


def parse(form: str, contract: Contract, request: bytes, extra: Any = None) -> Parsed | None:
    """What a door makes of bytes; None where it refuses them in words."""
    try:
        if form == "oip":
            parsed = OIP[contract.model].parse(request, extra)
        elif form == "decide":
            parsed = DECIDE[contract.model].parse(request)
        else:
            parsed = MLFLOW[contract.model].parse(request, extra or "")
    except (InvalidRequest, UnsupportedForm) as error:
        explained(error, "invocations" if form == "mlflow" else form)
        return None
    shaped(contract, parsed)
    return parsed


def explained(error: MainstayError, door: str) -> None:
    """A refusal says what is wrong, by which rule, and never at length."""
    assert error.message
    assert error.rule
    assert len(error_body(error, door)) < 2500


def shaped(contract: Contract, parsed: Parsed) -> None:
    """Names, types and shapes of columns are right; only their values are still open."""
    checker = Checker(contract)
    assert rows_of(parsed.inputs) == parsed.rows >= 1
    if checker.numeric:
        found = parsed.inputs[MATRIX]
        assert found.dtype == np.float64
        assert found.shape == (parsed.rows, len(contract.inputs))
    else:
        assert list(parsed.inputs) == list(contract.inputs)
    wrong = {"type", "shape", "unknown"}
    assert not [p for p in checker.check_columns(parsed.inputs) if p.rule in wrong]
    if checker.context.names:
        assert not checker.context.check(parsed.context)


LENGTHS = st.none() | st.integers(-3, 600) | st.integers()
CONTENT_TYPES = st.sampled_from(["", "application/json", "text/csv"]) | st.text(max_size=30)


@settings(max_examples=150)
@given(st.binary(max_size=400), LENGTHS, CONTENT_TYPES, st.sampled_from(CONTRACTS))
def test_arbitrary_bytes(
    request: bytes, length: int | None, content_type: str, contract: Contract
) -> None:
    """S3"""
    parse("oip", contract, request, length)
    parse("decide", contract, request)
    parse("mlflow", contract, request, content_type)


KEYS = st.sampled_from([
    "inputs", "name", "shape", "datatype", "data", "parameters", "outputs", "id", "rows",
    "context", "amount", "count", "vip", "matrix", "age", "instances", "dataframe_split",
    "columns", "dataframe_records", "params", "spaces", "binary_data_size", "binary_data",
])  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["matrix", "FP64", "BYTES", "BOOL", "INT64", "DE", 10**400, [1, 3], [2]])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=20,
)


@settings(max_examples=150)
@given(JSON, st.sampled_from(CONTRACTS), LENGTHS)
def test_arbitrary_json(value: Any, contract: Contract, length: int | None) -> None:
    """S3"""
    request = json.dumps(value).encode()
    for form in ("oip", "decide", "mlflow"):
        parse(form, contract, request)
    parse("oip", contract, request + b"\0" * 24, length)


@settings(max_examples=300)
@given(st.data())
def test_valid_requests_with_a_part_replaced(data: st.DataObject) -> None:
    """S3"""
    form, contract, request = data.draw(st.sampled_from(VALID))
    assert parse(form, contract, request) is not None
    value = json.loads(request)
    place: Any = value
    for _ in range(data.draw(st.integers(0, 5))):
        inner = place[data.draw(st.sampled_from(steps(place)))]
        if not isinstance(inner, dict | list) or not inner:
            break
        place = inner
    key = data.draw(st.sampled_from(steps(place)))
    if isinstance(place, dict) and data.draw(st.booleans()):
        del place[key]
    else:
        place[key] = data.draw(JSON)
    parse(form, contract, json.dumps(value).encode())


def steps(place: Any) -> list[Any]:
    return list(place) if isinstance(place, dict) else list(range(len(place)))


@settings(max_examples=200)
@given(st.data())
def test_valid_requests_with_bytes_changed(data: st.DataObject) -> None:
    """S3"""
    form, contract, request = data.draw(st.sampled_from(VALID))
    at = data.draw(st.integers(0, len(request) - 1))
    removed = data.draw(st.integers(0, 5))
    changed = request[:at] + data.draw(st.binary(max_size=5)) + request[at + removed :]
    parse(form, contract, changed, None)


@settings(max_examples=200)
@given(st.data())
def test_a_key_is_never_there_twice_unnoticed(data: st.DataObject) -> None:
    """S3: which of two amounts was checked and which was meant must not be a question."""
    form, contract, request = data.draw(st.sampled_from(VALID))
    repeated = repeat_a_key(request, data.draw(st.integers(0, 30)))
    with pytest.raises(InvalidRequest) as refused:
        if form == "oip":
            OIP[contract.model].parse(repeated, None)
        elif form == "decide":
            DECIDE[contract.model].parse(repeated)
        else:
            MLFLOW[contract.model].parse(repeated, "")
    assert refused.value.rule == "duplicate", repeated


def repeat_a_key(request: bytes, which: int) -> bytes:
    """The same JSON with one of its keys written twice, with the same value."""
    count = 0

    def write(value: Any) -> str:
        nonlocal count
        if isinstance(value, list):
            return "[" + ",".join(write(item) for item in value) + "]"
        if not isinstance(value, dict):
            return json.dumps(value)
        parts: list[str] = []
        for key, item in value.items():
            part = json.dumps(key) + ":" + write(item)
            parts.append(part)
            if count == which % keys:
                parts.append(part)
            count += 1
        return "{" + ",".join(parts) + "}"

    keys = 1
    write(json.loads(request))
    keys, count = count, 0
    return write(json.loads(request)).encode()
