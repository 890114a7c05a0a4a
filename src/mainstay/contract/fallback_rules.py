"""Whether `judge.fallback` makes sense: alone, and with the inputs, the context and the output.

Promises to name every fault at its setting, with what would be right; see `rules.py`. Whether the
models exist, and whether what they take and answer fits, is seen when the version is deployed.
"""

import math
from collections.abc import Iterator

from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import FALLBACK_STEPS_MAX, WORDS_MAX_CHARACTERS
from mainstay.contract.expressions.compile import InvalidExpression, compile_expression
from mainstay.contract.fallbacks import (
    FallbackAnswer,
    FallbackModel,
    FallbackStep,
    FallbackWords,
)
from mainstay.contract.fields import between
from mainstay.contract.judging import Judge
from mainstay.contract.model import (
    Category,
    Integer,
    Label,
    NumberOutput,
    Output,
    Probability,
    Ranking,
    Text,
    VectorOutput,
    columns_of,
)
from mainstay.contract.names import model_name_fault
from mainstay.contract.release_rules import Known
from mainstay.contract.shape import Fault, describe
from mainstay.contract.times import duration_ns
from mainstay.contract.words import Setting, did_you_mean, one_of

Answer = int | float | str | tuple[str | int | float, ...]
_AT: Setting = ("judge", "fallback")
_WITHIN_MAX_NS = 10_000_000_000


def fallback_faults(steps: tuple[FallbackStep, ...], known: Known) -> Iterator[Fault]:
    """What makes no sense in a chain."""
    if len(steps) > FALLBACK_STEPS_MAX:
        yield Fault(_AT, f"has {len(steps)} steps; at most {FALLBACK_STEPS_MAX} are tried")
    seen: dict[str, int] = {}
    ended: int | None = None
    for place, step in enumerate(steps):
        at: Setting = (*_AT, place)
        if ended is not None:
            yield Fault(at, f"is never reached: [{ended}] ends the chain")
        match step:
            case FallbackModel():
                yield from _model_faults(step, at, known)
                if step.key in seen:
                    yield Fault(at, f"{step.key} is tried already, as [{seen[step.key]}]")
                seen.setdefault(step.key, place)
            case FallbackAnswer():
                yield from _answer_faults(step, at, known)
            case FallbackWords():
                ended = place if ended is None else ended
                if not 1 <= len(step.say.strip()) <= WORDS_MAX_CHARACTERS:
                    words = f"must be words for a person, 1 to {WORDS_MAX_CHARACTERS} characters"
                    yield Fault((*at, "say"), words)


def _model_faults(step: FallbackModel, at: Setting, known: Known) -> Iterator[Fault]:
    fault = model_name_fault(step.model)
    if fault is not None:
        yield Fault((*at, "model"), fault)
    if step.version is not None and step.version < 1:
        yield Fault((*at, "version"), f"versions are numbered from 1; got {step.version}")
    if step.model == known.model and step.version is None:
        words = "a model cannot stand in for itself; name a `version` of it that does, or another"
        yield Fault((*at, "model"), words)
    yield from within_faults(step.within, (*at, "within"))


def within_faults(within: str, at: Setting) -> Iterator[Fault]:
    """What is wrong with how long a version beside another one may take."""
    try:
        within_ns = duration_ns(within)
    except InvalidUsage:
        yield Fault(at, f"{within[:40]!r} is not a duration; write 50ms or 1s")
        return
    if not 1_000_000 <= within_ns <= _WITHIN_MAX_NS:
        yield Fault(at, f"must be 1ms to 10s, got {within}")


def _answer_faults(step: FallbackAnswer, at: Setting, known: Known) -> Iterator[Fault]:
    if step.when and known.whole:
        names = columns_of(known.inputs, known.context)
        try:
            compile_expression(step.when, names, (*at, "when"), kind="boolean")
        except InvalidExpression as invalid:
            yield from invalid.faults
    if known.output is not None:
        words = answer_fault(step, known.output)
        if words:
            yield Fault((*at, "answer"), words)


def answer_fault(step: FallbackAnswer, output: Output) -> str:
    """Why this is no answer of such a model, in words; nothing where it is one."""
    answer = step.answer
    match output:
        case Probability() | Label():
            return _no_class(answer, output.classes, "class")
        case NumberOutput():
            if isinstance(answer, (str, tuple)) or not math.isfinite(answer):
                return f"must be a number, as the model answers; got {_described(answer)}"
            low = output.min is not None and answer < output.min
            if low or (output.max is not None and answer > output.max):
                wanted = between("a number", output.min, output.max)
                return f"{answer:g} would not be shown: the output is {wanted}"
            return ""
        case Ranking():
            return _ranking_fault(answer, output)
        case VectorOutput():
            listed = answer if isinstance(answer, tuple) else ()
            numbers = all(not isinstance(each, str) and math.isfinite(each) for each in listed)
            if numbers and len(listed) == output.length:
                return ""
            return f"must be a list of {output.length} numbers; got {_described(answer)}"


def cold_faults(judge: Judge, known: Known) -> Iterator[Fault]:
    """What makes no sense in what becomes of values that the model never learned from."""
    for name, then in judge.cold.items():
        at: Setting = ("judge", "cold", name)
        if name not in known.input_names:
            guess = did_you_mean(name, known.input_names)
            words = f"there is no input {name[:60]!r}{guess}; there are {one_of(known.input_names)}"
            yield Fault(at, words)
            continue
        kind = known.inputs.get(name)
        if kind is not None and not isinstance(kind, (Category, Integer, Text)):
            words = (
                f"an input of type {kind.__struct_config__.tag} says neither who nor what it is "
            )
            yield Fault(at, words + "about; a category, an integer or a text does")
        if then == "fallback" and not judge.fallback:
            yield Fault(at, "there is no `judge.fallback` that could answer; write one, or decline")


def _no_class(answer: Answer, names: tuple[str, ...], noun: str) -> str:
    if not isinstance(answer, str):
        return f"must be a {noun}, in quotes where it looks like a number; got {_described(answer)}"
    if answer in names:
        return ""
    guess = did_you_mean(answer, names)
    return f"{answer[:60]!r} is not a {noun} of the output{guess}; there are {one_of(names)}"


def _ranking_fault(answer: Answer, output: Ranking) -> str:
    if not isinstance(answer, tuple):
        return f"must be a list of items, best first; got {_described(answer)}"
    for place, item in enumerate(answer):
        fault = _no_class(item, output.items, "item")
        if fault:
            return fault
        if item in answer[:place]:
            return f"{item!r} is listed twice"
    most = min(output.top, len(output.items))
    if not 1 <= len(answer) <= most:
        return f"must list 1 to {most} items, got {len(answer)}"
    return ""


def _described(answer: Answer) -> str:
    return describe(list(answer) if isinstance(answer, tuple) else answer)
