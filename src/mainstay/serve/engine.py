"""The versions that this worker answers with, and how one takes over from another.

A swap is one assignment between two requests: the new version is loaded and warm before it, the
old one finishes what already stands in its line after it. A version that cannot be loaded is
refused in words, and the one that served keeps serving.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

from msgspec import structs

from mainstay.base.clock import Clock
from mainstay.base.errors import NotFound, Stopped
from mainstay.base.ids import DecisionIds
from mainstay.bundle.port import Loaded
from mainstay.contract.finding import Finding
from mainstay.journal.model import CERTAIN
from mainstay.journal.port import Spool
from mainstay.judge.model import Means
from mainstay.serve.aside import Aside
from mainstay.serve.gather import Gatherer, Sources
from mainstay.serve.join import Joiner
from mainstay.serve.mixture import Missed, Mixture
from mainstay.serve.model import Run
from mainstay.serve.pipeline import Pipeline
from mainstay.serve.routes.assign import live_share
from mainstay.serve.routes.model import Arm, Route, Stop
from mainstay.tally.memory import MemoryTally
from mainstay.tally.port import Tally

Observe = Callable[[Route, Run], None]
Announce = Callable[[Route, Iterable[str]], None]
NAMED = "named"
"""The arm of a version that answers because a caller asked for its number: no draw did."""
LoadedArm = tuple[Arm, Loaded, Sources]


def _unheard(missed: Missed) -> None:
    """For engines whose shadows nobody counts."""


@dataclass(slots=True, frozen=True)
class Serving:
    """One version in force for one model, ready to answer."""

    route: Route
    loaded: Loaded
    pipeline: Pipeline
    joiner: Joiner
    gatherer: Gatherer
    mixture: Mixture | None = None
    """Who answers, when it is not always this version."""
    beside: tuple["Serving", ...] = ()
    """The arms, then every version of the route as one that callers ask for by its number."""

    @property
    def waited_for(self) -> "Iterator[Serving]":
        """This version and all beside it whose answers somebody waits for."""
        yield self
        yield from (each for each in self.beside if each.pipeline.arm != "shadow")

    @property
    def versions(self) -> "Mapping[str, Serving]":
        """By fingerprint, what is in memory for this route."""
        return {each.route.fingerprint: each for each in (self, *self.beside)}


@dataclass(slots=True, frozen=True)
class Machinery:
    """What every version of a worker shares."""

    ids: DecisionIds
    spool: Spool
    models: Executor
    lookups: Executor
    clock: Clock
    observe: Observe
    announce: Announce
    """Told of every version that takes over, with the names of its inputs."""
    missed: Callable[[Missed], None] = _unheard
    """Told of rows that a shadow did not answer."""
    tally: Tally = field(default_factory=MemoryTally)
    """Where is counted what is limited or compared across requests."""


class Engine:
    """Model name to the version in force. Lives on one event loop."""

    def __init__(self, machinery: Machinery) -> None:
        self._machinery = machinery
        self._serving: dict[str, Serving] = {}
        self._leaving: list[Serving] = []
        self._stopped: dict[str, Stop] = {}

    @property
    def stopped(self) -> Mapping[str, Stop]:
        """Models whose version in force was found wrong here; nothing answers for them."""
        return self._stopped

    @property
    def serving(self) -> Mapping[str, Serving]:
        """What is in force now."""
        return self._serving

    @property
    def waiting_rows(self) -> int:
        """Rows in line for any version."""
        return sum(
            each.joiner.waiting_rows
            for serving in self._serving.values()
            for each in serving.waited_for
        )

    @property
    def idle(self) -> bool:
        """No version has anything to do, nor has one that was replaced."""
        self._leaving = [serving for serving in self._leaving if not _idle(serving)]
        return not self._leaving and all(map(_idle, self._serving.values()))

    def find(self, model: str, number: str | None = None) -> Serving:
        """The version that answers for a model; asking for another one than is in force fails."""
        serving = self._serving.get(model)
        if serving is None and model in self._stopped:
            raise _stopped_error(model, self._stopped[model])
        if serving is None:
            raise NotFound(
                f"no model {model!r} is served here",
                field="model",
                got=model,
                expected="one of: " + (", ".join(sorted(self._serving)) or "none is deployed yet"),
            )
        if number is None:
            return serving
        for named in serving.beside:
            if named.pipeline.arm == NAMED and number == str(named.route.number):
                return named
        if number != str(serving.route.number):
            numbers = sorted({s.route.number for s in (serving, *serving.beside)})
            raise NotFound(
                f"version {number} of {model!r} is not in force",
                field="version",
                got=number,
                expected=f"version {' or '.join(map(str, numbers))}, or a path without a version",
            )
        return serving

    def prepare(
        self, loaded: Loaded, route: Route, sources: Sources, arms: Sequence[LoadedArm] = ()
    ) -> Serving:
        """Everything a version needs before it takes over, and the arms that could be loaded;
        the units of one that could not stay with the live version."""
        if not arms:
            return self._version(loaded, route, sources)
        in_force = structs.replace(route, arms=tuple(arm for arm, _, _ in arms))
        live = self._version(loaded, route, sources, "live", live_share(in_force))
        others = {
            arm.fingerprint: self._version(
                loaded_arm, _route_of(route, arm), sources_of_arm, arm.role, arm.share
            )
            for arm, loaded_arm, sources_of_arm in arms
        }
        named = [self._version(loaded, route, sources, NAMED)]
        named += [
            self._version(loaded_arm, _route_of(route, arm), sources_of_arm, NAMED)
            for arm, loaded_arm, sources_of_arm in arms
        ]
        mixture = Mixture(in_force, live, others, self._machinery.missed)
        return replace(live, mixture=mixture, beside=(*others.values(), *named))

    def _version(
        self,
        loaded: Loaded,
        route: Route,
        sources: Sources,
        arm: str = "live",
        propensity: float = CERTAIN,
    ) -> Serving:
        machinery = self._machinery
        shadow = arm == "shadow"
        # Nobody sees what a shadow says, so it must not use up what its neighbours may say.
        means = Means() if shadow else Means(tally=machinery.tally)
        pipeline = Pipeline(
            loaded, route, machinery.ids, machinery.clock, arm, propensity, means=means
        )
        joiner = Joiner(
            pipeline,
            machinery.spool,
            Aside(f"shadow {route.model}") if shadow else machinery.models,
            machinery.clock,
            lambda run: machinery.observe(route, run),
            aside=shadow,
        )
        gatherer = Gatherer(pipeline.contract, sources, machinery.lookups)
        return Serving(route, loaded, pipeline, joiner, gatherer)

    def switch(self, serving: Serving) -> None:
        """Let a prepared version take over from the one in force."""
        for version in serving.versions.values():
            self._machinery.spool.describe(version.pipeline.layout())
        self._machinery.announce(serving.route, serving.pipeline.contract.inputs)
        before = self._serving.get(serving.route.model)
        if before is not None:
            self._leave(before)
        self._stopped.pop(serving.route.model, None)
        self._serving[serving.route.model] = serving

    def stop(self, model: str, finding: Finding) -> None:
        """Answer no more with the version in force, which was found wrong, until another route
        takes over. What stands in its line is still answered."""
        before = self._serving.pop(model, None)
        if before is not None:
            self._leave(before)
            self._stopped[model] = Stop(
                epoch=before.route.epoch,
                number=before.route.number,
                fingerprint=before.route.fingerprint,
                at_ns=self._machinery.clock.now_ns(),
                finding=finding,
            )

    def withdraw(self, model: str) -> None:
        """Stop answering for a model."""
        self._stopped.pop(model, None)
        before = self._serving.pop(model, None)
        if before is not None:
            self._leave(before)

    def _leave(self, before: Serving) -> None:
        """What stands in its lines is still answered; its shadows end with what they have."""
        self._leaving.append(before)
        for each in before.beside:
            each.joiner.retire()


def _stopped_error(model: str, stop: Stop) -> Stopped:
    return Stopped(
        f"{model} v{stop.number} was stopped here: {stop.finding.words}",
        field="model",
        got=model,
        expected="the same request again, which another process may answer; whoever runs the model"
        f" can go back with `mainstay rollback {model}`",
    )


def _route_of(route: Route, arm: Arm) -> Route:
    """The route as decisions of an arm see it."""
    return structs.replace(route, number=arm.number, fingerprint=arm.fingerprint)


def _idle(serving: Serving) -> bool:
    return all(each.joiner.idle for each in serving.waited_for)
