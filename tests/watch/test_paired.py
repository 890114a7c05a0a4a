"""S8 N7: how sure a difference is, held against SciPy and against simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mainstay.watch.paired import (
    FAIL_CHANCE,
    exact,
    holm,
    judged,
    of_mistakes,
    of_pairs,
    quantile,
    upper_tail,
)


@pytest.mark.parametrize("freedom", [19, 40, 200, 1_000_000_000])
@pytest.mark.parametrize("probability", [0.5, 0.9, 0.95, 0.99, 0.9999])
def test_student_is_what_scipy_says(probability, freedom):
    t = stats.t.ppf(probability, freedom)
    assert quantile(probability, freedom) == pytest.approx(t, rel=3e-3, abs=1e-9)
    assert upper_tail(t, freedom) == pytest.approx(1 - probability, rel=2e-2)


@given(st.floats(1e-6, 1 - 1e-6), st.integers(19, 10_000))
def test_the_tail_undoes_the_quantile(probability, freedom):
    assert upper_tail(quantile(probability, freedom), freedom) == pytest.approx(
        1 - probability, rel=1e-6
    )


def test_paired_means_are_a_paired_t_test():
    random = np.random.default_rng(3)
    one, other = random.normal(1.02, 1, 60), random.normal(1, 1, 60)
    low, high = of_pairs(one - other).interval()
    by_scipy = stats.ttest_rel(one, other)
    assert low == pytest.approx(by_scipy.confidence_interval(1 - 2 * FAIL_CHANCE).low, rel=1e-3)
    assert high == pytest.approx(by_scipy.confidence_interval(0.90).high, rel=1e-3)
    bigger = stats.ttest_rel(one, other, alternative="greater").pvalue
    assert of_pairs(one - other).chance(0.0) == pytest.approx(bigger, rel=1e-2)


def test_mistakes_are_covered_as_often_as_promised():
    """Second oracle: simulated pairs of shares whose true difference is known."""
    random = np.random.default_rng(4)
    outside_low = outside_high = 0
    for _ in range(2000):
        draw = random.random(400)
        candidate, baseline = draw < 0.12, (draw > 0.03) & (draw < 0.13)
        low, high = of_mistakes(candidate, baseline).interval()
        outside_low += low > 0.02 + 1e-12
        outside_high += high < 0.02 - 1e-12
    assert outside_low / 2000 < 0.006
    assert outside_high / 2000 < 0.07


def test_holm_by_hand():
    """Smallest against a quarter of the level, the next against a third, until one does not hold."""
    assert holm([0.04, 0.0001, 0.003, 0.5], 0.01) == [False, True, True, False]
    assert holm([0.0026, 0.0026, 0.0026, 0.0026], 0.01) == [False] * 4
    assert holm([], 0.01) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_claims_no_more_than_each_alone_and_no_less_than_bonferroni(chances):
    holds = holm(chances, 0.05)
    for chance, claimed in zip(chances, holds, strict=True):
        assert not claimed or chance <= 0.05
        assert claimed or chance > 0.05 / len(chances)


def test_no_difference_in_a_few_rows_is_no_proof():
    """Unsure never passes silently: ten rows answered with the same classes prove nothing."""
    nothing = np.zeros(10, dtype=bool)
    assert judged([of_mistakes(nothing, nothing)], 0.02) == ["unsure"]
    many = np.zeros(200, dtype=bool)
    assert judged([of_mistakes(many, many)], 0.02) == ["pass"]


def test_an_exact_difference_is_judged_exactly():
    assert judged([exact(0.0, 3), exact(0.03, 3), exact(0.02, 3)], 0.02) == ["pass", "fail", "pass"]
    assert judged([exact(0.0, 3)], 0.0) == ["pass"]


def test_many_parts_do_not_make_a_failure_likelier():
    """N7: of a hundred deployments with twenty parts each, all as good as before, one may fail."""
    random = np.random.default_rng(5)
    failed = 0
    for _ in range(400):
        parts = [of_pairs(random.normal(0, 1, 50)) for _ in range(20)]
        failed += "fail" in judged(parts, 0.0)
    assert failed / 400 <= 4 * FAIL_CHANCE
