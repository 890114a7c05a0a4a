"""Cases to judge, and versions to fall back on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mainstay.base.errors import ModelFailed
from mainstay.bundle.known import Marks
from mainstay.bundle.model import Card, Manifest, ModelPart
from mainstay.contract.columns import MATRIX, Column, Columns, rows_of
from mainstay.contract.load import loads_contract
from mainstay.contract.model import Contract
from mainstay.contract.values import Checker
from mainstay.judge.model import Case

FRAUD = """
model: fraud
inputs:
  amount: {type: number, min: -1000000, max: 1000000}
  age: {type: integer, min: 0, max: 200, optional: true}
  country: {type: category, values: [DE, FR], others: true}
output: {type: probability, classes: [ok, fraud]}
"""
LITE = """
model: fraud-lite
inputs:
  amount: {type: number, min: 0, max: 1000}
output: {type: probability, classes: [ok, fraud]}
"""


def contract(text: str = FRAUD, judge: str = "") -> Contract:
    return loads_contract(f"{text}\njudge: {judge}\n" if judge else text, "contract.yaml")


@dataclass
class Spoken:
    """A version whose answers a test says."""

    contract: Contract
    answers: Callable[[Columns], Column]
    asked: list[int] = field(default_factory=list)
    extracts: bool = False
    known: dict[str, Marks] = field(default_factory=dict)
    fingerprint: str = "a" * 64

    @property
    def manifest(self) -> Manifest:
        return Manifest(
            model=self.contract.model,
            contract=self.contract,
            features=tuple(self.contract.inputs),
            runs=ModelPart(format="onnx", file="model/model.onnx", layout="matrix"),
            files={},
            card=Card(packed_at="2026-01-01T00:00:00Z"),
        )

    def extract(self, columns: Columns) -> Columns:
        return columns

    def predict(self, features: Columns) -> Column:
        self.asked.append(rows_of(features))
        return self.answers(features)

    def lookup(self, name: str) -> Callable[[list[Any]], dict[Any, dict[str, Any]]]:
        raise NotImplementedError(name)


def always(probability: float) -> Callable[[Columns], Column]:
    def answers(features: Columns) -> Column:
        return np.tile([1 - probability, probability], (rows_of(features), 1))

    return answers


def raising(features: Columns) -> Column:
    raise ModelFailed("the small model broke down")


def case(of: Contract, inputs: Columns, output: Column, context: Columns | None = None) -> Case:
    checker = Checker(of)
    if checker.numeric and MATRIX not in inputs:
        inputs = {
            MATRIX: np.column_stack([inputs[name].astype(np.float64) for name in checker.names])
        }
    rows = len(output)
    return Case(
        rows=rows,
        inputs=inputs,
        context=context or {},
        output=output,
        names=checker.names,
        callers=lambda: ["ann"] * rows,
        time_ns=1_700_000_000_000_000_000,
        statuses=np.zeros(rows, dtype=np.uint8),
        reasons={},
    )


def payments(amounts: list[float], countries: list[str] | None = None) -> Columns:
    country = np.array(countries or ["DE"] * len(amounts), dtype=object)
    return {
        "amount": np.array(amounts, dtype=np.float64),
        "age": np.full(len(amounts), np.nan),
        "country": country,
    }
