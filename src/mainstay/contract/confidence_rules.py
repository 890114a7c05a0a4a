"""Whether `judge.confidence` and `judge.cost` make sense with each other and the output.

Promises to name every fault at its setting, with what would be right; see `rules.py`.
"""

import math
import re
from collections.abc import Iterator
from typing import Final

from mainstay.base.limits import OPTIONS_SHOWN_MAX
from mainstay.contract.expressions.compile import InvalidExpression, compile_expression
from mainstay.contract.judging import Confidence, Cost
from mainstay.contract.model import Output, Probability, columns_of
from mainstay.contract.release_rules import Known
from mainstay.contract.shape import Fault
from mainstay.contract.words import Setting, did_you_mean, one_of

_OPTIONS: Final = re.compile(r"options ([0-9]{1,3})")
_OTHERWISE: Final = ("decline", "ask")


def options_of(otherwise: str) -> int | None:
    """How many options `otherwise: options N` asks for; nothing for other words."""
    found = _OPTIONS.fullmatch(otherwise)
    return int(found[1]) if found else None


def confidence_faults(confidence: Confidence, known: Known) -> Iterator[Fault]:
    """What makes no sense in how sure the model must be."""
    at: Setting = ("judge", "confidence")
    yield from _without_confidence(known.output, at)
    if not 0 <= confidence.at_least <= 1:
        words = f"is a confidence, from 0 to 1; got {confidence.at_least:g}"
        yield Fault((*at, "at_least"), words)
    yield from _otherwise_faults(confidence, known.output, (*at, "otherwise"))
    if confidence.at_least == 0 and confidence.otherwise != "decline":
        words = "does nothing without `at_least`: no answer is below 0"
        yield Fault((*at, "otherwise"), words)
    if confidence.at_least == 0 and confidence.calibrate == "no":
        yield Fault(at, "does nothing: write `at_least`, or leave `calibrate` to `auto`")


def _otherwise_faults(
    confidence: Confidence, output: Output | None, at: Setting
) -> Iterator[Fault]:
    said = confidence.otherwise
    options = options_of(said)
    if options is None:
        if said not in _OTHERWISE:
            guess = did_you_mean(said, (*_OTHERWISE, "options 3"))
            yield Fault(at, f"must be decline, ask, or options and how many, such as options 3; "
                        f"got {said[:40]!r}{guess}")  # fmt: skip
        return
    most = OPTIONS_SHOWN_MAX
    if isinstance(output, Probability):
        most = min(most, len(output.classes))
    if not 2 <= options <= most:
        yield Fault(
            at, f"must be 2 to {most} options, for there are no more to show; got {options}"
        )


def _without_confidence(output: Output | None, at: Setting) -> Iterator[Fault]:
    if output is not None and not isinstance(output, Probability):
        kind = output.__struct_config__.tag
        words = (
            f"an output of type {kind} says nothing of how sure the model is; only one of type "
            "probability does"
        )
        yield Fault(at, words)


def cost_faults(cost: Cost, known: Known) -> Iterator[Fault]:
    """What makes no sense in what wrong answers cost."""
    at: Setting = ("judge", "cost")
    yield from _without_confidence(known.output, at)
    yield from _amount_faults(cost.of_error, known, (*at, "of_error"))
    yield from _bars_faults(cost.ask_above, cost.decline_above, at)
    classes = known.output.classes if isinstance(known.output, Probability) else None
    for name, action in cost.actions.items():
        here: Setting = (*at, "actions", name)
        if classes is not None and name not in classes:
            guess = did_you_mean(name, classes)
            words = f"{name[:60]!r} is not a class of the output{guess}; classes are "
            yield Fault(here, words + one_of(classes))
        own = (action.of_error, action.ask_above, action.decline_above)
        if own == (None, None, None):
            yield Fault(here, "says nothing; write of_error, ask_above or decline_above")
        if action.of_error is not None:
            yield from _amount_faults(action.of_error, known, (*here, "of_error"))
        ask = cost.ask_above if action.ask_above is None else action.ask_above
        decline = cost.decline_above if action.decline_above is None else action.decline_above
        if action.ask_above is not None or action.decline_above is not None:
            yield from _bars_faults(ask, decline, here)


def _amount_faults(amount: float | str, known: Known, at: Setting) -> Iterator[Fault]:
    if not isinstance(amount, str):
        if not 0 <= amount < math.inf:
            yield Fault(at, f"must be a number, at least 0; got {amount:g}")
    elif known.whole:
        try:
            compile_expression(amount, columns_of(known.inputs, known.context), at, kind="number")
        except InvalidExpression as invalid:
            yield from invalid.faults


def _bars_faults(ask: float | None, decline: float | None, at: Setting) -> Iterator[Fault]:
    sound = True
    for name, bar in (("ask_above", ask), ("decline_above", decline)):
        if bar is not None and not 0 <= bar < math.inf:
            sound = False
            yield Fault((*at, name), f"must be a number, at least 0; got {bar:g}")
    if sound and ask is not None and decline is not None and ask >= decline:
        words = (
            f"is {ask:g}, which is not less than decline_above, {decline:g}; nobody would ever "
            "be asked"
        )
        yield Fault((*at, "ask_above"), words)
