"""Where the true share lies, given how often something was so: for any number of rows.

Promises bounds that hold at the stated certainty exactly, by Chernoff's inequality, also for a
handful of rows and shares near 0 and 1, where normal ones are wrong.
"""

import math
from typing import Final

_HALVINGS: Final = 60


def share_bounds(share: float, rows: float, sure: float) -> tuple[float, float]:
    """The lowest and highest true shares that this many rows do not rule out; either is passed
    with a probability of at most exp(−sure)."""
    if rows <= 0:
        return 0.0, 1.0
    return _edge(share, 0.0, rows, sure), _edge(share, 1.0, rows, sure)


def _edge(share: float, end: float, rows: float, sure: float) -> float:
    inside, outside = share, end
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2.0
        if rows * _apart(share, middle) <= sure:
            inside = middle
        else:
            outside = middle
    # Towards the end itself the search never arrives; nothing was ruled out then.
    return end if rows * _apart(share, end) <= sure else inside


def _apart(seen: float, true: float) -> float:
    """Kullback's divergence of two coins."""
    total = 0.0
    for one, other in ((seen, true), (1.0 - seen, 1.0 - true)):
        if one > 0.0:
            total += one * math.log(one / other) if other > 0.0 else math.inf
    return total
