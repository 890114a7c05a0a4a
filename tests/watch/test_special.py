"""M8: the tails of the distributions, held to SciPy's."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from mainstay.watch.special import (
    beta_share,
    chi_square_tail,
    fisher_tail,
    gamma_tail,
    kolmogorov_tail,
    normal_tail,
    student_both_tails,
)


def close(own, theirs, tolerance=1e-7):
    """Equal to eight digits wherever the tail can be told from nothing."""
    assert own == pytest.approx(theirs, rel=tolerance, abs=1e-14 if theirs > 1e-10 else 1e-290)


@settings(max_examples=150, deadline=None)
@given(st.floats(0.5, 5000), st.floats(0, 20_000))
def test_gamma(shape, x):
    theirs = float(special.gammaincc(shape, x))
    if theirs < 1e-10 and x < shape + 1:
        return
    close(gamma_tail(shape, x), theirs)
    close(chi_square_tail(2 * x, 2 * shape), float(stats.chi2.sf(2 * x, 2 * shape)))


@settings(max_examples=150, deadline=None)
@given(st.floats(0.001, 0.999), st.floats(0.5, 1e5), st.floats(0.5, 50))
def test_beta(x, a, b):
    close(beta_share(x, a, b), float(special.betainc(a, b, x)), 1e-6)


@settings(max_examples=100, deadline=None)
@given(st.floats(-30, 30), st.floats(1, 1e6))
def test_student_and_normal(t, freedom):
    close(student_both_tails(t, freedom), float(2 * stats.t.sf(abs(t), freedom)), 1e-7)
    close(normal_tail(t), float(stats.norm.sf(t)))


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 200), st.integers(1, 30), st.integers(1, 100_000))
def test_fisher(f, between, within):
    close(fisher_tail(f, between, within), float(stats.f.sf(f, between, within)), 1e-7)


@settings(max_examples=100, deadline=None)
@given(st.floats(0.01, 15))
def test_kolmogorov(x):
    close(kolmogorov_tail(x), float(special.kolmogorov(x)))


def test_ends():
    assert gamma_tail(1.0, 0.0) == kolmogorov_tail(0.0) == fisher_tail(0.0, 1, 1) == 1.0
    assert gamma_tail(1.0, math.inf) == fisher_tail(math.inf, 1, 1) == 0.0
    assert student_both_tails(math.inf, 3) == 0.0
    assert student_both_tails(1.0, 1e9) == pytest.approx(2 * stats.norm.sf(1.0))
    assert (beta_share(0.0, 1, 1), beta_share(1.0, 1, 1)) == (0.0, 1.0)
