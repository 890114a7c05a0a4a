"""A plain model's state is data: what goes in comes out, and nothing else is let in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.errors import InvalidBundle, InvalidUsage
from mainstay.bundle.state import decode_state, encode_state

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), plain, max_size=4))
def test_round_trip(attributes):
    assert repr(decode_state(encode_state(attributes))) == repr(attributes)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.float32(1.5),
        np.array(["a", "bc"]),
        np.zeros((0, 3)),
        np.array(7.0),
        np.array(["2020-01-01"], dtype="M8[D]"),
        np.uint8(3),
        np.array([True, False]),
    ],
)
def test_arrays_keep_type_and_shape(array):
    back = decode_state(encode_state({"x": array}))["x"]
    assert type(back) is type(array)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        print,
        {"deep": [object()]},
        np.array([object()]),
        1j,
        np.array([1], dtype=np.uint64),
    ],
)
def test_anything_else_is_refused_by_name(value):
    with pytest.raises(InvalidUsage, match=r"model\.x"):
        encode_state({"x": value})


def test_a_circle_ends():
    circle = []
    circle.append(circle)
    with pytest.raises(InvalidUsage, match="circle"):
        encode_state({"x": circle})


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=100))
def test_other_bytes_are_not_a_state(data):
    with pytest.raises(InvalidBundle):
        decode_state(data)
