"""Some rows of a data set, for what cannot be counted column by column: columns that go together,
a model that tells two data sets apart, vectors.

Promises the same rows for all columns of a data set, spread evenly over it and drawn by lot within
each stretch, so that rows that come in turns are not all of one kind. Bounded, whatever the size.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mainstay.summaries.arrow import arrow
from mainstay.summaries.ruler import Ruler
from mainstay.summaries.values import Values, sampled, sampled_part, strings_of, vectors
from mainstay.watch.trees import CELLS

SAMPLE_ROWS_MAX: Final = 4096
_SEED: Final = 4
_COMPARED: Final = frozenset(
    {("number", "number"), ("category", "strings"), ("text", "strings"), ("vector", "vector")}
)


class Sample(NamedTuple):
    """What is kept of one column's rows; nothing of what its kind does not have."""

    numbers: npt.NDArray[np.float64] | None = None
    """NaN where missing."""
    cells: npt.NDArray[np.uint8] | None = None
    """Coarse cells of numbers and lengths, ranks of categories; 0 where missing."""
    vectors: npt.NDArray[np.float64] | None = None
    """The finite ones, one a row."""


def rows_of(rows: int) -> npt.NDArray[np.int64]:
    """Which rows of a data set are looked at, in order."""
    if rows <= SAMPLE_ROWS_MAX:
        return np.arange(rows)
    bounds = np.linspace(0, rows, SAMPLE_ROWS_MAX + 1).astype(np.int64)
    return np.random.default_rng(_SEED).integers(bounds[:-1], bounds[1:])


def sample_of(values: Values, ruler: Ruler, rows: npt.NDArray[np.int64]) -> Sample:
    """The rows of one column."""
    if (ruler.kind, values.kind) not in _COMPARED:
        return Sample()
    if ruler.kind == "vector" and values.type != ruler.type:
        return Sample()
    if ruler.kind == "number":
        numbers = sampled(values, rows)
        return Sample(numbers, _placed(numbers, ruler))
    part = sampled_part(values, rows)
    if ruler.kind == "vector":
        every = np.concatenate(list(vectors(part)))
        return Sample(vectors=every[np.isfinite(every).all(axis=1)])
    if ruler.kind == "category":
        return Sample(cells=_ranked(part, ruler))
    counted = arrow().compute.utf8_length(strings_of(part)).cast(arrow().float64())
    return Sample(cells=_placed(counted.to_numpy(zero_copy_only=False), ruler))


def _placed(numbers: npt.NDArray[np.float64], ruler: Ruler) -> npt.NDArray[np.uint8] | None:
    """Neighbouring cells of the ruler as one; infinite numbers lie in the outermost."""
    if not ruler.edges:
        return None
    fine = np.searchsorted(np.array(ruler.edges), numbers)
    coarse = 1 + fine * (CELLS - 1) // (len(ruler.edges) + 1)
    return np.where(np.isnan(numbers), 0, coarse).astype(np.uint8)


def _ranked(part: Values, ruler: Ruler) -> npt.NDArray[np.uint8]:
    """The commonest categories one by one, all others that the reference knows as one, and all
    that it does not know as one."""
    pa = arrow()
    strings = strings_of(part)
    ranks = pa.compute.index_in(strings, value_set=pa.array(ruler.names, pa.large_string()))
    place = np.minimum(ranks.fill_null(CELLS).to_numpy(), CELLS - 3) + 1
    known = ranks.is_valid().to_numpy()
    there = strings.is_valid().to_numpy()
    return np.where(there, np.where(known, place, CELLS - 1), 0).astype(np.uint8)
