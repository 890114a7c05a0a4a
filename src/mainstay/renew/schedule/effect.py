"""What retraining has brought: what each version that answered got wrong, beside what the version
before it, and the first one, would have got wrong in its place (N13).

Promises that two versions are held against each other over the same labelled decisions, with an
interval of the paired difference. Limit: whoever adapts to what answers would have adapted to
another version too, and that no replay shows; where they do, what is told here is the effect of the
newest step, not of a world without it.
"""

import msgspec
import numpy as np

from mainstay.renew.schedule.model import Floats
from mainstay.watch.paired import SAMPLES_MIN, Difference, of_mistakes, of_pairs, quantile

_SURE = 0.975
"""Each end of an interval holds so often; both of them 95 times in 100."""


class Mean(msgspec.Struct, frozen=True, kw_only=True):
    """Errors for each answer, or for numbers distance."""

    figure: float
    interval: tuple[float, float]
    rows: int


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """Errors fewer than another version would have made in the same place."""

    than: int
    """That version."""
    fewer: Mean
    """For each answer; less than 0 where they are more."""
    errors: float
    """All of them."""
    cost: float | None = None
    """What they would have cost; nothing where nobody says what an error costs."""


def mean_of(wrong: Floats) -> Mean:
    """How wrong a version was; the interval is Wilson's for shares."""
    rows, figure = len(wrong), float(wrong.mean())
    z = quantile(_SURE, max(rows - 1, 1))
    if set(np.unique(wrong).tolist()) <= {0.0, 1.0}:
        middle = (figure + z * z / (2 * rows)) / (1 + z * z / rows)
        spread = figure * (1 - figure) / rows + z * z / (4 * rows * rows)
        half = z * float(np.sqrt(spread)) / (1 + z * z / rows)
    else:
        middle, half = figure, z * of_pairs(wrong).error
    return Mean(figure=figure, interval=(middle - half, middle + half), rows=rows)


def saved(than: int, other: Floats, own: Floats, of_error: float | None) -> Saved | None:
    """How many errors fewer a version made than another would have; nothing where the rows are too
    few to tell."""
    if len(own) < SAMPLES_MIN:
        return None
    sharp = set(np.unique(np.concatenate([other, own])).tolist()) <= {0.0, 1.0}
    found = of_mistakes(other > 0, own > 0) if sharp else of_pairs(other - own)
    fewer = Mean(figure=float((other - own).mean()), interval=_interval(found), rows=found.samples)
    errors = fewer.figure * fewer.rows
    cost = None if of_error is None else errors * of_error
    return Saved(than=than, fewer=fewer, errors=errors, cost=cost)


def _interval(found: Difference) -> tuple[float, float]:
    half = quantile(_SURE, found.freedom) * found.error
    return found.worse_by - half, found.worse_by + half
