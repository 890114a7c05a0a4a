"""N10: shares are read exactly, and what could mean two things is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import InvalidUsage
from mainstay.contract.shares import share


@given(st.integers(0, 1_000_000))
def test_a_share_is_the_nearest_float(millionths):
    """N10: no error of a product or quotient creeps in on the way."""
    text = f"{millionths // 10_000}.{millionths % 10_000:04d} %"
    assert share(text) == millionths / 1_000_000


@pytest.mark.parametrize(("text", "value"), [("1 %", 0.01), ("1%", 0.01), (" 0.1 % ", 0.001),
                                             ("100 %", 1.0), ("0 %", 0.0)])  # fmt: skip
def test_spellings(text, value):
    assert share(text) == value


@pytest.mark.parametrize("text", ["", "%", "0.5", "1", "-1 %", "100.1 %", "1e1 %", "1 percent",
                                  "٣ %", "1  %", "9" * 50 + "%"])  # fmt: skip
def test_what_is_no_share(text):
    """N10: a number without its sign may mean a half or a half percent."""
    with pytest.raises(InvalidUsage, match="is not a share; write a number with %"):
        share(text)
