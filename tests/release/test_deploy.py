"""Going live with one call: S5, S10 and the race of two deployers."""

import pytest
from msgspec import structs

from mainstay.base.clock import ManualClock
from mainstay.base.errors import Conflict, InvalidBundle, NotFound
from mainstay.bundle.model import Version
from mainstay.release.deploy import Checks, deploy
from mainstay.release.gate.model import NotPassed, Verdict
from mainstay.serve.routes.model import Route
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


def test_without_a_verdict_that_lets_it_through_nothing_goes_live(world: World):
    """N7: a failing gate keeps the old version, and the error holds the verdict."""
    _, worse = world.pack(2)
    world.deploy(1)
    world.worse.add(worse.fingerprint)
    with pytest.raises(NotPassed, match="fraud v2 did not pass the gate against v1") as refused:
        world.deploy(2)
    assert refused.value.verdict == world.verdicts[-1]
    assert refused.value.verdict.epoch == 1
    assert world.live() == [1]


def test_a_deployment_names_its_verdict_and_going_back_needs_none(world: World):
    """S10, N7: the gate was passed once; only the trial is repeated."""
    world.pack(2)
    assert world.deploy(1).verdict == "verdict 1"
    assert world.deploy(2).verdict == "verdict 2"
    world.worse.update(each.candidate for each in world.verdicts)
    assert world.rollback().verdict == ""
    assert world.deploy(1).verdict == ""
    assert world.live() == [1, 2, 1]
    assert len(world.verdicts) == 2


@pytest.mark.parametrize("about", [{"epoch": 7}, {"candidate": "another"}])
def test_a_verdict_about_something_else_lets_nothing_through(world: World, about: dict):
    """N7: it names candidate and route, and holds for them alone."""
    world.pack(1)

    def gate(version: Version, current: Route | None) -> Verdict:
        return structs.replace(world.gate(version, current), **about)

    with pytest.raises(Conflict, match="about another version or another route"):
        deploy(
            world.chain,
            world.registry,
            model="fraud",
            number=1,
            actor="ann",
            reason="",
            checks=Checks(world.check, gate),
        )
    assert world.live() == []
