"""How strongly a model's answers shape what the next version would learn from (S14 N12).

The units that are held out are drawn at random and never meet the model, so what is heard of them
is what happens by itself; what is heard differently where it had its say is its doing. Each label
is compared by itself (of numbers the mean), with an interval that holds for all of them together.
Pure.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.bundle.metrics import wilson
from mainstay.contract.finding import Finding

CHECK: Final = "labels.loop"
LEAST: Final = 0.01
"""A difference of shares that is smaller matters to nobody."""
SMALL: Final = 0.05
"""Where no share can differ by more, there is no loop to speak of."""
HELD_OUT_LEAST: Final = 50
_ASKED_MAX: Final = 20
_ERROR: Final = 0.05
MEAN: Final = "mean"


class Fed(msgspec.Struct, frozen=True):
    """Labels, and which of them are of units that are held out."""

    labels: Sequence[Any]
    held: Any
    answers: Sequence[str] = ()
    """What a label can be; numbers where there are none."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One label."""

    label: str
    shaped: float
    """Its share where the model had its say; or the mean of numbers."""
    held_out: float
    """Its share where it had none."""
    difference: float
    interval: tuple[float, float]


class Loop(msgspec.Struct, frozen=True, kw_only=True):
    """How strong the loop is."""

    model: str
    shaped: int
    held_out: int
    """How many decisions with a label there are of each."""
    differences: tuple[Difference, ...]
    finding: Finding


def loop_of(model: str, fed: Fed) -> Loop:
    """What is heard with the model, against what is heard without it."""
    held = np.asarray(fed.held, dtype=bool)
    counts = int((~held).sum()), int(held.sum())
    differences: tuple[Difference, ...] = ()
    if min(counts) > 0:
        differences = _of_labels(fed, held) if fed.answers else (_of_numbers(fed, held),)
    return Loop(
        model=model,
        shaped=counts[0],
        held_out=counts[1],
        differences=differences,
        finding=_finding(counts, differences, numbers=not fed.answers),
    )


def _of_labels(fed: Fed, held: Any) -> tuple[Difference, ...]:
    labels = np.array(fed.labels, dtype=object)
    asked = list(fed.answers)[:_ASKED_MAX]
    z = _normal_quantile(1.0 - _ERROR / 2.0 / len(asked))
    found = [_share(name, labels, held, z) for name in asked]
    return tuple(sorted(found, key=lambda each: -abs(each.difference)))


def _share(name: str, labels: Any, held: Any, z: float) -> Difference:
    """Newcombe's interval for a difference of two shares, from Wilson's for each."""
    rows = int((~held).sum()), int(held.sum())
    one, other = float((labels[~held] == name).mean()), float((labels[held] == name).mean())
    (low_1, high_1), (low_2, high_2) = wilson(one, rows[0], z), wilson(other, rows[1], z)
    apart = one - other
    low = apart - math.hypot(one - low_1, high_2 - other)
    high = apart + math.hypot(high_1 - one, other - low_2)
    return Difference(
        label=name, shaped=one, held_out=other, difference=apart, interval=(low, high)
    )


def _of_numbers(fed: Fed, held: Any) -> Difference:
    labels = np.array(fed.labels, dtype=np.float64)
    one, other = labels[~held], labels[held]
    error = math.sqrt(sum(part.var(ddof=1) / len(part) for part in (one, other) if len(part) > 1))
    apart, wide = float(one.mean() - other.mean()), _normal_quantile(1.0 - _ERROR / 2.0) * error
    return Difference(
        label=MEAN,
        shaped=float(one.mean()),
        held_out=float(other.mean()),
        difference=apart,
        interval=(apart - wide, apart + wide),
    )


def _normal_quantile(part: float) -> float:
    low, high = 0.0, 10.0
    for _ in range(80):
        middle = (low + high) / 2.0
        if 0.5 * math.erfc(-middle / math.sqrt(2.0)) < part:
            low = middle
        else:
            high = middle
    return high


def _finding(
    counts: tuple[int, int], differences: Sequence[Difference], *, numbers: bool
) -> Finding:
    if counts[1] < HELD_OUT_LEAST or not differences:
        words = (
            f"{counts[1]:,} labelled decisions are held out, too few to know what the model's"
            f" answers do to what is heard; at least {HELD_OUT_LEAST}"
        )
        return Finding(check=CHECK, verdict="unsure", words=words, samples=counts[1])
    worst = max(differences, key=_beyond)
    low, high = worst.interval
    shown = "{:+.3g}" if numbers else "{:+.1%}"
    told = f"{worst.label}: {shown.format(worst.difference)}"
    told += f" ({shown.format(low)} to {shown.format(high)}) where the model has its say"
    if _beyond(worst) > (0.0 if numbers else LEAST):
        verdict, said = "fail", f"answers shape what is heard of them. {told}; learn from held_out"
    elif not numbers and max(max(map(abs, each.interval)) for each in differences) <= SMALL:
        verdict, said = "pass", f"no difference that matters. {told}"
    else:
        verdict, said = "unsure", f"nobody can tell yet. {told}"
    return Finding(
        check=CHECK,
        verdict=verdict,
        words=said,
        figure=worst.shaped,
        compared=worst.held_out,
        interval=worst.interval,
        samples=sum(counts),
    )


def _beyond(each: Difference) -> float:
    """How far from no difference the interval lies."""
    low, high = each.interval
    return max(low, -high, 0.0)
