"""Whether two columns say the same: bit for bit, within the noise of computing, or not.

The noise of a column is what another order of summation, or another library, may change: a few
units in the last place of its type, of the value itself or of a usual value of the column. Text,
whole numbers and truth values have none.
"""

from typing import Final, NamedTuple

import numpy as np

from mainstay.contract.columns import Column

UNITS: Final = 64
"""So many units in the last place are noise."""


class Apart(NamedTuple):
    """Value by value, how two columns differ."""

    differs: Column
    """Not the same bits."""
    beyond: Column
    """By more than noise."""
    by: Column
    """By how much; infinite where no number says so, or where one of them is missing."""


def apart(recorded: Column, other: Column) -> Apart:
    """Two columns of one shape, or two matrices."""
    if recorded.dtype.kind not in "fiub" or other.dtype.kind not in "fiub":
        differs = np.asarray(recorded != other, dtype=np.bool_)
        return Apart(differs, differs, np.where(differs, np.inf, 0.0))
    floats = [each.dtype for each in (recorded, other) if each.dtype.kind == "f"]
    one, two = recorded.astype(np.float64), other.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        equal = (one == two) | (np.isnan(one) & np.isnan(two))
        by = np.where(equal, 0.0, np.abs(one - two))
    by = np.where(np.isnan(by), np.inf, by)
    same = _bits(recorded) == _bits(other) if recorded.dtype == other.dtype else equal
    if not floats:
        return Apart(~same, ~same, by)
    # The coarser of the two types says how fine a value can be.
    unit = max(float(np.finfo(each).eps) for each in floats)
    size = np.abs(np.where(np.isfinite(one), one, 0.0))
    usual = float(np.median(size)) if size.size else 0.0
    return Apart(~same, by > UNITS * unit * np.maximum(size, usual), by)


def _bits(column: Column) -> Column:
    """The column's own bits, so that 0 and -0 differ and a NaN equals itself."""
    plain = np.ascontiguousarray(column)
    return plain.view(f"u{plain.dtype.itemsize}")
