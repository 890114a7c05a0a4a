"""Going back is going live: S10, as easy, as checked, as raced for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.clock import ManualClock
from mainstay.base.errors import Conflict, InvalidBundle, InvalidUsage, NotFound
from mainstay.release.model import path_back
from mainstay.serve.routes.model import Arm, Route
from tests.release.world import World
from tests.serve_routes.drafts import draft


@pytest.fixture
def world(clock: ManualClock) -> World:
    world = World(clock)
    world.pack(4)
    return world


def test_rolling_back_twice_goes_two_back(world: World):
    """S10: it does not bounce between the last two."""
    for number in (1, 2, 3):
        world.deploy(number)
    back = world.rollback()
    assert (back.number, back.epoch, back.actor, back.replaced) == (2, 4, "bob", 3)
    assert world.rollback().number == 1
    assert world.live() == [1, 2, 3, 2, 1]


def test_a_version_that_was_left_by_going_back_is_not_returned_to(world: World):
    """S10: after 3 was left for 2, and 4 was tried, one back is 2 and two back is 1."""
    for number in (1, 2, 3):
        world.deploy(number)
    world.rollback()
    world.deploy(4)
    assert world.rollback().number == 2
    assert world.rollback().number == 1


def test_at_the_end_of_the_way_back_the_others_are_named(world: World):
    """S10: and one that is named can be gone to."""
    world.deploy(1)
    with pytest.raises(InvalidUsage, match="fraud v1 is as far back") as only:
        world.rollback()
    assert "none but this one" in str(only.value.expected)
    world.deploy(2)
    world.rollback()
    with pytest.raises(InvalidUsage) as left:
        world.rollback()
    assert "v2 answered before" in str(left.value.expected)
    assert world.rollback(to=2).number == 2
    assert world.live() == [1, 2, 1, 2]


def test_any_version_may_be_named(world: World):
    """S10: `--to` is a deployment."""
    world.deploy(3)
    assert world.rollback(to=1).number == 1
    assert not world.rollback(to=1).changed
    with pytest.raises(NotFound, match="no version 9"):
        world.rollback(to=9)
    assert world.live() == [3, 1]


def test_a_version_is_checked_on_its_way_back_too(world: World):
    """S10: the same checks; what fails now does not go live now."""
    world.deploy(1)
    world.deploy(2)
    world.broken.add(world.registry.find("fraud", 1).fingerprint)
    with pytest.raises(InvalidBundle):
        world.rollback()
    assert world.checked == [1, 2, 1]
    assert world.live() == [1, 2]


def test_who_saw_another_epoch_does_not_roll_back(world: World):
    """S10: of a deployer and one who rolls back one wins."""
    world.deploy(1)
    world.deploy(2)
    with pytest.raises(Conflict, match="ann was first: fraud v2"):
        world.rollback(expected_epoch=1)
    assert world.live() == [1, 2]


@pytest.mark.parametrize("to", [None, 1])
def test_who_goes_live_while_the_way_back_is_checked_is_first(world: World, to: int | None):
    """S10: the chain is read once; what is in force when that read is no more loses nothing."""
    for number in (1, 2):
        world.deploy(number)
    world.meanwhile = lambda: world.deploy(3)
    with pytest.raises(Conflict, match="ann was first: fraud v3"):
        world.rollback(to)
    assert world.live() == [1, 2, 3]
    assert world.rollback().number == 2


def test_going_back_from_a_rollout_leaves_the_live_version_alone(world: World):
    """S10, S31: it is not the version before the live one that is wanted; a shadow shows nothing,
    so with one alone it is."""
    for number in (1, 2):
        world.deploy(number)
    live = world.registry.find("fraud", 2)
    for role, lands_on in (("share", 2), ("shadow", 1)):
        arm = Arm(role=role, number=3, fingerprint="f3", share=0.1)
        epoch = len(world.live())
        mixed = draft("fraud", 2, live.fingerprint, arms=(arm,), salt="s")
        world.chain.append(mixed, epoch)
        back = world.rollback()
        assert (back.number, back.arms, back.changed) == (lands_on, (), True)


def test_deploying_the_live_version_ends_its_rollout(world: World):
    """S10, S31: once; the second time it is alone already."""
    world.deploy(1)
    live = world.registry.find("fraud", 1)
    arm = Arm(role="share", number=2, fingerprint="f2", share=0.1)
    world.chain.append(draft("fraud", 1, live.fingerprint, arms=(arm,), salt="s"), 1)
    alone = world.deploy(1)
    assert (alone.epoch, alone.arms, alone.changed, alone.replaced) == (3, (), True, None)
    assert not world.deploy(1).changed


def test_nothing_to_go_back_to_is_said(world: World):
    with pytest.raises(NotFound, match="never had a route"):
        world.rollback()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20))
def test_the_way_back_is_what_a_stack_of_the_versions_gives(numbers: list[int]):
    """S10: a second oracle, which thinks of the versions on the path as of a stack."""
    history = [
        Route(
            model="fraud",
            epoch=place,
            number=number,
            fingerprint=f"f{number}",
            actor="ann",
            reason="",
            time_ns=0,
        )
        for place, number in enumerate(numbers, start=1)
    ]
    stack: list[int] = []
    for number in numbers:
        while number in stack:
            stack.pop()
        stack.append(number)
    path = path_back(history)
    assert [route.number for route in path] == stack
    assert path[-1] == history[-1]
