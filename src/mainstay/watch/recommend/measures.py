"""The measures of a window of lists, from counts alone.

Two lists **overlap** by the share of items that they have in common; the mean over all pairs of
lists follows from how often each item was shown, exactly. **Head** are the items that together were
taken in half of all cases of the reference, the most popular first; **tail** those beyond four
fifths; **unseen** those that nobody took there. Where a reference has no labels, popularity is how
often the model itself put an item on a list.

Limits: a unit that asks twice makes a pair with itself. Units are a sample of 1 024 by hash: of
those that both samples would hold, and two times in three no further off than √(p (1 − p) / units).
"""

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.bundle.metrics import wilson
from mainstay.contract.model import Ranking
from mainstay.summaries.rankings import FOUND, ITEM, TAKEN, UNIT, shown_length
from mainstay.summaries.reference import Known
from mainstay.summaries.summary import Categories, Summary, hash_of
from mainstay.watch.labels.metrics import Metric

BUCKETS: Final = ("head", "middle", "tail", "unseen")
_HEAD: Final = 0.5
_MIDDLE: Final = 0.8
_Z: Final = 1.959963984540054

Floats = npt.NDArray[np.float64]
Columns = Mapping[str, Summary]


class Diversity(msgspec.Struct, frozen=True):
    """What lists have of the catalogue."""

    lists: int
    coverage: float
    """The share of the items that were on any list."""
    overlap: float | None
    """The share of their items that two lists have in common, on average."""
    gini: float
    """0 where every item is shown as often as any other, towards 1 where a few are all that is."""
    effective: float
    """As many items, shown equally often, would be as various: the exponential of the entropy."""
    shares: dict[str, float]
    """Of what was shown, by popularity."""


class Recommended(msgspec.Struct, frozen=True):
    """How a recommender fared in a window."""

    diversity: Diversity | None
    metrics: tuple[Metric, ...]
    """Hit rate by popularity, and the shares of new units and items."""
    popularity: str
    """What popularity is taken from, in words."""


class Popularity(NamedTuple):
    """Which items are popular."""

    buckets: npt.NDArray[np.int64]
    """For each item its place in `BUCKETS`."""
    words: str


def popularity(output: Ranking, known: Mapping[str, Known]) -> Popularity | None:
    """From a reference; nothing where it knows no item."""
    for name, words in (
        (TAKEN, "what people took in the reference"),
        (ITEM, "what the model showed in the reference"),
    ):
        if name in known:
            counts = counts_of(known[name].summary, len(output.items))
            if counts.sum():
                return Popularity(_buckets(counts), words)
    return None


def _buckets(counts: Floats) -> npt.NDArray[np.int64]:
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    share = before / counts.sum()
    place = np.where(share < _HEAD, 0, np.where(share < _MIDDLE, 1, 2))
    found = np.empty(len(counts), dtype=np.int64)
    found[order] = np.where(counts[order] > 0, place, 3)
    return found


def counts_of(summary: Summary | None, items: int) -> Floats:
    """How often each item is there."""
    if summary is None or summary.categories is None:
        return np.zeros(items)
    return np.array(summary.categories.named, dtype=np.float64)


def overlap_of(counts: Floats, length: int) -> tuple[float, float] | None:
    """The mean share that two of the lists have in common, and how many pairs apart from each
    other there are; nothing for fewer than two lists."""
    lists = float(counts.sum()) / length
    if lists < 2:
        return None
    # Of an item that is on c lists there are c (c − 1) / 2 pairs that share it.
    shared = float((counts * (counts - 1.0)).sum()) / 2.0
    return shared / (lists * (lists - 1.0) / 2.0) / length, lists / 2.0


def diversity(output: Ranking, columns: Columns, popular: Popularity | None) -> Diversity | None:
    """Of the lists of a window; nothing where there are none."""
    counts = counts_of(columns.get(ITEM), len(output.items))
    total = float(counts.sum())
    if not total:
        return None
    length = shown_length(output)
    pairs = overlap_of(counts, length)
    shares = counts[counts > 0] / total
    return Diversity(
        lists=round(total / length),
        coverage=float((counts > 0).mean()),
        overlap=None if pairs is None else pairs[0],
        gini=_gini(counts),
        effective=math.exp(-float((shares * np.log(shares)).sum())),
        shares={} if popular is None else _by_bucket(counts / total, popular),
    )


def _gini(counts: Floats) -> float:
    ordered = np.sort(counts)
    places = np.arange(1, len(ordered) + 1)
    weighted = float((places * ordered).sum())
    return 2.0 * weighted / (len(ordered) * float(ordered.sum())) - (len(ordered) + 1) / len(
        ordered
    )


def _by_bucket(values: Floats, popular: Popularity) -> dict[str, float]:
    sums = np.bincount(popular.buckets, weights=values, minlength=len(BUCKETS))
    return dict(zip(BUCKETS, sums.tolist(), strict=True))


# What becomes of lists ----------------------------------------------------------------------------


def recommended(output: Ranking, known: Mapping[str, Known], columns: Columns) -> Recommended:
    """Everything about a window."""
    popular = popularity(output, known)
    metrics: list[Metric] = []
    if popular is not None:
        metrics += _hit_rates(output, columns, popular)
    unseen = unseen_taken(output, known, columns)
    if unseen is not None and unseen[1]:
        metrics.append(_share("new items", unseen[0], unseen[1], bigger_is_better=False))
    new = new_units(known, columns)
    if new is not None:
        metrics.append(
            _share("new units", new.share * new.units, new.units, bigger_is_better=False)
        )
    words = "nothing is known of it" if popular is None else popular.words
    return Recommended(diversity(output, columns, popular), tuple(metrics), words)


def _share(name: str, count: float, of: float, *, bigger_is_better: bool = True) -> Metric:
    share = min(1.0, count / of)
    interval = wilson(share, of, _Z)
    return Metric(name, share, interval, round(of), bigger_is_better=bigger_is_better)


def _hit_rates(output: Ranking, columns: Columns, popular: Popularity) -> list[Metric]:
    size = len(output.items)
    taken = _by_bucket(counts_of(columns.get(TAKEN), size), popular)
    found = _by_bucket(counts_of(columns.get(FOUND), size), popular)
    return [
        _share(f"hit rate of the {name}", found[name], taken[name])
        for name in BUCKETS
        if taken[name]
    ]


def unseen_taken(
    output: Ranking, known: Mapping[str, Known], columns: Columns
) -> tuple[float, float] | None:
    """How much of what people took nobody had taken in the reference, and how much that was in
    all; nothing where the reference has no labels."""
    if TAKEN not in known:
        return None
    before = counts_of(known[TAKEN].summary, len(output.items))
    after = counts_of(columns.get(TAKEN), len(output.items))
    return float(after[before == 0].sum()), float(after.sum())


class NewUnits(NamedTuple):
    """Who the reference does not have."""

    share: float
    """Of the decisions."""
    units: float
    """As many units, asking equally often, would say as much (Kish)."""


def new_units(known: Mapping[str, Known], columns: Columns) -> NewUnits | None:
    """The share of decisions for units that the reference does not have, by those that both
    samples would hold; nothing where there are none."""
    summary = columns.get(UNIT)
    if UNIT not in known or summary is None or summary.categories is None:
        return None
    before, after = known[UNIT].summary.categories, summary.categories
    if before is None:
        return None
    end = min(_reach(before), _reach(after))
    seen = [(name in before.others, n) for name, n in after.others.items() if hash_of(name) <= end]
    if not seen:
        return None
    counts = np.array([count for _, count in seen], dtype=np.float64)
    new = np.array([not there for there, _ in seen])
    total = float(counts.sum())
    return NewUnits(float(counts[new].sum()) / total, total**2 / float((counts**2).sum()))


def _reach(categories: Categories) -> float:
    """Up to which hash everybody is in a sample."""
    if not categories.others_cut:
        return math.inf
    return max(hash_of(name) for name in categories.others)


def usually_new(counts: Mapping[str, int] | Floats) -> float:
    """How much of what comes next was not there so far, by Good and Turing: the share of what was
    there once."""
    numbers = np.array(list(counts.values())) if isinstance(counts, Mapping) else counts
    total = float(numbers.sum())
    return float((numbers == 1).sum()) / total if total else 0.0
