"""How long until something is said of a decision: the share of which it was by then.

Kaplan and Meier's estimate. What has not been said yet of a young decision says nothing of what
will be: such a decision counts for as long as it has been waiting. The share need not reach one,
because of many decisions nothing is ever said. Pure.
"""

from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.summaries.labels import DELAYS

Floats = npt.NDArray[np.float64]

EDGES: Final[Floats] = np.array(DELAYS.edges)
"""Seconds: the upper bounds of the cells that delays are counted in."""


class Curve(msgspec.Struct, frozen=True, array_like=True):
    """The share of decisions of which something was said, by how long ago they were made."""

    delays: tuple[float, ...] = ()
    """Seconds, rising."""
    shares: tuple[float, ...] = ()
    """Never falling; between two delays it is what it was at the earlier one."""

    @property
    def whole(self) -> float:
        """Of how many something is ever said, as far as anybody has waited."""
        return self.shares[-1] if self.shares else 0.0

    def at(self, seconds: float) -> float:
        """The share by then."""
        place = int(np.searchsorted(np.array(self.delays), seconds, side="right"))
        return self.shares[place - 1] if place else 0.0

    def when(self, part: float) -> float:
        """After how long a part of all that is ever said has been."""
        wanted = part * self.whole - 1e-12
        return next((d for d, s in zip(self.delays, self.shares, strict=True) if s >= wanted), 0.0)


def survival(waited: Floats, said: npt.NDArray[np.bool_], weights: Floats | None = None) -> Curve:
    """`waited` is how long it took where something was said, and how long nobody has said
    anything so far where nothing was."""
    counts = np.ones(len(waited)) if weights is None else weights
    delays, places = np.unique(waited, return_inverse=True)
    size = len(delays)
    leaving = np.bincount(places, counts, size)
    happened = np.bincount(places[said], counts[said], size)
    at_risk = leaving[::-1].cumsum()[::-1]
    share = np.zeros(size)
    np.divide(happened, at_risk, out=share, where=at_risk > 0)
    told = happened > 0
    shares = 1.0 - np.cumprod(1.0 - share)
    return Curve(tuple(delays[told].tolist()), tuple(shares[told].tolist()))


def survival_of_cells(ages: Floats, rows: Floats, cells: Floats) -> Curve:
    """The same from counts: of decisions that are so old, so many, and of them in each cell of
    delays so many labels. A cell counts only for those who have waited to its end."""
    whole = np.searchsorted(EDGES, ages, side="right")
    waited: list[Floats] = []
    weights: list[Floats] = []
    said: list[npt.NDArray[np.bool_]] = []
    for cell in range(len(EDGES)):
        counted = float(cells[whole > cell, cell].sum())
        waited.append(EDGES[cell : cell + 1])
        weights.append(np.array([counted]))
        said.append(np.array([True]))
    heard = np.array([cells[row, :end].sum() for row, end in enumerate(whole.tolist())])
    silent = np.maximum(rows - heard, 0.0)
    old = whole > 0
    waited.append(EDGES[np.maximum(whole - 1, 0)][old])
    weights.append(silent[old])
    said.append(np.zeros(int(old.sum()), dtype=bool))
    counts: Any = np.concatenate(weights)
    kept = counts > 0
    return survival(np.concatenate(waited)[kept], np.concatenate(said)[kept], counts[kept])
