"""The way of one answer through judgement, in words and in order (S21 S30 L3)."""

from typing import Any

import numpy as np
import pytest

from mainstay.base.clock import ManualClock
from mainstay.contract.model import Contract
from mainstay.journal.model import STATUSES, Decision
from mainstay.judge.compile import compile_flow
from mainstay.judge.explain import Passed, path_of
from mainstay.judge.model import Case, Means, Other
from tests.judge.world import LITE, Spoken, always, case, contract, payments

JUDGE = """{cold: {country: fallback}, rules: ['answer != "fraud" or amount > 5'], cost: {of_error: 100, decline_above: 45},
 confidence: {at_least: 0.6, otherwise: ask},
 fallback: [fraud-lite, {answer: fraud, when: amount > 500}, {say: Later.}]}"""


def decided(
    of: Contract, amount: float, high: float, country: str = "DE", *, model: bool = True
) -> Decision:
    """What the journal would keep of one row."""
    output = np.array([[1 - high, high]])
    row: Case = case(of, payments([amount], [country]), output)
    others = {"fraud-lite": Other(4, Spoken(contract(LITE), always(0.9)))}
    flow = compile_flow(of, Means(clock=ManualClock(), others=others))
    if model:
        flow(row)
    else:
        flow.without_model(row, "the model failed: no memory")
    judged: dict[str, Any] = {name: column.tolist()[0] for name, column in row.judged.items()}
    return Decision(
        id="1", model="fraud", version=3, fingerprint="f", route=1, door="decide", time="2026-01-01",
        caller="ann", request="", status=STATUSES[row.statuses[0]], reason=row.reasons.get(0, ""),
        inputs={"amount": amount}, context={}, features={}, output={"ok": 1 - high, "fraud": high},
        judged=judged, waited_ns=0, steps_ns={"predict": 1} if model else {"judge": 1},
        run_rows=3, run_row=0,
    )  # fmt: skip


def told(path: list[Passed]) -> list[tuple[str, str]]:
    return [(each.where, each.verdict) for each in path]


FIRST = [("asked", "pass"), ("model", "pass")]


@pytest.mark.parametrize(
    ("row", "way"),
    [
        ((10.0, 0.9), [
            ("sense", "pass"), ("cold", "pass"), ("rules", "pass"), ("confidence", "pass"),
            ("cost", "pass"), ("answered", "told"),
        ]),
        ((10.0, 0.58), [
            ("sense", "pass"), ("cold", "pass"), ("rules", "pass"), ("confidence", "withheld"),
            ("cost", "pass"), ("asked", "told"),
        ]),
        ((10.0, np.nan), [
            ("sense", "withheld"), ("cold", "pass"), ("rules", "pass"), ("fallback", "pass"),
            ("fallback", "told"),
        ]),
        ((5000.0, np.nan), [
            ("sense", "withheld"), ("cold", "pass"), ("rules", "pass"), ("fallback", "withheld"),
            ("fallback", "pass"), ("fallback", "told"),
        ]),
        ((-1.0, np.nan), [
            ("sense", "withheld"), ("cold", "pass"), ("rules", "pass"), ("fallback", "withheld"),
            ("fallback", "withheld"), ("fallback", "pass"), ("declined", "told"),
        ]),
        ((10.0, 0.9, "XX"), [
            ("sense", "pass"), ("cold", "withheld"), ("rules", "pass"), ("confidence", "pass"),
            ("cost", "pass"), ("fallback", "pass"), ("fallback", "told"),
        ]),
    ],
)  # fmt: skip
def test_the_way_is_told_in_the_order_in_which_it_was_gone(
    row: Any, way: list[tuple[str, str]]
) -> None:
    """S30: each place with what it measured; what took the answer back is marked, once."""
    of = contract(judge=JUDGE)
    path = path_of(decided(of, *row), of)
    assert told(path) == FIRST + way
    alone = [each for each in path_of(decided(of, *row)) if each.where != "rules"]
    assert told(alone) == [each for each in FIRST + way if each[0] != "rules"], "without a contract"


def test_the_words_say_what_was_measured_and_why() -> None:
    of = contract(judge=JUDGE)
    words = {each.where: each.words for each in path_of(decided(of, 5000.0, np.nan), of)}
    assert "the output is not finite" in words["sense"]
    assert "together with 2 other rows" in words["asked"]
    steps = [
        each.words for each in path_of(decided(of, 5000.0, np.nan), of) if each.where == "fallback"
    ]
    assert steps[0].startswith("step 1, the model fraud-lite: v4: ")
    assert "1000" in steps[0]
    assert steps[1] == "step 2, the answer fraud when amount > 500: it answered fraud"
    asked = [
        each.words for each in path_of(decided(of, 10.0, 0.58), of) if each.where == "confidence"
    ]
    assert asked[0].startswith(
        "its confidence was 0.58, and at least 0.6 is wanted: confidence 0.58"
    )


def test_an_answer_without_its_model_and_with_repairs() -> None:
    """S8 S38"""
    of = contract(judge=JUDGE)
    decision = decided(of, 10.0, 0.9, model=False)
    decision.judged["repaired"] = '{"amount":["comma","10,0"]}'
    path = path_of(decision, of)
    assert told(path) == [
        ("asked", "pass"), ("repair", "changed"), ("model", "withheld"), ("fallback", "pass"),
        ("fallback", "told"),
    ]  # fmt: skip
    assert path[1].words == "amount was sent as '10,0'; comma made 10.0 of it"
    assert "the model failed: no memory" in path[2].words


def test_a_contract_that_declares_nothing_has_sense_alone() -> None:
    of = contract()
    assert told(path_of(decided(of, 1.0, np.nan), of)) == [
        *FIRST, ("sense", "withheld"), ("declined", "told"),
    ]  # fmt: skip
    assert told(path_of(decided(of, 1.0, 0.5), of)) == [
        *FIRST,
        ("sense", "pass"),
        ("answered", "told"),
    ]
