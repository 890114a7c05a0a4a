"""S8 M23 M24: what stops a version by its route, and what lets it answer again."""

import pytest

from mainstay.base.clock import ManualClock
from mainstay.base.errors import InvalidUsage, NotFound
from mainstay.contract.fallbacks import FallbackWords
from mainstay.contract.judging import Judge
from mainstay.release.stop import check_falls_back, stopping
from mainstay.serve.routes.model import Arm, Route
from tests.release.world import World
from tests.serve.world import contract_of


@pytest.fixture
def world() -> World:
    world = World(ManualClock())
    world.pack(2)
    world.deploy(1)
    world.deploy(2)
    return world


def stop(world: World, subject: str = "") -> Route:
    current = world.chain.current("fraud")
    draft = stopping(current, "fraud", subject, "ann", "wrong")
    assert draft is not None
    assert current is not None
    return world.chain.append(draft, current.epoch)


def test_a_stopped_version_answers_again_once_it_is_deployed_and_no_gate_is_asked(world: World):
    """S10: taken back as it was done; going back goes to the version before."""
    route = stop(world)
    assert (route.number, route.stopped, route.epoch) == (2, "wrong", 3)
    assert stopping(route, "fraud", "", "ann", "again") is None
    asked = len(world.verdicts)
    again = world.deploy(2)
    assert (again.changed, again.stopped, again.epoch, again.replaced) == (True, "", 4, None)
    assert len(world.verdicts) == asked
    stop(world)
    assert world.rollback().number == 1


def test_what_is_meant_is_stopped_and_nothing_else(world: World):
    """M24: by fingerprint; an arm ends with its rollout, and a shadow answers nobody."""
    current = world.chain.current("fraud")
    assert current is not None
    assert stopping(current, "fraud", "nobody", "ann", "wrong") is None
    arms = (
        Arm(role="share", number=3, fingerprint="c0ffee", share=0.1),
        Arm(role="shadow", number=4, fingerprint="bada55", share=1.0),
    )
    mixed = Route(**{name: getattr(current, name) for name in Route.__struct_fields__} | {
        "arms": arms, "salt": "s"
    })  # fmt: skip
    without = stopping(mixed, "fraud", "c0ff", "ann", "wrong")
    assert without is not None
    assert (without.number, without.stopped, without.arms) == (2, "", ())
    assert stopping(mixed, "fraud", "bada", "ann", "wrong") is None
    whole = stopping(mixed, "fraud", current.fingerprint[:16], "ann", "wrong")
    assert whole is not None
    assert (whole.stopped, whole.arms) == ("wrong", ())
    with pytest.raises(NotFound, match="has no route"):
        stopping(None, "fraud", "", "ann", "wrong")


def test_falling_back_needs_something_to_fall_back_on():
    """S30: who asks for the fallback does not get silence."""
    with pytest.raises(InvalidUsage, match="nothing to fall back on"):
        check_falls_back(contract_of(), 1)
    check_falls_back(contract_of(judge=Judge(fallback=(FallbackWords(say="Ask us."),))), 1)
