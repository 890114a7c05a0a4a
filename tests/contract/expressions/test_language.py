"""The language of rules: what it says for every row, whatever the columns (S19, S29).

A second reading of the same tree, one row at a time with None for what is missing, is the oracle.
It also holds the promise that a text which was let through never divides by zero where its
conditions are known.
"""

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.errors import InvalidContract
from mainstay.base.limits import EXPRESSION_MAX_CHARACTERS
from mainstay.contract.expressions.compile import InvalidExpression, compile_expression
from mainstay.contract.model import Vector
from tests.contract.expressions.oracle import NAMES, Trees, columns_of, rows, said, written


def check(tree: Any, rows: list[dict[str, Any]]) -> bool:
    """Whether the text was let through; if so, it says the same as the oracle."""
    text = written(tree)
    try:
        expression = compile_expression(text, NAMES, ("judge", "rules", 0))
    except InvalidExpression as error:
        assert all(fault.words for fault in error.faults)
        return False
    found = expression(columns_of(rows).__getitem__, len(rows))
    assert found.shape == (len(rows),), text
    for place, row in enumerate(rows):
        with np.errstate(all="ignore"):
            expected = said(tree, row)
        if expression.kind == "boolean":
            assert bool(found[place]) is (expected is True), (text, row)
        elif expression.kind == "text":
            assert found[place] == expected, (text, row)
        elif expected is None:
            assert np.isnan(found[place]), (text, row)
        else:
            assert found[place] == pytest.approx(expected, rel=1e-9), (text, row)
    return True


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**40), st.integers(1, 4), st.sampled_from(["number", "truth", "text"]))
def test_an_expression_says_what_reading_it_row_by_row_says(
    seed: int, depth: int, sort: str
) -> None:
    """S19: the same truth for every row, missing values and conditions included."""
    random = Random(seed)
    trees = Trees(random)
    for _ in range(20):
        check(trees.of(sort, depth), rows(random))


def test_enough_of_the_drawn_texts_are_let_through() -> None:
    """S19: the test above is not about refusals alone."""
    random = Random(5)
    trees = Trees(random)
    let = [check(trees.truth(4), rows(random)) for _ in range(300)]
    assert sum(let) > 100


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab np.z()[]<>=!*/%+-,0123456789\"'`\\ \n\tifelsandortmgbw_é", max_size=60))
def test_any_text_compiles_or_is_refused_in_words(text: str) -> None:
    """S19: whatever stands in the file, the answer is an expression or a sentence."""
    data = columns_of([{"n": 1.0, "p": 1.0, "z": 0.0, "an odd name": None, "i": 1.0, "b": True, "maybe": None, "c": "de", "note.text": None, "free": None}])  # fmt: skip
    try:
        expression = compile_expression(text, NAMES, ("judge", "rules", 0))
    except InvalidExpression as error:
        assert isinstance(error, InvalidContract)
        assert error.field == "judge.rules[0]"
        assert all(len(fault.words) > 20 for fault in error.faults)
    else:
        assert expression(data.__getitem__, 1).shape == (1,)


ROW = {"n": 7.0, "p": 2.0, "z": 0.0, "an odd name": None, "i": -1.0, "b": True, "maybe": None, "c": "fr", "note.text": None, "free": 4.0}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("2 ** -1", 0.5),
        ("-2 ** 2", -4.0),
        ("10 - 4 - 3", 3.0),
        ("24 / 4 / 2", 3.0),
        ("-7 % 3", 2.0),
        ("free + 3 p", 10.0),
        ("2p**2", 8.0),
        (".5e1", 5.0),
        ("+n", 7.0),
        ("round(n / 3)", 2.0),
        ("round(n / 3, 2)", 2.33),
        ("round(2.5)", 2.0),
        ("min(n, p, free)", 2.0),
        ("1 if b else 2 if b else 3", 1.0),
        ("1 < p <= 2", True),
        ("1 < p < 2", False),
        ("p between 1 and 2 and b", True),
        ("p not between 1 and 2", False),
        ("not b or b", True),
        ("not (b or b)", False),
        ("b and not maybe is missing", False),
        ("maybe is missing and c is not missing", True),
        ("missing(`an odd name`)", True),
        ('c in ["de", "fr"]', True),
        ("c not in ['de', 'fr']", False),
        ("i in [-1, 1]", True),
        ("n in [1, 2, 3, 4, 5, 6, 7, 8]", True),
        ("maybe or b", True),
        ("maybe or not b", False),
        ("not (maybe and b)", False),
        ("maybe == maybe", False),
        ("free != `an odd name`", False),
        ('lower(c) == "fr" and len(c) == 2', True),
        (r'"a \"b\"" == "a \"b\""', True),
        ("true", True),
    ],
)
def test_what_texts_say(text: str, expected: Any) -> None:
    """S19: the order of signs is that of the textbook, and missing is neither true nor false."""
    found = compile_expression(text, NAMES, ("rule",))(columns_of([ROW]).__getitem__, 1)
    assert found.tolist() == [expected]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("n / z > 1", "what follows / can be zero"),
        ("n % (p - 1) > 1", "what follows % can be zero"),
        ("n / (i * 2) > 1", "can be zero"),
        ("b or n / z > 1", "can be zero"),
        ("z > 0 or n / z > 1", "can be zero"),
        ("z >= 0 and n / z > 1", "can be zero"),
        ("z != 1 and n / z > 1", "can be zero"),
        ("n / z > 1 and z > 0", "can be zero"),
        ("z > (1 if z != 0 else n / z)", "can be zero"),
        ("(1 if z > (2 if z != 0 else 1) or b else 1 / z) > 1", "can be zero"),
        ("i > -1 and n / i > 1", "can be zero"),
        ("i < 1 and n / i > 1", "can be zero"),
        ("z ** -1 > 1", "zero has no power below zero"),
        ("n ** 0.5 > 1", "below zero has no power"),
        ("n ** 17 > 1", "an exponent must be a plain number from -16 to 16"),
        ("n ** p > 1", "an exponent must be a plain number"),
        ("log(z) > 1", "must be above zero"),
        ("sqrt(i) > 1", "below zero has no root"),
        ("amont > 1 and nn > 1", "there is no 'amont' here"),
        ("note.txt is missing", "did you mean 'note.text'?"),
        ('c == "d"', "it is never 'd'; did you mean 'de'?"),
        ('c in ["fr", "france"]', "it is never 'france'"),
        ('n > "5"', "numbers stand without quotes"),
        ("c > 'de'", "== and != only"),
        ("b > true", "== and != only"),
        ("n and b", "each side of `and` must be true or false, this is a number"),
        ("not n", "what follows `not` must be true or false"),
        ("n + c", "what follows + must be a number, this is text"),
        ("1 if n else 2", "what follows `if` must be true or false"),
        ("1 if b else 'a'", "one side is a number, the other text"),
        ("b in [true]", "only numbers and texts"),
        ("n in ['a']", "must hold nothing else"),
        ("n in []", "the list is empty"),
        ("n = 1", "write `==` to compare"),
        ("n > 1 && b", "write `and`"),
        ("n ^ 2", "write `**`"),
        ("n > 1 AND b", "write 'and'"),
        ("n n", "a sign such as"),
        ("(n > 1", "')' is missing before the end: it closes the ( at character 1"),
        ("n >", "a value is missing at the end"),
        ("> n", "a value is missing before '>'"),
        ("'abc", "the ' that starts here does not end"),
        ("nope(n)", "there is no function 'nope'"),
        ("abs(n, p)", "abs takes 1 value, got 2"),
        ("round(n, p)", "the digits of round"),
        ("1e999 > n", "too large a number"),
        ("", "there is no expression here"),
        ("n if b", "'else' is missing before the end"),
        ("n is 5", "'missing' is missing before '5'"),
        ("n > 5 is missing > 3", "is not expected here"),
        ("(" * 21 + "n" + ")" * 21, "nested more than 20 deep"),
        ("not " * 21 + "b", "nested more than 20 deep"),
        ("- " * 21 + "n", "nested more than 20 deep"),
        ("n" + " + n" * 100, "at most 200 parts"),
        ("n" + " " * 2000, "at most 2000"),
        ("__import__('os')", "there is no function '__import__'"),
        ("n.__class__", "there is no 'n.__class__' here"),
        ("v > 1", "it is a vector, not one value"),
    ],
)
def test_what_is_refused_and_why(text: str, words: str) -> None:
    """S19: divisions that could fail, unknown names, wrong types and costly texts are refused."""
    with pytest.raises(InvalidExpression) as found:
        compile_expression(text, {**NAMES, "v": Vector(length=2)}, ("rule",), kind="boolean" if text.startswith("b") else None)  # fmt: skip
    assert any(words in fault.words for fault in found.value.faults), found.value.faults


@pytest.mark.parametrize(
    "text",
    [
        "n / p > 1",
        "z > 0 and n / z > 1",
        "z != 0 and n / z > 1",
        "not (z == 0) and n / z > 1",
        "z == 0 or n / z > 1",
        "z <= 0 or free / z > 1",
        "(z == 0 or b) or n / z > 1",
        "z > 0 and b and n % z > 1",
        "i in [-1, 1] and n / i > 1",
        "not i in [0, 1] and n / i > 1",
        "z between 1 and 2 and n / z > 1",
        "0 < z and n / z > 1",
        "z > p and n / z > 1",
        "abs(i) > 0 and n / i > 1",
        "i < 0 and sqrt(-i) > 1",
        "z - 1 > 0 and log(z - 1) > 1",
        "n / (z + 0.1) > 1",
        "n / (p * 2 - 1) > 1",
        "n / (1 + i ** 2) > 1",
        "n / exp(i) > 1",
        "(n / z if z > 0 else 0) > 1",
        "(0 if z == 0 else n / z) > 1",
    ],
)
def test_what_is_guarded_is_let_through(text: str) -> None:
    """S19: limits and conditions that leave zero out count, wherever they stand."""
    assert compile_expression(text, NAMES, ("rule",)).kind == "boolean"


def test_every_fault_of_a_text_is_named_with_its_place() -> None:
    """S19: one look at the words is enough to put all of it right."""
    with pytest.raises(InvalidExpression) as found:
        compile_expression('amont > 1 and n + c > 3 and c == "x"', NAMES, ("judge", "rules", 2))
    assert [fault.at for fault in found.value.faults] == [("judge", "rules", 2)] * 3
    places = [fault.words.split(" (")[0] for fault in found.value.faults]
    assert places == ["at character 1", "at character 19", "at character 31"]


def test_an_expression_knows_its_names_and_its_kind() -> None:
    """S19: what is looked at is known before anything is computed."""
    expression = compile_expression("free / p if p > 2 else `an odd name`", NAMES, ("rule",))
    assert expression.names == {"free", "p", "an odd name"}
    assert expression.kind == "number"
    with pytest.raises(InvalidExpression, match="must be true or false, this is a number"):
        compile_expression("n + 1", NAMES, ("rule",), kind="boolean")


def test_constants_become_columns_when_the_rows_are_told() -> None:
    """S19: a rule that looks at nothing still has an answer for every row."""

    def nothing(name: str) -> Any:
        raise KeyError(name)

    assert compile_expression("1 < 2", NAMES, ("rule",))(nothing, 3).tolist() == [True] * 3
    assert compile_expression("'a'", NAMES, ("rule",))(nothing, 2).tolist() == ["a", "a"]
    assert compile_expression("1e300 * 1e300", NAMES, ("rule",))(nothing, 1).tolist() == [np.inf]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["(", "n", "+", "not", "b", "-", "if", "else", "**", "2", "[", "in", "abs(", ")", "]", ",", "and", "or"]), max_size=900))  # fmt: skip
def test_the_cost_of_a_text_is_bounded(words: list[str]) -> None:
    """S19: long and deep texts are refused in words or compiled, without running out of stack."""
    text = " ".join(words)
    try:
        made = compile_expression(text, NAMES, ("rule",))
    except InvalidExpression as refused:
        assert refused.faults
        assert all(fault.words for fault in refused.faults)
    else:
        assert len(text) <= EXPRESSION_MAX_CHARACTERS
        assert made.names <= NAMES.keys()
