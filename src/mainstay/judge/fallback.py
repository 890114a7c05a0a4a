"""The fallback chain: what answers in place of a model whose answer was declined.

    model (any version) → answer by rule → constant answer → honest words

Promises that the steps are tried in their order and each row is answered by the first that can;
that what a step says is judged before it counts, by its own version's judgement where a model says
it and by the checks of this contract in any case, and falls on to the next step where it does not
pass; that a step which fails, is slow again and again or is not here is passed over; and that the
record says which step answered, with which version, and why the others did not. Nothing of the
model's own output is left in a row that a fallback answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.base.clock import Clock
from mainstay.base.errors import MainstayError
from mainstay.contract.columns import Column, Columns
from mainstay.contract.expressions.compile import compile_expression
from mainstay.contract.fallbacks import FallbackAnswer, FallbackModel, FallbackStep, FallbackWords
from mainstay.contract.model import (
    Contract,
    Label,
    NumberOutput,
    Output,
    Probability,
    Ranking,
    columns_of,
)
from mainstay.contract.times import duration_ns
from mainstay.judge.breaker import Breaker
from mainstay.judge.model import DECLINED, FALLBACK, Case, Places, Stage
from mainstay.judge.present import Said, Shown
from mainstay.judge.sense import Sense
from mainstay.judge.standby import Standby

STEP: Final = "fallback_step"
VERSION: Final = "fallback_version"
ANSWER: Final = "fallback_answer"

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Offer:
    """What a step has to say to some rows."""

    rows: Places
    """The rows it answers."""
    output: Column
    """One row in the form of the output for each of them."""
    shown: Callable[[int], Shown]
    """What is shown, by the place among them."""
    refused: dict[int, str] = field(default_factory=dict[int, str])
    """Rows that it does not answer, and why."""
    version: int = 0


Step = Callable[[Case, Places], Offer]


class FallbackStage:
    """The fallback stage of one version."""

    def __init__(
        self,
        contract: Contract,
        standbys: dict[str, Standby],
        clock: Clock,
        again: Sequence[Stage] = (),
    ) -> None:
        """`standbys` are the versions that are here, by the key of their step; `again` looks at
        what each step says."""
        self._sense = Sense(contract)
        self._again = tuple(again)
        self._steps: list[tuple[str, Step]] = []
        self._words: dict[int, str] = {}
        for place, step in enumerate(contract.judge.fallback):
            number = place + 1
            match step:
                case FallbackModel():
                    asking = _Asking(step, standbys.get(step.key), clock)
                    self._steps.append((f"fallback {number}, {step.key}", asking))
                case FallbackAnswer():
                    said = f"fallback {number}, the answer {_plain(step.answer)}"
                    self._steps.append((said, _Answering(step, contract, place)))
                case FallbackWords():
                    self._words[number] = step.say

    def __call__(self, case: Case) -> None:
        """Answer what was declined, as far as there is something to say."""
        if case.taken_by is None:  # the usual case: nothing was taken back
            return
        open_rows = case.statuses == DECLINED
        if case.final is not None:
            open_rows &= ~case.final
        left = np.flatnonzero(open_rows)
        if not len(left):
            return
        record = _Record(case.rows)
        for place, (name, step) in enumerate(self._steps):
            if not len(left):
                break
            left = self._try(case, record, left, place + 1, name, step)
        for number, words in self._words.items():
            for row in left.tolist():
                case.words[row] = words
            record.steps[left] = number
            case.count("fallback", f"{number}", "said", by=len(left))
        case.judged.update(record.columns())

    def _try(  # because a step needs all that it may change
        self, case: Case, record: "_Record", left: Places, number: int, name: str, step: Step
    ) -> Places:
        """Let one step answer; which rows are left."""
        offer = step(case, left)
        for row, why in offer.refused.items():
            case.note(row, f"{name}: {why}")
        if len(offer.refused):
            case.count("fallback", str(number), "passed", by=len(offer.refused))
        if not len(offer.rows):
            return left
        refused = self._judged(case, offer, name)
        stand = [place for place, row in enumerate(offer.rows.tolist()) if row not in refused]
        for place in stand:
            row = int(offer.rows[place])
            record.answers[row] = _plain(case.shown[row].answer)
            case.words.pop(row, None)
            case.note(row, f"{name}, answers")
        answered = offer.rows[np.array(stand, dtype=np.intp)]
        record.steps[answered] = number
        record.versions[answered] = offer.version
        if len(answered):
            case.count("fallback", str(number), "answered", by=len(answered))
        if refused:
            case.count("fallback", str(number), "passed", by=len(refused))
        return np.setdiff1d(left, answered, assume_unique=True)

    def _judged(self, case: Case, offer: Offer, name: str) -> set[int]:
        """Put what a step says in the place of what was declined, and let it be judged; the rows
        of which it was taken back again."""
        told = _told(case)
        before = told[offer.rows]
        told[offer.rows] = offer.output
        for place, row in enumerate(offer.rows.tolist()):
            case.shown[row] = offer.shown(place)
            case.words.pop(row, None)
        case.statuses[offer.rows] = FALLBACK
        sensible = self._sense(told[offer.rows])
        if not sensible.all():
            bad = np.zeros(case.rows, dtype=np.bool_)
            bad[offer.rows[~sensible]] = True
            reason = self._sense.reason
            case.turn(bad, DECLINED, lambda row: f"{name}: {reason(told, row)}")
        for stage in self._again:
            stage(case)
        back = case.statuses[offer.rows] == DECLINED
        told[offer.rows[back]] = before[back]
        refused = set(offer.rows[back].tolist())
        for row in refused:
            del case.shown[row]
        return refused


class _Record:
    """Which step answered each row, with which version and what."""

    def __init__(self, rows: int) -> None:
        self.steps = np.zeros(rows, dtype=np.int64)
        self.versions = np.zeros(rows, dtype=np.int64)
        self.answers = np.full(rows, None, dtype=object)

    def columns(self) -> Columns:
        return {STEP: self.steps, VERSION: self.versions, ANSWER: self.answers}


def _told(case: Case) -> Column:
    """The output as it leaves, ours to write to; numbers in 64 bits, as every door tells them."""
    if case.told is None:
        kind = np.float64 if case.output.dtype.kind == "f" else case.output.dtype
        case.told = np.array(case.output, dtype=kind)
    return case.told


def _plain(answer: Said | tuple[Any, ...] | int) -> str:
    """An answer as text: words as they are, anything else as JSON has it."""
    return answer if isinstance(answer, str) else _encode(answer).decode()


class _Asking:
    """A step that asks another version."""

    def __init__(self, step: FallbackModel, standby: Standby | None, clock: Clock) -> None:
        self._key = step.key
        self._standby = standby
        self._clock = clock
        self._within = step.within
        self._within_ns = duration_ns(step.within)
        self._breaker = Breaker(clock)

    def __call__(self, case: Case, rows: Places) -> Offer:
        standby = self._standby
        if standby is None:
            return self._nothing(case, rows, "missing", "it is not here")
        if not self._breaker.allows():
            return self._nothing(case, rows, "paused", "it failed or was slow, and is left alone")
        began = self._clock.elapsed_ns()
        try:
            stood = standby(case, rows)
        except MainstayError as error:
            return self._failed(case, rows, standby, error.message)
        except Exception as error:  # noqa: BLE001  # because a fallback that fails must fall on
            return self._failed(case, rows, standby, f"{type(error).__name__}: {error}")
        if self._clock.elapsed_ns() - began > self._within_ns:
            self._breaker.failed()
            case.count("fallback_troubles", self._key, "slow")
        else:
            self._breaker.succeeded()
        self._tell_state(case)
        where: list[int] = rows.tolist()
        return Offer(
            rows=rows[stood.good],
            output=stood.output,
            shown=stood.shown.__getitem__,
            refused={where[place]: f"v{standby.number}: {w}" for place, w in stood.refused.items()},
            version=standby.number,
        )

    def _failed(self, case: Case, rows: Places, standby: Standby, why: str) -> Offer:
        self._breaker.failed()
        self._tell_state(case)
        return self._nothing(case, rows, "failed", f"v{standby.number} failed: {why}")

    def _nothing(self, case: Case, rows: Places, trouble: str, why: str) -> Offer:
        case.count("fallback_troubles", self._key, trouble)
        return Offer(
            rows=rows[:0],
            output=np.empty(0),
            shown=_nobody,
            refused=dict.fromkeys(rows.tolist(), why),
        )

    def _tell_state(self, case: Case) -> None:
        case.levels["fallback_breaker_open", self._key] = float(self._breaker.state != "closed")


def _nobody(place: int) -> Shown:
    raise IndexError(place)


class _Answering:
    """A step that says the same to every row it is meant for."""

    def __init__(self, step: FallbackAnswer, contract: Contract, place: int) -> None:
        self._row = _in_form(step, contract.output)
        answer: Any = step.answer
        self._shown = Shown([*answer] if isinstance(answer, tuple) else answer)
        self._when = None
        if step.when:
            names = columns_of(contract.inputs, contract.context)
            at = ("judge", "fallback", place, "when")
            self._when = compile_expression(step.when, names, at, kind="boolean")

    def __call__(self, case: Case, rows: Places) -> Offer:
        refused: dict[int, str] = {}
        meant = rows
        if self._when is not None:
            holds = self._when(lambda name: case.column(name)[rows], len(rows))
            meant = rows[holds]
            refused = dict.fromkeys(rows[~holds].tolist(), f"not so: {self._when.text}")
        output = np.broadcast_to(self._row, (len(meant), *self._row.shape))
        return Offer(rows=meant, output=output, shown=lambda _: self._shown, refused=refused)


def _in_form(step: FallbackAnswer, output: Output) -> Column:
    """An answer as a row of raw output that reads as this answer: all the weight on the class
    that is answered, and listed items before all others."""
    answer: Any = step.answer
    match output:
        case Probability():
            row = np.zeros(len(output.classes))
            row[output.classes.index(answer)] = 1.0
        case Label():
            row = np.array(output.classes.index(answer), dtype=np.int64)
        case NumberOutput():
            row = np.array(float(answer))
        case Ranking():
            row = np.zeros(len(output.items))
            for place, item in enumerate(answer):
                row[output.items.index(item)] = 1.0 - place / len(answer)
        case _:
            row = np.array(answer, dtype=np.float64)
    return row


def steps_in_words(steps: Sequence[FallbackStep]) -> list[str]:
    """A chain for people, step by step."""
    words: list[str] = []
    for step in steps:
        match step:
            case FallbackModel():
                words.append(f"the model {step.key}")
            case FallbackAnswer():
                condition = f" when {step.when}" if step.when else ""
                words.append(f"the answer {_plain(step.answer)}{condition}")
            case FallbackWords():
                words.append("honest words")
    return words
