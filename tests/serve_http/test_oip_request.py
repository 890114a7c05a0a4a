"""The Open Inference Protocol's requests: what is read, and every way in which one is refused."""

import json
from typing import Any

import numpy as np
import pytest

from mainstay.base.errors import InvalidRequest
from mainstay.base.limits import ROWS_PER_CALL_MAX
from mainstay.contract.columns import MATRIX
from tests.serve_http.world import (
    HOLED,
    MIXED,
    NUMERIC,
    body,
    matrix,
    mixed_tensors,
    oip,
    tensor,
)

NUMERIC_DOOR = oip(NUMERIC)
MIXED_DOOR = oip(MIXED)
HOLED_DOOR = oip(HOLED)


@pytest.mark.parametrize(
    "data", [[12.5, 3, 1, 0, 4, 0], [[12.5, 3, 1], [0, 4, 0]]], ids=["flat", "nested"]
)
@pytest.mark.parametrize("datatype", ["FP64", "FP32", "FP16"])
def test_a_matrix_is_read_flat_or_nested_in_the_contracts_order(
    data: list[Any], datatype: str
) -> None:
    parsed = NUMERIC_DOOR.parse(
        body(inputs=[matrix(2, data=data, datatype=datatype)], id="mine"), None
    )
    assert parsed.inputs[MATRIX].dtype == np.float64
    assert parsed.inputs[MATRIX].tolist() == [[12.5, 3, 1], [0, 4, 0]]
    assert (parsed.rows, parsed.request) == (2, "mine")


def test_one_tensor_per_field_makes_the_same_matrix_in_any_order() -> None:
    fields = [
        tensor("vip", [2, 1], "BOOL", [[True], [False]]),
        tensor("amount", [2], "INT8", [12, 0]),
        tensor("count", [2], "UINT16", [3, 4]),
    ]
    parsed = NUMERIC_DOOR.parse(body(inputs=fields), None)
    assert parsed.inputs[MATRIX].tolist() == [[12, 3, 1], [0, 4, 0]]


def test_each_kind_becomes_the_column_that_columns_py_states() -> None:
    parsed = MIXED_DOOR.parse(body(inputs=mixed_tensors()), None)
    columns = parsed.inputs
    assert list(columns) == list(MIXED.inputs)
    assert columns["country"].tolist() == ["DE", "FR"]
    assert columns["note"].tolist() == ["hällo", None]
    assert columns["at"].dtype == np.dtype("datetime64[us]")
    assert columns["at"].tolist()[1].isoformat() == "2026-01-01T00:00:00.500000"
    assert columns["embedding"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert columns["count"].dtype == np.int64
    assert parsed.context["age"].tolist() == [30, 40]
    assert parsed.context["channel"].tolist() == ["web", "web"]


def test_context_may_come_as_a_parameter_for_all_rows() -> None:
    """S16"""
    tensors = [t for t in mixed_tensors() if t["name"] != "age"]
    parsed = MIXED_DOOR.parse(body(inputs=tensors, parameters={"age": 9, "channel": "app"}), None)
    assert parsed.context["age"].tolist() == [9, 9]
    assert parsed.context["channel"].tolist() == ["app", "app"]


def test_missing_values_are_null_or_absent_where_the_contract_allows() -> None:
    parsed = HOLED_DOOR.parse(
        body(
            inputs=[tensor("a", [2], "FP64", [None, 1.5]), tensor("c", [2], "BOOL", [None, True])]
        ),
        None,
    )
    assert np.isnan(parsed.inputs[MATRIX]).tolist() == [[True, True, True], [False, True, False]]
    nulls = HOLED_DOOR.parse(body(inputs=[matrix(data=[None, 2, None])]), None)
    assert np.isnan(nulls.inputs[MATRIX]).tolist() == [[True, False, True]]
    note = [t for t in mixed_tensors() if t["name"] != "note"]
    assert MIXED_DOOR.parse(body(inputs=note), None).inputs["note"].tolist() == [None, None]


@pytest.mark.parametrize("hint", ["np", "pd", "str"])
def test_hints_that_existing_clients_add_are_harmless(hint: str) -> None:
    request = body(
        inputs=[{**matrix(), "parameters": {"content_type": hint}}],
        parameters={"content_type": hint},
        model_name="fraud",
        id=None,
        outputs=[{"name": "answer", "parameters": {"content_type": hint}}],
    )
    assert NUMERIC_DOOR.parse(request, None).wanted.outputs == ("answer",)


def test_requested_outputs_keep_their_order_and_form() -> None:
    request = body(
        inputs=[matrix()],
        outputs=[{"name": "status", "parameters": {"binary_data": False}}, {"name": "answer"}],
        parameters={"binary_data_output": True},
    )
    wanted = NUMERIC_DOOR.parse(request, None).wanted
    assert wanted.outputs == ("status", "answer")
    assert wanted.binary == (False, True)
    assert wanted.status


def test_a_raw_body_alone_is_rows_of_64_bit_floats() -> None:
    rows = np.array([[1.5, 2, 0], [3, 4, 1]])
    parsed = NUMERIC_DOOR.parse(rows.astype("<f8").tobytes(), 0)
    assert parsed.inputs[MATRIX].tolist() == rows.tolist()
    assert parsed.wanted.binary_otherwise


def _numeric(**changes: Any) -> bytes:
    return body(inputs=[matrix(**changes)])


def _text(value: str) -> bytes:
    return b'{"inputs":[{"name":"matrix","shape":[1,3],"datatype":"FP64","data":' + (
        value.encode() + b"}]}"
    )


def _mixed(name: str, **changes: Any) -> bytes:
    return body(inputs=[{**t, **changes} if t["name"] == name else t for t in mixed_tensors()])


BAD_NUMERIC: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "body", "json"),
    "white space": (b"  \n", "body", "json"),
    "not json": (b"hello", "body", "json"),
    "cut short": (_numeric()[:-3], "body", "json"),
    "bytes after the json": (_numeric() + b"{}", "body", "json"),
    "a list": (b"[]", "body", "type"),
    "no inputs": (b"{}", "inputs", "missing"),
    "empty inputs": (body(inputs=[]), "inputs", "missing"),
    "inputs null": (body(inputs=None), "inputs", "type"),
    "unknown key": (body(inputs=[matrix()], extra=1), "extra", "unknown"),
    "unknown tensor key": (_numeric(dtype="x"), "inputs[0].dtype", "unknown"),
    "not utf-8": (b'{"inputs":[{"name":"\xff","shape":[1],"datatype":"x"}]}', "body", "utf-8"),
    "NaN": (_text("[NaN,1,1]"), "body", "finite"),
    "Infinity": (_text("[1,-Infinity,1]"), "body", "finite"),
    "too large a float": (_text("[1e999,1,1]"), "matrix", "range"),
    "huge integer": (_text("[" + "9" * 5000 + ",1,1]"), "matrix", "range"),
    "depth of data": (_text("[" * 90_000 + "]" * 90_000), "body", "depth"),
    "nested thrice": (_text("[[[1,2,3]]]"), "matrix", "type"),
    "depth of parameters": (
        b'{"inputs":[],"parameters":{"a":' + b"[" * 500 + b"]" * 500 + b"}}",
        "a",
        "type",
    ),
    "text for a number": (_text('["1",2,3]'), "matrix", "type"),
    "true for a number": (_text("[true,2,3]"), "matrix", "type"),
    "null where required": (_text("[null,2,3]"), "matrix", "type"),
    "data is text": (_text('"AAAA"'), "matrix", "type"),
    "10 MB of text": (_text('["' + "x" * 10_000_000 + '"]'), "matrix", "type"),
    "too few": (_text("[1,2]"), "matrix", "shape"),
    "too many": (_text("[1,2,3,4]"), "matrix", "shape"),
    "ragged": (_text("[[1,2]]"), "matrix", "shape"),
    "a row too many": (_text("[[1,2,3],[1,2,3]]"), "matrix", "shape"),
    "no data": (
        body(inputs=[{"name": "matrix", "shape": [1, 3], "datatype": "FP64"}]),
        "matrix",
        "missing",
    ),
    "wrong width": (_numeric(shape=[1, 4]), "matrix", "shape"),
    "no shape": (_numeric(shape=[]), "matrix", "shape"),
    "one dimension": (_numeric(shape=[3]), "matrix", "shape"),
    "many dimensions": (_numeric(shape=[1] * 500), "matrix", "shape"),
    "negative": (_numeric(shape=[-1, 3]), "matrix", "rows"),
    "negative twice": (_numeric(shape=[-1, -3]), "matrix", "shape"),
    "no rows": (_numeric(shape=[0, 3], data=[]), "matrix", "rows"),
    "too many rows": (_numeric(shape=[ROWS_PER_CALL_MAX + 1, 3]), "matrix", "rows"),
    "overflowing shape": (_numeric(shape=[2**62 + 1, 3]), "matrix", "rows"),
    "shape beyond 64 bits": (_numeric(shape=[10**40, 3]), "matrix", "rows"),
    "fraction in the shape": (_numeric(shape=[1.5, 3]), "inputs[0].shape[0]", "type"),
    "unknown datatype": (_numeric(datatype="FP128"), "matrix", "datatype"),
    "lower case": (_numeric(datatype="fp64"), "matrix", "datatype"),
    "text matrix": (_numeric(datatype="BYTES"), "matrix", "datatype"),
    "boolean matrix": (_numeric(datatype="BOOL"), "matrix", "datatype"),
    "beyond FP32": (_numeric(datatype="FP32", data=[1e39, 1, 1]), "matrix", "range"),
    "beyond FP16": (_numeric(datatype="FP16", data=[-70000, 1, 1]), "matrix", "range"),
    "beyond INT8": (_numeric(datatype="INT8", data=[128, 1, 1]), "matrix", "range"),
    "negative UINT8": (_numeric(datatype="UINT8", data=[-1, 1, 1]), "matrix", "range"),
    "beyond 53 bits": (_numeric(datatype="INT64", data=[2**53 + 1, 1, 1]), "matrix", "range"),
    "fraction as INT": (_numeric(datatype="INT64", data=[1.5, 1, 1]), "matrix", "type"),
    "wrong name": (_numeric(name="matrx"), "matrx", "unknown"),
    "name of 10 MB": (_numeric(name="m" * 10_000_000), "m" * 100 + "…", "unknown"),
    "field from FP": (
        body(
            inputs=[
                tensor("amount", [1], "FP64", [1]),
                tensor("count", [1], "FP64", [1]),
                tensor("vip", [1], "BOOL", [True]),
            ]
        ),
        "count",
        "datatype",
    ),
    "boolean from numbers": (body(inputs=[tensor("vip", [1], "INT8", [1])]), "vip", "datatype"),
    "a field missing": (
        body(inputs=[tensor("amount", [1], "FP64", [1]), tensor("vip", [1], "BOOL", [True])]),
        "count",
        "missing",
    ),
    "a field twice": (body(inputs=[tensor("amount", [1], "FP64", [1])] * 2), "amount", "duplicate"),
    "field beside the matrix": (
        body(inputs=[matrix(), tensor("amount", [1], "FP64", [1])]),
        "amount",
        "duplicate",
    ),
    "rows differ": (
        body(inputs=[tensor("amount", [1], "FP64", [1]), tensor("count", [2], "INT64", [1, 2])]),
        "count",
        "rows",
    ),
    "key twice": (b'{"id":"a","id":"b",' + _numeric()[1:], "id", "duplicate"),
    "data twice": (
        (
            b'{"inputs":[{"name":"matrix","shape":[1,3],"datatype":"FP64","data":[9,9,9],'
            b'"data":[1,2,3]}]}'
        ),
        "data",
        "duplicate",
    ),
    "key twice, once escaped": (
        (
            b'{"inputs":[{"name":"matrix","shape":[1,3],"d\\u0061ta":[9,9,9],"datatype":"FP64",'
            b'"data":[1,2,3]}]}'
        ),
        "data",
        "duplicate",
    ),
    "parameter twice": (
        b'{"parameters":{"binary_data_output":true,"binary_data_output":false},' + _numeric()[1:],
        "binary_data_output",
        "duplicate",
    ),
    "id too long": (body(inputs=[matrix()], id="x" * 257), "id", "length"),
    "id a number": (body(inputs=[matrix()], id=5), "id", "type"),
    "another model": (body(inputs=[matrix()], model_name="other"), "model_name", "same"),
    "unknown output": (body(inputs=[matrix()], outputs=[{"name": "anser"}]), "anser", "unknown"),
    "output twice": (
        body(inputs=[matrix()], outputs=[{"name": "answer"}] * 2),
        "answer",
        "duplicate",
    ),
    "classification": (
        body(inputs=[matrix()], outputs=[{"name": "answer", "parameters": {"classification": 2}}]),
        "classification",
        "unknown",
    ),
    "binary_data a number": (
        body(inputs=[matrix()], outputs=[{"name": "answer", "parameters": {"binary_data": 1}}]),
        "answer.binary_data",
        "type",
    ),
    "unknown parameter": (
        body(inputs=[matrix()], parameters={"priority": 1}),
        "priority",
        "unknown",
    ),
    "unknown tensor parameter": (
        _numeric(parameters={"shared_memory_region": "x"}),
        "shared_memory_region",
        "unknown",
    ),
    "base64": (_numeric(parameters={"content_type": "base64"}), "content_type", "unknown"),
    "binary without header": (
        body(
            inputs=[
                {
                    "name": "matrix",
                    "shape": [1, 3],
                    "datatype": "FP64",
                    "parameters": {"binary_data_size": 24},
                }
            ]
        ),
        "matrix",
        "size",
    ),
}


@pytest.mark.parametrize("case", BAD_NUMERIC)
def test_bad_requests_name_field_and_rule(case: str) -> None:
    """S3: the answer to a bad request names the field, the rule and what would be right."""
    request, field, rule = BAD_NUMERIC[case]
    _refused(NUMERIC_DOOR, request, None, field, rule)


def _refused(door: Any, request: bytes, json_length: int | None, field: str, rule: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        door.parse(request, json_length)
    error = refused.value
    assert (error.field, error.rule) == (field, rule), error.message
    assert error.expected
    assert len(json.dumps(error.as_dict())) < 1500


BAD_MIXED: dict[str, tuple[bytes, str, str]] = {
    "no space named": (_mixed("embedding", parameters={}), "embedding", "space"),
    "another space": (_mixed("embedding", parameters={"space": "bge"}), "embedding", "space"),
    "space of a field without one": (
        _mixed("amount", parameters={"space": "e5"}),
        "space",
        "unknown",
    ),
    "vector too short": (_mixed("embedding", shape=[2, 2]), "embedding", "shape"),
    "vector flat": (_mixed("embedding", shape=[6]), "embedding", "shape"),
    "null in a category": (_mixed("country", data=["DE", None]), "country", "type"),
    "number as text": (_mixed("country", data=["DE", 5]), "country", "type"),
    "text as number": (_mixed("amount", datatype="BYTES", data=["1", "2"]), "amount", "datatype"),
    "no offset": (_mixed("at", data=["2026-01-01T00:00:00", "x"]), "at", "timestamp"),
    "matrix of a mixed model": (body(inputs=[matrix()]), "matrix", "unknown"),
    "context value out of range": (_mixed("age", data=[30, 200]), "age", "max"),
    "context missing": (
        body(inputs=[t for t in mixed_tensors() if t["name"] != "age"]),
        "age",
        "missing",
    ),
    "context twice": (body(inputs=mixed_tensors(), parameters={"age": 5}), "age", "duplicate"),
    "context parameter of a wrong type": (
        body(inputs=[t for t in mixed_tensors() if t["name"] != "age"], parameters={"age": "old"}),
        "age",
        "type",
    ),
    "looked-up context sent": (
        body(inputs=[*mixed_tensors(), tensor("account", [2], "INT64", [1, 2])]),
        "account",
        "unknown",
    ),
}


@pytest.mark.parametrize("case", BAD_MIXED)
def test_bad_requests_of_every_kind_name_field_and_rule(case: str) -> None:
    """S3, S16; an embedding from another space is refused (O17)."""
    request, field, rule = BAD_MIXED[case]
    _refused(MIXED_DOOR, request, None, field, rule)


def _binary(size: Any, raw: bytes, **changes: Any) -> tuple[bytes, int]:
    sent = {
        "name": "matrix", "shape": [1, 3], "datatype": "FP32",
        "parameters": {"binary_data_size": size}, **changes,
    }  # fmt: skip
    head = body(inputs=[sent])
    return head + raw, len(head)


RAW = np.array([1, 2, 3], dtype="<f4").tobytes()
BAD_BINARY: dict[str, tuple[tuple[bytes, int], str, str]] = {
    "too short": (_binary(12, RAW[:-1]), "matrix", "size"),
    "too long": (_binary(12, RAW + b"\0"), "body", "size"),
    "size does not fit the shape": (_binary(8, RAW[:8]), "matrix", "size"),
    "negative size": (_binary(-12, RAW), "matrix", "size"),
    "size is true": (_binary(True, RAW), "matrix", "size"),
    "size is text": (_binary("12", RAW), "matrix", "size"),
    "size is huge": (_binary(10**30, RAW), "matrix", "size"),
    "data as well": (_binary(12, RAW, data=[1, 2, 3]), "matrix", "size"),
    "header beyond the body": ((b"{}", 3), "Inference-Header-Content-Length", "size"),
    "header negative": ((b"{}", -1), "Inference-Header-Content-Length", "size"),
    "header cuts the json": ((_binary(12, RAW)[0], 10), "body", "json"),
    "header too long": ((_binary(12, RAW)[0], _binary(12, RAW)[1] + 4), "body", "json"),
    "raw body not whole rows": ((b"\0" * 25, 0), "body", "size"),
    "raw body empty": ((b"", 0), "matrix", "rows"),
}


@pytest.mark.parametrize("case", BAD_BINARY)
def test_bad_raw_bytes_name_field_and_rule(case: str) -> None:
    """S3"""
    (request, length), field, rule = BAD_BINARY[case]
    _refused(NUMERIC_DOOR, request, length, field, rule)


BAD_STRINGS = {
    "length beyond the end": (b"\x09\0\0\0DE" + b"\x02\0\0\0FR", "size"),
    "one string too few": (b"\x08\0\0\0DEDEDEDE", "size"),
    "bytes left over": (b"\x02\0\0\0DE\x02\0\0\0FR!", "size"),
    "cut within a length": (b"\x04\0\0\0DEFR\x02\0", "size"),
    "not utf-8": (b"\x02\0\0\0\xff\xfe\x02\0\0\0FR", "utf-8"),
    "no strings at all": (b"", "size"),
}


@pytest.mark.parametrize("case", BAD_STRINGS)
def test_bad_raw_strings_name_field_and_rule(case: str) -> None:
    """S3"""
    raw, rule = BAD_STRINGS[case]
    sent = [
        {"name": "country", "shape": [2], "datatype": "BYTES",
         "parameters": {"binary_data_size": len(raw)}}
        if t["name"] == "country" else t
        for t in mixed_tensors()
    ]  # fmt: skip
    head = body(inputs=sent)
    _refused(MIXED_DOOR, head + raw, len(head), "country", rule)


def test_a_wrong_name_is_answered_with_the_nearest_right_one() -> None:
    """S3"""
    with pytest.raises(InvalidRequest, match="did you mean 'matrix'"):
        NUMERIC_DOOR.parse(_numeric(name="matrx"), None)


def test_escaped_quotation_marks_are_not_taken_for_a_key_twice() -> None:
    request = body(inputs=[matrix()], id='say "hi"')
    assert NUMERIC_DOOR.parse(request, None).request == 'say "hi"'
