"""S3: every value is checked against the contract; a refusal names field, rule, value and row."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.errors import InvalidRequest
from mainstay.base.limits import PROBLEMS_PER_CALL_MAX, ROWS_PER_CALL_MAX
from mainstay.contract.model import (
    Boolean,
    Category,
    Contract,
    FromLookup,
    FromRequest,
    FunctionSource,
    Integer,
    Number,
    NumberOutput,
    Text,
    Timestamp,
    Vector,
)
from mainstay.contract.problems import raise_first
from mainstay.contract.times import moment_us
from mainstay.contract.values import Checker
from tests.contract.samples import MOMENTS, kinds, names, numeric_kinds


def checker(**inputs):
    return Checker(Contract(model="m", inputs=inputs, output=NumberOutput()))


# The oracle: the rules once more, one value at a time, in the plainest Python there is.


def oracle(kind, value):
    """The rule that a decoded JSON value breaks, or nothing."""
    if value is None:
        return None if kind.optional else "missing"
    match kind:
        case Number() | Integer():
            return number_oracle(kind, value)
        case Boolean():
            return None if value is True or value is False else "type"
        case Category():
            if not isinstance(value, str):
                return "type"
            return None if value in kind.values or kind.others else "values"
        case Text():
            if not isinstance(value, str):
                return "type"
            if len(value) < kind.min_length:
                return "min_length"
            return "max_length" if len(value) > kind.max_length else None
        case Timestamp():
            return moment_oracle(kind, value)
        case Vector():
            if not isinstance(value, list):
                return "type"
            if len(value) != kind.length:
                return "length"
            each = Number(min=kind.min, max=kind.max)
            rules = [rule for item in value if (rule := oracle(each, item)) is not None]
            return rules[0] if rules else None


def number_oracle(kind, value):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "type"
    if isinstance(value, float) and math.isnan(value):
        return None if kind.optional else "missing"
    if (isinstance(value, float) and math.isinf(value)) or abs(value) >= 2**1024:
        return "finite"
    if isinstance(kind, Integer):
        if value != math.floor(value):
            return "whole"
        if abs(value) > 2**53 - 1:
            return "min" if value < 0 else "max"
    if kind.min is not None and value < kind.min:
        return "min"
    return "max" if kind.max is not None and value > kind.max else None


def moment_oracle(kind, value):
    if not isinstance(value, str):
        return "type"
    moment = moment_us(value)
    if moment is None:
        return "timestamp"
    if kind.after is not None and moment < moment_us(kind.after):
        return "after"
    return "before" if kind.before is not None and moment >= moment_us(kind.before) else None


any_number = (
    st.integers(-3, 3)
    | st.sampled_from([0.5, -0.0, math.inf, 2**53, 2**53 - 1, -(2**53), 1e300, 10**400, -1e18])
    | st.floats(allow_nan=False)
)
any_value = st.one_of(
    st.none(), st.booleans(), any_number, st.text(max_size=9), st.just([]), st.just({}),
    st.sampled_from(["DE", "NO", "", *MOMENTS, "2026-13-01T00:00:00Z"]),
    st.lists(st.integers(-2, 2) | st.floats() | st.none() | st.booleans(), max_size=4),
)  # fmt: skip


def likely(kind):
    """Values that mostly fit a kind, so that good batches come up as well."""
    match kind:
        case Number() | Integer():
            good = st.integers(-2, 2)
            if kind.min is not None:
                good = st.just(kind.min)
            elif kind.max is not None:
                good = st.just(kind.max)
        case Boolean():
            good = st.booleans()
        case Category():
            good = st.sampled_from(kind.values)
        case Text():
            good = st.text(min_size=kind.min_length, max_size=kind.max_length)
        case Timestamp():
            good = st.just("2026-02-01T00:00:00.25-03:00")
        case _:
            bound = kind.min if kind.min is not None else kind.max
            good = st.just([0.5 if bound is None else bound] * kind.length)
    return st.one_of(good, good, good, any_value)


def inputs_only(kind):
    return st.dictionaries(names, kind, min_size=1, max_size=4).map(
        lambda inputs: Contract(model="m", inputs=inputs, output=NumberOutput())
    )


@st.composite
def batches(draw, kind):
    contract = draw(inputs_only(kind))
    row = st.fixed_dictionaries({name: likely(k) for name, k in contract.inputs.items()})
    return contract, draw(st.lists(row, min_size=1, max_size=4))


def found(problems):
    return {(problem.row, problem.field, problem.rule) for problem in problems}


def expected_of(contract, rows):
    return {
        (number, name, rule)
        for number, row in enumerate(rows)
        for name, kind in contract.inputs.items()
        if (rule := oracle(kind, row[name])) is not None
    }


@settings(max_examples=250, deadline=None)
@given(batches(kinds))
def test_rows_are_held_to_the_rules(batch):
    """S3: rows of any kinds break exactly the rules that the plain oracle names."""
    contract, rows = batch
    compiled = Checker(contract)
    columns, problems = compiled.columns_from_rows(rows)
    expected = expected_of(contract, rows)
    assert found(problems) == expected
    places = [(p.row, list(contract.inputs).index(p.field)) for p in problems]
    assert places == sorted(places)
    if expected:
        assert columns == {}
        with pytest.raises(InvalidRequest):
            raise_first(problems, len(rows))
    else:
        assert compiled.check_columns(columns) == []
        spread = compiled.spread(columns)
        assert list(spread) == list(contract.inputs)
        assert compiled.inputs.check(spread) == []
        for name, kind in contract.inputs.items():
            check_round_trip(kind, [row[name] for row in rows], spread[name])


def check_round_trip(kind, values, column):
    """Values arrive in the exact form that columns.py promises, and unchanged."""
    forms = {Number: "f", Integer: "i", Boolean: "b", Category: "O", Text: "O", Timestamp: "M"}
    form = forms.get(type(kind), "f")
    assert column.dtype.kind == ("f" if kind.optional and form in "ib" else form)
    for value, kept in zip(values, column.tolist(), strict=True):
        if isinstance(kind, Timestamp):
            continue
        if value is None and form != "O":
            assert np.isnan(kept).all()
        elif isinstance(kind, Vector):
            assert kept == [float(item) for item in value]
        else:
            assert kept == (float(value) if form == "f" else value) or np.isnan(value)


any_float = st.one_of(
    st.integers(-2, 2).map(float),
    st.sampled_from([math.nan, math.inf, -math.inf, 0.5, 2.0**53, 2.0**53 - 1, -0.0]),
    st.floats(),
)


@st.composite
def matrices(draw):
    contract = draw(inputs_only(numeric_kinds))
    rows = draw(st.lists(st.tuples(*[any_float] * len(contract.inputs)), min_size=1, max_size=4))
    good = [
        tuple(
            value
            if draw(st.integers(0, 3)) == 0
            else float(getattr(kind, "min", None) or getattr(kind, "max", None) or 0)
            for value, kind in zip(row, contract.inputs.values(), strict=True)
        )
        for row in rows
    ]
    return contract, np.array(good)


@settings(max_examples=250, deadline=None)
@given(matrices())
def test_a_matrix_is_held_to_the_same_rules(drawn):
    """S3: the matrix form, the named form and the oracle agree on every value."""
    contract, matrix = drawn
    compiled = Checker(contract)
    assert compiled.numeric
    named = {name: matrix[:, place].copy() for place, name in enumerate(compiled.names)}
    by_matrix = compiled.check_matrix(matrix)
    by_columns = compiled.inputs.check(named)
    expected = set()
    for row, values in enumerate(matrix.tolist()):
        for (name, kind), value in zip(contract.inputs.items(), values, strict=True):
            rule = number_oracle(kind_of_number(kind), value)
            if rule is not None:
                rule = "boolean" if isinstance(kind, Boolean) and rule != "missing" else rule
                expected.add((row, name, rule))
    assert found(by_matrix) == expected
    assert [p.message for p in by_matrix] == [p.message for p in by_columns]
    assert compiled.check_columns({"matrix": matrix}) == by_matrix


def kind_of_number(kind):
    return Integer(min=0, max=1, optional=kind.optional) if isinstance(kind, Boolean) else kind


def test_messages_name_everything():
    """S3: field, rule, value, row, what would be right, and how many more."""
    compiled = checker(amount=Number(min=0), country=Category(values=("DE", "NO")))
    rows = [{"amount": 1, "country": "DE"}, {"amount": -5, "country": "DEE"}]
    _, problems = compiled.columns_from_rows(rows)
    with pytest.raises(InvalidRequest) as caught:
        raise_first(problems, len(rows))
    assert caught.value.as_dict() == {
        "error": "row 1: 'amount' is -5; expected a number of at least 0 (and 1 more problem)",
        "code": "invalid_request",
        "field": "amount",
        "rule": "min",
        "got": -5,
        "expected": "a number of at least 0",
    }
    assert problems[1].expected == "one of DE, NO; did you mean 'DE'?"
    raise_first([], 1)


@pytest.mark.parametrize(
    ("row", "field", "rule", "words"),
    [
        ({}, "amount", "missing", "'amount' is missing; expected a number"),
        ({"amount": None}, "amount", "missing", "is missing"),
        ({"amount": True}, "amount", "type", "'amount' is the boolean true; expected a number"),
        ({"amount": "1"}, "amount", "type", "'amount' is text in quotes; expected a number"),
        ({"amount": [1]}, "amount", "type", "is a list"),
        ({"amount": 10**400}, "amount", "finite", "is not a finite 64-bit number"),
        ({"amount": 1, "amout": 2}, "amout", "unknown", "did you mean 'amount'?"),
        ({"amount": 1, "x" * 9999: 2}, "x" * 100 + "…", "unknown", "is not known here"),
        ([1], None, "type", "each row must be an object of named values"),
        (None, None, "type", "each row must be an object"),
    ],
)
def test_bad_rows(row, field, rule, words):
    """S3: types are strict, names are known, and nothing is echoed at length."""
    columns, problems = checker(amount=Number()).columns_from_rows([row])
    assert columns == {}
    assert (problems[0].field, problems[0].rule) == (field, rule)
    assert words in problems[0].message
    assert len(problems[0].message) < 400


def test_a_bad_row_does_not_hide_the_others():
    """S3: rows that are no objects are named beside the faults of other rows, once each."""
    _, problems = checker(a=Number(), b=Text()).columns_from_rows([5, {"a": "x", "b": "y"}])
    assert [(p.row, p.field, p.rule) for p in problems] == [(0, None, "type"), (1, "a", "type")]


def test_strict_whole_numbers():
    """S3: 3.0 is a whole number in JSON; 3.5, true and what 53 bits cannot hold are not."""
    compiled = checker(n=Integer(), flag=Boolean())
    columns, problems = compiled.columns_from_rows([{"n": 3.0, "flag": True}])
    assert problems == []
    assert columns["matrix"].tolist() == [[3.0, 1.0]]
    spread = compiled.spread(columns)
    assert (spread["n"].dtype, spread["flag"].dtype) == (np.int64, np.bool_)
    for value, rule in ((3.5, "whole"), (True, "type"), (2**53, "max"), (-(2**53) - 1, "min")):
        _, problems = compiled.columns_from_rows([{"n": value, "flag": False}])
        assert [p.rule for p in problems] == [rule], value
    _, problems = compiled.columns_from_rows([{"n": 1, "flag": 1}])
    assert [p.rule for p in problems] == ["type"]


def test_invalid_unicode_is_refused():
    """S3: half a surrogate pair would break every file and index behind the door."""
    compiled = checker(t=Text(), c=Category(values=("a",), others=True))
    _, problems = compiled.columns_from_rows([{"t": "\ud800", "c": "\udfff"}])
    assert [p.rule for p in problems] == ["unicode", "unicode"]
    assert problems[0].got.encode()


@pytest.mark.parametrize("rows", [0, ROWS_PER_CALL_MAX + 1])
def test_the_number_of_rows_is_bounded(rows):
    """S3: no rows, or more than one call may carry, are refused in every form."""
    compiled = checker(a=Number())
    assert compiled.columns_from_rows([{"a": 1}] * rows)[1][0].rule == "rows"
    assert compiled.check_matrix(np.zeros((rows, 1)))[0].rule == "rows"
    assert compiled.inputs.check({"a": np.zeros(rows)})[0].rule == "rows"


def test_problems_are_bounded():
    """S3: a batch that is wrong everywhere costs a bounded answer, in every form."""
    compiled = checker(a=Number(min=1), b=Number(min=1))
    rows = [{"a": 0, "b": 0}] * 500
    by_rows = compiled.columns_from_rows(rows)[1]
    by_matrix = compiled.check_matrix(np.zeros((500, 2)))
    assert len(by_rows) == len(by_matrix) == PROBLEMS_PER_CALL_MAX
    assert found(by_rows) == found(by_matrix)
    with pytest.raises(InvalidRequest, match="at least 99 more problems"):
        raise_first(by_rows, 500)


@pytest.mark.parametrize(
    ("columns", "field", "rule"),
    [
        ({}, "a", "missing"),
        ({"a": np.zeros(2)}, "t", "missing"),
        (
            {"a": np.zeros(2), "t": np.array(["x", "y"], dtype=object), "z": np.zeros(2)},
            "z",
            "unknown",
        ),
        ({"a": np.zeros(2), "t": np.array(["x"], dtype=object)}, "t", "rows"),
        (
            {"a": np.zeros(2, dtype=np.float32), "t": np.array(["x", "y"], dtype=object)},
            "a",
            "type",
        ),
        ({"a": np.zeros((2, 1)), "t": np.array(["x", "y"], dtype=object)}, "a", "type"),
        ({"a": np.zeros(2), "t": np.array(["x", "y"])}, "t", "type"),
        ({"a": np.zeros(2), "t": np.array(["x", {}], dtype=object)}, "t", "type"),
        ({"a": np.zeros(2), "t": np.array(["x", None], dtype=object)}, "t", "missing"),
        ({"matrix": np.zeros((2, 2))}, "matrix", "unknown"),
    ],
)
def test_bad_columns(columns, field, rule):
    """S3: named columns are held to names, types, shapes and equal lengths."""
    problems = checker(a=Number(), t=Text()).check_columns(columns)
    assert (problems[0].field, problems[0].rule) == (field, rule)


@pytest.mark.parametrize(
    "matrix", [np.zeros((2, 3)), np.zeros(2), np.zeros((2, 2), dtype=np.float32)]
)
def test_bad_matrices(matrix):
    """S3: a matrix of another shape or type is refused before its values are looked at."""
    assert checker(a=Number(), b=Number()).check_matrix(matrix)[0].rule == "shape"


def test_numeric_contracts_and_spaces():
    """S3: doors can tell whether rows may travel as a matrix, and which space a vector needs."""
    assert checker(a=Number(), b=Boolean(), c=Integer()).numeric
    compiled = checker(a=Number(), v=Vector(length=2, space="bge"), w=Vector(length=2))
    assert not compiled.numeric
    assert compiled.spaces == {"v": "bge"}
    assert compiled.names == ("a", "v", "w")


CONTEXT = Contract(
    model="m",
    inputs={"id": Text()},
    context={
        "device": FromRequest(value=Category(values=("web", "app")), otherwise="web"),
        "when": FromRequest(value=Timestamp()),
        "note": FromRequest(value=Text(optional=True)),
        "account": FromLookup(
            lookup="accounts",
            key="id",
            fields={"age": Integer(min=0), "vip": Boolean()},
            otherwise={"age": 0, "vip": False},
        ),
    },
    lookups={"accounts": FunctionSource(function="accounts")},
    output=NumberOutput(),
)


def test_context_from_rows():
    """S17: what is not sent is stood in for; what must be sent is asked for; no more is taken."""
    compiled = Checker(CONTEXT)
    moment = "2026-01-01T00:00:00Z"
    columns, problems = compiled.context_from_rows(
        [
            {"when": moment},
            {"when": moment, "device": "app", "note": "x"},
            {"when": moment, "device": None},
        ]
    )
    assert problems == []
    assert columns["device"].tolist() == ["web", "app", "web"]
    assert columns["note"].tolist() == [None, "x", None]
    assert columns["when"].dtype == np.dtype("M8[us]")
    _, problems = compiled.context_from_rows([{"device": "tv", "account": 1}])
    assert [(p.field, p.rule) for p in problems] == [
        ("account", "unknown"), ("device", "values"), ("when", "missing"),
    ]  # fmt: skip
    assert "looked up here, not sent" in problems[0].expected


def test_lookups_are_checked_too():
    """S17: what a source brings back is held to its kinds, and `otherwise` stands in."""
    fields = Checker(CONTEXT).lookups["account"]
    columns, problems = fields.from_rows([{"age": 3, "vip": True}, {}])
    assert problems == []
    assert columns["account.age"].tolist() == [3, 0]
    assert columns["account.vip"].tolist() == [True, False]
    assert fields.from_rows([{"age": -1, "vip": True}])[1][0].rule == "min"


def test_no_context_is_fine():
    """S17: a contract without context takes rows without any."""
    columns, problems = checker(a=Number()).context_from_rows([{}, {}])
    assert (columns, problems) == ({}, [])
