"""Recorded rows are answered by another version, and what it cannot answer is named (L6)."""

import numpy as np
import pytest

from mainstay.access.model import Caller
from mainstay.base.clock import ManualClock
from mainstay.base.ids import DecisionIds
from mainstay.contract.columns import MATRIX
from mainstay.contract.model import Number
from mainstay.journal.model import DecisionBatch
from mainstay.release.reprocess.again import Again, Reading, ids_of
from mainstay.release.reprocess.model import DOOR, Told, Value
from mainstay.serve.model import Call
from mainstay.serve.pipeline import Pipeline
from tests.serve.world import SumModel, contract_of, route_of

CLOCK = ManualClock()
ROWS = np.array([[1.0, 2.0], [-3.0, 1.0], [5.0, 5.0], [-4.0, -4.0]])


def pipeline_of(model: SumModel, incarnation: int) -> Pipeline:
    route = route_of(fingerprint=model.fingerprint)
    return Pipeline(model, route, DecisionIds(incarnation, CLOCK), CLOCK, arm="shadow")


def recorded(model: SumModel) -> DecisionBatch:
    pipeline = pipeline_of(model, 1)
    calls = [
        Call(
            caller=Caller(name=name),
            door="http",
            request="",
            inputs={MATRIX: part},
            context={},
            rows=2,
            received_ns=0,
        )
        for name, part in (("ann", ROWS[:2]), ("bob", ROWS[2:]))
    ]
    run, _ = pipeline.run(calls)
    assert run is not None
    return pipeline.decisions(run)


def test_rows_are_read_and_answered_with_what_they_say_then_and_now():
    """L6 L3: for the callers of the time; each names what it replaces; some are left out."""
    old, new = SumModel(bias=20.0), SumModel(fingerprint="e" * 64)
    batch = recorded(old)
    ids = ids_of(batch)
    rows = list(Reading(old.manifest, 1).rows(batch, {ids[1]}))
    assert [(row.id, row.caller) for row in rows] == [
        (ids[0], "ann"), (ids[2], "bob"), (ids[3], "bob"),
    ]  # fmt: skip
    answered = Again(pipeline_of(new, 2), CLOCK).answer(rows)
    assert answered.refused == []
    (made,) = answered.batches
    assert (made.door, made.arm, made.shadows) == (DOOR, "shadow", (ids[0], ids[2], ids[3]))
    assert made.callers == ("ann", "bob", "bob")
    assert [value.replaces for value in answered.values] == [ids[0], ids[2], ids[3]]
    assert [value.id for value in answered.values] == ids_of(made)
    assert [value.before.answer for value in answered.values] == ["high"] * 3
    assert [value.after.answer for value in answered.values] == ["high", "high", "low"]
    assert [value.changed for value in answered.values] == [False, False, True]
    assert list(Reading(old.manifest, 1).rows(batch, set(ids))) == []


def test_one_row_that_breaks_the_model_is_named_and_the_others_are_answered():
    """L6: whatever else goes wrong with it."""
    old = SumModel()
    new = SumModel(breaks=lambda matrix: bool((matrix[:, 0] == 5.0).any()))
    batch = recorded(old)
    ids = ids_of(batch)
    rows = list(Reading(old.manifest, 1).rows(batch, set()))
    answered = Again(pipeline_of(new, 2), CLOCK).answer(rows)
    assert [(each.id, each.words) for each in answered.refused] == [
        (ids[2], "the model broke down")
    ]
    assert {value.replaces for value in answered.values} == {ids[0], ids[1], ids[3]}


def test_a_version_that_takes_what_was_not_recorded_answers_none():
    """L6: and says what is missing."""
    old = SumModel()
    more = contract_of(inputs={**old.contract.inputs, "c": Number()})
    rows = list(Reading(old.manifest, 1).rows(recorded(old), set()))
    answered = Again(pipeline_of(SumModel(contract=more), 2), CLOCK).answer(rows)
    assert (answered.batches, answered.values) == ([], [])
    assert {each.words for each in answered.refused} == {"v1 takes c, which was not recorded"}
    fewer = contract_of(inputs={"a": old.contract.inputs["a"]})
    assert not Again(pipeline_of(SumModel(contract=fewer), 3), CLOCK).answer(rows).refused


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (Told(version=1, status="answered", answer="a"), Told(version=2, status="answered", answer="a"), False),
        (Told(version=1, status="answered", answer="a"), Told(version=2, status="answered", answer="b"), True),
        (Told(version=1, status="answered", answer="a"), Told(version=2, status="declined"), True),
        (Told(version=1, status="fallback"), Told(version=2, status="fallback", answer="b"), False),
    ],
)  # fmt: skip
def test_what_says_something_else(before: Told, after: Told, changed: bool):
    """L6: what a fallback said then is not recorded, so it is not called changed."""
    assert Value(replaces="x", id="y", before=before, after=after).changed is changed
