"""How rare what lies far out is, beside SciPy's generalised Pareto distribution. M8 M12."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import genpareto

from mainstay.watch.series.tail import BEYOND, Tail, tail_of


def fitted(values: np.ndarray) -> Tail:
    bound = float(np.quantile(values, 1.0 - BEYOND))
    return tail_of(values[values > bound] - bound, bound)


@pytest.mark.parametrize("shape", [0.0, 0.2])
def test_the_tail_is_that_of_the_distribution(shape: float):
    """M8: far beyond what was seen."""
    law = genpareto(shape)
    limits = [fitted(law.rvs(1344, random_state=seed)).limit(1 / 2880) for seed in range(200)]
    assert np.median(limits) == pytest.approx(law.isf(1 / 2880), rel=0.15)


@given(
    st.floats(-1e6, 1e6), st.sampled_from([0.0, 1e-9, 0.1, 0.5]), st.floats(1e-3, 1e3),
    st.floats(1e-9, 0.04),
)  # fmt: skip
def test_what_is_passed_once_in_so_many_is_so_rare(
    bound: float, heavy: float, scale: float, risk: float
):
    """M8: the limit and the rarity say the same."""
    found = Tail(bound, heavy, scale)
    assert found.rarity(found.limit(risk)) == pytest.approx(-math.log10(risk), rel=1e-3, abs=1e-3)
    assert found.rarity(bound) == 0.0


def test_of_one_value_beyond_nothing_is_known():
    """M8: what was never seen is not rare for that; a tail that may not be narrower is not."""
    assert tail_of(np.array([3.0]), 1.0).limit(1e-9) == math.inf
    assert tail_of(np.array([3.0]), 1.0, least=0.5).limit(BEYOND / math.e) == pytest.approx(1.5)
    assert tail_of(np.full(20, 1e-9), 0.0, least=0.5).scale == 0.5
