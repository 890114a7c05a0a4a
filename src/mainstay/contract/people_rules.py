"""Whether the parts of `judge` that are about people make sense, alone and with the inputs.

Promises to name every fault at its setting, with what would be right; see `rules.py`.
"""

import re
from collections.abc import Iterator
from typing import Final

from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import WORDS_MAX_CHARACTERS
from mainstay.contract.expressions.compile import InvalidExpression, compile_expression
from mainstay.contract.judging import Judge
from mainstay.contract.model import (
    Boolean,
    Category,
    Integer,
    Text,
    columns_of,
)
from mainstay.contract.people import Exposure, Report, Undo
from mainstay.contract.quotas import QUOTA_EXPECTED, quota
from mainstay.contract.release_rules import Known, unit_faults
from mainstay.contract.shape import Fault
from mainstay.contract.times import duration_ns
from mainstay.contract.words import Setting

_SECOND_NS: Final = 1_000_000_000
_PERIOD_MAX_NS: Final = 366 * 86_400 * _SECOND_NS
BUDGETS: Final = ("errors", "prompts", "answers")
_BRACES: Final = re.compile(r"\{[^{}]*\}?|\}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


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


def report_faults(report: Report) -> Iterator[Fault]:
    """What makes no sense in what is said to who reports."""
    yield from words_faults(report.say, ("judge", "report", "say"))


def words_faults(text: str, at: Setting) -> Iterator[Fault]:
    """What is wrong with words for a person."""
    if not 1 <= len(text.strip()) <= WORDS_MAX_CHARACTERS:
        yield Fault(at, f"must be words for a person, 1 to {WORDS_MAX_CHARACTERS} characters")


def undo_faults(undo: Undo) -> Iterator[Fault]:
    """What makes no sense in how things are undone."""
    at: Setting = ("judge", "undo")
    try:
        within = duration_ns(undo.within)
    except InvalidUsage:
        words = f"{undo.within[:40]!r} is not a duration; write 10m, 24h or 7d"
        yield Fault((*at, "within"), words)
    else:
        if not _SECOND_NS <= within <= _PERIOD_MAX_NS:
            yield Fault((*at, "within"), f"must be 1s to 366d, got {undo.within}")
    for name, variable in (("webhook_env", undo.webhook_env), ("secret_env", undo.secret_env)):
        if variable and not _VARIABLE.fullmatch(variable):
            words = f"{variable[:60]!r} names no environment variable; write one such as UNDO_URL"
            if "://" in variable:
                words += "; the URL itself belongs into that variable, not into a file"
            yield Fault((*at, name), words)
    if undo.webhook_env and not undo.secret_env:
        words = "needs `secret_env` beside it: whoever is told must be able to know that it is true"
        yield Fault((*at, "webhook_env"), words)
    if undo.secret_env and not undo.webhook_env:
        yield Fault((*at, "secret_env"), "has no effect without `webhook_env`: nothing is sent")


_PLACES: Final = {"asked": "{answer}", "options": "{options}", "fallback": "{answer}"}


def template_faults(judge: Judge) -> Iterator[Fault]:
    """What makes no sense in a contract's own words."""
    for name, place in _PLACES.items():
        text: str = getattr(judge.words, name)
        at: Setting = ("judge", "words", name)
        if not text:
            continue
        yield from words_faults(text, at)
        for found in _BRACES.findall(text):
            if found != place:
                words = f"{found[:40]!r} stands for nothing here; write {place}, or no braces"
                yield Fault(at, words)
    if judge.words.fallback and not judge.fallback:
        yield Fault(("judge", "words", "fallback"), "has no effect without `fallback`")
