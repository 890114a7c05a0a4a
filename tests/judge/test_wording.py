"""What people are told is free of the words of the trade, and can be the contract's own (S33)."""

import ast
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import mainstay.judge
from mainstay.contract import people
from mainstay.contract.fallbacks import FallbackAnswer
from mainstay.contract.judging import Confidence, Judge
from mainstay.contract.model import Contract, Number, NumberOutput, Probability
from mainstay.contract.people import Exposure, Report, Words
from mainstay.judge import exposure
from mainstay.judge.compile import compile_flow
from mainstay.judge.model import ANSWERED, ASKED, DECLINED, FALLBACK, OPTIONS, Case

JARGON = re.compile(
    r"\b(model|predict|probabilit|confiden|threshold|classif|infer|feature|input|output|sample|"
    r"calibrat|score|label|train|algorithm|neural|drift|outlier|anomal|nan|null|none|exception|"
    r"error|latency|token|api|json|time-?out|fallback|status|version|parameter|schema|server|"
    r"budget|limit|quota|decision|unit)\w*",
    re.IGNORECASE,
)


def spoken() -> list[str]:
    """Every text that the judge room puts into the words for a person, with what defaults say."""
    found = [Judge().say, Report().say, *exposure._WORDS.values()]
    for file in sorted(Path(inspect.getfile(mainstay.judge)).parent.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Assign) and any(_is_words(target) for target in node.targets):
                texts = [n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant)]
                found += [text for text in texts if isinstance(text, str)]
    return found


def _is_words(target: ast.expr) -> bool:
    return (
        isinstance(target, ast.Subscript)
        and isinstance(target.value, ast.Attribute)
        and target.value.attr == "words"
    )


def test_what_people_are_told_has_no_jargon():
    """S33: the list of words that nobody outside of the trade uses that way."""
    texts = spoken()
    assert len(texts) > 6
    for text in texts:
        assert not JARGON.search(text), text
    assert JARGON.search("The model's confidence is low")


def test_the_words_that_a_door_adds_have_no_jargon():
    """S33: also what reporting and undoing are answered with."""
    from mainstay.serve.http.wire.feedback import undo_answer

    for already in (True, False):
        for told in (True, False):
            said = undo_answer({}, already=already, told=told).decode()
            assert not JARGON.search(said.split('"words":')[1]), said


def contract_of(output=None, **judge) -> Contract:
    return Contract(
        model="advice",
        inputs={"x": Number()},
        output=output or Probability(classes=("a cat", "a dog", "a fox")),
        judge=Judge(**judge),
    )


def judged(contract: Contract, output: list, statuses: list[int] | None = None) -> Case:
    rows = len(output)
    case = Case(
        rows=rows,
        inputs={"x": np.zeros(rows)},
        context={},
        output=np.array(output, dtype=np.float64),
        names=("x",),
        callers=lambda: ["ann"] * rows,
        time_ns=0,
        statuses=np.array(statuses or [ANSWERED] * rows, dtype=np.uint8),
        reasons={},
    )
    compile_flow(contract)(case)
    return case


WORDS = Words(
    asked="Is it really {answer}?", options="Which one: {options}?", fallback="Usually {answer}."
)


@pytest.mark.parametrize(
    ("otherwise", "status", "words"),
    [
        ("ask", ASKED, "Is it really a dog?"),
        ("options 2", OPTIONS, "Which one: a dog or a fox?"),
        ("decline", DECLINED, None),
    ],
)
def test_a_contract_may_have_words_of_its_own(otherwise, status, words):
    """S33: with the answer or the options that are shown, and with what is sure left alone."""
    contract = contract_of(words=WORDS, confidence=Confidence(at_least=0.9, otherwise=otherwise))
    case = judged(contract, [[0.1, 0.5, 0.4], [0.95, 0.03, 0.02]])
    assert case.statuses.tolist() == [status, ANSWERED]
    assert case.words.get(0) == words
    assert 1 not in case.words


def test_what_stands_in_has_its_words():
    contract = contract_of(words=WORDS, fallback=(FallbackAnswer(answer="a fox"),))
    case = judged(contract, [[np.nan, 0.5, 0.5]])
    assert case.statuses.tolist() == [FALLBACK]
    assert case.words == {0: "Usually a fox."}


def test_a_number_is_told_with_its_unit():
    contract = contract_of(
        NumberOutput(max=100, unit="EUR"), words=WORDS, fallback=(FallbackAnswer(answer=12.5),)
    )
    assert judged(contract, [1e9]).words == {0: "Usually 12.5 EUR."}


def test_what_is_declined_after_all_names_no_answer():
    """The words of a question that may not be asked any more are not told."""
    contract = contract_of(
        words=WORDS,
        confidence=Confidence(at_least=0.9, otherwise="ask"),
        exposure=Exposure(prompts="1 per 1d"),
    )
    case = judged(contract, [[0.1, 0.5, 0.4], [0.1, 0.5, 0.4]])
    assert case.statuses.tolist() == [ASKED, DECLINED]
    assert "dog" not in case.words[1]


def test_people_settings_are_documented():
    assert all(inspect.getdoc(kind) for kind in (people.Words, people.Exposure, people.Undo))
