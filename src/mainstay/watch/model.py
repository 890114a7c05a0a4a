"""What a comparison of two data sets knows about one column, before and after it is judged."""

import math
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.contract.finding import Verdict
from mainstay.summaries.ruler import Ruler
from mainstay.summaries.summary import Summary
from mainstay.watch.mmd import Discrepancy

LEAST_EFFECT: Final = 0.05
"""The smallest change of a distribution that is worth an alarm, as a share of the rows."""
LEAST_SHARE: Final = 0.001
"""The same for rows that should not be there at all: unseen categories, values out of range."""
LEAST_MISSING: Final = 0.01
"""The same for the share of missing values."""

Question = Literal[
    "shape",
    "missing",
    "not a number",
    "infinite",
    "range",
    "new values",
    "domain classifier",
]
DOMAIN_CLASSIFIER: Final = "domain classifier"
"""The one question that is asked of all columns together."""
WEIGHTS: Final[dict[Question, float]] = {
    "shape": 0.8,
    "missing": 0.1,
    "not a number": 0.1,
    "infinite": 0.1,
    "range": 0.1,
    "new values": 0.1,
    "domain classifier": 0.4,
}
"""How the permitted false alarms are shared out: most to what moves a model."""


class Measured(msgspec.Struct, frozen=True):
    """One column of both data sets, each looked at once."""

    name: str
    ruler: Ruler
    reference: Summary
    current: Summary
    types: tuple[str, str]
    samples: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None = None
    """The numbers of some rows, for correlations."""
    cells: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]] | None = None
    """In which coarse cell each of these rows lies, for the domain classifier."""
    vectors: Discrepancy | None = None
    """What a kernel test says of a column of vectors."""


class Check(msgspec.Struct, frozen=True):
    """One question that was asked of one column."""

    question: Question
    p: float
    effect: float
    limit: float
    samples: int
    detectable: float = 0.0
    """The smallest change of this kind that could have been seen at all."""


def resolution(n: float, m: float) -> float:
    """One standard error of a share that is compared between two samples, times two."""
    return math.sqrt((n + m) / n / m)


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One data set's column, for people."""

    type: str
    rows: int
    missing: int
    mean: float | None = None
    deviation: float | None = None
    median: float | None = None
    low: float | None = None
    high: float | None = None
    nan: int = 0
    infinite: int = 0
    distinct: int | None = None
    """How many categories; none where there are more than can be counted by name."""
    bars: tuple[float, ...] = ()
    """Shares of the rows, as the report draws them."""


class ColumnReport(msgspec.Struct, frozen=True, kw_only=True):
    """One column, judged."""

    name: str
    kind: str
    verdict: Verdict
    reference: Side
    current: Side
    labels: tuple[str, ...] = ()
    """What the bars stand for: categories, or the bounds of the ranges (one more than bars)."""
    figures: dict[str, float] = {}
    """Every statistic, distance and p-value by name."""
    remark: str = ""
    """Why something was not compared."""


class Telling(msgspec.Struct, frozen=True):
    """A column, or a pair of them, by which two data sets can be told apart."""

    columns: tuple[str, ...]
    share: float
    """Of all that the model has to go by."""


class Classifier(msgspec.Struct, frozen=True, kw_only=True):
    """How well a model tells the two data sets apart, on rows it has not learned from."""

    area: float
    """Under the ROC curve: 0.5 is a coin, 1 is always right."""
    interval: tuple[float, float]
    """Where it lies 19 times in 20."""
    p: float
    """Before it is corrected for how many tests there are."""
    rows: tuple[int, int]
    """Rows of the reference and of the current data that were looked at."""
    telling: tuple[Telling, ...]
    """What tells most, the first first."""


class Correlated(msgspec.Struct, frozen=True, kw_only=True):
    """Two columns of which each says nearly what the other says, in one of the data sets."""

    columns: tuple[str, str]
    reference: float
    current: float
