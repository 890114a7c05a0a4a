"""Distances between two histograms on the same cells: figures people know, without a verdict.

Promises a finite number for any counts with at least one row in each; empty cells count as half
a row where a logarithm needs it. A distance alone grows with the number of cells and shrinks with
the number of rows, so `compare` shows them and never decides by them.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]


def population_stability(first: Counts, second: Counts) -> float:
    """PSI: the symmetric Kullback-Leibler distance, in nats."""
    a, b = np.maximum(first, 0.5), np.maximum(second, 0.5)
    used = (first + second) > 0
    a, b = a[used] / a[used].sum(), b[used] / b[used].sum()
    return float(((b - a) * np.log(b / a)).sum())


def jensen_shannon(first: Counts, second: Counts) -> float:
    """The Jensen–Shannon distance: a metric, from 0 to 1 (the root of the divergence in bits)."""
    a, b = first / first.sum(), second / second.sum()
    middle = (a + b) / 2.0
    bits = (_information(a, middle) + _information(b, middle)) / 2.0
    return math.sqrt(min(1.0, max(0.0, bits)))


def _information(share: npt.NDArray[np.float64], of: npt.NDArray[np.float64]) -> float:
    used = share > 0
    return float((share[used] * np.log2(share[used] / of[used])).sum())


def largest_difference(first: Counts, second: Counts) -> float:
    """L-infinity: how much the share of any one cell differs at most."""
    return float(np.abs(first / first.sum() - second / second.sum()).max())


def wasserstein_values(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
    """How far the values have to move on average, from two sorted arrays."""
    if len(first) == len(second):
        return float(np.abs(first - second).mean())
    every = np.sort(np.concatenate([first, second]))
    below = np.searchsorted(first, every[:-1], side="right") / len(first)
    other = np.searchsorted(second, every[:-1], side="right") / len(second)
    return float((np.abs(below - other) * np.diff(every)).sum())


def wasserstein_counts(
    first: Counts, second: Counts, bounds: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """The same from counts, the values of a cell spread evenly between its bounds; and by how
    much that can be off: each cell's width times the most that either sample has in it."""
    a, b = first / first.sum(), second / second.sum()
    before = np.concatenate([[0.0], np.cumsum(a - b)[:-1]])
    after = np.cumsum(a - b)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        widths = np.diff(bounds)
        # The area under a straight line that may cross zero within the cell.
        crossed = (before**2 + after**2) / (2.0 * np.abs(after - before))
        area = np.where(before * after < 0, crossed, (np.abs(before) + np.abs(after)) / 2.0)
        return float((area * widths).sum()), float((np.maximum(a, b) * widths).sum())
