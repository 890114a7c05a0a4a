"""Krippendorff's alpha, against a published example and a plain second account (N8)."""

import random
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.renew.labelling.agreement import Scale, agreement

NO = None
# Krippendorff (2011), "Computing Krippendorff's alpha-reliability", the data of its section C.
RATINGS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NO, NO, NO],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NO, 3],
    [NO, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NO],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NO],
]
UNITS = [[float(row[u]) for row in RATINGS if row[u] is not NO] for u in range(12)]
ORDER = (1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.mark.parametrize(
    ("scale", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_the_published_example(scale: Scale, published: float):
    """N8: units with one answer are left out; missing answers are no trouble."""
    found = agreement(UNITS, scale, ORDER)
    assert found.alpha == pytest.approx(published, abs=5e-4)
    assert (found.units, found.answers) == (11, 40)
    assert found.alpha is not None
    assert found.interval is not None
    assert found.interval[0] < found.alpha < found.interval[1] <= 1.0


def plainly(units: list[list[float]], scale: Scale) -> float | None:
    """The definition, pair by pair."""
    units = [unit for unit in units if len(unit) > 1]
    values = [value for unit in units for value in unit]

    def apart(one: float, other: float) -> float:
        if scale == "nominal":
            return float(one != other)
        if scale == "interval":
            return (one - other) ** 2
        low, high = min(one, other), max(one, other)
        between = sum(values.count(g) for g in ORDER if low <= g <= high)
        return (between - (values.count(one) + values.count(other)) / 2) ** 2

    n = len(values)
    within = sum(sum(apart(a, b) for a, b in permutations(u, 2)) / (len(u) - 1) for u in units)
    between = sum(apart(a, b) for a, b in permutations(values, 2))
    return None if not between else 1 - (within / n) / (between / (n * (n - 1)))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(ORDER), max_size=4), max_size=8),
    st.sampled_from(["nominal", "ordinal", "interval"]),
)
def test_it_is_its_definition(units: list[list[float]], scale: Scale):
    """N8: also where all agree, nobody could differ, or they say the opposite of each other."""
    expected, found = plainly(units, scale), agreement(units, scale, ORDER)
    if expected is None:
        assert found.alpha is None
        assert found.interval is None
    else:
        assert found.alpha == pytest.approx(expected, abs=1e-9)


def test_large_numbers_lose_no_precision():
    units = [[1e9 + a, 1e9 + b] for a, b in ((0.0, 1.0), (5.0, 4.0), (9.0, 9.0))]
    moved = [[value - 1e9 for value in unit] for unit in units]
    assert agreement(units, "interval").alpha == pytest.approx(agreement(moved, "interval").alpha)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), min_size=2, max_size=4), min_size=2, max_size=8))
def test_what_classes_are_called_makes_no_difference(units: list[list[str]]):
    renamed = [[{"a": "x", "b": "a", "c": "b"}[each] for each in unit] for unit in units]
    one, other = agreement(units, "nominal").alpha, agreement(renamed, "nominal").alpha
    assert (one is None) == (other is None)
    assert one is None or one == pytest.approx(other, abs=1e-9)


def test_the_interval_holds_what_is_true():
    """N8: of many small samples of labelers who agree by two parts in three."""
    draw = random.Random(1)

    def unit() -> list[str]:
        truth = draw.choice("ab")
        return [truth if draw.random() < 0.9 else draw.choice("ab") for _ in range(3)]

    true = agreement([unit() for _ in range(6_000)], "nominal").alpha
    inside = 0
    assert true is not None
    for _ in range(100):
        interval = agreement([unit() for _ in range(60)], "nominal").interval
        assert interval is not None
        low, high = interval
        inside += low <= true <= high
    assert inside >= 85
