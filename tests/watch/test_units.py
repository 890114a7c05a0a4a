"""M6: a changed unit is suspected where mean and spread say so, and only there."""

import numpy as np
import pytest

from mainstay.summaries.moments import Moments, moments_of
from mainstay.watch.units import unit_change

SPEEDS = np.random.default_rng(0).normal(70, 8, 5000)


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1000, "multiplied by 1,000"), (0.01, "divided by 100"), (2.54, "inches"), (1 / 2.54, "inches"),
        (3.6, "kilometres per hour"), (1.609344, "miles"), (0.45359237, "pounds"), (60, "minutes"),
        (-1, "sign"), (1.0, ""), (1.5, ""), (5.0, ""), (0.0, ""),
    ],
)  # fmt: skip
def test_factors(factor, words):
    found = unit_change(moments_of(SPEEDS), moments_of(SPEEDS * factor))
    assert words in found if words else found == ""


def test_degrees():
    after = moments_of(SPEEDS * 1.8 + 32)
    assert "become degrees Fahrenheit" in unit_change(moments_of(SPEEDS), after)
    assert "become degrees Celsius" in unit_change(after, moments_of(SPEEDS))


def test_large_numbers_are_no_temperatures():
    """Of twice as many accounts nobody says that they became degrees."""
    accounts = np.random.default_rng(1).uniform(0, 10_000, 5000)
    assert unit_change(moments_of(accounts), moments_of(accounts * 1.8 + 32.0)) == ""


def test_around_zero_the_spread_decides():
    centred = SPEEDS - SPEEDS.mean()
    assert "1,000" in unit_change(moments_of(centred), moments_of(centred * 1000))


def test_nothing_to_go_by():
    assert unit_change(Moments(), moments_of(SPEEDS)) == ""
    assert unit_change(moments_of(np.ones(9)), moments_of(SPEEDS)) == ""
    assert unit_change(moments_of(SPEEDS), moments_of(SPEEDS + 500)) == ""
