"""Answers that break rules or lie outside their usual range are not told (S19 S21 S29)."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.contract.load import loads_contract
from mainstay.contract.model import Contract
from mainstay.journal.model import STATUSES
from mainstay.judge.compile import compile_flow
from mainstay.judge.model import SPEAKING, Case, Means
from mainstay.tally.memory import MemoryTally
from tests.judge.world import case

PRICE = """
model: price
inputs:
  amount: {type: number, min: -1000000, max: 1000000}
  age: {type: integer, min: 0, max: 200, optional: true}
  country: {type: category, values: [DE, FR], others: true}
output: {type: number, min: -1000, max: 1000000}
"""
HOLD = "{hold: {above: mean + 3 sd, below: mean - 3 sd, least: 5}}"
SECOND = 1_000_000_000


def contract(judge: str, text: str = PRICE) -> Contract:
    return loads_contract(f"{text}judge: {judge}\n", "c.yaml")


def priced(of: Contract, prices: list[float], **inputs: Any) -> Case:
    rows = len(prices)
    columns = {
        "amount": np.array(inputs.get("amount", [1.0] * rows), dtype=np.float64),
        "age": np.array(inputs.get("age", [np.nan] * rows), dtype=np.float64),
        "country": np.array(inputs.get("country", ["DE"] * rows), dtype=object),
    }
    return case(of, columns, np.array(prices, dtype=np.float64))


def statuses(judged: Case) -> list[str]:
    return [STATUSES[code] for code in judged.statuses]


def test_a_broken_rule_declines_and_is_named() -> None:
    """S19 S21: the record says which rule, the person reads the rule's own words."""
    of = contract("{rules: [output <= 100 amount, {must: age >= 18, otherwise: Too young.}]}")
    found = priced(of, [50.0, 500.0, 50.0, 50.0], age=[20, 20, 10, np.nan])
    compile_flow(of)(found)
    assert statuses(found) == ["answered", "declined", "declined", "declined"]
    assert found.reasons == {
        1: "rule 1 is not so: output <= 100 amount",
        2: "rule 2 is not so: age >= 18",
        3: "rule 2 is not so: age >= 18",
    }
    assert found.words == {2: "Too young.", 3: "Too young."}
    assert found.counts["rules_broken", "1"] == 1
    assert found.counts["rules_broken", "2"] == 2


FRAUD = """
model: fraud
inputs: {amount: {type: number}}
context: {channel: {value: {type: text}, otherwise: web}}
output: {type: probability, classes: [ok, very bad]}
"""


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('answer == "ok"', [True, False]),
        ("confidence > 0.8", [True, False]),
        ("0.5 > `probability.very bad`", [True, False]),
        ('channel == "web"', [True, False]),
        ("amount in [1, 3]", [True, False]),
    ],
)
def test_rules_see_inputs_context_and_what_is_answered(rule: str, expected: list[bool]) -> None:
    """S19: every name that a contract may use has the value that people would see."""
    of = loads_contract(f"{FRAUD}judge:\n  rules:\n    - {rule}\n", "c.yaml")
    output = np.array([[0.9, 0.1], [0.3, 0.7]], dtype=np.float32)
    context = {"channel": np.array(["web", "fax"], dtype=object)}
    found = case(of, {"amount": np.array([1.0, 2.0])}, output, context)
    compile_flow(of)(found)
    assert [status == "answered" for status in statuses(found)] == expected


@pytest.mark.parametrize(
    ("output", "raw", "rule"),
    [
        ("{type: label, classes: [no, yes]}", np.array([0, 1]), 'answer == "no"'),
        ("{type: ranking, items: [x, y]}", np.array([[2.0, 1.0], [1.0, 2.0]]), 'answer == "x"'),
        ("{type: ranking, items: [x, y]}", np.array([[2.0, 1.0], [1.0, 2.0]]), "score.y < 1.5"),
        ("{type: number}", np.array([1.0, 2.0]), "answer < 1.5 and output < 1.5"),
    ],
)
def test_rules_over_every_kind_of_output(output: str, raw: Any, rule: str) -> None:
    """S19: labels, rankings and numbers have their names too."""
    text = f"model: m\ninputs: {{amount: {{type: number}}}}\noutput: {output}\njudge:\n  rules:\n    - {rule}\n"
    of = loads_contract(text, "c.yaml")
    found = case(of, {"amount": np.array([1.0, 2.0])}, raw)
    compile_flow(of)(found)
    assert statuses(found) == ["answered", "declined"]


def test_a_fallback_answer_must_satisfy_the_rules_too() -> None:
    """S19 S21: a step whose answer breaks a rule falls on to the next one."""
    of = contract("{rules: [output < 100], fallback: [{answer: 500}, {answer: 7}]}")
    found = priced(of, [50.0, 200.0])
    compile_flow(of)(found)
    assert statuses(found) == ["answered", "fallback"]
    assert found.shown[1].answer == 7
    assert "rule 1 is not so" in found.reasons[1]
    of = contract("{rules: [output < 100], fallback: [{answer: 500}]}")
    found = priced(of, [200.0])
    compile_flow(of)(found)
    assert statuses(found) == ["declined"]


def test_words_of_a_broken_rule_leave_with_it() -> None:
    """S21: whoever is answered by a fallback does not read why the model was not."""
    of = contract("{rules: [{must: output < 100, otherwise: Too dear.}], fallback: [{answer: 7}]}")
    found = priced(of, [200.0])
    compile_flow(of)(found)
    assert statuses(found) == ["fallback"]
    assert found.words == {}


def test_what_is_outside_its_usual_range_waits() -> None:
    """S29: nothing but words is told, and the person who decides learns what was usual."""
    of = contract(HOLD)
    means = Means(tally=MemoryTally())
    flow = compile_flow(of, means)
    flow(priced(of, [1.0, 2.0, 3.0, 4.0, 5.0]))
    found = priced(of, [3.0, 100.0, -50.0])
    flow(found)
    assert statuses(found) == ["answered", "held", "held"]
    holding = found.held[1]
    assert (holding.side, holding.value, holding.count, holding.mean) == ("above", 100.0, 5, 3.0)
    assert holding.limit == pytest.approx(3 + 3 * np.std([1, 2, 3, 4, 5], ddof=1))
    assert holding.words.startswith("output is 100, above 7.74")
    assert found.held[2].side == "below"
    assert found.words[1] == "A person looks at this one first."
    assert found.judged["hold_value"].tolist() == [3.0, 100.0, -50.0]
    assert found.judged["hold_mean"].tolist() == [3.0] * 3


def test_what_is_held_does_not_count() -> None:
    """S29: an attack does not become the usual by being tried often."""
    of = contract(HOLD)
    flow = compile_flow(of, Means(tally=MemoryTally()))
    flow(priced(of, [1.0, 2.0, 3.0, 4.0, 5.0]))
    for _ in range(50):
        found = priced(of, [100.0])
        flow(found)
        assert statuses(found) == ["held"]
        assert found.held[0].count == 5


def test_groups_have_each_their_own() -> None:
    """S29: what is usual in one country is not in another; and missing ones are one group."""
    of = contract("{hold: {above: mean + 3 sd, by: country, least: 3}}")
    flow = compile_flow(of, Means(tally=MemoryTally()))
    flow(priced(of, [1.0, 2.0, 3.0, 101.0, 102.0, 103.0], country=["DE"] * 3 + ["FR"] * 3))
    found = priced(of, [102.0, 102.0, 50.0], country=["DE", "FR", "IT"])
    flow(found)
    assert statuses(found) == ["held", "answered", "answered"]
    assert found.held[0].group == "DE"
    assert "of country 'DE'" in found.held[0].words


@pytest.mark.parametrize(("unsure", "status"), [("pass", "answered"), ("hold", "held")])
def test_before_enough_is_known_the_contract_says_what_happens(unsure: str, status: str) -> None:
    """S29: unsure is never silent: it is counted, and does what was declared."""
    of = contract(f"{{hold: {{above: mean + 3 sd, least: 3, unsure: {unsure}}}}}")
    flow = compile_flow(of, Means(tally=MemoryTally()))
    found = priced(of, [1.0, 1e5])
    flow(found)
    assert statuses(found) == [status] * 2
    assert found.counts["hold_unsure", unsure] == 2
    if unsure == "hold":
        assert found.held[0].side == "unsure"
        assert "only 0 of 3 numbers are known" in found.held[0].words


def test_what_is_inside_of_too_little_is_unsure_too() -> None:
    """S29: a few numbers have a mean and an sd as well, and still say nothing."""
    of = contract("{hold: {above: mean + 3 sd, least: 5}}")
    flow = compile_flow(of, Means(tally=MemoryTally()))
    flow(priced(of, [1.0, 2.0, 3.0]))
    found = priced(of, [2.0, 90.0])
    flow(found)
    assert statuses(found) == ["answered", "answered"]
    assert found.counts["hold_unsure", "pass"] == 2


def test_a_value_that_is_missing_is_unsure() -> None:
    """S29: what cannot be compared is not compared."""
    of = contract("{hold: {what: age * 2, above: 100, unsure: hold}}")
    found = priced(of, [1.0, 1.0, 1.0], age=[20, np.nan, 60])
    compile_flow(of)(found)
    assert statuses(found) == ["answered", "held", "held"]
    assert [found.held[1].side, found.held[2].side] == ["unsure", "above"]


def test_fixed_bars_need_no_past() -> None:
    """S29: a number is a bar from the first answer on."""
    of = contract("{hold: {above: 50 + amount, below: 0}}")
    found = priced(of, [51.0, 52.0, -1.0])
    compile_flow(of)(found)
    assert statuses(found) == ["answered", "held", "held"]
    assert found.held[1].words == "output is 52, above 51"


def test_what_a_fallback_says_is_held_too() -> None:
    """S29: whoever answers, an unusual answer waits."""
    of = contract("{rules: [output < 100], hold: {above: 50}, fallback: [{answer: 70}]}")
    found = priced(of, [10.0, 60.0, 200.0])
    compile_flow(of)(found)
    assert statuses(found) == ["answered", "held", "held"]
    assert found.held[2].value == 70.0


def test_without_a_model_what_a_fallback_says_is_held_too() -> None:
    """S29 S21: a stopped version's fallback is judged as well, with the same columns recorded."""
    of = contract(
        "{hold: {above: mean + 3 sd, least: 2}, fallback: [{answer: 70, when: amount > 5}]}"
    )
    flow = compile_flow(of, Means(tally=MemoryTally()))
    flow(priced(of, [1.0, 2.0, 3.0]))
    found = priced(of, [np.nan, np.nan], amount=[1.0, 9.0])
    flow.without_model(found, "stopped")
    assert statuses(found) == ["declined", "held"]
    assert found.judged["hold_value"].tolist()[1] == 70.0
    nobody = priced(of, [np.nan], amount=[1.0])
    flow.without_model(nobody, "stopped")
    assert statuses(nobody) == ["declined"]
    assert "hold_value" in nobody.judged


def test_what_is_usual_follows_what_is_told() -> None:
    """S29: of a thousand numbers, mean and sd are kept for a moment; a hundredth more is the end
    of it, whatever the clock says."""
    of = contract("{hold: {above: mean + 3 sd, least: 5}}")
    flow = compile_flow(of, Means(tally=MemoryTally()))
    rising = [float(n % 10) for n in range(1000)]
    flow(priced(of, rising))
    flow(priced(of, [5.0]))
    for _ in range(40):
        flow(priced(of, [13.0] * 20))
    found = priced(of, [25.0])
    flow(found)
    known = [*rising, 5.0, *[13.0] * 800]
    assert statuses(found) == ["held"]
    assert found.held[0].mean == pytest.approx(np.mean(known), rel=0.02)
    assert found.held[0].count >= 0.98 * len(known)


def test_what_is_usual_follows_other_processes() -> None:
    """S29: what others told counts after a moment, though nothing was told here."""
    of = contract("{hold: {above: mean + 3 sd, least: 5}}")
    tally = MemoryTally()
    here, there = (compile_flow(of, Means(tally=tally)) for _ in range(2))
    here(priced(of, [float(n % 10) for n in range(1000)]))
    here(priced(of, [5.0]))
    for _ in range(20):
        there(priced(of, [4.0 + n % 2 for n in range(200)]))
    later = priced(of, [50.0])
    later.time_ns += SECOND
    here(later)
    assert statuses(later) == ["held"]
    assert later.held[0].count == 5001


def test_the_past_ends() -> None:
    """S29: what is longer ago than `over` says nothing any more."""
    of = contract("{hold: {above: mean + 3 sd, least: 5, over: 1h}}")
    flow = compile_flow(of, Means(tally=MemoryTally()))
    flow(priced(of, [1.0, 2.0, 3.0, 4.0, 5.0]))
    late = priced(of, [100.0])
    late.time_ns += 50 * 60 * SECOND
    flow(late)
    assert statuses(late) == ["held"]
    later = priced(of, [100.0])
    later.time_ns += 3 * 3600 * SECOND
    flow(later)
    assert statuses(later) == ["answered"]
    assert later.counts["hold_unsure", "pass"] == 1


GUARDED = contract(
    '{rules: [output <= 500 or amount > 5, not (country == "XX")], '
    "hold: {above: mean + 2 sd, least: 4, by: country}, fallback: [{answer: 3}]}"
)
row = st.tuples(
    st.sampled_from([1.0, 2.0, 3.0, 10.0, 400.0, 501.0, 9e4, np.nan, np.inf, -2000.0])
    | st.floats(-1000, 1e6),
    st.sampled_from([0.0, 10.0]),
    st.sampled_from(["DE", "FR", "XX"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(row, min_size=1, max_size=8), min_size=1, max_size=12))
def test_nothing_that_fails_is_ever_answered(runs: list[list[tuple[float, float, str]]]) -> None:
    """S19 S21 S29: whatever comes in whatever order, what is told satisfies every rule and lies
    within what NumPy says was usual of all that was told before."""
    flow = compile_flow(GUARDED, Means(tally=MemoryTally()))
    told: dict[str, list[float]] = {}
    for rows in runs:
        found = priced(
            GUARDED,
            [price for price, _, _ in rows],
            amount=[amount for _, amount, _ in rows],
            country=[country for _, _, country in rows],
        )
        flow(found)
        new: list[tuple[str, float]] = []
        for place, (price, amount, country) in enumerate(rows):
            if statuses(found)[place] not in SPEAKING:
                continue
            value = 3.0 if statuses(found)[place] == "fallback" else price
            assert np.isfinite(value)
            assert -1000 <= value <= 1e6
            assert value <= 500 or amount > 5
            assert country != "XX"
            before = told.get(country, [])
            if len(before) >= 4:
                limit = np.mean(before) + 2 * np.std(before, ddof=1)
                assert value <= limit + 1e-6 * abs(limit)
            new.append((country, value))
        for country, value in new:
            told.setdefault(country, []).append(value)


@pytest.mark.parametrize("price", [0.1, 0.214945, 1e-9, 123456.7])
def test_what_is_always_the_same_is_not_unusual(price: float) -> None:
    """S29: however a mean is rounded, and whatever is counted in which order."""
    of = contract(HOLD)
    flow = compile_flow(of, Means(tally=MemoryTally()))
    for rows in [1, 2, 7, 1, 3] * 20:
        flow(found := priced(of, [price] * rows))
        assert statuses(found) == ["answered"] * rows
    flow(found := priced(of, [price * 1.001]))
    assert statuses(found) == ["held"]
