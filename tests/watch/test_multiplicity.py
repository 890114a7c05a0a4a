"""M8: the correction for how many tests are run."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.watch.multiplicity import adjusted


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_equal_weights_are_holm(p_values):
    order = np.argsort(p_values, kind="stable")
    expected = np.empty(len(p_values))
    worst = 0.0
    for step, at in enumerate(order):
        worst = max(worst, min(1.0, p_values[at] * (len(p_values) - step)))
        expected[at] = worst
    assert adjusted(p_values, [1.0] * len(p_values)) == pytest.approx(expected.tolist(), abs=1e-9)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 1)), min_size=1, max_size=20))
def test_weights(pairs):
    p_values, weights = [p for p, _ in pairs], [w for _, w in pairs]
    result = adjusted(p_values, weights)
    assert all(p * (1 - 1e-12) <= q <= 1.0 for p, q in zip(p_values, result, strict=True))
    least = min(p / w for p, w in pairs)
    first = next(at for at, (p, w) in enumerate(pairs) if p / w == least)
    assert result[first] == pytest.approx(min(1.0, least * sum(weights)))


def test_a_family_keeps_its_rate():
    """The share of families with any rejection stays at the rate when nothing is there."""
    generator = np.random.default_rng(7)
    weights = [0.8, 0.1, 0.1] * 5
    hits = sum(min(adjusted(generator.random(15).tolist(), weights)) <= 0.1 for _ in range(4000))
    assert 0.08 < hits / 4000 < 0.115


def test_nothing():
    assert adjusted([], []) == []
