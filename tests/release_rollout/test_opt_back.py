"""A way back in simulated time: open until its day, whatever dies on the way (S31)."""

from typing import Any

import pytest

from mainstay.contract.finding import Finding
from mainstay.release.rollout.drive import Driver
from mainstay.release.rollout.model import Evidence, Rollout
from mainstay.release.rollout.opt_back import SUNSET
from mainstay.serve.routes.model import News, Route
from tests.release_rollout.simulated import SECOND_NS, Dying, World, plan

DAY_NS = 86_400 * SECOND_NS
BEGAN_NS = 1_700_000_000_000_000_000


class Chosen(World):
    """A world in which some units went back."""

    back = 0

    def _new_driver(self) -> Driver:
        self.reminded: list[Finding] = getattr(self, "reminded", [])
        store = Dying(self.store, ["save", "lease"], self._dies)
        chain = Dying(self.chain, ["append", "current"], self._dies)

        def remind(rollout: Rollout, finding: Finding) -> None:
            self.reminded.append(finding)

        said = self.said.append
        return Driver(store, chain, self.look, self.clock, f"keeper {self.deaths}", said, remind)

    def look(self, rollout: Rollout, newest: Route | None) -> Evidence:
        return Evidence(newest=newest, went_back=self.back)


def way_back(seconds: float) -> Any:
    return plan(
        "opt_back", (1.0,), 1, until_ns=BEGAN_NS + round(seconds * SECOND_NS), tell="More countries.",
        unit="user",
    )  # fmt: skip


def test_the_new_version_answers_and_the_old_one_stays_until_its_day():
    """S31: two routes, the second one on the day and not before; people are told from the first."""
    world = Chosen(way_back(20))
    world.run(19)
    open_, rollout = world.chain.current("fraud"), world.rollout
    assert open_ is not None
    assert (open_.number, open_.unit, open_.salt) == (2, "user", "5a17")
    assert [(arm.role, arm.number, arm.share) for arm in open_.arms] == [("opt_back", 1, 0.0)]
    assert open_.news == News(words="More countries.", until_ns=BEGAN_NS + 20 * SECOND_NS)
    assert (rollout.status, rollout.share) == ("running", 1.0)
    world.run(2)
    last = world.chain.current("fraud")
    assert last is not None
    assert (last.number, last.arms, last.news, last.epoch) == (2, (), None, 3)
    assert last.time_ns == BEGAN_NS + 20 * SECOND_NS
    assert (world.rollout.status, world.rollout.share) == ("finished", 1.0)


def test_who_still_uses_the_old_version_is_said_in_time():
    """S31: a reminder in the last fifth, or the last three days; none where nobody went back."""
    world = Chosen(way_back(30 * 86_400))
    world.back = 12
    words: list[str] = []
    verdicts: list[str] = []
    for _ in range(29):
        world.tick(0)
        (finding,) = world.rollout.findings or (None,)
        if finding is not None:
            assert (finding.check, finding.figure) == (SUNSET, 12.0)
            verdicts.append(finding.verdict)
            words.append(world.rollout.words)
        world.clock.advance(86_400)
    assert verdicts == ["pass"] * 26 + ["unsure"] * 2
    assert words[0].startswith("12 units went back to v1; 29 d left, until 2023-12-14 22:13:20 UTC")
    world.back = 0
    world.tick(0)
    (finding,) = world.rollout.findings
    assert finding.verdict == "pass"
    assert world.rollout.words.startswith("nobody went back to v1; 24 h left")
    short = Chosen(way_back(10))
    short.back = 1
    short.run(7)
    assert short.rollout.findings[0].verdict == "pass"
    short.run(1)
    assert short.rollout.findings[0].verdict == "unsure"
    short.run(1)
    (reminder,) = short.reminded
    assert reminder.check == SUNSET
    assert reminder.words.startswith("1 unit went back to v1, and will be answered by v2 from 2023")


@pytest.mark.parametrize("back", [0, 3])
def test_a_keeper_killed_anywhere_comes_to_the_same_end(back: int):
    """Issue 3: killed before and after every call that changes something."""

    def lived(kill_at: int = -1) -> Chosen:
        world = Chosen(way_back(5), kill_at=kill_at)
        world.back = back
        world.run(9)
        return world

    quiet = lived()
    assert quiet.rollout.status == "finished"
    kills = 0
    for kill_at in range(quiet.calls):
        killed = lived(kill_at)
        assert killed.rollout == quiet.rollout
        assert killed.chain.history("fraud") == quiet.chain.history("fraud")
        assert bool(killed.reminded) == bool(quiet.reminded) == bool(back)
        kills += killed.deaths
    assert kills == quiet.calls


def test_the_day_that_passed_while_no_keeper_ran_is_kept_late():
    """S31: the first look afterwards closes the way back."""
    world = Chosen(way_back(5))
    world.run(2)
    world.clock.advance(DAY_NS / SECOND_NS)
    world.run(2)
    assert world.rollout.status == "finished"
    assert [number for number, _, _ in world.history()] == [1, 2, 2]
