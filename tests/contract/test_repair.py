"""Repair: unusual values are put right as declared, told, and never guessed at (S38)."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.contract.columns import MATRIX
from mainstay.contract.document import InvalidContractFile
from mainstay.contract.load import loads_contract
from mainstay.contract.model import Contract
from mainstay.contract.repair import Change, Repairer, changes_by_row
from mainstay.contract.spelling import distance, nearest
from mainstay.contract.values import Checker
from mainstay.contract.write import write_contract

TEXT = """
model: m
inputs:
  country: {type: category, values: [Germany, France, Austria, Australia]}
  note: {type: text}
  amount: {type: number, min: 0, max: 1000}
  count: {type: integer, min: 0}
output: {type: number}
repair: {REPAIR}
"""
ALL = """{country: [trim, case, {map: {Deutschland: Germany}}, {spelling: 2}], note: [encoding],
 amount: [comma, {when_above: 1000, divide_by: 100}, clip], count: [comma, {when_below: 1, divide_by: 0.01}]}"""


def contract(repair: str = ALL) -> Contract:
    return loads_contract(TEXT.replace("{REPAIR}", repair), "c.yaml")


def repaired(name: str, value: Any) -> tuple[Any, str]:
    rows, changes = Repairer(contract()).rows([{name: value}])
    return rows[0][name], changes[0].transform if changes else ""


@pytest.mark.parametrize(
    ("name", "sent", "meant", "by"),
    [
        ("country", " Germany ", "Germany", "trim"),
        ("country", "GERMANY", "Germany", "case"),
        ("country", "germny", "Germany", "spelling"),
        ("country", "Farnce", "France", "spelling"),
        ("country", "Deutschland", "Germany", "map"),
        ("country", " deutschland", "deutschland", "trim"),
        ("country", "Austrlia", "Austrlia", ""),
        ("country", "Austria", "Austria", ""),
        ("country", "Narnia", "Narnia", ""),
        ("country", 7, 7, ""),
        ("note", "MÃ¼nchen", "München", "encoding"),
        ("note", "Itâ€™s", "It’s", "encoding"),
        ("note", "München", "München", ""),
        ("amount", "12,50", 12.5, "comma"),
        ("amount", "1.234,50", 12.345, "comma, unit"),
        ("amount", "1.234", "1.234", ""),
        ("amount", "12.5", 12.5, "comma"),
        ("amount", "twelve", "twelve", ""),
        ("amount", 12_550, 125.5, "unit"),
        ("amount", 1e9, 1000.0, "unit, clip"),
        ("amount", -3, 0.0, "clip"),
        ("amount", 1000, 1000, ""),
        ("amount", True, True, ""),
        ("amount", None, None, ""),
        ("count", "1.000.000,0", 1000000.0, "comma"),
        ("count", "12", 12, "comma"),
        ("count", 0.25, 25, "unit"),
    ],
)
def test_a_value_becomes_what_is_meant(name: str, sent: Any, meant: Any, by: str) -> None:
    """S38: each transform, alone and after others; what is in order or could mean two things
    stays."""
    assert repaired(name, sent) == (meant, by)


def test_a_word_between_two_known_ones_stays_as_it_is() -> None:
    """S38: the unique nearest only."""
    assert nearest("Austrbia", ("Austria", "Australia"), 2) == "Austria"
    assert nearest("bat", ("cat", "rat"), 1) is None
    assert nearest("bat", ("cat", "rat", "bats"), 2) is None
    assert nearest("batz", ("bats", "cats"), 2) == "bats"


def test_a_known_word_is_never_changed() -> None:
    """S38: even where a transform could."""
    text = "model: m\ninputs: {a: {type: category, values: [' x', x, X]}}\noutput: {type: number}\n"
    of = loads_contract(text + "repair: {a: [trim, {spelling: 1}]}\n", "c.yaml")
    for word in (" x", "x", "X"):
        assert Repairer(of).rows([{"a": word}]) == ([{"a": word}], ())


def test_columns_and_matrices_are_repaired_as_rows_are() -> None:
    """S38: whatever the door; what was sent is told row by row, and nothing else is touched."""
    columns = {
        "country": np.array(["Germany", "GERMANY"], dtype=object),
        "note": np.array(["x", "y"], dtype=object),
        "amount": np.array([5000.0, np.nan]),
        "count": np.array([3, 4]),
    }
    before = {name: column.copy() for name, column in columns.items()}
    found, changes = Repairer(contract()).columns(columns)
    assert changes == (Change(0, "amount", "unit", 5000.0), Change(1, "country", "case", "GERMANY"))
    assert found["amount"].tolist()[0] == 50.0
    assert found["country"].tolist() == ["Germany", "Germany"]
    for name, column in columns.items():
        np.testing.assert_array_equal(column, before[name])
    numbers = loads_contract(
        "model: m\ninputs: {a: {type: number}, b: {type: number, max: 10}}\n"
        "output: {type: number}\nrepair: {b: [clip]}\n", "c",
    )  # fmt: skip
    matrix = np.array([[1.0, 50.0], [2.0, 5.0]])
    found, changes = Repairer(numbers).columns({MATRIX: matrix})
    assert found[MATRIX].tolist() == [[1.0, 10.0], [2.0, 5.0]]
    assert matrix[0, 1] == 50.0
    assert changes_by_row(changes) == {0: '{"b":["clip",50.0]}'}


def test_a_contract_with_repairs_loads_back_as_it_was_written() -> None:
    assert loads_contract(write_contract(contract()), "again.yaml") == contract()


@pytest.mark.parametrize(
    ("repair", "words"),
    [
        ("{contry: [trim]}", "did you mean 'country'?"),
        ("{country: [trm]}", "did you mean 'trim'?"),
        ("{country: []}", "must list 1 to 8"),
        ("{country: [trim, trim]}", "is listed already, as [0]"),
        ("{amount: [trim]}", "trim is for inputs of type text or category, this one is of type number"),
        ("{note: [case]}", "case is for inputs of type category"),
        ("{count: [comma, clip], note: [clip]}", "clip is for inputs of type number or integer"),
        ("{country: [{map: {Allemagne: Germony}}]}", "did you mean 'Germany'?"),
        ("{country: [{map: {France: Germany}}]}", "is a known value already"),
        ("{country: [{spelling: 9}]}", "must be 1 to 3 edits"),
        ("{note: [{spelling: 1}]}", "spelling is for inputs of type category"),
        ("{amount: [{when_above: 3}]}", "needs `divide_by` beside it"),
        ("{amount: [{divide_by: 3}]}", "needs either `when_above` or `when_below`"),
        ("{amount: [{when_above: 3, divide_by: 1}]}", "must be more than 0 and not 1"),
        ("{amount: [{when_above: 3, divide_by: 10, spelling: 1}]}", "write each as a transform of its own"),
        ("{amount: [{}]}", "needs `map`, `spelling`, or `divide_by`"),
        ("{amount: clip}", "must be a list"),
        ("{amount: [3]}", "must be text"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_words(repair: str, words: str) -> None:
    with pytest.raises(InvalidContractFile) as refused:
        contract(repair)
    assert words in str(refused.value)
    assert "repair" in str(refused.value)


words = st.text("abcx", max_size=7)


def slow_distance(one: str, other: str) -> int:
    """The definition, as a second oracle."""
    if not one or not other:
        return len(one) + len(other)
    least = min(
        slow_distance(one[1:], other) + 1,
        slow_distance(one, other[1:]) + 1,
        slow_distance(one[1:], other[1:]) + (one[0] != other[0]),
    )
    if len(one) > 1 and len(other) > 1 and one[0] == other[1] and one[1] == other[0]:
        least = min(least, slow_distance(one[2:], other[2:]) + 1)
    return least


@given(words.map(lambda w: w[:5]), words.map(lambda w: w[:5]), st.integers(0, 4))
def test_the_distance_is_the_defined_one_as_far_as_it_is_asked_for(
    one: str, other: str, most: int
) -> None:
    assert distance(one, other, most) == min(slow_distance(one, other), most + 1)


anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.lists(st.integers(), max_size=2)
)


@given(st.fixed_dictionaries(dict.fromkeys(("country", "note", "amount", "count"), anything)))
def test_what_is_in_order_is_left_alone_and_nothing_raises(row: dict[str, Any]) -> None:
    """S38: a row that passes unrepaired is the same afterwards, but for readable text; a repaired
    one is checked like any other."""
    checker = Checker(contract())
    assert checker.repairer is not None
    (found,), changes = checker.repairer.rows([row])
    assert {change.field for change in changes} == {
        n for n in row if repr(found[n]) != repr(row[n])
    }
    _, problems = checker.columns_from_rows([row])
    if not problems:
        assert {change.field for change in changes} <= {"note"} | {
            name for name in ("count",) if row["count"] == 0
        }
    checker.columns_from_rows([found])
