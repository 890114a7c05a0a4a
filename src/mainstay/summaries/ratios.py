"""Numbers held against numbers: how many times its answer a label is, in cells.

What changed its unit is a multiple of what it was, and what changed its sign is on the other side
of nought. So the cells are those of the logarithm, one side of nought apart from the other: about
5 % wide near the answer, a quarter further away, and there is one more of labels that are nought.
Beside the cell stands the stratum of the answer, its version and its half power of ten: only labels
of like answers are held against each other. Of answers that are nought nothing is known. Pure.
"""

import math
from typing import Final

FINE: Final = 0.02
"""The width of a cell near the answer, in powers of ten."""
_COARSE: Final = 0.1
_FINE_CELLS: Final = 15
_LAST: Final = 45
_HALVES: Final = 24
"""Answers beyond 10 ** 12 count as that."""
NOUGHT: Final = "0"


def ratio_of(label: float, answer: float) -> str | None:
    """The cell of a label: its side, and where it lies between small (negative) and large."""
    if answer == 0.0 or not (math.isfinite(label) and math.isfinite(answer)):
        return None
    if label == 0.0:
        return NOUGHT
    times = math.log10(abs(label)) - math.log10(abs(answer))
    far = abs(times) / FINE
    if far > _FINE_CELLS:
        far = _FINE_CELLS + min((abs(times) - _FINE_CELLS * FINE) / _COARSE, _LAST)
    side = "+" if (label > 0.0) == (answer > 0.0) else "-"
    return f"{side}{round(math.copysign(far, times))}"


def stratum_of(version: int, answer: float) -> str:
    """With what other answers one is alike."""
    half = min(max(math.floor(2.0 * math.log10(abs(answer))), -_HALVES), _HALVES)
    return f"v{version}{'+' if answer > 0.0 else '-'}{half}"


def place_of(cell: str) -> float:
    """Where a cell stands among all, the lowest first."""
    if cell == NOUGHT:
        return 0.0
    reach = _FINE_CELLS + _LAST + 1
    return math.copysign(int(cell[1:]) + reach, 1.0 if cell[0] == "+" else -1.0)


def size_of(cell: str) -> float:
    """Where a cell stands among all, whatever its side is."""
    return abs(place_of(cell))


def times_of(place: float) -> float:
    """How many times its answer a label in the middle of such a cell is, with its sign."""
    if place == 0.0:
        return 0.0
    far = abs(place) - (_FINE_CELLS + _LAST + 1)
    power = far * FINE
    if abs(far) > _FINE_CELLS:
        beyond = (abs(far) - _FINE_CELLS) * _COARSE + _FINE_CELLS * FINE
        power = math.copysign(beyond, far)
    return math.copysign(10.0**power, place)
