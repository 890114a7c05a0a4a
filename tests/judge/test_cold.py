"""Cold start: whoever and whatever is new to the model gets what the contract declares (N14)."""

import numpy as np
import pytest

from mainstay.contract.document import InvalidContractFile
from mainstay.judge.compile import compile_flow
from mainstay.judge.model import ANSWERED, ASKED, DECLINED, FALLBACK, Case
from tests.judge.world import case, contract, payments

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
        ("{cold: {amount: ask}}", "only an input of type category with `others: true`"),
        ("{cold: {country: fallback}}", "there is no `judge.fallback` that could answer"),
        ("{cold: {country: hide}}", "must be one of"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(judge: str, words: str) -> None:
    with pytest.raises(InvalidContractFile) as refused:
        contract(judge=judge)
    assert words in str(refused.value)
