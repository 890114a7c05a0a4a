"""A small real model and everything a pipeline needs around it, without files or processes."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mainstay.access.model import Caller
from mainstay.base.clock import ManualClock
from mainstay.base.errors import MainstayError, ModelFailed
from mainstay.base.ids import DecisionIds
from mainstay.bundle.assets import Examples
from mainstay.bundle.known import Marks
from mainstay.bundle.model import Card, CodePart, Manifest, ModelPart
from mainstay.bundle.port import Loaded
from mainstay.bundle.prove import Evidence
from mainstay.contract.columns import MATRIX, Column, Columns
from mainstay.contract.model import Contract, Number, Probability, Serve
from mainstay.journal.memory import MemoryJournal, MemoryLog, MemorySpool
from mainstay.journal.model import Record
from mainstay.serve.engine import Engine, Machinery
from mainstay.serve.mixture import Missed
from mainstay.serve.model import Call, Run
from mainstay.serve.routes.model import Route


def contract_of(**changes: Any) -> Contract:
    """Two numbers in, a probability out."""
    settings: dict[str, Any] = {
        "model": "sum",
        "inputs": {"a": Number(min=-100, max=100), "b": Number(min=-100, max=100)},
        "output": Probability(classes=("low", "high")),
        **changes,
    }
    return Contract(**settings)


@dataclass
class SumModel:
    """Answers the logistic of a + b; can be told to wait, to break or to answer nonsense."""

    contract: Contract = field(default_factory=contract_of)
    gate: threading.Event | None = None
    breaks: Callable[[Column], bool] = lambda matrix: False
    poison: float | None = None
    runs: list[int] = field(default_factory=list)
    started: threading.Event = field(default_factory=threading.Event)
    extracts: bool = False
    known: dict[str, Marks] = field(default_factory=dict)
    fingerprint: str = "f" * 64
    bias: float = 0.0
    """Added to every sum, to tell versions apart."""

    @property
    def manifest(self) -> Manifest:
        return Manifest(
            model=self.contract.model,
            contract=self.contract,
            features=tuple(self.contract.inputs),
            runs=ModelPart(format="onnx", file="model/model.onnx", layout="matrix"),
            code=CodePart(file="code/features.py", extract="features") if self.extracts else None,
            files={},
            card=Card(packed_at="2026-01-01T00:00:00Z"),
        )

    def extract(self, columns: Columns) -> Columns:
        if MATRIX in columns:
            return {MATRIX: columns[MATRIX].astype(np.float32)}
        stacked = np.column_stack([columns[name] for name in self.contract.inputs])
        return {MATRIX: stacked.astype(np.float32)}

    def predict(self, features: Columns) -> Column:
        matrix = features[MATRIX]
        self.runs.append(len(matrix))
        self.started.set()
        if self.gate is not None:
            self.gate.wait(timeout=120)
        if self.breaks(matrix):
            raise ModelFailed("the model broke down")
        high = 1 / (1 + np.exp(-self.bias - matrix.sum(axis=1, dtype=np.float64)))
        if self.poison is not None:
            high = np.where(matrix[:, 0] == self.poison, np.nan, high)
        return np.column_stack([1 - high, high])

    def lookup(self, name: str) -> Callable[[list[Any]], dict[Any, dict[str, Any]]]:
        raise NotImplementedError(name)


def evidence_of(loaded: Loaded, rows: int = 6, labels: bool = False) -> Evidence:
    """What a version that answers as `SumModel` does must prove itself with."""
    inputs = {"a": np.linspace(-3, 3, rows), "b": np.full(rows, 0.5)}
    high = 1 / (1 + np.exp(-(inputs["a"] + inputs["b"])))
    few = {name: column[:6] for name, column in inputs.items()}
    return Evidence(
        end_to_end=Examples(inputs=few, expected=np.column_stack([1 - high, high])[:6]),
        confidence=Examples(
            inputs=inputs, label=(high >= 0.5).astype(np.int64) if labels else None
        ),
        first_impressions=Examples(inputs={}),
    )


class FailingSpool(MemorySpool):
    """A spool on a disk that may be full."""

    failure: MainstayError | None = None

    def append(self, records: Sequence[Record]) -> None:
        if self.failure is not None:
            raise self.failure
        super().append(records)


@dataclass
class World:
    """An engine on a manual clock with a journal in memory."""

    clock: ManualClock = field(default_factory=ManualClock)
    log: MemoryLog = field(default_factory=MemoryLog)
    spool: FailingSpool = field(init=False)
    journal: MemoryJournal = field(init=False)
    observed: list[Run] = field(default_factory=list)
    announced: list[Route] = field(default_factory=list)
    missed: list[Missed] = field(default_factory=list)
    back: set[str] = field(default_factory=set)
    """Units that chose the version before."""

    def __post_init__(self) -> None:
        self.spool = FailingSpool(self.log, 7)
        self.journal = MemoryJournal(self.log)

    def engine(self, **parts: Any) -> Engine:
        return Engine(
            Machinery(
                ids=DecisionIds(7, self.clock),
                spool=self.spool,
                models=ThreadPoolExecutor(2),
                lookups=ThreadPoolExecutor(2),
                clock=self.clock,
                observe=lambda route, run: self.observed.append(run),
                announce=lambda route, fields: self.announced.append(route),
                missed=self.missed.append,
                chose=lambda route: self.back.__contains__,
                **parts,
            )
        )

    def call(self, *rows: tuple[float, float], door: str = "decide", caller: str = "ann") -> Call:
        matrix = np.array(rows, dtype=np.float64).reshape(-1, 2)
        return Call(
            caller=Caller(name=caller),
            door=door,
            request="",
            inputs={MATRIX: matrix},
            context={},
            rows=len(matrix),
            received_ns=self.clock.elapsed_ns(),
        )


def route_of(number: int = 1, epoch: int = 1, fingerprint: str = "f" * 64) -> Route:
    return Route(
        model="sum",
        epoch=epoch,
        number=number,
        fingerprint=fingerprint,
        actor="ann",
        reason="",
        time_ns=0,
    )


def slow(deadline: str = "10s") -> Contract:
    """A contract with a deadline."""
    return contract_of(serve=Serve(deadline=deadline))
