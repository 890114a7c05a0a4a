"""The default detector of series: planted changes are told where they begin, noise is not. M1 M11 M12."""

import math
from collections.abc import Iterable

import numpy as np
import pytest

from mainstay.watch import Unusual, unusual
from mainstay.watch.series.unusual import REST, Detector

PER_DAY = 144


def quiet(seed: int, days: int = 20) -> np.ndarray:
    """Days with a shape, and noise."""
    generator = np.random.default_rng(seed)
    at = np.arange(days * PER_DAY)
    return 100 + 30 * np.sin(2 * math.pi * at / PER_DAY) + generator.normal(0, 3, len(at))


def told(values: Iterable[float | None], per_day: int = PER_DAY) -> list[Unusual]:
    return list(unusual(values, per_day))


def test_what_is_as_ever_is_hardly_ever_told():
    """M12: of sixty days of ten minutes, a few values."""
    assert sum(len(told(quiet(seed, 20))) for seed in range(3)) <= 9  # of 8,640


@pytest.mark.parametrize(
    ("begin", "size", "length"),
    [(2000, 80.0, 3), (2000, -90.0, 3), (2000, 60.0, 300), (2300, -60.0, 300), (2100, 250.0, 2)],
)
def test_a_change_is_told_where_it_begins(begin: int, size: float, length: int):
    """M11 M12: a spike, an outage, a step in either direction, once within a rest."""
    values = quiet(7)
    before = {found.at for found in told(values)}
    values[begin : begin + length] += size
    new = [found for found in told(values) if found.at not in before]
    assert new[0].at - begin in range(4)
    assert new[0].value == values[new[0].at]
    near = [found.at for found in new if begin <= found.at <= begin + REST]
    assert len(near) == 1


def test_what_it_would_expect_is_the_usual_at_this_time():
    """M12: the median of the last days at this time of day."""
    values = quiet(7)
    values[2000:2003] += 80.0
    (found,) = [each for each in told(values) if 2000 <= each.at < 2003]
    days = values[found.at - PER_DAY :: -PER_DAY][:7]
    assert found.usual == pytest.approx(np.median(days))


def test_a_value_that_is_wrong_only_at_this_hour_is_told():
    """M12: the height of day at night lies within everything that was seen."""
    values = quiet(3)
    night = 2000 // PER_DAY * PER_DAY + 3 * PER_DAY // 4
    values[night : night + 4] = 128.0
    assert any(night <= found.at < night + 4 for found in told(values))


def test_the_nightly_job_is_no_news():
    """M12: what happens every day around the same time is known after some days."""
    generator = np.random.default_rng(5)
    values = quiet(5, 30)
    jobs = [day * PER_DAY + 20 + int(generator.integers(-4, 5)) for day in range(30)]
    for job in jobs:
        values[job : job + 2] += 150.0
    late = [found.at for found in told(values) if found.at > 10 * PER_DAY]
    assert sum(any(job <= at < job + 4 for job in jobs) for at in late) == 0


def test_a_value_is_judged_by_those_before_it_alone():
    """M11: what is told of a beginning does not change with what follows."""
    values = quiet(11)
    values[1500:1510] += 90
    for length in (1501, 1505, 1800):
        assert told(values[:length]) == [each for each in told(values) if each.at < length]


def test_units_make_no_difference():
    """M1: seconds or milliseconds, Celsius or Fahrenheit: the same is told."""
    values = quiet(12)
    values[1500:1510] += 90
    plain = [found.at for found in told(values)]
    assert plain == [found.at for found in told(values * 1000.0 + 5.0)]
    assert plain == [found.at for found in told(values / 64.0)]


def test_a_flat_series_that_moves_is_told_at_once():
    """M11: nothing may vary; the first thing that does is news."""
    assert told([5.0] * 3000) == []
    found = told([5.0] * 3000 + [5.1] * 20)
    assert [each.at for each in found] == [3000]


@pytest.mark.parametrize("hole", [math.nan, math.inf, -math.inf])
def test_what_is_missing_is_no_value(hole: float):
    """M10: it is neither told nor learned from, and the time of day goes on."""
    values = quiet(13)
    values[1500:1510] += 90
    with_holes = values.copy()
    with_holes[1000:1060] = hole
    found = [each.at for each in told(with_holes)]
    assert any(1500 <= at < 1504 for at in found)
    assert not any(1000 <= at < 1060 for at in found)
    assert all(math.isfinite(each.value + each.usual + each.loud) for each in told(with_holes))
    assert told([hole] * 500) == []
    assert told([None, *[1.0] * 200]) == []


@pytest.mark.parametrize("per_day", [0, 1, 2, 24])
def test_series_without_days_have_no_days(per_day: int):
    """M1: however few values there are in a day."""
    values = np.random.default_rng(1).normal(0, 1, 1500)
    values[1200:1210] += 12
    assert any(1200 <= found.at < 1204 for found in told(values, per_day))


def test_memory_is_bounded():
    """M11: whatever came, no more is kept."""
    detector = Detector(24)
    generator = np.random.default_rng(2)
    for value in generator.normal(0, 1, 9000).tolist():
        detector.add(value)
    views = [detector._as_is, detector._apart]
    assert all(len(figure.kept) == 8000 for view in views for figure in view.figures)
    assert len(detector._before) == 7 * 24
    assert detector._days is not None
    assert len(detector._days.seen) <= 8 * 12
