"""L2 M16 N1: what is told of keys becomes what is said of decisions: the right ones, once."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.clock import ManualClock
from mainstay.base.errors import StorageFailed
from mainstay.base.ids import DecisionId, DecisionIds
from mainstay.contract.columns import encode
from mainstay.contract.keyed import By, Key
from mainstay.contract.model import Category, Context, Contract, FromRequest, Integer, Text
from mainstay.journal.memory import MemoryJournal, MemoryLog, MemorySpool
from mainstay.journal.model import DecisionBatch, Event, Layout, Wanted
from mainstay.journal.port import News
from mainstay.renew.health.heard import of_keys
from mainstay.renew.labels.join import KEYED, PATIENCE_NS, Joining
from mainstay.renew.labels.model import Definition
from mainstay.renew.labels.read import read
from mainstay.serve.outcomes import KeyedOutcome, keyed_events
from tests.serve.world import contract_of

MS = 1_000_000
BASE_MS = 1_790_000_000_000
MINUTE_MS = 60_000
KEYS = ("A-17", "it's", "b", "A-18")


def contract(kind: Any = None, within: str = "2m", **changes: Any) -> Contract:
    context: dict[str, Context] = {"order": FromRequest(value=kind or Text())}
    labels = msgspec.structs.replace(contract_of().labels, key="order", within=within)
    return contract_of(context=context, labels=labels, **changes)


@dataclass(frozen=True)
class Made:
    """A decision."""

    place: int
    time_ms: int
    key: Any
    arm: str = "live"
    model: str = "sum"

    @property
    def id(self) -> str:
        return str(DecisionId(self.time_ms, 7, self.place))


class Desk:
    """A journal in memory, and keepers that come and go."""

    def __init__(self, told_by: Contract | None = None) -> None:
        self.clock = ManualClock(BASE_MS * MS)
        self.log = MemoryLog()
        self.spool = MemorySpool(self.log, 7)
        self.journal = MemoryJournal(self.log)
        self.ids = DecisionIds(9, self.clock)
        self.key = Key(told_by or contract())
        self.asked: list[str] = []
        self.dies_after = -1
        for model in ("sum", "other"):
            self.spool.describe(
                Layout(fingerprint=model, model=model, number=1, inputs=("a", "b"),
                       features=("a", "b"), outputs=("low", "high"))
            )  # fmt: skip
        self.keeper()

    def keeper(self) -> None:
        """A new one: nothing is remembered but what is written."""
        self.joining = Joining(self.journal.news, self._query, self.record, self.clock)

    def _query(self, sql: str) -> Any:
        self.asked.append(sql)
        return self.journal.query(sql)

    def record(self, events: Sequence[Event]) -> None:
        for place, event in enumerate(events):
            if place == self.dies_after:
                self.dies_after = -1
                raise StorageFailed("the keeper died here")
            self.spool.append([event])

    def decide(self, made: Iterable[Made]) -> None:
        for each in made:
            column = np.array([each.key], dtype=object if isinstance(each.key, str) else None)
            batch = DecisionBatch(
                fingerprint=each.model, route=1, door="decide", time_ms=each.time_ms,
                incarnation=7, first_sequence=each.place, rows=1, callers=("shop",),
                inputs=encode({"a": np.zeros(1), "b": np.zeros(1)}),
                context=encode({"order": column}),
                outputs=encode({"output": np.array([[0.5, 0.5]])}), statuses=b"\0", arm=each.arm,
            )  # fmt: skip
            self.spool.append([batch])

    def tell(self, told: Sequence[tuple[Any, int, dict[str, Any]]]) -> list[Event]:
        """Key, when it happened (ms), what."""
        kept = self.key.kept([key for key, _, _ in told])
        rows = [
            KeyedOutcome(key, self.key.by(time_ms * MS), said)
            for key, (_, time_ms, said) in zip(kept, told, strict=True)
        ]
        events = keyed_events(self.ids, self.clock, ("sum", "shop"), rows)
        self.spool.append(events)
        return events

    def outcomes(self) -> list[Event]:
        return sorted(
            (event for event in self.log.events if event.kind == "outcome"),
            key=lambda event: event.known_ns,
        )

    def look(self) -> None:
        self.joining.look(["sum"])


def meant(made: Iterable[Made], key: Any, time_ms: int, within_ms: int) -> str | None:
    """By the words of the promise, without any SQL."""
    own = [each for each in made if each.model == "sum" and each.arm != "shadow"]
    own = [each for each in own if each.key == key and each.time_ms >= time_ms - within_ms]
    before = [each.id for each in own if each.time_ms <= time_ms]
    after = [each.id for each in own if time_ms < each.time_ms <= time_ms + MINUTE_MS]
    return max(before) if before else min(after, default=None)


Told = list[tuple[Any, int, dict[str, Any]]]


def drawn(draw: random.Random) -> tuple[list[Made], Told]:
    """Decisions, and what is told of their keys; much of it at the borders of what counts."""
    made = [
        Made(
            place=place,
            time_ms=BASE_MS - draw.choice([0, 1, 999, 60_000, 60_001, 120_000, 120_001, 250_000]),
            key=draw.choice(KEYS),
            arm=draw.choice(["live", "live", "share", "held_out", "shadow"]),
            model=draw.choice(["sum", "sum", "sum", "other"]),
        )
        for place in range(draw.randrange(1, 40))
    ]
    apart = [0, 0, 1, -1, -60_000, -60_001, 120_000, 120_001, 119_999]
    told: Told = [
        (draw.choice(KEYS), min(draw.choice(made).time_ms + draw.choice(apart), BASE_MS),
         {"label": draw.choice(["low", "high"])})
        for _ in range(draw.randrange(1, 60))
    ]  # fmt: skip
    return made, told + told[: draw.randrange(3)]


def told_at(desk: Desk, told: Told, draw: random.Random) -> list[Event]:
    """Tell a few at a time to keepers of which each may die while it writes; what was told."""
    events: list[Event] = []
    while told:
        some = [told.pop() for _ in range(min(len(told), draw.randrange(8, 30)))]
        events += desk.tell(some)
        desk.clock.advance(0.5)
        desk.dies_after = draw.choice([-1, 0, 1, 3])
        dies = desk.dies_after >= 0
        try:
            desk.look()
        except StorageFailed:
            assert dies
            desk.keeper()
        desk.dies_after = -1
    for seconds in (2.0, PATIENCE_NS / 1e9 + 60):
        desk.clock.advance(seconds)
        desk.look()
    desk.keeper()
    desk.look()
    return events


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**9))
def test_every_key_finds_the_decision_that_is_meant_once(seed: int):
    """L2 M16: several keys, decisions known late and out of order, duplicates, both borders of the
    window, keepers that die anywhere, and a quarantine."""
    draw = random.Random(seed)
    desk = Desk()
    made, told = drawn(draw)
    desk.decide(draw.sample(made, len(made)))
    events = {event.id: event for event in told_at(desk, told, draw)}
    found = desk.outcomes()
    assert sorted(each.body[KEYED]["event"] for each in found) == sorted(events)
    known = {made.id for made in made}
    for each in found:
        told_as = events[each.body[KEYED]["event"]]
        time_ns = told_as.body["by"]["time_ns"]
        decision = meant(made, told_as.subject, time_ns // MS, 120_000)
        assert each.body[KEYED]["found"] == (decision is not None)
        assert each.subject == decision if decision else each.subject not in known
        assert (each.time_ns, each.actor) == (time_ns, "shop")
        assert each.body["label"] == told_as.body["label"]
        assert each.known_ns > told_as.known_ns
    begin = draw.choice(made).time_ms * MS
    quarantine = (begin, begin + 1000 * MS)

    def away(time_ns: int) -> bool:
        return quarantine[0] <= time_ns < quarantine[1]

    labels = {
        each.subject: each.body["label"]
        for each in found
        if each.body[KEYED]["found"] and not away(each.time_ns)
        and not away(int(each.subject[:12], 16) * MS)
    }  # fmt: skip
    definition = Definition(
        model="sum", since_ns=0, until_ns=2 * BASE_MS * MS, known_ns=desk.clock.now_ns(),
        without=(quarantine,), answers=("low", "high"),
    )  # fmt: skip
    rows = read(desk.journal.query, definition).table.to_pylist()
    assert {row["id"]: row["label"] for row in rows} == labels


def test_what_is_said_last_is_learned_and_what_is_told_twice_counts_as_by_id():
    """M16: in the order in which it was told, also where both were told in the same moment."""
    desk = Desk()
    desk.decide([Made(0, BASE_MS, "b")])
    desk.tell([("b", BASE_MS, {"label": label}) for label in ("low", "high", "high")])
    desk.look()
    assert [each.body["label"] for each in desk.outcomes()] == ["low", "high", "high"]
    definition = Definition(model="sum", since_ns=0, until_ns=2 * BASE_MS * MS,
                            known_ns=desk.clock.now_ns() + 10, answers=("low", "high"))  # fmt: skip
    labelled = read(desk.journal.query, definition)
    assert labelled.table.column("label").to_pylist() == ["high"]
    assert labelled.left_out == {"outcomes that a later one repeats or replaces": 2}


def test_what_waits_is_asked_about_seldom_and_then_told_as_unknown():
    """M16: one question for all that waits, none where nothing does; a decision that becomes known
    late is found, one that nobody made is told as such after a while."""
    desk = Desk(contract(within="30d"))
    desk.look()
    assert len(desk.asked) == 1, "what was told while nobody looked"
    desk.look()
    assert len(desk.asked) == 1
    desk.tell([("b", BASE_MS, {"label": "low"}), ("A-17", BASE_MS - 5, {"reaction": "clicked"})])
    desk.look()
    assert sum("asked" in sql for sql in desk.asked) == 1
    for _ in range(1000):
        desk.clock.advance(2.0)
        desk.look()
    assert sum("asked" in sql for sql in desk.asked) < 20
    assert [(each.waiting, each.joined) for each in shown(desk)] == [(2, 0)]
    desk.decide([Made(0, BASE_MS - 86_400_000, "b")])
    desk.clock.advance(600.0)
    desk.look()
    assert [each.subject for each in desk.outcomes()] == [Made(0, BASE_MS - 86_400_000, "b").id]
    desk.clock.advance(86_400.0)
    desk.look()
    assert [(each.joined, each.unknown, each.waiting) for each in shown(desk)] == [(1, 1, 0)]
    [_, unknown] = desk.outcomes()
    assert (unknown.body["reaction"], unknown.body[KEYED]["found"]) == ("clicked", False)
    asked = len(desk.asked)
    desk.clock.advance(86_400.0)
    desk.look()
    assert len(desk.asked) == asked


def shown(desk: Desk) -> list[Any]:
    return of_keys(desk.journal.query, "sum", 0, desk.clock.now_ns() + 10)


def test_what_was_told_while_nobody_looked_is_joined_however_long_ago(
    monkeypatch: pytest.MonkeyPatch,
):
    """L2: a file is read with no server running, and the server starts next week."""
    monkeypatch.setattr("mainstay.renew.labels.join._AT_ONCE", 2)
    desk = Desk()
    desk.decide([Made(place, BASE_MS - place, key) for place, key in enumerate(KEYS)])
    desk.tell([(key, BASE_MS, {"label": "low"}) for key in (*KEYS, "nobody's")])
    desk.clock.advance(7 * 86_400.0)
    for _ in range(2):
        desk.look()
        desk.keeper()
    told = {each.subject for each in desk.outcomes() if each.body[KEYED]["found"]}
    assert told == {Made(place, BASE_MS - place, key).id for place, key in enumerate(KEYS)}
    assert [(each.joined, each.unknown) for each in shown(desk)] == [(4, 1)]


def test_what_became_an_outcome_of_long_ago_does_not_become_it_again():
    """N1: a journal reads on from yesterday, so it does not tell of outcomes that happened last
    month; they are asked for before they are written."""
    desk = Desk()
    desk.decide([Made(0, BASE_MS, "b")])
    desk.tell([("b", BASE_MS, {"label": "low"})])
    desk.look()

    def told_alone(wanted: Wanted) -> News:
        return desk.journal.news(msgspec.structs.replace(wanted, kinds=("keyed",)))

    Joining(told_alone, desk.journal.query, desk.record, desk.clock).look(["sum"])
    assert len(desk.outcomes()) == 1


def test_no_more_wait_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch):
    """S10: the oldest are given up, and that is told as all that is unknown."""
    monkeypatch.setattr("mainstay.renew.labels.join.KEYED_WAITING_MAX", 3)
    desk = Desk(contract(within="30d"))
    for label in ("low", "low", "high", "high", "high"):
        desk.tell([("b", BASE_MS, {"label": label})])
        desk.clock.advance(1.0)
    desk.look()
    assert [each.body["label"] for each in desk.outcomes()] == ["low", "low"]
    assert [(each.unknown, each.waiting) for each in shown(desk)] == [(2, 3)]


@pytest.mark.parametrize(
    ("kind", "value", "others"),
    [
        (Integer(), 17, (170, 1)),
        (Integer(optional=True), 17, (170, 1)),
        (Category(values=("A-17", "A-18")), "A-17", ("A-18",)),
        (Text(sensitivity="personal"), "A-17", ("A-1",)),
        (Text(subject="health"), "A'17", ("A17",)),
    ],
)
def test_every_kind_of_key_finds_its_own(kind: Any, value: Any, others: tuple[Any, ...]):
    """What is personal, private or about a subject is written down nowhere but in its decision."""
    desk = Desk(contract(kind))
    column: Callable[[Any], Any] = float if kind.optional else lambda each: each
    for place, each in enumerate((*others, value, *others)):
        desk.decide([Made(place, BASE_MS, column(each) if isinstance(each, int) else each)])
    [event] = desk.tell([(value, BASE_MS, {"label": "low"})])
    desk.look()
    assert [each.subject for each in desk.outcomes()] == [Made(len(others), BASE_MS, value).id]
    hidden = kind.sensitivity != "public" or bool(kind.subject)
    assert hidden == (str(value) not in str(event))
    assert not (hidden and value in "".join(map(str, [*desk.outcomes(), *desk.asked])))


def test_how_a_key_was_meant_stays_as_it_was_told():
    """A contract that says it otherwise later changes nothing of what was told before."""
    desk = Desk()
    [event] = desk.tell([("b", BASE_MS, {"label": "low"})])
    by = msgspec.convert(event.body["by"], By)
    assert by == By(column="context_order", within_ns=120_000 * MS, time_ns=BASE_MS * MS)
    assert (event.time_ns, event.known_ns) == (desk.clock.now_ns(),) * 2
