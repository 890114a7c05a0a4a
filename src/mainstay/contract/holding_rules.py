"""Whether `judge.rules` and `judge.hold` make sense: alone, and with what they refer to.

Promises to name every fault at its setting, with what would be right; see `rules.py`.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import HOLD_LEAST_MAX, RULES_MAX, WORDS_MAX_CHARACTERS
from mainstay.contract.expressions.build import Sort
from mainstay.contract.expressions.compile import Expression, InvalidExpression, compile_expression
from mainstay.contract.expressions.names import names_of, names_of_rule
from mainstay.contract.holding import Hold, Rule
from mainstay.contract.model import Kind, Number, NumberOutput, Vector
from mainstay.contract.release_rules import Known
from mainstay.contract.shape import Fault
from mainstay.contract.times import duration_ns
from mainstay.contract.words import Setting, did_you_mean, one_of

MEAN: Final = "mean"
SD: Final = "sd"
_SECOND_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND_NS


def names_of_bar(names: Mapping[str, Kind]) -> dict[str, Kind]:
    """What `above` and `below` may use beside the names of a rule."""
    return {**names, MEAN: Number(optional=True), SD: Number(min=0, optional=True)}


def rules_faults(rules: tuple[str | Rule, ...], known: Known) -> Iterator[Fault]:
    """What makes no sense in the rules that answers must satisfy."""
    if len(rules) > RULES_MAX:
        yield Fault(
            ("judge", "rules"), f"has {len(rules)} rules; at most {RULES_MAX} are looked at"
        )
    first: dict[str, int] = {}
    for place, rule in enumerate(rules):
        at: Setting = ("judge", "rules", place)
        text = rule if isinstance(rule, str) else rule.must
        if isinstance(rule, Rule):
            at = (*at, "must")
            if len(rule.otherwise) > WORDS_MAX_CHARACTERS:
                words = f"has {len(rule.otherwise)} characters; at most {WORDS_MAX_CHARACTERS}"
                yield Fault((*at[:-1], "otherwise"), words)
        if text in first:
            yield Fault(at, f"is the same as [{first[text]}]")
        first.setdefault(text, place)
        if known.whole and known.output is not None:
            names = names_of_rule(known.inputs, known.context, known.output)
            yield from expression_faults(text, names, at, "boolean")


def expression_faults(
    text: str, names: Mapping[str, Kind], at: Setting, kind: Sort
) -> Iterator[Fault]:
    """What is wrong with an expression; also one that looks at nothing."""
    try:
        found = compile_expression(text, names, at, kind=kind)
    except InvalidExpression as invalid:
        yield from invalid.faults
        return
    if not found.names:
        yield Fault(at, "looks at nothing, so it is always the same")


def hold_faults(hold: Hold, known: Known) -> Iterator[Fault]:
    """What makes no sense in what is held."""
    at: Setting = ("judge", "hold")
    if hold.above is None and hold.below is None:
        yield Fault(at, "holds nothing; write above or below, such as `above: mean + 3 sd`")
    yield from _what_faults(hold, known, at)
    yield from _bars_faults(hold, known, at)
    yield from _by_faults(hold, known, at)
    if not 2 <= hold.least <= HOLD_LEAST_MAX:
        yield Fault((*at, "least"), f"must be 2 to {HOLD_LEAST_MAX}, got {hold.least}")
    yield from _duration_faults(
        hold.over, (*at, "over"), 60 * _SECOND_NS, 366 * _DAY_NS, "1m to 366d"
    )
    yield from _duration_faults(hold.wait, (*at, "wait"), _SECOND_NS, 90 * _DAY_NS, "1s to 90d")
    if not 1 <= len(hold.say.strip()) <= WORDS_MAX_CHARACTERS:
        words = f"must be words for a person, 1 to {WORDS_MAX_CHARACTERS} characters"
        yield Fault((*at, "say"), words)


def _what_faults(hold: Hold, known: Known, at: Setting) -> Iterator[Fault]:
    output = known.output
    if hold.what:
        if known.whole and output is not None:
            names = names_of_rule(known.inputs, known.context, output)
            yield from expression_faults(hold.what, names, (*at, "what"), "number")
    elif output is not None and not isinstance(output, NumberOutput):
        kind = output.__struct_config__.tag
        yield Fault(at, f"needs `what`: an output of type {kind} is not one number")


def _bars_faults(hold: Hold, known: Known, at: Setting) -> Iterator[Fault]:
    bars: dict[str, Expression | float] = {}
    for name, bar in (("above", hold.above), ("below", hold.below)):
        if isinstance(bar, str):
            if not known.whole or known.output is None:
                return
            names = names_of_bar(names_of_rule(known.inputs, known.context, known.output))
            try:
                bars[name] = compile_expression(bar, names, (*at, name), kind="number")
            except InvalidExpression as invalid:
                yield from invalid.faults
                return
        elif bar is not None:
            bars[name] = bar
            if not math.isfinite(bar):
                yield Fault((*at, name), f"must be a finite number, got {bar}")
    above, below = bars.get("above"), bars.get("below")
    if isinstance(above, float | int) and isinstance(below, float | int) and below >= above:
        yield Fault(
            (*at, "below"), f"is {below:g}, not less than above, {above:g}; all would be held"
        )
    moving = any(isinstance(bar, Expression) and bar.names & {MEAN, SD} for bar in bars.values())
    if not moving and bars:
        default = Hold()
        for name in ("by", "over", "least"):
            if getattr(hold, name) != getattr(default, name):
                yield Fault((*at, name), "does nothing: neither above nor below uses mean or sd")


def _by_faults(hold: Hold, known: Known, at: Setting) -> Iterator[Fault]:
    if not hold.by or not known.whole:
        return
    names = names_of(known.inputs, known.context)
    kind = names.get(hold.by)
    if kind is None:
        guess = did_you_mean(hold.by, names)
        yield Fault((*at, "by"), f"there is no {hold.by[:60]!r}{guess}; there are {one_of(names)}")
    elif isinstance(kind, Vector):
        yield Fault((*at, "by"), f"{hold.by!r} is a vector, which forms no groups")


def _duration_faults(
    text: str, at: Setting, least_ns: int, most_ns: int, wanted: str
) -> Iterator[Fault]:
    try:
        duration = duration_ns(text)
    except InvalidUsage:
        yield Fault(at, f"{text[:40]!r} is not a duration; write 12h or 30d")
        return
    if not least_ns <= duration <= most_ns:
        yield Fault(at, f"must be {wanted}, got {text}")
