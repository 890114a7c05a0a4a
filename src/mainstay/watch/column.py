"""The questions that are asked of one column, each answered with a p-value and an effect.

A question is left out only where what both samples hold together decides that it cannot be
answered (nothing is missing in either, one value in both): so leaving it out cannot raise the
rate of false alarms. P-values of the shape come from ranks and counts alone, never from means: a
skewed column must not cry wolf.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mainstay.summaries.summary import Categories, Numbers, Summary, merge
from mainstay.watch.distances import (
    jensen_shannon,
    largest_difference,
    population_stability,
    wasserstein_counts,
)
from mainstay.watch.ks import ks_counts
from mainstay.watch.means import anova, welch
from mainstay.watch.mmd import Discrepancy
from mainstay.watch.model import (
    LEAST_MISSING,
    LEAST_SHARE,
    Check,
    Measured,
    Question,
    resolution,
)
from mainstay.watch.ranks import rank_place, rank_spread
from mainstay.watch.shares import chi_square, two_shares
from mainstay.watch.special import gamma_tail
from mainstay.watch.statistics import Result, joined

Counts = npt.NDArray[np.int64]


def checks_of(column: Measured, least_effect: float) -> tuple[list[Check], dict[str, float]]:
    """All checks of one column, and every figure that was computed on the way."""
    checks = list(_missing(column.reference, column.current))
    figures: dict[str, float] = {}
    for before, after in (
        (column.reference.numbers, column.current.numbers),
        (column.reference.lengths, column.current.lengths),
    ):
        if before is not None and after is not None:
            checks += _numbers(before, after, column.vectors, least_effect, figures)
            figures |= _number_figures(before, after, column)
    before, after = column.reference.categories, column.current.categories
    if before is not None and after is not None:
        checks += _categories(column, before, after, least_effect, figures)
    return checks, figures


def _missing(before: Summary, after: Summary) -> Iterator[Check]:
    together = before.missing + after.missing
    if before.rows and after.rows and 0 < together < before.rows + after.rows:
        found = two_shares(before.missing, before.rows, after.missing, after.rows)
        yield Check("missing", found.p, found.effect, LEAST_MISSING, after.rows)


def _numbers(
    before: Numbers,
    after: Numbers,
    vectors: Discrepancy | None,
    least_effect: float,
    figures: dict[str, float],
) -> Iterator[Check]:
    yield from _not_finite(before, after)
    n, m = before.moments.count, after.moments.count
    if n == 0 or m == 0:
        return
    first, second = _counts(before.cells), _counts(after.cells)
    tests: dict[str, Result] = {}
    if int(((first + second) > 0).sum()) > 1:
        tests = {
            "ks": ks_counts(first, second),
            "rank place": rank_place(first, second),
            "rank spread": rank_spread(first, second),
        }
        figures["ks_error"] = tests["ks"].error
    if vectors is not None:
        tests["mmd"] = Result(vectors.squared, vectors.apart.p, vectors.apart.effect)
        figures["mmd area"] = vectors.apart.area
    if tests:
        for name, result in tests.items():
            figures[name] = result.statistic
            figures[f"{name} p"] = result.p
        p = joined([result.p for result in tests.values()])
        effect = max(tests[name].effect for name in ("ks", "mmd") if name in tests)
        yield Check("shape", p, effect, least_effect, m, resolution(n, m))
    share = math.log(m / (n + m))
    below, above = int(second[0]), int(second[-1])
    # The chance that the most extreme so many values of both samples all lie in the second.
    p = min(1.0, 2.0 * math.exp(max(below, above) * share))
    yield Check("range", p, (below + above) / m, LEAST_SHARE, m)


def _not_finite(before: Numbers, after: Numbers) -> Iterator[Check]:
    """Where the reference has some already, more of them is a question of degree."""
    of, now = (each.moments.count + each.nan + sum(each.infinite) for each in (before, after))
    counts: tuple[tuple[Question, int, int], ...] = (
        ("not a number", before.nan, after.nan),
        ("infinite", sum(before.infinite), sum(after.infinite)),
    )
    for question, had, has in counts:
        if had and now and had + has < of + now:
            found = two_shares(had, of, has, now)
            yield Check(question, found.p, found.effect, LEAST_MISSING, now)


def _number_figures(before: Numbers, after: Numbers, column: Measured) -> dict[str, float]:
    if before.moments.count == 0 or after.moments.count == 0:
        return {}
    first, second = _counts(before.cells), _counts(after.cells)
    means = welch(before.moments, after.moments)
    groups = anova([before.moments, after.moments])
    moved, off = wasserstein_counts(first, second, bounds_of(before, after, column.ruler.edges))
    return {
        "population stability": population_stability(first, second),
        "jensen-shannon": jensen_shannon(first, second),
        "l-infinity": largest_difference(first, second),
        "wasserstein": moved,
        "wasserstein_error": off,
        "welch t": means.statistic,
        "welch p": means.p,
        "cohen d": means.effect,
        "anova f": groups.statistic,
        "anova p": groups.p,
    }


def bounds_of(before: Numbers, after: Numbers, edges: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """Where each cell begins and ends, the outer ones at the most extreme value of both."""
    lows = [each.low for each in (before, after) if each.low is not None]
    highs = [each.high for each in (before, after) if each.high is not None]
    inner = np.array(edges)
    return np.concatenate([[min(*lows, inner[0])], inner, [max(*highs, inner[-1])]])


def _categories(
    column: Measured,
    before: Categories,
    after: Categories,
    least_effect: float,
    figures: dict[str, float],
) -> Iterator[Check]:
    first = _counts((*before.named, before.others_rows))
    second = _counts((*after.named, after.others_rows))
    n, m = int(first.sum()), int(second.sum())
    if n == 0 or m == 0:
        return
    if int(((first + second) > 0).sum()) > 1:
        found = chi_square(first, second)
        figures |= {
            "chi-square": found.statistic,
            "chi-square p": found.p,
            "population stability": population_stability(first, second),
            "jensen-shannon": jensen_shannon(first, second),
            "l-infinity": largest_difference(first, second),
        }
        yield Check("shape", found.p, found.effect, least_effect, m, resolution(n, m))
    yield _new_values(column, n, m)


def _new_values(column: Measured, n: int, m: int) -> Check:
    """Are there categories that the reference would have shown if they had been there?

    If nothing changed, a category that both samples hold c times lies wholly in the current one
    with a chance of at most (m / (n + m)) ** c. That bounds both the chance of a new category as
    common as the commonest new one, and how many new ones there are.
    """
    both = merge(column.reference, column.current).categories
    before = column.reference.categories
    after = column.current.categories
    assert both is not None
    assert before is not None
    assert after is not None
    # Among the others the merged sample is one of all that either has, so its counts are exact.
    named = [(together, known) for together, known in zip(both.named, before.named, strict=True)]
    pairs = named + [(count, before.others.get(name, 0)) for name, count in both.others.items()]
    counts = _counts(tuple(together for together, _ in pairs))
    new = np.array([known == 0 < together for together, known in pairs], dtype=np.bool_)
    if not new.any():
        return Check("new values", 1.0, 0.0, LEAST_SHARE, m)
    chance = np.exp(counts * math.log(m / (n + m)))
    commonest = float(chance[counts >= counts[new].max()].sum())
    expected = float(chance.sum())
    many = 1.0 - gamma_tail(float(new.sum()), expected)
    rows = int(counts[new].sum())
    if both.others_cut:
        rows = max(rows, after.others_rows - before.others_rows * m // n)
    return Check("new values", min(1.0, 2.0 * min(commonest, many)), rows / m, LEAST_SHARE, m)


def new_names(column: Measured, at_most: int) -> list[tuple[str, int]]:
    """The commonest categories of the current data that the reference does not have."""
    before, after = column.reference.categories, column.current.categories
    if before is None or after is None:
        return []
    new = [(name, count) for name, count in after.others.items() if name not in before.others]
    return sorted(new, key=lambda pair: (-pair[1], pair[0]))[:at_most]


def _counts(cells: tuple[int, ...]) -> Counts:
    return np.array(cells, dtype=np.int64)
