"""Going live with one call: S5, S10 and the race of two deployers."""

import pytest

from mainstay.base.clock import ManualClock
from mainstay.base.errors import Conflict, InvalidBundle, NotFound
from mainstay.bundle.model import Version
from mainstay.release.deploy import Checks, deploy
from tests.release.world import World


@pytest.fixture
def world(clock: ManualClock) -> World:
    return World(clock)


def test_the_newest_version_goes_live_unless_one_is_named(world: World):
    """S5: one call."""
    world.pack(3)
    first = world.deploy()
    assert (first.number, first.epoch, first.changed, first.replaced) == (3, 1, True, None)
    second = world.deploy(1)
    assert (second.number, second.epoch, second.changed, second.replaced) == (1, 2, True, 3)
    assert (second.actor, second.reason) == ("ann", "better")
    assert str(second).startswith("fraud v1 (")
    assert str(second).endswith("is live as epoch 2 in place of v3")
    assert world.live() == [3, 1]


def test_what_is_live_already_is_left_as_it_is(world: World, clock: ManualClock):
    """S5: said clearly, appended never, checked not again."""
    world.pack()
    first = world.deploy()
    clock.advance(60)
    again = world.deploy(1)
    assert not again.changed
    assert (again.epoch, again.time_ns, again.replaced) == (1, first.time_ns, None)
    assert str(again).endswith("is live already, since epoch 1 by ann")
    assert world.live() == [1]
    assert world.checked == [1]


def test_a_version_that_fails_its_check_does_not_go_live(world: World):
    """S5: the old version keeps serving."""
    _, broken = world.pack(2)
    world.deploy(1)
    world.broken.add(broken.fingerprint)
    with pytest.raises(InvalidBundle, match="fails its trial"):
        world.deploy(2)
    assert world.live() == [1]


def test_an_unknown_model_or_version_is_refused_with_what_there_is(world: World):
    with pytest.raises(NotFound, match="no version of a model"):
        world.deploy()
    world.pack()
    with pytest.raises(NotFound, match="fraud has no version 2"):
        world.deploy(2)
    assert world.live() == []


def test_who_saw_another_epoch_is_told_what_happened_since(world: World):
    """S10: nobody's deployment is overwritten unseen, not even with the same version."""
    world.pack(2)
    world.deploy(1, expected_epoch=0)
    for number in (1, 2):
        with pytest.raises(Conflict, match=r"ann was first: fraud v1 .* epoch 1"):
            world.deploy(number, expected_epoch=0)
        with pytest.raises(Conflict, match="has no epoch 5"):
            world.deploy(number, expected_epoch=5)
    assert world.live() == [1]
    assert world.deploy(2, expected_epoch=1).epoch == 2


def test_who_deploys_during_a_long_check_is_first(world: World):
    """S5: the place in the chain is taken before the check, which may last for minutes."""
    world.pack(2)

    def check(version: Version) -> None:
        world.deploy(1)

    with pytest.raises(Conflict, match="ann was first: fraud v1"):
        deploy(
            world.chain,
            world.registry,
            model="fraud",
            number=2,
            actor="slow",
            reason="",
            checks=Checks(check, world.gate),
        )
    assert world.live() == [1]
