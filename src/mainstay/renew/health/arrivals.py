"""How many labels are to come in a stretch of time, given how many decisions there were, and when.

Decisions of a stretch count as spread evenly over it, and delays as spread evenly over their cell;
then both the number that is to come and how late these are on average have a closed form. Pure.
"""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from mainstay.renew.health.survival import EDGES, Curve

Floats = npt.NDArray[np.float64]
Integral = Callable[[Floats], Floats]

TOUCHED: Final = 0.05
"""What part of the labels of a decision must be missing for it to count as touched."""
_STEPS: Final = 2000


class Arrivals:
    """What a curve of delays makes of decisions."""

    def __init__(self, curve: Curve) -> None:
        self.curve = curve
        self._ends = np.concatenate([[0.0], EDGES])
        shares = np.array([0.0, *(curve.at(edge) for edge in EDGES)])
        self._shares = shares
        self._slopes = np.append(np.diff(shares) / np.diff(self._ends), 0.0)
        widths = np.diff(self._ends)
        areas = shares[:-1] * widths + self._slopes[:-1] * widths**2 / 2.0
        self._areas = np.concatenate([[0.0], np.cumsum(areas)])
        squares = _squares(shares[:-1], self._slopes[:-1], widths)
        self._squares = np.concatenate([[0.0], np.cumsum(squares)])
        whole = max(curve.whole, 1e-12)
        self.places: Floats = np.append((shares[:-1] + shares[1:]) / 2.0 / whole, 1.0)
        """Where each cell of delays stands among all, from 0 (the soonest) to 1."""

    def share(self, seconds: Floats) -> Floats:
        """The share of which something was said by then."""
        return np.interp(seconds, self._ends, self._shares, left=0.0)

    def expected(
        self, begins: Floats, widths: Floats, rows: Floats, stretch: tuple[float, float]
    ) -> tuple[float, float]:
        """How many labels are to come from then to then (seconds), and the sum of their places.
        The decisions are so many (`rows`), made from `begins` on for as long as `widths`."""
        if not len(begins):
            return 0.0, 0.0
        first, last = stretch
        corners = (last - begins, last - begins - widths, first - begins, first - begins - widths)
        count = self._between(self._area, corners) / widths
        places = self._between(self._square, corners) / widths
        return float((rows * count).sum()), float((rows * places).sum())

    @staticmethod
    def _between(integral: Integral, corners: tuple[Floats, Floats, Floats, Floats]) -> Floats:
        one, two, three, four = (integral(each) for each in corners)
        return one - two - three + four

    def _area(self, seconds: Floats) -> Floats:
        """The integral of the shares."""
        at, rest = self._at(seconds)
        return self._areas[at] + self._shares[at] * rest + self._slopes[at] * rest**2 / 2.0

    def _square(self, seconds: Floats) -> Floats:
        """The integral of the integral of places over labels: half the squared share."""
        at, rest = self._at(seconds)
        own = _squares(self._shares[at], self._slopes[at], rest)
        return (self._squares[at] + own) / (2.0 * max(self.curve.whole, 1e-12))

    def _at(self, seconds: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
        kept = np.maximum(seconds, 0.0)
        at = np.searchsorted(self._ends, kept, side="right") - 1
        return at, kept - self._ends[at]

    def touched(self, since: float, until: float | None) -> tuple[float, float | None] | None:
        """From when until when (seconds) those decisions were made of whose labels more than a
        few were to come between two moments; with no end the second goes on for ever."""
        whole = self.curve.whole
        back = self.curve.when(1.0 - TOUCHED)
        if until is None:
            return since - back, None
        made = np.linspace(since - back, until, _STEPS)
        lost = self.share(until - made) - self.share(since - made)
        found = made[lost >= TOUCHED * whole]
        if not len(found) or whole == 0.0:
            return None
        step = (until - since + back) / _STEPS
        return math.floor(found[0] - step), math.ceil(found[-1] + step)


def _squares(shares: Floats, slopes: Floats, lengths: Floats) -> Floats:
    """The integral of the squared share over a length."""
    return shares**2 * lengths + shares * slopes * lengths**2 + slopes**2 * lengths**3 / 3.0
