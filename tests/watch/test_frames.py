"""M5 M6: whatever people keep tables in is read alike, and the oddest columns do not break it."""

import datetime as dt
import tempfile
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mainstay.base.errors import InvalidUsage
from mainstay.watch import compare, lazy
from mainstay.watch.frames import frame_of

ROWS = 400


def columns(seed=0):
    generator = np.random.default_rng(seed)
    return {
        "amount": generator.normal(size=ROWS),
        "count": generator.integers(0, 9, ROWS),
        "country": [str(word) for word in generator.choice(["DE", "FR", "US"], ROWS)],
        "paid": (generator.random(ROWS) < 0.4).tolist(),
    }


def forms(table, folder):
    """The same table in every form that is taken."""
    path = folder / "table.parquet"
    pq.write_table(table, path)
    return {
        "arrow": table,
        "arrow batch": table.to_batches()[0],
        "mapping of arrow": dict(zip(table.column_names, table.columns, strict=True)),
        "mapping of lists": table.to_pydict(),
        "mapping of numpy": {name: table[name].to_numpy() for name in table.column_names},
        "pandas": table.to_pandas(),
        "pandas objects": table.to_pandas().astype(object),
        "pandas categories": table.to_pandas().astype({"country": "category"}),
        "polars": pl.from_arrow(table),
        "lazy polars": pl.scan_parquet(path),
        "duckdb": duckdb.connect().from_arrow(table),
        "path": path,
        "path in words": str(path),
        "dictionaries": table.set_column(2, "country", table["country"].dictionary_encode()),
        "chunks": pa.concat_tables([table.slice(0, 150), table.slice(150)]),
        "categories in chunks": pa.concat_tables(
            [
                part.set_column(2, "country", part["country"].dictionary_encode())
                for part in (table.slice(0, 9), table.slice(9))
            ]
        ),
    }


def test_every_form_gives_the_same_findings(tmp_path):
    before, after = pa.table(columns(0)), pa.table(columns(1))
    expected = compare(before, after)
    assert [column.kind for column in expected.columns] == [
        "number",
        "number",
        "category",
        "category",
    ]
    (tmp_path / "b").mkdir()
    (tmp_path / "a").mkdir()
    old, new = forms(before, tmp_path / "b"), forms(after, tmp_path / "a")
    for name, frame in old.items():
        assert compare(frame, new[name]).findings == expected.findings, name
        assert compare(before, new[name]).findings == expected.findings, name


def test_what_an_engine_makes_is_asked_for_once_and_held_on_disk(tmp_path, monkeypatch):
    """M5: a lazy frame may be larger than memory; its columns go together whatever comes first."""
    table = pa.concat_tables([pa.table(columns(3))] * 100)
    path = tmp_path / "table.parquet"
    pq.write_table(table, path, row_group_size=1000)
    made = tmp_path / "made"
    made.mkdir()
    monkeypatch.setattr(lazy, "HELD_BYTES_MAX", 100_000)
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    asked: list[int] = []
    counted = pl.scan_parquet(path).map_batches(lambda part: asked.append(len(part)) or part)
    frame = frame_of(counted, "current")
    mapped = Path("/proc/self/maps").read_text(encoding="utf-8")
    assert str(made / "mainstay-") in mapped, "its columns are views of a file"
    assert list(made.iterdir()) == [], "nothing is left of it"
    for name in table.column_names:
        assert frame.column(name).to_pylist() == table[name].to_pylist()
    assert sum(asked) == len(table)
    assert compare(table, frame).verdict == "pass"
    empty = frame_of(pl.scan_parquet(path).filter(pl.col("amount") > 99.0), "current")
    assert (empty.names, empty.rows) == (tuple(table.column_names), 0)


def test_missing_is_missing_in_every_form(tmp_path):
    table = columns(2)
    table["country"] = [None if at % 4 == 0 else word for at, word in enumerate(table["country"])]
    for name, frame in forms(pa.table(table), tmp_path).items():
        report = compare(pa.table(columns(2)), frame)
        country = next(column for column in report.columns if column.name == "country")
        assert country.current.missing == ROWS // 4, name
        assert [found.check for found in report.failures] == ["country: missing"], name


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (17, "nothing that columns"),
        ([1, 2, 3], "nothing that columns"),
        ({"a": [1, 2], "b": [1]}, "different lengths"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns called 'a'"),
        (pa.array([1, 2]), "read as a table"),
    ],
)
def test_what_is_no_table_is_refused_in_words(data, words):
    with pytest.raises(InvalidUsage, match=words):
        compare({"a": [1]}, data)


def test_a_path_that_leads_nowhere(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "march.parquet")
    with pytest.raises(InvalidUsage) as refused:
        frame_of(tmp_path / "mrach.parquet", "current")
    assert refused.value.expected == "did you mean march.parquet?"
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(InvalidUsage, match="not a Parquet file"):
        frame_of(tmp_path / "text.parquet", "current")


class Unprintable:
    def __str__(self):
        raise ValueError("no")


ODD = {
    "numbers": np.arange(50) % 7 + 0.5,
    "nan only": np.full(50, np.nan),
    "infinite only": np.full(50, np.inf),
    "constant": np.ones(50),
    "nulls": pa.nulls(50),
    "null strings": pa.nulls(50, pa.string()),
    "none": [None] * 50,
    "mixed": [1, "a", None, 2.5, (1, 2)] * 10,
    "unprintable": [Unprintable()] * 50,
    "surrogates": ["\ud800", "b"] * 25,
    "huge whole numbers": [2**70, 1] * 25,
    "mixed with nan": [1.0, "x", float("nan")] * 16 + [1.0, 1.0],
    "empty strings": [""] * 50,
    "bytes": [b"\xff", b"a"] * 25,
    "vectors": np.zeros((50, 3)),
    "complex": np.ones(50, dtype=complex),
    "lists": pa.array([[1], None] * 25),
    "structs": pa.array([{"a": 1}] * 50),
    "decimals": [Decimal("1.5"), None] * 25,
    "dates": [dt.date(2026, 1, 1 + at % 20) for at in range(50)],
    "moments": np.array(["2026-01-01", "NaT"] * 25, dtype="datetime64[s]"),
    "durations": pa.array([1, 2] * 25, pa.duration("s")),
    "texts": [f"text {at}" * at for at in range(200)][:50],
    "half floats": np.ones(50, dtype=np.float16),
    "unsigned": np.full(50, 2**64 - 1, dtype=np.uint64),
    "ends of floats": np.array([1.7e308, -1.7e308] * 25),
    "tiny": np.array([5e-324, 0.0] * 25),
    "string views": pa.array(["a", "b"] * 25).cast(pa.string_view()),
    "dictionary of numbers": pa.array([1, 2] * 25).dictionary_encode(),
    "dictionary with nulls": pa.array(["a", None] * 25).dictionary_encode(),
    "booleans with nulls": pa.array([True, None] * 25),
    "no rows": [],
}


@pytest.mark.parametrize("was", ODD)
def test_any_column_against_any_other(was):
    """M10: whatever turns into whatever, there is a verdict and every form of the report."""
    for now, values in ODD.items():
        report = compare({"x": ODD[was]}, {"x": values})
        assert report.verdict in {"pass", "fail", "unsure"}
        assert report.to_json()
        assert report.to_html()
        assert str(report)
        if was == now and was not in {"no rows", "nan only", "infinite only"}:
            assert report.verdict != "fail", (was, now, str(report))


def test_a_million_categories():
    strange = pa.array([f"v{at}" for at in range(1_000_000)])
    report = compare({"x": ["a", "b"] * 1000}, {"x": strange})
    assert [found.check for found in report.failures] == ["x: shape"]
    assert len(report.to_html()) < 30_000
    again = compare({"x": strange}, {"x": strange})
    assert again.verdict == "pass"
