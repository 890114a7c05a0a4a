"""Cold start: whoever and whatever is new to the model gets what the contract declares (N14)."""

from typing import Any

import numpy as np
import pytest

from mainstay.bundle.known import Marks, marks_of, packed_known
from mainstay.contract.document import InvalidContractFile
from mainstay.judge.compile import compile_flow
from mainstay.judge.model import ANSWERED, ASKED, DECLINED, FALLBACK, Case, Means, Other
from tests.judge.world import Spoken, always, case, contract, payments

OUTPUT = np.array([[0.2, 0.8]] * 3)
CHAIN = "fallback: [{answer: ok}]"


def judged(judge: str, countries: list[str | None], output=OUTPUT) -> Case:
    of = contract(judge=judge)
    found = case(of, payments([1.0, 2.0, 3.0], countries), output)
    compile_flow(of)(found)
    return found


@pytest.mark.parametrize(
    ("then", "status"), [("fallback", FALLBACK), ("decline", DECLINED), ("ask", ASKED)]
)
def test_a_new_value_is_never_answered_for_as_a_known_one(then: str, status: int) -> None:
    """N14: known values and missing ones are answered; what is new is what the contract says."""
    found = judged(f"{{cold: {{country: {then}}}, {CHAIN}}}", ["DE", "XX", None])
    assert found.statuses.tolist() == [ANSWERED, status, ANSWERED]
    assert found.judged["cold"].tolist() == [None, "country", None]
    assert found.counts["cold", "country"] == 1
    assert "`country` is new to the model" in found.reasons[1]
    assert "XX" not in found.reasons[1]
    assert (found.words.get(1) is not None) == (then == "ask")


def test_known_values_cost_no_row_a_thing_and_the_column_is_always_there() -> None:
    """N14 M22: the same columns for every run of a version."""
    found = judged(f"{{cold: {{country: fallback}}, {CHAIN}}}", ["DE", "FR", "DE"])
    assert found.statuses.tolist() == [ANSWERED] * 3
    assert found.judged["cold"].tolist() == [None] * 3
    assert not found.counts
    again = judged(f"{{cold: {{country: fallback}}, {CHAIN}}}", ["DE", "XX", "DE"])
    assert again.judged["cold"].tolist() == [None, "country", None]


def test_what_is_declined_for_good_reaches_no_fallback_even_when_it_makes_no_sense() -> None:
    """N14 S30"""
    nonsense = np.full((3, 2), np.nan)
    found = judged(f"{{cold: {{country: decline}}, {CHAIN}}}", ["DE", "XX", "DE"], nonsense)
    assert found.statuses.tolist() == [FALLBACK, DECLINED, FALLBACK]


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        ("{cold: {contry: ask}}", "did you mean 'country'?"),
        ("{cold: {amount: ask}}", "an input of type number says neither who nor what it is about"),
        ("{cold: {country: fallback}}", "there is no `judge.fallback` that could answer"),
        ("{cold: {country: hide}}", "must be one of"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(judge: str, words: str) -> None:
    with pytest.raises(InvalidContractFile) as refused:
        contract(judge=judge)
    assert words in str(refused.value)


ABOUT = """
model: advice
inputs:
  user: {type: text, optional: true}
  item: {type: integer, optional: true}
  shelf: {type: category, values: [a, b, c]}
  amount: {type: number}
output: {type: probability, classes: [ok, fraud]}
judge: {cold: {user: fallback, item: ask, shelf: decline}, fallback: [{answer: ok}]}
"""
SEEN: dict[str, Any] = {"user": ["ann", "bob", None], "item": [7, 9.0, 7], "shelf": ["a", "b", "a"]}


def known_of(text: str, **seen: Any) -> dict[str, Marks]:
    _, files = packed_known(contract(text), seen)
    marks = [np.frombuffer(data, dtype="<u4") for data in files.values()]
    return dict(zip(contract(text).judge.cold, map(Marks, marks), strict=True))


def test_a_person_an_item_and_a_known_word_can_be_new() -> None:
    """N14: text, whole numbers, and what a category lists but the model never learned from."""
    of = contract(ABOUT)
    rows: dict[str, Any] = {
        "user": ["ann", "Ann", None, "bob", "bob", "eve"],
        "item": [7, 9, 9, 8, np.nan, 10],
        "shelf": ["a", "b", "a", "b", "c", "c"],
    }
    inputs = {name: np.array(rows[name], dtype=object) for name in ("user", "shelf")}
    inputs |= {"item": np.array(rows["item"], dtype=np.float64), "amount": np.zeros(6)}
    found = case(of, inputs, np.array([[0.2, 0.8]] * 6))
    compile_flow(of, Means(known=known_of(ABOUT, **SEEN)))(found)
    assert found.judged["cold"].tolist() == [
        None, "user", None, "item", "shelf", "user, item, shelf",
    ]  # fmt: skip
    assert found.statuses.tolist() == [ANSWERED, FALLBACK, ANSWERED, ASKED, DECLINED, DECLINED]
    assert found.counts["cold", "user"] == 2


def test_a_number_in_a_matrix_is_the_number_it_was_learned_as() -> None:
    """N14: the same id is known whichever way it travels."""
    text = """
model: advice
inputs: {item: {type: integer, optional: true}, amount: {type: number}}
output: {type: probability, classes: [ok, fraud]}
judge: {cold: {item: decline}}
"""
    ids = [0, -5, 2**53 - 1, 10, 77, np.nan]
    inputs = {"item": np.array(ids, dtype=np.float64), "amount": np.zeros(6)}
    found = case(contract(text), inputs, np.array([[0.2, 0.8]] * 6))
    compile_flow(contract(text), Means(known=known_of(text, item=[0, -5, 2**53 - 1, 10])))(found)
    assert found.judged["cold"].tolist() == [None, None, None, None, "item", None]


def test_where_nothing_says_what_is_known_everything_is_new() -> None:
    """N14: a check that cannot run is a failing check."""
    of = contract(ABOUT)
    inputs = {
        "user": np.array(["ann", None], dtype=object),
        "item": np.array([np.nan, np.nan]),
        "shelf": np.array(["a", "a"], dtype=object),
        "amount": np.zeros(2),
    }
    found = case(of, inputs, np.array([[0.2, 0.8]] * 2))
    compile_flow(of)(found)
    assert found.judged["cold"].tolist()[0] == "user"


def test_a_fallback_answers_for_whom_it_learned_from_itself() -> None:
    """N14 S30: who is new to the model may be known to the one that stands in, and the other way
    round; each version has its own marks."""
    inputs = "inputs: {user: {type: text}, amount: {type: number}}\n"
    output = "output: {type: probability, classes: [ok, fraud]}\n"
    chain = "judge: {cold: {user: fallback}, fallback: [lite, {answer: ok}]}\n"
    of = contract(f"model: advice\n{inputs}{output}{chain}")
    lite = contract(f"model: lite\n{inputs}{output}judge: {{cold: {{user: decline}}}}\n")
    known = {text: Marks(np.unique(marks_of([text]))) for text in ("ann", "bob")}
    other = Other(1, Spoken(lite, always(0.9), known={"user": known["bob"]}))
    means = Means(known={"user": known["ann"]}, others={"lite": other})
    columns = {"user": np.array(["ann", "bob", "eve"], dtype=object), "amount": np.zeros(3)}
    found = case(of, columns, np.array([[0.1, 0.9]] * 3))
    compile_flow(of, means)(found)
    assert found.statuses.tolist() == [ANSWERED, FALLBACK, FALLBACK]
    assert found.judged["fallback_step"].tolist() == [0, 1, 2]
    assert "lite: v1: `user` is new to the model" in found.reasons[2]
