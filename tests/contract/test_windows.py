"""Stretches of time on the command line."""

import pytest

from mainstay.base.errors import InvalidUsage
from mainstay.contract.windows import moment_ns, moment_or_ago_ns, window_ns

DAY = 86_400 * 10**9


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", 86_400),
        ("1970-01-01T08:30", 30_600),
        ("1970-01-01 08:30:05Z", 30_605),
        ("1970-01-01T08:30:05.25+01:00", 27_005.25),
        ("1970-01-02+02:00", 79_200),
    ],
)
def test_a_moment_without_an_offset_is_utc(text: str, seconds: float):
    assert moment_ns(text) == seconds * 10**9


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "1970-01-01T25:00", "١٩٧٠-01-01"])
def test_what_is_no_moment_is_refused(text: str):
    with pytest.raises(InvalidUsage, match="is not a moment"):
        moment_ns(text)


def test_a_stretch_has_two_ends_in_order():
    assert window_ns("1970-01-01..1970-01-02") == (0, DAY)
    for wrong in ("1970-01-01", "1970-01-02..1970-01-01", "1970-01-01..", "..1970-01-01"):
        with pytest.raises(InvalidUsage):
            window_ns(wrong)


def test_since_is_a_moment_or_counted_back():
    assert moment_or_ago_ns("2d", 5 * DAY, "since") == 3 * DAY
    assert moment_or_ago_ns("1970-01-02", 5 * DAY, "since") == DAY
    with pytest.raises(InvalidUsage):
        moment_or_ago_ns("2 fortnights", 5 * DAY, "since")
