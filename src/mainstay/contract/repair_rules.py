"""Whether `repair` makes sense with the inputs that it names.

Promises to name every fault at its setting, with what would be right; see `rules.py`.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from mainstay.base.limits import REPAIR_STEPS_MAX, SPELLING_WORDS_MAX
from mainstay.contract.model import Category, Input, Integer, Number, Text
from mainstay.contract.release_rules import Known
from mainstay.contract.repairing import Step, Transform
from mainstay.contract.shape import Fault
from mainstay.contract.words import Setting, did_you_mean, one_of

_WORDS: Final = (Text, Category)
_NUMBERS: Final = (Number, Integer)
BARE: Final[Mapping[str, tuple[type[Input], ...]]] = {
    "trim": _WORDS,
    "case": (Category,),
    "encoding": _WORDS,
    "comma": _NUMBERS,
    "clip": _NUMBERS,
}
"""The transforms without settings, and the kinds of input that each is for."""
_EDITS_MAX: Final = 3


def repair_faults(repair: Mapping[str, tuple[Step, ...]], known: Known) -> Iterator[Fault]:
    """What makes no sense in how values are repaired."""
    for name, steps in repair.items():
        at: Setting = ("repair", name)
        if name not in known.input_names:
            guess = did_you_mean(name, known.input_names)
            words = f"there is no input {name[:60]!r}{guess}; there are {one_of(known.input_names)}"
            yield Fault(at, words)
            continue
        if not 1 <= len(steps) <= REPAIR_STEPS_MAX:
            yield Fault(at, f"must list 1 to {REPAIR_STEPS_MAX} transforms, got {len(steps)}")
        kind = known.inputs.get(name)
        for place, step in enumerate(steps):
            here: Setting = (*at, place)
            if isinstance(step, str):
                yield from _bare_faults(step, kind, here)
            else:
                yield from _settings_faults(step, kind, here)
            if step in steps[:place]:
                yield Fault(here, f"is listed already, as [{steps.index(step)}]")


def _bare_faults(step: str, kind: Input | None, at: Setting) -> Iterator[Fault]:
    kinds = BARE.get(step)
    if kinds is None:
        guess = did_you_mean(step, BARE)
        words = f"{step[:40]!r} is no transform{guess}; there are {one_of(BARE)}, and those with "
        yield Fault(at, words + "settings: {map: …}, {spelling: 1}, {when_above: …, divide_by: …}")
    elif kind is not None and not isinstance(kind, kinds):
        yield Fault(at, _not_for(step, kind, kinds))
    elif step == "clip" and isinstance(kind, _NUMBERS) and kind.min is None and kind.max is None:
        yield Fault(at, "there is nothing to clip to: the input has no `min` and no `max`")
    elif step == "case" and isinstance(kind, Category) and len(_lower(kind)) < len(kind.values):
        words = "two of its values differ only in upper and lower case, so none is meant for sure"
        yield Fault(at, words)


def _lower(kind: Category) -> set[str]:
    return {value.casefold() for value in kind.values}


def _not_for(step: str, kind: Input, kinds: tuple[type[Input], ...]) -> str:
    tag = kind.__struct_config__.tag
    fit = " or ".join(str(each.__struct_config__.tag) for each in kinds)
    return f"{step} is for inputs of type {fit}, this one is of type {tag}"


def _settings_faults(step: Transform, kind: Input | None, at: Setting) -> Iterator[Fault]:
    scales = (step.when_above, step.when_below, step.divide_by) != (None, None, None)
    given = [
        name
        for name, there in (
            ("map", bool(step.map)),
            ("spelling", step.spelling is not None),
            ("divide_by", scales),
        )
        if there
    ]
    if len(given) != 1:
        words = f"has {' and '.join(given)}; write each as a transform of its own"
        yield Fault(at, words if given else "needs `map`, `spelling`, or `divide_by`")
        return
    if step.map:
        yield from _map_faults(step.map, kind, (*at, "map"))
    elif step.spelling is not None:
        yield from _spelling_faults(step.spelling, kind, (*at, "spelling"))
    else:
        yield from _scale_faults(step, kind, at)


def _map_faults(words: Mapping[str, str], kind: Input | None, at: Setting) -> Iterator[Fault]:
    if kind is not None and not isinstance(kind, _WORDS):
        yield Fault(at, _not_for("map", kind, _WORDS))
    if not isinstance(kind, Category):
        return
    for old, new in words.items():
        if old in kind.values:
            yield Fault((*at, old), "is a known value already, which is never changed")
        elif new not in kind.values and not kind.others:
            guess = did_you_mean(new, kind.values)
            yield Fault((*at, old), f"{new[:60]!r} is not a value of the input{guess}")


def _spelling_faults(edits: int, kind: Input | None, at: Setting) -> Iterator[Fault]:
    if not 1 <= edits <= _EDITS_MAX:
        yield Fault(at, f"must be 1 to {_EDITS_MAX} edits, got {edits}")
    if kind is None:
        return
    if not isinstance(kind, Category):
        yield Fault(at, _not_for("spelling", kind, (Category,)))
    elif kind.others:
        yield Fault(at, "with `others: true` a word that is not known is no mistake")
    elif len(kind.values) > SPELLING_WORDS_MAX:
        words = f"is for at most {SPELLING_WORDS_MAX} values, this input has {len(kind.values)}"
        yield Fault(at, words)


def _scale_faults(step: Transform, kind: Input | None, at: Setting) -> Iterator[Fault]:
    if kind is not None and not isinstance(kind, _NUMBERS):
        yield Fault(at, _not_for("divide_by", kind, _NUMBERS))
    if (step.when_above is None) == (step.when_below is None):
        yield Fault(at, "needs either `when_above` or `when_below`: which numbers are meant?")
    factor = step.divide_by
    if factor is None:
        yield Fault(at, "needs `divide_by` beside it: what does one unit make of the other?")
    elif not 0 < factor < math.inf or factor == 1:
        yield Fault((*at, "divide_by"), f"must be more than 0 and not 1; got {factor:g}")
