"""Has a series just stepped up? A robust change-point test over the last few values.

For each of a few widths, the median of so many newest values is held against the medians of all
stretches of that width before them: their median, and how far they lie around it. So how much
neighbours resemble each other need not be known: stretches of the past are as alike. The chance of
being so far away is that of Student's distribution, with as many degrees of freedom as there were
stretches that do not overlap; over all widths, it is multiplied by their number.

That knows how high values go, not for how long: bursts of a few hours, and hours that are wild only
now and then, are far from all others too. So a step must have lasted as well: given how often
values were half as high before, and for how long, as long as now must be as improbable. What was
never so high is told after seven values at the rate that monitors ask for; where bursts of the same
height are usual, once it has lasted longer than chance would make one of them.

Limits: what comes so rarely that the past holds few of it, and lasts for half a day, is a step.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mainstay.watch.special import student_both_tails

Floats = npt.NDArray[np.float64]

WIDTHS: Final = (3, 6, 12, 24)
"""How many values may be new."""
_STRETCHES_LEAST: Final = 16
"""How many stretches that do not overlap there must be to hold one against."""
_NORMAL_MAD: Final = 1.4826
_HIGH: Final = 0.99
_NORMAL_HIGH: Final = 2.3263
"""Where so much of a normal distribution lies below: what is often high for a while is wide."""
_EFFICIENCY: Final = 0.37
"""Of the median distance beside the standard deviation, as an estimate of spread."""
_SPREAD_LEAST: Final = 0.005
"""Figures that hardly differ are not known better than that."""
_LASTING: Final = 3
"""Over how many values it is said whether it is high at a moment: a single one is no matter."""
_FIRST_LASTS: Final = 1.5
"""What is known of how long something lasts that was never there: as if it had been there once, for
so many values."""
LOOK_BACK: Final = 48
"""What is so new is held against what is older alone: a step must not be what is usual."""


class Step(NamedTuple):
    """The strongest sign of a step."""

    chance: float
    """How probably something like it is seen without one; 1 where there is too little to say."""
    size: float
    """How much higher the new values are."""
    width: int
    """How many of them there are."""


NO_STEP: Final = Step(1.0, 0.0, 0)


def stepped_up(values: Sequence[float]) -> Step:
    """What the newest values of a series say; the oldest come first."""
    array = np.asarray(values, dtype=np.float64)
    found, usual = NO_STEP, 0.0
    recent = min(LOOK_BACK, len(array) // 3)
    for width in WIDTHS:
        before = array[: -max(recent, width)]
        stretches = len(before) / width
        if stretches < _STRETCHES_LEAST:
            break
        medians = moving_medians(before, width)
        middle = float(np.median(medians))
        spread = max(
            _NORMAL_MAD * float(np.median(np.abs(medians - middle))),
            (float(np.quantile(medians, _HIGH)) - middle) / _NORMAL_HIGH,
            _SPREAD_LEAST,
        )
        size = float(np.median(array[-width:])) - middle
        freedom = max(1.0, _EFFICIENCY * stretches)
        if size <= 0.0:
            continue
        chance = student_both_tails(size / spread, freedom) / 2.0
        if chance * len(WIDTHS) < found.chance:
            found, usual = Step(chance * len(WIDTHS), size, width), middle
    if not found.width:
        return found
    return found._replace(chance=max(found.chance, lasting(array, usual + found.size / 2.0)))


def lasting(values: Floats, bound: float) -> float:
    """How probably values begin to lie above a bound at a moment, and do so for as long as they
    have now: for how long is geometric, with the mean of all that were there before."""
    high = moving_medians(values, _LASTING) > bound
    edges = np.flatnonzero(np.diff(high, prepend=False, append=False))
    lengths = edges[1::2] - edges[::2]
    if not high[-1]:
        return 1.0
    now, before = int(lengths[-1]), lengths[:-1]
    often = len(before) + 1
    stays = 1.0 - often / (float(before.sum()) + _FIRST_LASTS)
    return min(1.0, often / len(values) * stays ** (now - 1))


def moving_medians(values: Floats, width: int) -> Floats:
    """Of every stretch of so many values in a row."""
    return np.median(np.lib.stride_tricks.sliding_window_view(values, width), axis=1)


def begun(values: Sequence[float]) -> int:
    """How many of the newest values belong to the step: the split of the newest ones that leaves
    the least distance to the medians of its two sides."""
    array = np.asarray(values[-LOOK_BACK:], dtype=np.float64)
    best, after = float("inf"), 0
    for split in range(1, len(array)):
        cost = _distance(array[:split]) + _distance(array[split:])
        if cost < best:
            best, after = cost, len(array) - split
    return after


def _distance(values: Floats) -> float:
    return float(np.abs(values - np.median(values)).sum())
