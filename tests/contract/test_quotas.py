"""Quotas are read exactly as people write them, or refused with what would be right (S34)."""

import pytest

from mainstay.base.errors import InvalidUsage
from mainstay.contract.quotas import Quota, quota

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "most", "seconds"),
    [
        ("5 per 1d", 5, 86_400),
        ("5 per day", 5, 86_400),
        (" 20 per 12h ", 20, 43_200),
        ("1000 per minute", 1000, 60),
        ("3 per 90 s", 3, 90),
        ("0 per 1s", 0, 1),
    ],
)
def test_what_people_write_is_read(text, most, seconds):
    assert quota(text) == Quota(most, seconds * SECOND)


@pytest.mark.parametrize(
    "text", ["", "5", "5 per", "per 1d", "five per day", "-5 per 1d", "5 per fortnight", "5/1d",
             "5 per 1", "5 per 1d per 1d", "5 per " + "1" * 100, "5.5 per 1d"],
)  # fmt: skip
def test_anything_else_is_refused_with_what_would_be_right(text):
    with pytest.raises(InvalidUsage, match="such as 5 per 1d"):
        quota(text)
