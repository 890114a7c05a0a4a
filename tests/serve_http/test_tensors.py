"""JSON and raw bytes of the same tensor are the same column; NumPy is the second opinion."""

import json
import struct
from typing import Any

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from mainstay.base.errors import InvalidRequest
from mainstay.contract.columns import MATRIX
from mainstay.contract.model import (
    Boolean,
    Contract,
    Input,
    Integer,
    Number,
    NumberOutput,
    Text,
    Timestamp,
    Vector,
)
from mainstay.serve.http.wire.tensors import from_json
from tests.serve_http.world import oip

DTYPES: dict[str, str] = {
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
    "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
}  # fmt: skip
EXACT = 2**53 - 1


def door(**inputs: Input) -> Any:
    return oip(Contract(model="m", inputs=inputs, output=NumberOutput()))


def both(reader: Any, name: str, datatype: str, array: Any, raw: bytes) -> tuple[Any, Any]:
    """The column of a tensor sent as JSON, and of the same one sent as raw bytes."""
    sent = {"name": name, "shape": list(np.shape(array)), "datatype": datatype}
    # NumPy's own texts would lose a NUL at their end.
    data = array if isinstance(array, list) else array.tolist()
    as_json = json.dumps({"inputs": [{**sent, "data": data}]}).encode()
    head = json.dumps({"inputs": [{**sent, "parameters": {"binary_data_size": len(raw)}}]}).encode()
    (first,) = reader.parse(as_json, None).inputs.values()
    (second,) = reader.parse(head + raw, len(head)).inputs.values()
    return first, second


@st.composite
def matrices(draw: st.DrawFn) -> tuple[str, Any]:
    datatype = draw(st.sampled_from(list(DTYPES)))
    dtype = np.dtype(DTYPES[datatype])
    rows, width = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    if dtype.kind == "f":
        item: Any = st.floats(
            width={2: 16, 4: 32, 8: 64}[dtype.itemsize], allow_nan=False, allow_infinity=False
        )
    else:
        limits = np.iinfo(dtype)
        item = st.integers(max(int(limits.min), -EXACT), min(int(limits.max), EXACT))
    values = draw(st.lists(item, min_size=rows * width, max_size=rows * width))
    return datatype, np.array(values, dtype=dtype).reshape(rows, width)


@settings(max_examples=200)
@given(matrices())
def test_a_matrix_of_every_datatype(sent: tuple[str, Any]) -> None:
    datatype, array = sent
    reader = door(**{f"x{place}": Number() for place in range(array.shape[1])})
    first, second = both(reader, MATRIX, datatype, array, array.tobytes())
    expected = array.astype(np.float64)
    assert first.tobytes() == expected.tobytes()
    assert second.tobytes() == expected.tobytes()
    assert first.flags.writeable
    assert second.flags.writeable


@settings(max_examples=60)
@given(matrices())
def test_a_vector_and_a_field_of_every_datatype(sent: tuple[str, Any]) -> None:
    datatype, array = sent
    vector = door(v=Vector(length=array.shape[1]))
    for column in both(vector, "v", datatype, array, array.tobytes()):
        assert column.tobytes() == array.astype(np.float64).tobytes()
    if np.dtype(DTYPES[datatype]).kind == "f":
        return
    column_of_one = array[:, :1]
    reader = door(i=Integer(), t=Text(optional=True))
    head = {"name": "i", "shape": list(column_of_one.shape), "datatype": datatype}
    request = json.dumps({"inputs": [{**head, "data": column_of_one.tolist()}]}).encode()
    found = reader.parse(request, None).inputs["i"]
    assert found.dtype == np.int64
    assert found.tolist() == column_of_one.ravel().tolist()


@settings(max_examples=60)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=10), min_size=1))
def test_strings(texts: list[str]) -> None:
    reader = door(t=Text())
    raw = b"".join(struct.pack("<I", len(t.encode())) + t.encode() for t in texts)
    first, second = both(reader, "t", "BYTES", texts, raw)
    assert first.tolist() == second.tolist() == texts


@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_booleans(flags: list[bool]) -> None:
    reader = door(b=Boolean(), t=Text(optional=True))
    array = np.array(flags)
    sent = {"name": "b", "shape": [len(flags)], "datatype": "BOOL"}
    request = json.dumps({"inputs": [{**sent, "data": flags}]}).encode()
    head = json.dumps(
        {"inputs": [{**sent, "parameters": {"binary_data_size": len(flags)}}]}
    ).encode()
    first = reader.parse(request, None).inputs["b"]
    second = reader.parse(head + array.tobytes(), len(head)).inputs["b"]
    assert first.dtype == second.dtype == np.bool_
    assert first.tolist() == second.tolist() == flags


def test_nan_in_raw_bytes_reaches_the_checker_as_a_missing_value() -> None:
    array = np.array([[np.nan, 1.0]], dtype="<f4")
    reader = door(a=Number(optional=True), b=Number())
    head = json.dumps(
        {"inputs": [{"name": MATRIX, "shape": [1, 2], "datatype": "FP32",
                     "parameters": {"binary_data_size": 8}}]}
    ).encode()  # fmt: skip
    found = reader.parse(head + array.tobytes(), len(head)).inputs[MATRIX]
    assert np.isnan(found[0, 0])


@pytest.mark.parametrize(
    ("datatype", "value"),
    [("INT64", EXACT + 1), ("INT64", -EXACT - 1), ("UINT64", EXACT + 1), ("UINT64", 2**64 - 1)],
)
def test_whole_numbers_that_a_float_cannot_hold_are_refused_on_both_ways(
    datatype: str, value: int
) -> None:
    """S3"""
    reader = door(i=Number())
    sent = {"name": "i", "shape": [2], "datatype": datatype}
    request = json.dumps({"inputs": [{**sent, "data": [0, value]}]}).encode()
    head = json.dumps({"inputs": [{**sent, "parameters": {"binary_data_size": 16}}]}).encode()
    raw = np.array([0, value], dtype=DTYPES[datatype]).tobytes()
    for given_request, length in ((request, None), (head + raw, len(head))):
        with pytest.raises(InvalidRequest) as refused:
            reader.parse(given_request, length)
        assert refused.value.rule == "range"
        assert refused.value.got in (value, "a whole number of more than 64 bits")


def test_a_raw_boolean_is_0_or_1() -> None:
    """S3"""
    reader = door(b=Boolean())
    head = json.dumps(
        {"inputs": [{"name": "b", "shape": [2], "datatype": "BOOL",
                     "parameters": {"binary_data_size": 2}}]}
    ).encode()  # fmt: skip
    with pytest.raises(InvalidRequest) as refused:
        reader.parse(head + b"\x01\x02", len(head))
    assert (refused.value.field, refused.value.rule, refused.value.got) == ("b", "range", 2)


def test_moments_agree_with_numpy() -> None:
    texts = ["2026-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z",
             "9999-12-31T23:59:59.5-01:00"]  # fmt: skip
    reader = door(t=Timestamp())
    request = json.dumps(
        {"inputs": [{"name": "t", "shape": [4], "datatype": "BYTES", "data": texts}]}
    ).encode()
    found = reader.parse(request, None).inputs["t"]
    plain = ["2026-01-01T00:00:00", "1969-12-31T23:59:59.999999", "0001-01-01T00:00:00",
             "10000-01-01T00:59:59.5"]  # fmt: skip
    assert found.tolist() == np.array(plain, dtype="datetime64[us]").tolist()


@pytest.mark.parametrize("datatype", ["FP16", "FP32"])
@pytest.mark.parametrize("count", [1, 3, 300])
def test_what_a_datatype_cannot_carry_is_refused_wherever_it_stands(
    datatype: str, count: int
) -> None:
    """S17: many numbers that are large together are fine; one that is too large is named."""
    limit = {"FP16": 65504.0, "FP32": 3.4028234663852886e38}[datatype]
    fine = [limit, -limit, *[0.9 * limit] * count]
    data = msgspec.Raw(json.dumps(fine).encode())
    assert from_json("t", datatype, len(fine), 1, data, null=False).tolist() == fine
    for wrong in (1.01 * limit, -1e300):
        for place in (0, count):
            sent = [*fine[:place], wrong, *fine[place:]]
            raw = msgspec.Raw(json.dumps(sent).encode())
            for null in (False, True):
                with pytest.raises(InvalidRequest) as refusal:
                    from_json("t", datatype, len(sent), 1, raw, null=null)
                assert (refusal.value.rule, refusal.value.got) == ("range", wrong)
    holed = msgspec.Raw(json.dumps([None, limit, None]).encode())
    assert np.isnan(from_json("t", datatype, 3, 1, holed, null=True)[[0, 2]]).all()
