"""Whether `labels.ask` makes sense, alone and with inputs and output.

Promises to name every fault at its setting, with what would be right; see `rules.py`.
"""

from collections.abc import Iterator
from typing import Final

from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import WORDS_MAX_CHARACTERS
from mainstay.contract.asking import OTHERS, Ask
from mainstay.contract.model import Boolean, Category, Integer, Label, Probability, VectorOutput
from mainstay.contract.quotas import quota
from mainstay.contract.release_rules import Known, unit_faults
from mainstay.contract.shape import Fault
from mainstay.contract.shares import SHARE_EXPECTED, share
from mainstay.contract.times import duration_ns
from mainstay.contract.words import Setting, did_you_mean, one_of

_SECOND_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND_NS
_MOST: Final = 10_000
_OVERLAP_MAX: Final = 10
_ENOUGH_MAX: Final = 100_000_000
_AT: Final[Setting] = ("labels", "ask")
_SHARES: Final = {"sure": (0.5, 0.999), "gold": (0.0, 0.5), "bar": (0.0, 1.0)}
"""Each with the least and the most it may be."""


def asking_faults(ask: Ask, known: Known) -> Iterator[Fault]:
    """What makes no sense in what people are asked."""
    if isinstance(known.output, VectorOutput):
        words = "nobody can say which vector is right; only a class, an item or a number"
        yield Fault(_AT, words)
    yield from _most_faults(ask.most)
    yield from _strata_faults(ask, known)
    for place, name in enumerate(ask.show):
        here: Setting = (*_AT, "show", place)
        if name not in known.input_names:
            guess = did_you_mean(name, known.input_names)
            words = f"there is no input {name[:60]!r}{guess}; inputs are "
            yield Fault(here, words + one_of(known.input_names))
        elif name in ask.show[:place]:
            yield Fault(here, f"{name[:60]!r} is listed already, as [{ask.show.index(name)}]")
    for name, (least, most) in _SHARES.items():
        yield from _share_faults(getattr(ask, name), (*_AT, name), least, most)
    try:
        lease = duration_ns(ask.lease)
    except InvalidUsage:
        words = f"{ask.lease[:40]!r} is not a duration; write 15m or 2h"
        yield Fault((*_AT, "lease"), words)
    else:
        if not _SECOND_NS <= lease <= 7 * _DAY_NS:
            yield Fault((*_AT, "lease"), f"must be 1s to 7d, got {ask.lease}")
    for name, highest in (("overlap", _OVERLAP_MAX), ("enough", _ENOUGH_MAX)):
        if not 1 <= getattr(ask, name) <= highest:
            words = f"must be 1 to {highest:,}, got {getattr(ask, name)}"
            yield Fault((*_AT, name), words)
    if len(ask.question) > WORDS_MAX_CHARACTERS or not ask.question.isprintable():
        words = f"must be words on one line, at most {WORDS_MAX_CHARACTERS} characters"
        yield Fault((*_AT, "question"), words)
    classes = known.output is None or isinstance(known.output, Probability | Label)
    if ask.ordered and not classes:
        words = "only classes stand in order; leave it out"
        yield Fault((*_AT, "ordered"), words)


def _most_faults(text: str) -> Iterator[Fault]:
    at: Setting = (*_AT, "most")
    expected = f"1 to {_MOST:,} in 1s to 30d, such as 100 per 1d"
    try:
        asked = quota(text)
    except InvalidUsage:
        words = f"{text[:40]!r} is not how many in which time; write {expected}"
        yield Fault(at, words)
        return
    if not 1 <= asked.most <= _MOST or not _SECOND_NS <= asked.period_ns <= 30 * _DAY_NS:
        yield Fault(at, f"must be {expected}; got {text}")


def _strata_faults(ask: Ask, known: Known) -> Iterator[Fault]:
    if not ask.by:
        if ask.rates:
            yield Fault((*_AT, "rates"), "needs `by`: the input whose values these are")
        return
    at: Setting = (*_AT, "by")
    yield from unit_faults(ask.by, at, known, (Category, Boolean, Integer))
    kind = known.inputs.get(ask.by)
    for value, text in ask.rates.items():
        here: Setting = (*_AT, "rates", value)
        yield from _share_faults(text, here, 1e-6, 1.0)
        if isinstance(kind, Category) and not kind.others and value not in (*kind.values, OTHERS):
            guess = did_you_mean(value, kind.values)
            words = f"{value[:60]!r} is no value of {ask.by}{guess}; values are "
            yield Fault(here, words + one_of((*kind.values, OTHERS)))


def _share_faults(text: str, at: Setting, least: float, most: float) -> Iterator[Fault]:
    try:
        part = share(text)
    except InvalidUsage:
        yield Fault(at, f"{text[:40]!r} is not a share; write {SHARE_EXPECTED}")
        return
    if not least <= part <= most:
        lowest = "more than 0 %" if 0 < least < 1e-3 else f"{100 * least:g} %"
        yield Fault(at, f"must be {lowest} to {100 * most:g} %, got {text}")
