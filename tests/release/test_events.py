"""The journal is told of every change and every refusal: N1, S10."""

import msgspec
import pytest

from mainstay.base.clock import ManualClock
from mainstay.base.errors import Conflict, InvalidBundle, StorageFailed
from mainstay.base.ids import DecisionIds, parse_decision_id
from mainstay.journal.model import Event
from mainstay.release.events import Events, RecordedChain
from tests.release.world import World
from tests.serve_routes.drafts import draft


@pytest.fixture
def events(clock: ManualClock) -> Events:
    return Events(DecisionIds(7, clock), clock)


def test_every_append_is_told_whoever_makes_it(clock: ManualClock, events: Events):
    """S10: going live and going back are the same kind of event."""
    told: list[Event] = []
    world = World(clock)
    world.chain = RecordedChain(world.chain, events, told.append)
    one, two = world.pack(2)
    world.deploy(1)
    world.deploy(1)
    clock.advance(5)
    world.deploy(2)
    world.rollback()
    assert [(event.kind, event.actor, event.subject) for event in told] == [
        ("route", "ann", one.fingerprint),
        ("route", "ann", two.fingerprint),
        ("route", "bob", one.fingerprint),
    ]
    assert told[0].body == {"epoch": 1, "number": 1, "reason": "better"}
    assert told[1].body["replaced"] == {"number": 1, "fingerprint": one.fingerprint}
    assert told[1].time_ns == clock.now_ns() == told[1].known_ns
    ids = [parse_decision_id(event.id) for event in told]
    assert [(each.incarnation, each.sequence) for each in ids] == [(7, 0), (7, 1), (7, 2)]
    assert world.chain.all_current() == [world.chain.current("fraud")]


def test_a_lost_race_is_no_append_and_is_told_as_a_refusal(clock: ManualClock, events: Events):
    told: list[Event] = []
    chain = RecordedChain(World(clock).chain, events, told.append)
    chain.append(draft("fraud", 1, "f1", "ann", ""), 0)
    with (
        pytest.raises(Conflict),
        events.refusals(told.append, model="fraud", actor="bob", subject="f2", wanted="deploy"),
    ):
        chain.append(draft("fraud", 2, "f2", "bob", ""), 0)
    assert [event.kind for event in told] == ["route", "refusal"]
    refusal = told[1]
    assert (refusal.actor, refusal.subject, refusal.body["wanted"]) == ("bob", "f2", "deploy")
    assert refusal.body["code"] == "conflict"
    assert "ann was first" in refusal.body["error"]


def test_a_route_that_changed_is_not_called_a_failure_of_the_route(
    clock: ManualClock, events: Events
):
    """S10: a full journal does not make anybody believe that the old version answers."""

    def full(event: Event) -> None:
        raise StorageFailed("the disk is full")

    world = World(clock)
    world.chain = RecordedChain(world.chain, events, full)
    world.pack()
    with pytest.raises(
        StorageFailed, match=r"fraud v1 is live as epoch 1, but the journal .* full"
    ):
        world.deploy()
    assert world.live() == [1]
    assert not world.deploy().changed


def test_a_refusal_stays_itself_when_the_journal_is_full(clock: ManualClock, events: Events):
    def full(event: Event) -> None:
        raise StorageFailed("the disk is full")

    with (
        pytest.raises(InvalidBundle, match="broken") as refused,
        events.refusals(full, model="fraud", actor="bob", subject="f2", wanted="deploy"),
    ):
        raise InvalidBundle("broken")
    assert "the disk is full" in refused.value.__notes__[0]


def test_events_can_be_written_whatever_they_tell_of(clock: ManualClock, events: Events):
    """N1: what an error found may be any object; what is written is plain."""
    version = World(clock).pack()[0]
    odd = InvalidBundle("broken", got={1, object()}, expected="whole")
    made = [events.version(version, "ann"), events.refusal("fraud", "ann", "f", "take in", odd)]
    assert made[0].kind == "version"
    assert made[0].body == {"number": 1, "size_bytes": 1}
    assert made[0].time_ns == version.registered_at_ns
    for event in made:
        assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event) == event
