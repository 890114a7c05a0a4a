"""S17 N10: durations and moments are read exactly, or refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import InvalidUsage
from mainstay.contract.times import duration_ns, moment_us


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("50ms", 50_000_000),
        ("10s", 10_000_000_000),
        ("2m", 120_000_000_000),
        ("0.1s", 100_000_000),
        ("30 days", 30 * 86_400 * 10**9),
        (" 1h ", 3_600_000_000_000),
        ("7us", 7_000),
    ],
)
def test_durations(text, nanoseconds):
    """N10: a duration is what it says, to the nanosecond."""
    assert duration_ns(text) == nanoseconds


@pytest.mark.parametrize(
    "text", ["", "10", "s", "-1s", "1e3s", "10 parsecs", "1s2", "١s", "9" * 99]
)
def test_what_is_no_duration(text):
    """N10: a number without a unit is refused, not guessed."""
    with pytest.raises(InvalidUsage, match="is not a duration"):
        duration_ns(text)


@given(
    st.datetimes(),
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
    st.sampled_from(["T", "t", " "]),
)
def test_moments_agree_with_the_standard_library(moment, minutes, separator):
    """S3: a moment is the same instant that `datetime` reads."""
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    sign = "+" if minutes >= 0 else "-"
    offset = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    text = moment.isoformat(separator, "microseconds") + offset
    since = (moment - datetime(1970, 1, 1)) - zoned.utcoffset()
    assert moment_us(text) == since // timedelta(microseconds=1)


def test_edges_of_moments():
    """S3: a leap second is the second after it; digits beyond the microsecond are dropped."""
    assert moment_us("2016-12-31T23:59:60Z") == moment_us("2017-01-01T00:00:00Z")
    assert moment_us("1970-01-01T00:00:00.1234567Z") == 123_456
    assert moment_us("1970-01-01T01:00:00+01:00") == 0
    assert datetime.fromtimestamp(0, UTC).isoformat() == "1970-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00Z\n",
        "0000-01-01T00:00:00Z",
        "20260101T000000Z",
        "٢026-01-01T00:00:00Z",
        "2026-01-01T00:00:00." + "1" * 99 + "Z",
    ],
)
def test_what_is_no_moment(text):
    """S3: a moment without an offset, or that no calendar has, is refused."""
    assert moment_us(text) is None
