"""A small world to recall in: versions with windows, routes, quarantines, a journal of a list."""

import itertools
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from mainstay.base.clock import ManualClock
from mainstay.bundle.model import Card, Version
from mainstay.contract.finding import Verdict as Judged
from mainstay.release.gate.model import Verdict
from mainstay.release.model import Deployed
from mainstay.release.recall.carry_out import begin, carry_out, standing, take_back
from mainstay.release.recall.memory import MemoryRecallStore
from mainstay.release.recall.model import Plan, Recall, Window
from mainstay.release.recall.plan import plan
from mainstay.release.recall.taint import taint
from mainstay.release.rollback import rollback
from mainstay.serve.routes.memory import MemoryRouteChain
from mainstay.serve.routes.model import Arm, Draft, Route
from tests.conformance.manifests import fingerprint

HOUR = 3_600_000_000_000
START = 1_700_000_000_000_000_000 // HOUR * HOUR


class Killed(BaseException):
    """The command ends in the middle."""


def written(time_ns: int) -> str:
    """A moment as a card says it."""
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat()


def version(
    number: int,
    window: tuple[int, int] | tuple[str, str] | None,
    *,
    at: int = START + 10_000 * HOUR,
    without: Sequence[tuple[int, int]] = (),
) -> Version:
    """A version whose training data reaches from one hour to another."""
    said = None
    if window is not None:
        said = tuple(each if isinstance(each, str) else hours(each) for each in window)
    card = Card(
        packed_at="2026-11-20T10:00:00Z",
        window=said,
        without=tuple((hours(begin), hours(end)) for begin, end in without),
    )
    return Version(
        model="fraud",
        number=number,
        fingerprint=fingerprint(number),
        size_bytes=1,
        registered_at_ns=at,
        card=card,
    )


def hours(hour: int) -> str:
    """So many hours after the start."""
    return written(START + hour * HOUR)


def stretch(begin: int, end: int) -> Window:
    """From one hour to another."""
    return Window(START + begin * HOUR, START + end * HOUR)


class World:
    """Everything a recall asks for and touches; it can be killed before and after each step."""

    def __init__(self, versions: Sequence[Version] = ()) -> None:
        self.clock = ManualClock(START + 10_000 * HOUR)
        self.chain = MemoryRouteChain(self.clock)
        self.store = MemoryRecallStore()
        self.all = list(versions)
        self.judged: dict[str, Judged] = {}
        self.unfit: dict[str, str] = {}
        self.quarantined: dict[tuple[int, str], Window] = {}
        self.told: list[tuple[int, str]] = []
        self.fed = ("fraud", "ranker")
        self.meanwhile: Callable[[], object] | None = None
        """What somebody else does right before the route is changed."""
        self.steps_left: int | None = None
        """How many steps are done before the command is killed; nothing: it is not."""

    # What a plan asks for

    def versions(self) -> Sequence[Version]:
        return self.all

    def history(self) -> Sequence[Route]:
        return self.chain.history("fraud")

    def windows(self) -> Sequence[Window]:
        return [window for (_, model), window in self.quarantined.items() if model == "fraud"]

    def verdict(self, fingerprint: str) -> Verdict | None:
        found = self.judged.get(fingerprint)
        if found is None:
            return None
        return Verdict(
            id=f"verdict {fingerprint[:8]}", model="fraud", number=1, candidate=fingerprint,
            epoch=0, findings=(), verdict=found, actor="ann", time_ns=1, forced=True,
        )  # fmt: skip

    def fits(self, version: Version) -> tuple[Sequence[str], str]:
        return (), self.unfit.get(version.fingerprint, "")

    # What a recall does

    def step(self) -> None:
        """Between two steps, where a command may be killed."""
        if self.steps_left is not None:
            if self.steps_left == 0:
                raise Killed
            self.steps_left -= 1

    def current(self, model: str) -> Route | None:
        return self.chain.current(model)

    def route(self, model: str, number: int, reason: str, epoch: int) -> Deployed:
        self.step()
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        done = rollback(
            self.chain, self, model=model, to=number, actor="ann", reason=reason,
            check=lambda _version: None, expected_epoch=epoch,
        )  # fmt: skip
        self.step()
        return done

    def find(self, model: str, number: int | None = None) -> Version:
        assert model == "fraud"
        return next(each for each in self.all if each.number == number)

    def quarantine(self, recall: Recall, model: str) -> None:
        self.step()
        self.quarantined[recall.number, model] = recall.window
        self.step()

    def lift(self, recall: Recall, model: str) -> None:
        self.step()
        self.quarantined.pop((recall.number, model), None)
        self.step()

    def tainted(self, recall: Recall, fingerprint: str) -> str:
        found = next(each for each in self.all if each.fingerprint == fingerprint)
        others = [
            each.window
            for each in self.store.of("fraud")
            if each.number != recall.number and each.status in {"begun", "in force"}
        ]
        bad = any(taint(found, [each]).judged != "clean" for each in others)
        return "is recalled besides" if bad else ""

    def tell(self, recall: Recall, did: str, *, again: bool) -> None:
        self.step()
        if not again or (recall.number, did) not in self.told:
            self.told.append((recall.number, did))
        self.step()

    # What people do

    def deploy(self, number: int, *arms: Arm) -> Route:
        current = self.chain.current("fraud")
        draft = Draft(
            model="fraud", number=number, fingerprint=fingerprint(number), actor="bob",
            reason="newer", arms=arms, salt="s" if arms else "",
        )  # fmt: skip
        return self.chain.append(draft, 0 if current is None else current.epoch)

    def plan(self, window: Window, to: int | None = None) -> Plan:
        return replace(plan(self, "fraud", window, to), quarantined=self.fed)

    def recall(self, window: Window, to: int | None = None) -> Recall:
        """As the command does it."""
        made = self.plan(window, to)
        assert made.possible
        done = standing(self.store.of("fraud"), made)
        if done is not None:
            return done
        self.step()
        begun = begin(self.store, self, made, "ann", "stuck", self.clock.now_ns())
        self.step()
        done = carry_out(self.store, self, begun)
        self.step()
        return done

    def undo(self, number: int) -> Recall:
        done = take_back(self.store, self, self.store.find(number), "ann", self.clock.now_ns())
        self.step()
        return done

    def state(self) -> object:
        """All that people can see."""
        current = self.chain.current("fraud")
        return (
            None if current is None else (current.number, current.arms),
            self.quarantined,
            self.told,
            [(each.number, each.status, each.quarantined) for each in self.store.of("fraud")],
        )


def any_world(seed: int) -> tuple[World, random.Random]:
    """Any history of deploying and going back, with cards of all kinds."""
    draw = random.Random(seed)
    world = World()
    for number in range(1, draw.randint(2, 9)):
        begin = draw.randint(0, 20)
        window = (begin, begin + draw.randint(1, 20))
        kind = draw.random()
        said: tuple[int, int] | tuple[str, str] | None = window
        if kind < 0.15:
            said = None
        elif kind < 0.3:
            said = (hours(window[0])[:10], hours(window[1])[:10])
        at = START + draw.choice([window[1], 10_000]) * HOUR
        holes = [(begin + 1, begin + draw.randint(2, 9))] if draw.random() < 0.2 else []
        world.all.append(version(number, said, at=at, without=holes))
        if draw.random() < 0.5:
            world.judged[fingerprint(number)] = draw.choice(["pass", "fail", "unsure"])
    for number in itertools.islice(
        iter(lambda: draw.choice(world.all).number, 0), draw.randint(0, 6)
    ):
        current = world.chain.current("fraud")
        if current is not None and current.number == number:
            continue
        share = Arm(role="share", number=number, fingerprint=fingerprint(number), share=0.1)
        if current is not None and draw.random() < 0.3:
            world.deploy(current.number, share)
        else:
            world.deploy(number)
    return world, draw
