"""Some rows of a data set, for what cannot be counted column by column: columns that go together,
a model that tells two data sets apart, vectors.

Promises the same rows for all columns of a data set, spread evenly over it and drawn by lot within
each stretch, so that rows that come in turns are not all of one kind. Bounded, whatever the size.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mainstay.summaries.arrow import arrow
from mainstay.summaries.ruler import Ruler
from mainstay.summaries.values import Values, sampled, sampled_part, strings_of, vectors
from mainstay.watch.trees import CELLS, Cells

Numbers = npt.NDArray[np.float64]

SAMPLE_ROWS_MAX: Final = 4096
_SEED: Final = 4
_COMPARED: Final = frozenset(
    {("number", "number"), ("category", "strings"), ("text", "strings"), ("vector", "vector")}
)


class Sample(NamedTuple):
    """What is kept of one column's rows; nothing of what its kind does not have."""

    numbers: Numbers | None = None
    """Of a column of numbers, or the lengths of one of text; NaN where missing."""
    strings: Any = None
    """Of a column of categories, as an Arrow array."""
    vectors: Numbers | None = None
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
        return Sample(sampled(values, rows))
    part = sampled_part(values, rows)
    if ruler.kind == "vector":
        every = np.concatenate(list(vectors(part)))
        return Sample(vectors=every[np.isfinite(every).all(axis=1)])
    if ruler.kind == "category":
        strings = strings_of(part).cast(arrow().large_string())
        return Sample(strings=strings.combine_chunks())
    counted = arrow().compute.utf8_length(strings_of(part)).cast(arrow().float64())
    return Sample(counted.to_numpy(zero_copy_only=False))


def cells_of(first: Sample, second: Sample) -> tuple[Cells, Cells] | None:
    """In which of a few coarse cells each row lies; 0 where missing.

    The cells come from both samples together, and would be the same if any rows changed places:
    cells that suit one sample better than the other would tell the two apart by themselves.
    """
    if first.numbers is not None and second.numbers is not None:
        together = np.concatenate([first.numbers, second.numbers])
        placed = _placed(together)
    elif first.strings is not None and second.strings is not None:
        placed = _ranked(arrow().concat_arrays([first.strings, second.strings]))
    else:
        return None
    size = len(first.numbers if first.numbers is not None else first.strings)
    return placed[:size], placed[size:]


def _placed(numbers: Numbers) -> Cells:
    """Cells of about equally many rows; infinite numbers lie in the outermost."""
    finite = np.sort(numbers[np.isfinite(numbers)])
    if not len(finite):
        return np.zeros(len(numbers), dtype=np.uint8)
    at = np.linspace(0, len(finite) - 1, CELLS)[1:-1].astype(np.int64)
    place = 1 + np.searchsorted(np.unique(finite[at]), numbers)
    return np.where(np.isnan(numbers), 0, place).astype(np.uint8)


def _ranked(strings: Any) -> Cells:
    """The commonest categories one by one, the first in the alphabet where they are equally common,
    and all others as one."""
    counted = arrow().compute.value_counts(strings.drop_null())
    names: list[str] = counted.field("values").to_pylist()
    counts = counted.field("counts").to_pylist()
    ordered = [name for _, name in sorted(zip((-n for n in counts), names, strict=True))]
    known = arrow().array(ordered[: CELLS - 2], arrow().large_string())
    ranks = arrow().compute.index_in(strings, value_set=known).fill_null(CELLS - 2)
    there = strings.is_valid().to_numpy(zero_copy_only=False)
    return np.where(there, ranks.to_numpy() + 1, 0).astype(np.uint8)
