"""Whatever deployers do in whatever order, memory and SQLite answer the same: S5, S10."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import structs

from mainstay.base.clock import ManualClock
from mainstay.base.errors import Conflict, InvalidBundle, MainstayError
from mainstay.bundle.database import open_engine
from mainstay.bundle.sql import SqlRegistry
from mainstay.release.model import Deployed
from mainstay.serve.routes.sql import SqlRouteChain
from tests.release.world import World
from tests.serve_routes.drafts import draft

_NUMBERS = st.none() | st.integers(1, 5)


class Deployers(RuleBasedStateMachine):
    """The same calls on both, and a list and a stack that say what must come of them."""

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="mainstay-chain-")
        self.clock = ManualClock()
        self.engine = open_engine(f"sqlite:///{Path(self.folder.name)}/workspace.db")
        chain = SqlRouteChain(self.engine, self.clock)
        registry = SqlRegistry(self.engine, self.clock)
        self.worlds = [World(self.clock), World(self.clock, chain, registry)]
        for world in self.worlds:
            world.pack(3)
        self.live: list[int] = []
        self.stack: list[int] = []

    @rule()
    def pack(self) -> None:
        for world in self.worlds:
            world.pack()

    @rule(seconds=st.floats(-100, 100))
    def time_jumps(self, seconds: float) -> None:
        self.clock.jump(seconds)

    @rule(number=_NUMBERS)
    def deploy(self, number: int | None) -> None:
        self._expect(self._both(lambda world: world.deploy(number)))

    @rule(to=_NUMBERS)
    def rollback(self, to: int | None) -> None:
        known = len(self.stack)
        answer = self._both(lambda world: world.rollback(to))
        if to is None and known > 1:
            goal = self.stack[-2]
            broken = self.worlds[1].registry.find("fraud", goal).fingerprint in (
                self.worlds[1].broken
            )
            if broken:
                assert isinstance(answer, InvalidBundle)
            else:
                assert isinstance(answer, Deployed)
                assert answer.number == goal
        elif to is None:
            assert isinstance(answer, MainstayError)
        self._expect(answer)

    @rule(number=_NUMBERS, seen=st.integers(0, 6))
    def deploy_what_was_seen(self, number: int | None, seen: int) -> None:
        answer = self._both(lambda world: world.deploy(number, expected_epoch=seen))
        if seen != len(self.live) and (number is None or number <= 3):
            assert isinstance(answer, Conflict)
        self._expect(answer)

    @rule(replaces=st.integers(-1, 8))
    def append_late(self, replaces: int) -> None:
        def append(world: World) -> Deployed:
            version = world.registry.find("fraud", 1)
            wanted = draft("fraud", 1, version.fingerprint, "zoe", "late")
            route = world.chain.append(wanted, replaces)
            return Deployed(**structs.asdict(route), changed=True)

        answer = self._both(append)
        assert isinstance(answer, Deployed) == (replaces == len(self.live))
        self._expect(answer)

    @rule(number=st.integers(1, 3), broken=st.booleans())
    def break_or_mend(self, number: int, *, broken: bool) -> None:
        for world in self.worlds:
            mark = world.registry.find("fraud", number).fingerprint
            (world.broken.add if broken else world.broken.discard)(mark)

    @invariant()
    def both_chains_are_what_they_must_be(self) -> None:
        memory, kept = (list(world.chain.history("fraud")) for world in self.worlds)
        assert memory == kept
        assert [route.number for route in kept] == self.live
        assert [route.epoch for route in kept] == list(range(1, len(self.live) + 1))
        assert self.worlds[1].chain.current("fraud") == (kept[-1] if kept else None)
        first, second = (list(world.registry.versions()) for world in self.worlds)
        assert first == second

    def teardown(self) -> None:
        self.engine.dispose()
        self.folder.cleanup()

    def _both(self, call: Callable[[World], Deployed]) -> Deployed | MainstayError:
        answers: list[Deployed | MainstayError] = []
        for world in self.worlds:
            try:
                answers.append(call(world))
            except MainstayError as error:
                answers.append(error)
        memory, kept = answers
        assert _comparable(memory) == _comparable(kept)
        return kept

    def _expect(self, answer: Deployed | MainstayError) -> None:
        if isinstance(answer, Deployed) and answer.changed:
            self.live.append(answer.number)
            while answer.number in self.stack:
                self.stack.pop()
            self.stack.append(answer.number)


def _comparable(answer: Deployed | MainstayError) -> Any:
    return answer.as_dict() if isinstance(answer, MainstayError) else answer


class TestDeployers(Deployers.TestCase):
    settings = settings(
        max_examples=25,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
