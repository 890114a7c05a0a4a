"""Private subjects are not spoken about, and nothing personal is shared unasked: S35 S36."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.contract.fallbacks import FallbackAnswer
from mainstay.contract.judging import Confidence, Judge
from mainstay.contract.model import (
    Boolean,
    Category,
    Contract,
    Label,
    Number,
    Probability,
    Ranking,
    Text,
    Vector,
)
from mainstay.contract.people import Private, Share
from mainstay.contract.subjects import Subjects
from mainstay.judge.compile import compile_flow
from mainstay.judge.model import ANSWERED, ASKED, DECLINED, FALLBACK, OPTIONS, Case
from mainstay.judge.present import present

HEALTH = Private(subjects={"health": ("Diabetes", "heart attack", "pregnan*")})
NAMES = ("a cold drink", "diabetes test", "pregnancy vitamins")


def judged(contract: Contract, output: Any, inputs: dict[str, Any] | None = None) -> Case:
    output = np.array(output)
    rows = len(output)
    case = Case(
        rows=rows,
        inputs=inputs or {"x": np.zeros(rows)},
        context={},
        output=output,
        names=tuple(contract.inputs),
        callers=lambda: ["ann"] * rows,
        time_ns=0,
        statuses=np.array([ANSWERED] * rows, dtype=np.uint8),
        reasons={},
    )
    compile_flow(contract)(case)
    return case


def told(contract: Contract, case: Case, row: int) -> str:
    """Everything that a person sees of a row."""
    words = case.words.get(row, "")
    if case.statuses[row] == DECLINED:
        return words
    shown = present(contract)(case.output, case.shown)[row]
    options = [option.answer for option in shown.options]
    return f"{words} {shown.answer} {options}"


def contract_of(output: Any = None, inputs: Any = None, **judge: Any) -> Contract:
    return Contract(
        model="shop",
        inputs=inputs or {"x": Number()},
        output=output or Probability(classes=NAMES),
        judge=Judge(**judge),
    )


def test_an_answer_that_names_a_private_subject_is_declined():
    """S36: also as one of the other options of an answer that may be told."""
    contract = contract_of(private=HEALTH)
    case = judged(contract, [[0.1, 0.8, 0.1], [0.8, 0.1, 0.1]])
    assert case.statuses.tolist() == [DECLINED, ANSWERED]
    assert case.reasons[0] == "private: the answer names health"
    assert case.words[0] == "This is something that we do not speak about."
    assert told(contract, case, 1).split() == ["a", "cold", "drink", "['a", "cold", "drink']"]


def test_items_of_a_ranking_are_left_out():
    contract = contract_of(Ranking(items=NAMES, top=2), private=HEALTH)
    case = judged(contract, [[0.1, 0.8, 0.3], [0.1, 0.8, 0.7]])
    assert case.statuses.tolist() == [DECLINED, DECLINED]
    contract = contract_of(Ranking(items=NAMES, top=3), private=HEALTH)
    case = judged(contract, [[0.1, 0.8, 0.3]])
    assert case.statuses.tolist() == [ANSWERED]
    assert case.shown[0].answer == ["a cold drink"]


def test_what_falls_back_is_looked_at_too():
    """S30 S36: the chain goes on past an answer that may not be told."""
    steps = (FallbackAnswer(answer="pregnancy vitamins"), FallbackAnswer(answer="a cold drink"))
    contract = contract_of(Label(classes=NAMES), private=HEALTH, fallback=steps)
    case = judged(contract, [1, 0])
    assert case.statuses.tolist() == [FALLBACK, ANSWERED]
    assert case.shown[0].answer == "a cold drink"


def test_a_model_that_does_not_say_so_speaks_of_anything():
    assert judged(contract_of(), [[0.1, 0.8, 0.1]]).statuses.tolist() == [ANSWERED]


PERSONAL: dict[str, Any] = {
    "audience": Category(values=("me", "everybody")),
    "age": Number(optional=True, sensitivity="personal"),
    "diary": Text(optional=True, sensitivity="private"),
    "face": Vector(length=2, optional=True, sensitivity="personal"),
    "member": Boolean(optional=True, sensitivity="personal"),
}
SHARE = Share(when='audience == "everybody"')


@pytest.mark.parametrize(
    ("audience", "given", "status"),
    [
        ("me", {"age": 34.0, "diary": "dear"}, ANSWERED),
        ("everybody", {}, ANSWERED),
        ("everybody", {"age": 34.0}, ASKED),
        ("everybody", {"face": [0.0, 1.0]}, ASKED),
        ("everybody", {"member": 0.0}, ASKED),
        ("everybody", {"diary": "dear"}, DECLINED),
        ("everybody", {"diary": "dear", "age": 34.0}, DECLINED),
        (None, {"diary": "dear", "age": 34.0}, ANSWERED),
    ],
)
def test_nothing_personal_is_shared_unasked_and_nothing_private_at_all(audience, given, status):
    """S35: by the class of what went into it, where it has a value."""
    contract = contract_of(inputs=PERSONAL, share=SHARE)
    inputs = {
        "audience": np.array([audience], dtype=object),
        "age": np.array([given.get("age", np.nan)]),
        "diary": np.array([given.get("diary")], dtype=object),
        "face": np.array([given.get("face", [np.nan, np.nan])]),
        "member": np.array([given.get("member", np.nan)]),
    }
    case = judged(contract, [[0.8, 0.1, 0.1]], inputs)
    assert case.statuses.tolist() == [status]
    if status != ANSWERED:
        assert "shared with" in case.reasons[0]
        assert case.words[0]


def test_what_is_asked_before_sharing_still_names_nothing_private():
    """S35 S36 together: options that become a question name no more than before."""
    contract = contract_of(
        inputs=PERSONAL, share=SHARE, private=HEALTH,
        confidence=Confidence(at_least=0.9, otherwise="options 3"),
    )  # fmt: skip
    inputs = {
        "audience": np.array(["everybody", "me"], dtype=object),
        "age": np.array([34.0, 34.0]),
        "diary": np.array([None, None], dtype=object),
        "face": np.full((2, 2), np.nan),
        "member": np.full(2, np.nan),
    }
    case = judged(contract, [[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], inputs)
    assert case.statuses.tolist() == [ASKED, OPTIONS]
    subjects = Subjects(HEALTH.subjects)
    for row in range(2):
        assert subjects.named_in(told(contract, case, row)) is None


@given(rows=st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=6),
       bar=st.floats(0, 1), otherwise=st.sampled_from(["ask", "decline", "options 2", "options 3"]))  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_no_private_subject_is_ever_told(rows, bar, otherwise):
    """Whatever the model says and whatever becomes of it: nothing that a person sees names it."""
    output = np.array(rows) + 1e-9
    contract = contract_of(
        private=HEALTH, confidence=Confidence(at_least=max(bar, 0.01), otherwise=otherwise)
    )
    case = judged(contract, output / output.sum(axis=1, keepdims=True))
    subjects = Subjects(HEALTH.subjects)
    for row in range(len(rows)):
        assert subjects.named_in(told(contract, case, row)) is None


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("DIABETES test", "health"),
        ("pre-diabetes", "health"),
        ("a heart-attack", "health"),
        ("ｄｉａｂｅｔｅｓ", "health"),
        ("heart and attack", None),
        ("pregnant", "health"),
        ("unpregnant", None),
        ("diabetess", None),
        ("", None),
        ("a" * 100_000, None),
        ("heart " * 20_000, None),
    ],
)
def test_subjects_are_words_and_phrases(text, subject):
    """Case, width and what stands between words make no difference; a part of a word is none."""
    assert Subjects(HEALTH.subjects).named_in(text) == subject
