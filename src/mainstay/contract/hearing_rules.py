"""Whether what is said of labels makes sense: alone, and with the output.

Promises to name every fault at its setting, with what would be right; see `rules.py`.
"""

import math
from collections.abc import Iterator
from typing import Final

from mainstay.base.errors import InvalidUsage
from mainstay.contract.hearing import Labels
from mainstay.contract.model import NumberOutput, Ranking, VectorOutput
from mainstay.contract.release_rules import Known
from mainstay.contract.shape import Fault
from mainstay.contract.shares import share
from mainstay.contract.times import duration_ns
from mainstay.contract.words import Setting, did_you_mean, one_of

_MINUTE_NS: Final = 60_000_000_000
_LONGEST_NS: Final = 3650 * 24 * 60 * _MINUTE_NS


def hearing_faults(labels: Labels, known: Known) -> Iterator[Fault]:
    """What makes no sense in how labels are understood."""
    if labels.window:
        yield from _window_faults(labels.window)
    if labels.silence_means is not None:
        at: Setting = ("labels", "silence_means")
        if not labels.window:
            words = "needs `labels.window`: how long nobody must have said anything, such as 30d"
            yield Fault(at, words)
        yield from _silence_faults(labels.silence_means, known, at)
    for caller, trust in labels.trust.items():
        if not (math.isfinite(trust) and 0.0 <= trust <= 1.0):
            yield Fault(("labels", "trust", caller), f"must be 0 to 1, got {trust}")
    if labels.learn_from == "held_out" and not _held_out(labels):
        words = "`held_out` needs `labels.hold_out`: the part that is answered without the model"
        yield Fault(("labels", "learn_from"), words)


def _held_out(labels: Labels) -> bool:
    try:
        return bool(share(labels.hold_out))
    except InvalidUsage:
        return True  # told at that setting


def _window_faults(text: str) -> Iterator[Fault]:
    at: Setting = ("labels", "window")
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
