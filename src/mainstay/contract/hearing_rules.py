"""Whether what is said of labels makes sense: alone, and with the output.

Promises to name every fault at its setting, with what would be right; see `rules.py`.
"""

import math
from collections.abc import Iterator
from typing import Final

from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import PLACES_MAX
from mainstay.contract.hearing import Labels
from mainstay.contract.model import (
    Category,
    Integer,
    NumberOutput,
    Ranking,
    Text,
    VectorOutput,
    columns_of,
)
from mainstay.contract.release_rules import Known
from mainstay.contract.shape import Fault
from mainstay.contract.shares import share
from mainstay.contract.times import duration_ns
from mainstay.contract.words import Setting, did_you_mean, one_of

_MINUTE_NS: Final = 60_000_000_000
_LONGEST_NS: Final = 3650 * 24 * 60 * _MINUTE_NS
KEY_KINDS: Final = (Category, Text, Integer)
"""What a decision can be known by."""


def hearing_faults(labels: Labels, known: Known) -> Iterator[Fault]:
    """What makes no sense in how labels are understood."""
    if labels.window:
        yield from _length_faults("window", labels.window)
    if labels.key or labels.within:
        yield from _key_faults(labels, known)
    if labels.silence_means is not None:
        at: Setting = ("labels", "silence_means")
        if not labels.window:
            words = "needs `labels.window`: how long nobody must have said anything, such as 30d"
            yield Fault(at, words)
        yield from _silence_faults(labels.silence_means, known, at)
    for caller, trust in labels.trust.items():
        if not (math.isfinite(trust) and 0.0 <= trust <= 1.0):
            yield Fault(("labels", "trust", caller), f"must be 0 to 1, got {trust}")
    if labels.places:
        yield from _place_faults(labels.places, known)
    if labels.learn_from == "held_out" and not _held_out(labels):
        words = "`held_out` needs `labels.hold_out`: the part that is answered without the model"
        yield Fault(("labels", "learn_from"), words)


def _held_out(labels: Labels) -> bool:
    try:
        return bool(share(labels.hold_out))
    except InvalidUsage:
        return True  # told at that setting


def _place_faults(places: int, known: Known) -> Iterator[Fault]:
    """Where answers are shown."""
    at: Setting = ("labels", "places")
    if not 2 <= places <= PLACES_MAX:
        yield Fault(at, f"must be 2 to {PLACES_MAX}, got {places}; with one place nothing differs")
    if isinstance(known.output, VectorOutput):
        yield Fault(at, "a model that answers vectors has no labels")
    if isinstance(known.output, Ranking):
        yield Fault(at, "the places of a ranking's items are known from its answers; leave it out")


def _key_faults(labels: Labels, known: Known) -> Iterator[Fault]:
    """By what others know a decision."""
    if not labels.key:
        yield Fault(
            ("labels", "within"), "needs `labels.key`: the value that decisions are known by"
        )
        return
    at: Setting = ("labels", "key")
    if not labels.within:
        words = "needs `labels.within`: how old a decision is at most that is meant, such as 7d"
        yield Fault(at, words)
    else:
        yield from _length_faults("within", labels.within)
    if isinstance(known.output, VectorOutput):
        yield Fault(at, "a model that answers vectors has no labels")
    columns = columns_of(known.inputs, known.context)
    kind = columns.get(labels.key)
    if kind is not None and not isinstance(kind, KEY_KINDS):
        yield Fault(at, f"{labels.key!r} is no key: only text, a category or a whole number is one")
    elif kind is None and known.whole:
        names = tuple(columns)
        words = f"{labels.key[:60]!r} is no input or context value{did_you_mean(labels.key, names)}"
        yield Fault(at, f"{words}; {one_of(names)}")


def _length_faults(setting: str, text: str) -> Iterator[Fault]:
    at: Setting = ("labels", setting)
    try:
        window = duration_ns(text)
    except InvalidUsage:
        yield Fault(at, f"{text[:40]!r} is not a duration; write 30m, 12h or 30d")
        return
    if not _MINUTE_NS <= window <= _LONGEST_NS:
        yield Fault(at, f"must be 1m to 3650d, got {text}")


def _silence_faults(means: str | float, known: Known, at: Setting) -> Iterator[Fault]:
    output = known.output
    match output:
        case None:
            return
        case VectorOutput():
            yield Fault(at, "a model that answers vectors has no labels")
        case NumberOutput():
            if isinstance(means, str) or not math.isfinite(means):
                yield Fault(at, f"must be a finite number, as the labels are; got {means!r}")
        case _:
            names = output.items if isinstance(output, Ranking) else output.classes
            what = "an item" if isinstance(output, Ranking) else "a class"
            if means not in names:
                guess = did_you_mean(means, names) if isinstance(means, str) else ""
                words = f"{means!r} is not {what} of the model{guess}; {one_of(names)}"
                yield Fault(at, words)
