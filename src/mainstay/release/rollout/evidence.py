"""What the journal knows of a rollout: decisions, failures and outcomes, each unit counted once.

Promises that what was counted stays counted (a unit's first answer, and the first outcome heard of
one of its decisions), so that the figures of `statistics.py` hold; that a look costs what happened
since the look before, and that what a look holds in memory is bounded. After a keeper's start the
past of a rollout is read in parts, one with each look.

A unit that nobody drew is not counted among those that were drawn: a worker that cannot load the
candidate lets the current version answer everybody, with the propensity 1. Where the candidate
answers unseen what the current version answers, the two answers are a pair, and an outcome says
which of them was right. Pairs count once for each user; where no input tells users, a caller is
asked about as often as it asks.

Limits: `UNITS_MAX` units are remembered for a rollout; by then every question is answered. Of the
last `_REMEMBERED_MAX` decisions outcomes are counted at once; those of older ones are looked up in
the journal, every `_LATE_NS`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from math import exp, log
from operator import itemgetter
from typing import Any, Final, Protocol

import msgspec
import numpy as np

from mainstay.base.draws import draw
from mainstay.bundle.answers import output_names
from mainstay.contract.model import Contract, NumberOutput, Probability, Ranking, VectorOutput
from mainstay.journal.model import STATUSES, Event, Wanted
from mainstay.journal.port import News
from mainstay.journal.quoting import quoted
from mainstay.judge.present import NOTHING_INSTEAD, present
from mainstay.release.rollout.model import Evidence, Plan, Rollout
from mainstay.release.rollout.statistics import Pairs, Stratum, Tally
from mainstay.serve.failures import Failed
from mainstay.serve.mixture import unit_of
from mainstay.serve.routes.model import Route

UNITS_MAX: Final = 1_000_000
_REMEMBERED_MAX: Final = 100_000
"""Decisions of which outcomes are counted without looking them up."""
_LATE_NS: Final = 10_000_000_000
_LATE_MAX: Final = 2_000
"""How many outcomes of older decisions are looked up at once."""
_SHADOW_MS: Final = 60_000
"""By then a shadow has answered, or never will."""
_PLACES_PER_E: Final = 16
"""How finely run times are told apart: steps of about 6 %."""
_BASE_COLUMNS: Final = (
    "id", "route", "fingerprint", "arm", "caller", "status", "shadows", "steps", "sequence",
    "run_first_sequence", "run_rows", "propensity",
)  # fmt: skip
_ARMS: Final = frozenset({"live", "share", "shadow"})
"""Whoever chose a version, or asked for it by its number, tells nothing about a draw."""

ContractOf = Callable[[str], Contract]
Row = dict[str, Any]
Sides = tuple[list[int], list[int]]
"""Good and bad ones of the candidate, and of the current version."""
SHOWN: Final = STATUSES[0]
ANSWER: Final = "answer"
"""Added to a row: what was shown; nothing where it was withheld."""
CALLER: Final = "caller"
"""The column of the unit where a contract names none."""


class Log(Protocol):
    """What of a journal is read."""

    def news(self, wanted: Wanted) -> News: ...

    def query(self, sql: str) -> Any: ...


class JournalEvidence:
    """Looks into the journal for every rollout that goes on."""

    def __init__(self, log: Log, contract_of: ContractOf, now_ns: Callable[[], int]) -> None:
        self._log = log
        self._contract_of = contract_of
        self._now_ns = now_ns
        self._seen: dict[tuple[str, str], tuple[_Seen, News]] = {}

    def look(self, rollout: Rollout, newest: Route | None) -> Evidence:
        """Everything since the rollout began."""
        key = (rollout.plan.model, rollout.plan.salt)
        if not rollout.shares:
            return Evidence(newest=newest)
        # What broke off half-way is read anew from the beginning.
        known = self._seen.pop(key, None)
        for old in [other for other in self._seen if other[0] == key[0]]:
            del self._seen[old]
        seen, news = known or self._begin(rollout)
        fresh = news.read()
        seen.read_answers(fresh.decisions)
        failures = [each for each in fresh.events if each.kind == "failure"]
        found: list[tuple[int, Row | Event]] = [
            (int(row["id"][:12], 16), row) for row in fresh.decisions
        ]
        found += [(event.time_ns // 1_000_000, event) for event in failures]
        for _, each in sorted(found, key=itemgetter(0)):
            if isinstance(each, Event):
                seen.add_failure(each)
            else:
                seen.add_decision(each)
        for event in fresh.events:
            if event.kind == "outcome" and "label" in event.body:
                seen.add_outcome(event.subject, event.body.get("label"))
        late = seen.late_ones(self._now_ns())
        if late:
            seen.add_late(late, self._rows(rollout, seen, late))
        self._seen[key] = seen, news
        return seen.evidence(rollout, newest)

    def _begin(self, rollout: Rollout) -> "tuple[_Seen, News]":
        seen = _Seen(rollout, self._contract_of)
        wanted = Wanted(
            model=rollout.plan.model,
            since_ms=rollout.started_ns // 1_000_000,
            columns=(*_BASE_COLUMNS, *seen.columns),
            kinds=("outcome", "failure"),
        )
        return seen, self._log.news(wanted)

    def _rows(self, rollout: Rollout, seen: "_Seen", late: Iterable[str]) -> list[Row]:
        """Decisions of which an outcome was heard, and their shadows."""
        ids = sorted(late)
        names = ", ".join(quoted(name) for name in (*_BASE_COLUMNS, *seen.columns))
        listed = ", ".join(map(quoted, ids))
        last = f"{int(ids[-1][:12], 16) + _SHADOW_MS:012x}"
        table = self._log.query(
            f"SELECT COLUMNS(lambda c: c IN ({names})) FROM decisions"  # noqa: S608  # because names are quoted and the rest are numbers
            f" WHERE model = {quoted(rollout.plan.model)}"
            f" AND id BETWEEN {quoted(ids[0])} AND {quoted(last)}"
            f" AND (id IN ({listed}) OR shadows IN ({listed})) ORDER BY id"
        )
        return table.to_pylist()


@dataclass(slots=True)
class _Met:
    """A decision that somebody was shown, as long as more may be heard of it."""

    unit: float
    epoch: int
    candidate: bool
    drawn: bool
    answer: Any
    """Nothing where it was withheld."""
    shadow: tuple[Any] | None = None
    """What the shadow answered, once it did."""
    heard: tuple[Any] | None = None
    """The first outcome, once there is one."""


class _Seen:
    """What was counted of one rollout."""

    def __init__(self, rollout: Rollout, contract_of: ContractOf) -> None:
        plan = rollout.plan
        self._plan: Plan = plan
        self._first_epoch = rollout.first_epoch
        self._started = f"{rollout.started_ns // 1_000_000:012x}"
        self._sides = {plan.candidate.fingerprint: True, plan.current.fingerprint: False}
        self._unit = f"input_{plan.unit}" if plan.unit else CALLER
        self._answers = {mark: _Answers(contract_of(mark)) for mark in self._sides}
        outputs = {name for each in self._answers.values() for name in each.columns}
        self.columns = (self._unit, *sorted(outputs))
        self._asked: set[float] = set()
        self._labelled: set[float] = set()
        self._paired_units: set[float] = set()
        self._judged: set[float] = set()
        self._withheld = defaultdict[int, Sides](_nothing)
        self._outcomes = defaultdict[int, Sides](_nothing)
        self._times: dict[bool, dict[int, int]] = {True: {}, False: {}}
        self._decisions = 0
        self._met: dict[str, _Met] = {}
        self._early: dict[str, Row] = {}
        """Shadows that were read before what they shadow."""
        self._late: dict[str, Any] = {}
        """Outcomes of decisions that are to be looked up."""
        self._looked_up: dict[str, None] = {}
        self._look_up_ns = 0
        self._different = [0, 0]
        self._unanswered = [0, 0, 0]
        self._right = [0, 0, 0]

    def read_answers(self, rows: Iterable[Row]) -> None:
        """Give every row what was shown, as `ANSWER`: all of a version at once."""
        shown: dict[str, list[Row]] = {mark: [] for mark in self._answers}
        for row in rows:
            row[ANSWER] = None
            if row["fingerprint"] in shown and row["status"] == SHOWN:
                shown[row["fingerprint"]].append(row)
        for mark, those in shown.items():
            if those:
                for row, answer in zip(those, self._answers[mark].of(those), strict=True):
                    row[ANSWER] = answer

    def add_decision(self, row: Row) -> None:
        """Count a decision."""
        if not self._is_of_interest(row):
            return
        self._decisions += 1
        shadow = row["arm"] == "shadow"
        if row["sequence"] == row["run_first_sequence"] and (
            not shadow or self._plan.strategy == "shadow"
        ):
            self._add_time(row)
        if shadow:
            self._add_shadow(row)
            return
        met = self._met_of(row)
        _remember(self._met, row["id"], met)
        if met.drawn and _is_new(self._asked, met.unit):
            bad = row["status"] != SHOWN
            _count(self._withheld[met.epoch], candidate=met.candidate, bad=bad)
        early = self._early.pop(row["id"], None)
        if early is not None:
            self._add_shadow(early)

    def add_failure(self, event: Event) -> None:
        """Count rows that a version could not answer."""
        failed = msgspec.convert(event.body, Failed)
        if event.subject not in self._sides or failed.epoch <= self._first_epoch:
            return
        candidate = self._sides[event.subject]
        if failed.arm != "shadow":
            for unit in failed.draws:
                if _is_new(self._asked, unit):
                    _count(self._withheld[failed.epoch], candidate=candidate, bad=True)
        if failed.arm != "share":
            rows = failed.rows
            if self._unit != CALLER:
                rows = sum(_is_new(self._paired_units, unit) for unit in failed.draws)
            # What the current version failed to answer was never asked of the other one, which
            # has the benefit of the doubt.
            self._unanswered[2 if candidate else 0] += rows

    def add_outcome(self, decision: str, label: Any) -> None:
        """Count an outcome; of several the first one."""
        met = self._met.get(decision)
        if met is not None:
            self._judge(met, label)
        elif decision >= self._started and decision not in self._looked_up:
            self._late.setdefault(decision, label)

    def late_ones(self, now_ns: int) -> tuple[str, ...]:
        """Decisions to look up now, because an outcome was heard of them."""
        if not self._late or now_ns < self._look_up_ns + _LATE_NS:
            return ()
        self._look_up_ns = now_ns
        return tuple(islice(self._late, _LATE_MAX))

    def add_late(self, asked: Iterable[str], rows: Iterable[Row]) -> None:
        """Count outcomes of decisions that were looked up."""
        found: dict[str, _Met] = {}
        rows = list(rows)
        self.read_answers(rows)
        for row in filter(self._is_of_interest, rows):
            if row["arm"] != "shadow":
                found[row["id"]] = self._met_of(row)
            elif row["shadows"] in found:
                found[row["shadows"]].shadow = (row[ANSWER],)
        for decision in asked:
            label = self._late.pop(decision)
            _remember(self._looked_up, decision, None)
            if decision in found:
                self._judge(found[decision], label)

    def evidence(self, rollout: Rollout, newest: Route | None) -> Evidence:
        """The counts, as the checks want them."""
        candidate, current = self._times[True], self._times[False]
        return Evidence(
            newest=newest,
            withheld=_strata(self._withheld, rollout.shares),
            outcomes=_strata(self._outcomes, rollout.shares),
            answers=Pairs(same=self._different[0], worse=self._different[1]),
            unanswered=_pairs(self._unanswered),
            paired=_pairs(self._right),
            candidate_rows=sum(candidate.values()),
            current_rows=sum(current.values()),
            candidate_ns=_median(candidate),
            current_ns=_median(current),
            decisions=self._decisions,
            comparable=all(each.comparable for each in self._answers.values()),
        )

    def _is_of_interest(self, row: Row) -> bool:
        return (
            row["fingerprint"] in self._sides
            and row["route"] > self._first_epoch
            and row["arm"] in _ARMS
        )

    def _met_of(self, row: Row) -> _Met:
        return _Met(
            unit=draw(self._plan.salt, unit_of(row.get(self._unit))),
            epoch=row["route"],
            candidate=self._sides[row["fingerprint"]],
            drawn=row["propensity"] < 1,
            answer=row[ANSWER],
        )

    def _add_time(self, row: Row) -> None:
        steps: dict[str, int] = msgspec.json.decode(row["steps"])
        each_ns = max(1.0, sum(steps.values()) / row["run_rows"])
        place = round(log(each_ns) * _PLACES_PER_E)
        times = self._times[self._sides[row["fingerprint"]]]
        times[place] = times.get(place, 0) + row["run_rows"]

    def _add_shadow(self, row: Row) -> None:
        """Join what the two versions answered to the same request."""
        met = self._met.get(row["shadows"])
        if met is None:
            _remember(self._early, row["shadows"], row)
            return
        met.shadow = (row[ANSWER],)
        if self._unit == CALLER or _is_new(self._paired_units, met.unit):
            unseen, shown = met.shadow[0], met.answer
            self._unanswered[1 + int(unseen is None) - int(shown is None)] += 1
            self._different[int(unseen != shown)] += 1
        if met.heard is not None:
            self._judge_pair(met)

    def _judge(self, met: _Met, label: Any) -> None:
        """Count a decision of which an outcome was heard, if it is the first of its unit."""
        if met.heard is not None:
            return
        met.heard = (label,)
        if met.drawn and _is_new(self._labelled, met.unit):
            wrong = met.answer != label
            _count(self._outcomes[met.epoch], candidate=met.candidate, bad=wrong)
        if met.shadow is not None:
            self._judge_pair(met)

    def _judge_pair(self, met: _Met) -> None:
        """Count who was right where both versions answered."""
        assert met.shadow is not None
        assert met.heard is not None
        label = met.heard[0]
        if self._unit == CALLER or _is_new(self._judged, met.unit):
            self._right[1 + int(met.shadow[0] != label) - int(met.answer != label)] += 1


class _Answers:
    """What one version's raw outputs say."""

    def __init__(self, contract: Contract) -> None:
        self.comparable = not isinstance(contract.output, NumberOutput | VectorOutput)
        self.columns = tuple(f"output_{name}" for name in output_names(contract.output))
        self._listed = isinstance(contract.output, Probability | Ranking | VectorOutput)
        self._present = present(contract)

    def of(self, rows: list[Row]) -> list[Any]:
        """The answers that people were shown; of a ranking its first item."""
        values = [[row[name] for name in self.columns] for row in rows]
        raw = np.array(values) if self._listed else np.array(values)[:, 0]
        answers = self._present(raw, NOTHING_INSTEAD).answers()
        return [
            answer[0] if isinstance(answer, list) and self.comparable else answer
            for answer in answers
        ]


def _nothing() -> Sides:
    return [0, 0], [0, 0]


def _remember(kept: dict[str, Any], key: str, value: Any) -> None:
    """Keep a value; the oldest goes when there are too many."""
    kept[key] = value
    if len(kept) > _REMEMBERED_MAX:
        del kept[next(iter(kept))]


def _is_new(units: set[float], unit: float) -> bool:
    if unit in units or len(units) >= UNITS_MAX:
        return False
    units.add(unit)
    return True


def _pairs(counts: list[int]) -> Pairs:
    return Pairs(better=counts[0], same=counts[1], worse=counts[2])


def _count(sides: Sides, *, candidate: bool, bad: bool) -> None:
    sides[int(not candidate)][int(bad)] += 1


def _strata(counts: Mapping[int, Sides], shares: Mapping[int, float]) -> tuple[Stratum, ...]:
    return tuple(
        Stratum(
            share=shares[epoch],
            candidate=Tally(counts=tuple(candidate)),
            current=Tally(counts=tuple(current)),
        )
        for epoch, (candidate, current) in sorted(counts.items())
        if epoch in shares
    )


def _median(times: dict[int, int]) -> float:
    """The middle one of the times that were counted by place."""
    half = sum(times.values()) / 2
    for place in sorted(times):
        half -= times[place]
        if half <= 0:
            return exp(place / _PLACES_PER_E)
    return 0.0
