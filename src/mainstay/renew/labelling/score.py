"""How often the model was right on the decisions that were set aside, weighed by their chances.

Promises a figure for all decisions, not for those that were asked about: a decision that had half
the chance to be drawn counts twice. The interval is Wilson's, with as many rows as the weights are
worth. Of numbers the mean distance, with the normal interval.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from mainstay.bundle.metrics import wilson
from mainstay.renew.labelling.model import Asked, Task

_Z: Final = 1.959963984540054


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of the random sample."""

    metric: str
    figure: float
    interval: tuple[float, float]
    tasks: int
    stands_for: float
    """How many decisions they stand for."""
    stratum: str = ""


def scores(asked: Iterable[Asked]) -> list[Score]:
    """For everything together first, then for each stratum."""
    rows = [task for task, _ in asked if _counts(task)]
    strata = sorted({task.stratum for task in rows} - {""})
    found = [_score(rows, "")] if rows else []
    return found + [_score([t for t in rows if t.stratum == name], name) for name in strata]


def _counts(task: Task) -> bool:
    done = task.settled
    return task.gold is None and done is not None and None not in (done.label, done.answer)


def _score(rows: Sequence[Task], stratum: str) -> Score:
    weights = [task.weight for task in rows]
    total = sum(weights)
    worth = total**2 / sum(weight**2 for weight in weights)
    about: Any = {"tasks": len(rows), "stands_for": total, "stratum": stratum}
    pairs = [(task.settled.label, task.settled.answer) for task in rows if task.settled]
    if all(isinstance(label, str) for label, _ in pairs):
        right = [float(label == answer) for label, answer in pairs]
        share = _mean(right, weights)
        return Score(metric="accuracy", figure=share, interval=wilson(share, worth, _Z), **about)
    apart = [abs(float(str(label)) - float(str(answer))) for label, answer in pairs]
    mean = _mean(apart, weights)
    spread = sum(w * w * (d - mean) ** 2 for w, d in zip(weights, apart, strict=True))
    half = _Z * math.sqrt(spread) / total if len(rows) > 1 else math.inf
    return Score(metric="mae", figure=mean, interval=(max(0.0, mean - half), mean + half), **about)


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)
