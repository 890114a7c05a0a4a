"""Histories of decisions and outcomes, and a plain second account of what is labelled."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import structs

from mainstay.base.ids import DecisionId
from mainstay.contract.columns import encode
from mainstay.journal.model import STATUSES, DecisionBatch, Event, Layout
from mainstay.journal.reader import ask
from mainstay.renew.labels.model import Definition

MS = 1_000_000
LAYOUT = Layout(
    fingerprint="f1" * 32, model="fraud", number=3, inputs=("amount", "country"),
    features=("amount",), outputs=("ok", "fraud"),
)  # fmt: skip
COLUMNS = {"input_amount": "DOUBLE", "input_country": "VARCHAR"}
CLASSES = ("ok", "it's fraud")


@dataclass(frozen=True)
class Made:
    """A decision."""

    place: int
    time_ms: int
    arm: str = "live"
    status: str = "answered"
    model: str = "fraud"

    @property
    def id(self) -> str:
        return str(DecisionId(self.time_ms, 7, self.place))

    @property
    def amount(self) -> float | None:
        return None if self.place % 5 == 4 else self.place * 0.5

    @property
    def country(self) -> str | None:
        return None if self.place % 3 == 2 else f"land ½ {self.place}"

    def run(self) -> tuple[DecisionBatch, Layout]:
        amount = np.array([np.nan if self.amount is None else self.amount])
        country = np.array([self.country], dtype=object)
        batch = DecisionBatch(
            fingerprint=LAYOUT.fingerprint, route=1, door="http", time_ms=self.time_ms,
            incarnation=7, first_sequence=self.place, rows=1, callers=("shop",),
            inputs=encode({"amount": amount, "country": country}),
            outputs=encode({"output": np.array([[0.5, 0.5]], dtype=np.float32)}),
            statuses=bytes([STATUSES.index(self.status)]), arm=self.arm,
        )  # fmt: skip
        return batch, structs.replace(LAYOUT, model=self.model)


@dataclass(frozen=True)
class Said:
    """An outcome."""

    place: int
    decision: str
    time_ns: int
    known_ns: int
    body: tuple[tuple[str, Any], ...]
    model: str = "fraud"

    def event(self) -> Event:
        return Event(
            id=f"{self.place:06d}", kind="outcome", time_ns=self.time_ns, known_ns=self.known_ns,
            model=self.model, actor="shop", subject=self.decision, body=dict(self.body),
        )  # fmt: skip


@dataclass(frozen=True)
class History:
    """What was decided and said."""

    made: Sequence[Made]
    said: Sequence[Said]

    def query(self, sql: str) -> Any:
        return ask(
            sql, runs=[each.run() for each in self.made], events=[s.event() for s in self.said]
        )

    def labelled(self, definition: Definition) -> list[tuple[str, str, float | None, str | None]]:
        """By the words of the promise, without any SQL."""

        def away(time_ns: int) -> bool:
            return any(begin <= time_ns < end for begin, end in definition.without)

        rows = []
        for made in sorted(self.made, key=lambda each: each.id):
            time_ns = made.time_ms * MS
            told = [
                (said.known_ns, f"{said.place:06d}", label)
                for said in self.said
                if said.decision == made.id
                and said.model == definition.model
                and said.known_ns <= definition.known_ns
                and not away(said.time_ns)
                and isinstance(label := dict(said.body).get("label"), str)
                and label in definition.answers
            ]
            end = min(definition.until_ns, definition.known_ns + 1)
            inside = definition.since_ns <= time_ns < end
            whole = (
                made.model == definition.model and made.arm != "shadow" and made.status != "held"
            )
            if told and inside and whole and not away(time_ns):
                rows.append((made.id, max(told)[2], made.amount, made.country))
        return rows


_BODIES = [
    (("label", "ok"),), (("label", "ok"),), (("label", "it's fraud"),), (("label", "it's fraud"),),
    (("label", "nonsense"),), (("label", 3.5),), (("reaction", "ignored"),),
    (("dwell_ms", 4.0), ("label", "ok")), (("report", {"what": 'said "label": no'}),),
]  # fmt: skip


def history_of(seed: int) -> History:
    """Dense ones, in which everything happens within a few milliseconds of everything else."""
    draw = random.Random(seed)
    made = [
        Made(
            place=place,
            time_ms=1000 + draw.randrange(11),
            arm=draw.choice(["live", "live", "live", "shadow", "held_out"]),
            status=draw.choice(["answered", "answered", "answered", "held", "declined"]),
            model=draw.choice(["fraud", "fraud", "fraud", "churn"]),
        )
        for place in range(draw.randrange(60))
    ]
    ids = [each.id for each in made] + [str(DecisionId(1003, 9, 9))]
    said: list[Said] = []
    for place in range(draw.randrange(200)):
        time_ns = (1002 + draw.randrange(15)) * MS + draw.choice([0, 0, 1])
        known_ns = time_ns + draw.choice([0, 0, MS, 9 * MS])
        model = draw.choice(["fraud", "fraud", "fraud", "churn"])
        body = draw.choice(_BODIES)
        said.append(Said(place, draw.choice(ids), time_ns, known_ns, body, model))
    return History(made, said)


def definition_of(seed: int) -> Definition:
    """What somebody may ask for; most of them have rows."""
    draw = random.Random(seed)
    begins = [1000 + draw.randrange(18) for _ in range(draw.randrange(3))]
    return Definition(
        model="fraud",
        since_ns=(998 + draw.randrange(7)) * MS + draw.choice([0, 0, 1]),
        until_ns=(1006 + draw.randrange(6)) * MS + draw.choice([0, 0, 1]),
        known_ns=(1006 + draw.randrange(18)) * MS + draw.choice([0, 0, 1, -1]),
        without=tuple((begin * MS, (begin + 1 + draw.randrange(2)) * MS) for begin in begins),
        answers=CLASSES,
        columns=COLUMNS,
    )
