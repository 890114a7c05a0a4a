"""The way of one answer through judgement, in plain words, from what is recorded of it.

Promises that every line is something that was measured or noted when the answer was made, in the
order in which it happened; nothing is judged again. Where the contract that was in force is not at
hand, bars are left out and the rest is told.
"""

import json
import math
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from mainstay.contract.fallbacks import FallbackModel, FallbackWords
from mainstay.contract.model import Contract
from mainstay.journal.model import Decision
from mainstay.judge.cold import COLD
from mainstay.judge.confidence import CONFIDENCE
from mainstay.judge.cost import COST
from mainstay.judge.fallback import ANSWER, STEP, VERSION, steps_in_words
from mainstay.judge.flow import WITHHELD_BY
from mainstay.judge.hold import VALUE
from mainstay.judge.safeguard import RISK
from mainstay.judge.safeguard import VERSION as VERSION_OF_GUARD

Verdict = Literal["pass", "changed", "withheld", "told"]

SENSE: Final = "sense"
HOLD: Final = "hold"
SAFEGUARD: Final = "safeguard"
MODEL: Final = "model"
_FIRST: Final = frozenset({SENSE, COLD, "rules", CONFIDENCE, COST, SAFEGUARD, HOLD})
"""The checks of the model's own answer."""
_LARGEST_SHOWN: Final = 5


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """One place on the way."""

    where: str
    verdict: Verdict
    """`withheld`: this is what took the answer back."""
    words: str


def path_of(decision: Decision, contract: Contract | None = None) -> list[Passed]:
    """The way of one answer, from what was asked to what was told."""
    return [
        _asked(decision),
        *_repaired(decision),
        _modelled(decision),
        *_stages(decision, contract),
        *_fallen_back(decision, contract),
        *_at_last(decision),
        _told(decision),
    ]


def _asked(decision: Decision) -> Passed:
    arm = "" if decision.arm == "live" else f", as {decision.arm.replace('_', ' ')}"
    words = (
        f"{decision.caller} asked {decision.model} v{decision.version}{arm} on {decision.time} "
        f"through {decision.door}"
    )
    if decision.run_rows > 1:
        words += f", together with {decision.run_rows - 1} other rows"
    return Passed(where="asked", verdict="pass", words=words)


def _repaired(decision: Decision) -> Iterator[Passed]:
    text = decision.judged.get("repaired")
    if not text:
        return
    for name, (transform, sent) in json.loads(text).items():
        now = decision.inputs.get(name)
        words = f"{name} was sent as {sent!r}; {transform} made {now!r} of it"
        yield Passed(where="repair", verdict="changed", words=words)


def _modelled(decision: Decision) -> Passed:
    if decision.steps_ns and "predict" not in decision.steps_ns:
        return Passed(
            where="model",
            verdict="withheld",
            words=f"the model had no part in it: {_reasons(decision)[0]}",
        )
    numbers = [(name, value) for name, value in decision.output.items() if _is_number(value)]
    if len(numbers) > 1:
        numbers.sort(key=lambda pair: -pair[1])
        said = ", ".join(f"{name} {value:.4g}" for name, value in numbers[:_LARGEST_SHOWN])
        more = len(decision.output) - min(len(numbers), _LARGEST_SHOWN)
        said += f" and {more} more" if more > 0 else ""
    else:
        said = ", ".join(f"{name} {value}" for name, value in decision.output.items())
    return Passed(where="model", verdict="pass", words=f"the model gave {said}")


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _reasons(decision: Decision) -> list[str]:
    """What was noted, oldest first."""
    return [part for part in reversed(decision.reason.split("; ")) if part] or ["no reason is kept"]


def _taken_by(decision: Decision) -> str | None:
    """The check that took the answer back; a contract without more has sense alone."""
    by = decision.judged.get(WITHHELD_BY)
    if by is None and WITHHELD_BY not in decision.judged and decision.status == "declined":
        return SENSE
    return by


def _stages(decision: Decision, contract: Contract | None) -> Iterator[Passed]:
    """The checks of the model's own answer."""
    by = _taken_by(decision)
    if by == MODEL:
        return
    for where, words in _checks(decision, contract, by):
        if where == by and not _after_fallback(decision, where):
            why = _why(decision)
            yield Passed(where=where, verdict="withheld", words=f"{words}: {why}" if words else why)
        elif words:
            yield Passed(where=where, verdict="pass", words=words)


def _after_fallback(decision: Decision, by: str) -> bool:
    """Whether this check looked at what the fallback said."""
    return by not in _FIRST or (by == HOLD and bool(decision.judged.get(STEP)))


def _at_last(decision: Decision) -> Iterator[Passed]:
    """The check of what was to be told, where it is what took the answer back."""
    by = _taken_by(decision)
    if by is not None and by != MODEL and _after_fallback(decision, by):
        yield Passed(where=by, verdict="withheld", words=_why(decision))


def _why(decision: Decision) -> str:
    """The note of whatever took the answer back; steps that were tried later noted their own."""
    own = [part for part in _reasons(decision) if not part.startswith("fallback ")]
    return own[-1] if own else "no reason is kept"


def _checks(
    decision: Decision, contract: Contract | None, by: str | None
) -> Iterator[tuple[str, str]]:
    """The checks that there are, in their order, with what each measured."""
    judged, judge = decision.judged, None if contract is None else contract.judge
    yield SENSE, "" if by == SENSE else "the output made sense"
    if COLD in judged:
        yield COLD, "" if judged[COLD] else "nothing about it was new to the model"
    rules = 0 if judge is None else len(judge.rules)
    if rules or by == "rules":
        many = f"{rules} rules" if rules != 1 else "one rule"
        yield "rules", "" if by == "rules" else f"{many} of the contract held"
    if _is_number(judged.get(CONFIDENCE)):
        least = judge.confidence.at_least if judge is not None and judge.confidence else None
        bar = f", and at least {least:g} is wanted" if least else ""
        yield CONFIDENCE, f"its confidence was {judged[CONFIDENCE]:.4g}{bar}"
    if _is_number(judged.get(COST)):
        yield COST, f"a mistake was expected to cost {judged[COST]:.4g}"
    if RISK in judged:
        known = _is_number(judged[RISK])
        yield SAFEGUARD, _guarded(decision, contract) if known or by != SAFEGUARD else ""
    if _is_number(judged.get(VALUE)):
        usual = ""
        if _is_number(judged.get("hold_mean")) and _is_number(judged.get("hold_sd")):
            usual = f", usual is {judged['hold_mean']:.4g} ± {judged['hold_sd']:.4g}"
        yield HOLD, f"the number that is watched was {judged[VALUE]:.4g}{usual}"


def _guarded(decision: Decision, contract: Contract | None) -> str:
    """What the safeguard said, or why it did not."""
    risk, safeguard = decision.judged[RISK], None
    if contract is not None:
        safeguard = contract.judge.safeguard
    if not _is_number(risk):
        notes = [part for part in _reasons(decision) if part.startswith("the safeguard ")]
        return notes[0] if notes else "the safeguard did not say how probably it is wrong"
    bar = f", and at most {safeguard.at_most:g} is let through" if safeguard is not None else ""
    version = decision.judged.get(VERSION_OF_GUARD)
    return f"its safeguard v{version} took it for wrong with probability {risk:.4g}{bar}"


def _fallen_back(decision: Decision, contract: Contract | None) -> Iterator[Passed]:
    """The steps that were tried, each with why it passed on or what it answered."""
    number = decision.judged.get(STEP) or 0
    if not number:
        return
    steps = () if contract is None else contract.judge.fallback
    named = steps_in_words(steps)
    notes = {
        part.partition(",")[0]: part for part in _reasons(decision) if part.startswith("fallback ")
    }
    for place in range(1, number + 1):
        what = f"step {place}"
        if place <= len(named):
            what += f", {named[place - 1]}"
        if place < number:
            note = notes.get(f"fallback {place}", "")
            why = note.partition(": ")[2] or "it passed on"
            yield Passed(where="fallback", verdict="withheld", words=f"{what}: {why}")
            continue
        answer = decision.judged.get(ANSWER)
        if answer is None or (steps and isinstance(steps[place - 1], FallbackWords)):
            yield Passed(where="fallback", verdict="pass", words=f"{what}: nothing else was left")
            continue
        if steps and isinstance(steps[place - 1], FallbackModel):
            what += f" in its version {decision.judged.get(VERSION)}"
        yield Passed(where="fallback", verdict="pass", words=f"{what}: it answered {answer}")


_TOLD = {
    "answered": "the answer was told as it is",
    "asked": "the answer was told with the question whether it is right",
    "options": "several possible answers were offered, and none was told",
    "held": "nothing was told; a person is to release or reject it",
    "fallback": "what the fallback said was told",
    "declined": "no answer was told, but plain words that there is none",
}


def _told(decision: Decision) -> Passed:
    return Passed(where=decision.status, verdict="told", words=_TOLD[decision.status])
