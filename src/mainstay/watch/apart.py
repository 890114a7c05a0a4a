"""Can the rows of two samples be told apart by something that was learned from others of them?

Each half of the rows is scored by what was learned from the other half, so that a score that is
higher among the second sample's rows shows a difference, and no overfitting. Promises valid
p-values whatever is learned, however badly: each half is judged by a rank test alone, and the two
are joined without any assumption on how they depend on each other.
"""

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mainstay.bundle.metrics import roc_auc, roc_auc_interval
from mainstay.watch.ranks import rank_place
from mainstay.watch.statistics import joined

ROWS_MIN: Final = 20
"""Of each sample; fewer teach nothing."""
_HALVES_SEED: Final = 20
_INTERVAL: Final = 1.96
"""Standard errors of a 95 % interval."""

Rows = npt.NDArray[Any]
Scores = npt.NDArray[np.float64]
Learn = Callable[[Rows, Rows], Callable[[Rows], Scores]]
"""From rows of both samples to what scores others: the higher, the more like the second."""


class Apart(NamedTuple):
    """How well two samples are told apart."""

    area: float
    """Under the ROC curve: 0.5 is a coin, 1 is always right."""
    interval: tuple[float, float]
    """Where it lies 19 times in 20."""
    p: float

    @property
    def effect(self) -> float:
        """As a share of the rows, on the scale of all other effects: if so many rows of the second
        sample are unmistakable, and all others are as before, the area is half of that above a
        half."""
        return max(0.0, 2.0 * self.area - 1.0)


NOT_ASKED: Final = Apart(0.5, (0.0, 1.0), 1.0)


def told_apart(first: Rows, second: Rows, learn: Learn) -> Apart:
    """Learn from one half, judge on the other, both ways."""
    if min(len(first), len(second)) < ROWS_MIN:
        return NOT_ASKED
    # A split by lot: rows may come in turns.
    generator = np.random.default_rng(_HALVES_SEED)
    halves = [np.array_split(generator.permutation(len(rows)), 2) for rows in (first, second)]
    folds: list[Apart] = []
    for own, other in ((0, 1), (1, 0)):
        score = learn(first[halves[0][own]], second[halves[1][own]])
        folds.append(judged(score(first[halves[0][other]]), score(second[halves[1][other]])))
    return Apart(
        sum(fold.area for fold in folds) / 2.0,
        # One half's interval, about the mean of both: each saw the other's rows.
        (sum(fold.interval[0] for fold in folds) / 2.0,
         sum(fold.interval[1] for fold in folds) / 2.0),
        joined([fold.p for fold in folds]),
    )  # fmt: skip


def judged(first: Scores, second: Scores) -> Apart:
    """How well scores tell two samples apart that had no part in making them."""
    every = np.concatenate([first, second])
    labels = np.repeat(np.array([0, 1], dtype=np.int64), [len(first), len(second)])
    # Scores that differ in their last digits alone are the same.
    places = np.unique(np.round(every, 12), return_inverse=True)[1]
    cells = int(places.max()) + 1
    counts = [np.bincount(places[labels == side], minlength=cells) for side in (0, 1)]
    found = rank_place(counts[0], counts[1])
    if math.isnan(found.statistic):
        return NOT_ASKED
    sides = np.column_stack([-places, places]).astype(np.float64)
    area, interval = roc_auc(sides, labels), roc_auc_interval(sides, labels, _INTERVAL)
    assert area is not None
    assert interval is not None
    # Only one side of the test counts: to be wrong more often than a coin is chance.
    p = found.p / 2.0 if found.statistic > 0.0 else 1.0 - found.p / 2.0
    return Apart(area, interval, p)
