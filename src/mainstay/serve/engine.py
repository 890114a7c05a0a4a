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
from mainstay.base.errors import MainstayError, ModelFailed, NotFound, Stopped, TooLate
from mainstay.base.ids import DecisionIds
from mainstay.bundle.port import Loaded
from mainstay.contract.finding import Finding
from mainstay.contract.shares import share
from mainstay.journal.model import CERTAIN
from mainstay.journal.port import Spool
from mainstay.judge.model import Means, Other
from mainstay.serve.aside import Aside
from mainstay.serve.gather import Gatherer, LookupSource, Sources
from mainstay.serve.held.keep import Keeping
from mainstay.serve.held.memory import MemoryDesk
from mainstay.serve.held.port import Desk
from mainstay.serve.held.settle import Settler
from mainstay.serve.join import Joiner
from mainstay.serve.mixture import HeldOut, Missed, Mixture
from mainstay.serve.model import Run
from mainstay.serve.pipeline import Pipeline
from mainstay.serve.routes.assign import Chose, live_share, nobody
from mainstay.serve.routes.model import Arm, Route, Stop
from mainstay.serve.standbys import Others
from mainstay.tally.memory import MemoryTally
from mainstay.tally.port import Tally

Observe = Callable[[Route, Run], None]
Announce = Callable[[Route, Iterable[str]], None]
Counts = Mapping[tuple[str, ...], int]
Levels = Mapping[tuple[str, ...], float]
NAMED = "named"
"""The arm of a version that answers because a caller asked for its number: no draw did."""
HELD_OUT = "held_out"
"""The arm of a unit that is answered without the model."""
_WHY_HELD_OUT = "held out: answered without the model, to know what happens where it has no say"
LoadedArm = tuple[Arm, Loaded, Sources]
NOBODY_ELSE: Others = {}


def _nobody_yet(route: Route) -> Chose:
    """For engines that nobody tells of choices."""
    del route
    return nobody


def _unheard(missed: Missed) -> None:
    """For engines whose shadows nobody counts."""


def _uncounted(route: Route, counts: Counts, levels: Levels) -> None:
    """For engines whose look-ups nobody counts."""


@dataclass(slots=True, frozen=True)
class Serving:
    """One version in force for one model, ready to answer."""

    route: Route
    loaded: Loaded
    pipeline: Pipeline
    joiner: Joiner
    gatherer: Gatherer
    sources: Sources = field(default_factory=dict[str, LookupSource])
    others: Others = field(default_factory=dict[str, Other])
    """What its fallback steps can ask."""
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
        return {each.route.fingerprint: each for each in reversed((self, *self.beside))}


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
    counted: Callable[[Route, Counts, Levels], None] = _uncounted
    """Told of what look-ups count, and of how they are now."""
    tally: Tally = field(default_factory=MemoryTally)
    """Where is counted what is limited or compared across requests."""
    desk: Desk = field(default_factory=MemoryDesk)
    """Where answers wait for a person."""
    chose: Callable[[Route], Chose] = _nobody_yet
    """Asked for each route who went back in it."""


class Engine:
    """Model name to the version in force. Lives on one event loop."""

    def __init__(self, machinery: Machinery) -> None:
        self._machinery = machinery
        self._serving: dict[str, Serving] = {}
        self._leaving: list[Serving] = []
        self._stopped: dict[str, Stop] = {}

    @property
    def settler(self) -> Settler:
        """Who releases and rejects what waits here."""
        parts = self._machinery
        return Settler(
            parts.desk,
            lambda event: parts.spool.append([event]),
            parts.tally,
            parts.ids,
            parts.clock,
        )

    @property
    def stopped(self) -> Mapping[str, Stop]:
        """Models whose version in force was found wrong here: its fallback answers for them where
        it has one, and otherwise nothing does."""
        return self._stopped

    @property
    def tally(self) -> Tally:
        """Where all versions count what is limited across requests."""
        return self._machinery.tally

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
        self,
        loaded: Loaded,
        route: Route,
        sources: Sources,
        arms: Sequence[LoadedArm] = (),
        others: Others = NOBODY_ELSE,
    ) -> Serving:
        """Everything a version needs before it takes over, and the arms that could be loaded;
        the units of one that could not stay with the live version. `others` is what fallback steps
        can ask."""
        without_model = self._held_out(loaded, route, sources, others)
        if not arms and without_model is None:
            return self._version(loaded, route, sources, others=others)
        in_force = structs.replace(route, arms=tuple(arm for arm, _, _ in arms))
        live = self._version(loaded, route, sources, "live", live_share(in_force), others)
        in_arms = {
            arm: self._version(
                loaded_arm,
                _route_of(route, arm),
                sources_of_arm,
                arm.role,
                CERTAIN if arm.role == "opt_back" else arm.share,
                others,
            )
            for arm, loaded_arm, sources_of_arm in arms
        }
        machinery = self._machinery
        chose = machinery.chose(in_force)
        held_out = None if without_model is None else without_model[1]
        mixture = Mixture(in_force, live, in_arms, machinery.missed, chose, held_out)
        beside = [*in_arms.values(), *(without_model[:1] if without_model else ())]
        if not arms:
            return replace(live, mixture=mixture, beside=tuple(beside))
        once = {arm.fingerprint: (arm, one, of_arm) for arm, one, of_arm in arms}
        named = [self._version(loaded, route, sources, NAMED, others=others)]
        named += [
            self._version(loaded_arm, _route_of(route, arm), sources_of_arm, NAMED, others=others)
            for arm, loaded_arm, sources_of_arm in once.values()
        ]
        if held_out is not None:
            # Who is held out is so whichever version is asked for.
            named = [
                replace(one, mixture=Mixture(alone, one, {}, machinery.missed, nobody, held_out))
                for one in named
                if (alone := structs.replace(one.route, arms=()))
            ]
        return replace(live, mixture=mixture, beside=(*beside, *named))

    def _held_out(
        self, loaded: Loaded, route: Route, sources: Sources, others: Others
    ) -> tuple[Serving, HeldOut] | None:
        """What answers the units that are held out, if any are."""
        contract = loaded.manifest.contract
        part = share(contract.labels.hold_out)
        if not part:
            return None
        version = self._version(loaded, route, sources, HELD_OUT, part, others, _WHY_HELD_OUT)
        return version, HeldOut(version, part, contract.release.unit)

    def _version(
        self,
        loaded: Loaded,
        route: Route,
        sources: Sources,
        arm: str = "live",
        propensity: float = CERTAIN,
        others: Others = NOBODY_ELSE,
        without_model: str = "",
    ) -> Serving:
        machinery = self._machinery
        shadow = arm == "shadow"
        # Nobody sees what a shadow says, so it must not use up what its neighbours may say.
        tally = MemoryTally() if shadow else machinery.tally
        pipeline = Pipeline(
            loaded,
            route,
            machinery.ids,
            machinery.clock,
            arm,
            propensity,
            without_model,
            Means(clock=machinery.clock, tally=tally, others=others),
        )
        joiner = Joiner(
            pipeline,
            machinery.spool,
            Aside(f"shadow {route.model}") if shadow else machinery.models,
            machinery.clock,
            lambda run: machinery.observe(route, run),
            aside=shadow,
            keeping=None if shadow else _keeping(machinery, route),
        )
        gatherer = Gatherer(
            pipeline.contract,
            sources,
            machinery.lookups,
            machinery.clock,
            lambda counts, levels: machinery.counted(route, counts, levels),
        )
        return Serving(route, loaded, pipeline, joiner, gatherer, sources, others)

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

    def note_failure(self, serving: Serving, rows: int, error: MainstayError) -> None:
        """Rows that a version alone in force could not answer; a mixture notes its own."""
        alone = serving.mixture is None and serving.pipeline.arm == "live"
        if alone and isinstance(error, ModelFailed | TooLate):
            self._machinery.missed(Missed(serving.route, rows, "failed", "live"))

    def stop(self, model: str, finding: Finding) -> None:
        """Answer no more with the version in force, which was found wrong, until another route
        takes over; its fallback answers in its place, where it has one. What stands in its line is
        still answered."""
        before = self._serving.get(model)
        if before is not None:
            self.stop_before(before, finding)

    def stop_before(self, serving: Serving, finding: Finding, *, ordered: bool = False) -> None:
        """The same for a version that was found wrong before or after it took over, or that its
        route says is stopped."""
        route = serving.route
        self._stopped[route.model] = Stop(
            epoch=route.epoch,
            number=route.number,
            fingerprint=route.fingerprint,
            at_ns=self._machinery.clock.now_ns(),
            finding=finding,
            stands_in=serving.pipeline.falls_back,
            ordered=ordered,
        )
        if serving.pipeline.falls_back:
            self.stand_in(serving, serving.others)
            return
        before = self._serving.pop(route.model, None)
        if before is not None:
            self._leave(before)

    def stand_in(self, serving: Serving, others: Others) -> None:
        """Let the fallback of a stopped version answer, with these versions to ask."""
        route = serving.route
        stop = self._stopped[route.model]
        why = _words_of(stop)
        alone = structs.replace(route, arms=())
        instead = self._version(
            serving.loaded, alone, serving.sources, others=others, without_model=why
        )
        self.switch(instead)
        self._stopped[route.model] = stop

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


def _keeping(machinery: Machinery, route: Route) -> Keeping:
    """What keeps the answers of a route that wait for a person."""
    return Keeping(machinery.desk, route, machinery.ids, machinery.clock)


def _words_of(stop: Stop) -> str:
    where = "" if stop.ordered else " here"
    return f"v{stop.number} was stopped{where}: {stop.finding.words}"


def _stopped_error(model: str, stop: Stop) -> Stopped:
    again = "the same request again, which another process may answer; "
    return Stopped(
        f"{model} {_words_of(stop)}",
        field="model",
        got=model,
        expected=("" if stop.ordered else again)
        + f"whoever runs the model can go back with `mainstay rollback {model}`",
    )


def _route_of(route: Route, arm: Arm) -> Route:
    """The route as decisions of an arm see it."""
    return structs.replace(route, number=arm.number, fingerprint=arm.fingerprint)


def _idle(serving: Serving) -> bool:
    return all(each.joiner.idle for each in serving.waited_for)
