"""Every store of snapshots keeps the same promises: N1."""

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine

from mainstay.base.errors import InvalidUsage, NotFound
from mainstay.renew.labels.model import Definition
from mainstay.renew.snapshots.memory import MemorySnapshotStore
from mainstay.renew.snapshots.model import Snapshot
from mainstay.renew.snapshots.port import SnapshotStore
from mainstay.renew.snapshots.sql import SqlSnapshotStore

ONE = Snapshot(
    id="abcdef" + "0" * 58,
    definition=Definition(
        model="fraud", since_ns=1, until_ns=9, known_ns=9, without=((2, 3),), answers=("ok ½",),
        columns={"input_a": "DOUBLE"},
    ),
    content="c", columns={"id": "h"}, rows=3, reaches=(1, 8), left_out={"why": 2},
    contradicted=1, file="fraud/a.parquet", digest="d", made_ns=100, actor="ann",
)  # fmt: skip


@pytest.fixture
def store(kept_in: Engine | None) -> SnapshotStore:
    return MemorySnapshotStore() if kept_in is None else SqlSnapshotStore(kept_in)


def test_the_first_under_an_id_stays(store: SnapshotStore):
    """The id stands for the data, so the second one is the same."""
    assert store.keep(ONE) == ONE
    assert store.keep(replace(ONE, made_ns=200, actor="bob")) == ONE
    assert store.find(ONE.id) == ONE


def test_snapshots_are_listed_newest_first(store: SnapshotStore):
    newer = replace(ONE, id="abcdee" + "0" * 58, made_ns=300)
    other = replace(
        ONE, id="b" * 64, made_ns=200, definition=replace(ONE.definition, model="churn")
    )
    for each in (ONE, newer, other):
        store.keep(each)
    assert list(store.of("fraud")) == [newer, ONE]
    assert list(store.of()) == [newer, other, ONE]
    assert list(store.of("nobody")) == list(store.of("a\0")) == []


def test_the_clear_beginning_of_an_id_is_enough(store: SnapshotStore):
    store.keep(ONE)
    store.keep(replace(ONE, id="abcdef" + "1" * 58))
    assert store.find("abcdef0") == ONE
    with pytest.raises(InvalidUsage, match="2 snapshots begin with 'abcdef'"):
        store.find("abcdef")
    for nobody in ("abcdef2", "abc", "", "%bcdef", "ABCDEF0", "a\0cdef", "\ud800bcdef", "0" * 65):
        with pytest.raises(NotFound, match="no such snapshot"):
            store.find(nobody)
