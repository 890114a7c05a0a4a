"""The stale recommender: new people, new things, new tastes, and a list that stays as it was.

Two new things are launched, tastes turn, and people come whom the model never met. What it shows is
wanted less and less, so people stop clicking, and find elsewhere in the shop what they like. The
product notices, says that it is time to train, and the version that learned from what people took
is clicked on again.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mainstay.bundle.extras import library
from mainstay.bundle.model import Version
from mainstay.contract.columns import Columns, take
from mainstay.drill.model import Chronicle, Drilled, Tell
from mainstay.drill.world import Labels, Said, Scene, World, share_of
from mainstay.watch.gather.model import HOUR_MS
from mainstay.wiring.hearing import trust_labels
from mainstay.wiring.renewing import Renewing
from mainstay.wiring.training import Asked, retrain

NAME: Final = "stale-recommender"
SEED: Final = 7
MODEL: Final = "shelf"
ITEMS: Final = ("coat", "hat", "scarf", "shirt", "shoes", "socks", "lamp", "kettle")
_SHOWN: Final = 2
CONTRACT: Final = f"""\
model: shelf
about: What may this person like?

inputs:
  person: {{type: integer, min: 0, max: 20000}}
  warm:   {{type: number, min: -10, max: 10}}
  plain:  {{type: number, min: -10, max: 10}}

output: {{type: ranking, items: [{", ".join(ITEMS)}], top: {_SHOWN}}}
release: {{unit: person}}
gate: {{slower_by: 100, larger_by: 10}}
renew: {{train: "shelf:train", over: 7d, newest: 20 %, time: 5m, when: {{drift: [labels]}}}}
"""
TRAINING: Final = f'''\
"""How the shelf is trained: how much people like each thing, by what they are like."""

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

ITEMS = {ITEMS!r}


def train(data):
    taken = (np.array(data.labels)[:, None] == np.array(ITEMS)).astype(float)
    tastes = data.matrix() * [0.0, 1.0, 1.0]
    return make_pipeline(PolynomialFeatures(2), LinearRegression()).fit(tastes, taken)
'''
SCENE: Final = Scene(
    model=MODEL, contract=CONTRACT, training=TRAINING, caller="shop", turn_ms=HOUR_MS
)
_BEGINS: Final = datetime(2026, 11, 2, 0, tzinfo=UTC)
_PEOPLE: Final = 400
"""In an hour."""
_NORMAL_TURNS: Final = 16
_STALE_TURNS: Final = 24
"""At most, until it is noticed."""
_AFTERWARDS: Final = 3
_JUDGED_ON: Final = 10_000
_FINDS: Final = 0.4
"""How often somebody finds what is not on the shelf."""
_SOONEST_SECONDS: Final = 30.0
_LATEST_SECONDS: Final = 1200.0
_TURNED: Final = 2.0
"""By how much tastes turn, as an angle."""
_NOT_LAUNCHED: Final = -99.0
_LAUNCHED: Final = "we launched the lamp and the kettle"


class Shelf(World):
    """A shelf in a shop, and people who take what they like."""

    def __init__(self, folder: Path, begin_ns: int, seed: int) -> None:
        super().__init__(folder, SCENE, begin_ns, seed)
        self.stale = False

    def come(self, count: int) -> tuple[Columns, Labels]:
        """The people of now, and what each of them likes best."""
        return people(self.draw, count, later=self.stale)

    def react(self, said: Said, truth: Any) -> tuple[float, dict[str, Any]] | None:
        """Whoever sees what they like clicks and takes it; some find it elsewhere."""
        delay = float(self.draw.uniform(_SOONEST_SECONDS, _LATEST_SECONDS))
        if truth in said.answer:
            return delay, {"label": truth, "reaction": "clicked"}
        return (delay, {"label": truth}) if self.draw.random() < _FINDS else None


def people(draw: np.random.Generator, count: int, *, later: bool) -> tuple[Columns, Labels]:
    """People, and what each likes best: later there is more to like, tastes have turned, and half
    of the people are new."""
    angle = np.arange(len(ITEMS)) * 2.0 * np.pi / len(ITEMS) + (_TURNED if later else 0.0)
    launched = np.where(np.arange(len(ITEMS)) < len(ITEMS) - 2, 0.0, _NOT_LAUNCHED)
    warm, plain = draw.normal(0, 1, count), draw.normal(0, 1, count)
    liked = 3.0 * (np.outer(warm, np.cos(angle)) + np.outer(plain, np.sin(angle)))
    liked += draw.gumbel(0, 0.3, liked.shape) + (0.0 if later else launched)
    person = draw.integers(0, 20_000 if later else 10_000, count)
    rows: Columns = {"person": person, "warm": warm, "plain": plain}
    return rows, np.array(ITEMS)[liked.argmax(axis=1)]


def stale_recommender(folder: Path, tell: Tell = lambda _: None, seed: int = SEED) -> Drilled:
    """The story, in a new workspace; each moment is told as it comes."""
    story = _Story(folder, tell, seed)
    story.begins()
    story.grows_stale()
    story.is_trained_anew()
    return story.chronicle.drilled(NAME, story.shelf.workspace.places.root)


class _Story:
    """What happens, in this order."""

    def __init__(self, folder: Path, tell: Tell, seed: int) -> None:
        self.shelf = Shelf(folder, int(_BEGINS.timestamp()) * 10**9, seed)
        self.chronicle = Chronicle(self.shelf.clock, tell)
        self._draw = np.random.default_rng(seed + 1)
        self._changed_ns = 0

    def begins(self) -> None:
        """A model of the weeks before, and people click."""
        rows, labels = people(self._draw, 4_000, later=False)
        seen, unseen = np.arange(3_000), np.arange(3_000, 4_000)
        model = library("sklearn.pipeline", "the drill").make_pipeline(
            library("sklearn.preprocessing", "the drill").PolynomialFeatures(2),
            library("sklearn.linear_model", "the drill").LinearRegression(),
        )
        taken = (labels[seen, None] == np.array(ITEMS)).astype(np.float64)
        model.fit(_matrix(take(rows, seen)) * [0.0, 1.0, 1.0], taken)
        card = {"window": ("2026-10-05T00:00:00Z", "2026-11-01T00:00:00Z")}
        first = self.shelf.pack(model, _matrix(take(rows, unseen)), labels[unseen], card)
        self.shelf.workspace.deploy(MODEL, first.number, "the weeks before")
        for _ in range(_NORMAL_TURNS):
            self.shelf.turn(_PEOPLE)
        self.chronicle.happened("v1 fills the shelf", liked=round(self._liked(), 4))

    def grows_stale(self) -> None:
        """Tastes turn; the product notices that people do not click as they did."""
        self._changed_ns = self.shelf.clock.now_ns()
        before = self._liked()
        self.shelf.stale = True
        self.chronicle.happened(
            "two new things are launched, tastes turn, new people come",
            liked=round(self._liked(), 4),
        )
        noticed: dict[str, float] = {}
        for _ in range(_STALE_TURNS):
            self.shelf.turn(_PEOPLE)
            for check, words in self._found().items():
                if check not in noticed:
                    noticed[check] = (self.shelf.clock.now_ns() - self._changed_ns) / 3.6e12
                    self.chronicle.happened(f"noticed: {words}", hours=round(noticed[check]))
            if any("clicked" in check for check in noticed):
                break
        clicks = next((hours for check, hours in noticed.items() if "clicked" in check), 0.0)
        self.chronicle.found(
            "that people stop clicking is noticed",
            f"{'; '.join(f'{check} after {hours:.0f} h' for check, hours in noticed.items())};"
            f" what people like was on the shelf for {before:.1%} of them, now for"
            f" {self._liked():.1%}",
            holds=clicks > 0.0,
            figure=clicks,
            limit=float(_STALE_TURNS),
        )

    def is_trained_anew(self) -> None:
        """It is time to train, and what comes of it is clicked on."""
        workspace = self.shelf.workspace
        due = [each for each in Renewing(workspace).conditions(MODEL) if each.verdict == "fail"]
        for each in due:
            self.chronicle.happened(f"{each.check}: {each.words}")
        # That labels mean something else now looks the same; who launched the things knows better.
        trust_labels(workspace, MODEL, (self._changed_ns, self.shelf.clock.now_ns()), _LAUNCHED)
        self.chronicle.happened(f"somebody says that labels are right: {_LAUNCHED}")
        before = self._liked()
        made = retrain(workspace, Asked(MODEL, since_ns=self._changed_ns))
        for _ in range(_AFTERWARDS):
            self.shelf.turn(_PEOPLE)
        number = self.shelf.live.number
        self.chronicle.happened(f"v{number} fills the shelf", liked=round(self._liked(), 4))
        self.chronicle.found(
            "people click again",
            f"{made.why_not or 'it answers'}; what people like is on the shelf of v{number} for"
            f" {self._liked():.1%} of them, on that of the version before for {before:.1%}",
            holds=bool(due)
            and made.version is not None
            and number == made.version.number
            and self._liked() > 2.0 * before,
            figure=self._liked(),
            compared=before,
            samples=_JUDGED_ON,
        )

    def _found(self) -> dict[str, str]:
        """What monitors say now, by check."""
        (seen,) = self.shelf.watching.overviews(MODEL)
        return {each.finding.check: each.finding.words for each in seen.findings}

    def _liked(self) -> float:
        """How often what somebody likes best is on the shelf of the version that answers."""
        draw = np.random.default_rng(self.shelf.seed + 2)
        rows, labels = people(draw, _JUDGED_ON, later=self.shelf.stale)
        live = self.shelf.workspace.registry.find_fingerprint(self.shelf.live.fingerprint)
        return _share_shown(self.shelf, live, rows, labels)


def _share_shown(shelf: Shelf, version: Version, rows: Columns, labels: Labels) -> float:
    loaded = shelf.workspace.load(version)
    scores: npt.NDArray[np.float64] = loaded.predict(loaded.extract(rows))
    shown = np.array(ITEMS)[np.argsort(-scores, axis=1)[:, :_SHOWN]]
    return share_of((shown == labels[:, None]).any(axis=1))


def _matrix(rows: Columns) -> npt.NDArray[np.float64]:
    return np.column_stack([rows[name] for name in ("person", "warm", "plain")])
