"""Whether the parts of `judge` that are about people make sense, alone and with the inputs.

Promises to name every fault at its setting, with what would be right; see `rules.py`.
"""

from collections.abc import Iterator
from typing import Final

from mainstay.base.errors import InvalidUsage
from mainstay.contract.expressions.compile import InvalidExpression, compile_expression
from mainstay.contract.model import Boolean, Category, Integer, Text, columns_of
from mainstay.contract.people import Exposure
from mainstay.contract.quotas import QUOTA_EXPECTED, quota
from mainstay.contract.release_rules import Known, unit_faults
from mainstay.contract.shape import Fault
from mainstay.contract.words import Setting

_SECOND_NS: Final = 1_000_000_000
_PERIOD_MAX_NS: Final = 366 * 86_400 * _SECOND_NS
BUDGETS: Final = ("errors", "prompts", "answers")


def exposure_faults(exposure: Exposure, known: Known) -> Iterator[Fault]:
    """What makes no sense in how much one person has to bear."""
    at: Setting = ("judge", "exposure")
    if exposure.unit:
        kinds = (Category, Boolean, Integer, Text)
        yield from unit_faults(exposure.unit, (*at, "unit"), known, kinds)
    given = [(name, text) for name in BUDGETS if (text := getattr(exposure, name))]
    if not given:
        yield Fault(at, f"limits nothing; write {', '.join(BUDGETS[:-1])} or {BUDGETS[-1]}")
    for name, text in given:
        yield from _quota_faults(text, (*at, name))
    if exposure.unless:
        yield from condition_faults(exposure.unless, (*at, "unless"), known)


def condition_faults(text: str, at: Setting, known: Known) -> Iterator[Fault]:
    """What is wrong with a condition over inputs and context."""
    if not known.whole:
        return
    try:
        compile_expression(text, columns_of(known.inputs, known.context), at, kind="boolean")
    except InvalidExpression as error:
        yield from error.faults


def _quota_faults(text: str, at: Setting) -> Iterator[Fault]:
    try:
        found = quota(text)
    except InvalidUsage:
        yield Fault(at, f"{text[:40]!r} is not a quota; write {QUOTA_EXPECTED}")
        return
    if not found.most:
        yield Fault(at, "must be at least 1, or nobody is ever told anything")
    if not _SECOND_NS <= found.period_ns <= _PERIOD_MAX_NS:
        yield Fault(at, f"must be per 1s to 366d, got {text}")
