"""Whether `renew` makes sense.

Promises to name every fault at its setting, with what would be right; see `rules.py`.
"""

import re
import shlex
from collections.abc import Iterator
from math import inf
from typing import Final

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.contract.hearing import Labels
from mainstay.contract.history_rules import history_faults
from mainstay.contract.release_rules import Known
from mainstay.contract.renewing import Renew, RenewWhen
from mainstay.contract.shape import Fault
from mainstay.contract.shares import SHARE_EXPECTED, share
from mainstay.contract.times import duration_ns
from mainstay.contract.words import did_you_mean, one_of

_FUNCTION: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_SECOND_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND_NS
STARTS: Final = ("scratch", "before")
LOGGED: Final = "logged"
FEATURES: Final = ("made", LOGGED)
_COMMAND_MAX: Final = 1000
DRIFTS: Final = ("inputs", "answers", "labels")
"""What may have changed so that a model should be trained anew."""
_SIZES: Final = {"memory_gb": (1.0, 4096.0), "disk_gb": (0.001, 4096.0)}


def renew_faults(renew: Renew, labels: Labels | None, known: Known) -> Iterator[Fault]:
    """What makes no sense in how a model is trained anew."""
    if not renew.train:
        for name in sorted(msgspec.structs.asdict(renew)):
            if getattr(renew, name) != getattr(Renew(), name):
                words = "has no effect without `renew.train`: the function, such as fraud:train"
                yield Fault(("renew", name), words)
        return
    if len(renew.train) > 200 or not _FUNCTION.fullmatch(renew.train):
        words = f"{renew.train[:60]!r} is not a function; write module:function, as fraud:train"
        yield Fault(("renew", "train"), words)
    for name, least, most in (
        ("over", _DAY_NS // 24, 36_500 * _DAY_NS),
        ("time", _SECOND_NS, 30 * _DAY_NS),
    ):
        yield from _duration_faults(name, getattr(renew, name), least, most)
    try:
        newest = share(renew.newest)
    except InvalidUsage:
        words = f"{renew.newest[:40]!r} is not a share; write {SHARE_EXPECTED}"
        yield Fault(("renew", "newest"), words)
    else:
        if not 0.01 <= newest <= 0.5:
            yield Fault(("renew", "newest"), f"must be 1 % to 50 %, got {renew.newest}")
    yield from _choice_faults(renew, labels)
    yield from _command_faults(renew.through)
    if renew.history is not None:
        yield from history_faults(renew.history, labels, known)
    if renew.when is not None:
        yield from _when_faults(renew.when)
    for name, (least, most) in _SIZES.items():
        size: float = getattr(renew, name)
        if not least <= size <= most:
            yield Fault(("renew", name), f"must be {least:g} to {most:g} gigabytes, got {size:g}")


def _choice_faults(renew: Renew, labels: Labels | None) -> Iterator[Fault]:
    for name, known in (("start", STARTS), ("features", FEATURES)):
        value: str = getattr(renew, name)
        if value not in known:
            guess = did_you_mean(value, known)
            yield Fault(("renew", name), f"{value[:40]!r} is none{guess}; {one_of(known)}")
    if renew.features == LOGGED and renew.history is not None:
        words = "`logged` are features of the journal; a history has none (`renew.history`)"
        yield Fault(("renew", "features"), words)
    if renew.features == LOGGED and labels is not None and labels.learn_from != "all":
        words = "`logged` leaves nothing to learn from: where the model had no say (labels."
        yield Fault(("renew", "features"), f"{words}learn_from: held_out), it made no features")


def _command_faults(command: str) -> Iterator[Fault]:
    place = ("renew", "through")
    if len(command) > _COMMAND_MAX or not command.isprintable():
        yield Fault(place, f"must be one line of at most {_COMMAND_MAX} characters")
        return
    try:
        shlex.split(command)
    except ValueError as error:
        yield Fault(place, f"is no command: {error}".lower())


def _when_faults(when: RenewWhen) -> Iterator[Fault]:
    place = ("renew", "when")
    if when == RenewWhen():
        expected = "fresher_than: 30d, labels: 5000, drift: [labels] or costs: {…}"
        yield Fault(place, f"says nothing; write one of {expected}")
    if when.fresher_than:
        yield from _duration_faults(
            "when", when.fresher_than, _DAY_NS // 24, 36_500 * _DAY_NS, "fresher_than"
        )
    if when.labels is not None and when.labels < 1:
        yield Fault((*place, "labels"), f"must be at least 1, got {when.labels}")
    for each in when.drift:
        if each not in DRIFTS:
            words = f"{each[:40]!r} is not watched{did_you_mean(each, DRIFTS)}; {one_of(DRIFTS)}"
            yield Fault((*place, "drift"), words)
    if when.costs is not None:
        if not 0 < when.costs.of_error < inf:
            words = f"must be more than 0, got {when.costs.of_error:g}"
            yield Fault((*place, "costs", "of_error"), words)
        if not 0 <= when.costs.of_training < inf:
            words = f"must be 0 or more, got {when.costs.of_training:g}"
            yield Fault((*place, "costs", "of_training"), words)


def _duration_faults(name: str, text: str, least: int, most: int, *within: str) -> Iterator[Fault]:
    place = ("renew", name, *within)
    try:
        length = duration_ns(text)
    except InvalidUsage:
        yield Fault(place, f"{text[:40]!r} is not a duration; write 20m, 12h or 90d")
        return
    if not least <= length <= most:
        words = f"must be {_shown(least)} to {_shown(most)}, got {text}"
        yield Fault(place, words)


def _shown(length_ns: int) -> str:
    for size, unit in ((_DAY_NS, "d"), (_DAY_NS // 24, "h")):
        if length_ns >= size:
            return f"{length_ns // size}{unit}"
    return f"{length_ns // _SECOND_NS}s"
