"""What the journal knows of a rollout: decisions and outcomes, each unit counted once.

Promises that what was counted stays counted (a unit's first decision, and the first outcome heard
of one of its decisions), so that the figures of `statistics.py` hold, and that a look costs what
happened since the look before: only the first one after a keeper's start reads everything since
the rollout began.

A unit that nobody drew is not counted: a worker that cannot load the candidate lets the current
version answer everybody, with the propensity 1.

Limits: `UNITS_MAX` units are remembered for a rollout; by then every question is answered. Records
that reach the journal later than `_OVERLAP_NS` after the next look began are missed.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from math import exp, log
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.contract.model import Contract, NumberOutput, Probability, Ranking, VectorOutput
from mainstay.journal.model import STATUSES
from mainstay.judge.present import present
from mainstay.release.rollout.model import Evidence, Rollout
from mainstay.release.rollout.statistics import Pairs, Stratum, Tally
from mainstay.serve.pipeline import output_names
from mainstay.serve.routes.model import Route

UNITS_MAX: Final = 1_000_000
_OVERLAP_NS: Final = 5_000_000_000
_REMEMBERED_MAX: Final = 200_000
"""Decisions that a later record may still be about."""
_PLACES_PER_E: Final = 16
"""How finely run times are told apart: steps of about 6 %."""
_BASE_COLUMNS: Final = (
    "id", "route", "fingerprint", "arm", "caller", "status", "shadows", "steps", "sequence",
    "run_first_sequence", "run_rows", "propensity",
)  # fmt: skip

Query = Callable[[str], Any]
ContractOf = Callable[[str], Contract]
Row = dict[str, Any]
Sides = tuple[list[int], list[int]]
"""Good and bad ones of the candidate, and of the current version."""
SHOWN: Final = STATUSES[0]
CALLER: Final = "caller"
"""The column of the unit where a contract names none."""


class JournalEvidence:
    """Looks into the journal for every rollout that goes on."""

    def __init__(self, query: Query, contract_of: ContractOf, now_ns: Callable[[], int]) -> None:
        self._query = query
        self._contract_of = contract_of
        self._now_ns = now_ns
        self._seen: dict[tuple[str, str], _Seen] = {}

    def look(self, rollout: Rollout, newest: Route | None) -> Evidence:
        """Everything since the rollout began."""
        key = (rollout.plan.model, rollout.plan.salt)
        if not rollout.shares:
            return Evidence(newest=newest)
        for old in [other for other in self._seen if other[0] == key[0] and other != key]:
            del self._seen[old]
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = _Seen(rollout, self._contract_of)
        began_ns = self._now_ns()
        for row in self._decisions(rollout, seen):
            seen.add_decision(row)
        outcomes = self._outcomes(rollout, seen)
        if rollout.plan.strategy == "shadow":
            seen.add_outcomes_of_pairs(outcomes)
        else:
            new = {each: label for each, label in outcomes.items() if each not in seen.heard}
            for row in self._labelled(rollout, seen, new) if new else ():
                seen.heard.add(row["id"])
                seen.add_outcome(row, new[row["id"]])
            seen.heard &= outcomes.keys()
        seen.read_until_ns = began_ns
        return seen.evidence(rollout, newest)

    def _decisions(self, rollout: Rollout, seen: "_Seen") -> list[Row]:
        return self._rows(rollout, seen, f"id >= '{_id_at(seen.read_until_ns - _OVERLAP_NS)}'")

    def _labelled(self, rollout: Rollout, seen: "_Seen", heard: Mapping[str, Any]) -> list[Row]:
        first, last = max(min(heard), _id_at(rollout.started_ns)), max(heard)
        listed = ", ".join(map(_quoted, heard))
        which = f"id BETWEEN {_quoted(first)} AND {_quoted(last)} AND id IN ({listed})"
        return self._rows(rollout, seen, which)

    def _rows(self, rollout: Rollout, seen: "_Seen", which: str) -> list[Row]:
        plan = rollout.plan
        names = ", ".join(_quoted(name) for name in (*_BASE_COLUMNS, *seen.columns))
        sides = f"{_quoted(plan.candidate.fingerprint)}, {_quoted(plan.current.fingerprint)}"
        table = self._query(
            f"SELECT COLUMNS(lambda c: c IN ({names})) FROM decisions"  # noqa: S608  # because names are quoted and the rest are numbers
            f" WHERE model = {_quoted(plan.model)} AND route > {rollout.first_epoch}"
            f" AND fingerprint IN ({sides}) AND arm <> 'named' AND {which} ORDER BY id"
        )
        return table.to_pylist()

    def _outcomes(self, rollout: Rollout, seen: "_Seen") -> dict[str, Any]:
        """What was heard, by decision; the first word counts."""
        table = self._query(
            f"SELECT subject, body FROM events WHERE {_heard(rollout, seen)}"  # noqa: S608  # because names are quoted and the rest are numbers
            " ORDER BY known_ns DESC"
        )
        return {
            subject: msgspec.json.decode(body).get("label")
            for subject, body in zip(
                table.column("subject").to_pylist(), table.column("body").to_pylist(), strict=True
            )
        }


def _heard(rollout: Rollout, seen: "_Seen") -> str:
    return (
        f"kind = 'outcome' AND model = {_quoted(rollout.plan.model)}"
        f" AND known_ns >= {seen.read_until_ns - _OVERLAP_NS}"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _id_at(time_ns: int) -> str:
    """Every decision made since then has an id that sorts after this."""
    return f"{max(0, time_ns) // 1_000_000:012x}"


class _Seen:
    """What was counted of one rollout."""

    def __init__(self, rollout: Rollout, contract_of: ContractOf) -> None:
        plan = rollout.plan
        self.read_until_ns = rollout.started_ns
        self._candidate = plan.candidate.fingerprint
        self._unit = f"input_{plan.unit}" if plan.unit else CALLER
        self._shadow = plan.strategy == "shadow"
        self._answers = {
            side.fingerprint: _Answers(contract_of(side.fingerprint))
            for side in (plan.candidate, plan.current)
        }
        outputs = {name for each in self._answers.values() for name in each.columns}
        self.columns = (self._unit, *sorted(outputs))
        self.heard: set[str] = set()
        """Decisions whose outcomes were counted, and may be read once more."""
        self._units: set[str] = set()
        self._labelled: set[str] = set()
        self._withheld = defaultdict[int, Sides](_nothing)
        self._outcomes = defaultdict[int, Sides](_nothing)
        self._times: dict[bool, dict[int, int]] = {True: {}, False: {}}
        self._decisions = 0
        self._recent: set[str] = set()
        self._before: set[str] = set()
        # Of a shadow only.
        self._waiting: dict[str, Row] = {}
        self._pairs: dict[str, tuple[Any, Any]] = {}
        self._same = [0, 0]
        self._paired = [0, 0, 0]

    def add_decision(self, row: Row) -> None:
        """Count a decision; one that was counted before changes nothing."""
        identity: str = row["id"]
        if identity in self._recent or identity in self._before:
            return
        self._recent.add(identity)
        if len(self._recent) > _REMEMBERED_MAX:
            self._recent, self._before = set(), self._recent
        self._decisions += 1
        if row["sequence"] == row["run_first_sequence"]:
            self._add_time(row)
        if self._shadow:
            self._pair(row)
        elif row["propensity"] < 1 and self._is_new(self._units, row):
            _count(
                self._withheld[row["route"]],
                candidate=self._is_candidate(row),
                bad=row["status"] != SHOWN,
            )

    def add_outcome(self, row: Row, label: Any) -> None:
        """Count a decision of which an outcome was heard, if it is the first of its unit."""
        if row["propensity"] < 1 and self._is_new(self._labelled, row):
            wrong = self._answer(row) != label
            _count(self._outcomes[row["route"]], candidate=self._is_candidate(row), bad=wrong)

    def add_outcomes_of_pairs(self, outcomes: Mapping[str, Any]) -> None:
        """Count who was right where both versions answered."""
        for identity, label in outcomes.items():
            pair = self._pairs.pop(identity, None)
            if pair is not None:
                live, shadow = pair
                self._paired[1 + int(shadow != label) - int(live != label)] += 1

    def evidence(self, rollout: Rollout, newest: Route | None) -> Evidence:
        """The counts, as the checks want them."""
        withheld = _strata(self._withheld, rollout.shares)
        if self._shadow:
            withheld = _strata(self._withheld, dict.fromkeys(self._withheld, 0.5))
        candidate, current = self._times[True], self._times[False]
        return Evidence(
            newest=newest,
            withheld=withheld,
            outcomes=_strata(self._outcomes, rollout.shares),
            answers=Pairs(same=self._same[0], worse=self._same[1]),
            paired=Pairs(better=self._paired[0], same=self._paired[1], worse=self._paired[2]),
            candidate_rows=sum(candidate.values()),
            current_rows=sum(current.values()),
            candidate_ns=_median(candidate),
            current_ns=_median(current),
            decisions=self._decisions,
            comparable=all(each.comparable for each in self._answers.values()),
        )

    def _is_candidate(self, row: Row) -> bool:
        return row["fingerprint"] == self._candidate

    def _is_new(self, units: set[str], row: Row) -> bool:
        unit = str(row.get(self._unit))
        if unit in units or len(units) >= UNITS_MAX:
            return False
        units.add(unit)
        return True

    def _answer(self, row: Row) -> Any:
        """What was shown; nothing where it was withheld."""
        return self._answers[row["fingerprint"]].of(row) if row["status"] == SHOWN else None

    def _add_time(self, row: Row) -> None:
        steps: dict[str, int] = msgspec.json.decode(row["steps"])
        each_ns = max(1.0, sum(steps.values()) / row["run_rows"])
        place = round(log(each_ns) * _PLACES_PER_E)
        times = self._times[self._is_candidate(row)]
        times[place] = times.get(place, 0) + row["run_rows"]

    def _pair(self, row: Row) -> None:
        """Join what the two versions answered to the same request."""
        identity: str = row["shadows"] or row["id"]
        other = self._waiting.pop(identity, None)
        if other is None:
            _remember(self._waiting, identity, row)
            return
        shadow, live = (row, other) if row["shadows"] else (other, row)
        # Nobody was drawn here, so a caller may be asked about as often as it asks.
        if self._unit != CALLER and not self._is_new(self._units, live):
            return
        both = self._withheld[live["route"]]
        _count(both, candidate=True, bad=shadow["status"] != SHOWN)
        _count(both, candidate=False, bad=live["status"] != SHOWN)
        answers = self._answer(live), self._answer(shadow)
        self._same[int(answers[0] != answers[1])] += 1
        _remember(self._pairs, identity, answers)


class _Answers:
    """What one version's raw outputs say."""

    def __init__(self, contract: Contract) -> None:
        self.comparable = not isinstance(contract.output, NumberOutput | VectorOutput)
        self.columns = tuple(f"output_{name}" for name in output_names(contract.output))
        self._listed = isinstance(contract.output, Probability | Ranking | VectorOutput)
        self._present = present(contract)

    def of(self, row: Row) -> Any:
        """The answer a person was shown; of a ranking its first item."""
        values = [row[name] for name in self.columns]
        raw = np.array([values]) if self._listed else np.array(values)
        answer = self._present(raw)[0].answer
        return answer[0] if isinstance(answer, list) and self.comparable else answer


def _nothing() -> Sides:
    return [0, 0], [0, 0]


def _remember(kept: dict[str, Any], key: str, value: Any) -> None:
    """Keep a value; the oldest goes when there are too many."""
    kept[key] = value
    if len(kept) > _REMEMBERED_MAX:
        del kept[next(iter(kept))]


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
