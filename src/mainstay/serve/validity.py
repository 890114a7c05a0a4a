"""A version proves itself in every process: before it serves, and ever again while it serves.

Once, a version was proved by the trial, in another process, perhaps on another machine. What may
differ here is what this looks for: a processor that computes wrong, memory that was overwritten, a
library of another version. Before a version is switched in it answers its examples, and at most
`START_ROWS_MAX` rows of its confidence set, since a process that restarts must not be kept from
answering by a large set; the whole set follows in the first round. A round begins after
`assets.every`, at the latest, and at another moment in each worker.

Rounds are taken in small steps between the runs of the traffic, and a step that took long is
followed by a rest 99 times as long: they never cost more than a hundredth of a core. A version that
needs longer for a round than `assets.every` leaves begins the next one late. What fails is stopped
at once; evidence that cannot be read is told as unsure and tried again.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

import msgspec

from mainstay.base.clock import Clock
from mainstay.base.draws import draw
from mainstay.base.errors import MainstayError
from mainstay.base.ids import DecisionId, DecisionIds
from mainstay.base.limits import JOINED_ROWS_MAX
from mainstay.bundle.port import Loaded
from mainstay.bundle.prove import Evidence, Size, finish, prove
from mainstay.contract.finding import Finding
from mainstay.contract.times import duration_ns
from mainstay.journal.model import Event
from mainstay.journal.port import Spool
from mainstay.serve.engine import NAMED, Engine, Serving
from mainstay.serve.routes.model import Checked, Route

START_ROWS_MAX: Final = 2048
SHARE_OF_A_CORE: Final = 0.01
_STEP_NS: Final = 2_000_000
"""A step is made about so long: short beside a deadline, long beside the cost of taking it."""
_STEP_MAX_SECONDS: Final = 60.0
_LOOK_EVERY_SECONDS: Final = 1.0
_JITTER: Final = 0.2
"""A round begins up to so much of `every` early, differently in each worker and each time."""


class Validity:
    """One version in memory, and the evidence that it must prove itself with."""

    def __init__(self, loaded: Loaded, evidence: Evidence) -> None:
        self._loaded = loaded
        self._evidence = evidence

    def check(self, rows_max: int = START_ROWS_MAX) -> list[Finding]:
        """What a version shows at its start; whatever it raises is a failing finding."""
        return finish(self.steps(rows_max=rows_max))

    def steps(
        self, *, rows_max: int | None = None, size: Size | None = None
    ) -> Generator[None, None, list[Finding]]:
        """The same in steps of one call of the model, to be taken at any pace."""
        return prove(self._loaded, self._evidence, rows_max=rows_max, size=size)


class Pace:
    """How large a step is and how long the rest after it, learned from what steps take."""

    def __init__(self) -> None:
        self._rows = 1
        self._asked = False

    def rows(self) -> int:
        """How many rows the next step may take."""
        self._asked = True
        return self._rows

    def learn(self, took_ns: int) -> None:
        """Make the next step larger or smaller than one that took so long; steps that did not ask
        how large they may be teach nothing."""
        if not self._asked:
            return
        self._asked = False
        if took_ns * 2 < _STEP_NS:
            self._rows = min(2 * self._rows, JOINED_ROWS_MAX)
        elif took_ns > _STEP_NS:
            self._rows = max(1, self._rows // 2)

    @staticmethod
    def rest_ns(took_ns: int) -> int:
        """How long to rest after a step, so that both together keep to the share of a core."""
        return math.ceil(took_ns * (1 / SHARE_OF_A_CORE - 1))


class Ward(Protocol):
    """Whom a round reads from and tells; a worker's follower is one."""

    @property
    def checked(self) -> Mapping[str, Checked]:
        """By fingerprint: what the last check found."""
        ...

    def evidence(self, model: str, loaded: Loaded) -> Evidence:
        """The assets of a version in force."""
        ...

    def keep(self, fingerprint: str, findings: Sequence[Finding]) -> None:
        """Show what a round found."""
        ...

    async def stop(self, model: str, fingerprint: str, finding: Finding) -> None:
        """Answer no more with a version."""
        ...


Sleep = Callable[[float], Awaitable[None]]


class Rounds:
    """Checks what this worker serves, ever again. Lives on the worker's event loop."""

    def __init__(
        self, engine: Engine, ward: Ward, slot: int, clock: Clock, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._engine = engine
        self._ward = ward
        self._slot = slot
        self._clock = clock
        self._sleep = sleep
        self._due: dict[str, int] = {}
        self._begun = 0

    async def keep(self) -> None:
        """Check until cancelled."""
        while True:
            await self.look()
            await self._sleep(_LOOK_EVERY_SECONDS)

    async def look(self) -> None:
        """Take the rounds that are due, one after the other."""
        held = [
            (model, version)
            for model, serving in self._engine.serving.items()
            if model not in self._engine.stopped
            for version in _answering(serving)
        ]
        known = {version.route.fingerprint for _, version in held}
        self._due = {mark: due for mark, due in self._due.items() if mark in known}
        for model, version in held:
            mark = version.route.fingerprint
            if mark not in self._due:
                self._due[mark] = self._clock.elapsed_ns() + self._first_after(version)
            if self._clock.elapsed_ns() >= self._due[mark]:
                self._due[mark] = self._clock.elapsed_ns() + self._next_after(version)
                await self._round(model, version)

    def _first_after(self, version: Serving) -> int:
        """Workers that start together must not check together."""
        mark = version.route.fingerprint
        known = self._ward.checked.get(mark)
        if known is not None and any(finding.verdict == "unsure" for finding in known.findings):
            return 0  # the start left it open
        return round(_every_ns(version) * draw(f"first check {self._slot}", mark))

    def _next_after(self, version: Serving) -> int:
        self._begun += 1
        drawn = draw(f"check {self._slot} {self._begun}", version.route.fingerprint)
        return round(_every_ns(version) * (1 - _JITTER * drawn))

    async def _round(self, model: str, version: Serving) -> None:
        mark, pace = version.route.fingerprint, Pace()
        loop = asyncio.get_running_loop()
        began = self._clock.elapsed_ns()
        try:
            evidence = await loop.run_in_executor(None, self._ward.evidence, model, version.loaded)
        except (MainstayError, OSError, KeyError) as error:
            words = f"the assets cannot be read, so nothing could be checked: {error}"
            self._ward.keep(mark, [Finding(check="assets", verdict="unsure", words=words)])
            evidence = None
        await self._sleep(pace.rest_ns(self._clock.elapsed_ns() - began) / 1e9)
        if evidence is not None:
            await self._prove(model, version, evidence, pace)

    async def _prove(self, model: str, version: Serving, evidence: Evidence, pace: Pace) -> None:
        mark = version.route.fingerprint
        steps = Validity(version.loaded, evidence).steps(size=pace.rows)
        findings: list[Finding] | None = None
        while findings is None:
            serving = self._engine.serving.get(model)
            if serving is None or not any(each is version for each in _answering(serving)):
                return  # replaced meanwhile
            try:
                errand = version.joiner.errand(lambda: self._step(steps))
                findings, took_ns = await asyncio.wait_for(errand, _STEP_MAX_SECONDS)
            except TimeoutError:
                words = f"a step of the check did not end within {_STEP_MAX_SECONDS} s"
                findings, took_ns = [Finding(check="check", verdict="fail", words=words)], 0
            if findings is not None:
                self._ward.keep(mark, findings)
                for finding in findings:
                    if finding.verdict == "fail":
                        await self._ward.stop(model, mark, finding)
            pace.learn(took_ns)
            await self._sleep(pace.rest_ns(took_ns) / 1e9)

    def _step(
        self, steps: Generator[None, None, list[Finding]]
    ) -> tuple[list[Finding] | None, int]:
        """One step, and what it took; a defect in it fails the version, and not the worker."""
        began = self._clock.elapsed_ns()
        found: list[Finding] | None = None
        try:
            next(steps)
        except StopIteration as end:
            found = end.value
        except Exception as error:  # noqa: BLE001  # because a check that cannot run is a failing check
            words = f"the check broke down: {type(error).__name__}: {error}"
            found = [Finding(check="check", verdict="fail", words=words)]
        return found, self._clock.elapsed_ns() - began


def _answering(serving: Serving) -> list[Serving]:
    """Each version of a route once, by the line that its answers come from. A shadow is not among
    them: nobody is shown what it answers."""
    beside = (each for each in serving.beside if each.pipeline.arm not in (NAMED, "shadow"))
    return [serving, *beside]


def _every_ns(version: Serving) -> int:
    return duration_ns(version.pipeline.contract.assets.every)


class FindingEvents:
    """Tells the journal of every version that a worker found wrong.

    Must never keep a wrong version serving: where the journal cannot be told, the worker's state
    still says it.
    """

    def __init__(self, spool: Spool, ids: DecisionIds, clock: Clock, slot: int) -> None:
        self._spool = spool
        self._ids = ids
        self._clock = clock
        self._slot = slot

    def record(self, route: Route, fingerprint: str, finding: Finding) -> None:
        """One event for one finding."""
        time_ms, sequence = self._ids.take(1)
        now_ns = self._clock.now_ns()
        event = Event(
            id=str(DecisionId(time_ms, self._ids.incarnation, sequence)),
            kind="finding",
            time_ns=now_ns,
            known_ns=now_ns,
            model=route.model,
            actor=f"worker {self._slot}",
            subject=fingerprint,
            body={"epoch": route.epoch, **msgspec.to_builtins(finding)},
        )
        with suppress(MainstayError):
            self._spool.append([event])
