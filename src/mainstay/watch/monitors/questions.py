"""What is asked of a column again and again: the questions, made once from its reference.

Numbers and lengths of texts: have the values moved up or down (the mean place among the
reference's values), and have they spread or drawn together (the mean distance from its middle);
categories: has the share of one of them changed, and of all that the reference did not know; any
column: has the share of missing values changed. Every tolerance is at least what the reference
itself, being a sample, may be off by.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.summaries.reference import Known
from mainstay.summaries.summary import Numbers, Summary
from mainstay.watch.monitors.detector import Question

LEAST_SHIFT: Final = 0.05
"""How far the mean place may move, as a share of all places: a shift of half the rows by a tenth
of the others. A share may change by as much."""
UNKNOWN: Final = "share of unknown"
"""Of all that the reference did not know."""
CATEGORIES_ASKED_MAX: Final = 20
_SURE: Final = 3.0
"""Standard errors of the reference that a tolerance is at least made of."""

Counts = npt.NDArray[np.float64]


class Asked(msgspec.Struct, frozen=True):
    """A question with its name."""

    what: str
    """`place`, `spread`, `missing`, `share of DE`, `share of unknown`."""
    question: Question


def questions_of(known: Known) -> Sequence[Asked]:
    """Everything that is asked of a column."""
    found = [of_share("missing", known.summary.missing, known.summary.rows)]
    numbers = known.summary.numbers or known.summary.lengths
    if numbers is not None and numbers.moments.count:
        found += _of_numbers(numbers)
    categories = known.summary.categories
    if categories is not None:
        total = sum(categories.named) + categories.others_rows
        for name, count in list(zip(known.ruler.names, categories.named, strict=True))[
            :CATEGORIES_ASKED_MAX
        ]:
            found.append(of_share(f"share of {name}", count, total))
        # What was there once is how much more there is that was not (Good and Turing).
        once = sum(count == 1 for count in categories.named)
        found.append(of_share(UNKNOWN, categories.others_rows + once, total))
    return found


def of_share(what: str, count: float, rows: float) -> Asked:
    """Whether a share has changed that was so large in the reference."""
    share = count / rows if rows else 0.0
    # A share of a few rows out of few: what the reference may be off by has a floor of its own.
    error = math.sqrt(max(share * (1.0 - share), 1.0 / max(rows, 1)) / max(rows, 1))
    tolerance = max(LEAST_SHIFT, _SURE * error)
    return Asked(what, Question((1.0, 0.0), share, tolerance))


def _of_numbers(numbers: Numbers) -> list[Asked]:
    cells = np.array(numbers.cells, dtype=np.float64)
    total = cells.sum()
    places = (np.cumsum(cells) - cells / 2.0) / total
    apart = np.abs(2.0 * places - 1.0)
    found: list[Asked] = []
    for what, values in (("place", places), ("spread", apart)):
        mean = float((cells * values).sum() / total)
        deviation = math.sqrt(float((cells * (values - mean) ** 2).sum() / total))
        tolerance = max(LEAST_SHIFT, _SURE * deviation / math.sqrt(total))
        found.append(Asked(what, Question(tuple(values.tolist()), mean, tolerance)))
    return found


def counts_for(asked: Asked, summary: Summary, names: Sequence[str]) -> Counts:
    """The counts of a stretch that a question is about."""
    if asked.what == "missing":
        return np.array([summary.missing, summary.rows - summary.missing], dtype=np.float64)
    numbers = summary.numbers or summary.lengths
    if asked.what in {"place", "spread"}:
        return np.array(numbers.cells if numbers is not None else (), dtype=np.float64)
    categories = summary.categories
    if categories is None:
        return np.zeros(2)
    total = sum(categories.named) + categories.others_rows
    if asked.what == UNKNOWN:
        count = categories.others_rows
    else:
        count = categories.named[names.index(asked.what.removeprefix("share of "))]
    return np.array([count, total - count], dtype=np.float64)
