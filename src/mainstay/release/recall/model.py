"""A recall as values: what it found, what it is going to do, and how far it is."""

from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from mainstay.serve.routes.model import Route

SUBJECT: Final = "recall-"
"""How events about recalls call them, before the number."""
Judged = Literal["clean", "trained", "unsure"]
"""Whether a version learned from a stretch of time: `trained` it did, `clean` it cannot have,
`unsure` nobody wrote down enough to tell."""
Status = Literal["begun", "in force", "taking back", "taken back"]


class Window(msgspec.Struct, frozen=True, order=True):
    """A stretch of time, from its begin up to, but without, its end."""

    begin_ns: int
    end_ns: int

    def __str__(self) -> str:
        return f"{_spoken(self.begin_ns)}..{_spoken(self.end_ns)}"


def _spoken(time_ns: int) -> str:
    seconds, rest = divmod(time_ns, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")
    fraction = f".{rest // 1000:06d}" if rest else ""
    return f"{text}{fraction}Z"


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the model, as its route names it."""

    number: int
    fingerprint: str

    def __str__(self) -> str:
        return f"v{self.number}"


class Taint(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one version learned from bad data, and how that is known."""

    model: str
    number: int
    fingerprint: str
    judged: Judged
    words: str

    def __str__(self) -> str:
        return f"{self.model} v{self.number}"


class PassedOver(msgspec.Struct, frozen=True, kw_only=True):
    """A newer version that is not gone back to, and why."""

    number: int
    words: str


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What one version decided, as far as the journal knows."""

    number: int
    fingerprint: str
    judged: Judged
    decisions: int
    unseen: int
    """Decisions that it made as a shadow, which nobody was shown; not among the others."""
    first: str
    last: str
    """RFC 3339, UTC; empty where there are none."""


class Fed(msgspec.Struct, frozen=True, kw_only=True):
    """A model that takes, or learned from, the answers of the recalled one."""

    model: str
    live: int = 0
    """The number of its version in force; 0 where nothing answers."""
    decisions: int = 0
    """What it decided since a bad version answered first."""
    suspects: tuple[Taint, ...] = ()
    """Its versions that learned from the stretch, or may have."""


class Blast(msgspec.Struct, frozen=True, kw_only=True):
    """What the bad data reached."""

    made: tuple[Made, ...] = ()
    callers: tuple[tuple[str, int], ...] = ()
    """Who got those decisions, those who got most first."""
    callers_in_all: int = 0
    outcomes: int = 0
    """Decisions of these versions of which an outcome was heard: somebody acted on them."""
    undone: int = 0
    told: int = 0
    """Undone decisions that a webhook was told of."""
    fed: tuple[Fed, ...] = ()
    unknown: str = ""
    """Why the journal could not be asked; empty where it was."""

    @property
    def decisions(self) -> int:
        """Decisions of all versions that learned from the stretch, or may have."""
        return sum(each.decisions for each in self.made)


class Next(msgspec.Struct, frozen=True, kw_only=True):
    """The version that is trained when a recall was carried out."""

    since: str = ""
    """From when on the decisions are that it learns from, as RFC 3339."""
    rows: int = 0
    """How many of them have a label that can be used, without the stretch."""
    why_not: str = ""
    """Why none is trained; empty where one is."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a recall found and is going to do."""

    model: str
    window: Window
    epoch: int = 0
    """Of the route in force that it was made from; 0 where there is none."""
    live: Side | None = None
    suspects: tuple[Taint, ...] = ()
    """The versions that learned from the stretch, or may have, the newest first."""
    clean: int = 0
    """How many versions cannot have."""
    to: Side | None = None
    """The version that is to answer; nothing where nobody can, or nobody ever answered."""
    why: str = ""
    """Why this version."""
    moves: bool = False
    """Whether the route has to change for that."""
    along: tuple[str, ...] = ()
    """What changes at the same moment, because it takes the model's answers."""
    passed_over: tuple[PassedOver, ...] = ()
    ends: str = ""
    """The rollout that goes on and would end."""
    quarantined: tuple[str, ...] = ()
    """The models whose snapshots leave the stretch out from now on: this one first."""
    blast: Blast = Blast()
    offers: tuple[str, ...] = ()
    """What can be done where there is no version to go back to."""
    next: Next | None = None
    """What is trained afterwards; nothing where nobody asked what would be."""

    @property
    def possible(self) -> bool:
        """Whether there is something to answer with, or nothing that has to."""
        return self.live is None or self.to is not None


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """What answered before a recall."""

    number: int
    fingerprint: str
    epoch: int
    arms: bool
    """Other versions answered beside it, in a rollout that the recall ended."""
    stopped: bool = False
    """It was stopped, and something else answered in its place."""


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What was trained when a recall was carried out, and how far that is."""

    snapshot: str = ""
    """What it learns from; taken before anything else, so that a later go finds what came of it."""
    number: int = 0
    """Of the version that was made; 0 where none was yet."""
    fingerprint: str = ""
    released: str = ""
    """By which strategy the version comes to answer; empty where it does not."""
    why_not: str = ""
    """Why the version does not come to answer, or why there is none."""

    @property
    def settled(self) -> bool:
        """Whether a version was made, and is known to come to answer or not."""
        return bool(self.number and (self.released or self.why_not))

    def __str__(self) -> str:
        if not self.number:
            return self.why_not or "being trained"
        became = f"does not answer: {self.why_not}" if self.why_not else "came to answer"
        return f"v{self.number}, trained without the stretch, {became}"


class Recall(msgspec.Struct, frozen=True, kw_only=True):
    """A recall that was begun, and how far it is."""

    number: int = 0
    """1, 2, 3 …: its place among all of the workspace; 0 before it is kept."""
    revision: int = 0
    model: str
    window: Window
    actor: str
    reason: str
    at_ns: int
    status: Status = "begun"
    plan: Plan
    """The newest: a command that was killed and is run again looks again."""
    before: Before | None = None
    """What answered when it was first begun."""
    quarantined: tuple[str, ...] = ()
    """The models for which the stretch was quarantined by it."""
    epoch: int = 0
    """The route that it appended; 0 where none was needed."""
    trained: Trained | None = None
    """Nothing before a training was begun."""
    taken_back_by: str = ""
    taken_back_ns: int = 0
    words: str = ""
    """What taking it back came to."""

    @property
    def open(self) -> bool:
        """Whether it was begun and not brought to an end."""
        return self.status in {"begun", "taking back"}

    @property
    def subject(self) -> str:
        """What events about it call it."""
        return f"{SUBJECT}{self.number}"

    @property
    def mark(self) -> str:
        """How the reason of its route begins."""
        return f"recall {self.number}: "

    @property
    def mark_back(self) -> str:
        """How the reason of the route begins that takes it back."""
        return f"recall {self.number} taken back: "


def before(route: Route | None) -> Before | None:
    """What a recall notes of the route in force."""
    if route is None:
        return None
    return Before(
        number=route.number,
        fingerprint=route.fingerprint,
        epoch=route.epoch,
        arms=bool(route.arms),
        stopped=bool(route.stopped),
    )
