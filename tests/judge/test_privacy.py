"""Private subjects are not spoken about, and nothing personal is shared unasked: S35 S36."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.contract.fallbacks import FallbackAnswer, FallbackWords
from mainstay.contract.holding import Rule
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
from mainstay.contract.people import Pattern, Private, Share, Words
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


def test_snake_case_names_what_it_names():
    """S36: classes are often written so."""
    assert Subjects(HEALTH.subjects).named_in("offer_diabetes_test") == "health"
    assert Subjects(HEALTH.subjects).named_in("HEART_ATTACK") == "health"


CODED = Private(
    subjects={"health": (Pattern(pattern=r"\bicd-?10\b"), Pattern(pattern=r"[a-z][0-9]{2}\.[0-9]"))}
)
CODES = ("a walk", "ICD10 advice", "code E11.9", "nothing")


def test_patterns_hold_where_words_do():
    """S36: answers, options, items of a ranking, and what falls back."""
    contract = contract_of(Probability(classes=CODES), private=CODED)
    case = judged(contract, [[0.1, 0.8, 0.05, 0.05], [0.8, 0.1, 0.05, 0.05]])
    assert case.statuses.tolist() == [DECLINED, ANSWERED]
    assert [option.answer for option in case.shown[1].options] == ["a walk", "nothing"]
    contract = contract_of(Ranking(items=CODES, top=4), private=CODED)
    case = judged(contract, [[0.1, 0.8, 0.3, 0.2]])
    assert case.shown[0].answer == ["nothing", "a walk"]
    steps = (FallbackAnswer(answer="code E11.9"), FallbackAnswer(answer="a walk"))
    contract = contract_of(Label(classes=CODES), private=CODED, fallback=steps)
    case = judged(contract, [1, 3])
    assert case.statuses.tolist() == [FALLBACK, ANSWERED]
    assert case.shown[0].answer == "a walk"


ABOUT: dict[str, Any] = {
    "faith": Category(values=("zen", "quaker meeting"), optional=True, subject="religion"),
    "says": Category(values=("none",), others=True, optional=True, subject="religion"),
    "note": Text(optional=True, subject="religion"),
    "age": Number(optional=True, subject="religion"),
    "audience": Category(values=("me", "everybody")),
}
PLACES = ("a Quaker meeting house", "Sufi evening", "Bahai garden", "the park")


def about(**given: Any) -> dict[str, Any]:
    given = {"audience": "me", **given}
    words = {name: np.array([given.get(name)], dtype=object) for name in ABOUT if name != "age"}
    return {**words, "age": np.array([given.get("age", np.nan)])}


@pytest.mark.parametrize(
    ("given", "place", "status"),
    [
        ({}, 0, DECLINED),
        ({"faith": "zen"}, 0, DECLINED),
        ({}, 1, ANSWERED),
        ({"says": "sufi"}, 1, DECLINED),
        ({"says": "Sufi  Evening!"}, 1, DECLINED),
        ({"says": "sufi dancing evening"}, 1, ANSWERED),
        ({"says": "..."}, 1, ANSWERED),
        ({"note": "BAHAI"}, 2, DECLINED),
        ({"note": "BAHAI"}, 1, ANSWERED),
        ({"note": "garden park"}, 2, ANSWERED),
        ({"says": "sufi", "note": "bahai"}, 3, ANSWERED),
    ],
)
def test_what_an_input_is_about_is_private_by_its_class(given, place, status):
    """S36: no value is repeated by name: those that a category lists are words of its subject, and
    others are so for who sent them."""
    contract = contract_of(
        Label(classes=PLACES), ABOUT, private=Private(subjects={"religion": ()}), share=SHARE
    )
    case = judged(contract, [place], about(**given))
    assert case.statuses.tolist() == [status]
    if status == DECLINED:
        assert case.reasons[0] == "private: the answer names religion"


def test_options_that_name_what_was_sent_are_left_out():
    """S24 S36: row by row."""
    contract = contract_of(
        Probability(classes=PLACES), ABOUT, share=SHARE,
        private=Private(subjects={"religion": ()}),
        confidence=Confidence(at_least=0.9, otherwise="options 4"),
    )  # fmt: skip
    case = judged(contract, [[0.2, 0.3, 0.3, 0.2]], about(says="sufi"))
    assert case.statuses.tolist() == [OPTIONS]
    assert [each.answer for each in case.shown[0].options] == ["Bahai garden", "the park"]
    assert case.words[0] == "It could be one of these."
    case = judged(contract, [[0.2, 0.3, 0.3, 0.2]], about())
    assert len(case.shown[0].options) == 3


@pytest.mark.parametrize(
    ("audience", "given", "status"),
    [
        ("me", {"note": "dear"}, ANSWERED),
        ("everybody", {}, ANSWERED),
        ("everybody", {"note": "dear"}, DECLINED),
        ("everybody", {"age": 34.0}, DECLINED),
        ("everybody", {"other": "I went to the mosque"}, DECLINED),
        ("everybody", {"other": "see E11.9"}, DECLINED),
        ("everybody", {"other": "I went home"}, ANSWERED),
        ("me", {"other": "I went to the mosque"}, ANSWERED),
    ],
)
def test_nothing_that_a_private_subject_went_into_is_shared(audience, given, status):
    """S35 S36: by the class of a field, and by what a text says."""
    private = Private(subjects={"religion": ("mosque", Pattern(pattern=r"[a-z][0-9]{2}\.[0-9]"))})
    contract = contract_of(
        Label(classes=PLACES), {**ABOUT, "other": Text(optional=True)}, private=private, share=SHARE
    )
    other = {"other": np.array([given.pop("other", None)], dtype=object)}
    case = judged(contract, [3], {**about(audience=audience, **given), **other})
    assert case.statuses.tolist() == [status]
    if status == DECLINED:
        assert "shared with" in case.reasons[0]
        assert case.words[0] == "Something private went into this, so it is not passed on."


def test_words_that_a_template_makes_name_nothing_private():
    """S33 S36: what is put together of two harmless parts is looked at as a whole."""
    private = Private(subjects={"health": (Pattern(pattern=r"type [12]\b"),)})
    contract = contract_of(
        Probability(classes=("2", "no type")), private=private,
        words=Words(asked="Is it type {answer}?"), confidence=Confidence(at_least=0.99, otherwise="ask"),
    )  # fmt: skip
    case = judged(contract, [[0.9, 0.1], [0.1, 0.9]])
    assert case.statuses.tolist() == [ASKED, ASKED]
    assert case.words == {0: "Is this right?", 1: "Is it type no type?"}


def test_a_reason_that_names_what_is_private_is_kept_and_not_told():
    """S36: whoever may read the record reads it; who asked does not."""
    rule = Rule(must='answer != "a walk" or x > 5', otherwise="No.")
    private = Private(subjects={"health": ("walk",)})
    contract = contract_of(
        Label(classes=CODES),
        private=private,
        rules=(rule,),
        fallback=(FallbackWords(say="Sorry."),),
    )
    case = judged(contract, [0])
    assert "a walk" in case.reasons[0]
    assert case.unsaid == {0}


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_text_that_a_pattern_matches_is_ever_told(data):
    """S36: answers, options, items, words and reasons, whatever the model says and whatever becomes
    of it; told by another engine, letter by letter."""
    letters = st.text("ab1", min_size=1, max_size=3)
    names = data.draw(st.lists(letters.map("x{}".format), min_size=2, max_size=5, unique=True))
    pattern = data.draw(st.sampled_from(["xa+", "b1", "x[0-9]", "a1|1a", "xb|x1$", "^xa", "x.*a", "it xb"]))  # fmt: skip
    private = Private(subjects={"s": (Pattern(pattern=pattern),)})
    ranking = data.draw(st.booleans())
    judge: dict[str, Any] = {
        "private": private,
        "rules": ("x < 0.5",),
        "fallback": (FallbackAnswer(answer=(names[0],) if ranking else names[0]), FallbackWords(say="No.")),
        "words": data.draw(st.sampled_from([Words(), Words(asked="Is it {answer}?", options="{options}?", fallback="it {answer}")])),
    }  # fmt: skip
    if not ranking:
        otherwise = data.draw(st.sampled_from(["ask", "decline", "options 2", "options 4"]))
        judge["confidence"] = Confidence(
            at_least=data.draw(st.floats(0.01, 1)), otherwise=otherwise
        )
    output = Ranking(items=tuple(names)) if ranking else Probability(classes=tuple(names))
    contract = contract_of(output, **judge)
    raw = data.draw(st.lists(st.lists(st.floats(0.001, 1), min_size=len(names), max_size=len(names)), min_size=1, max_size=4))  # fmt: skip
    scores = np.array(raw)
    inputs = {
        "x": np.array(data.draw(st.lists(st.floats(0, 1), min_size=len(raw), max_size=len(raw))))
    }
    case = judged(contract, scores / scores.sum(axis=1, keepdims=True), inputs)
    other = re.compile(pattern, re.IGNORECASE)
    for row in range(len(raw)):
        texts = [case.words.get(row, "")]
        if row not in case.unsaid:
            texts.append(case.reasons.get(row, ""))
        shown = present(contract)(case.output, case.shown)[row]
        if case.statuses[row] != DECLINED:
            said = shown.answer if isinstance(shown.answer, list) else [shown.answer or ""]
            texts += [*said, *(option.answer for option in shown.options)]
        assert [text for text in texts if other.search(text)] == []
