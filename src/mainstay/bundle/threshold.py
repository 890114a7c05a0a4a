"""Which threshold a rule leads to, on rows whose truth is known.

Promises that the threshold keeps the rule on these rows, that no other one does better there, and
that it lies halfway between two probabilities that occurred, so that rounding decides nothing. A
rule that no threshold keeps is refused in words, never bent.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.judgement import ThresholdChoice, ThresholdPoint
from mainstay.bundle.metrics import wilson
from mainstay.contract.columns import Column
from mainstay.contract.model import ThresholdRule

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

CURVE_MAX: Final = 200
_Z: Final = 1.959963984540054
_FIELD: Final = "output.threshold"


class Curve:
    """What every threshold that makes a difference leads to, the highest first."""

    def __init__(self, scores: Column, positive: Flags) -> None:
        """`scores`: the probability of the second class; `positive`: it is the truth."""
        order = np.argsort(-scores, kind="stable")
        ordered, truth = scores[order], positive[order]
        last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], [True]))
        self.at = _between(ordered[last])
        self.reached = last + 1.0
        self.found = np.cumsum(truth)[last].astype(np.float64)
        self.rows = len(scores)
        self.positives = int(positive.sum())
        if scores.max() < 1:
            # Nothing may be worth answering the second class for.
            self.at = np.append([1.0], self.at)
            self.reached = np.append([0.0], self.reached)
            self.found = np.append([0.0], self.found)
        usable = self.at > 0
        self.at, self.reached, self.found = (
            each[usable] for each in (self.at, self.reached, self.found)
        )

    @property
    def precision(self) -> Floats:
        """Of the rows that reach it the share that is right."""
        return np.where(self.reached > 0, self.found / np.maximum(self.reached, 1), 1.0)

    @property
    def recall(self) -> Floats:
        """Of the rows of the class the share that reaches it."""
        return self.found / max(1, self.positives)

    def costs(self, rule: ThresholdRule) -> Floats | None:
        """The mean cost of a row, where the rule names costs."""
        if rule.false_positive_costs is None or rule.false_negative_costs is None:
            return None
        wrong = (self.reached - self.found) * rule.false_positive_costs
        missed = (self.positives - self.found) * rule.false_negative_costs
        return np.asarray((wrong + missed) / max(1, self.rows))


def _between(scores: Column) -> Floats:
    """For each of the falling scores a threshold that it reaches and the next one does not."""
    exact = scores.astype(np.float64)
    halfway = exact.copy()
    halfway[:-1] = (exact[:-1] + exact[1:]) / 2
    # In the scores' own precision halfway may be the next score itself.
    apart = np.ones(len(exact), dtype=np.bool_)
    apart[:-1] = halfway[:-1].astype(scores.dtype) > scores[1:]
    return np.where(apart, halfway, exact)


def choose(rule: ThresholdRule, scores: Column, positive: Flags) -> ThresholdChoice:
    """The threshold of a rule; `InvalidUsage` where there is none."""
    if not positive.any() or positive.all():
        what = "none" if not positive.any() else "all"
        raise InvalidUsage(
            "a threshold cannot be chosen on this confidence set",
            field=_FIELD,
            got=f"{what} of its {len(positive)} labelled rows are of the second class",
            expected="rows of both classes",
        )
    curve = Curve(scores, positive)
    if not len(curve.at):
        raise InvalidUsage(
            "every probability of the second class is 0, so no threshold tells rows apart",
            field=_FIELD,
        )
    place = _best(rule, curve)
    kept = _thinned(len(curve.at), place)
    return ThresholdChoice(
        rule=rule,
        chosen=float(curve.at[place]),
        reached=_point(rule, curve, place),
        precision_interval=_rounded(
            wilson(float(curve.precision[place]), max(1.0, float(curve.reached[place])), _Z)
        ),
        recall_interval=_rounded(wilson(float(curve.recall[place]), curve.positives, _Z)),
        rows=curve.rows,
        positives=curve.positives,
        curve=tuple(_point(rule, curve, each) for each in kept),
    )


def _best(rule: ThresholdRule, curve: Curve) -> int:
    costs = curve.costs(rule)
    if costs is not None:
        return int(np.argmin(costs))
    if rule.max == "precision":
        enough = np.flatnonzero(curve.recall >= (rule.recall_at_least or 0) - 1e-12)
        if not enough.size:
            raise _unreachable("recall", rule.recall_at_least or 0, float(curve.recall.max()))
        return int(enough[np.argmax(curve.precision[enough])])
    wanted, some = rule.precision_at_least or 0, curve.found > 0
    enough = np.flatnonzero((curve.precision >= wanted - 1e-12) & some)
    if not enough.size:
        highest = float(curve.precision[some].max()) if some.any() else 0.0
        raise _unreachable("precision", wanted, highest)
    found = curve.recall[enough]
    best = enough[found >= found.max()]
    return int(best[np.argmax(curve.precision[best])])


def _unreachable(what: str, wanted: float, highest: float) -> InvalidUsage:
    return InvalidUsage(
        f"no threshold reaches a {what} of {wanted:g} on the confidence set",
        field=f"{_FIELD}.{what}_at_least",
        got=f"{highest:.4g} at most",
        expected=f"at most {highest:.4g}, or a better model",
    )


def _thinned(count: int, chosen: int) -> list[int]:
    if count <= CURVE_MAX:
        return list(range(count))
    places = np.linspace(0, count - 1, CURVE_MAX - 1).round().astype(int).tolist()
    return sorted({*places, chosen})


def _point(rule: ThresholdRule, curve: Curve, place: int) -> ThresholdPoint:
    costs = curve.costs(rule)
    return ThresholdPoint(
        threshold=round(float(curve.at[place]), 9),
        precision=round(float(curve.precision[place]), 6),
        recall=round(float(curve.recall[place]), 6),
        cost=None if costs is None else round(float(costs[place]), 6),
    )


def _rounded(interval: tuple[float, float]) -> tuple[float, float]:
    return round(interval[0], 6), round(interval[1], 6)
