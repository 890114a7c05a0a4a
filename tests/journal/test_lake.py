"""A piece becomes Parquet exactly once, wherever the sealing dies: L7."""

import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mainstay.base.clock import ManualClock
from mainstay.base.errors import StorageFailed
from mainstay.base.ids import DecisionId
from mainstay.journal.lake import DAMAGED, Lake, Marker, seal_piece
from mainstay.journal.model import DecisionBatch
from mainstay.journal.reader import DiskJournal
from mainstay.journal.spool import DiskSpool, SpoolLimits
from mainstay.journal.tail import piece_names
from tests.journal.records import CHURN, FRAUD, FRAUD_2, TIME_MS, batch, event

DAY_MS = 86_400_000
RUNS = [
    batch(0),
    batch(4, layout=FRAUD_2),
    batch(8, layout=CHURN),
    batch(12, time_ms=TIME_MS + DAY_MS),
    batch(16, 2),
]
COUNT = "SELECT count(*) AS n, count(DISTINCT id) AS ids FROM decisions"


class Killed(BaseException):
    """The process ends here: nothing of ours catches this."""


@pytest.fixture
def journal(tmp_path: Path) -> DiskJournal:
    return DiskJournal(tmp_path / "spool", tmp_path / "lake", clock=ManualClock())


@pytest.fixture
def name(tmp_path: Path) -> str:
    """A closed piece with all of `RUNS` and two events."""
    spool = DiskSpool(
        tmp_path / "spool", 7, clock=ManualClock(), breath=SpoolLimits(free_disk_bytes=0)
    )
    for layout in (FRAUD, FRAUD_2, CHURN):
        spool.describe(layout)
    spool.append([*RUNS, event("e1"), event("e2", "a/b..")])
    spool.close()
    (name,) = piece_names(tmp_path / "spool")
    return name


def steps_of(tmp_path: Path, name: str) -> list[str]:
    steps: list[str] = []
    assert seal_piece(tmp_path / "spool", tmp_path / "lake", name, 0, steps.append)
    return steps


def assert_whole(journal: DiskJournal) -> None:
    """Every row and event once, by query and by id."""
    assert journal.query(COUNT).to_pylist() == [{"n": 18, "ids": 18}]
    assert journal.query("SELECT id FROM events ORDER BY id").column("id").to_pylist() == [
        "e1",
        "e2",
    ]
    for run in RUNS:
        identity = str(DecisionId(run.time_ms, 7, run.first_sequence + 1))
        assert journal.run_of(identity)[0] == run


STEPS = [
    "locked",
    *(f"file {n} written" for n in range(1, 7)),
    "marker written",
    "marker renamed",
    "marker on disk",
    "piece removed",
]


def test_the_steps_are_those_that_the_next_test_dies_at(tmp_path: Path, name: str):
    assert steps_of(tmp_path, name) == STEPS


@pytest.mark.parametrize("deaths", [*([step] for step in STEPS), STEPS, STEPS[::-1]], ids=str)
def test_none_lost_none_twice_wherever_it_dies(
    tmp_path: Path,
    name: str,
    journal: DiskJournal,
    deaths: list[str],
):
    """Die at one step, or at one after the other, then go on: readers never notice."""
    for last in deaths:

        def step(done: str, last: str = last) -> None:
            if done == last:
                raise Killed

        with suppress(Killed):
            seal_piece(tmp_path / "spool", tmp_path / "lake", name, 0, step)
        if len(deaths) == 1:
            assert_whole(journal)
    journal.seal()
    assert_whole(journal)
    assert list((tmp_path / "spool").iterdir()) == []
    marker = Lake(tmp_path / "lake").markers()[0]
    on_disk = {
        str(path.relative_to(tmp_path / "lake")) for path in (tmp_path / "lake").rglob("*.parquet")
    }
    assert on_disk == {file.path for file in marker.files}
    assert not list((tmp_path / "lake").rglob("*.part"))


def test_what_has_a_marker_is_never_sealed_again(
    tmp_path: Path,
    name: str,
    journal: DiskJournal,
):
    """Readers may have opened its files: they stay as they are, and only the piece goes."""

    def die(step: str) -> None:
        if step == "marker on disk":
            raise Killed

    with pytest.raises(Killed):
        seal_piece(tmp_path / "spool", tmp_path / "lake", name, 1, die)
    files = {path: path.stat().st_ino for path in (tmp_path / "lake").rglob("*.*")}
    assert journal.seal() == 0
    assert {path: path.stat().st_ino for path in (tmp_path / "lake").rglob("*.*")} == files
    assert piece_names(tmp_path / "spool") == []


def test_the_marker_says_what_is_where(tmp_path: Path, name: str, journal: DiskJournal):
    journal.seal()
    (marker,) = Lake(tmp_path / "lake").markers(7)
    assert isinstance(marker, Marker)
    assert (marker.piece, marker.incarnation) == (name, 7)
    assert (marker.decisions, marker.events) == (18, 2)
    assert sum(file.rows for file in marker.files) == 20
    first = marker.files[0]
    assert (first.model, first.kind, first.day) == ("fraud", "decision", "2023-11-14")
    assert (first.first_sequence, first.last_sequence, first.rows) == (0, 17, 6)
    assert first.path == f"model=fraud/kind=decision/day=2023-11-14/{name}-0.parquet"
    assert any(file.path.startswith("model=a%2Fb../kind=event/") for file in marker.files)
    assert Lake(tmp_path / "lake").markers(8) == []


def test_rows_lie_in_the_folder_of_their_day(journal: DiskJournal, name: str, tmp_path: Path):
    journal.seal()
    for marker in Lake(tmp_path / "lake").markers():
        for file in marker.files:
            assert file.day == datetime.fromtimestamp(file.first_ms / 1000, UTC).date().isoformat()
            assert file.first_ms // DAY_MS == file.last_ms // DAY_MS


def test_two_who_seal_at_once_seal_once(tmp_path: Path, name: str, journal: DiskJournal):
    """Whoever comes second is turned away while the first is at it, at every step."""
    others: list[bool] = []

    def meanwhile(_step: str) -> None:
        others.append(seal_piece(tmp_path / "spool", tmp_path / "lake", name, 0))

    assert seal_piece(tmp_path / "spool", tmp_path / "lake", name, 0, meanwhile)
    assert others == [False] * len(STEPS)
    assert_whole(journal)
    assert journal.seal() == 0


def test_a_reader_sees_every_row_once_while_others_seal(
    tmp_path: Path,
    name: str,
    journal: DiskJournal,
):
    """At every step of a sealing, a query and a look-up see the same."""

    def meanwhile(_step: str) -> None:
        assert_whole(DiskJournal(tmp_path / "spool", tmp_path / "lake"))

    assert seal_piece(tmp_path / "spool", tmp_path / "lake", name, 0, meanwhile)
    assert_whole(journal)


def test_a_question_asked_in_the_middle_of_many_sealings_counts_right(tmp_path: Path):
    """Pieces come and go while questions are asked; none of the rows is ever missing or twice."""
    journal = DiskJournal(tmp_path / "spool", tmp_path / "lake")
    written: list[int] = []
    stop = threading.Event()

    def write_and_seal() -> None:
        for n in range(12):
            spool = DiskSpool(tmp_path / "spool", n, breath=SpoolLimits(free_disk_bytes=0))
            spool.describe(FRAUD)
            spool.append([batch(0, 4, incarnation=n)])
            written.append(4)
            spool.close()
            DiskJournal(tmp_path / "spool", tmp_path / "lake").seal()
        stop.set()

    thread = threading.Thread(target=write_and_seal)
    thread.start()
    while not stop.is_set():
        before = sum(written)
        (row,) = journal.query(COUNT).to_pylist()
        after = sum(written) + 4
        assert row["n"] == row["ids"]
        assert before <= row["n"] <= after
    thread.join()


def test_a_piece_that_cannot_be_read_stops_nobody(
    tmp_path: Path,
    name: str,
    journal: DiskJournal,
    caplog: pytest.LogCaptureFixture,
):
    """L7: it is kept for a person to look at, and said loudly."""
    log = tmp_path / "spool" / f"{name}.piece-wal"
    log.write_bytes(b"\0" * 100)
    spool = DiskSpool(tmp_path / "spool", 9, breath=SpoolLimits(free_disk_bytes=0))
    spool.describe(FRAUD)
    spool.append([batch(0, incarnation=9)])
    spool.close()
    assert journal.seal() == 1
    assert journal.seal() == 0
    assert journal.query(COUNT).to_pylist() == [{"n": 4, "ids": 4}]
    assert (tmp_path / "spool" / DAMAGED / log.name).read_bytes() == b"\0" * 100
    assert "set aside" in caplog.text


def test_a_damaged_lake_says_which_file(tmp_path: Path, name: str, journal: DiskJournal):
    journal.seal()
    identity = str(DecisionId(TIME_MS, 7, 1))
    (path,) = (tmp_path / "lake").glob("model=fraud/kind=decision/day=2023-11-14/*-0.parquet")
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(StorageFailed, match=path.name):
        journal.find(identity)
    with pytest.raises(StorageFailed):
        journal.query(COUNT)
    for marker in (tmp_path / "lake" / "_pieces").iterdir():
        marker.write_bytes(b"{")
    with pytest.raises(StorageFailed, match="marker"):
        DiskJournal(tmp_path / "spool", tmp_path / "lake").query(COUNT)


def test_runs_that_lie_in_two_row_groups_are_found_whole(
    tmp_path: Path,
    journal: DiskJournal,
    monkeypatch: pytest.MonkeyPatch,
):
    """L3: wherever Parquet happens to cut."""
    monkeypatch.setattr("mainstay.journal.lake._ROW_GROUP", 3)
    spool = DiskSpool(tmp_path / "spool", 7, breath=SpoolLimits(free_disk_bytes=0))
    spool.describe(FRAUD)
    made: list[DecisionBatch] = [batch(8 * n, 8 if n % 2 else 5) for n in range(6)]
    spool.append(made)
    spool.close()
    journal.seal()
    for run in made:
        for row in range(run.rows):
            identity = str(DecisionId(TIME_MS, 7, run.first_sequence + row))
            assert journal.run_of(identity) == (run, FRAUD)
