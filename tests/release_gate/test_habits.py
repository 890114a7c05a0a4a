"""S32: what is asked again and again, learned from the journal."""

import numpy as np

from mainstay.contract.columns import encode
from mainstay.contract.model import (
    Boolean,
    Category,
    Contract,
    Integer,
    Number,
    NumberOutput,
    Ranking,
    VectorOutput,
)
from mainstay.journal.memory import MemoryJournal, MemoryLog, MemorySpool
from mainstay.journal.model import DecisionBatch, Layout
from mainstay.release.gate.habits import TIMES_MIN, Repeated, compared, repeated_inputs

FINGERPRINT = "f1" * 32
CONTRACT = Contract(
    model="fraud",
    inputs={
        "amount": Number(optional=True),
        "country": Category(values=("DE", "FR"), optional=True),
        "hour": Integer(),
        "new": Boolean(),
    },
    output=NumberOutput(),
)


def journal(rows: list[tuple], fingerprint: str = FINGERPRINT) -> MemoryJournal:
    log = MemoryLog()
    spool = MemorySpool(log, 7)
    spool.describe(
        Layout(
            fingerprint=fingerprint, model="fraud", number=1, inputs=tuple(CONTRACT.inputs),
            features=("a",), outputs=("score",),
        )
    )  # fmt: skip
    country = np.empty(len(rows), dtype=object)
    country[:] = [row[1] for row in rows]
    inputs = {
        "amount": np.array([row[0] for row in rows], dtype=np.float64),
        "country": country,
        "hour": np.array([row[2] for row in rows], dtype=np.int64),
        "new": np.array([row[3] for row in rows], dtype=np.bool_),
    }
    spool.append([
        DecisionBatch(
            fingerprint=fingerprint, route=1, door="http", time_ms=1_700_000_000_000, incarnation=7,
            first_sequence=0, rows=len(rows), callers=("ann",), inputs=encode(inputs),
            features=encode({"a": np.zeros(len(rows))}),
            outputs=encode({"output": np.zeros(len(rows))}), statuses=bytes(len(rows)),
        )
    ])  # fmt: skip
    return MemoryJournal(log)


def test_exact_repeats_are_counted_and_rare_ones_are_none():
    often, missing, rare = (1.5, "DE", 3, True), (np.nan, None, 4, False), (9.0, "FR", 5, True)
    rows = [often] * (TIMES_MIN + 5) + [missing] * TIMES_MIN + [rare] * (TIMES_MIN - 1)
    found = repeated_inputs(journal(rows).query, CONTRACT, FINGERPRINT)
    assert found.times == (TIMES_MIN + 5, TIMES_MIN)
    assert found.columns["amount"].tolist()[0] == 1.5
    assert np.isnan(found.columns["amount"][1])
    assert found.columns["country"].tolist() == ["DE", None]
    assert found.columns["hour"].tolist() == [3, 4]
    assert found.words[0] == "amount=1.5, country=DE, hour=3, new=1"


def test_another_version_has_other_habits():
    rows = [(1.5, "DE", 3, True)] * 50
    assert repeated_inputs(journal(rows, "f2" * 32).query, CONTRACT, FINGERPRINT).times == ()
    assert repeated_inputs(MemoryJournal(MemoryLog()).query, CONTRACT, FINGERPRINT).times == ()


def test_what_a_person_would_call_the_same_answer():
    repeated = Repeated(columns={}, times=(9, 9), words=("a", "b"))
    before, after = np.array([100.0, 100.0]), np.array([104.0, 120.0])
    habits = compared(repeated, [0, 1], NumberOutput(), (before, None), (after, None))
    assert [(each.before, each.after, each.kept) for each in habits] == [
        ("100", "104", True), ("100", "120", False),
    ]  # fmt: skip
    ranking = Ranking(items=("a", "b", "c"), top=2)
    old, new = np.array([[3.0, 2, 1], [3, 2, 1]]), np.array([[9.0, 8, 1], [3, 1, 2]])
    habits = compared(repeated, [0, 1], ranking, (old, None), (new, None))
    assert [(each.after, each.kept) for each in habits] == [("a, b", True), ("a, c", False)]
    vectors = np.zeros((2, 3))
    assert (
        compared(repeated, [0, 1], VectorOutput(length=3), (vectors, None), (vectors, None)) == ()
    )


def test_a_name_with_quotes_is_only_a_name():
    odd = Contract(model="m", inputs={'a"; drop': Number()}, output=NumberOutput())
    assert repeated_inputs(MemoryJournal(MemoryLog()).query, odd, FINGERPRINT).times == ()


def test_few_decisions_are_no_habit():
    found = repeated_inputs(journal([(1.0, "DE", 1, True)]).query, CONTRACT, FINGERPRINT)
    assert found.times == ()
