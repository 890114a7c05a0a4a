"""A simulated world: units that ask at a rate, two versions that err, labels, and the real driver.

Every draw comes from one seed. Time is a clock set by hand; the chain and the store are the twins
of the real ones, and may be told to die at any of their calls.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from msgspec import structs

from mainstay.base.clock import ManualClock
from mainstay.base.errors import StorageFailed
from mainstay.release.rollout.controllers import begin
from mainstay.release.rollout.drive import Driver
from mainstay.release.rollout.memory import MemoryRolloutStore
from mainstay.release.rollout.model import Evidence, Plan, Record, Rollout, Side, Strategy
from mainstay.release.rollout.statistics import Pairs, Stratum, bad_of
from mainstay.serve.routes.memory import MemoryRouteChain
from mainstay.serve.routes.model import Draft, Route

CURRENT = Side(number=1, fingerprint="a" * 64)
CANDIDATE = Side(number=2, fingerprint="b" * 64)
SECOND_NS = 1_000_000_000


def plan(
    strategy: Strategy = "canary",
    steps: tuple[float, ...] = (0.01, 0.1, 0.5, 1.0),
    bake_seconds: float = 60,
    **other: Any,
) -> Plan:
    """A plan with the contract's defaults."""
    values: dict[str, Any] = {
        "model": "fraud", "strategy": strategy, "candidate": CANDIDATE, "current": CURRENT,
        "steps": steps, "bake_ns": round(bake_seconds * SECOND_NS), "worse_by": 0.02,
        "false_alarms": 0.01, "slower_by": 3.0, "unit": "", "salt": "5a17", "actor": "ann",
        "reason": "better recall",
    }  # fmt: skip
    return Plan(**(values | other))


class Killed(BaseException):
    """The keeper dies here."""


class Dying:
    """Something whose calls may be the last thing a keeper does: before it, or just after."""

    def __init__(self, inner: Any, names: Sequence[str], dies: Callable[[], bool]) -> None:
        self._inner = inner
        self._names = names
        self._dies = dies

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in self._names:
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            if self._dies():
                raise Killed
            answer = found(*arguments, **named)
            if self._dies():
                raise Killed
            return answer

        return call


class World:
    """What happens around a rollout."""

    wrong: tuple[float, float] = (0.1, 0.1)
    """The share of wrong answers of the current version, and of the candidate."""
    withheld: tuple[float, float] = (0.0, 0.0)
    together = False
    """Whether the versions err on the same requests, or on any."""
    failing = 0.0
    """How often the candidate fails to answer, and says so."""
    shown_worse = 0.0
    """How often the candidate's answers are wrong only because they are shown."""
    lost = 0.0
    """How often a unit that met the candidate leaves no trace."""
    slower = 1.0
    rate = 200
    labelled = 1.0

    def __init__(self, wanted: Plan, *, seed: int = 0, kill_at: int = -1, **nature: Any) -> None:
        for name, value in nature.items():
            assert hasattr(World, name), name
            setattr(self, name, value)
        self.clock = ManualClock()
        self.chain = MemoryRouteChain(self.clock)
        self.store = MemoryRolloutStore(self.clock)
        self.random = np.random.default_rng(seed)
        self.outcomes: dict[int, np.ndarray] = {}
        self.answers: dict[int, np.ndarray] = {}
        self.paired = np.zeros(3, dtype=int)
        self.unanswered = np.zeros(3, dtype=int)
        self.different = np.zeros(2, dtype=int)
        self.calls, self.kill_at = 0, kill_at
        self.deaths = 0
        self.said: list[str] = []
        draft = Draft(model="fraud", number=1, fingerprint="a" * 64, actor="ann", reason="")
        self.chain.append(draft, 0)
        self.store.start(begin(wanted, 1, self.clock.now_ns()))
        self._driver = self._new_driver()

    def _new_driver(self) -> Driver:
        store = Dying(self.store, ["save", "lease"], self._dies)
        chain = Dying(self.chain, ["append", "current"], self._dies)
        clock, said = self.clock, self.said.append
        return Driver(store, chain, self.look, clock, f"keeper {self.deaths}", said)

    def _dies(self) -> bool:
        self.calls += 1
        return self.calls - 1 == self.kill_at

    def tick(self, seconds: float = 1.0) -> None:
        """Time passes, units ask, the keeper looks; where it dies, another one looks at once."""
        self.clock.advance(seconds)
        self._ask(round(self.rate * seconds))
        try:
            self._driver.tick()
        except Killed:
            self.deaths += 1
            self.store.lease("keeper 0", -1)
            self._driver = self._new_driver()
            self._driver.tick()

    def run(self, seconds: int, stop: Callable[[], bool] | None = None) -> Rollout:
        """Let time pass until the rollout has ended."""
        for _ in range(seconds):
            self.tick()
            if not self.rollout.active or (stop is not None and stop()):
                break
        return self.rollout

    @property
    def record(self) -> Record:
        record = self.store.newest("fraud")
        assert record is not None
        return record

    @property
    def rollout(self) -> Rollout:
        return self.record.rollout

    @property
    def labels(self) -> tuple[int, int]:
        """How many labelled units met the candidate, and how many asked in all."""
        counts = sum(self.outcomes.values(), np.zeros((2, 2), dtype=int))
        return int(counts[0].sum()), int(counts.sum()) or int(self.paired.sum())

    def history(self) -> list[tuple[int, tuple[float, ...], str]]:
        """The chain without its times."""
        return [
            (route.number, tuple(arm.share for arm in route.arms), route.actor)
            for route in self.chain.history("fraud")
        ]

    def _ask(self, count: int) -> None:
        route = self.chain.current("fraud")
        assert route is not None
        if not route.arms:
            return
        share = sum(arm.share for arm in route.arms if arm.role == "share")
        beside = sum(arm.share for arm in route.arms if arm.role == "shadow")
        met = self.random.random(count) < share
        labelled = self.random.random(count) < self.labelled
        bad, held = self._twice(count, self.wrong), self._twice(count, self.withheld)
        held[1] |= self.random.random(count) < self.failing
        bad |= held
        shown = np.where(met, bad[1] | (self.random.random(count) < self.shown_worse), bad[0])
        kept = ~(met & (self.random.random(count) < self.lost))
        if share:
            _count(self.answers, route.epoch, met[kept], np.where(met, *held[::-1])[kept])
            heard = kept & labelled
            _count(self.outcomes, route.epoch, met[heard], shown[heard])
        both = ~met & (self.random.random(count) < beside)
        self.unanswered += _signs(held[:, both])
        self.paired += _signs(bad[:, both & labelled])
        differs = (bad[0] != bad[1])[both]
        self.different += np.bincount(differs.astype(int), minlength=2)

    def _twice(self, count: int, shares: tuple[float, float]) -> np.ndarray:
        """What befalls the two versions: apart, or the worse one where the better one errs too."""
        one = self.random.random(count)
        other = one if self.together else self.random.random(count)
        return np.array([one < shares[0], other < shares[1]])

    def look(self, rollout: Rollout, newest: Route | None) -> Evidence:
        """What a journal would tell."""
        shares = rollout.shares
        rows = int(sum(map(np.sum, self.answers.values()))) + int(self.different.sum())
        return Evidence(
            newest=newest,
            withheld=_strata(self.answers, shares),
            outcomes=_strata(self.outcomes, shares),
            answers=Pairs(same=int(self.different[0]), worse=int(self.different[1])),
            unanswered=_pairs(self.unanswered),
            paired=_pairs(self.paired),
            candidate_rows=rows // 2,
            current_rows=rows // 2,
            candidate_ns=1e6 * self.slower,
            current_ns=1e6,
            decisions=rows,
        )


def _signs(bad: np.ndarray) -> np.ndarray:
    """How often the candidate was the better one, neither, and the worse one."""
    return np.bincount(bad[1].astype(int) - bad[0].astype(int) + 1, minlength=3)


def _pairs(counts: np.ndarray) -> Pairs:
    return Pairs(better=int(counts[0]), same=int(counts[1]), worse=int(counts[2]))


def _count(counts: dict[int, np.ndarray], epoch: int, met: np.ndarray, bad: np.ndarray) -> None:
    table = counts.setdefault(epoch, np.zeros((2, 2), dtype=int))
    np.add.at(table, (1 - met.astype(int), bad.astype(int)), 1)


def _strata(counts: dict[int, np.ndarray], shares: dict[int, float]) -> tuple[Stratum, ...]:
    return tuple(
        Stratum(
            share=shares[epoch],
            candidate=bad_of(int(table[0, 1]), int(table[0].sum())),
            current=bad_of(int(table[1, 1]), int(table[1].sum())),
        )
        for epoch, table in sorted(counts.items())
        if epoch in shares
    )


def without_times(rollout: Rollout) -> Rollout:
    """The same rollout wherever its steps took place in time."""
    return structs.replace(rollout, since_ns=0, started_ns=0)


__all__ = ["CANDIDATE", "CURRENT", "Dying", "Killed", "StorageFailed", "World", "plan"]
