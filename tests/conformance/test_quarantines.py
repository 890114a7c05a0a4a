"""Every store of quarantines keeps the same promises: N2, N5."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import Engine

from mainstay.base.errors import InvalidUsage, NotFound
from mainstay.renew.quarantine.memory import MemoryQuarantineStore
from mainstay.renew.quarantine.model import Quarantine, merged
from mainstay.renew.quarantine.port import QuarantineStore
from mainstay.renew.quarantine.sql import SqlQuarantineStore

ONE = Quarantine(
    id="q1", model="fraud", begin_ns=10, end_ns=20, reason="silent ½", actor="ann", at_ns=100
)


@pytest.fixture
def store(kept_in: Engine | None) -> QuarantineStore:
    return MemoryQuarantineStore() if kept_in is None else SqlQuarantineStore(kept_in)


def test_quarantines_are_listed_by_model_and_begin(store: QuarantineStore):
    """Only those of the model that is asked about."""
    early = replace(ONE, id="q2", begin_ns=5)
    other = replace(ONE, id="q3", model="Churn")
    for each in (ONE, early, other):
        store.add(each)
    assert list(store.active("fraud")) == list(store.of("fraud")) == [early, ONE]
    assert list(store.of()) == [other, early, ONE]
    assert (
        list(store.of("nobody")) == list(store.active("a\0")) == list(store.at("\ud800", 1)) == []
    )


def test_a_lifted_quarantine_is_not_forgotten(store: QuarantineStore):
    """N2: it is out of force from then on, and what was in force before can still be told."""
    store.add(ONE)
    lifted = store.lift("q1", 200)
    assert lifted == replace(ONE, lifted_at_ns=200)
    assert store.lift("q1", 300) == lifted, "lifting twice is lifting once"
    store.add(ONE)
    assert list(store.of("fraud")) == [lifted], "adding it again does not bring it back"
    assert list(store.active("fraud")) == []
    in_force = [moment for moment in (99, 100, 199, 200) if store.at("fraud", moment)]
    assert in_force == [100, 199]


@pytest.mark.parametrize("nobody", ["q9", "", "a\0", "\ud800"])
def test_what_is_not_there_is_not_lifted_silently(store: QuarantineStore, nobody: str):
    store.add(ONE)
    with pytest.raises(NotFound, match="no such quarantine"):
        store.lift(nobody, 1)


@pytest.mark.parametrize(
    "wrong", [{"end_ns": 10}, {"end_ns": 9}, {"reason": " "}, {"reason": "x" * 1001}]
)
def test_a_stretch_without_length_or_reason_is_refused(store: QuarantineStore, wrong: dict):
    with pytest.raises(InvalidUsage):
        store.add(replace(ONE, **wrong))
    assert list(store.of()) == []


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=8))
def test_merged_stretches_cover_exactly_the_same_moments(pairs: list[tuple[int, int]]):
    windows = [replace(ONE, begin_ns=begin, end_ns=begin + length) for begin, length in pairs]
    together = merged(windows)
    for moment in range(45):
        inside = sum(begin <= moment < end for begin, end in together)
        assert inside == any(each.covers(moment) for each in windows)
