"""What a safeguard is worth: errors prevented against answers withheld, beside plain confidence.

Made of decisions whose outcome became known. Promises that the safeguard and plain confidence are
compared on the same decisions, at the same share withheld; that every share comes with how far
chance can be off; and that too few outcomes are called unsure. Pure functions of columns.
"""

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.bundle.metrics import roc_auc, roc_auc_interval, wilson
from mainstay.judge.tune import LABELS_MIN, WRONG_MIN

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Interval = tuple[float, float]
_Z = 1.959963984540054


class Guarded(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions whose outcome is known, a value for each."""

    risk: Floats
    """What the safeguard said; NaN where it did not."""
    wrong: Flags
    sure: Floats | None = None
    """The confidence in the answer, where the model has one."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A share, and where the true one lies 19 times in 20."""

    count: int
    of: int
    share: float
    interval: Interval


class Area(msgspec.Struct, frozen=True, kw_only=True):
    """How well something tells wrong answers from right ones: 0.5 is chance, 1 is always."""

    auc: float
    interval: Interval


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What the safeguard did, or would have done at the contract's bar."""

    verdict: Literal["found", "unsure"]
    words: str
    labels: int
    """Decisions that the safeguard judged and whose outcome is known."""
    unguarded: int
    """Decisions with a known outcome that it did not judge."""
    at_most: float
    withheld: Share | None = None
    """Answers above the bar, among all."""
    prevented: Share | None = None
    """The wrong ones among them, among all wrong ones."""
    needless: Share | None = None
    """The right ones among them, among all right ones."""
    wrong_before: Share | None = None
    """Wrong ones among all answers."""
    wrong_after: Share | None = None
    """Wrong ones among those at or below the bar."""
    prevented_by_confidence: Share | None = None
    """The wrong ones among as many answers with the least confidence."""
    safeguard: Area | None = None
    confidence: Area | None = None


def effect_of(history: Guarded, at_most: float) -> Effect:
    """The effect on decisions that the safeguard judged."""
    judged = ~np.isnan(history.risk)
    risk, wrong = history.risk[judged], history.wrong[judged]
    labels, errors = len(wrong), int(wrong.sum())
    unguarded = int((~judged).sum())
    if labels < LABELS_MIN or errors < WRONG_MIN or labels - errors < WRONG_MIN:
        words = (
            f"{labels:,} decisions that the safeguard judged have a known outcome, {errors:,} of "
            f"them wrong; {LABELS_MIN} with at least {WRONG_MIN} wrong ones would do"
        )
        return Effect(
            verdict="unsure", words=words, labels=labels, unguarded=unguarded, at_most=at_most
        )
    above = risk > at_most
    least = None
    if history.sure is not None:
        sure = history.sure[judged]
        least = _lowest(sure, int(above.sum()))
    return Effect(
        verdict="found",
        words=f"{labels:,} decisions with a known outcome, {errors:,} of them wrong",
        labels=labels,
        unguarded=unguarded,
        at_most=at_most,
        withheld=_share(above, np.ones(labels, dtype=np.bool_)),
        prevented=_share(above, wrong),
        needless=_share(above, ~wrong),
        wrong_before=_share(wrong, np.ones(labels, dtype=np.bool_)),
        wrong_after=_share(wrong, ~above) if not above.all() else None,
        prevented_by_confidence=None if least is None else _share(least, wrong),
        safeguard=_area(risk, wrong),
        confidence=None if history.sure is None else _area(1 - history.sure[judged], wrong),
    )


def _lowest(sure: Floats, count: int) -> Flags:
    """As many with the least confidence; of equal ones the earlier."""
    lowest = np.zeros(len(sure), dtype=np.bool_)
    lowest[np.argsort(sure, kind="stable")[:count]] = True
    return lowest


def _share(what: Flags, among: Flags) -> Share:
    count, of = int((what & among).sum()), int(among.sum())
    share = count / of
    low, high = wilson(share, of, _Z)
    return Share(
        count=count, of=of, share=round(share, 6), interval=(round(low, 6), round(high, 6))
    )


def _area(risk: Floats, wrong: Flags) -> Area:
    scores, labels = np.column_stack([1 - risk, risk]), wrong.astype(np.int64)
    auc, interval = roc_auc(scores, labels), roc_auc_interval(scores, labels, _Z)
    assert auc is not None
    assert interval is not None, "there are wrong and right ones"
    return Area(auc=round(auc, 6), interval=(round(interval[0], 6), round(interval[1], 6)))
