"""Mean and standard deviation from sums, against NumPy on all numbers at once (S29)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.judge.moments import Sums, mean_and_sd, sums_of, sums_of_one


def added(parts: list[Sums]) -> Sums:
    return tuple(float(sum(each)) for each in zip(*parts, strict=True))


@pytest.mark.parametrize("mean", [1e6, -1e6, 2.0**20, 2.0**20 - 0.1, 4096.5 * 256, 0.0, 1.0])
@pytest.mark.parametrize("run", [8, 1000])
def test_a_million_numbers_a_million_deviations_from_zero(mean: float, run: int) -> None:
    """S29: the variance stays exact enough to hold by, however large the mean beside it, also
    where the numbers lie on both sides of a place at which their first bits change."""
    values = mean + np.random.default_rng(1).standard_normal(1_000_000 if run == 1000 else 100_000)
    sums = [0.0] * 6
    for part in np.array_split(values, len(values) // run):
        sums = [one + other for one, other in zip(sums, sums_of(part), strict=True)]
    found_mean, found_sd = mean_and_sd(tuple(sums))
    assert found_mean == pytest.approx(values.mean(), rel=1e-12, abs=1e-9)
    assert found_sd == pytest.approx(values.std(ddof=1), rel=1e-6)


numbers = st.floats(-1e100, 1e100) | st.sampled_from([0.0, 1.0, -1.0, 1e-3, 1e6, 1e6 + 1])


@given(st.lists(numbers, min_size=2, max_size=200), st.integers(1, 100))
def test_sums_add_up_in_any_parts(values: list[float], size: int) -> None:
    """S29: however the numbers came in, one by one or many at once, the moments are NumPy's."""
    parts = [np.array(values[start : start + size]) for start in range(0, len(values), size)]
    mean, sd = mean_and_sd(added([sums_of(part) for part in parts]))
    scale = max(map(abs, values))
    assert mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-12 * scale)
    assert sd == pytest.approx(np.std(values, ddof=1), rel=1e-6, abs=1e-9 * scale)
    one_by_one = mean_and_sd(added([sums_of_one(value) for value in values]))
    assert one_by_one == pytest.approx((mean, sd), rel=1e-6, abs=1e-9 * scale)


def test_what_cannot_be_counted_adds_nothing() -> None:
    """S29: missing and endless numbers, and those too large to be squared, leave the sums alone."""
    odd = [1.0, np.nan, np.inf, 1e200, -1e300, 2.0]
    for values in (odd, odd * 20):
        sums = sums_of(np.array(values))
        assert sums[0] == values.count(1.0) * 2
        assert mean_and_sd(sums)[0] == 1.5
    assert sums_of(np.array([])) == (0.0,) * 6
    assert np.isnan(mean_and_sd(sums_of(np.array([])))[0])
    assert np.isnan(mean_and_sd(sums_of_one(3.0))[1])
