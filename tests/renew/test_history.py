"""N1 N5: a history of the user's own means what the same rows of the journal would mean."""

import datetime as dt
import os
import random
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import create_engine, text

from mainstay.base.errors import InvalidUsage, MainstayError, StorageFailed
from mainstay.contract.renewing import History
from mainstay.renew.history.model import Origin
from mainstay.renew.history.read import asked, names_in
from mainstay.renew.labels import model as words
from mainstay.renew.labels.model import Definition, Labelled
from mainstay.renew.labels.read import read
from mainstay.renew.snapshots.content import content_of
from mainstay.renew.snapshots.memory import MemorySnapshotStore
from mainstay.renew.snapshots.take import Shelf, take, verify

SECOND = 1_000_000
NOW = 1_790_000_000 * SECOND
"""In microseconds."""
HISTORY = History(
    id="payment", time="decided_at", label="is_fraud", known="reported_at", weight="w",
    caller="reported_by", columns={"amount": "amount_eur"}, means={"true": "fraud", "false": "ok"},
)  # fmt: skip
ALL = Definition(
    model="fraud", since_ns=0, until_ns=2**62, known_ns=2**61, answers=("ok", "fraud"),
    columns={"input_amount": "DOUBLE", "input_country": "VARCHAR", "input_new": "BOOLEAN"},
    trust={"crowd": 0.5, "troll": 0.0},
)  # fmt: skip
COLUMNS = {
    "payment": pa.string(), "decided_at": pa.timestamp("us"), "is_fraud": pa.bool_(),
    "reported_at": pa.timestamp("us", tz="UTC"), "w": pa.float64(), "reported_by": pa.string(),
    "amount_eur": pa.float64(), "country": pa.string(), "new": pa.bool_(),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    payment: str | None
    decided_at: int | None
    is_fraud: bool | None
    reported_at: int | None
    w: float | None = None
    reported_by: str | None = "shop"

    @property
    def values(self) -> tuple[float | None, str | None, bool | None]:
        """Of its decision, so the same in all rows of it."""
        place = int(self.payment[1:]) if self.payment else 0
        return place * 0.5 if place % 4 else None, f"land {place % 3}", bool(place % 2)

    def moments(self) -> dict[str, Any]:
        values = dict(zip(("amount_eur", "country", "new"), self.values, strict=True))
        said = {**self.__dict__, **values}
        return said | {
            name: None if said[name] is None
            else dt.datetime.fromtimestamp(said[name] / SECOND, dt.UTC).replace(tzinfo=None)
            for name in ("decided_at", "reported_at")
        }  # fmt: skip


def rows_of(seed: int) -> list[Row]:
    draw = random.Random(seed)
    rows: list[Row] = []
    for place in range(draw.randrange(1, 30)):
        made = NOW + draw.randrange(40) * SECOND // 4
        for _ in range(draw.choice([1, 1, 1, 2, 4])):
            label = draw.choice([True, False, False, None])
            known = made + draw.choice([0, 1, 5, 20, 90, -90]) * SECOND
            weight = draw.choice([None, None, 1.0, 0.25, 3.0, 0.0, -1.0])
            caller = draw.choice(["shop", "crowd", "troll", None])
            rows += [Row(f"p{place}", made, label, known, weight, caller)]
    draw.shuffle(rows)
    return rows


def labelled(rows: Sequence[Row], definition: Definition) -> list[tuple]:
    """By the words of the promise, without any SQL."""

    def away(moment: int) -> bool:
        return any(begin <= moment * 1000 < end for begin, end in definition.without)

    found = []
    for name in {row.payment for row in rows}:
        mine = [row for row in rows if row.payment == name]
        made = mine[0].decided_at
        assert made is not None
        end = min(definition.until_ns, definition.known_ns + 1)
        if not definition.since_ns <= made * 1000 < end or away(made):
            continue
        said = []
        for row in mine:
            assert row.reported_at is not None
            own = 1.0 if row.w is None else row.w
            caller = row.reported_by or ""
            weight = own * definition.trust.get(caller, 1.0)
            if (
                row.is_fraud is not None
                and 0 <= own <= 100
                and weight > 0
                and row.reported_at * 1000 <= definition.known_ns
                and row.reported_at >= made - 60 * SECOND
                and not away(row.reported_at)
            ):
                label = "fraud" if row.is_fraud else "ok"
                said.append((row.reported_at, f"{caller}|{label}|{own}", label, weight))
        young = definition.window_ns and made * 1000 > definition.known_ns - definition.window_ns
        if said and not young:
            _, _, label, weight = max(said)
            found.append((made, name, label, weight, *mine[0].values))
    return sorted(found)


def as_parquet(rows: Sequence[Row], folder: Path, files: int = 1) -> History:
    for number in range(files):
        part = [row.moments() for row in rows[number::files]]
        table = pa.table({n: pa.array([r[n] for r in part], t) for n, t in COLUMNS.items()})
        pq.write_table(table, folder / f"part {number}'s.parquet")
    return replace(HISTORY, parquet="*.parquet")


def as_database(rows: Sequence[Row], url: str) -> History:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    kinds = {pa.float64(): "double precision", pa.bool_(): "boolean", pa.string(): "text"}
    columns = ", ".join(f"{n} {kinds.get(t, 'timestamp')}" for n, t in COLUMNS.items())
    names = ", ".join(f":{name}" for name in COLUMNS)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE payments ({columns})"))
        for row in rows:
            said = row.moments().items()
            values = {n: v.isoformat() if isinstance(v, dt.datetime) else v for n, v in said}
            connection.execute(text(f"INSERT INTO payments VALUES ({names})"), values)
    engine.dispose()
    means = {"1": "fraud", "0": "ok", "true": "fraud", "false": "ok"}
    sql = "SELECT *, '100%' AS \"a:b\" FROM payments WHERE payment LIKE 'p%' OR payment IS NULL;"
    return replace(HISTORY, sql=sql, database_env="PAYMENTS_URL", means=means)


def no_journal(sql: str) -> Any:
    raise AssertionError("the journal is not asked")


def found_in(definition: Definition, origin: Origin) -> Labelled:
    with asked(no_journal, origin, definition) as query:
        return read(query, definition)


def told(found: Labelled) -> list[tuple]:
    names = ("label", "weight", "input_amount", "input_country", "input_new")
    return [
        (row["time_us"], row["id"].partition("-")[2], *(row[name] for name in names))
        for row in found.table.to_pylist()
    ]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32))
def test_the_rows_are_those_of_the_promise(tmp_path_factory: pytest.TempPathFactory, seed: int):
    """N1 N2 A2: as known then, within the stretch, minus quarantines and whom nobody trusts; the
    label that counts; and what is left out adds up."""
    draw = random.Random(seed + 1)
    rows, folder = rows_of(seed), tmp_path_factory.mktemp("history")
    begins = [NOW + draw.randrange(20) * SECOND for _ in range(draw.randrange(3))]
    definition = replace(
        ALL,
        since_ns=(NOW + draw.randrange(3) * SECOND) * 1000,
        until_ns=(NOW + draw.randrange(6, 11) * SECOND) * 1000 + draw.choice([0, 1]),
        known_ns=(NOW + draw.choice([8, 8, 20, 200]) * SECOND) * 1000,
        without=tuple((begin * 1000, (begin + SECOND) * 1000) for begin in begins),
        window_ns=draw.choice([0, 2, 2]) * SECOND * 1000,
        history=as_parquet(rows, folder, draw.choice([1, 3])),
    )
    found = found_in(definition, Origin(folder, {}))
    assert told(found) == labelled(rows, definition)
    assert all(count > 0 for count in found.left_out.values())


@pytest.fixture(params=["parquet", "sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest, tmp_path: Path):
    """A function that keeps rows in one of the places where a history may be."""
    if request.param == "parquet":
        return lambda rows: (as_parquet(rows, tmp_path, 2), Origin(tmp_path, {}))
    url = f"sqlite:///{tmp_path}/payments.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    origin = Origin(tmp_path, {"PAYMENTS_URL": url})
    return lambda rows: (as_database(rows, url), origin)


ODD = [
    Row("p1", NOW, True, NOW + SECOND),
    Row("p1", NOW, True, NOW + 2 * SECOND),
    Row("p2", NOW, None, None),
    Row("p3", NOW, False, None),
    Row("p4", NOW, False, NOW, 101.0),
    Row("p5", NOW + SECOND, True, NOW - 90 * SECOND),
    Row("p6", NOW + SECOND, True, NOW + SECOND, 100.0, None),
    Row("p7", NOW + SECOND, True, NOW + SECOND, None, "troll"),
    Row("p8", None, True, NOW),
    Row(None, NOW, True, NOW),
]


def test_wherever_it_is_kept_it_is_the_same_data(kept, tmp_path: Path):
    """N1: one content from files and from both databases, with reasons for what is left out."""
    history, origin = kept(ODD)
    found = found_in(replace(ALL, history=history), origin)
    assert told(found) == [
        (NOW, "p1", "fraud", 1.0, 0.5, "land 1", True),
        (NOW + SECOND, "p6", "fraud", 100.0, 3.0, "land 0", False),
    ]
    assert found.left_out == {
        words.NAMELESS: 2, words.UNHEARD: 1, words.UNWEIGHED: 1, words.TOO_SOON: 1,
        words.DISTRUSTED: 1, words.AGAIN: 1, words.UNLABELLED: 5,
    }  # fmt: skip
    assert (
        content_of(found.table).content
        == "97d66a6cadd22bd6b5edd9c17cc0f1f4a830ac52165ff1e448a73043df787c00"
    )
    assert set(COLUMNS) <= set(names_in(history, origin))
    known_ns = (NOW + 5 * SECOND // 2) * 1000
    old_enough = replace(ALL, history=history, window_ns=2 * SECOND * 1000, known_ns=known_ns)
    assert [name for _, name, *_ in told(found_in(old_enough, origin))] == ["p1"]
    silent = replace(ALL, history=history, silence="ok", window_ns=1000)
    rows = {name: label for _, name, label, *_ in told(found_in(silent, origin))}
    assert rows == {"p1": "fraud", "p6": "fraud"} | dict.fromkeys(
        ["p2", "p3", "p4", "p5", "p7"], "ok"
    )


def test_a_history_that_changes_is_another_version(kept, tmp_path: Path):
    """N1: the same definition and the same rows make the same id; what differs is said, and so is
    that it is gone."""
    history, origin = kept(ODD)
    shelf = Shelf(no_journal, MemorySnapshotStore(), tmp_path / "snapshots", origin)
    definition = replace(ALL, history=history)
    taken = take(shelf, definition, "ann", 5)
    again = Shelf(no_journal, MemorySnapshotStore(), tmp_path / "again", origin)
    assert take(again, definition, "ann", 5) == taken
    assert [each.verdict for each in verify(shelf, taken)] == ["pass", "pass"]
    assert "the history gives the same 2 rows again" in verify(shelf, taken)[1].words
    if history.parquet:
        rows = [*ODD, Row("p9", NOW, False, NOW)]
        as_parquet(rows, tmp_path, 2)
        (file, rows) = verify(shelf, taken)
        assert (file.verdict, rows.verdict) == ("pass", "fail")
        assert "the history gives other rows today: 3 rows instead of 2; 1 rows more" in rows.words
        for path in tmp_path.glob("*.parquet"):
            path.unlink()
        assert "the history is gone" in verify(shelf, taken)[1].words
    else:
        gone = Shelf(no_journal, shelf.store, shelf.folder, replace_url(origin, ""))
        assert "PAYMENTS_URL is not set" in verify(gone, taken)[1].words
    assert "snapshots" in {path.name for path in tmp_path.iterdir()}
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == ["fraud"]


def replace_url(origin: Origin, url: str) -> Origin:
    return Origin(origin.folder, {"PAYMENTS_URL": url})


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"time": "decided"}, "renew.history.time", "did you mean 'decided_at'?"),
        ({"columns": {"amount": "country"}}, "renew.history.columns.amount", "numbers are needed"),
        ({"known": "amount_eur"}, "renew.history.known", "moments"),
        ({"caller": "is_fraud"}, "renew.history.caller", "text"),
        ({"means": {}}, "renew.history.label", "text"),
    ],
)
def test_what_does_not_fit_is_named(kept, changes: dict, field: str, said: str):
    """A source that lacks a column, or holds something else there: nothing is taken."""
    history, origin = kept(ODD[:2])
    definition = replace(ALL, history=replace(history, **changes))
    with pytest.raises(InvalidUsage) as refused:
        found_in(definition, origin)
    assert refused.value.field == field
    assert said in refused.value.message


def test_no_row_and_an_id_at_two_moments_are_refused(kept):
    history, origin = kept([])
    with pytest.raises(InvalidUsage, match="the history is empty"):
        found_in(replace(ALL, history=history), origin)


def test_an_id_at_two_moments_is_refused(tmp_path: Path):
    rows = [*ODD, Row("p6", NOW + 2 * SECOND, True, NOW)]
    with pytest.raises(InvalidUsage, match="1 ids of the history stand at several") as refused:
        found_in(replace(ALL, history=as_parquet(rows, tmp_path)), Origin(tmp_path, {}))
    assert refused.value.got == "p6"


def test_a_file_of_several_that_differs_is_named(tmp_path: Path):
    """M27: by its own name, however many are as they should be."""
    history = as_parquet(ODD, tmp_path, 2)
    table = pq.read_table(tmp_path / "part 1's.parquet").rename_columns(
        [{"w": "weight"}.get(name, name) for name in COLUMNS]
    )
    pq.write_table(table, tmp_path / "part 1's.parquet")
    with pytest.raises(InvalidUsage, match=r"part 1's\.parquet has no column 'w'"):
        found_in(replace(ALL, history=history), Origin(tmp_path, {}))
    (tmp_path / "part 1's.parquet").write_text("PAR1")
    with pytest.raises(InvalidUsage, match=r"part 1's\.parquet of the history cannot be read"):
        found_in(replace(ALL, history=history), Origin(tmp_path, {}))


def test_nothing_outside_the_workspace_is_read_by_a_relative_path(tmp_path: Path):
    """Only an absolute path leads out."""
    inside, outside = tmp_path / "shop", tmp_path / "elsewhere"
    inside.mkdir()
    outside.mkdir()
    history = as_parquet(ODD, outside)
    (inside / "link.parquet").symlink_to(next(outside.iterdir()))
    with pytest.raises(InvalidUsage, match=r"link\.parquet leads out of the workspace"):
        found_in(replace(ALL, history=history), Origin(inside, {}))
    absolute = replace(history, parquet=f"{outside}/**/*.parquet")
    assert found_in(replace(ALL, history=absolute), Origin(inside, {})).table.num_rows == 2


def test_a_database_is_only_read(tmp_path: Path):
    """What would change something is refused by the database; a password is never told; how a
    SQLite file is kept stays as it is."""
    url = f"sqlite:///{tmp_path}/payments.db"
    history = as_database(ODD, url)
    with sqlite3.connect(tmp_path / "payments.db") as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    origin = Origin(tmp_path, {"PAYMENTS_URL": "sqlite:///payments.db"})
    assert found_in(replace(ALL, history=history), origin).table.num_rows == 2
    assert (tmp_path / "payments.db").read_bytes()[18:20] == b"\2\2", "it is kept as it was"
    writes = replace(history, sql="WITH x AS (SELECT 1) DELETE FROM payments RETURNING *")
    with pytest.raises(MainstayError, match="readonly"):
        found_in(replace(ALL, history=writes), origin)
    gone = replace_url(origin, "sqlite:///gone.db")
    with pytest.raises(StorageFailed, match=r"unable to open"):
        found_in(replace(ALL, history=history), gone)
    assert not (tmp_path / "gone.db").exists()


def test_a_database_server_is_only_read(postgres, tmp_path: Path):
    url = postgres.new_database()
    history, origin = as_database(ODD, url), Origin(tmp_path, {"PAYMENTS_URL": url})
    for sql in ("WITH x AS (DELETE FROM payments RETURNING *) SELECT * FROM x",
                "SELECT 1; COMMIT; DELETE FROM payments"):  # fmt: skip
        with pytest.raises(StorageFailed):
            found_in(replace(ALL, history=replace(history, sql=sql)), origin)
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text("CREATE SEQUENCE counted"))
    engine.dispose()
    counts = replace(history, sql="SELECT *, nextval('counted') FROM payments")
    with pytest.raises(StorageFailed, match="read-only transaction"):
        found_in(replace(ALL, history=counts), origin)
    assert found_in(replace(ALL, history=history), origin).table.num_rows == 2
    secret = url.replace("//", "//ann:hunter2hunter2@").replace("@", "@", 1)
    with pytest.raises(MainstayError) as refused:
        found_in(replace(ALL, history=history), replace_url(origin, secret + "_gone"))
    assert "hunter2hunter2" not in str(refused.value)


def test_moments_mean_the_same_wherever_the_machine_is(tmp_path: Path):
    """Without an offset UTC, with one that; as text, as days, and in every unit."""
    table = pa.table(
        {
            "payment": [1, 2, 3, 4],
            "decided_at": ["2026-01-02T03:00:00", "2026-01-02T05:00:00+02:00", "2026-01-02", "?"],
            "reported_at": pa.array([dt.datetime(2026, 1, 2, 3)] * 4, pa.timestamp("ns", "Asia/Tokyo")),
            "is_fraud": [1.0, 0.0, 1.0, 0.0], "amount_eur": pa.array([1, 2, 3, 4], pa.decimal128(9, 2)),
            "country": pa.array(["a", "b", "c", "d"]).dictionary_encode(), "new": pa.nulls(4),
        }
    )  # fmt: skip
    pq.write_table(table, tmp_path / "t.parquet")
    history = replace(
        HISTORY, parquet="t.parquet", weight="", caller="", means={"1": "fraud", "0": "ok"}
    )
    before = os.environ.get("TZ")
    os.environ["TZ"] = "America/New_York"
    try:
        found = found_in(replace(ALL, history=history), Origin(tmp_path, {}))
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    moment = 1_767_322_800 * SECOND
    assert told(found) == [
        (moment - 3 * 3600 * SECOND, "3", "fraud", 1.0, 3.0, "c", None),
        (moment, "1", "fraud", 1.0, 1.0, "a", None),
        (moment, "2", "ok", 1.0, 2.0, "b", None),
    ]
    assert found.left_out == {words.NAMELESS: 1}
    assert {row["heard_us"] for row in found.table.to_pylist()} == {moment}
