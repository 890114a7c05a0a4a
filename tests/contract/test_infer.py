"""N10: a contract inferred from data is generous, takes that data, and says what was seen."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mainstay.base.errors import InvalidContract, InvalidUsage
from mainstay.contract.infer import infer_contract, infer_kind, observed
from mainstay.contract.load import loads_contract
from mainstay.contract.model import (
    Boolean,
    Category,
    Integer,
    Number,
    NumberOutput,
    Text,
    Timestamp,
    Vector,
)
from mainstay.contract.values import Checker
from mainstay.contract.write import write_contract


def objects(*values):
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


NAN, NOTHING = float("nan"), None


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (np.array([0.0, 10.0]), Number(min=-10, max=20)),
        (np.array([123.0, 456.0], dtype=np.float32), Number(min=-210, max=790)),
        (np.array([1.0, np.nan]), Number(optional=True, min=0, max=2)),
        (np.array([np.nan]), Number(optional=True)),
        (np.array([0, 10], dtype=np.int8), Integer(min=-10, max=20)),
        (np.array([2**53 - 1, 0]), Integer(min=-(2**53) + 1, max=2**53 - 1)),
        (np.array([True]), Boolean()),
        (np.array(["a", "b"] * 10), Category(values=("a", "b"))),
        (np.array(["a", "b", "c"]), Text()),
        (objects(*["x", None] * 10), Category(values=("x",), optional=True)),
        (objects("x" * 1000), Text(max_length=4000)),
        (objects(True, False), Boolean()),
        (objects(1, 2.5, NAN), Number(optional=True, min=-0.5, max=4)),
        (objects(1, 3), Integer(min=-1, max=5)),
        (objects(NOTHING), Text(optional=True)),
        (np.array(["2026-01-01", "NaT"], dtype="M8[D]"), Timestamp(optional=True)),
        (objects(datetime(2026, 1, 1, tzinfo=UTC)), Timestamp()),
        (np.zeros((3, 4), dtype=np.float32), Vector(length=4)),
        (objects([1, 2], (3.0, 4.0), None), Vector(length=2, optional=True)),
    ],
)
def test_kinds_are_inferred(column, kind):
    """N10: ranges get their own width on both sides, missing values make an input optional."""
    assert infer_kind("x", column) == kind


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (np.array([np.inf]), "infinity"),
        (np.array([2**53]), "more than 53 bits"),
        (objects(2**70), "more than 53 bits"),
        (np.array([]), "no rows"),
        (np.zeros((2, 2, 2)), "3 dimensions"),
        (np.array([1j]), "complex"),
        (objects("a", 1), "int, str"),
        (objects({}), "dict"),
        (objects("\ud800"), "not valid Unicode"),
        (objects([1], [1, 2]), "differ in length"),
        (objects(datetime(2026, 1, 1)), "no time zone"),
        (np.array([[np.inf]]), "not finite"),
    ],
)
def test_what_fits_no_kind(column, words):
    """N10: a column that cannot be an input is named, with the reason."""
    with pytest.raises(InvalidUsage, match=words) as caught:
        infer_kind("x", column)
    assert "'x'" in caught.value.message


def test_names_are_checked():
    """N10: names that no contract may have are refused before anything is written."""
    with pytest.raises(InvalidUsage, match="'a_b' would do"):
        infer_contract("m", {"a.b": np.zeros(1)}, NumberOutput())
    with pytest.raises(InvalidContract, match="not a model name"):
        infer_contract("M", {"a": np.zeros(1)}, NumberOutput())
    with pytest.raises(InvalidContract, match="at least one input"):
        infer_contract("m", {}, NumberOutput())


_numbers = hnp.arrays(
    np.float64, 6, elements=st.floats(allow_infinity=False) | st.just(NAN) | st.integers(0, 3)
)
_columns = {
    "number": _numbers,
    "integer": hnp.arrays(np.int64, 6, elements=st.integers(-(2**53) + 1, 2**53 - 1)),
    "flag": hnp.arrays(np.bool_, 6),
    "word": st.lists(st.sampled_from(["a", "", "NO"]), min_size=6, max_size=6).map(
        lambda words: objects(*words)
    ),
    "when": hnp.arrays(
        "M8[us]", 6, elements=st.integers(0, 2**50).map(lambda n: np.datetime64(n, "us"))
    ),
    "vector": hnp.arrays(np.float64, (6, 2), elements=st.floats(-1e9, 1e9)),
}


@settings(max_examples=100, deadline=None)
@given(st.fixed_dictionaries(_columns))
def test_the_data_passes_its_own_contract(columns):
    """N10 S3: what a contract was inferred from is taken by it, and it survives its file."""
    contract = infer_contract("m", columns, NumberOutput())
    assert loads_contract(write_contract(contract, observed(columns)), "c") == contract
    assert Checker(contract).check_columns(columns) == []


def test_what_was_seen_is_told():
    """N10: the comments tell the observed range, and how many were missing."""
    seen = observed({
        "a": np.array([1.5, 2, np.nan]), "b": np.array([True, False]), "c": np.array(["x", "yy"]),
    })  # fmt: skip
    assert seen == {
        "a": "seen 1.5 to 2, 1 missing",
        "b": "seen true in 50 %",
        "c": "seen 2 different, at most 2 characters",
    }
