"""M5: summaries merge in any order, stay bounded, and survive being written."""

import functools
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.errors import InvalidUsage
from mainstay.summaries import summary as room
from mainstay.summaries.moments import merge_moments, moments_of
from mainstay.summaries.ruler import CELLS_MAX, NAMES_MAX, ruler_of
from mainstay.summaries.summary import decode_summary, encode_summary, merge, summarise
from mainstay.summaries.values import values_of

numbers = st.lists(
    st.one_of(
        st.floats(-1e6, 1e6),
        st.just(float("nan")),
        st.just(float("inf")),
        st.just(float("-inf")),
        st.none(),
    ),
    min_size=1,
    max_size=60,
)
strings = st.lists(st.one_of(st.none(), st.text("abcde", max_size=3)), min_size=1, max_size=60)


def column(values, kind):
    return values_of(pa.chunked_array([pa.array(values, kind)]))


def same(one, other):
    """Exactly equal, but for the rounding of the moments."""
    assert (one.ruler, one.kind, one.rows, one.missing) == (
        other.ruler,
        other.kind,
        other.rows,
        other.missing,
    )
    assert one.categories == other.categories
    for first, second in ((one.numbers, other.numbers), (one.lengths, other.lengths)):
        if first is None or second is None:
            assert first is second
            continue
        assert (first.cells, first.low, first.high, first.nan, first.infinite) == (
            second.cells,
            second.low,
            second.high,
            second.nan,
            second.infinite,
        )
        assert first.moments.count == second.moments.count
        scale = 1e6
        for power, name in enumerate(("mean", "squares", "cubes", "fourths"), 1):
            a, b = getattr(first.moments, name), getattr(second.moments, name)
            assert a == pytest.approx(b, rel=1e-6, abs=1e-9 * scale**power)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from(["numbers", "strings"]))
def test_any_split_in_any_order_gives_the_whole(data, what):
    drawn, kind = (numbers, pa.float64()) if what == "numbers" else (strings, pa.string())
    reference, rows = data.draw(drawn), data.draw(drawn)
    ruler, _ = ruler_of(column(reference, kind))
    whole = summarise(column(rows, kind), ruler)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    parts = [rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    data.draw(st.randoms()).shuffle(parts)
    same(functools.reduce(merge, [summarise(column(part, kind), ruler) for part in parts]), whole)


@settings(max_examples=60, deadline=None)
@given(numbers, numbers, numbers)
def test_merge_is_associative_and_commutative(first, second, third):
    ruler, _ = ruler_of(column(first, pa.float64()))
    a, b, c = (summarise(column(rows, pa.float64()), ruler) for rows in (first, second, third))
    same(merge(a, b), merge(b, a))
    same(merge(merge(a, b), c), merge(a, merge(b, c)))


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 6))
def test_a_sample_of_many_categories_merges_exactly(seed, pieces):
    """More strange categories than are kept: the sample must not depend on the split."""
    generator = random.Random(seed)
    ruler, _ = ruler_of(column(["a", "b"] * 100, pa.string()))
    rows = [f"v{generator.randrange(3000)}" for _ in range(6000)]
    whole = summarise(column(rows, pa.string()), ruler)
    assert whole.categories.others_cut
    assert len(whole.categories.others) == room.OTHERS_KEPT_MAX
    assert all(
        rows.count(name) == count for name, count in list(whole.categories.others.items())[:20]
    )
    size = -(-len(rows) // pieces)
    parts = [
        summarise(column(rows[at : at + size], pa.string()), ruler)
        for at in range(0, len(rows), size)
    ]
    generator.shuffle(parts)
    same(functools.reduce(merge, parts), whole)


@settings(max_examples=40, deadline=None)
@given(numbers)
def test_bytes_come_back_as_they_went(rows):
    values = column(rows, pa.float64())
    taken = summarise(values, ruler_of(values)[0])
    assert decode_summary(encode_summary(taken)) == taken


def test_bytes_that_are_none():
    with pytest.raises(InvalidUsage):
        decode_summary(b"\x93\x01\x02\x03")


def test_figures_are_those_of_numpy():
    generator = np.random.default_rng(3)
    values = generator.lognormal(size=100_000)
    values[:7] = [np.nan, np.inf, np.inf, -np.inf, np.nan, np.nan, 0.0]
    taken = summarise(values_of(values), ruler_of(values_of(values))[0]).numbers
    finite = values[np.isfinite(values)]
    assert (taken.nan, taken.infinite) == (3, (1, 2))
    assert (taken.low, taken.high) == (finite.min(), finite.max())
    assert taken.moments.count == sum(taken.cells) == len(finite)
    assert taken.moments.mean == pytest.approx(finite.mean())
    assert taken.moments.deviation == pytest.approx(finite.std(ddof=1))
    from scipy import stats

    assert taken.moments.skewness == pytest.approx(stats.skew(finite))
    assert taken.moments.kurtosis == pytest.approx(stats.kurtosis(finite) + 3)


def test_moments_far_from_zero_keep_their_digits():
    values = 1e9 + np.random.default_rng(0).normal(size=10_000)
    merged = functools.reduce(merge_moments, [moments_of(part) for part in np.split(values, 100)])
    assert merged.deviation == pytest.approx(values.std(ddof=1), rel=1e-6)


def test_numbers_at_the_end_of_floats_do_not_raise():
    values = np.array([1.7e308, 1.7e308, -1.7e308, 1e300])
    taken = summarise(values_of(values), ruler_of(values_of(values))[0])
    merge(taken, taken)
    assert taken.numbers.moments.count == 4


def test_the_size_is_bounded():
    generator = np.random.default_rng(0)
    values = values_of(generator.normal(size=300_000))
    ruler, _ = ruler_of(values)
    assert len(ruler.edges) <= CELLS_MAX + 1
    assert len(encode_summary(summarise(values, ruler))) < 2000
    names = column([f"v{i}" for i in range(20_000)] * 3 + ["x"] * 60_000, pa.string()).column.take(
        pa.array(generator.permutation(120_000))
    )
    ruler, tally = ruler_of(values_of(names))
    assert ruler.kind == "category"
    assert len(ruler.names) == NAMES_MAX
    assert ruler.names[0] == "x"
    taken = summarise(values_of(names), ruler, tally)
    assert sum(taken.categories.named) + taken.categories.others_rows == 120_000
    assert len(encode_summary(taken)) < 20_000


def test_different_rulers_do_not_merge():
    one, other = column([1.0, 2.0], pa.float64()), column([5.0, 6.0], pa.float64())
    with pytest.raises(InvalidUsage, match="different rulers"):
        merge(summarise(one, ruler_of(one)[0]), summarise(other, ruler_of(other)[0]))


def test_cells_hold_about_equally_many_rows():
    values = np.random.default_rng(5).lognormal(size=60_000)
    ruler, _ = ruler_of(values_of(values))
    cells = np.array(summarise(values_of(values), ruler).numbers.cells)
    assert cells[0] == cells[-1] == 0
    assert cells.max() < 1.5 * 60_000 / CELLS_MAX
