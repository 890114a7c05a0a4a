"""N1: a data version is every value of every column, written once, and says what differs."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mainstay.base.errors import InvalidUsage, StorageFailed
from mainstay.renew.history.model import Origin
from mainstay.renew.labels.model import Definition
from mainstay.renew.snapshots.content import (
    Writing,
    content_of,
    content_of_file,
    folder_for,
    read,
)
from mainstay.renew.snapshots.memory import MemorySnapshotStore
from mainstay.renew.snapshots.model import id_of
from mainstay.renew.snapshots.take import Shelf, rows_of, take, verify
from tests.renew.history import CLASSES, COLUMNS, MS, History, Made, Said

MADE = [Made(place, 1000 + place) for place in range(6)]
SAID = [
    Said(place, one.id, (2000 + place) * MS, (2000 + place) * MS, (("label", CLASSES[place % 2]),))
    for place, one in enumerate(MADE)
]
ALL = Definition(
    model="fraud", since_ns=0, until_ns=10**15, known_ns=10**15, answers=CLASSES, columns=COLUMNS
)


class House:
    """A history that may change, and the snapshots of it."""

    def __init__(self, folder: Path) -> None:
        self.history = History(MADE, SAID)
        self.shelf = Shelf(self._query, MemorySnapshotStore(), folder, Origin(folder, {}))

    def _query(self, sql: str):
        return self.history.query(sql)

    def take(self, definition: Definition = ALL):
        return take(self.shelf, definition, "ann", 5)

    def says(self, snapshot) -> list[tuple[str, str]]:
        return [(each.verdict, each.words) for each in verify(self.shelf, snapshot)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_the_same_definition_makes_the_same_bytes(house: House, tmp_path: Path):
    """N1: in another folder, from the same facts in another order; the id is the same too."""
    first = house.take()
    other = House(tmp_path / "other")
    other.history = History(MADE[::-1], SAID[::-1])
    second = other.take()
    assert first == second
    assert (tmp_path / first.file).read_bytes() == (tmp_path / "other" / first.file).read_bytes()
    assert first.rows == 6
    assert first.reaches == (1000 * MS, 2005 * MS)
    assert [verdict for verdict, _ in house.says(first)] == ["pass", "pass"]


def test_a_snapshot_is_written_once(house: House, tmp_path: Path):
    taken = house.take()
    before = (tmp_path / taken.file).stat().st_mtime_ns
    assert take(house.shelf, ALL, "bob", 9) == taken
    assert (tmp_path / taken.file).stat().st_mtime_ns == before


def test_another_definition_is_another_snapshot_of_the_same_content(house: House):
    one, other = house.take(), house.take(replace(ALL, known_ns=10**14))
    assert one.content == other.content
    assert one.id != other.id


def test_one_flipped_label_is_another_version_and_is_named(house: House):
    """N1: what MLflow's digest does not see (maintenance.md): half the labels flipped."""
    taken = house.take()
    flipped = replace_said(3, (("label", CLASSES[0]),))
    house.history = History(MADE, flipped)
    (file, _), (rows, said) = house.says(taken)
    assert (file, rows) == ("pass", "fail")
    assert "another label in 1 rows" in said
    assert house.take().content != taken.content


def replace_said(place: int, body: tuple) -> list[Said]:
    said = list(SAID)
    said[place] = Said(place, said[place].decision, said[place].time_ns, said[place].known_ns, body)
    return said


def test_rows_that_come_and_go_are_named(house: House):
    taken = house.take()
    late = Made(9, 1009)
    label = Said(9, late.id, 2000 * MS, 2000 * MS, (("label", "ok"),))
    house.history = History([*MADE[1:], late], [*SAID, label])
    said = house.says(taken)[1][1]
    assert f"1 rows gone ({MADE[0].id})" in said
    assert f"1 rows more ({late.id})" in said


def test_a_lost_file_is_made_again_or_refused(house: House, tmp_path: Path):
    """Whoever reads a snapshot gets its very rows, or an error that says what is wrong."""
    taken = house.take()
    rows = rows_of(house.shelf, taken)
    path = tmp_path / taken.file
    for spoil in (path.unlink, lambda: path.write_bytes(b"PAR1")):
        spoil()
        assert content_of(rows_of(house.shelf, taken)) == content_of(rows)
        assert house.says(taken)[0][0] == "fail"
    house.history = History(MADE, replace_said(3, (("label", CLASSES[0]),)))
    with pytest.raises(StorageFailed, match=r"is lost.*other values in label"):
        rows_of(house.shelf, taken)


def test_nothing_is_no_snapshot(house: House, tmp_path: Path):
    with pytest.raises(InvalidUsage, match=r"no decision of fraud.*6 decisions without"):
        house.take(replace(ALL, known_ns=1500 * MS))
    assert list(tmp_path.iterdir()) == []


_values = {
    pa.string(): st.none() | st.text(max_size=3),
    pa.float64(): st.none() | st.floats(),
    pa.int64(): st.none() | st.integers(-3, 3),
    pa.bool_(): st.none() | st.booleans(),
}


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(list(_values)))
def test_the_hash_tells_any_two_columns_apart(data: st.DataObject, kind: pa.DataType):
    """Equal where the values are, whatever the chunks; different where one of them is."""
    column = st.lists(_values[kind], min_size=1, max_size=4)
    one, other = data.draw(column), data.draw(column)
    tables = [pa.table({"x": pa.array(values, kind)}) for values in (one, other)]
    same = repr(one) == repr(other)
    assert (content_of(tables[0]) == content_of(tables[1])) == same
    cut = data.draw(st.integers(0, len(one)))
    pieces = pa.chunked_array([pa.array(one[:cut], kind), pa.array(one[cut:], kind)], kind)
    assert content_of(pa.table({"x": pieces})) == content_of(tables[0])


def test_words_that_run_together_are_told_apart():
    """Where one ends and the next begins is part of the hash; so is the name of a column."""
    apart = [["ab", "c"], ["a", "bc"], ["abc", ""], ["abc", None]]
    assert len({content_of(pa.table({"x": words})).content for words in apart}) == 4


def written(table: pa.Table, path: Path, cuts: list[int]) -> bytes:
    """A table's file, written in pieces that end at these rows."""
    writing = Writing(path, table.schema)
    for begin, end in pairwise([0, *sorted(cuts), table.num_rows]):
        writing.add(table.slice(begin, end - begin))
    writing.close()
    return path.read_bytes()


def test_a_table_is_the_same_after_its_file(tmp_path: Path):
    """Vectors, missing values, and not-a-number included."""
    vectors = pa.FixedSizeListArray.from_arrays(pa.array([1.0, np.nan, 3.0, 4.0]), 2)
    table = pa.table({"v": vectors, "n": [None, np.nan], "e": pa.array([None, None], pa.string())})
    written(table, tmp_path / "t.parquet", [])
    assert content_of(read(tmp_path / "t.parquet")) == content_of(table)
    assert content_of_file(tmp_path / "t.parquet") == content_of(table)
    names = {
        content_of(table.rename_columns(names)).content
        for names in (["v", "n", "e"], ["a", "n", "e"])
    }
    assert len(names) == 2


def test_the_hash_is_what_it_was():
    """N1: snapshots that were taken by an earlier release are still what they were."""
    vectors = pa.FixedSizeListArray.from_arrays(pa.array([1.0, np.nan, 3.0, 4.0, 5.0, 6.0]), 2)
    table = pa.table(
        {
            "v": vectors, "n": [None, 1.5, np.nan], "w": ["ä", None, "bc"],
            "b": [True, None, False], "i": [1, -2, None], "e": pa.array([None] * 3, pa.string()),
        }
    )  # fmt: skip
    golden = "a1460bda999fdc86a628dbef446c9c5447c1516a60a888340f261c56aaf3a7d5"
    assert content_of(table).content == golden
    assert id_of(ALL, golden).startswith("db8f3768b8a3eec5ed32a3b6013669dc")


def test_the_file_does_not_depend_on_how_its_rows_came(tmp_path: Path):
    """N1: row groups of one length, whatever the pieces were; hashed as if it were in memory."""
    rows = 150_000
    table = pa.table(
        {
            "id": [f"{row:012x}" if row % 7 else None for row in range(rows)],
            "x": [row * 0.5 if row % 3 else None for row in range(rows)],
        }
    )
    whole = written(table, tmp_path / "whole", [])
    assert written(table, tmp_path / "cut", [1, 65_535, 65_536, 65_537, 131_073, 149_999]) == whole
    assert pq.ParquetFile(tmp_path / "whole").metadata.num_row_groups == 3
    assert content_of_file(tmp_path / "cut") == content_of(table)


def test_what_a_killed_process_left_behind_goes_when_nobody_writes(tmp_path: Path):
    """Nothing half there: neither after an error, nor for ever after a kill."""
    with folder_for(tmp_path) as mine:
        (mine / "rows").write_text("half")
        left = tmp_path / f"{mine.name}-killed"
        left.mkdir()
        (left / "rows").write_text("half")
        with folder_for(tmp_path) as other:
            assert {path.name for path in tmp_path.iterdir()} == {
                mine.name, left.name, other.name,
            }  # fmt: skip
        assert mine.is_dir()
    with folder_for(tmp_path):
        assert not left.exists()
    assert list(tmp_path.iterdir()) == []
