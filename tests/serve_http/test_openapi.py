"""The OpenAPI document says what the doors do: schemas and doors are held against each other."""

import json
from typing import Any

import hypothesis.strategies as st
import jsonschema_rs
import pytest
from hypothesis import given, settings

from mainstay.base.errors import InvalidRequest
from mainstay.contract.model import Contract
from mainstay.contract.values import Checker
from mainstay.serve.http.openapi import openapi
from tests.serve_http.test_any_input import JSON, MIXED_ROW, ROW, VALID
from tests.serve_http.world import (
    CONTRACTS,
    MIXED,
    NUMERIC,
    OUTPUTS,
    answer,
    decide,
    oip,
)

DOCUMENT: dict[str, Any] = json.loads(openapi({c.model: c for c in CONTRACTS}))
BODIES = {"oip": "InferRequest", "decide": "DecideRequest", "mlflow": "Invocation"}


def validator(name: str, document: dict[str, Any] = DOCUMENT) -> Any:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(schema)


def test_every_schema_is_json_schema_and_every_reference_leads_somewhere() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        jsonschema_rs.meta.validate(schema)
        validator(name)
    text = json.dumps(DOCUMENT["paths"])
    for name in text.split("#/components/schemas/")[1:]:
        assert name.split('"')[0] in DOCUMENT["components"]["schemas"]


def test_every_operation_has_a_name_of_its_own_and_lists_the_errors() -> None:
    operations = [operation for path in DOCUMENT["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert {"200", "400", "401", "403", "404", "405", "413", "503"} <= set(
            operation["responses"]
        )


def test_only_the_models_that_were_passed_are_described() -> None:
    """S2"""
    document = openapi({"fraud": NUMERIC}).decode()
    assert "/models/fraud/decide" in document
    assert "/models/mixed" not in document
    assert "mixed." not in document


@pytest.mark.parametrize("place", range(len(VALID)))
def test_what_the_doors_take_is_what_the_schema_allows(place: int) -> None:
    form, contract, request = VALID[place]
    checker = validator(f"{contract.model}.{BODIES[form]}")
    errors = [error.message for error in checker.iter_errors(json.loads(request))]
    assert not errors


@settings(max_examples=150)
@given(st.data())
def test_what_the_schema_forbids_or_allows_the_door_does_too(data: st.DataObject) -> None:
    """S3: one row with a value, a name or a part replaced, held against schema and door."""
    contract, row, extra = data.draw(
        st.sampled_from([
            (NUMERIC, ROW, {}),
            (MIXED, MIXED_ROW, {"context": {"age": 3}, "spaces": {"embedding": "e5"}}),
        ])
    )  # fmt: skip
    request: dict[str, Any] = {"inputs": dict(row), **extra}
    part = data.draw(st.sampled_from([request, request["inputs"]]))
    part[data.draw(st.sampled_from([*part, "more"]))] = data.draw(JSON)
    checker = validator(f"{contract.model}.DecideRequest")
    if has_huge(request):
        return
    allowed = checker.is_valid(request)
    assert allowed == door_takes(contract, request), [
        error.message for error in checker.iter_errors(request)
    ]


def has_huge(value: Any) -> bool:
    """Numbers that the validator itself cannot hold exactly say nothing about our schema."""
    if isinstance(value, dict):
        return any(has_huge(item) for item in value.values())
    if isinstance(value, list):
        return any(has_huge(item) for item in value)
    return isinstance(value, int | float) and abs(value) > 2**53


def door_takes(contract: Contract, request: dict[str, Any]) -> bool:
    """Whether the door and, after it, the checker of values take a request."""
    try:
        parsed = decide(contract).parse(json.dumps(request).encode())
    except InvalidRequest:
        return False
    return not Checker(contract).check_columns(parsed.inputs)


@pytest.mark.parametrize("kind", OUTPUTS)
def test_answers_are_what_the_schema_says(kind: str) -> None:
    output, raw = OUTPUTS[kind]
    contract = Contract(model="m", inputs=NUMERIC.inputs, output=output)
    document = json.loads(openapi({"m": contract}))
    for statuses in (None, ["answered", "declined"]):
        given_answer = answer(contract, raw, statuses)
        door = decide(contract)
        rows = door.parse(json.dumps({"rows": [{"inputs": ROW}] * 2}).encode())
        got = json.loads(door.encode(given_answer, rows))
        errors = [e.message for e in validator("m.DecideAnswer", document).iter_errors(got)]
        assert not errors
    inferred = oip(contract)
    request = inferred.parse(
        b'{"inputs":[{"name":"matrix","shape":[2,3],"datatype":"FP64","data":[1,2,1,1,2,1]}]}',
        None,
    )
    body, _ = inferred.encode(answer(contract, raw), request)
    assert validator("m.InferAnswer", document).is_valid(json.loads(body))
