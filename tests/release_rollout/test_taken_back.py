"""Whoever is told of what is found hears that a candidate was taken back: N6 M23 M24."""

from mainstay.contract.finding import Finding
from mainstay.release.rollout.drive import Driver
from mainstay.release.rollout.model import Rollout
from tests.release_rollout.simulated import World, plan


class Heard(World):
    """A world in which somebody listens."""

    def _new_driver(self) -> Driver:
        self.heard: list[Finding] = getattr(self, "heard", [])

        def remind(_rollout: Rollout, finding: Finding) -> None:
            self.heard.append(finding)

        return Driver(
            self.store, self.chain, self.look, self.clock, "keeper", self.said.append, remind
        )


def test_a_candidate_that_is_taken_back_is_a_finding_once():
    """M24: one finding, with the words of the route; none where it goes live."""
    world = Heard(plan(bake_seconds=20), wrong=(0.1, 0.3))
    assert world.run(200).status == "rolled back"
    (finding,) = world.heard
    assert (finding.check, finding.verdict) == ("rollout", "fail")
    assert finding.words == world.chain.current("fraud").reason
    good = Heard(plan(bake_seconds=1), wrong=(0.0, 0.0))
    assert good.run(200).status == "finished"
    assert good.heard == []
