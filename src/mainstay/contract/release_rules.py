"""Whether `assets`, `gate`, `release` and `labels` make sense, alone and with inputs and output.

Promises to name every fault at its setting, with what would be right. Works on the parts that could
be read, as `rules.py` does: a part that could not be read is not held against the others.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import STEPS_MAX, WORDS_MAX_CHARACTERS
from mainstay.contract.model import (
    Assets,
    Boolean,
    Category,
    Context,
    Gate,
    Input,
    Integer,
    Label,
    Labels,
    NumberOutput,
    Output,
    Probability,
    Release,
    Text,
)
from mainstay.contract.shape import Fault
from mainstay.contract.shares import SHARE_EXPECTED, share
from mainstay.contract.times import duration_ns
from mainstay.contract.words import Setting, did_you_mean, one_of

_DAY_SECONDS: Final = 86_400


class MetricRange(NamedTuple):
    """What a metric can measure, and how far it can reach."""

    outputs: tuple[type, ...]
    highest: float


METRIC_RANGES: Final[Mapping[str, MetricRange]] = {
    "accuracy": MetricRange((Probability, Label), 1.0),
    "roc_auc": MetricRange((Probability,), 1.0),
    "log_loss": MetricRange((Probability,), math.inf),
    "rmse": MetricRange((NumberOutput,), math.inf),
    "mae": MetricRange((NumberOutput,), math.inf),
}
"""Every metric that a contract can name; none can be less than 0."""


class Known(NamedTuple):
    """What the settings of these parts refer to."""

    inputs: Mapping[str, Input]
    input_names: tuple[str, ...]
    """All inputs, those that could not be read included."""
    output: Output | None
    model: str | None = None
    context: Mapping[str, Context] = {}
    whole: bool = True
    """Whether all inputs and context could be read."""
    asked: bool = False
    """Whether people who label are shown the inputs that are public."""
    notes: str = ""
    """What people are told that changed."""


def assets_faults(assets: Assets, known: Known) -> Iterator[Fault]:
    """What makes no sense in what a version must show."""
    yield from _period_faults(assets.every, ("assets", "every"), 1, 7 * _DAY_SECONDS)
    if assets.metric is not None and known.output is not None:
        fitting = [n for n, m in METRIC_RANGES.items() if isinstance(known.output, m.outputs)]
        if assets.metric not in fitting:
            kind = known.output.__struct_config__.tag
            fit = f"{one_of(fitting)} would do" if fitting else "no metric is known for it"
            words = f"{assets.metric} cannot be measured on an output of type {kind}; {fit}"
            yield Fault(("assets", "metric"), words)
    if assets.acceptable:
        yield from _range_faults(assets)


def _range_faults(assets: Assets) -> Iterator[Fault]:
    at: Setting = ("assets", "acceptable")
    if assets.metric is None:
        yield Fault(at, "needs `metric` beside it: the range of what?")
        return
    highest = METRIC_RANGES[assets.metric].highest
    if len(assets.acceptable) != 2:
        words = f"must be two numbers, lowest and highest, such as [0.8, 1]; got {_listed(assets)}"
        yield Fault(at, words)
        return
    low, high = assets.acceptable
    if not 0 <= low <= highest or not 0 <= high <= highest or math.isinf(high):
        between = "at least 0" if math.isinf(highest) else f"0 to {highest:g}"
        yield Fault(at, f"{assets.metric} is always {between} and finite; got {_listed(assets)}")
    elif low > high:
        words = f"the lowest comes first: [{high:g}, {low:g}]; got {_listed(assets)}"
        yield Fault(at, words)


def _listed(assets: Assets) -> str:
    return "[" + ", ".join(f"{number:g}" for number in assets.acceptable) + "]"


def gate_faults(gate: Gate, known: Known) -> Iterator[Fault]:
    """What makes no sense in what a candidate is held to."""
    at: Setting = ("gate",)
    if not 0 <= gate.worse_by < math.inf:
        yield Fault((*at, "worse_by"), f"must be a number, at least 0; got {gate.worse_by:g}")
    if not 0 <= gate.parity_within <= 1:
        words = f"is a difference of shares, from 0 to 1; got {gate.parity_within:g}"
        yield Fault((*at, "parity_within"), words)
    for name, factor in (("slower_by", gate.slower_by), ("larger_by", gate.larger_by)):
        if not 0 < factor < math.inf:
            words = f"is a factor, more than 0, such as 1.5; got {factor:g}"
            yield Fault((*at, name), words)
    for part, names in (("slices", gate.slices), ("parity", gate.parity)):
        for place, name in enumerate(names):
            here = (*at, part, place)
            yield from unit_faults(name, here, known, (Category, Boolean, Integer))
            if name in names[:place]:
                yield Fault(here, f"{name[:60]!r} is listed already, as [{names.index(name)}]")
    yield from _cost_faults(gate.cost, known)
    yield from _unmeasurable_faults(gate, known)


def _unmeasurable_faults(gate: Gate, known: Known) -> Iterator[Fault]:
    """What could never be measured on this output would be unsure of every candidate."""
    output = known.output
    if output is None:
        return
    kind = output.__struct_config__.tag
    if gate.parity and not isinstance(output, (Probability, Label)):
        words = f"only answers that are classes are right or wrong; those of type {kind} are not"
        yield Fault(("gate", "parity"), words)
    if gate.slices and not any(isinstance(output, m.outputs) for m in METRIC_RANGES.values()):
        words = f"no metric is known for answers of type {kind}, so no slice can be compared"
        yield Fault(("gate", "slices"), words)


def unit_faults(
    name: str, at: Setting, known: Known, kinds: tuple[type[Input], ...]
) -> Iterator[Fault]:
    """What is wrong with an input that is to name groups or people."""
    if name not in known.input_names:
        guess = did_you_mean(name, known.input_names)
        words = f"there is no input {name[:60]!r}{guess}; inputs are {one_of(known.input_names)}"
        yield Fault(at, words)
        return
    kind = known.inputs.get(name)
    if kind is not None and not isinstance(kind, kinds):
        nouns = [str(each.__struct_config__.tag) for each in kinds]
        words = (
            f"{name!r} is of type {kind.__struct_config__.tag}, whose values are no groups; name "
            f"an input of type {', '.join(nouns[:-1])} or {nouns[-1]}"
        )
        yield Fault(at, words)


def _cost_faults(cost: Mapping[str, Mapping[str, float]], known: Known) -> Iterator[Fault]:
    if not cost or known.output is None:
        return
    if not isinstance(known.output, (Probability, Label)):
        kind = known.output.__struct_config__.tag
        words = f"answers of type {kind} have no classes, so nothing can be counted by class"
        yield Fault(("gate", "cost"), words)
        return
    classes = known.output.classes
    for truth, answers in cost.items():
        here: Setting = ("gate", "cost", truth)
        if truth not in classes:
            yield Fault(here, _no_class(truth, classes))
        for answer, figure in answers.items():
            if answer not in classes:
                yield Fault((*here, answer), _no_class(answer, classes))
            elif answer == truth:
                yield Fault((*here, answer), "this answer is right and costs nothing; leave it out")
            elif not 0 <= figure < math.inf:
                yield Fault((*here, answer), f"must be a number, at least 0; got {figure:g}")


def _no_class(name: str, classes: tuple[str, ...]) -> str:
    guess = did_you_mean(name, classes)
    return f"{name[:60]!r} is not a class of the output{guess}; classes are {one_of(classes)}"


def release_faults(release: Release, known: Known) -> Iterator[Fault]:
    """What makes no sense in how a version comes to answer."""
    at: Setting = ("release",)
    yield from _steps_faults(release.steps)
    yield from _period_faults(release.bake, (*at, "bake"), 0.001, 90 * _DAY_SECONDS)
    if release.unit:
        # Ids of people are often plain text; only what could never name one is refused.
        kinds = (Category, Boolean, Integer, Text)
        yield from unit_faults(release.unit, (*at, "unit"), known, kinds)
    if not 0 < release.worse_by <= 1:
        words = f"is a difference of shares, more than 0 and at most 1; got {release.worse_by:g}"
        yield Fault((*at, "worse_by"), words)
    rate = _share(release.false_alarms)
    if rate is None:
        words = f"{release.false_alarms[:40]!r} is not a share; write {SHARE_EXPECTED}"
        yield Fault((*at, "false_alarms"), words)
    elif not 0 < rate <= 0.5:
        words = f"must be more than 0 % and at most 50 %; got {release.false_alarms}"
        yield Fault((*at, "false_alarms"), words)
    yield from _period_faults(release.decide_by, (*at, "decide_by"), 1, 365 * _DAY_SECONDS)
    until = release.opt_back_until
    yield from _period_faults(until, (*at, "opt_back_until"), 1, 365 * _DAY_SECONDS)
    if len(release.notes) > WORDS_MAX_CHARACTERS or not _sayable(release.notes):
        words = f"must be words for people, at most {WORDS_MAX_CHARACTERS} characters"
        yield Fault((*at, "notes"), words)
    shadow = _share(release.shadow)
    if shadow is None:
        words = f"{release.shadow[:40]!r} is not a share; write {SHARE_EXPECTED}"
        yield Fault((*at, "shadow"), words)
    elif not shadow and release.strategy == "shadow":
        yield Fault((*at, "shadow"), "a shadow of 0 % sees nothing; write 100 %, or less to spare")
    floor = _share(release.floor)
    if floor is None:
        words = f"{release.floor[:40]!r} is not a share; write {SHARE_EXPECTED}"
        yield Fault((*at, "floor"), words)
    elif not 0.001 <= floor <= 0.25:
        words = f"must be 0.1 % to 25 %, or nothing is left to share out; got {release.floor}"
        yield Fault((*at, "floor"), words)


def _steps_faults(steps: tuple[str, ...]) -> Iterator[Fault]:
    at: Setting = ("release", "steps")
    if not 1 <= len(steps) <= STEPS_MAX:
        yield Fault(at, f"must be 1 to {STEPS_MAX} shares, got {len(steps)}")
        return
    before = 0.0
    for place, text in enumerate(steps):
        found = _share(text)
        if found is None:
            words = f"{text[:40]!r} is not a share; write {SHARE_EXPECTED}"
            yield Fault((*at, place), words)
            return
        if found <= before:
            than = f"the one before, {steps[place - 1]}" if place else "0 %"
            yield Fault((*at, place), f"each step must be more than {than}; got {text}")
            return
        before = found
    if before != 1:
        words = f"must end at 100 %, or the old version never leaves; got {steps[-1]}"
        yield Fault((*at, len(steps) - 1), words)


def labels_faults(labels: Labels, release: Release | None) -> Iterator[Fault]:
    """What makes no sense in how labels come about."""
    at: Setting = ("labels", "hold_out")
    part = _share(labels.hold_out)
    if part is None:
        yield Fault(at, f"{labels.hold_out[:40]!r} is not a share; write {SHARE_EXPECTED}")
    elif part > 0.5:
        words = f"must be at most 50 %, or the model answers the few; got {labels.hold_out}"
        yield Fault(at, words)
    elif part and release is not None and not release.unit:
        words = "needs `release.unit`: the input that names who is held out"
        yield Fault(at, words)


def _sayable(text: str) -> bool:
    return all(each.isprintable() or each in "\n\t" for each in text)


def _share(text: str) -> float | None:
    try:
        return share(text)
    except InvalidUsage:
        return None


def _period_faults(text: str, at: Setting, least: float, most: int) -> Iterator[Fault]:
    try:
        period = duration_ns(text)
    except InvalidUsage:
        yield Fault(at, f"{text[:40]!r} is not a duration; write 10s, 10m, 1h or 7d")
        return
    if not least * 1e9 <= period <= most * 1_000_000_000:
        lowest = "1s" if least >= 1 else "1ms"
        yield Fault(at, f"must be {lowest} to {most // _DAY_SECONDS}d, got {text}")
