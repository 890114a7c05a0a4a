"""S38: what a caller sent unusually is put right at the door, answered, recorded and counted."""

import asyncio
import json

import numpy as np
import pytest

from mainstay.access.model import Caller
from mainstay.base.errors import InvalidRequest
from mainstay.base.ids import DecisionIds
from mainstay.contract.columns import MATRIX, decode
from mainstay.contract.model import Contract
from mainstay.contract.repairing import Transform
from mainstay.contract.values import Checker
from mainstay.serve.http.wire.decide import DecideDoor
from mainstay.serve.http.wire.mlflow import MlflowDoor
from mainstay.serve.http.wire.model import Parsed
from mainstay.serve.http.wire.oip import OipDoor
from mainstay.serve.mixture import _part_of, why_not
from mainstay.serve.model import Call
from mainstay.serve.pipeline import Pipeline
from tests.serve.world import SumModel, World, contract_of, route_of

SCALE = Transform(when_above=100.0, divide_by=100.0)
REPAIRING = contract_of(repair={"a": ("comma", SCALE), "b": ("clip",)})


def call_of(world: World, parsed: Parsed) -> Call:
    return Call(
        caller=Caller(name="ann"), door="decide", request="", inputs=parsed.inputs,
        context=parsed.context, rows=parsed.rows, received_ns=world.clock.elapsed_ns(),
        repaired=parsed.repaired,
    )  # fmt: skip


def doors(contract: Contract, rows: list[dict[str, object]]) -> dict[str, Parsed]:
    checker = Checker(contract)
    decided = json.dumps({"rows": [{"inputs": row} for row in rows]}).encode()
    records = json.dumps({"dataframe_records": rows}).encode()
    found = {
        "decide": DecideDoor(contract, checker).parse(decided),
        "invocations": MlflowDoor(contract, checker).parse(records, "application/json"),
    }
    if not any(isinstance(value, str) for row in rows for value in row.values()):
        flat = [row[name] for row in rows for name in ("a", "b")]
        tensor = {"name": "matrix", "shape": [len(rows), 2], "datatype": "FP64", "data": flat}
        found["oip"] = OipDoor(contract, checker).parse(
            json.dumps({"inputs": [tensor]}).encode(), None
        )
    return found


def test_every_door_repairs_and_the_decision_keeps_what_was_sent() -> None:
    """S38: the model sees what is meant; the record says what was sent and by what it was changed;
    the metrics count it; rows without a fault say nothing."""

    async def story() -> None:
        for rows in (
            [{"a": "1,5", "b": 2}, {"a": 3, "b": 400}],
            [{"a": 150, "b": 2}, {"a": 3, "b": 400}],
        ):
            for door, parsed in doors(REPAIRING, rows).items():
                world = World()
                engine = world.engine()
                engine.switch(engine.prepare(SumModel(contract=REPAIRING), route_of(), {}))
                serving = engine.find("sum")
                answer = await serving.joiner.ask(call_of(world, parsed))
                assert answer.statuses == ["answered", "answered"]
                batch = next(iter(world.log.runs.values()))[0]
                assert decode(batch.inputs)[MATRIX].tolist() == [[1.5, 2.0], [3.0, 100.0]], door
                told = decode(batch.judged)["repaired"].tolist()
                by = "comma" if "1,5" in str(rows) else "unit"
                sent = {"a": [by, rows[0]["a"]]}
                assert [json.loads(each) for each in told] == [sent, {"b": ["clip", 400]}]
                counts = world.observed[0].counts
                assert counts["repaired", "a", by] == counts["repaired", "b", "clip"] == 1

    asyncio.run(story())


def test_what_a_repair_makes_is_checked_as_anything_else() -> None:
    """S38: 'abc' is no number, and 50 000 is none that can be meant."""
    door = DecideDoor(REPAIRING, Checker(REPAIRING))
    with pytest.raises(InvalidRequest):
        door.parse(b'{"inputs": {"a": "abc", "b": 1}}')
    with pytest.raises(InvalidRequest, match="500"):
        door.parse(b'{"inputs": {"a": 50000, "b": 1}}')


def test_a_contract_that_declares_none_records_none() -> None:
    """S38: off by default; where it is declared, the column is always there."""
    world = World()
    for contract, columns in ((contract_of(), set[str]()), (REPAIRING, {"repaired"})):
        pipeline = Pipeline(
            SumModel(contract=contract), route_of(), DecisionIds(7, world.clock), world.clock
        )
        run, _ = pipeline.run([world.call((1.0, 1.0))])
        assert run is not None
        assert set(run.judged) == columns
    assert run.judged["repaired"].tolist() == [None]


def test_parts_of_a_call_keep_their_own_repairs_and_arms_repair_alike() -> None:
    """S38 S14"""
    world = World()
    parsed = doors(REPAIRING, [{"a": 150, "b": 2}, {"a": 3, "b": 400}, {"a": 1, "b": 1}])["oip"]
    part = _part_of(call_of(world, parsed), [2, 1])
    assert [(change.row, change.field) for change in part.repaired] == [(1, "b")]
    assert "repairs values otherwise" in why_not(contract_of(), REPAIRING, "")
    assert np.array_equal(part.inputs[MATRIX][1], [3.0, 100.0])
