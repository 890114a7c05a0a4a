"""Have the vectors of a column changed? The kernel two-sample test (maximum mean discrepancy).

Promises a p-value that may be as small as it has to be, in time linear in the rows: a Gaussian
kernel as wide as the median distance, by random Fourier features. What one half of the rows says
the two samples differ in (the witness function of the discrepancy) is tried on the other half, so
that no permutations are needed, and the effect is on the scale of all others. Needs no more than
that the vectors have the same number of dimensions; what is not finite is for others to tell.
"""

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mainstay.watch.apart import Apart, told_apart

Matrix = npt.NDArray[np.float64]

FEATURES: Final = 512
"""Frequencies. The kernel is off by about one part in twenty of its largest value, the test by
nothing: it holds for these features as for any."""
_SEED: Final = 6
_WIDTH_ROWS: Final = 500


class Discrepancy(NamedTuple):
    """What the kernel test found."""

    squared: float
    """The unbiased estimate of the squared maximum mean discrepancy; may be below zero."""
    apart: Apart


def discrepancy(first: Matrix, second: Matrix) -> Discrepancy | None:
    """Compare the rows of two finite matrices; nothing where no two rows differ."""
    if min(len(first), len(second)) < 2:
        return None
    # The width goes with the scale, so nothing is lost, and no square leaves the range of a float.
    scale = max(float(np.abs(first).max()), float(np.abs(second).max())) or 1.0
    first, second = first / scale, second / scale
    width = kernel_width(first, second)
    if width == 0.0:
        return None
    draw = np.random.default_rng(_SEED).normal(size=(first.shape[1], FEATURES)) / width
    before, after = features_of(first, draw), features_of(second, draw)
    return Discrepancy(squared_of(before, after), told_apart(before, after, _witness))


def kernel_width(first: Matrix, second: Matrix) -> float:
    """The median distance between rows of both samples together; where most rows are the same,
    the mean one."""
    rows = np.concatenate([_thinned(first), _thinned(second)])
    squares = (rows**2).sum(axis=1)
    apart = squares[:, np.newaxis] + squares - 2.0 * (rows @ rows.T)
    distances = np.sqrt(np.maximum(0.0, apart[np.triu_indices(len(rows), 1)]))
    if not len(distances):
        return 0.0
    return float(np.median(distances)) or float(distances.mean())


def _thinned(rows: Matrix) -> Matrix:
    return rows[:: max(1, len(rows) // _WIDTH_ROWS)]


def features_of(rows: Matrix, draw: Matrix) -> Matrix:
    """Rows whose products are about the kernel of the vectors; each has length 1."""
    turned = rows @ draw
    return np.concatenate([np.cos(turned), np.sin(turned)], axis=1) / math.sqrt(draw.shape[1])


def squared_of(before: Matrix, after: Matrix) -> float:
    """The unbiased estimate, from the features of two samples (Gretton and others, 2012)."""
    n, m = len(before), len(after)
    first, second = before.sum(axis=0), after.sum(axis=0)
    # The product of each row with itself is 1, and is no pair.
    return float(
        (first @ first - n) / (n * (n - 1)) + (second @ second - m) / (m * (m - 1))
        - 2.0 * (first @ second) / (n * m)
    )  # fmt: skip


def _witness(before: Matrix, after: Matrix) -> Callable[[Matrix], Matrix]:
    towards = after.mean(axis=0) - before.mean(axis=0)
    return lambda rows: rows @ towards
