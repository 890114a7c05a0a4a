"""A shop in simulated time: clicks that a model decides on, and payments that tell who bought.

Promises that decisions go through the real pipeline into a real journal; that the same seed makes
the same visitors, payments and losses; and to remember of every decision what was true, which only
a drill's verdicts may ask. Limits: one caller, one process, ten minutes at a time.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mainstay.access.model import Caller
from mainstay.base.clock import ManualClock
from mainstay.base.ids import DecisionId, DecisionIds, new_incarnation
from mainstay.bundle import pack as bundle_pack
from mainstay.bundle.extras import library
from mainstay.bundle.model import Version
from mainstay.contract.columns import MATRIX, Columns
from mainstay.journal.spool import DiskSpool
from mainstay.serve.model import Call
from mainstay.serve.outcomes import Outcomes
from mainstay.serve.pipeline import Pipeline
from mainstay.serve.routes.model import Route
from mainstay.watch.gather.model import STRETCH_MS
from mainstay.watch.monitors.columns import GRACE_MS
from mainstay.wiring.folders import make_workspace
from mainstay.wiring.watching import Watching
from mainstay.wiring.workspace import Workspace

MODEL: Final = "buyers"
LEAVES: Final = "leaves"
BUYS: Final = "buys"
CONTRACT: Final = """\
model: buyers
about: Will this visitor buy? Who will not is sent away from the crowded checkout.

inputs:
  discount: {type: number, min: 0, max: 1, about: of what is looked at}
  minutes:  {type: number, min: 0, max: 60, about: in the shop so far}
  visits:   {type: number, min: 0, max: 50, about: in the month before}

output: {type: probability, classes: [leaves, buys], threshold: 0.5}

# A payment says who bought; who did not pay within an hour did not buy.
labels: {window: 1h, silence_means: leaves}
assets: {metric: accuracy, acceptable: [0.5, 1]}
gate: {slower_by: 100, larger_by: 10}
renew: {train: "buyers:train", over: 7d, newest: 40 %, time: 5m}
"""
TRAINING: Final = '''\
"""How the shop trains its model."""

from sklearn.linear_model import LogisticRegression


def train(data):
    return LogisticRegression().fit(data.matrix(), data.labels)
'''
_NEEDED_FOR: Final = "the drill"
_PARTS: Final = 5
_PART_SECONDS: Final = 80.0
"""All of them fit between the keeper's look at a stretch and the end of the next one."""
_MILLISECOND: Final = 0.001
_LATER_MS: Final = 1_000
_SOONEST_SECONDS: Final = 120.0
_LATEST_SECONDS: Final = 900.0
_MS: Final = 1_000_000

Labels = npt.NDArray[np.str_]


class Shop:
    """A shop, its workspace, its clock, and what is true in it."""

    def __init__(self, folder: Path, begin_ns: int, seed: int) -> None:
        places, _ = make_workspace(folder)
        (places.contracts / f"{MODEL}.yaml").write_text(CONTRACT, encoding="utf-8")
        places.training.mkdir(exist_ok=True)
        (places.training / f"{MODEL}.py").write_text(TRAINING, encoding="utf-8")
        self.clock = ManualClock(begin_ns)
        self.workspace = Workspace(places)
        self.workspace.clock = self.clock
        self.watching = Watching(self.workspace)
        self.truths: dict[str, str] = {}
        """Of every decision, what its visitor would do; nobody who decides is shown it."""
        self.seed = seed
        self._draw = np.random.default_rng(seed)
        self._end_ns = begin_ns
        """Of the stretch that was last."""
        self._due: list[tuple[int, str]] = []
        """Payments to come: when, and for which decision."""

    def pack(self, model: Any, rows: Columns, labels: Labels, card: dict[str, Any]) -> Version:
        """Make a version of a model, measured on these rows, and keep it."""
        with tempfile.TemporaryDirectory(prefix="mainstay-drill-") as into:
            packed = bundle_pack.pack(
                MODEL,
                model=model,
                contract=self.workspace.places.contracts / f"{MODEL}.yaml",
                confidence=(matrix(rows), labels),
                card=card,
                sign_with=self.workspace.places.signing_key,
                into=into,
                clock=self.clock,
            )
            return self.workspace.admit(Path(packed.file))

    def stretch(self, clicks: int, *, payments: bool = True) -> None:
        """Ten minutes pass: visitors come, and what they pay is heard of; then the keeper looks.
        While there are no payments, those that were due are lost."""
        self._end_ns += STRETCH_MS * _MS
        route = self.live
        ids = DecisionIds(new_incarnation(), self.clock)
        loaded = self.workspace.load(self.workspace.registry.find_fingerprint(route.fingerprint))
        pipeline = Pipeline(loaded, route, ids, self.clock)
        spool = DiskSpool(self.workspace.places.spool, ids.incarnation, clock=self.clock)
        try:
            spool.describe(pipeline.layout())
            outcomes = Outcomes(spool, ids, self.clock)
            for _ in range(_PARTS):
                self.clock.advance(_PART_SECONDS)
                self._decide(pipeline, spool, clicks // _PARTS)
                self._pay(outcomes, lost=not payments)
        finally:
            spool.close()
        self.workspace.journal.seal()
        # The keeper waits a little for what is still under way before it looks at a stretch.
        looks_ns = self._end_ns + (GRACE_MS + _LATER_MS) * _MS
        self.clock.advance((looks_ns - self.clock.now_ns()) / 1e9)
        self.watching.tick()

    @property
    def live(self) -> Route:
        """What answers now."""
        route = self.workspace.chain.current(MODEL)
        assert route is not None, "a drill deploys before anybody comes"
        return route

    def right(self, version: Version, rows: Columns, labels: Labels) -> float:
        """The share of right answers of a version."""
        loaded = self.workspace.load(version)
        chances: npt.NDArray[np.float64] = loaded.predict(loaded.extract(rows))
        right = (chances[:, 1] >= 0.5) == (labels == BUYS)
        return float(np.count_nonzero(right) / len(labels))

    def right_of(self, answers: Iterable[tuple[str, Any]]) -> float:
        """The share of right answers among what decisions said."""
        return float(np.mean([self.truths[decision] == answer for decision, answer in answers]))

    def _decide(self, pipeline: Pipeline, spool: DiskSpool, count: int) -> None:
        rows, labels = visitors(self._draw, count, bargains=True)
        call = Call(
            caller=Caller(name="shop"),
            door="drill",
            request="",
            inputs={MATRIX: matrix(rows)},
            context={},
            rows=count,
            received_ns=self.clock.elapsed_ns(),
        )
        run, refusals = pipeline.run([call])
        assert run is not None, refusals
        batch = pipeline.decisions(run)
        spool.append([batch])
        now_ns = self.clock.now_ns()
        delays = self._draw.uniform(_SOONEST_SECONDS, _LATEST_SECONDS, count)
        for place, label in enumerate(labels.tolist()):
            made = DecisionId(batch.time_ms, batch.incarnation, batch.first_sequence + place)
            self.truths[str(made)] = label
            if label == BUYS:
                self._due.append((now_ns + int(delays[place] * 1e9), str(made)))
        self.clock.advance(_MILLISECOND)

    def _pay(self, outcomes: Outcomes, *, lost: bool) -> None:
        now_ns = self.clock.now_ns()
        due = sorted(each for each in self._due if each[0] <= now_ns)
        self._due = [each for each in self._due if each[0] > now_ns]
        for _, decision in due if not lost else ():
            outcomes.record(MODEL, "payments", decision, {"label": BUYS})


def visitors(draw: np.random.Generator, count: int, *, bargains: bool) -> tuple[Columns, Labels]:
    """Visitors, and whether they would buy: on other days than this, discounts say little."""
    discount = draw.uniform(0.0, 0.6 if bargains else 0.2, count)
    minutes = np.minimum(draw.exponential(6.0, count), 60.0)
    visits = np.minimum(draw.poisson(2.0, count), 50).astype(np.float64)
    score = (-0.2 if bargains else 0.4) + 0.35 * (minutes - 6.0) + 0.5 * (visits - 2.0)
    score += 9.0 * (discount - 0.3) if bargains else 0.0
    buys = draw.random(count) < 1 / (1 + np.exp(-score))
    rows: Columns = {"discount": discount, "minutes": minutes, "visits": visits}
    return rows, np.where(buys, BUYS, LEAVES)


def matrix(rows: Columns) -> npt.NDArray[np.float64]:
    """Visitors as models are trained on them."""
    return np.column_stack([rows[name] for name in ("discount", "minutes", "visits")])


def trained(rows: Columns, labels: Labels) -> Any:
    """A model, as anybody would train it."""
    linear = library("sklearn.linear_model", _NEEDED_FOR)
    return linear.LogisticRegression().fit(matrix(rows), labels)
