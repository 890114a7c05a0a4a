"""Whether the parts of `judge` that are about people make sense, alone and with the inputs.

Promises to name every fault at its setting, with what would be right; see `rules.py`.
"""

import re
from collections.abc import Iterator
from typing import Final

from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import SUBJECT_PHRASES_MAX, WORDS_MAX_CHARACTERS
from mainstay.contract.expressions.compile import InvalidExpression, compile_expression
from mainstay.contract.judging import Judge
from mainstay.contract.model import (
    Boolean,
    Category,
    Integer,
    Label,
    Probability,
    Ranking,
    Text,
    columns_of,
)
from mainstay.contract.people import Exposure, Private, Report, Share, Undo
from mainstay.contract.quotas import QUOTA_EXPECTED, quota
from mainstay.contract.release_rules import Known, unit_faults
from mainstay.contract.shape import Fault
from mainstay.contract.subjects import Subjects, words_of
from mainstay.contract.times import duration_ns
from mainstay.contract.words import Setting

_SECOND_NS: Final = 1_000_000_000
_PERIOD_MAX_NS: Final = 366 * 86_400 * _SECOND_NS
BUDGETS: Final = ("errors", "prompts", "answers")
_PHRASE_WORDS_MAX: Final = 8
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


def private_faults(private: Private, known: Known) -> Iterator[Fault]:
    """What makes no sense in what may not be spoken about."""
    at: Setting = ("judge", "private", "subjects")
    if not private.subjects:
        yield Fault(at, "names no subject; write one such as health: [diabetes, heart attack]")
    total = sum(map(len, private.subjects.values()))
    if total > SUBJECT_PHRASES_MAX:
        words = f"has {total} words and phrases; at most {SUBJECT_PHRASES_MAX} are looked for"
        yield Fault(at, words)
    for subject, phrases in private.subjects.items():
        if not phrases:
            yield Fault((*at, subject), "needs words, such as [diabetes, heart attack]")
        for place, phrase in enumerate(phrases):
            yield from _phrase_faults(phrase, (*at, subject, place))
    if known.output is None:
        return
    if not isinstance(known.output, (Probability, Label, Ranking)):
        kind = known.output.__struct_config__.tag
        words = f"answers of type {kind} name nothing, so this does nothing"
        yield Fault(("judge", "private"), words)
        return
    names = known.output.items if isinstance(known.output, Ranking) else known.output.classes
    subjects = Subjects(private.subjects)
    if private.subjects and not any(subjects.named_in(name) for name in names):
        yield Fault(at, "has no effect: no answer of this model names one of these")


def _phrase_faults(phrase: str, at: Setting) -> Iterator[Fault]:
    words = words_of(phrase)
    if not 1 <= len(words) <= _PHRASE_WORDS_MAX or len(phrase) > WORDS_MAX_CHARACTERS:
        yield Fault(at, f"must be 1 to {_PHRASE_WORDS_MAX} words, got {phrase[:40]!r}")
    elif "*" in phrase and (len(words) > 1 or phrase.count("*") > 1 or not phrase.endswith("*")):
        yield Fault(at, "may have a * only at the end of one word, such as pregnan*")


def share_faults(share: Share | None, known: Known) -> Iterator[Fault]:
    """What makes no sense in what is looked at before sharing."""
    if not known.whole:
        return
    kinds = columns_of(known.inputs, known.context)
    sensitive = [name for name, kind in kinds.items() if kind.sensitivity != "public"]
    if share is not None:
        yield from condition_faults(share.when, ("judge", "share", "when"), known)
        if not sensitive:
            words = "does nothing: no input says `sensitivity: personal` or `sensitivity: private`"
            yield Fault(("judge", "share"), words)
        return
    for name in sensitive:
        if name in known.inputs:
            words = "has no effect without `judge.share`, which says what is shared"
            yield Fault(("inputs", name, "sensitivity"), words)
