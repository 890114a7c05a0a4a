"""S3: the JSON Schema of a contract allows what the checker takes, and forbids what it refuses."""

import json

import jsonschema_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.contract.model import (
    Contract,
    FromRequest,
    Label,
    Number,
    NumberOutput,
    Probability,
    Ranking,
    Text,
    Timestamp,
    Vector,
)
from mainstay.contract.schema import answer_schema, context_schema, inputs_schema
from mainstay.contract.values import Checker
from tests.contract.samples import kinds, names, outputs
from tests.contract.test_values import likely

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=3,
)


def sendable(value) -> bool:
    """Whether JSON can carry a value at all."""
    try:
        json.dumps(value, allow_nan=False).encode()
    except ValueError:
        return False
    return "\\ud" not in json.dumps(value)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(names, kinds, min_size=1, max_size=3), st.data())
def test_schema_and_checker_agree(inputs, data):
    """S3: for any row that JSON can carry, the schema's verdict is the checker's."""
    contract = Contract(model="m", inputs=inputs, output=NumberOutput())
    row = data.draw(st.fixed_dictionaries({n: likely(kind) | _json for n, kind in inputs.items()}))
    if data.draw(st.integers(0, 9)) == 0:
        row.pop(next(iter(row)))
    if data.draw(st.integers(0, 9)) == 0:
        row["something else"] = 1
    if not sendable(row):
        return
    validator = jsonschema_rs.Draft202012Validator(inputs_schema(contract), validate_formats=True)
    allowed = validator.is_valid(row)
    _, problems = Checker(contract).columns_from_rows([row])
    beyond_schema = {"after", "before"}  # JSON Schema cannot compare moments
    if {problem.rule for problem in problems} <= beyond_schema and problems:
        return
    assert allowed == (problems == []), (row, problems)


def test_the_length_of_a_vector_is_exact():
    """S3: a list that is one too short or too long is forbidden, as the checker refuses it."""
    contract = Contract(model="m", inputs={"v": Vector(length=2)}, output=NumberOutput())
    validator = jsonschema_rs.Draft202012Validator(inputs_schema(contract))
    assert [validator.is_valid({"v": [0.5] * length}) for length in (1, 2, 3)] == [
        False,
        True,
        False,
    ]


def test_context_schema():
    """S17: what must be sent is required; what has a stand-in may be left out or null."""
    contract = Contract(
        model="m",
        inputs={"a": Number()},
        context={
            "device": FromRequest(value=Text(about="web or app"), otherwise="web"),
            "when": FromRequest(value=Timestamp()),
        },
        output=NumberOutput(),
    )
    schema = context_schema(contract)
    assert schema["required"] == ["when"]
    assert schema["properties"]["device"]["type"] == ["string", "null"]
    assert schema["properties"]["device"]["default"] == "web"
    assert schema["properties"]["device"]["description"] == "web or app"
    assert schema["additionalProperties"] is False


@settings(max_examples=100, deadline=None)
@given(outputs())
def test_answer_schemas_are_schemas(output):
    """S3: the schema of an answer is valid, and takes a withheld answer."""
    contract = Contract(model="m", inputs={"a": Number()}, output=output)
    schema = answer_schema(contract)
    jsonschema_rs.meta.validate(schema)
    validator = jsonschema_rs.Draft202012Validator(schema)
    assert validator.is_valid({"id": "x", "status": "declined", "version": 1, "answer": None})
    assert not validator.is_valid({"id": "x", "status": "guessed", "version": 1})


def test_answers_by_output():
    """S3: the answer is a class, a number, or items of the contract."""

    def answer(output):
        contract = Contract(model="m", inputs={"a": Number()}, output=output)
        return answer_schema(contract)["properties"]["answer"]

    assert answer(Probability(classes=("a", "b")))["enum"] == ["a", "b", None]
    assert answer(Label(classes=("a", "b")))["enum"] == ["a", "b", None]
    assert answer(NumberOutput(min=0))["minimum"] == 0
    assert answer(Ranking(items=("a", "b"), top=9))["maxItems"] == 2
