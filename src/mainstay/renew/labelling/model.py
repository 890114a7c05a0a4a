"""A task, what labelers said of it, and what became of it."""

import hashlib
from typing import Any, Final, Literal

import msgspec

from mainstay.contract.asking import Ask
from mainstay.contract.quotas import quota
from mainstay.contract.shares import share
from mainstay.contract.times import duration_ns

Answer = str | float
"""A class or an item, or a number."""
State = Literal["open", "settled", "contradicted", "expired", "gone"]
SOURCE: Final = "labelling"
"""Who says what labelers said together, in the journal."""
EXTRA_MAX: Final = 2
"""How many more people than `overlap` are asked where those are not sure enough."""
KEPT_DAYS: Final = 90
"""How long a task is remembered; its label is in the journal for longer."""
OPEN_DAYS: Final = 30
"""How long a task waits for labelers."""
DAY_NS: Final = 86_400_000_000_000
_ID_LENGTH: Final = 20


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What labelers said together, or that they could not."""

    label: Answer | None
    """Nothing where they contradict each other."""
    sure: float
    """How probable it is, by all that was said and how often each labeler is right."""
    at_ns: int
    event: str = ""
    """The outcome's id in the journal."""
    told: bool = False
    """Whether the journal has it."""
    version: int = 0
    answer: Answer | None = None
    """What the model had answered; nothing where it gave no answer of its own."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One decision that people are asked about."""

    id: str
    model: str
    decision: str
    place: float
    """Where it was drawn: the smaller, the sooner it is asked about."""
    chance: float
    """How probable it was that this decision is asked about, before it was drawn."""
    even: bool = True
    """Whether it is part of the smaller sample in which every stratum has the same chance."""
    stratum: str = ""
    made_ns: int
    wanted: int = 1
    """How many answers."""
    state: State = "open"
    gold: Answer | None = None
    """The known answer of a probe."""
    settled: Settled | None = None

    @property
    def weight(self) -> float:
        """How many decisions this one stands for."""
        return 1.0 / self.chance


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One labeler's turn at one task."""

    task: str
    labeler: str
    given_ns: int
    until_ns: int
    """The end of the lease."""
    state: Literal["given", "answered", "skipped"] = "given"
    label: Answer | None = None
    said_ns: int = 0
    took_ms: int = 0
    saw: Answer | None = None
    """What the model had answered, where the labeler was shown it."""

    def holds(self, now_ns: int) -> bool:
        """Whether the task is the labeler's now."""
        return self.state == "given" and now_ns < self.until_ns


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a labeler says: a label, or that somebody else should."""

    label: Answer | None = None
    """Nothing to leave it to others."""
    took_ms: int | None = None
    """How long it took, where that is known better than from the lease."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """A contract's `labels.ask`, read."""

    ask: Ask
    most: int
    period_ns: int
    lease_ns: int
    gold: float
    sure: float
    bar: float
    rates: dict[str, float]


def terms_of(ask: Ask) -> Terms:
    """What a contract's words come to."""
    asked = quota(ask.most)
    return Terms(
        ask=ask,
        most=asked.most,
        period_ns=asked.period_ns,
        lease_ns=duration_ns(ask.lease),
        gold=share(ask.gold),
        sure=share(ask.sure),
        bar=share(ask.bar),
        rates={value: share(text) for value, text in ask.rates.items()},
    )


Asked = tuple[Task, tuple[Turn, ...]]
"""A task with every turn at it, in the order in which they began."""


def task_id(model: str, decision: str) -> str:
    """The id of the task about a decision: the same wherever it is made."""
    return hashlib.sha256(f"{model}\0{decision}".encode()).hexdigest()[:_ID_LENGTH]


def probe(model: str, decision: str, known: Answer, now_ns: int) -> Task:
    """A task whose answer is known."""
    return Task(
        id=task_id(model, decision), model=model, decision=decision, place=0.0, chance=1.0,
        even=False, made_ns=now_ns, gold=known,
    )  # fmt: skip


def body_of(task: Task, turns: tuple[Turn, ...], by: str) -> dict[str, Any]:
    """What the outcome says: the label, and all that led to it. `by` is the input whose values are
    the strata."""
    assert task.settled is not None
    answers = [
        {"by": turn.labeler, "label": turn.label, "saw": turn.saw, "took_ms": turn.took_ms,
         "time_ns": turn.said_ns}
        for turn in turns
        if turn.state == "answered"
    ]  # fmt: skip
    about = {
        "task": task.id,
        "sure": round(task.settled.sure, 6),
        "by": by,
        "stratum": task.stratum,
        "chance": task.chance,
        "even": task.even,
        "answers": answers,
    }
    return {"label": task.settled.label, SOURCE: about}
