"""The Open Inference Protocol's answers, for every kind of output, as JSON and as raw bytes."""

import json
import struct
from typing import Any

import numpy as np
import pytest

from mainstay.base.errors import Withheld
from mainstay.contract.model import Contract, Number
from mainstay.serve.http.wire.model import ALL_BINARY, ALL_JSON, Parsed, Wanted
from tests.serve_http.world import OUTPUTS, answer, oip


def contract_of(kind: str) -> Contract:
    return Contract(model="m", inputs={"x": Number()}, output=OUTPUTS[kind][0])


def parsed(wanted: Wanted = ALL_JSON, request: str = "") -> Parsed:
    return Parsed({}, {}, 2, request, wanted)


def read(body: bytes, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """A response as a client reads it, raw bytes or not."""
    length = dict(headers).get(b"inference-header-content-length")
    head = json.loads(body if length is None else body[: int(length)])
    place = len(body) if length is None else int(length)
    for output in head["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            continue
        output["data"] = unpack(output["datatype"], body[place : place + size])
        place += size
    assert place == len(body)
    return head


def unpack(datatype: str, raw: bytes) -> list[Any]:
    if datatype == "FP64":
        return np.frombuffer(raw, dtype="<f8").tolist()
    texts: list[str] = []
    while raw:
        (length,) = struct.unpack_from("<I", raw)
        texts.append(raw[4 : 4 + length].decode())
        raw = raw[4 + length :]
    return texts


def values(head: dict[str, Any]) -> dict[str, Any]:
    return {output["name"]: output["data"] for output in head["outputs"]}


EXPECTED: dict[str, dict[str, Any]] = {
    "probability": {
        "probability": [0.25, 0.75, float(np.float32(0.9)), float(np.float32(0.1))],
        "answer": ["fraud", "ok"],
    },
    "label": {"answer": ["yes", "no"]},
    "number": {"answer": [1.5, -2.25]},
    "ranking": {
        "score": [0.1, 0.9, 0.5, 3.0, 2.0, 1.0],
        "answer": ["y", "z", "x", "y"],
    },
    "vector": {"answer": [1.0, 2.0, 3.0, 4.0]},
}


@pytest.mark.parametrize("wanted", [ALL_JSON, ALL_BINARY], ids=["json", "raw"])
@pytest.mark.parametrize("kind", EXPECTED)
def test_each_output_kind_answers_the_same_as_json_and_as_raw_bytes(
    kind: str, wanted: Wanted
) -> None:
    contract = contract_of(kind)
    given = answer(contract, OUTPUTS[kind][1])
    head = read(*oip(contract).encode(given, parsed(wanted, 'my "id"')))
    assert values(head) == {
        **EXPECTED[kind],
        "decision": given.ids.listed(),
        "status": ["answered", "answered"],
    }
    assert (head["model_name"], head["model_version"], head["id"]) == ("m", "3", 'my "id"')


@pytest.mark.parametrize("kind", EXPECTED)
def test_metadata_states_the_names_types_and_shapes_that_are_answered(kind: str) -> None:
    contract = contract_of(kind)
    head = read(*oip(contract).encode(answer(contract, OUTPUTS[kind][1]), parsed()))
    stated = json.loads(oip(contract).metadata([3]))["outputs"]
    sent = [
        {"name": o["name"], "datatype": o["datatype"], "shape": [-1, *o["shape"][1:]]}
        for o in head["outputs"]
    ]
    assert sent == stated
    for output in head["outputs"]:
        assert len(output["data"]) == int(np.prod(output["shape"]))


def test_only_the_wanted_outputs_are_sent_in_the_form_that_was_asked() -> None:
    contract = contract_of("probability")
    wanted = Wanted(("status", "probability"), (False, True), binary_otherwise=True, status=True)
    body, headers = oip(contract).encode(
        answer(contract, OUTPUTS["probability"][1]), parsed(wanted)
    )
    head = read(body, headers)
    assert [output["name"] for output in head["outputs"]] == ["status", "probability"]
    assert "parameters" not in head["outputs"][0]
    assert head["outputs"][1]["parameters"] == {"binary_data_size": 32}
    assert dict(headers)[b"content-type"] == b"application/octet-stream"


def test_without_an_id_of_its_own_a_request_is_known_by_its_first_decision() -> None:
    contract = contract_of("number")
    given = answer(contract, OUTPUTS["number"][1])
    assert read(*oip(contract).encode(given, parsed()))["id"] == given.ids[0]


def test_a_withheld_row_fails_the_call_of_a_client_that_does_not_look() -> None:
    """S19: nobody takes a value for an answer that may not be shown."""
    contract = contract_of("number")
    given = answer(contract, np.array([1.5, np.nan]), ["answered", "declined"])
    with pytest.raises(Withheld) as refused:
        oip(contract).encode(given, parsed())
    assert refused.value.as_dict()["decisions"] == [given.ids[1]]
    assert refused.value.message.startswith(contract.judge.say)
    asked_otherwise = Wanted(("answer",), (False,))
    with pytest.raises(Withheld):
        oip(contract).encode(given, parsed(asked_otherwise))


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("kind", EXPECTED)
def test_whoever_asks_for_the_status_gets_the_good_rows_and_nothing_of_the_others(
    kind: str, binary: bool
) -> None:
    """S19"""
    contract = contract_of(kind)
    output = OUTPUTS[kind][1].copy()
    if output.dtype.kind == "f":
        output[1] = np.nan
    given = answer(contract, output, ["answered", "declined"])
    names = (*EXPECTED[kind], "status")
    wanted = Wanted(names, (binary,) * len(names), status=True)
    body, headers = oip(contract).encode(given, parsed(wanted))
    got = values(read(body, headers))
    assert got.pop("status") == ["answered", "declined"]
    for name, data in got.items():
        half = len(data) // 2
        assert data[:half] == EXPECTED[kind][name][:half]
        assert set(data[half:]) <= {0.0, ""}
    assert b"nan" not in body.lower()


def test_configuration_and_server_metadata_are_what_triton_clients_read() -> None:
    config = json.loads(oip(contract_of("ranking")).configuration(3))
    assert config["input"] == [{"name": "x", "data_type": "TYPE_FP64", "dims": [-1]}]
    assert config["output"][1] == {"name": "answer", "data_type": "TYPE_STRING", "dims": [-1, 2]}
