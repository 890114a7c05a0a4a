"""M8: every statistic beside SciPy's, and the stated errors of what is computed from counts."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance

from mainstay.summaries.moments import moments_of
from mainstay.watch import distances
from mainstay.watch.ks import ks_counts, ks_values
from mainstay.watch.means import anova, welch
from mainstay.watch.ranks import rank_place, rank_spread
from mainstay.watch.shares import beyond_chance, chi_square, two_shares
from mainstay.watch.statistics import joined

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(2, 150)


def drawn(seed, n, m, ties):
    generator = np.random.default_rng(seed)
    first = generator.normal(size=n)
    second = generator.normal(generator.uniform(0, 1.5), generator.uniform(0.5, 2), size=m)
    if ties:
        first, second = np.round(first, 1), np.round(second, 1)
    return np.sort(first), np.sort(second)


@settings(max_examples=60, deadline=None)
@given(seeds, sizes, sizes, st.booleans())
def test_ks_of_small_samples_is_exact(seed, n, m, ties):
    first, second = drawn(seed, n, m, ties)
    own = ks_values(first, second)
    theirs = stats.ks_2samp(first, second, method="exact")
    assert own.statistic == pytest.approx(theirs.statistic, abs=1e-12)
    assert own.p == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(300, 3000), st.integers(300, 3000))
def test_ks_of_large_samples(seed, n, m):
    first, second = drawn(seed, n, m, ties=False)
    own = ks_values(first, second)
    theirs = stats.ks_2samp(first, second, method="asymp")
    assert own.statistic == pytest.approx(theirs.statistic, abs=1e-12)
    if theirs.pvalue > 1e-20:
        assert math.log(own.p) == pytest.approx(math.log(theirs.pvalue), rel=0.05, abs=0.03)


@settings(max_examples=60, deadline=None)
@given(seeds, sizes, sizes, st.integers(1, 40))
def test_ks_of_counts_is_within_its_stated_error(seed, n, m, cells):
    first, second = drawn(seed, n, m, ties=False)
    edges = np.unique(np.quantile(first, np.linspace(0, 1, cells + 1)))
    counts = [
        np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
        for values in (first, second)
    ]
    exact, binned = ks_values(first, second), ks_counts(*counts)
    assert binned.statistic <= exact.statistic + 1e-12
    assert exact.statistic <= binned.statistic + binned.error + 1e-12


tables = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=30)


def columns(table):
    return tuple(np.array(each, dtype=np.int64) for each in zip(*table, strict=True))


@settings(max_examples=80, deadline=None)
@given(tables)
def test_chi_square(table):
    first, second = columns(table)
    table = np.array([first, second])
    used = table[:, table.sum(axis=0) > 0]
    if used.shape[1] < 3 or 0 in used.sum(axis=1):
        return
    own = chi_square(used[0], used[1], expected_min=0.0)
    theirs = stats.chi2_contingency(used, correction=False)
    assert own.statistic == pytest.approx(theirs.statistic, rel=1e-9, abs=1e-9)
    assert own.p == pytest.approx(theirs.pvalue, rel=1e-7, abs=1e-300)


def test_rare_cells_are_looked_at_as_one():
    first = np.array([1000, 500, 2, 2, 5, 3])
    second = np.array([1000, 500, 4, 0, 6, 4])
    pooled = np.array([[1000, 500, 12], [1000, 500, 14]])
    assert chi_square(first, second).p == pytest.approx(stats.chi2_contingency(pooled).pvalue)
    first[2:], second[2:] = [0, 1, 0, 0], [0, 0, 1, 0]
    pooled = [[1000, 501], [1000, 501]]
    assert chi_square(first, second).p == pytest.approx(stats.fisher_exact(pooled).pvalue)


def test_two_cells_are_compared_exactly():
    found = chi_square(np.array([900, 100]), np.array([80, 20]))
    assert found.p == pytest.approx(stats.fisher_exact([[900, 100], [80, 20]]).pvalue)


def test_a_small_sample_against_a_huge_one_of_other_values():
    assert chi_square(np.array([1000, 1000, 0]), np.array([0, 0, 10**6])).p < 1e-300


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 80), st.integers(1, 4000), st.integers(0, 80), st.integers(1, 4000))
def test_two_shares_are_compared_exactly(a, n, b, m):
    a, b = min(a, n), min(b, m)
    own = two_shares(a, n, b, m)
    theirs = stats.fisher_exact([[a, n - a], [b, m - b]]).pvalue
    assert own.p == pytest.approx(theirs, rel=1e-6, abs=1e-300)


def test_two_large_shares():
    own = two_shares(500_000, 10_000_000, 501_500, 10_000_000)
    table = [[500_000, 9_500_000], [501_500, 9_498_500]]
    assert own.p == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)
    assert own.effect == pytest.approx(0.00015)


@settings(max_examples=60, deadline=None)
@given(seeds, sizes, sizes, st.booleans())
def test_means(seed, n, m, ties):
    first, second = drawn(seed, n, m, ties)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return
    own, theirs = (
        welch(moments_of(first), moments_of(second)),
        stats.ttest_ind(second, first, equal_var=False),
    )
    assert own.statistic == pytest.approx(theirs.statistic, rel=1e-7, abs=1e-9)
    assert own.p == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-300)
    third = np.append(first[:1], second + 0.5)
    together = stats.f_oneway(first, second, third)
    own = anova([moments_of(each) for each in (first, second, third)])
    assert own.statistic == pytest.approx(together.statistic, rel=1e-7)
    assert own.p == pytest.approx(together.pvalue, rel=1e-6, abs=1e-300)


def test_means_that_cannot_be_compared():
    one, same, other = (moments_of(np.full(5, value)) for value in (1.0, 1.0, 2.0))
    assert welch(one, same).p == 1.0
    assert welch(one, other).p == 0.0
    assert welch(moments_of(np.array([1.0])), other).p == 1.0
    assert anova([one, same]).p == 1.0
    assert anova([one, other]).p == 0.0
    assert anova([one]).p == 1.0


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(2, 150), st.integers(2, 150))
def test_rank_place(seed, n, m):
    first, second = drawn(seed, n, m, ties=True)
    values = np.unique(np.concatenate([first, second]))
    if len(values) < 2:
        return
    counts = [
        np.bincount(np.searchsorted(values, each), minlength=len(values))
        for each in (first, second)
    ]
    theirs = stats.mannwhitneyu(second, first, use_continuity=False, method="asymptotic")
    own = rank_place(*counts)
    spread = np.std(stats.rankdata(np.concatenate([first, second])), ddof=1)
    z = (theirs.statistic - n * m / 2) / (spread * math.sqrt(n * m / (n + m)))
    assert own.statistic == pytest.approx(z, abs=1e-9)
    if n == m:
        assert own.p == pytest.approx(theirs.pvalue, rel=1e-9)
    if abs(z) < 3:
        assert own.p == pytest.approx(theirs.pvalue, rel=0.3, abs=0.03)
    assert own.effect == pytest.approx(abs(2 * theirs.statistic / (n * m) - 1), abs=1e-9)


@pytest.mark.parametrize("hits", [20, 22, 26, 30])
def test_rank_tests_keep_their_tails_where_nearly_all_is_tied(hits):
    """M8: one in twenty is not zero, as in capital losses; a small sample, a large reference. The
    hypergeometric distribution is the oracle; the normal one is many times too small."""
    n, m, share = 24_000, 244, 1128
    counts = np.array([n - share, share]), np.array([m - hits, hits])
    exact = stats.hypergeom.sf(hits - 1, n + m, share + hits, m)
    own = rank_place(*counts)
    assert exact / 2.5 < own.p < exact * 2.5
    assert 2 * stats.norm.sf(own.statistic) < exact / 2 or hits < 26
    few = rank_place(np.array([n - share, share]), np.array([m - 3, 3]))
    assert 0.3 < few.p / (2 * stats.hypergeom.cdf(3, n + m, share + 3, m)) < 3


def test_rank_spread():
    generator = np.random.default_rng(1)
    first, second = generator.normal(size=400), generator.normal(size=300) * 1.3
    values = np.unique(np.concatenate([first, second]))
    counts = [
        np.bincount(np.searchsorted(values, each), minlength=len(values))
        for each in (first, second)
    ]
    assert rank_spread(*counts).p == pytest.approx(stats.ansari(first, second).pvalue, rel=0.05)


@settings(max_examples=60, deadline=None)
@given(tables)
def test_distances(table):
    first, second = columns(table)
    if not first.sum() or not second.sum():
        return
    a, b = first / first.sum(), second / second.sum()
    own = distances.jensen_shannon(first, second)
    assert own == pytest.approx(distance.jensenshannon(a, b, base=2), abs=1e-7)
    assert distances.largest_difference(first, second) == pytest.approx(distance.chebyshev(a, b))
    stability = distances.population_stability(first, second)
    assert math.isfinite(stability)
    if (first > 0).all() and (second > 0).all():
        assert stability == pytest.approx(stats.entropy(a, b) + stats.entropy(b, a), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(seeds, sizes, sizes)
def test_wasserstein(seed, n, m):
    first, second = drawn(seed, n, m, ties=False)
    exact = distances.wasserstein_values(first, second)
    assert exact == pytest.approx(stats.wasserstein_distance(first, second), rel=1e-9)
    bounds = np.linspace(min(first[0], second[0]) - 0.1, max(first[-1], second[-1]) + 0.1, 40)
    counts = [np.histogram(each, bounds)[0] for each in (first, second)]
    binned, error = distances.wasserstein_counts(*counts, bounds)
    assert abs(binned - exact) <= error + 1e-9


def test_what_chance_moves_is_no_effect():
    generator = np.random.default_rng(0)
    shares = np.full(500, 1 / 500)
    first, second = generator.multinomial(2000, shares), generator.multinomial(2000, shares)
    assert np.abs(first - second).sum() / 4000 > 0.2
    assert beyond_chance(first, second) < 0.02


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_joined_p_values_stay_near_the_smallest(p_values):
    p = joined(p_values)
    assert 0.0 <= p <= 1.0
    if min(p_values) < 0.005:
        assert p <= max(1e-290, len(p_values) * min(p_values) * 1.3)


def test_joined_agrees_with_scipy():
    """Where SciPy has no Cauchy combination, its Cauchy distribution is the oracle."""
    p = [0.001, 0.3, 0.8]
    total = np.mean([stats.cauchy.isf(each) for each in p])
    assert joined(p) == pytest.approx(stats.cauchy.sf(total))
    assert joined([1e-20, 0.5]) == pytest.approx(2e-20, rel=0.01)


def test_nothing_to_look_at():
    none, some = np.zeros(3, dtype=np.int64), np.array([1, 2, 3])
    for test in (ks_counts, rank_place, rank_spread, chi_square):
        assert test(none, some).p == test(some, none).p == 1.0
    assert ks_values(np.zeros(0), np.ones(2)).p == 1.0
    assert two_shares(0, 0, 1, 2).p == 1.0
    assert rank_place(np.array([3, 0]), np.array([4, 0])).p == 1.0


def test_population_stability_is_that_of_frouros():
    """M8: the value its own tests expect, of the same numbers in the same ten cells."""
    drawn = np.random.RandomState(31)
    first, second = drawn.normal(size=500), drawn.normal(size=500)
    edges = np.histogram_bin_edges(np.concatenate([first, second]), 10)
    counts = [np.histogram(values, edges)[0] for values in (first, second)]
    assert distances.population_stability(*counts) == pytest.approx(0.01840072, abs=1e-8)
