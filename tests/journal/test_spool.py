"""The spool on disk: what a sync covers, what a failure leaves, how pieces end. L7."""

import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainstay.base.clock import ManualClock
from mainstay.base.errors import MainstayError, Overloaded, StorageFailed
from mainstay.journal.reader import DiskJournal
from mainstay.journal.spool import DiskSpool, SpoolLimits
from mainstay.journal.tail import open_piece, piece_names
from tests.journal.records import FRAUD, batch, event
from tests.servers.until import until

ROOMY = SpoolLimits(free_disk_bytes=0)


class Disk:
    """The machine's disk as the spool sees it: syncs can be held up and can fail."""

    def __init__(self) -> None:
        self.let_sync = threading.Event()
        self.let_sync.set()
        self.entered = threading.Event()
        self.fails = False
        self.free_bytes = 1 << 40
        self.synced: dict[str, int] = {}

    def sync(self, descriptor: int) -> None:
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        size = os.fstat(descriptor).st_size
        self.entered.set()
        assert self.let_sync.wait(120)
        if self.fails:
            raise OSError(errno.EIO, "planted")
        os.fdatasync(descriptor)
        self.synced[path] = max(size, self.synced.get(path, 0))

    def free(self, _folder: Path) -> int:
        return self.free_bytes


class Outcome:
    """What a durable append was told."""

    def __init__(self) -> None:
        self.told = threading.Event()
        self.error: MainstayError | BaseException | None = None

    def __call__(self, error: BaseException | None) -> None:
        assert not self.told.is_set(), "told twice"
        self.error = error
        self.told.set()

    def wait(self) -> BaseException | None:
        assert self.told.wait(120), "nobody was told"
        return self.error


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def make(tmp_path: Path, disk: Disk) -> Iterator:
    made: list[DiskSpool] = []

    def spool(breath: SpoolLimits = ROOMY, clock: ManualClock | None = None) -> DiskSpool:
        new = DiskSpool(
            tmp_path / "spool",
            7,
            clock=clock or ManualClock(),
            breath=breath,
            sync=disk.sync,
            free=disk.free,
        )
        new.describe(FRAUD)
        made.append(new)
        return new

    yield spool
    disk.fails = False
    disk.let_sync.set()
    for spool_made in made:
        spool_made.close()


def rows(folder: Path) -> list[int]:
    """The sequences in all unsealed pieces."""
    found: list[int] = []
    for name in piece_names(folder):
        with open_piece(folder, name) as piece:
            if piece is not None:
                found += [run.first_sequence for run, _ in piece.content().runs]
    return sorted(found)


def cut_to_synced(folder: Path, disk: Disk, copy: Path) -> None:
    """What a power cut would leave: of each log, what was there when its last sync began."""
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*-shm"))
    for path, size in disk.synced.items():
        log = copy / Path(path).name
        if log.name.endswith("-wal"):
            os.truncate(log, size)


def test_written_records_reach_the_disk_soon_without_being_asked(make, disk, tmp_path):
    """L7, `written`: a sync that covers the append follows by itself; after it, a power cut
    loses nothing."""
    spool = make()
    disk.synced.clear()
    spool.append([batch(0)])
    (log,) = (tmp_path / "spool").glob("*-wal")
    size = log.stat().st_size
    until(lambda: disk.synced.get(str(log), 0) >= size, what="a sync of the log")
    cut_to_synced(tmp_path / "spool", disk, tmp_path / "after")
    assert rows(tmp_path / "after") == [0]


def test_an_append_never_waits_for_the_disk(make, disk, tmp_path):
    """The event loop goes on while a sync hangs, and nobody is confirmed before its end."""
    spool, outcome = make(), Outcome()
    disk.entered.clear()
    disk.let_sync.clear()
    spool.append_durable([batch(0)], outcome)
    assert disk.entered.wait(120)
    for n in range(4, 400, 4):
        spool.append([batch(n)])
        spool.append_buffered([batch(1000 + n)])
    assert not outcome.told.is_set()
    disk.let_sync.set()
    assert outcome.wait() is None


def test_what_was_confirmed_survives_a_power_cut(make, disk, tmp_path):
    """L7, `durable`: at the moment of the confirmation the log was synced with it inside."""
    spool = make()
    for n in range(0, 40, 4):
        outcome = Outcome()
        spool.append_durable([batch(n), event(f"e{n}")], outcome)
        assert outcome.wait() is None
        cut_to_synced(tmp_path / "spool", disk, tmp_path / f"after{n}")
        assert rows(tmp_path / f"after{n}") == list(range(0, n + 4, 4))


def test_waiting_callers_share_one_sync(make, disk, tmp_path):
    spool = make()
    disk.entered.clear()
    disk.let_sync.clear()
    first, syncs = Outcome(), []
    spool.append_durable([batch(0)], first)
    assert disk.entered.wait(120)
    others = [Outcome() for _ in range(50)]
    for n, outcome in enumerate(others, 1):
        spool.append_durable([batch(4 * n)], outcome)
    plain = disk.sync
    spool._sync = lambda descriptor: (syncs.append(descriptor), plain(descriptor))
    disk.let_sync.set()
    assert [outcome.wait() for outcome in (first, *others)] == [None] * 51
    assert len(syncs) == 1


def test_no_confirmation_after_a_failed_sync(make, disk, tmp_path):
    """L7: the caller is told, the piece ends, and the next one works; `written` records of the
    old piece are kept, unconfirmed ones are not."""
    spool, good, bad, after = make(), Outcome(), Outcome(), Outcome()
    spool.append([batch(0)])
    spool.append_durable([batch(4)], good)
    assert good.wait() is None
    disk.fails = True
    spool.append_durable([batch(8), event("gone")], bad)
    error = bad.wait()
    assert isinstance(error, StorageFailed)
    with pytest.raises(StorageFailed):
        spool.append([batch(12)])
    disk.fails = False

    def works_again() -> bool:
        try:
            spool.append([batch(16)])
        except StorageFailed:
            return False
        return True

    until(works_again, what="a new piece")
    spool.append_durable([batch(20)], after)
    assert after.wait() is None
    spool.close()
    assert rows(tmp_path / "spool") == [0, 4, 16, 20]
    journal = DiskJournal(tmp_path / "spool", tmp_path / "lake")
    assert journal.seal() == 2
    assert journal.query(
        "SELECT DISTINCT run_first_sequence AS s FROM decisions ORDER BY s"
    ).column("s").to_pylist() == [0, 4, 16, 20]
    assert journal.query("SELECT * FROM events").num_rows == 0


def test_a_nearly_full_disk_is_refused_early_and_recovers_by_itself(make, disk, tmp_path):
    """L7: before the disk is full, in words; nothing is half kept."""
    spool = make(SpoolLimits(free_disk_bytes=1000))
    disk.free_bytes = 999
    with pytest.raises(StorageFailed, match="almost full") as refusal:
        spool.append([batch(0)])
    assert refusal.value.rule == "free_disk"
    assert refusal.value.got == 999
    outcome = Outcome()
    spool.append_durable([batch(4)], outcome)
    assert isinstance(outcome.wait(), StorageFailed)
    disk.free_bytes = 1 << 40
    spool.append([batch(8)])
    assert rows(tmp_path / "spool") == [8]


def test_a_piece_ends_by_size(make, tmp_path):
    spool = make(SpoolLimits(free_disk_bytes=0, piece_bytes=2000))
    for n in range(0, 200, 4):
        outcome = Outcome()
        spool.append_durable([batch(n)], outcome)
        assert outcome.wait() is None
    assert len(piece_names(tmp_path / "spool")) > 3
    spool.close()
    journal = DiskJournal(tmp_path / "spool", tmp_path / "lake")
    assert journal.seal() > 3
    assert journal.query("SELECT * FROM decisions").num_rows == 200


def test_a_piece_ends_by_age_and_knows_its_versions(make, tmp_path):
    """L3: the names travel into every piece."""
    clock = ManualClock()
    spool = make(clock=clock)
    spool.append([batch(0)])
    clock.advance(61)
    spool.append([batch(4)])
    until(lambda: len(piece_names(tmp_path / "spool")) == 2, what="a second piece")
    spool.append([batch(8)])
    journal = DiskJournal(tmp_path / "spool", tmp_path / "lake")
    until(journal.seal, what="the first piece to be let go")
    assert journal.query("SELECT * FROM decisions").num_rows == 12


def test_waiting_records_are_bounded(make, disk):
    spool = make(SpoolLimits(free_disk_bytes=0, waiting_bytes=5000))
    disk.entered.clear()
    disk.let_sync.clear()
    first = Outcome()
    spool.append_durable([batch(0)], first)
    assert disk.entered.wait(120)

    def fill() -> None:
        for n in range(4, 400, 4):
            spool.append_buffered([batch(n)])

    with pytest.raises(Overloaded):
        fill()
    late = Outcome()
    spool.append_durable([batch(1000)], late)
    assert isinstance(late.wait(), Overloaded)
    disk.let_sync.set()
    assert first.wait() is None


def test_one_callers_fault_does_not_stop_the_journal(make, caplog):
    spool, outcome = make(), Outcome()

    def breaks(_error: BaseException | None) -> None:
        raise ValueError("planted")

    spool.append_durable([batch(0)], breaks)
    spool.append_durable([batch(4)], outcome)
    assert outcome.wait() is None
    assert "a caller failed" in caplog.text


def test_an_unused_spool_leaves_nothing_behind(make, tmp_path):
    make().close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_spool_that_cannot_begin_says_where_and_why(tmp_path, disk):
    disk.fails = True
    with pytest.raises(StorageFailed, match="spool"):
        DiskSpool(tmp_path / "spool", 7, sync=disk.sync)
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 4 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        if os.environ.get("CI"):
            pytest.fail("CI must be able to mount a tmpfs")
        pytest.skip("mounting a tmpfs takes root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing_that_was_acknowledged(small_disk: Path):
    """L7: on a real full disk each append is kept whole or refused, and there is a way back."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(2 * 1024 * 1024))
    spool = DiskSpool(small_disk / "spool", 7, clock=ManualClock(), breath=ROOMY)
    spool.describe(FRAUD)
    kept: list[int] = []
    refused = 0
    for n in range(0, 4000, 4):
        try:
            spool.append([batch(n), batch(n + 1, 1), batch(n + 2, 1)] if n % 8 else [batch(n)])
        except StorageFailed:
            refused += 1
            if refused == 20:
                ballast.unlink()
            if refused == 40:
                break
        else:
            kept += [n, n + 1, n + 2] if n % 8 else [n]
    assert refused >= 20
    outcome = Outcome()
    assert rows(small_disk / "spool") == kept
    ballast.unlink(missing_ok=True)
    spool.append_durable([batch(100_000)], outcome)
    outcome.wait()
    spool.close()
    assert rows(small_disk / "spool") == kept + ([] if outcome.error else [100_000])


def test_the_writing_side_stays_light():
    """A serving process starts fast and small: no Parquet, no query engine."""
    code = (
        "import sys, mainstay.journal.spool; "
        "print([m for m in ('pyarrow', 'duckdb', 'sqlite3') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
