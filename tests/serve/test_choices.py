"""Choices on their way from a worker to all workers: none is lost, and none waits (S31)."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from mainstay.base.clock import ManualClock
from mainstay.base.errors import Conflict, NotFound, Overloaded, StorageFailed
from mainstay.base.ids import DecisionIds
from mainstay.journal.model import Event
from mainstay.serve.choices import follow
from mainstay.serve.choices.follow import Choices
from mainstay.serve.choices.keep import ChoiceKeeper
from mainstay.serve.choices.make import Chooser
from mainstay.serve.choices.memory import MemoryChoiceStore
from mainstay.serve.choices.model import Choice, Packed, packed, rollouts_of
from mainstay.serve.choices.port import ChoiceStore
from mainstay.serve.routes.model import Arm, News, Route
from tests.release_rollout.simulated import Dying, Killed
from tests.serve.world import route_of

OLD = Arm(role="opt_back", number=1, fingerprint="1" * 64, share=0.0)


def way_back(salt: str = "5a17", until_ns: int = 2**62) -> Route:
    return structs.replace(
        route_of(2), arms=(OLD,), salt=salt, unit="user", news=News(words="New.", until_ns=until_ns)
    )


class Machine:
    """Two workers and a keeper on one folder."""

    def __init__(self, folder: Path, store: ChoiceStore, clock: ManualClock) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.store, self.clock = folder, store, clock
        self.routes = [way_back()]
        self.workers = [Choices(folder, clock), Choices(folder, clock)]
        self.keeper = self.new_keeper()
        self.made = 0

    def new_keeper(self, store: Callable[[], ChoiceStore] | None = None) -> ChoiceKeeper:
        return ChoiceKeeper(store or self._open, lambda: rollouts_of(self.routes), self.folder)

    def _open(self) -> ChoiceStore:
        return self.store

    def choose(self, worker: int, unit: str, back: bool = True) -> None:
        self.made += 1
        which = "previous" if back else "current"
        self.workers[worker].choose(self.routes[0], unit, which, f"{self.made:08}")
        self.clock.advance(0.001)

    def back(self, *units: str) -> list[list[bool]]:
        """By worker, who of these went back, once they have looked."""
        for worker in self.workers:
            worker.look()
        return [[worker.of(self.routes[0])(unit) for unit in units] for worker in self.workers]


@pytest.fixture
def machine(tmp_path: Path, clock: ManualClock) -> Machine:
    return Machine(tmp_path / "run", MemoryChoiceStore(clock), clock)


def test_who_heard_a_choice_follows_it_at_once_and_the_others_by_the_keeper(machine: Machine):
    """S31: also coming again, and through a second machine that shares the store."""
    other = Machine(machine.folder.parent / "other", machine.store, machine.clock)
    machine.choose(0, "ann")
    assert machine.back("ann", "bob") == [[True, False], [False, False]]
    machine.keeper.look()
    assert machine.back("ann", "bob") == [[True, False]] * 2
    other.keeper.look()
    assert other.back("ann", "bob") == [[True, False]] * 2
    assert list((machine.folder / "choices").iterdir()) == []
    other.choose(1, "ann", back=False)
    assert other.back("ann") == [[True], [False]]
    other.keeper.look()
    machine.keeper.look()
    assert machine.back("ann") == other.back("ann") == [[False]] * 2


def test_a_keeper_killed_anywhere_loses_no_choice(tmp_path: Path, clock: ManualClock):
    """S31: before and after everything that it does with the store; keeping twice is keeping."""
    kill_at = done = 0
    while not done:
        machine = Machine(tmp_path / str(kill_at), MemoryChoiceStore(clock), clock)
        calls = iter(range(1000))

        def dies(calls: Sequence[int] = calls, kill_at: int = kill_at) -> bool:
            return next(calls) == kill_at

        store = Dying(machine.store, ["keep", "since"], dies)
        machine.choose(0, "ann")
        machine.choose(1, "bob")
        machine.choose(1, "ann", back=False)
        try:
            machine.new_keeper(lambda store=store: store).look()
            done = 1
        except Killed:
            machine.new_keeper().look()
        assert machine.back("ann", "bob") == [[False, True]] * 2
        assert machine.store.went_back("sum", "5a17") == 1
        kill_at += 1
    assert kill_at == 5


def test_with_the_store_away_this_machine_follows_all_the_same(machine: Machine):
    """S31: what was chosen waits for the store, through the death of the keeper as well."""
    machine.choose(0, "ann")
    machine.keeper.look()

    def away() -> ChoiceStore:
        raise StorageFailed("the database is away")

    machine.choose(1, "bob")
    for _ in range(2):
        with pytest.raises(StorageFailed):
            machine.new_keeper(away).look()
        assert machine.back("ann", "bob") == [[True, True]] * 2
    assert machine.store.went_back("sum", "5a17") == 1
    machine.new_keeper().look()
    assert machine.store.went_back("sum", "5a17") == 2


def test_a_rollout_begins_with_nobody_gone_back(machine: Machine):
    """S31: choices end with the rollout that they were made in, and are not told any more."""
    machine.choose(0, "ann")
    machine.keeper.look()
    machine.routes = [way_back("b0b")]
    assert machine.back("ann") == [[False]] * 2
    machine.choose(1, "ann")
    machine.workers[1].look()
    assert machine.back("ann") == [[False], [True]]
    machine.keeper.look()
    assert machine.back("ann") == [[True]] * 2
    machine.routes = [route_of(2)]
    machine.keeper.look()
    machine.keeper.look()
    assert machine.back("ann") == [[False]] * 2


def test_a_clock_that_was_set_back_does_not_undo_the_newer_choice(machine: Machine):
    """S31: the last word of a person is the last."""
    machine.choose(0, "ann")
    machine.clock.jump(-3600)
    machine.choose(0, "ann", back=False)
    machine.keeper.look()
    assert machine.back("ann") == [[False]] * 2


def test_choices_are_bounded(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    """S31: units that chose, and choices that wait; who chose already may change it."""
    monkeypatch.setattr(follow, "CHOICES_MAX", 2)
    monkeypatch.setattr(follow, "CHOICES_WAITING_MAX", 4)
    for unit in ("ann", "bob"):
        machine.choose(0, unit)
    with pytest.raises(Conflict, match="2 units have chosen already"):
        machine.choose(0, "cid")
    machine.choose(0, "ann", back=False)
    machine.choose(0, "ann")
    with pytest.raises(Overloaded):
        machine.choose(0, "ann", back=False)
    machine.keeper.look()
    machine.choose(0, "ann", back=False)
    assert machine.back("ann", "bob")[0] == [False, True]


def test_files_that_nobody_understands_are_no_choices(machine: Machine):
    """S31: half a file, or another program's, stops neither keeper nor worker."""
    (machine.folder / "choices").mkdir()
    (machine.folder / "choices" / "1.json").write_bytes(b'{"model": "sum"')
    odd = b'{"models": {"sum": {"rollout": "5a17", "packed": "AAAA"}}}'
    for content in (b"[]", odd):
        (machine.folder / "choices.json").write_bytes(content)
        assert machine.back("ann") == [[False]] * 2
    machine.new_keeper().look()
    machine.choose(0, "ann")
    machine.keeper.look()
    assert machine.back("ann") == [[True]] * 2


def test_a_choice_is_an_event_and_ends_with_its_day(machine: Machine, clock: ManualClock):
    """S31 L1: who chose what for whom; and nothing is chosen before, after or without a way back."""
    events: list[Event] = []
    chooser = Chooser(machine.workers[0], events.extend, DecisionIds(7, clock), clock)
    route = way_back(until_ns=clock.now_ns() + 1_000_000_000)
    identity = chooser.choose(route, "shop", "ann", "previous")
    (event,) = events
    assert (event.id, event.kind, event.actor, event.subject) == (
        identity,
        "choice",
        "shop",
        "1" * 64,
    )
    assert event.body == {"unit": "ann", "version": "previous", "number": 1, "rollout": "5a17"}
    assert [chooser.chosen(route, unit) for unit in ("ann", "bob")] == ["previous", "current"]
    assert chooser.news(route) == route.news
    clock.advance(1)
    assert chooser.news(route) is None
    for late in (route, route_of(2)):
        with pytest.raises(NotFound, match="no version to go back to"):
            chooser.choose(late, "shop", "ann", "current")
        with pytest.raises(NotFound):
            chooser.chosen(late, "ann")
    assert len(events) == 1


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.integers(0, 2**63 - 1), st.integers(1, 2**63 - 1), max_size=30),
    st.integers(0, 2**63 - 1),
)
def test_what_is_packed_is_found_again(stamps: dict[int, int], other: int):
    """S31: each mark has its stamp, and no other has one."""
    found = Packed(packed(stamps))
    assert found.all() == stamps
    assert len(found) == len(stamps)
    assert {mark: found.stamp(mark) for mark in stamps} == stamps
    assert found.stamp(other) == stamps.get(other, 0)


def test_a_file_of_a_hundred_thousand_choices_is_read_whole(machine: Machine):
    """S31: the most that a rollout keeps in mind."""
    store = MemoryChoiceStore(machine.clock)
    store.keep(
        [
            Choice(model="sum", rollout="5a17", mark=number, stamp=2 * number + number % 2)
            for number in range(1, 100_001)
        ]
    )
    machine.store = store
    machine.keeper.look()
    assert (machine.folder / "choices.json").stat().st_size < 3_000_000
    machine.back()
    with pytest.raises(Conflict):
        machine.choose(0, "ann")
