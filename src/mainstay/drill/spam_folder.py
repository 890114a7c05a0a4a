"""The spam folder: what a filter hides, nobody corrects.

Mails of a new kind come, with an order's number in them and as many links as spam has. The filter
hides them, and its readers, who never see them, do not object; what nobody objects to was spam, as
far as anybody hears. So its figures look well, and a version that is trained on all that was heard
hides them again. A tenth of the readers get their mail unfiltered. What they say is different, that
difference is measured, and a version that is trained on them alone shows the new mails.
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
from mainstay.wiring.experimenting import loops
from mainstay.wiring.training import Asked, retrain

NAME: Final = "spam-folder"
SEED: Final = 11
MODEL: Final = "mail"
SPAM: Final = "spam"
INBOX: Final = "inbox"
_FROM_ALL: Final = "learn_from: all"
_FROM_HELD_OUT: Final = "learn_from: held_out"
CONTRACT: Final = f"""\
model: mail
about: Is this mail spam? It is put into a folder that hardly anybody opens.

inputs:
  reader:   {{type: integer, min: 0, max: 999}}
  links:    {{type: number, min: 0, max: 100}}
  shouting: {{type: number, min: 0, max: 1, about: share of capital letters}}
  orders:   {{type: number, min: 0, max: 10, about: numbers of orders in it}}

output: {{type: probability, classes: [inbox, spam], threshold: 0.5}}

# Readers say what is in the wrong place; what nobody takes out of the folder was spam.
labels: {{window: 1h, silence_means: spam, hold_out: 10 %, {_FROM_ALL}}}
release: {{unit: reader}}
assets: {{metric: accuracy, acceptable: [0.5, 1]}}
gate: {{worse_by: 0.1, slower_by: 100, larger_by: 10}}
renew: {{train: "mail:train", over: 7d, newest: 40 %, time: 5m}}
"""
TRAINING: Final = '''\
"""How the filter is trained. Who reads a mail says nothing of it."""

from sklearn.linear_model import LogisticRegression
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline


def train(data):
    chosen = make_column_transformer(("passthrough", [1, 2, 3]))
    model = make_pipeline(chosen, LogisticRegression(max_iter=1000))
    return model.fit(data.matrix(), data.labels, logisticregression__sample_weight=data.weights)
'''
SCENE: Final = Scene(model=MODEL, contract=CONTRACT, training=TRAINING, caller="mailer")
_BEGINS: Final = datetime(2026, 11, 23, 8, tzinfo=UTC)
_COLUMNS: Final = ("reader", "links", "shouting", "orders")
_KINDS: Final = ("letter", "spam", "receipt")
_USUAL: Final = (0.55, 0.45, 0.0)
_CHANGED: Final = (0.45, 0.35, 0.2)
_MAILS: Final = 3_000
_NORMAL_TURNS: Final = 4
_HIDING_TURNS: Final = 8
_JUDGED_ON: Final = 10_000
_SOONEST_SECONDS: Final = 60.0
_LATEST_SECONDS: Final = 600.0


class Mail(World):
    """Mails, and readers who say what they see."""

    def __init__(self, folder: Path, begin_ns: int, seed: int) -> None:
        super().__init__(folder, SCENE, begin_ns, seed)
        self.kinds = _USUAL

    def come(self, count: int) -> tuple[Columns, Labels]:
        """The mails of now."""
        rows, labels, _ = mails(self.draw, count, self.kinds)
        return rows, labels

    def react(self, said: Said, truth: Any) -> tuple[float, dict[str, Any]] | None:
        """Whoever is shown a mail says what it is; what is hidden, nobody sees."""
        delay = float(self.draw.uniform(_SOONEST_SECONDS, _LATEST_SECONDS))
        return None if said.answer == SPAM else (delay, {"label": truth})

    def answers(self, version: Version, rows: Columns) -> Labels:
        """What a version says of these mails."""
        loaded = self.workspace.load(version)
        chances: npt.NDArray[np.float64] = loaded.predict(loaded.extract(rows))
        return np.where(chances[:, 1] >= 0.5, SPAM, INBOX)

    def learn_from_held_out(self) -> None:
        """Somebody changes a line of the contract."""
        file = self.workspace.places.contracts / f"{MODEL}.yaml"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(_FROM_ALL, _FROM_HELD_OUT), encoding="utf-8")


def mails(
    draw: np.random.Generator, count: int, kinds: tuple[float, ...]
) -> tuple[Columns, Labels, npt.NDArray[np.bool_]]:
    """Mails, what they are, and which of them are of the new kind."""
    kind = draw.choice(len(_KINDS), size=count, p=kinds)
    spam, receipt = kind == 1, kind == 2
    shouting = np.where(spam, draw.beta(3, 4, count), draw.beta(1, 9, count))
    rows: Columns = {
        "reader": draw.integers(0, 1000, count),
        "links": draw.poisson(np.where(kind == 0, 1.0, 9.0)).astype(np.float64),
        "shouting": shouting,
        "orders": np.where(receipt, 1.0, (draw.random(count) < 0.02).astype(np.float64)),
    }
    return rows, np.where(spam, SPAM, INBOX), receipt


def spam_folder(folder: Path, tell: Tell = lambda _: None, seed: int = SEED) -> Drilled:
    """The story, in a new workspace; each moment is told as it comes."""
    story = _Story(folder, tell, seed)
    story.begins()
    story.hides()
    story.learns_what_it_said()
    story.is_measured()
    story.learns_from_held_out()
    return story.chronicle.drilled(NAME, story.mail.workspace.places.root)


class _Story:
    """What happens, in this order."""

    def __init__(self, folder: Path, tell: Tell, seed: int) -> None:
        self.mail = Mail(folder, int(_BEGINS.timestamp()) * 10**9, seed)
        self.chronicle = Chronicle(self.mail.clock, tell)
        draw = np.random.default_rng(seed + 1)
        self._judged = mails(draw, _JUDGED_ON, _CHANGED)
        self._before = mails(draw, 3_000, _USUAL)
        self._changed_ns = 0

    def begins(self) -> None:
        """A filter of the weeks before, and all is well."""
        rows, labels, _ = self._before
        seen, unseen = np.arange(2_000), np.arange(2_000, 3_000)
        compose = library("sklearn.compose", "the drill")
        linear = library("sklearn.linear_model", "the drill")
        pipeline = library("sklearn.pipeline", "the drill")
        model = pipeline.make_pipeline(
            compose.make_column_transformer(("passthrough", [1, 2, 3])),
            linear.LogisticRegression(max_iter=1000),
        ).fit(_matrix(take(rows, seen)), labels[seen])
        card = {"window": ("2026-11-09T00:00:00Z", "2026-11-23T00:00:00Z")}
        first = self.mail.pack(model, _matrix(take(rows, unseen)), labels[unseen], card)
        self.mail.workspace.deploy(MODEL, first.number, "the weeks before")
        for _ in range(_NORMAL_TURNS):
            self.mail.turn(_MAILS)
        self.chronicle.happened("v1 filters; a tenth of the readers get everything")

    def hides(self) -> None:
        """Mails of a new kind come, and are hidden."""
        self._changed_ns = self.mail.clock.now_ns()
        self.mail.kinds = _CHANGED
        for _ in range(_HIDING_TURNS):
            self.mail.turn(_MAILS)
        self.chronicle.happened("receipts come, one mail in five; v1 hides them", **self._figures())

    def learns_what_it_said(self) -> None:
        """Trained on all that was heard, the next version hides them too, and nobody objects."""
        made = retrain(self.mail.workspace, Asked(MODEL, since_ns=self._changed_ns))
        version = made.version
        assert version is not None, "it was no dry run"
        shown = self._shown(version)
        believed = version.card.metrics["accuracy"]
        self.chronicle.happened(
            f"v{version.number} is trained on all that was heard",
            by_what_was_heard=round(believed, 4),
            **self._figures(),
        )
        self.chronicle.found(
            "what was heard is what it said",
            f"v{version.number} is right by {believed:.1%} of what was heard, and shows"
            f" {shown:.1%} of the receipts",
            holds=shown < 0.5 and believed > 0.9,
            figure=shown,
            limit=0.5,
            samples=_JUDGED_ON,
        )

    def is_measured(self) -> None:
        """The readers who get everything say something else."""
        loop = loops(self.mail.workspace, MODEL, self._changed_ns)
        self.chronicle.happened(f"measured: {loop.finding.words}")
        spam = next(each for each in loop.differences if each.label == SPAM)
        low, high = spam.interval
        # What is true: so much of what is heard is the filter's doing.
        rows, labels, _ = self._judged
        said = self.mail.answers(self.mail.workspace.registry.find(MODEL, 1), rows)
        hidden = share_of((labels == INBOX) & (said == SPAM))
        self.chronicle.found(
            "the loop is measured",
            f"{loop.finding.words}; in truth v1 hid {hidden:.1%} of all mails that were no spam",
            holds=loop.finding.verdict == "fail" and low <= hidden <= high,
            figure=spam.difference,
            compared=hidden,
            interval=spam.interval,
            samples=loop.held_out,
        )

    def learns_from_held_out(self) -> None:
        """Trained on them alone, the next version shows the new mails."""
        before = self._right(self.mail.live.number)
        self.mail.learn_from_held_out()
        made = retrain(self.mail.workspace, Asked(MODEL, since_ns=self._changed_ns))
        number = self.mail.live.number
        live = self.mail.workspace.registry.find(MODEL, number)
        shown, right = self._shown(live), self._right(number)
        self.chronicle.happened(
            f"v{number} learned from the readers who get everything", **self._figures()
        )
        self.chronicle.found(
            "what was hidden is learned",
            f"{made.why_not or 'it answers'}; v{number} shows {shown:.1%} of the receipts and is"
            f" right of {right:.1%} of all mails, the version before of {before:.1%}",
            holds=made.version is not None
            and number == made.version.number
            and shown > 0.9
            and right > before,
            figure=right,
            compared=before,
            samples=_JUDGED_ON,
        )

    def _figures(self) -> dict[str, Any]:
        """What is true of the version that answers."""
        number = self.mail.live.number
        live = self.mail.workspace.registry.find(MODEL, number)
        return {
            "receipts_shown": round(self._shown(live), 4),
            "right": round(self._right(number), 4),
        }

    def _shown(self, version: Version) -> float:
        rows, _, new = self._judged
        return share_of(self.mail.answers(version, rows)[new] == INBOX)

    def _right(self, number: int) -> float:
        rows, labels, _ = self._judged
        version = self.mail.workspace.registry.find(MODEL, number)
        return share_of(self.mail.answers(version, rows) == labels)


def _matrix(rows: Columns) -> npt.NDArray[np.float64]:
    return np.column_stack([rows[name] for name in _COLUMNS])
