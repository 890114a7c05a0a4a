"""Every store of choices keeps the same promises: S31 (who went back stays there, wherever asked)."""

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from mainstay.base.clock import ManualClock
from mainstay.serve.choices.memory import MemoryChoiceStore
from mainstay.serve.choices.model import Choice, mark_of, merge, stamp_of, went_back
from mainstay.serve.choices.port import ChoiceStore
from mainstay.serve.choices.sql import SqlChoiceStore


@pytest.fixture
def store(kept_in: Engine | None, clock: ManualClock) -> ChoiceStore:
    return MemoryChoiceStore(clock) if kept_in is None else SqlChoiceStore(kept_in, clock)


def choice(
    unit: str, time_ns: int, back: bool = True, model: str = "fraud", rollout: str = "5a17"
) -> Choice:
    which = "previous" if back else "current"
    return Choice(
        model=model, rollout=rollout, mark=mark_of(rollout, unit), stamp=stamp_of(time_ns, which)
    )


def known(store: ChoiceStore, model: str = "fraud", rollout: str = "5a17") -> dict[int, int]:
    return store.since(model, rollout, 0)[1]


def test_the_newest_choice_of_a_unit_holds(store: ChoiceStore):
    """S31: back, and back again, whatever arrives first; the same choice twice is one."""
    assert store.since("fraud", "5a17", 0) == (0, {})
    store.keep([choice("ann", 10), choice("bob", 10), choice("ann", 12, back=False)])
    store.keep([choice("ann", 11), choice("bob", 10)])
    assert store.went_back("fraud", "5a17") == 1
    assert known(store) == {
        mark_of("5a17", "ann"): stamp_of(12, "current"),
        mark_of("5a17", "bob"): stamp_of(10, "previous"),
    }
    store.keep([])
    store.keep([choice("ann", 1_900_000_000_000_000_000)])
    assert store.went_back("fraud", "5a17") == 2


def test_whoever_asks_for_what_is_new_misses_nothing(store: ChoiceStore):
    """S31: another machine learns of every choice, and of each only once it changed."""
    store.keep([choice("ann", 10)])
    reached, first = store.since("fraud", "5a17", 0)
    assert list(first) == [mark_of("5a17", "ann")]
    assert store.since("fraud", "5a17", reached) == (reached, {})
    store.keep([choice("bob", 11), choice("ann", 9)])
    again, second = store.since("fraud", "5a17", reached)
    assert again > reached
    assert list(second) == [mark_of("5a17", "bob")]


def test_models_and_rollouts_keep_their_own(store: ChoiceStore):
    """S31: the next rollout begins with nobody gone back; names that no database keeps are none."""
    store.keep([choice("ann", 1), choice("ann", 2, rollout="b0b"), choice("ann", 3, model="churn")])
    assert [len(known(store, *key)) for key in (("fraud", "5a17"), ("fraud", "b0b"))] == [1, 1]
    assert set(known(store)) != set(known(store, "fraud", "b0b")), "marks tell nothing elsewhere"
    assert store.went_back("churn", "b0b") == 0
    assert store.since("a\0", "\ud800", 0) == (0, {})
    assert store.went_back("a\0", "") == 0


def test_old_rollouts_are_forgotten_and_those_in_force_or_fresh_are_not(
    store: ChoiceStore, clock: ManualClock
):
    """S31: nobody needs to know who chose what once it is over."""
    store.keep([choice("ann", 1), choice("ann", 1, rollout="over")])
    clock.advance(10)
    old_ns = clock.now_ns()
    store.keep([choice("ann", 1, rollout="fresh")])
    assert store.forget({"fraud": "5a17"}, old_ns) == 1
    assert store.forget({"fraud": "5a17"}, old_ns) == 0
    counts = [store.went_back("fraud", name) for name in ("5a17", "fresh", "over")]
    assert counts == [1, 1, 0]


def test_of_writers_at_once_none_is_lost(store: ChoiceStore, hasty_threads: None):
    """S31: four machines, the first choices of a rollout among them."""
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for each in range(5):
                store.keep([choice(f"{number} {each}", 5), choice("all", number, back=False)])
        except BaseException as error:  # noqa: BLE001  # because it is looked at below
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    stamps = known(store)
    assert len(stamps) == 21
    assert stamps[mark_of("5a17", "all")] == stamp_of(4, "current")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 9), st.booleans()), max_size=12
    ).flatmap(lambda made: st.tuples(st.just(made), st.permutations(made)))
)
def test_the_order_of_arrival_does_not_matter(orders: tuple[list, list]):
    """S31: two machines that hear of the same choices in two orders agree in the end, and with
    whoever merges in memory."""
    stores = [MemoryChoiceStore(ManualClock()), MemoryChoiceStore(ManualClock())]
    merged: dict[int, int] = {}
    for store, made in zip(stores, orders, strict=True):
        for unit, time_ns, back in made:
            store.keep([choice(unit, time_ns, back)])
    for unit, time_ns, back in orders[0]:
        one = choice(unit, time_ns, back)
        merge(merged, {one.mark: one.stamp})
    assert known(stores[0]) == known(stores[1]) == merged
    back = sum(map(went_back, merged.values()))
    assert stores[0].went_back("fraud", "5a17") == back
