"""Columns that go together: which of them say nearly the same, in either data set.

Promises nothing about what causes what, and no verdict: a pair may be what the data is like.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from mainstay.watch.model import Correlated, Measured

_CORRELATED_FROM: Final = 0.95
_CORRELATED_MAX: Final = 100


def correlated(measured: list[Measured]) -> list[Correlated]:
    """Pairs of columns that say the same, in either data set, the strongest first."""
    named = [(column.name, column.samples) for column in measured if column.samples is not None]
    if len(named) < 2:
        return []
    first, second = (correlations([samples[side] for _, samples in named]) for side in (0, 1))
    strongest = np.maximum(np.abs(first), np.abs(second))
    pairs = np.argwhere(np.triu(strongest >= _CORRELATED_FROM, 1))
    order = sorted(pairs.tolist(), key=lambda pair: -float(strongest[pair[0], pair[1]]))
    return [
        Correlated(
            columns=(named[a][0], named[b][0]),
            reference=round(float(first[a, b]), 4),
            current=round(float(second[a, b]), 4),
        )
        for a, b in order[:_CORRELATED_MAX]
    ]


def correlations(columns: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Pearson's, with what is missing put at the mean; 0 where nothing varies."""
    table = np.array(columns, dtype=np.float64)
    if table.shape[1] < 2:
        return np.zeros((len(table), len(table)))
    with np.errstate(all="ignore"):
        table[~np.isfinite(table)] = np.nan
        there = ~np.isnan(table)
        count = np.maximum(1, there.sum(axis=1, keepdims=True))
        table = np.where(there, table - np.nansum(table, axis=1, keepdims=True) / count, 0.0)
        length = np.sqrt((table**2).sum(axis=1, keepdims=True))
        table = np.where((length > 0) & np.isfinite(length), table / length, 0.0)
        return np.clip(np.einsum("ik,jk->ij", table, table), -1.0, 1.0)
