"""Whether what may not be spoken about, and what is shared, makes sense with the whole contract.

Promises to name every fault at its setting, with what would be right; see `rules.py`. Also that no
words which the contract says itself name what it may not speak about.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import PATTERNS_MAX, SUBJECT_PHRASES_MAX, WORDS_MAX_CHARACTERS
from mainstay.contract.fallbacks import FallbackAnswer, FallbackWords
from mainstay.contract.holding import Rule
from mainstay.contract.judging import Judge
from mainstay.contract.model import (
    Category,
    FromRequest,
    Input,
    Label,
    Output,
    Probability,
    Ranking,
    Text,
    columns_of,
    named_by,
)
from mainstay.contract.patterns import compile_pattern
from mainstay.contract.people import Pattern, Private
from mainstay.contract.people_rules import condition_faults
from mainstay.contract.release_rules import Known
from mainstay.contract.shape import Fault
from mainstay.contract.subjects import (
    ASKED_SAID,
    OPTIONS_SAID,
    PRIVATE_SAID,
    Subjects,
    subjects_of,
    words_of,
)
from mainstay.contract.words import Setting, did_you_mean, one_of

_AT: Final[Setting] = ("judge", "private", "subjects")
_PHRASE_WORDS_MAX: Final = 8


def private_faults(judge: Judge, known: Known) -> Iterator[Fault]:
    """What makes no sense in what may not be spoken about."""
    private = judge.private
    kinds = columns_of(known.inputs, known.context)
    if private is None:
        for name, kind in kinds.items():
            if kind.subject:
                words = "has no effect without `judge.private`, which says what is not spoken of"
                yield Fault(_at_subject(name, known), words)
        return
    faults = [*_list_faults(private, kinds, known), *_kind_faults(private, kinds, judge, known)]
    yield from faults
    if not faults and known.whole:
        subjects = subjects_of(private, kinds)
        yield from _effect_faults(judge, subjects, kinds, known.output)
        yield from _said_faults(judge, known.notes, subjects)


def _at_subject(name: str, known: Known) -> Setting:
    """Where the subject of a column stands."""
    if name in known.inputs:
        return ("inputs", name, "subject")
    context, _, field = name.partition(".")
    if isinstance(known.context.get(context), FromRequest):
        return ("context", context, "value", "subject")
    return ("context", context, "fields", field, "subject")


def _list_faults(private: Private, kinds: Mapping[str, Input], known: Known) -> Iterator[Fault]:
    if not private.subjects:
        yield Fault(_AT, "names no subject; write one such as health: [diabetes, heart attack]")
    total = sum(map(len, private.subjects.values()))
    if total > SUBJECT_PHRASES_MAX:
        words = f"has {total} words and phrases; at most {SUBJECT_PHRASES_MAX} are looked for"
        yield Fault(_AT, words)
    listed = [phrase for phrases in private.subjects.values() for phrase in phrases]
    patterns = sum(isinstance(phrase, Pattern) for phrase in listed)
    if patterns > PATTERNS_MAX:
        yield Fault(_AT, f"has {patterns} patterns; at most {PATTERNS_MAX} are looked for")
    declared = {kind.subject for kind in kinds.values()}
    for subject, phrases in private.subjects.items():
        if not subject.strip():
            yield Fault((*_AT, subject), "a subject needs a name, such as health")
        elif not phrases and known.whole and subject not in declared:
            words = "needs words, such as [diabetes, heart attack], or an input with `subject: "
            yield Fault((*_AT, subject), f"{words}{subject[:60]}`")
        for place, phrase in enumerate(phrases):
            yield from _phrase_faults(phrase, (*_AT, subject, place))


def _phrase_faults(phrase: str | Pattern, at: Setting) -> Iterator[Fault]:
    if isinstance(phrase, Pattern):
        yield from _pattern_faults(phrase.pattern, (*at, "pattern"))
        return
    words = words_of(phrase)
    if not 1 <= len(words) <= _PHRASE_WORDS_MAX or len(phrase) > WORDS_MAX_CHARACTERS:
        yield Fault(at, f"must be 1 to {_PHRASE_WORDS_MAX} words, got {phrase[:40]!r}")
    elif "*" in phrase and (len(words) > 1 or phrase.count("*") > 1 or not phrase.endswith("*")):
        yield Fault(at, "may have a * only at the end of one word, such as pregnan*")


def _pattern_faults(pattern: str, at: Setting) -> Iterator[Fault]:
    try:
        found_in = compile_pattern(pattern)
    except InvalidUsage as error:
        yield Fault(at, error.message)
        return
    for said in (PRIVATE_SAID, ASKED_SAID, OPTIONS_SAID):
        if found_in(said):
            yield Fault(at, f"is found in what is said in its place, {said!r}; make it narrower")
            return


def _kind_faults(
    private: Private, kinds: Mapping[str, Input], judge: Judge, known: Known
) -> Iterator[Fault]:
    """Columns that say what they are about."""
    for name, kind in kinds.items():
        at = _at_subject(name, known)
        if not kind.subject:
            continue
        if kind.subject not in private.subjects:
            guess = did_you_mean(kind.subject, private.subjects)
            words = f"{kind.subject[:60]!r} is no subject of `judge.private`{guess}; there are "
            yield Fault(at, words + one_of(private.subjects))
        elif judge.share is None and not isinstance(kind, (Category, Text)):
            words = "has no effect: no answer names a value of type "
            words += f"{kind.__struct_config__.tag}, and without `judge.share` nothing is shared"
            yield Fault(at, words)


def _effect_faults(
    judge: Judge, subjects: Subjects, kinds: Mapping[str, Input], output: Output | None
) -> Iterator[Fault]:
    if output is None:
        return
    private = judge.private
    assert private is not None, "it is what these faults are about"
    about = [kind for kind in kinds.values() if kind.subject in private.subjects]
    shares = judge.share is not None and _may_be_private(kinds)
    if not isinstance(output, (Probability, Label, Ranking)):
        if not shares:
            kind = output.__struct_config__.tag
            words = f"answers of type {kind} name nothing, so this does nothing"
            yield Fault(("judge", "private"), words)
        return
    named = [name for name in named_by(output) if subjects.named_in(name) is not None]
    sent = any(isinstance(k, Text) or (isinstance(k, Category) and k.others) for k in about)
    if not named and not sent and not shares:
        yield Fault(_AT, "has no effect: no answer of this model names one of these")
    if len(named) == len(named_by(output)):
        yield Fault(_AT, "leaves nothing to say: every answer of this model names one of these")


def _may_be_private(kinds: Mapping[str, Input]) -> bool:
    """Whether what is sent can be about a private subject: by what a column says it is about, or
    by a text that names it."""
    return any(kind.subject or isinstance(kind, (Category, Text)) for kind in kinds.values())


def _said_faults(judge: Judge, notes: str, subjects: Subjects) -> Iterator[Fault]:
    """Words of the contract's own that name what it may not speak about."""
    for setting, text in _said(judge, notes):
        subject = subjects.named_in(text)
        if subject is not None:
            yield Fault(setting, f"names {subject}, which `judge.private` does not let it speak of")


def _said(judge: Judge, notes: str) -> Iterator[tuple[Setting, str]]:
    """All that a contract says to people in its own words, and where it stands."""
    yield ("judge", "say"), judge.say
    yield ("judge", "report", "say"), judge.report.say
    yield ("release", "notes"), notes
    if judge.hold is not None:
        yield ("judge", "hold", "say"), judge.hold.say
    for name in ("asked", "options", "fallback"):
        yield ("judge", "words", name), getattr(judge.words, name)
    for place, rule in enumerate(judge.rules):
        if isinstance(rule, Rule):
            yield ("judge", "rules", place, "otherwise"), rule.otherwise
    for place, step in enumerate(judge.fallback):
        at: Setting = ("judge", "fallback", place)
        if isinstance(step, FallbackWords):
            yield (*at, "say"), step.say
        elif isinstance(step, FallbackAnswer):
            answers = step.answer if isinstance(step.answer, tuple) else (step.answer,)
            yield from (((*at, "answer"), each) for each in answers if isinstance(each, str))


def share_faults(judge: Judge, known: Known) -> Iterator[Fault]:
    """What makes no sense in what is looked at before sharing."""
    if not known.whole:
        return
    kinds = columns_of(known.inputs, known.context)
    sensitive = [name for name, kind in kinds.items() if kind.sensitivity != "public"]
    if judge.share is not None:
        yield from condition_faults(judge.share.when, ("judge", "share", "when"), known)
        if not sensitive and not (judge.private is not None and _may_be_private(kinds)):
            words = "does nothing: no input says `sensitivity: personal` or `sensitivity: private`"
            yield Fault(("judge", "share"), words)
        return
    for name in sensitive:
        if name in known.inputs and not known.asked:
            words = "has no effect without `judge.share`, which says what is shared"
            yield Fault(("inputs", name, "sensitivity"), words)
