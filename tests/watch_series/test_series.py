"""Steps and slopes, held to brute force and to SciPy; wild values lead neither astray. M11."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from scipy.stats import theilslopes

from mainstay.watch.series.slope import line_through, rank_among
from mainstay.watch.series.step import (
    LOOK_BACK,
    NO_STEP,
    WIDTHS,
    begun,
    moving_medians,
    stepped_up,
)

figures = st.floats(-1e6, 1e6, allow_subnormal=False)


@settings(max_examples=80)
@given(st.lists(figures, min_size=3, max_size=40))
def test_the_slope_is_that_of_scipy(values: list[float]):
    """M11: the median of all slopes between two points."""
    line = line_through(values)
    slope, middle, *_ = theilslopes(values)
    scale = max(1.0, *map(abs, values))
    assert line.slope == pytest.approx(slope, abs=1e-9 * scale)
    assert line.start == pytest.approx(middle, abs=1e-9 * scale * len(values))
    assert line.end == pytest.approx(middle + slope * (len(values) - 1), abs=1e-8 * scale)


def test_a_quarter_of_wild_values_leaves_the_slope():
    """M11: up to 29 % of the points may be anything."""
    generator = np.random.default_rng(1)
    values = 0.01 * np.arange(200) + 0.01 * generator.normal(size=200)
    values[generator.choice(200, 50, replace=False)] = 1e9
    assert line_through(values.tolist()).slope == pytest.approx(0.01, rel=0.25)


def test_short_series_have_no_slope():
    assert line_through([]) == (0.0, 0.0, 0.0)
    assert line_through([7.0]) == (0.0, 7.0, 7.0)


def test_ranks_count_what_is_equal_half():
    assert rank_among(2.0, [1.0, 2.0, 2.0, 3.0]) == 0.5
    assert rank_among(0.0, [1.0, 2.0]) == 0.0
    assert rank_among(9.0, [1.0, 2.0]) == 1.0


def brute(values: list[float]) -> tuple[Any, ...]:
    """The same test, written down as its words say."""
    best, bound = (1.0, 0.0, 0), 0.0
    recent = min(48, len(values) // 3)
    for width in (3, 6, 12, 24):
        old = values[: len(values) - max(recent, width)]
        if len(old) / width < 16:
            break
        medians = [np.median(old[at : at + width]) for at in range(len(old) - width + 1)]
        middle = np.median(medians)
        spread = 1.4826 * np.median([abs(each - middle) for each in medians])
        spread = max(spread, (np.quantile(medians, 0.99) - middle) / 2.3263, 0.005)
        size = np.median(values[-width:]) - middle
        chance = 4 * student.sf(size / spread, max(1.0, 0.37 * len(old) / width))
        if size > 0 and chance < best[0]:
            best, bound = (chance, size, width), middle + size / 2.0
    if not best[2]:
        return best
    lengths = [0]
    for at in range(2, len(values)):
        if sorted(values[at - 2 : at + 1])[1] > bound:
            lengths[-1] += 1
        elif lengths[-1]:
            lengths.append(0)
    often, now = len(lengths), lengths[-1]
    stays = 1.0 - often / (sum(lengths[:-1]) + 1.5)
    lasts = often / len(values) * stays ** (now - 1) if now else 1.0
    return (max(best[0], lasts), *best[1:])


@pytest.mark.parametrize("hours", [20, 72, 100, 300, 672])
def test_the_chance_of_a_step_is_students(hours: int):
    """M11: a second way to the same figure."""
    for seed in range(20):
        generator = np.random.default_rng(seed)
        values = 0.1 * generator.standard_t(3, hours)
        values[-int(generator.integers(1, 24)) :] += generator.uniform(-0.5, 1.0)
        step = stepped_up(values.tolist())
        assert step.chance == pytest.approx(brute(values.tolist())[0], rel=1e-6)
        assert (step.size, step.width) == pytest.approx(brute(values.tolist())[1:])


def test_a_step_is_found_and_an_hour_that_is_wild_is_none():
    """M11: sudden, and only where it lasts."""
    generator = np.random.default_rng(2)
    level = 0.05 * generator.normal(size=300)
    wild = [*level, 5.0]
    assert stepped_up(wild).chance > 1e-3
    stepped = [*level, *(0.4 + 0.05 * generator.normal(size=8))]
    assert stepped_up(stepped[:-4]).chance > 1e-4, "four hours may be a burst"
    found = stepped_up(stepped)
    assert found.chance < 1e-5
    assert found.size == pytest.approx(0.4, abs=0.1)
    assert stepped_up([-each for each in stepped]).chance > 0.01, "improvements are none"


def test_what_often_happens_is_no_step():
    """M11: bursts of a few hours that come again and again."""
    generator = np.random.default_rng(3)
    values = 0.05 * generator.normal(size=400)
    for begin in range(10, 400, 40):
        values[begin : begin + 4] += 0.7
    values[-4:] += 0.7
    assert stepped_up(values.tolist()).chance > 1e-3


def bursts_of_hours(generator: np.random.Generator, count: int) -> Any:
    values = 0.05 * generator.normal(size=count)
    for begin in np.flatnonzero(generator.random(count) < 1.0 / 48.0):
        values[begin : begin + 1 + generator.geometric(0.4)] += 0.7
    return values


def volatile(generator: np.random.Generator, count: int) -> Any:
    spread = generator.normal(size=count)
    for place in range(1, count):
        spread[place] = 0.98 * spread[place - 1] + 0.2 * spread[place]
    return 0.05 * np.exp(0.8 * spread) * generator.standard_t(4.0, count)


@pytest.mark.parametrize("noise", [bursts_of_hours, volatile])
def test_noise_of_any_kind_is_no_step_in_months(noise: Callable[..., Any]):
    """M11 M8: hour by hour, at the rate of one in 48,000 looks that the monitor asks for."""
    for seed in range(3):
        values = noise(np.random.default_rng(seed), 600).tolist()
        told = [
            step.chance * 48_000.0 <= 1.0 and step.size > math.log(1.2)
            for step in (stepped_up(values[:end]) for end in range(60, len(values)))
        ]
        assert sum(told) == 0, seed


def test_nothing_is_said_of_short_series():
    assert stepped_up([]) == NO_STEP
    assert stepped_up([1.0] * 60) == NO_STEP
    assert stepped_up([*[0.0] * 80, *[math.log(2.0)] * 12]).chance < 1e-6


def test_moving_medians_are_those_of_every_stretch():
    values = np.random.default_rng(4).normal(size=50)
    for width in WIDTHS:
        expected = [np.median(values[at : at + width]) for at in range(50 - width + 1)]
        assert moving_medians(values, width) == pytest.approx(expected)


@settings(max_examples=60)
@given(st.lists(st.integers(-50, 50).map(float), min_size=2, max_size=LOOK_BACK + 10))
def test_the_beginning_is_the_best_split(values: list[float]):
    """M11: by trying all of them, of the newest values."""
    newest = values[-LOOK_BACK:]

    def cost(split: int) -> float:
        sides = newest[:split], newest[split:]
        return sum(abs(each - float(np.median(side))) for side in sides for each in side)

    best = min(map(cost, range(1, len(newest))))
    assert cost(len(newest) - begun(values)) == pytest.approx(best)


def test_the_beginning_of_a_clear_step_is_found():
    for place in (1, 5, 20):
        assert begun([*itertools.repeat(0.0, 100), *itertools.repeat(1.0, place)]) == place
