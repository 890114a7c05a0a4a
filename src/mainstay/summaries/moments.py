"""Count, mean and the second to fourth central sums of numbers, merged without cancellation.

Promises that merging the moments of any split gives those of the whole within floating rounding,
whatever the order. Sums that leave the range of a float become infinite and are shown as such;
nothing raises.
"""

import math

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Moments(msgspec.Struct, frozen=True, array_like=True):
    """The moments of some finite numbers."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    """The sum of squared distances from the mean; `cubes` and `fourths` likewise."""
    cubes: float = 0.0
    fourths: float = 0.0

    @property
    def variance(self) -> float:
        """The variance that divides by one less than the count; NaN for fewer than two."""
        return self.squares / (self.count - 1) if self.count > 1 else math.nan

    @property
    def deviation(self) -> float:
        """The standard deviation."""
        return math.sqrt(self.variance) if self.count > 1 else math.nan

    @property
    def skewness(self) -> float:
        """The third standardised moment; NaN where nothing varies."""
        if self.squares <= 0.0 or math.isinf(self.squares):
            return math.nan
        return math.sqrt(self.count) * self.cubes / self.squares**1.5

    @property
    def kurtosis(self) -> float:
        """The fourth standardised moment, 3 for a normal distribution; NaN where nothing varies."""
        if self.squares <= 0.0 or math.isinf(self.squares):
            return math.nan
        return self.count * self.fourths / self.squares**2


def moments_of(values: Floats) -> Moments:
    """The moments of finite numbers."""
    count = len(values)
    if count == 0:
        return Moments()
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(values.mean())
        if math.isinf(mean):
            mean = float((values / count).sum())
        # Sums of products, and no dot product: a block is too small for the threads of BLAS,
        # which on a busy machine wait for each other thirty times longer than they compute.
        apart = values - mean
        squared = apart * apart
        squares = float(squared.sum())
        apart *= squared
        squared *= squared
        return Moments(count, mean, squares, float(apart.sum()), float(squared.sum()))


def merge_moments(one: Moments, other: Moments) -> Moments:
    """The moments of both together (Chan's and Pébay's update)."""
    if one.count == 0:
        return other
    if other.count == 0:
        return one
    n, m = one.count, other.count
    total = n + m
    try:
        gap = other.mean - one.mean
        step = gap / total
        shared = gap * step * n * m
        cubes = (
            one.cubes + other.cubes + shared * step * (n - m)
            + 3.0 * step * (n * other.squares - m * one.squares)
        )  # fmt: skip
        fourths = (
            one.fourths + other.fourths + shared * step * step * (n * n - n * m + m * m)
            + 6.0 * step * step * (n * n * other.squares + m * m * one.squares)
            + 4.0 * step * (n * other.cubes - m * one.cubes)
        )  # fmt: skip
        squares = one.squares + other.squares + shared
    except OverflowError:
        squares, cubes, fourths = math.inf, math.nan, math.inf
    return Moments(
        total, one.mean * (n / total) + other.mean * (m / total), squares, cubes, fourths
    )
