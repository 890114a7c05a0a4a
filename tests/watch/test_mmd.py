"""M8: vectors, compared by a kernel; against the definition, pair by pair."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mainstay.summaries.ruler import ruler_of
from mainstay.summaries.summary import merge, summarise
from mainstay.summaries.values import values_of, vectors
from mainstay.watch import compare
from mainstay.watch.mmd import discrepancy, features_of, kernel_width, squared_of


def by_definition(first, second, width):
    """The unbiased estimate, from every pair of rows (Gretton and others, 2012, equation 3)."""

    def kernel(a, b):
        squares = ((a[:, np.newaxis, :] - b[np.newaxis, :, :]) ** 2).sum(axis=2)
        return np.exp(-squares / (2 * width**2))

    n, m = len(first), len(second)
    own, other = kernel(first, first), kernel(second, second)
    return (
        (own.sum() - np.trace(own)) / (n * (n - 1))
        + (other.sum() - np.trace(other)) / (m * (m - 1))
        - 2 * kernel(first, second).mean()
    )


def vectors_of(seed, rows=800, size=8, shift=0.0, correlation=0.0):
    generator = np.random.default_rng(seed)
    made = generator.normal(size=(rows, size))
    made[:, 1] = correlation * made[:, 0] + np.sqrt(1 - correlation**2) * made[:, 1]
    return made + shift


@pytest.mark.parametrize(("shift", "correlation"), [(0.0, 0.0), (0.3, 0.0), (1.0, 0.0), (0.0, 0.9)])
def test_the_estimate_is_that_of_the_definition(shift, correlation):
    first, second = vectors_of(1, 300), vectors_of(2, 250, shift=shift, correlation=correlation)
    width = kernel_width(first, second)
    exact = by_definition(first, second, width)
    found = discrepancy(first, second)
    # Of 512 random frequencies: about one part in twenty, and what is next to nothing stays so.
    assert found.squared == pytest.approx(exact, rel=0.25, abs=0.002)


@pytest.mark.parametrize(
    ("first", "second", "published"),
    [
        ((0, 1, 100), (0, 1, 100), 0.00052755),
        ((0, 1, 100), (0, 1, 10), -0.03200193),
        ((0, 1, 10), (0, 1, 100), 0.07154671),
        ((2, 1, 100), (0, 1, 100), 0.43377622),
        ((2, 1, 100), (0, 1, 10), 0.23051378),
        ((2, 1, 10), (0, 1, 100), 0.62530767),
    ],
)
def test_the_definition_is_that_of_frouros(first, second, published):
    """M8: the values its own tests expect, of the same numbers, at a width of one half."""
    drawn = np.random.RandomState(31)
    one, other = (drawn.normal(*made)[:, np.newaxis] for made in (first, second))
    assert by_definition(one, other, 0.5) == pytest.approx(published, abs=1e-8)
    draw = np.random.default_rng(1).normal(size=(1, 1 << 15)) / 0.5
    found = squared_of(features_of(one, draw), features_of(other, draw))
    assert found == pytest.approx(published, abs=0.01)


def test_the_width_is_the_median_distance():
    first, second = vectors_of(1, 200), vectors_of(2, 200)
    rows = np.concatenate([first, second])
    apart = np.sqrt(((rows[:, np.newaxis] - rows[np.newaxis]) ** 2).sum(axis=2))
    assert kernel_width(first, second) == pytest.approx(
        np.median(apart[np.triu_indices(400, 1)]), rel=1e-9
    )


def test_the_rate_of_false_alarms():
    hits = sum(
        discrepancy(vectors_of(seed, 150, 5), vectors_of(1000 + seed, 90, 5)).apart.p < 0.1
        for seed in range(150)
    )
    # 150 tries at one in ten: more than 27 would come about once in two thousand times.
    assert hits <= 27


def forms(rows):
    return {
        "numpy": rows,
        "half": rows.astype(np.float32),
        "fixed": pa.FixedSizeListArray.from_arrays(rows.ravel(), rows.shape[1]),
        "lists": pa.array(rows.tolist()),
        "pieces": pa.chunked_array([pa.array(rows[:7].tolist()), pa.array(rows[7:].tolist())]),
    }


def test_every_form_of_vectors_is_read_alike():
    rows = vectors_of(3, 100)
    for name, column in forms(rows).items():
        values = values_of(column if isinstance(column, np.ndarray) else pa.chunked_array(
            column.chunks if hasattr(column, "chunks") else [column]))  # fmt: skip
        assert values.kind == "vector", name
        assert values.type == "vector of 8", name
        assert np.concatenate(list(vectors(values))) == pytest.approx(rows, rel=1e-6), name


@pytest.mark.parametrize("now", ["numpy", "fixed", "lists", "polars", "pandas"])
def test_a_change_of_vectors_is_found_and_none_is_not(now):
    before = pa.table({"embedding": forms(vectors_of(1))["fixed"], "n": np.arange(800) % 9})
    same, other = vectors_of(2), vectors_of(2, shift=0.2)

    def table(rows):
        n = np.arange(800) % 9
        match now:
            case "polars":
                made = pl.Series("embedding", rows, dtype=pl.Array(pl.Float64, 8))
                return pl.DataFrame([made, pl.Series("n", n)])
            case "pandas":
                return pd.DataFrame({"embedding": list(rows), "n": n})
            case _:
                return {"embedding": forms(rows)[now], "n": n}

    quiet, loud = compare(before, table(same)), compare(before, table(other))
    assert quiet.verdict == "pass", str(quiet)
    assert [found.check for found in loud.failures] == ["embedding: shape"]
    column = loud.columns[0]
    assert column.kind == "vector"
    assert column.figures["mmd"] > 5 * abs(quiet.columns[0].figures["mmd"])
    assert column.figures["mmd p"] < 1e-6
    assert "its vectors can be told from those of the reference" in loud.failures[0].words
    assert "vector" in loud.to_html()
    assert loud.to_json()


def test_directions_alone():
    """All vectors have the same length: only where they point has changed."""
    first, second = vectors_of(1), vectors_of(2, correlation=0.9)
    before, after = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (first, second))
    report = compare({"v": before}, {"v": after})
    assert [found.check for found in report.failures] == ["v: shape"]
    assert compare({"v": before}, {"v": before[::-1].astype(np.float32)}).verdict == "pass"


def test_another_number_of_dimensions_is_another_type():
    report = compare({"v": vectors_of(1, size=8)}, {"v": vectors_of(2, size=9)})
    assert [found.words for found in report.failures] == [
        "`v` was vector of 8 and is vector of 9 now."
    ]


def test_what_is_not_finite_is_told():
    """M10: also in the middle of a vector."""
    broken = vectors_of(2)
    broken[3, 5], broken[4, 0] = np.nan, -np.inf
    report = compare({"v": vectors_of(1)}, {"v": broken})
    assert {found.check for found in report.failures} == {"v: not a number", "v: infinite"}
    assert "1 of 800" in str(report)


@pytest.mark.parametrize("rows", [
    np.full((60, 3), np.nan), np.zeros((60, 3)), np.full((60, 3), 1e308), np.zeros((60, 1)),
    np.tile([1.0, np.inf, 0.0], (60, 1)), np.full((60, 3), 5e-324), np.eye(60), np.zeros((1, 3)),
])  # fmt: skip
def test_odd_vectors_do_not_break_it(rows):
    for other in (rows, vectors_of(1, 60, rows.shape[1] if rows.shape[1] > 1 else 2)):
        for before, after in ((rows, other), (other, rows)):
            report = compare({"v": before}, {"v": after})
            assert report.to_json()
            assert report.to_html()
            assert report.verdict != "pass" or before is after or len(rows) == 1


def test_lists_of_several_lengths_are_no_vectors():
    report = compare({"v": pa.array([[1, 2], [3]] * 30)}, {"v": pa.array([[1, 2], [3]] * 30)})
    assert report.verdict == "unsure"


def test_missing_vectors_are_missing():
    rows = [None if at % 4 == 0 else row for at, row in enumerate(vectors_of(1).tolist())]
    report = compare({"v": pa.array(rows)}, {"v": vectors_of(2)})
    assert [found.check for found in report.failures] == ["v: missing"]
    assert report.columns[0].reference.missing == 200


def test_summaries_of_vectors_merge():
    rows = vectors_of(7, 500)
    whole = values_of(rows)
    ruler, _ = ruler_of(whole)
    parts = [summarise(values_of(part), ruler) for part in (rows[:123], rows[123:])]
    together = merge(*parts)
    assert together.lengths.cells == summarise(whole, ruler).lengths.cells
    assert together.rows == 500
    lengths = np.linalg.norm(rows, axis=1)
    assert together.lengths.moments.mean == pytest.approx(lengths.mean(), rel=1e-4)


def test_rows_that_are_no_numbers_are_no_vectors():
    for rows in (np.ones((60, 3), dtype=complex), np.ones((60, 3), dtype=bool)):
        assert values_of(rows).kind == "unordered"
        assert compare({"v": rows}, {"v": rows}).verdict == "unsure"
