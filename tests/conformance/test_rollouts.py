"""Every store of rollouts keeps the same promises: N6 (one at a time, nothing written unseen)."""

import threading

import pytest
from msgspec import structs
from sqlalchemy import Engine

from mainstay.base.clock import ManualClock
from mainstay.base.errors import Conflict
from mainstay.contract.finding import Finding
from mainstay.release.rollout.controllers import begin
from mainstay.release.rollout.memory import MemoryRolloutStore
from mainstay.release.rollout.model import Pending, Record, Rollout
from mainstay.release.rollout.port import RolloutStore
from mainstay.release.rollout.sql import SqlRolloutStore
from mainstay.serve.routes.model import Arm, Draft
from tests.release_rollout.simulated import plan


@pytest.fixture
def store(kept_in: Engine | None, clock: ManualClock) -> RolloutStore:
    return MemoryRolloutStore(clock) if kept_in is None else SqlRolloutStore(kept_in, clock)


def full() -> Rollout:
    """A rollout in which everything is filled in."""
    draft = Draft(
        model="fraud", number=1, fingerprint="a", actor="ann", reason="why\nnot", salt="s",
        arms=(Arm(role="share", number=2, fingerprint="b", share=0.01),), unit="user",
    )  # fmt: skip
    finding = Finding(
        check="right answers", verdict="unsure", words="ü", figure=0.1, interval=(-1.0, 1.0)
    )
    return structs.replace(
        begin(plan(), 3, 1_700_000_000_000_000_001),
        step=1, shares={4: 0.01, 5: 0.1}, status="paused", words="waits", findings=(finding,),
        pending=Pending(draft=draft, replaces=3, status="running", step=0),
    )  # fmt: skip


def test_what_is_kept_comes_back_whole(store: RolloutStore):
    """A keeper that was killed leaves everything that the next one needs."""
    assert store.active("fraud") is None
    assert store.newest("fraud") is None
    assert list(store.all_active()) == []
    record = store.start(full())
    assert record == Record(number=1, revision=1, rollout=full())
    assert store.active("fraud") == store.newest("fraud") == record
    saved = store.save(record, structs.replace(full(), pending=None))
    assert (saved.number, saved.revision) == (1, 2)
    assert store.active("fraud") == saved
    other = store.start(begin(plan(model="Churn"), 1, 0))
    assert list(store.all_active()) == [other, saved]
    assert store.active("a\0") is None
    assert store.newest("\ud800") is None


def test_an_old_picture_is_not_written_over_a_new_one(store: RolloutStore):
    """Two keepers with the same revision: the second hears of it and changes nothing."""
    record = store.start(full())
    saved = store.save(record, structs.replace(full(), words="first"))
    with pytest.raises(Conflict, match="changed by somebody else"):
        store.save(record, structs.replace(full(), words="second"))
    assert store.active("fraud") == saved
    unknown = structs.replace(record, number=7)
    with pytest.raises(Conflict):
        store.save(unknown, full())


def test_a_model_has_one_rollout_at_a_time(store: RolloutStore):
    """The next one begins when the one before has ended, and has the next number."""
    record = store.start(full())
    with pytest.raises(Conflict, match="started by ann, goes on"):
        store.start(full())
    ended = store.save(record, structs.replace(full(), status="finished"))
    assert store.active("fraud") is None
    assert store.newest("fraud") == ended
    second = store.start(full())
    assert second.number == 2
    assert store.newest("fraud") == second


def test_of_many_starters_one_wins(store: RolloutStore, hasty_threads: None):
    """S5: four at once, ten times; never two, never none."""
    for _ in range(10):
        won: list[Record] = []
        lost: list[Conflict] = []

        def begin_one(won: list[Record] = won, lost: list[Conflict] = lost) -> None:
            try:
                won.append(store.start(full()))
            except Conflict as error:
                lost.append(error)

        threads = [threading.Thread(target=begin_one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(won), len(lost)) == (1, 3)
        store.save(won[0], structs.replace(full(), status="overtaken"))


def test_the_lease_is_held_by_one_and_runs_out(store: RolloutStore, clock: ManualClock):
    """One keeper at a time; another takes over when its time is up, not before."""
    assert store.lease("one", 10)
    assert not store.lease("two", 10)
    clock.advance(6)
    assert store.lease("one", 10)
    clock.advance(6)
    assert not store.lease("two", 10)
    clock.advance(5)
    assert store.lease("two", 10)
    assert not store.lease("one", 10)
