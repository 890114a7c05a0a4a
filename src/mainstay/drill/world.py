"""A workspace in simulated time: who asks its model, and what becomes of what it says.

Promises that decisions go through the real pipeline into a real journal, held-out units without the
model as on a server; that the same seed makes the same people; and to remember of every decision
what was true, which only a drill's verdicts may ask. Limits: one caller, one process, one
version that answers, and a keeper that looks at most every ten minutes.
"""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mainstay.access.model import Caller
from mainstay.base.clock import ManualClock
from mainstay.base.ids import DecisionIds, new_incarnation
from mainstay.bundle import pack as bundle_pack
from mainstay.bundle.model import Version
from mainstay.contract.columns import Columns, rows_of, take
from mainstay.contract.shares import share
from mainstay.journal.spool import DiskSpool
from mainstay.serve.engine import HELD_OUT
from mainstay.serve.model import Answer, Call
from mainstay.serve.outcomes import Outcomes
from mainstay.serve.pipeline import Pipeline
from mainstay.serve.routes.assign import is_held_out
from mainstay.serve.routes.model import Route
from mainstay.watch.gather.model import STRETCH_MS
from mainstay.watch.monitors.columns import GRACE_MS
from mainstay.wiring.folders import make_workspace
from mainstay.wiring.watching import Watching
from mainstay.wiring.workspace import Workspace

_PARTS: Final = 5
_BETWEEN_SECONDS: Final = 200.0
"""What is left of a turn besides its parts: they lie between the keeper's look at the turn before
and the end of this one."""
_MILLISECOND: Final = 0.001
_LATER_MS: Final = 1_000
_MS: Final = 1_000_000
_SECOND_NS: Final = 1_000_000_000

Labels = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a world begins with."""

    model: str
    contract: str
    """As it is written to the workspace."""
    training: str
    """The code that trains, in a file of the model's name."""
    caller: str
    turn_ms: int = STRETCH_MS
    """How much time passes between two looks of the keeper."""


@dataclass(frozen=True, slots=True)
class Said:
    """What was said to somebody."""

    decision: str
    row: int
    """Among those who came together."""
    arm: str
    status: str
    answer: Any
    """What the person is shown; for a ranking, its list."""


class World(ABC):
    """One model, its workspace, its clock, and what is true in it."""

    def __init__(self, folder: Path, scene: Scene, begin_ns: int, seed: int) -> None:
        places, _ = make_workspace(folder)
        (places.contracts / f"{scene.model}.yaml").write_text(scene.contract, encoding="utf-8")
        places.training.mkdir(exist_ok=True)
        (places.training / f"{scene.model}.py").write_text(scene.training, encoding="utf-8")
        self.scene = scene
        self.clock = ManualClock(begin_ns)
        self.workspace = Workspace(places)
        self.workspace.clock = self.clock
        self.watching = Watching(self.workspace)
        self.truths: dict[str, Any] = {}
        """Of every decision, what was right; nobody who decides is shown it."""
        self.seed = seed
        self.draw = np.random.default_rng(seed)
        self._end_ns = begin_ns
        """Of the turn that was last."""
        self._due: list[tuple[int, str, dict[str, Any]]] = []
        """What will be said: when, of which decision, and what."""

    @abstractmethod
    def come(self, count: int) -> tuple[Columns, Labels]:
        """Those who ask now, as the model takes them, and what is true of each."""

    @abstractmethod
    def react(self, said: Said, truth: Any) -> tuple[float, dict[str, Any]] | None:
        """After how many seconds somebody says what, as the body of an outcome; or nothing."""

    @property
    def live(self) -> Route:
        """What answers now."""
        route = self.workspace.chain.current(self.scene.model)
        assert route is not None, "a drill deploys before anybody comes"
        return route

    def pack(self, model: Any, rows: Any, labels: Labels, card: dict[str, Any]) -> Version:
        """Make a version of a model, measured on these rows, and keep it."""
        name = self.scene.model
        with tempfile.TemporaryDirectory(prefix="mainstay-drill-") as into:
            packed = bundle_pack.pack(
                name,
                model=model,
                contract=self.workspace.places.contracts / f"{name}.yaml",
                confidence=(rows, labels),
                card=card,
                sign_with=self.workspace.places.signing_key,
                into=into,
                clock=self.clock,
            )
            return self.workspace.admit(Path(packed.file))

    def turn(self, count: int, *, heard: bool = True) -> None:
        """Time passes: so many people come, and what they say is heard of; then the keeper looks.
        While nothing is heard, what was to be said is lost."""
        self._end_ns += self.scene.turn_ms * _MS
        part_seconds = (self.scene.turn_ms / 1000.0 - _BETWEEN_SECONDS) / _PARTS
        route = self.live
        ids = DecisionIds(new_incarnation(), self.clock)
        pipelines = self._pipelines(route, ids)
        spool = DiskSpool(self.workspace.places.spool, ids.incarnation, clock=self.clock)
        try:
            spool.describe(pipelines["live"].layout())
            outcomes = Outcomes(spool, ids, self.clock)
            for _ in range(_PARTS):
                self.clock.advance(part_seconds)
                self._decide(pipelines, spool, count // _PARTS)
                self._hear(outcomes, lost=not heard)
        finally:
            spool.close()
        self.workspace.journal.seal()
        # The keeper waits a little for what is still under way before it looks.
        looks_ns = self._end_ns + (GRACE_MS + _LATER_MS) * _MS
        self.clock.advance((looks_ns - self.clock.now_ns()) / 1e9)
        self.watching.tick()

    def right_of(self, answers: Iterable[tuple[str, Any]]) -> float:
        """The share of right answers among what decisions said."""
        return float(np.mean([self.truths[decision] == answer for decision, answer in answers]))

    def _pipelines(self, route: Route, ids: DecisionIds) -> dict[str, Pipeline]:
        """By arm: the version that answers, and what answers those who are held out."""
        loaded = self.workspace.load(self.workspace.registry.find_fingerprint(route.fingerprint))
        found = {"live": Pipeline(loaded, route, ids, self.clock)}
        part = share(loaded.manifest.contract.labels.hold_out)
        if part:
            found[HELD_OUT] = Pipeline(
                loaded, route, ids, self.clock, HELD_OUT, part, "the unit is held out"
            )
        return found

    def _decide(self, pipelines: dict[str, Pipeline], spool: DiskSpool, count: int) -> None:
        rows, labels = self.come(count)
        truths = labels.tolist()
        for arm, places in self._arms(pipelines["live"], rows).items():
            if not len(places):
                continue
            answer = self._answered(pipelines[arm], spool, take(rows, places))
            for at, place in enumerate(places.tolist()):
                said = Said(
                    answer.ids[at], place, arm, answer.statuses[at], answer.shown[at].answer
                )
                self._said(said, truths[place])
        self.clock.advance(_MILLISECOND)

    def _arms(self, live: Pipeline, rows: Columns) -> dict[str, npt.NDArray[np.intp]]:
        """Who is answered by which arm."""
        part = share(live.contract.labels.hold_out)
        out = np.zeros(rows_of(rows), dtype=bool)
        if part:
            units = rows[live.contract.release.unit].tolist()
            out[:] = [is_held_out(self.scene.model, str(unit), part) for unit in units]
        found = {"live": np.flatnonzero(~out), HELD_OUT: np.flatnonzero(out)}
        return found if part else {"live": found["live"]}

    def _answered(self, pipeline: Pipeline, spool: DiskSpool, rows: Columns) -> Answer:
        call = Call(
            caller=Caller(name=self.scene.caller),
            door="drill",
            request="",
            inputs=pipeline.normal(rows),
            context={},
            rows=rows_of(rows),
            received_ns=self.clock.elapsed_ns(),
        )
        run, refusals = pipeline.run([call])
        assert run is not None, refusals
        batch = pipeline.decisions(run)
        spool.append([batch])
        (answer,) = pipeline.answers(run, batch)
        return answer

    def _said(self, said: Said, truth: Any) -> None:
        self.truths[said.decision] = truth
        reaction = self.react(said, truth)
        if reaction is not None:
            seconds, body = reaction
            due_ns = self.clock.now_ns() + int(seconds * _SECOND_NS)
            self._due.append((due_ns, said.decision, body))

    def _hear(self, outcomes: Outcomes, *, lost: bool) -> None:
        now_ns = self.clock.now_ns()
        due = sorted((each for each in self._due if each[0] <= now_ns), key=lambda each: each[:2])
        self._due = [each for each in self._due if each[0] > now_ns]
        for _, decision, body in due if not lost else ():
            outcomes.record(self.scene.model, self.scene.caller, decision, body)


def share_of(holds: npt.NDArray[np.bool_]) -> float:
    """Of how many it is so."""
    return float(np.count_nonzero(holds) / len(holds))
