"""Does a metric jump up and down more than chance explains, whatever its level?

The labels that come are taken together to groups; two groups that follow each other are held
against each other, and no group is used twice. Given how many there are and how many of them were
right, chance alone makes Pearson's χ² of the two groups (n / (n − 1)) on average, exactly, at any
level; so a level that moves slowly, or once, is no jumping. χ² is cut off and put on the scale from
0 to 1, and the detector asks whether its mean lies above what twice that variance would give.

Limits: labels count as independent; those of different kinds of cases that come in turns do jump.
"""

from typing import Final

import numpy as np

from mainstay.watch.monitors.detector import Floats, Question, State

GROUP_ROWS: Final = 30
"""How many labels a group has at least."""
_CUT: Final = 12.0
_CELLS: Final = 48
VARIANCE: Final = 2.0
"""How many times as much as by chance it may vary."""
_BOUND: Final = VARIANCE * (2.0 * GROUP_ROWS / (2.0 * GROUP_ROWS - 1.0)) / _CUT
STEADY: Final = Question(
    tuple((np.arange(_CELLS + 1) / _CELLS).tolist()), _BOUND / 2.0, _BOUND / 2.0
)
"""Between nothing and the bound nothing is found; lower than nothing it cannot be."""

_EMPTY: Final = (0.0, 0, 0.0, 0.0)


def grouped(pending: State, rows: float, right: float) -> tuple[State, tuple[Floats, ...]]:
    """With the labels of a stretch: the group that grows and the one before it that waits for it,
    and what the detector is told where both are there."""
    growing, waiting = pending.runs
    growing = (0.0, 0, growing[2] + rows, growing[3] + right)
    if growing[2] < GROUP_ROWS:
        return State(runs=(growing, waiting)), ()
    if not waiting[2]:
        return State(runs=(_EMPTY, growing)), ()
    counts = np.zeros(_CELLS + 1)
    # Rounded down, so that what is expected of it is no more than it was.
    counts[int(min(apart(waiting[2:], growing[2:]), _CUT) / _CUT * _CELLS)] = 1.0
    return State(runs=(_EMPTY, _EMPTY)), (counts,)


def apart(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Pearson's χ² of two groups of rows, so many of which were right."""
    rows = one[0] + other[0]
    right = one[1] + other[1]
    if right <= 0.0 or right >= rows:
        return 0.0
    share = right / rows
    gap = one[1] / one[0] - other[1] / other[0]
    return gap * gap / (share * (1.0 - share) * (1.0 / one[0] + 1.0 / other[0]))
