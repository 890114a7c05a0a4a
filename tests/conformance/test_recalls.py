"""Every store of recalls keeps the same promises: N2 (one at a time, nothing written unseen)."""

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine

from mainstay.base.errors import Conflict, NotFound
from mainstay.release.recall.memory import MemoryRecallStore
from mainstay.release.recall.model import (
    Before,
    Blast,
    Fed,
    Made,
    PassedOver,
    Plan,
    Recall,
    Side,
    Taint,
    Window,
)
from mainstay.release.recall.port import RecallStore
from mainstay.release.recall.sql import SqlRecallStore

WINDOW = Window(1_700_000_000_000_000_001, 1_700_000_000_000_000_002)
BAD = Taint(model="fraud", number=3, fingerprint="c3", judged="unsure", words="½\0")
FULL = Recall(
    model="fraud",
    window=WINDOW,
    actor="ann",
    reason="a sensor\nwas stuck",
    at_ns=5,
    plan=Plan(
        model="fraud",
        window=WINDOW,
        epoch=7,
        live=Side(number=3, fingerprint="c3"),
        suspects=(BAD,),
        to=Side(number=2, fingerprint="c2"),
        passed_over=(PassedOver(number=3, words="bad"),),
        quarantined=("fraud", "Ranker"),
        blast=Blast(
            made=(
                Made(
                    number=3, fingerprint="c3", judged="unsure", decisions=9, unseen=1,
                    first="2026", last="2027",
                ),
            ),
            callers=(("shop", 9),),
            fed=(Fed(model="Ranker", live=2, decisions=3, suspects=(BAD,)),),
        ),
    ),
    before=Before(number=3, fingerprint="c3", epoch=7, arms=True),
    quarantined=("fraud",),
    epoch=8,
)  # fmt: skip


@pytest.fixture
def store(kept_in: Engine | None) -> RecallStore:
    return MemoryRecallStore() if kept_in is None else SqlRecallStore(kept_in)


def test_what_is_kept_comes_back_whole(store: RecallStore):
    """A command that was killed leaves all that the next one needs."""
    assert list(store.of()) == []
    first = store.begin(FULL)
    assert first == replace(FULL, number=1, revision=1)
    other = store.begin(replace(FULL, model="Churn"))
    assert (other.number, store.find(1), store.find(2)) == (2, first, other)
    saved = store.save(replace(first, status="in force"))
    assert saved.revision == 2
    assert list(store.of()) == [saved, other]
    assert list(store.of("fraud")) == [saved]
    assert list(store.of("nobody")) == list(store.of("a\0")) == []
    for number in (0, 3, 2**40):
        with pytest.raises(NotFound, match=f"no recall {number}"):
            store.find(number)


def test_a_model_has_one_open_recall(store: RecallStore):
    """The second is refused by the name of whoever began the first, until that came to an end."""
    first = store.begin(FULL)
    with pytest.raises(Conflict, match="recall 1 of fraud, begun by ann"):
        store.begin(FULL)
    back = store.save(replace(first, status="taking back"))
    with pytest.raises(Conflict):
        store.begin(FULL)
    store.save(replace(back, status="taken back"))
    assert store.begin(FULL).number == 2


def test_an_old_picture_is_not_written_over_a_new_one(store: RecallStore):
    """Two who carry the same recall out: the second hears of it and changes nothing."""
    first = store.begin(FULL)
    store.save(replace(first, epoch=9))
    with pytest.raises(Conflict, match="somebody else goes on"):
        store.save(replace(first, epoch=10))
    assert store.find(1).epoch == 9
