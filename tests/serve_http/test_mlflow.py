"""MLflow's scoring protocol: four JSON forms and CSV that mean the same."""

import json
from typing import Any

import numpy as np
import pytest

from mainstay.base.errors import InvalidRequest, UnsupportedForm, Withheld
from mainstay.contract.columns import MATRIX
from mainstay.contract.model import Contract, Number
from mainstay.serve.http.wire.model import Parsed
from tests.serve_http.world import HOLED, MIXED, NUMERIC, OUTPUTS, answer, body, mlflow

NAMES = ["amount", "count", "vip"]
LISTS = [[12.5, 3, True], [0, 4, False]]
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in LISTS]
SAME: dict[str, tuple[bytes, str]] = {
    "split": (body(dataframe_split={"columns": NAMES, "data": LISTS}), "application/json"),
    "split with index, other order": (
        body(dataframe_split={
            "index": [5, "x"],
            "columns": NAMES[::-1],
            "data": [row[::-1] for row in LISTS],
        }),
        "application/json; charset=utf-8",
    ),
    "records": (body(dataframe_records=RECORDS), ""),
    "instances of objects": (body(instances=RECORDS), "application/json"),
    "instances of lists": (body(instances=LISTS, params={}), "application/json"),
    "inputs of columns": (
        body(inputs={"amount": [12.5, 0], "count": [3, 4], "vip": [True, False]}),
        "application/json",
    ),
    "inputs of lists": (body(inputs=LISTS, params=None), "application/json"),
    "csv": (b"amount,count,vip\n12.5,3,true\n0,4,False\n", "text/csv"),
    "csv with a mark and line ends": (
        b"\xef\xbb\xbfvip,count,amount\r\n1,3,1.25e1\r\n\r\n0,4,.0\r\n",
        'Text/CSV; charset="UTF-8"',
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_all_forms_mean_the_same_rows(case: str) -> None:
    request, content_type = SAME[case]
    parsed = mlflow(NUMERIC).parse(request, content_type)
    assert parsed.inputs[MATRIX].tolist() == [[12.5, 3, 1], [0, 4, 0]]
    assert not parsed.single


def test_columns_that_are_context_values_are_taken_as_such() -> None:
    """S16"""
    row = {
        "amount": 1.5,
        "country": "DE",
        "at": "2026-01-01T00:00:00Z",
        "embedding": [1, 2, 3],
        "count": 7,
        "age": 44,
    }
    parsed = mlflow(MIXED).parse(
        body(dataframe_records=[row], params={"spaces": {"embedding": "e5"}}), ""
    )
    assert parsed.context["age"].tolist() == [44]
    assert "age" not in parsed.inputs


def test_an_empty_cell_is_a_missing_value() -> None:
    parsed = mlflow(HOLED).parse(b"a,b,c\n1.5,,\n", "text/csv")
    assert np.isnan(parsed.inputs[MATRIX]).tolist() == [[False, True, True]]


def test_a_single_input_may_come_as_plain_values() -> None:
    one = Contract(model="one", inputs={"x": Number()}, output=OUTPUTS["number"][0])
    assert mlflow(one).parse(body(instances=[1, 2.5]), "").inputs[MATRIX].tolist() == [[1], [2.5]]


BAD: dict[str, tuple[bytes, str, str | None, str]] = {
    "empty": (b"", "", "body", "json"),
    "no form": (b"{}", "", "body", "missing"),
    "two forms": (body(instances=LISTS, inputs=LISTS), "", "inputs", "duplicate"),
    "unknown form": (body(columns=NAMES), "", "columns", "unknown"),
    "params": (body(inputs=LISTS, params={"k": 1}), "", "params.k", "unknown"),
    "no rows": (body(instances=[]), "", "instances", "rows"),
    "no rows in inputs": (body(inputs=[]), "", "inputs", "rows"),
    "no columns in inputs": (body(inputs={}), "", "inputs", "rows"),
    "no rows in a frame": (
        body(dataframe_split={"columns": NAMES, "data": []}), "", "dataframe_split", "rows"
    ),
    "too many rows": (body(instances=LISTS * 5000), "", "instances", "rows"),
    "ragged": (body(instances=[[1, 2, True], [1]]), "", "instances", "shape"),
    "mixed": (body(instances=[[1, 2, True], RECORDS[0]]), "", "instances", "type"),
    "values": (body(instances=[1, 2]), "", "instances", "type"),
    "columns differ in length": (
        body(inputs={"amount": [1], "count": [1, 2], "vip": [True]}), "", "count", "rows"
    ),
    "column twice": (
        body(dataframe_split={"columns": ["amount"] * 3, "data": [[1, 2, 3]]}),
        "", "amount", "duplicate",
    ),
    "unknown column": (
        body(dataframe_split={"columns": ["amount", "count", "vp"], "data": LISTS}),
        "", "vp", "unknown",
    ),
    "record of a list": (body(dataframe_records=[[1]]), "", "dataframe_records[0]", "type"),
    "key twice": (
        b'{"dataframe_records":[{"amount":1,"amount":2,"count":3,"vip":true}]}',
        "", "amount", "duplicate",
    ),
    "form twice": (b'{"instances":[],"instances":[[1,2,true]]}', "", "instances", "duplicate"),
    "NaN": (b'{"instances":[[NaN,1,true]]}', "", "body", "finite"),
    "csv without a header": (b"", "text/csv", "body", "missing"),
    "csv without rows": (b"amount,count,vip\n", "text/csv", "body", "rows"),
    "csv with words": (b"amount,count,vip\nx,3,true\n", "text/csv", "amount", "type"),
    "csv with nan": (b"amount,count,vip\nnan,3,true\n", "text/csv", "amount", "type"),
    "csv with an underscore": (b"amount,count,vip\n1_0,3,true\n", "text/csv", "amount", "type"),
    "csv with a fraction": (b"amount,count,vip\n1,3.5,true\n", "text/csv", "count", "type"),
    "csv with a long line": (b"amount,count,vip\n1,3,true,4\n", "text/csv", "body", "shape"),
    "csv column twice": (b"amount,amount,vip\n1,3,true\n", "text/csv", "amount", "duplicate"),
    "csv not utf-8": (b"amount,count,vip\n\xff,3,true\n", "text/csv", "body", "utf-8"),
    "csv quotes": (b'amount,count,vip\n"1"2,3,true\n', "text/csv", "body", "csv"),
    "csv cell of 10 MB": (
        b"amount,count,vip\n" + b"x" * 10_000_000 + b",3,true\n", "text/csv", "body", "csv"
    ),
    "csv with an infinite number": (b"amount,count,vip\n1e999,3,true\n", "text/csv", "amount",
                                    "finite"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_requests_name_field_and_rule(case: str) -> None:
    """S3"""
    request, content_type, field, rule = BAD[case]
    with pytest.raises(InvalidRequest) as refused:
        mlflow(NUMERIC).parse(request, content_type)
    assert (refused.value.field, refused.value.rule) == (field, rule), refused.value.message
    assert len(json.dumps(refused.value.as_dict())) < 1500


@pytest.mark.parametrize(
    "content_type",
    ["application/vnd.apache.parquet", "text/plain", "application/json; charset=latin-1", "x"],
)
def test_other_content_types_are_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedForm) as refused:
        mlflow(NUMERIC).parse(b"{}", content_type)
    assert refused.value.field == "Content-Type"


@pytest.mark.parametrize(
    ("kind", "predictions"),
    [
        ("probability", ["fraud", "ok"]),
        ("label", ["yes", "no"]),
        ("number", [1.5, -2.25]),
        ("ranking", [["y", "z"], ["x", "y"]]),
        ("vector", [[1, 2], [3, 4]]),
    ],
)
def test_predictions_are_what_a_program_acts_on(kind: str, predictions: list[Any]) -> None:
    output, raw = OUTPUTS[kind]
    contract = Contract(model="m", inputs={"x": Number()}, output=output)
    given = answer(contract, raw)
    got = json.loads(mlflow(contract).encode(given, Parsed({}, {}, 2)))
    assert got == {
        "predictions": predictions,
        "decisions": given.ids.listed(),
        "model": "m",
        "version": 3,
        "arm": "live",
    }


def test_a_withheld_row_fails_the_call() -> None:
    """S19"""
    contract = Contract(model="m", inputs={"x": Number()}, output=OUTPUTS["number"][0])
    given = answer(contract, np.array([1.5, np.nan]), ["answered", "declined"])
    with pytest.raises(Withheld):
        mlflow(contract).encode(given, Parsed({}, {}, 2))
