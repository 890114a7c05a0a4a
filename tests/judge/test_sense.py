"""S19: an output that is not finite, not in range or of the wrong form is never shown."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.contract.model import (
    Contract,
    Label,
    Number,
    NumberOutput,
    Probability,
    Ranking,
    VectorOutput,
)
from mainstay.judge.sense import Sense


def sense(output):
    return Sense(Contract(model="m", inputs={"a": Number()}, output=output))


_shares = st.sampled_from([0.0, 0.5, 1.0, 0.25, -0.1, 1.2, math.nan, math.inf, -math.inf, 0.4997])


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 4), st.data(), st.sampled_from([np.float32, np.float64]))
def test_probabilities(width, data, dtype):
    """S19: each lies in 0 to 1, and a row sums to 1 within a thousandth."""
    rows = data.draw(st.lists(st.lists(_shares, min_size=width, max_size=width), max_size=4))
    check = sense(Probability(classes=tuple("abcd"[:width])))
    output = np.array(rows, dtype=dtype).reshape(len(rows), width)
    expected = [
        all(math.isfinite(share) and 0 <= share <= 1 for share in row)
        and abs(math.fsum(row) - 1) <= 1e-3
        for row in rows
    ]
    assert check(output).tolist() == expected
    for row, good in enumerate(expected):
        if not good:
            assert check.reason(output, row)


def test_rounding_of_narrow_floats_is_forgiven():
    """S19: 1 + 1e-7 is what a 32-bit softmax calls 1."""
    output = np.array([[1.0000001, 0.0], [0.9998, -1e-7]], dtype=np.float32)
    assert sense(Probability(classes=("a", "b")))(output).tolist() == [True, True]
    beyond = np.array([[1.0005, 0.0], [0.0, 1.0005]])  # the sum alone would let it through
    assert sense(Probability(classes=("a", "b")))(beyond).tolist() == [False, False]


@pytest.mark.parametrize(
    ("output", "values", "good", "reason"),
    [
        (NumberOutput(min=0, max=9), [0.0, 9.0, -1.0, math.nan, math.inf], [1, 1, 0, 0, 0],
         "the output is -1; expected a number from 0 to 9"),
        (NumberOutput(), [0.0, -math.inf], [1, 0], "the output is not finite"),
        (Label(classes=("a", "b")), [0, 1, 2, -1], [1, 1, 0, 0], "there is no class number 2"),
        (Ranking(items=("a", "b")), [[1.0, 2.0], [1.0, math.nan]], [1, 0], "not finite"),
        (VectorOutput(length=2), [[1.0, 2.0], [math.inf, 0.0]], [1, 0], "not finite"),
        (Probability(classes=("a", "b")), [[0.5, 0.5], [0.9, 0.9]], [1, 0], "sum to 1.8"),
        (Probability(classes=("a", "b")), [[0.5, 0.5], [-0.5, 1.5]], [1, 0], "outside 0 to 1"),
    ],
)  # fmt: skip
def test_each_output(output, values, good, reason):
    """S19: every kind of output has its sense, and a reason in words."""
    check, raw = sense(output), np.array(values)
    assert check(raw).tolist() == [bool(each) for each in good]
    assert reason in check.reason(raw, good.index(0))


@pytest.mark.parametrize(
    ("output", "raw"),
    [
        (Probability(classes=("a", "b")), np.zeros((2, 3))),
        (Probability(classes=("a", "b")), np.zeros(2)),
        (Label(classes=("a", "b")), np.zeros(2)),
        (NumberOutput(), np.zeros((2, 1))),
        (NumberOutput(), np.zeros(2, dtype=np.int64)),
        (VectorOutput(length=2), np.zeros((2, 2), dtype=object)),
    ],
)
def test_a_wrong_form_is_never_shown(output, raw):
    """S19: an output of another shape or type makes no row pass."""
    check = sense(output)
    assert check(raw).tolist() == [False, False]
    assert "shape" in check.reason(raw, 0)
