"""Patterns are looked for in linear time, and refused in words where they are none (S36)."""

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import PATTERN_MAX_CHARACTERS
from mainstay.contract.patterns import compile_pattern

LETTERS = st.sampled_from("abcABC 1.-")
PIECES = st.sampled_from(
    ["a", "b", "c", "[ab]", "[^a ]", "[0-9]", ".", "(?:ab|c)", r"\.", r"\b", "-"]
)


@st.composite
def patterns(draw: st.DrawFn) -> str:
    """Patterns that Python's engine and RE2 read alike."""
    parts = draw(st.lists(st.tuples(PIECES, st.sampled_from(["", "", "+", "*", "?", "{2}"])), min_size=1, max_size=5))  # fmt: skip
    joined = "".join(piece if piece == r"\b" else piece + times for piece, times in parts)
    return f"{joined}|{draw(PIECES)}a" if draw(st.booleans()) else joined


@given(pattern=patterns(), text=st.text(LETTERS, max_size=12))
@settings(max_examples=400, deadline=None)
def test_what_is_found_is_what_another_engine_finds(pattern: str, text: str) -> None:
    """S36: or the pattern is refused, because it is found where there is nothing."""
    other = re.compile(pattern, re.IGNORECASE)
    try:
        found_in = compile_pattern(pattern)
    except InvalidUsage as refused:
        assert "is found where there is nothing" in refused.message
        probes = [other.search(probe) for probe in ("", "a", " ", "-", "a a")]
        assert any(found is not None and not found[0] for found in probes)
        return
    assert found_in(text) == (other.search(text) is not None)
    assert other.search("") is None


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("", f"must have 1 to {PATTERN_MAX_CHARACTERS} characters, got 0"),
        ("a" * (PATTERN_MAX_CHARACTERS + 1), "several shorter patterns are as fast"),
        ("(?=diabetes)", "looks around itself"),
        ("diabetes(?! free)", "looks around itself"),
        ("(?<=no )sugar", "looks around itself"),
        ("(?<!no )sugar", "looks around itself"),
        (r"(sugar) \1", "refers back to a group"),
        ("(?P<s>sugar) (?P=s)", "refers back to a group"),
        ("(sugar", "missing )"),
        ("[sugar", "missing ]"),
        ("sugar**", "bad repetition operator"),
        (r"sugar\Z", r"which is written \z here"),
        ("(s{1000}){1000}", "invalid repetition size"),
        ("(((s{100}){100}){10}){10}", "is no pattern that RE2 takes"),
        ("half \ud800", "not valid Unicode"),
        ("[0-9]*", "in every text; let it need a character"),
        (r"\b", "in every text"),
        (r"\B", "in every text"),
        ("^", "in every text"),
        ("sugar|", "in every text"),
        ("(?:)", "in every text"),
    ],
)
def test_what_cannot_be_looked_for_is_refused_in_words(pattern: str, words: str) -> None:
    with pytest.raises(InvalidUsage) as refused:
        compile_pattern(pattern)
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("icd-?10", "the ICD 10", False),
        ("icd-?10", "the ICD10 code", True),
        (r"\b[0-9]{3}-[0-9]{2}\b", "call 123-45", True),
        (r"\b[0-9]{3}-[0-9]{2}\b", "call １２３-４５", True),
        ("ﬁt", "a ﬁt", True),
        ("(?-i:HIV)", "the hiv", False),
        ("(a+)+b", "a" * 50_000, False),
        ("(x+x+)+y|(.*)(.*)(.*)(.*)z", "x" * 50_000, False),
        (".", "half \ud800", True),
    ],
)
def test_case_and_the_way_of_writing_make_no_difference(pattern, text, found) -> None:
    """S36: and nothing takes more time than in proportion to the text."""
    assert compile_pattern(pattern)(text) is found


def test_the_engine_is_there_only_for_who_declares_a_pattern() -> None:
    """A worker that looks for no pattern does not carry the engine."""
    code = (
        "import sys, mainstay.wiring.worker\n"
        "from mainstay.contract.load import loads_contract\n"
        "text = '''model: m\ninputs: {x: {type: number}}\noutput: {type: label, classes: [alpha, b]}\n"
        "judge: {private: {subjects: {s: [%s]}}}\n'''\n"
        "loads_contract(text % 'alpha', 'c.yaml')\n"
        "print('re2' in sys.modules, end=' ')\n"
        "loads_contract(text % '{pattern: alph.}', 'c.yaml')\n"
        "print('re2' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]
