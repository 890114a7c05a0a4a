"""Every store of reservoirs and every queue of tasks keeps the same promises: N8, L4."""

import threading
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine

from mainstay.base.errors import Conflict, NotFound
from mainstay.renew.labelling.memory import MemoryReservoirStore, MemoryTaskQueue
from mainstay.renew.labelling.model import Said, Settled, Task, Turn
from mainstay.renew.labelling.port import ReservoirStore, Stretch, TaskQueue
from mainstay.renew.labelling.reservoir import merge, offer
from mainstay.renew.labelling.sql_queue import SqlTaskQueue
from mainstay.renew.labelling.sql_reservoirs import SqlReservoirStore

LEASE = 100
ONE = Task(id="t1", model="fraud", decision="d1", place=0.1, chance=0.5, made_ns=10)


@pytest.fixture
def queue(kept_in: Engine | None) -> TaskQueue:
    return MemoryTaskQueue() if kept_in is None else SqlTaskQueue(kept_in)


@pytest.fixture
def reservoirs(kept_in: Engine | None) -> ReservoirStore:
    return MemoryReservoirStore() if kept_in is None else SqlReservoirStore(kept_in)


def give(queue: TaskQueue, labeler: str, now_ns: int = 1000, *, gold: bool = False) -> str | None:
    found = queue.give("fraud", labeler, gold=gold, lease_ns=LEASE, now_ns=now_ns)
    return None if found is None else found[0].id


# Reservoirs ---------------------------------------------------------------------------------------


def drawn(first: int, count: int, most: int = 5):
    return offer("fraud", most, {}, [(f"d{place}", "") for place in range(first, first + count)])


def test_what_pieces_bring_is_merged_and_each_piece_counts_once(reservoirs: ReservoirStore):
    """L4: the same whether a piece is taken in once or, after a crash, again."""
    hour, other = Stretch("fraud", 0, 10), Stretch("fraud", 10, 20)
    reservoirs.add("p1", 5, {hour: drawn(0, 40)})
    reservoirs.add("p2", 6, {hour: drawn(40, 40), other: drawn(0, 3)})
    reservoirs.add("p2", 6, {hour: drawn(80, 40)})
    reservoirs.add("p3", 7, {})
    assert reservoirs.taken() == {"p1", "p2", "p3"}
    assert dict(reservoirs.due(9)) == {}
    assert dict(reservoirs.due(10)) == {hour: drawn(0, 80)}
    assert list(reservoirs.due(20)) == [hour, other]
    assert merge(drawn(0, 40), drawn(40, 40)) == drawn(0, 80)


def test_a_stretch_that_something_came_to_is_not_dropped(reservoirs: ReservoirStore):
    """N8: what another process took in while tasks were made is not lost."""
    hour = Stretch("fraud", 0, 10)
    reservoirs.add("p1", 5, {hour: drawn(0, 3)})
    before = reservoirs.due(10)[hour]
    reservoirs.add("p2", 6, {hour: drawn(3, 1)})
    assert not reservoirs.drop(hour, before)
    assert reservoirs.drop(hour, reservoirs.due(10)[hour])
    assert dict(reservoirs.due(10)) == {}
    reservoirs.forget(6)
    assert reservoirs.taken() == {"p2"}


# Tasks --------------------------------------------------------------------------------------------


def test_tasks_are_given_in_their_order_each_to_one_labeler(queue: TaskQueue):
    later = replace(ONE, id="t0", made_ns=11, place=0.0)
    second = replace(ONE, id="t2", place=0.2)
    other = replace(ONE, id="t3", model="churn")
    assert queue.add([later, second, ONE, other]) == 4
    assert queue.add([replace(ONE, wanted=9)]) == 0, "what is there stays as it is"
    assert [give(queue, who) for who in ("ann", "bob", "cid", "dan")] == ["t1", "t2", "t0", None]
    assert give(queue, "ann") == "t1", "who has a task gets it again"
    assert [task.id for task, _ in queue.of("fraud")] == ["t1", "t2", "t0"]
    assert queue.of("nobody") == queue.of("a\0") == []
    assert queue.give("a\0", "ann", gold=False, lease_ns=1, now_ns=1) is None


def test_as_many_get_a_task_as_answers_are_wanted(queue: TaskQueue):
    queue.add([replace(ONE, wanted=2)])
    assert [give(queue, who) for who in ("ann", "bob", "cid")] == ["t1", "t1", None]
    queue.answer("t1", "ann", Said(label="ok"), 1010)
    assert give(queue, "cid", 1020) is None, "an answer takes its place for good"
    assert give(queue, "cid", 1000 + LEASE) == "t1", "bob's time is over"


def test_a_lease_ends_and_what_comes_after_it_is_refused(queue: TaskQueue):
    queue.add([ONE])
    assert give(queue, "ann") == "t1"
    assert give(queue, "bob", 999 + LEASE) is None
    with pytest.raises(Conflict, match="yours until"):
        queue.answer("t1", "ann", Said(label="ok"), 1000 + LEASE)
    assert give(queue, "bob", 1000 + LEASE) == "t1"
    with pytest.raises(Conflict, match="yours until"):
        queue.answer("t1", "ann", Said(label="ok"), 1001 + LEASE)
    turn, already = queue.answer("t1", "bob", Said(label="ok"), 1007 + LEASE)
    assert (turn.state, turn.took_ms, already) == ("answered", 0, False)


def test_who_came_too_late_may_get_the_task_again(queue: TaskQueue):
    queue.add([ONE])
    give(queue, "ann", 0)
    assert give(queue, "ann", 5_000_000_000) == "t1"
    turn, _ = queue.answer("t1", "ann", Said(label="ok"), 5_000_000_000 + LEASE - 1)
    assert turn.given_ns == 5_000_000_000
    assert queue.find("t1")[1] == (turn,)


def test_answers_are_kept_once_and_never_changed(queue: TaskQueue):
    queue.add([ONE])
    give(queue, "ann")
    queue.saw("t1", "ann", "fraud")
    queue.saw("t1", "bob", "fraud")
    said = Said(label="ok", took_ms=1500)
    turn, already = queue.answer("t1", "ann", said, 1050)
    assert not already
    assert turn == Turn(
        task="t1", labeler="ann", given_ns=1000, until_ns=1000 + LEASE, state="answered",
        label="ok", said_ns=1050, took_ms=1500, saw="fraud",
    )  # fmt: skip
    again, already = queue.answer("t1", "ann", Said(label="ok"), 9999)
    assert already, "also after the lease"
    assert again == turn
    with pytest.raises(Conflict, match="never changed") as told:
        queue.answer("t1", "ann", Said(label="fraud"), 1060)
    assert told.value.got == "fraud"
    assert queue.find("t1") == (ONE, (turn,))
    assert give(queue, "ann") is None, "nobody gets what they answered"


def test_what_was_not_given_cannot_be_answered(queue: TaskQueue):
    queue.add([ONE])
    with pytest.raises(Conflict, match="not given to you"):
        queue.answer("t1", "bob", Said(label="ok"), 1)
    for nobody in ("t9", "", "a\0", "\ud800"):
        for ask in (
            lambda task: queue.answer(task, "bob", Said(label="ok"), 1),
            queue.find,
            lambda task: queue.put(replace(TURN, task=task)),
        ):
            with pytest.raises(NotFound, match="no such labelling task"):
                ask(nobody)


def test_who_skips_leaves_the_task_to_others(queue: TaskQueue):
    queue.add([ONE])
    give(queue, "ann")
    turn, _ = queue.answer("t1", "ann", Said(), 1001)
    assert (turn.state, turn.label) == ("skipped", None)
    assert queue.answer("t1", "ann", Said(), 1002) == (turn, True)
    with pytest.raises(Conflict, match="left it to others"):
        queue.answer("t1", "ann", Said(label="ok"), 1003)
    assert give(queue, "ann") is None
    assert give(queue, "bob") == "t1"


TURN = Turn(task="t1", labeler="studio:7", given_ns=1, until_ns=2, state="answered", label="ok")


def test_turns_that_were_had_elsewhere_are_kept_once(queue: TaskQueue):
    queue.add([ONE])
    assert queue.put(TURN)
    assert not queue.put(replace(TURN, said_ns=9))
    with pytest.raises(Conflict, match="said 'ok' before"):
        queue.put(replace(TURN, label="fraud"))
    assert queue.find("t1")[1] == (TURN,)
    give_first = replace(ONE, id="t2")
    queue.add([give_first])
    assert give(queue, "ann") == "t2", "one answer was wanted of t1, and is there"
    done = replace(TURN, task="t2", labeler="ann")
    assert queue.put(done), "a turn that goes on ends with it"
    assert queue.find("t2")[1] == (done,)


def test_probes_are_for_everybody_and_only_where_they_are_asked_for(queue: TaskQueue):
    queue.add([ONE, replace(ONE, id="t2")])
    assert queue.add([replace(ONE, gold="ok", wanted=7)]) == 1, "a task may become one"
    assert queue.add([replace(ONE, gold="ok")]) == 0
    assert queue.find("t1")[0] == replace(ONE, gold="ok")
    assert give(queue, "ann") == "t2"
    assert [give(queue, who, gold=True) for who in ("bob", "cid")] == ["t1", "t1"]
    queue.answer("t1", "bob", Said(label="fraud"), 1001)
    assert give(queue, "bob", gold=True) is None, "each once"
    assert give(queue, "bob") is None
    settled = replace(ONE, id="t4", state="settled")
    queue.add([settled])
    queue.add([replace(settled, gold="ok", state="open")])
    assert queue.find("t4")[0].state == "open"
    assert queue.change(replace(ONE, gold=None, state="gone"), "open")
    assert queue.find("t1")[0].gold == "ok", "what is known stays known"
    assert give(queue, "dan", gold=True) == "t4", "what is gone is asked of nobody"


def test_of_two_who_settle_a_task_one_is_told(queue: TaskQueue):
    queue.add([ONE])
    done = Settled(label="ok", sure=0.9, at_ns=5, event="e1")
    settled = replace(ONE, state="settled", settled=done)
    assert queue.change(settled, "open")
    assert not queue.change(settled, "open")
    assert not queue.change(replace(settled, id="t9"), "open")
    told = replace(settled, settled=replace(done, told=True))
    assert queue.change(told, "settled", untold=True)
    assert not queue.change(told, "settled", untold=True)
    assert queue.find("t1")[0] == told
    assert give(queue, "ann") is None
    assert queue.forget(11) == 1
    with pytest.raises(NotFound):
        queue.find("t1")


def test_the_mark_moves_whenever_somebody_says_something(queue: TaskQueue):
    queue.add([replace(ONE, wanted=2), replace(ONE, id="t2", model="churn")])
    assert queue.mark("fraud") == (1, 1, 0)
    give(queue, "ann")
    assert queue.mark("fraud") == (1, 1, 0), "a task that is given is no answer yet"
    queue.answer("t1", "ann", Said(label="ok"), 1001)
    assert queue.mark("fraud") == (1, 1, 1)
    queue.put(replace(TURN, labeler="bob"))
    queue.change(replace(ONE, state="settled"), "open")
    assert queue.mark("fraud") == (1, 0, 2)
    assert queue.mark("nobody") == (0, 0, 0)


def test_open_tasks_and_young_ones_are_not_forgotten(queue: TaskQueue):
    queue.add([ONE, replace(ONE, id="t2", state="expired", made_ns=20)])
    give(queue, "ann")
    assert queue.forget(20) == 0
    assert queue.forget(21) == 1
    assert [task.id for task, _ in queue.of("fraud")] == ["t1"]


@pytest.mark.parametrize("wanted", [1, 2])
def test_however_many_ask_at_once_nobody_too_many_gets_a_task(
    queue: TaskQueue, hasty_threads: None, wanted: int
):
    """N8: two labelers never have the same task unless two answers are wanted."""
    tasks = [
        replace(ONE, id=f"t{place:02d}", place=place / 100, wanted=wanted) for place in range(6)
    ]
    queue.add(tasks)
    got: dict[str, list[str]] = {}
    start = threading.Barrier(4)

    def labeler(name: str) -> Callable[[], None]:
        def label() -> None:
            start.wait(60)
            while (task := give(queue, name)) is not None:
                got.setdefault(task, []).append(name)
                queue.answer(task, name, Said(label="ok"), 1001)

        return label

    threads = [threading.Thread(target=labeler(f"l{number}")) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {task: len(names) for task, names in got.items()} == {t.id: wanted for t in tasks}
    assert all(len(set(names)) == wanted for names in got.values())
