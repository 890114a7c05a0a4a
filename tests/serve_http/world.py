"""Contracts of every kind of input, requests to them, and answers as a pipeline would give them."""

import json
from typing import Any

import numpy as np

from mainstay.contract.columns import Column
from mainstay.contract.model import (
    Boolean,
    Category,
    Contract,
    FromLookup,
    FromRequest,
    HttpSource,
    Integer,
    Label,
    Number,
    NumberOutput,
    Output,
    Probability,
    Ranking,
    Text,
    Timestamp,
    Vector,
    VectorOutput,
)
from mainstay.contract.values import Checker
from mainstay.judge.present import present
from mainstay.serve.http.wire.decide import DecideDoor
from mainstay.serve.http.wire.mlflow import MlflowDoor
from mainstay.serve.http.wire.oip import OipDoor
from mainstay.serve.model import Answer, Ids

NUMERIC = Contract(
    model="fraud",
    inputs={
        "amount": Number(min=0, max=1e6),
        "count": Integer(),
        "vip": Boolean(),
    },
    output=Probability(classes=("ok", "fraud")),
)
HOLED = Contract(
    model="holed",
    inputs={"a": Number(optional=True), "b": Integer(optional=True), "c": Boolean(optional=True)},
    output=NumberOutput(),
)
MIXED = Contract(
    model="mixed",
    inputs={
        "amount": Number(),
        "country": Category(values=("DE", "FR")),
        "note": Text(max_length=20, optional=True),
        "at": Timestamp(),
        "embedding": Vector(length=3, space="e5"),
        "count": Integer(),
    },
    context={
        "channel": FromRequest(value=Text(), otherwise="web"),
        "age": FromRequest(value=Integer(min=0, max=150)),
        "account": FromLookup(
            lookup="accounts", key="country", fields={"days": Integer()}, otherwise={"days": 0}
        ),
    },
    lookups={"accounts": HttpSource(http="http://127.0.0.1/{key}")},
    output=Label(classes=("no", "yes")),
)
CONTRACTS = (NUMERIC, HOLED, MIXED)
OUTPUTS: dict[str, tuple[Output, Column]] = {
    "probability": (
        Probability(classes=("ok", "fraud")),
        np.array([[0.25, 0.75], [0.9, 0.1]], dtype=np.float32),
    ),
    "label": (Label(classes=("no", "yes")), np.array([1, 0])),
    "number": (NumberOutput(), np.array([1.5, -2.25])),
    "ranking": (
        Ranking(items=("x", "y", "z"), top=2),
        np.array([[0.1, 0.9, 0.5], [3.0, 2.0, 1.0]]),
    ),
    "vector": (VectorOutput(length=2), np.array([[1.0, 2.0], [3.0, 4.0]])),
}


def oip(contract: Contract) -> OipDoor:
    return OipDoor(contract, Checker(contract))


def decide(contract: Contract) -> DecideDoor:
    return DecideDoor(contract, Checker(contract))


def mlflow(contract: Contract) -> MlflowDoor:
    return MlflowDoor(contract, Checker(contract))


def tensor(
    name: str, shape: list[int], datatype: str, data: Any, **parameters: Any
) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "shape": shape, "datatype": datatype, "data": data}
    if parameters:
        made["parameters"] = parameters
    return made


def matrix(rows: int = 1, **changes: Any) -> dict[str, Any]:
    return {**tensor("matrix", [rows, 3], "FP64", [12.5, 3, 1] * rows), **changes}


def mixed_tensors() -> list[dict[str, Any]]:
    return [
        tensor("amount", [2], "FP64", [1.5, 2.5]),
        tensor("country", [2, 1], "BYTES", ["DE", "FR"]),
        tensor("note", [2], "BYTES", ["hällo", None]),
        tensor("at", [2], "BYTES", ["2026-01-01T00:00:00Z", "2026-01-01T02:00:00.5+02:00"]),
        tensor("embedding", [2, 3], "FP32", [[1, 2, 3], [4, 5, 6]], space="e5"),
        tensor("count", [2], "INT64", [7, 8]),
        tensor("age", [2], "INT32", [30, 40]),
    ]


def body(**request: Any) -> bytes:
    return json.dumps(request, ensure_ascii=False).encode()


def answer(
    contract: Contract, output: Column, statuses: list[str] | None = None, **changes: Any
) -> Answer:
    rows = len(output)
    settings: dict[str, Any] = {
        "model": contract.model,
        "number": 3,
        "fingerprint": "f" * 64,
        "route": 7,
        "ids": Ids("0" * 20, 0, rows),
        "output": output,
        "shown": present(contract)(output),
        "statuses": statuses or ["answered"] * rows,
        "reasons": ["" if s == "answered" else "not finite" for s in statuses or [""] * rows],
        "contract": contract,
        **changes,
    }
    if not statuses:
        settings["reasons"] = [""] * rows
    return Answer(**settings)
