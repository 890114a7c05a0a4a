"""What was told of keys becomes what was said of decisions: outcomes as all others (L2 M16).

Promises that what was told of a key counts for the newest decision of its model that had that
value when it happened, made at most `labels.within` before; that it counts once, wherever the
keeper dies: the outcome's id follows from what was told, and is written only where the journal does
not have it; that outcomes are made in the order in which things were told; that what was told while
nobody looked is found by who looks first, however long ago that was; and that a look after it costs
nothing while nothing waits, and one question to the journal for all that does.

What finds no decision is asked about again, after longer and longer pauses, for as long as
`labels.within`, at most a day (a decision may become known here later than what is told of it);
then it becomes an outcome of a decision that nobody made, which is counted and told as such.

A decision from up to a minute after what happened counts too where there is none before: the clocks
of two machines differ. Shadows are nobody's decisions, so they are never found.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from mainstay.base.clock import Clock
from mainstay.base.ids import DecisionId, parse_decision_id
from mainstay.base.limits import KEYED_WAITING_MAX
from mainstay.contract.keyed import By
from mainstay.journal.model import Event, Wanted
from mainstay.journal.port import News
from mainstay.journal.quoting import named, quoted
from mainstay.renew.labels.read import APART_MS, Query, logged_now

KEYED: Final = "keyed"
"""What the body of an outcome has that was told of a key: `event`, and whether it was `found`."""
PATIENCE_NS: Final = 86_400_000_000_000
_SECOND_NS: Final = 1_000_000_000
_PAUSE_MAX_NS: Final = 600 * _SECOND_NS
_AT_ONCE: Final = 20_000
_MS: Final = 1_000_000
_OTHER: Final = 0xFFFF_FFFF

Record = Callable[[Sequence[Event]], object]
"""Keeps events; they are on disk when it returns."""


class Waiting:
    """Something that was told of a key, until its decision is found."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.by = msgspec.convert(event.body["by"], By)
        self.tries = 0
        self.next_ns = 0

    @property
    def outcome(self) -> str:
        """The id of the outcome that it becomes."""
        return outcome_id(self.event.id)

    def until_ns(self) -> int:
        """How long its decision is looked for."""
        return self.event.known_ns + min(self.by.within_ns, PATIENCE_NS)


class _Model:
    """What is known of one model."""

    def __init__(self, news: News) -> None:
        self.news = news
        self.waiting: dict[str, Waiting] = {}
        """By the id of what they become."""
        self.joined: dict[str, int] = {}
        """Outcomes that are in the journal, and since when."""


class Found(NamedTuple):
    """What the journal says of something that waits."""

    decision: str | None
    there: bool
    """Its outcome is written already."""


class Joining:
    """The keeper's side of outcomes by a key."""

    def __init__(
        self, news: Callable[[Wanted], News], query: Query, record: Record, clock: Clock
    ) -> None:
        self._news = news
        self._query = query
        self._record = record
        self._clock = clock
        self._models: dict[str, _Model] = {}

    def look(self, models: Iterable[str]) -> None:
        """Learn what was told, and find the decisions of what waits and whose turn it is."""
        for model in {*models, *self._models}:
            known = self._models.get(model) or self._begin(model)
            fresh = 0
            while learnt := self._learn(known):
                fresh += learnt
                if fresh >= _AT_ONCE:
                    self._join(known)
                    fresh = 0
            self._join(known)

    def _begin(self, model: str) -> _Model:
        since_ns = max(0, self._clock.now_ns() - PATIENCE_NS)
        kinds = ("keyed", "outcome")
        wanted = Wanted(
            model=model, since_ms=since_ns // _MS, columns=(), kinds=kinds, decisions=False
        )
        known = _Model(self._news(wanted))
        while old := left_over(self._query, model, since_ns):
            # All of it waited for long enough, so all of it is settled at once.
            known.waiting = {waiting.outcome: waiting for waiting in map(Waiting, old)}
            self._join(known)
        self._models[model] = known
        return known

    def _learn(self, known: _Model) -> int:
        """Read on; how much there was."""
        now_ns = self._clock.now_ns()
        known.joined = {
            id_: at_ns for id_, at_ns in known.joined.items() if now_ns - at_ns <= 2 * PATIENCE_NS
        }
        events = known.news.read().events
        for event in events:
            if event.kind == "keyed":
                waiting = Waiting(event)
                if waiting.outcome not in known.joined:
                    known.waiting.setdefault(waiting.outcome, waiting)
            elif KEYED in event.body:
                known.joined[event.id] = event.known_ns
                known.waiting.pop(event.id, None)
        return len(events)

    def _join(self, known: _Model) -> None:
        now_ns = self._clock.now_ns()
        due = [each for each in known.waiting.values() if each.next_ns <= now_ns]
        due.sort(key=lambda each: (each.event.known_ns, each.event.id))
        there = logged_now(self._query) if due else frozenset[str]()
        for start in range(0, len(due), _AT_ONCE):
            self._join_some(known, due[start : start + _AT_ONCE], there, now_ns)
        surplus = len(known.waiting) - KEYED_WAITING_MAX
        if surplus > 0:
            # The oldest are given up before their time: what waits has a bound.
            oldest = sorted(known.waiting.values(), key=lambda each: each.event.known_ns)
            self._settle(known, [(each, None) for each in oldest[:surplus]], now_ns)

    def _join_some(
        self, known: _Model, due: Sequence[Waiting], there: frozenset[str], now_ns: int
    ) -> None:
        found = find(self._query, due, there)
        settled: list[tuple[Waiting, str | None]] = []
        for waiting in due:
            answer = found[waiting.outcome]
            if answer.there:
                del known.waiting[waiting.outcome]
            elif answer.decision is not None or now_ns > waiting.until_ns():
                settled.append((waiting, answer.decision))
            else:
                waiting.next_ns = now_ns + min(_SECOND_NS << min(waiting.tries, 20), _PAUSE_MAX_NS)
                waiting.tries += 1
        self._settle(known, settled, now_ns)

    def _settle(
        self, known: _Model, settled: Sequence[tuple[Waiting, str | None]], now_ns: int
    ) -> None:
        """First the journal: a keeper that dies before finds them waiting again."""
        if settled:
            self._record(
                [
                    outcome_of(waiting, decision, now_ns + place)
                    for place, (waiting, decision) in enumerate(settled)
                ]
            )
        for waiting, _ in settled:
            known.joined[waiting.outcome] = now_ns
            del known.waiting[waiting.outcome]


def outcome_id(keyed: str) -> str:
    """The id of the outcome that something told of a key becomes: always the same one."""
    told = parse_decision_id(keyed)
    return str(DecisionId(told.time_ms, told.incarnation ^ _OTHER, told.sequence))


def outcome_of(waiting: Waiting, decision: str | None, known_ns: int) -> Event:
    """What was told of a key, said of its decision; of one that nobody made where it has none."""
    event, own = waiting.event, parse_decision_id(waiting.outcome)
    nobodys = DecisionId(waiting.by.time_ns // _MS, own.incarnation, own.sequence)
    said = {name: value for name, value in event.body.items() if name != "by"}
    return Event(
        id=waiting.outcome,
        kind="outcome",
        time_ns=waiting.by.time_ns,
        known_ns=known_ns,
        model=event.model,
        actor=event.actor,
        subject=decision or str(nobodys),
        body={**said, KEYED: {"event": event.id, "found": decision is not None}},
    )


def left_over(query: Query, model: str, until_ns: int) -> list[Event]:
    """What was told before then and became nothing yet, the oldest of it."""
    mine = f"model = {quoted(model)}"
    rows: list[dict[str, Any]] = query(
        "SELECT told.* FROM (SELECT id, kind, time_ns, known_ns, model, actor, subject, body"  # noqa: S608  # because what is put in is quoted or a number
        f" FROM events WHERE kind = 'keyed' AND {mine} AND known_ns < {until_ns}) told ANTI JOIN"
        " (SELECT json_extract_string(body, '$.keyed.event') AS event FROM events"
        f""" WHERE kind = 'outcome' AND {mine} AND body LIKE '%"keyed":%') became"""
        f" ON became.event = told.id ORDER BY known_ns, id LIMIT {_AT_ONCE}"
    ).to_pylist()
    return [
        msgspec.convert(row | {"body": msgspec.json.decode(row["body"])}, Event) for row in rows
    ]


def find(query: Query, due: Sequence[Waiting], there: frozenset[str]) -> dict[str, Found]:
    """The decision of each, where there is one, by the id of the outcome that it becomes; `there`
    are the columns that decisions have."""
    groups: dict[tuple[str, str, bool, str], list[Waiting]] = {}
    for waiting in due:
        by = waiting.by
        group = waiting.event.model, by.column, by.whole, by.salt
        groups.setdefault(group, []).append(waiting)
    found: dict[str, Found] = {}
    for own in groups.values():
        rows: list[dict[str, Any]] = query(_question(own, there)).to_pylist()
        found |= {row["mine"]: Found(row["decision"], bool(row["there"])) for row in rows}
    return found


def _question(own: Sequence[Waiting], there: frozenset[str]) -> str:
    """Ids begin with the millisecond of their decision, so moments are bounds of ids, and few files
    are opened."""
    by, model = own[0].by, quoted(own[0].event.model)
    mine = [waiting.outcome for waiting in own]
    rows: list[str] = []
    moments: list[int] = []
    for waiting in own:
        time_ms = waiting.by.time_ns // _MS
        first = max(0, -((waiting.by.within_ns - waiting.by.time_ns) // _MS))
        bounds = first, time_ms + 1, time_ms + APART_MS + 1
        moments += bounds
        texts = waiting.outcome, waiting.event.subject, *(f"{each:012x}" for each in bounds)
        rows.append(f"({', '.join(map(quoted, texts))})")
    return (
        f"WITH asked(mine, key, first, after, beyond) AS (VALUES {', '.join(rows)}),"  # noqa: S608  # because all that is put in is quoted
        f" decided AS (SELECT id, {_value(by, there)} AS key FROM decisions WHERE model = {model}"
        f" AND arm <> 'shadow' AND id >= '{min(moments):012x}' AND id < '{max(moments):012x}')"
        " SELECT mine, coalesce(max(id) FILTER (id < after), min(id)) AS decision,"
        f" mine IN (SELECT id FROM events WHERE kind = 'outcome' AND model = {model}"
        f" AND id BETWEEN {quoted(min(mine))} AND {quoted(max(mine))}) AS there"
        " FROM asked LEFT JOIN decided"
        " ON decided.key = asked.key AND id >= first AND id < beyond GROUP BY mine"
    )


def _value(by: By, there: frozenset[str]) -> str:
    """A decision's key as keys are kept."""
    if by.column not in there:
        return "CAST(NULL AS VARCHAR)"
    column = named(by.column)
    number = f"TRY_CAST({column} AS BIGINT)" if by.whole else column
    text = f"CAST({number} AS VARCHAR)"
    return f"sha256({quoted(by.salt)} || {text})" if by.salt else text
