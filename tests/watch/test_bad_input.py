"""M5 M6 M10: what a comparison must not be fooled or broken by; the right figure, or `unsure`."""

import datetime as dt
import json

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from mainstay.watch import compare

ROWS = 600
NASTY = "<script>alert(1)</script>\"'&\x1b[2J\x07\u202e\u2028\r\n`x`"
GOOD = np.random.default_rng(0).normal(size=ROWS)


def verdicts(before, after):
    report = compare({"x": before}, {"x": after})
    assert report.to_html()
    assert str(report)
    json.loads(report.to_json(), parse_constant=lambda word: 1 / 0)
    return {found.check.removeprefix("x: "): found.verdict for found in report.findings}, report


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
def test_a_column_that_is_never_finite(nothing):
    """No silent pass: a fact where the reference was finite, a doubt where it never was."""
    never = np.full(ROWS, nothing)
    question = "not a number" if np.isnan(nothing) else "infinite"
    assert verdicts(GOOD, never)[0] == {question: "fail"}
    assert verdicts(never, GOOD)[0] == {question: "fail"}
    found, report = verdicts(never, never)
    assert found == {"shape": "unsure"}
    assert "no finite value" in report.findings[0].words


@pytest.mark.parametrize("nothing", [np.nan, np.inf])
def test_more_of_what_there_was_already(nothing):
    """A question of degree: one in a hundred is usual, one in four is not."""
    few, many = (np.where(np.arange(ROWS) % every == 0, nothing, GOOD) for every in (100, 4))
    question = "not a number" if np.isnan(nothing) else "infinite"
    assert verdicts(few, few[::-1])[0][question] == "pass"
    found, report = verdicts(few, many)
    assert found[question] == "fail"
    assert f"The share of `x` that is {question} differs by 24 %." in str(report)


def test_constant_columns():
    ones = np.ones(ROWS)
    assert "fail" not in verdicts(ones, ones)[0].values()
    assert verdicts(ones, ones + 1)[0]["shape"] == "fail"
    assert verdicts(GOOD, ones)[0]["shape"] == "fail"
    assert verdicts(ones, GOOD)[0]["shape"] == "fail"
    found, report = verdicts(["same"] * ROWS, ["same"] * ROWS)
    assert set(found.values()) <= {"pass"}
    assert report.columns[0].current.distinct == 1


@pytest.mark.parametrize(("before", "after"), [([], []), ([], [1.0] * 50), ([1.0] * 50, [])])
def test_no_rows(before, after):
    report = compare({"x": before, "y": before}, {"x": after, "y": after})
    assert report.verdict == "unsure"
    assert "has no rows" in str(report)
    assert report.to_html()
    assert report.to_json()


def test_no_columns():
    report = compare({}, {})
    assert report.verdict == "unsure"
    assert report.to_html()


def test_mixed_types_are_said_to_be_mixed():
    mixed = [1, "a", 2.5, None] * 150
    found, report = verdicts(GOOD.tolist(), mixed)
    assert found["type"] == "fail"
    assert "mixed (float, int, str)" in report.findings[0].words
    assert verdicts(mixed, mixed[::-1])[0]["shape"] == "pass"


def test_times_from_the_future_and_the_far_past():
    """A time moves by itself: it is never compared, and never breaks anything."""
    now = [dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=at) for at in range(50)]
    odd = [dt.datetime(9999, 12, 31, tzinfo=dt.UTC), dt.datetime(1, 1, 1, tzinfo=dt.UTC)] * 25
    report = compare({"x": pa.array(now), "y": GOOD[:50]}, {"x": pa.array(odd), "y": GOOD[:50]})
    assert not report.failures
    assert "A time: it moves by itself" in report.to_html()
    assert report.classifier is None, "one column that can be compared is not several"


def test_a_million_categories_beside_others():
    """Bounded work, and what is in the report stays readable."""
    many = pa.array([f"v{at}" for at in range(1_000_000)])
    few = pa.array(["a", "b"]).take(pa.array(np.arange(1_000_000) % 2))
    other = np.arange(1_000_000) % 7
    report = compare({"x": few, "y": other}, {"x": many, "y": other})
    failed = {found.check for found in report.failures}
    assert failed == {"x: shape", "x: new values", "domain classifier"}
    assert report.classifier.telling[0].columns == ("x",)
    assert len(report.to_html()) < 40_000
    assert len(report.to_json()) < 2_000_000


def test_a_malicious_name_in_what_tells_most():
    """The words of the classifier name columns: they stay text in every form."""
    generator = np.random.default_rng(1)
    before = {NASTY: generator.normal(size=ROWS), "y": generator.normal(size=ROWS)}
    after = {NASTY: generator.normal(3, 1, ROWS), "y": generator.normal(size=ROWS)}
    report = compare(before, after)
    assert report.classifier.telling[0].columns[0] == NASTY
    assert "domain classifier" in {found.check for found in report.failures}
    for written in (report.to_html(), str(report)):
        for bad in ("\x1b", "\x07", "\u202e", "\u2028", "\r"):
            assert bad not in written
    assert "<script>" not in report.to_html()
    assert json.loads(report.to_json())["classifier"]["telling"][0]["columns"] == [NASTY]


def test_malicious_vectors_and_categories_together():
    vectors = np.random.default_rng(2).normal(size=(ROWS, 4))
    broken = vectors.copy()
    broken[::3] = [np.nan, np.inf, 1e308, -1e308]
    report = compare(
        {"v": vectors, "c": ["a", "b"] * (ROWS // 2), "n": GOOD},
        {"v": broken, "c": [NASTY, "b"] * (ROWS // 2), "n": GOOD},
    )
    failed = {found.check for found in report.failures}
    assert {"v: not a number", "c: new values"} <= failed
    assert "\x1b" not in str(report)
    assert "<script>" not in report.to_html()


def test_a_query_of_duckdb_is_read_as_it_is():
    """A relation that was never a table: filtered, joined, with a column of lists."""
    connection = duckdb.connect()
    connection.execute(
        "create table t as select i % 9 as n, case when i % 3 = 0 then 'a' else 'b' end as c,"
        " [sin(i * 0.7), cos(i * 1.3)]::double[2] as v, i >= 2000 as late"
        " from range(4000) as r(i)"
    )
    before = connection.sql("select n, c, v from t where not late")
    after = connection.sql("select n, 'z' || c as c, v from t where late")
    report = compare(before, after)
    assert {column.name: column.kind for column in report.columns} == {
        "n": "number", "c": "category", "v": "vector",
    }  # fmt: skip
    assert {found.check for found in report.failures} == {
        "c: shape", "c: new values", "domain classifier",
    }  # fmt: skip
