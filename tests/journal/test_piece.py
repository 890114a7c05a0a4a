"""A piece of the spool: who owns it, what damage leaves of it, and that old ones stay readable."""

import shutil
from pathlib import Path

import apsw
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.ids import DecisionId
from mainstay.contract.columns import encode
from mainstay.journal.lake import DAMAGED
from mainstay.journal.model import DecisionBatch, Event, Layout
from mainstay.journal.piece import Lock, Piece, piece_name, prepare
from mainstay.journal.reader import DiskJournal
from mainstay.journal.tail import open_piece, piece_names
from tests.journal.records import FRAUD, TIME_MS, batch, event

WRITTEN = 12


def no_sync(_descriptor: int) -> None:
    """Nothing in these tests cuts the power."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A piece with runs 0, 4, 8 …, each in a transaction of its own, and an event after each."""
    folder = tmp_path_factory.mktemp("whole")
    piece = Piece.create(folder, 7, TIME_MS, no_sync)
    piece.write(prepare([], 7, {}), (FRAUD,))
    for n in range(WRITTEN):
        piece.write(prepare([batch(4 * n), event(f"e{n}")], 7, {FRAUD.fingerprint: FRAUD}))
    piece.close()
    return folder


def test_the_main_file_is_one_page_and_all_else_is_in_the_log(whole: Path):
    """Everything that was written is under a checksum."""
    (main,) = whole.glob("*.piece")
    assert main.stat().st_size == 4096


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_cut_or_flipped_log_reads_as_a_prefix(data, whole: Path, tmp_path_factory):
    """L7: never a crash, never a record that nobody wrote, and no record kept by halves."""
    folder = tmp_path_factory.mktemp("torn")
    for path in whole.iterdir():
        if not path.name.endswith("-shm"):
            shutil.copy(path, folder)
    (log,) = folder.glob("*-wal")
    content = bytearray(log.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    log.write_bytes(content)
    (name,) = piece_names(folder)
    with open_piece(folder, name) as piece:
        if piece is None:
            runs, events = [], []
        else:
            found = piece.content()
            runs, events = found.runs, found.events
    assert len(runs) == len(events)
    assert runs == [(batch(4 * n), FRAUD) for n in range(len(runs))]
    assert events == [event(f"e{n}") for n in range(len(events))]
    journal = DiskJournal(folder, folder / "lake")
    journal.seal()
    assert journal.query("SELECT * FROM decisions").num_rows == 4 * len(runs)
    shutil.rmtree(folder)


@settings(max_examples=40, deadline=None)
@given(place=st.integers(0, 4095), flip=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_main_file_never_crashes_a_reader(
    place: int,
    flip: int,
    cut: bool,
    whole: Path,
    tmp_path_factory,
):
    """L7: all is read or nothing, and what cannot be read is left as it is."""
    folder = tmp_path_factory.mktemp("head")
    for path in whole.iterdir():
        if not path.name.endswith("-shm"):
            shutil.copy(path, folder)
    (main,) = folder.glob("*.piece")
    log = main.with_name(main.name + "-wal").read_bytes()
    content = bytearray(main.read_bytes())
    if cut:
        del content[place:]
    else:
        content[place] ^= flip
    main.write_bytes(content)
    journal = DiskJournal(folder, folder / "lake")
    count = journal.query("SELECT * FROM decisions").num_rows
    assert count == (0 if cut else 4 * WRITTEN)
    sealed = journal.seal()
    aside = folder / DAMAGED / f"{main.name}-wal"
    assert sealed == 1 if count else aside.read_bytes() == log
    assert journal.query("SELECT * FROM decisions").num_rows == count
    shutil.rmtree(folder)


def test_a_piece_has_one_owner(tmp_path: Path):
    lock = Lock.take(tmp_path / "a.lock", new=True)
    assert lock is not None
    assert Lock.take(tmp_path / "a.lock") is None
    assert Lock.take(tmp_path / "a.lock", new=True) is None
    lock.release()
    again = Lock.take(tmp_path / "a.lock")
    assert again is not None
    again.remove()
    assert not (tmp_path / "a.lock").exists()


def test_no_two_pieces_have_the_same_name(tmp_path: Path):
    """A piece named like a sealed one would be taken for it, and be lost."""
    assert piece_name(7, 1, 1) == "00000007-000000000001-00000001"
    pieces = [Piece.create(tmp_path, 7, TIME_MS, no_sync) for _ in range(3)]
    assert len({piece.path for piece in pieces}) == 3
    for piece in pieces:
        piece.close()


def test_sqlite_is_free_of_the_fault_that_spoils_logs():
    """SQLite before 3.51.3 could damage a file with a write-ahead log."""
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)


# Bytes as the first version of Mainstay wrote them. They must be read for ever, so these lines
# are only ever added to.
GOLDEN_BATCH = bytes.fromhex(
    "de0011ab66696e6765727072696e74a26162a5726f75746502a4646f6f72a468747470a774696d655f6d73cf"
    "0000018bcfe56800ab696e6361726e6174696f6e07ae66697273745f73657175656e636505a4726f777302a7"
    "63616c6c65727392a3616e6ea3626f62a8726571756573747392a27231a27232a6696e70757473c43281a66d"
    "617472697893a33c6638920202c420000000000000f83f00000000000000c000000000000000000000000000"
    "000a40a7636f6e74657874c41181a46e6f746593a3737472910292a178c0a86665617475726573c41481a166"
    "93a33c66349102c4080000803f00000040a76f757470757473c41981a66f757470757493a33c66349102c408"
    "0000803e0000403fa87374617475736573c4020005a7726561736f6e738101aa6e6f742066696e697465a977"
    "61697465645f6e73920a14a873746570735f6e7381a770726564696374cd03e8"
)
# Since there are arms, what is as usual is left out.
GOLDEN_SHADOW = bytes.fromhex(
    "de000eab66696e6765727072696e74a26162a5726f75746502a4646f6f72a468747470a774696d655f6d73"
    "cf0000018bcfe56800ab696e6361726e6174696f6e07ae66697273745f73657175656e636507a4726f7773"
    "01a763616c6c65727391a3616e6ea6696e70757473c42281a66d617472697893a33c6638920102c4100000"
    "00000000f83f00000000000000c0a76f757470757473c41581a66f757470757493a33c66349101c4040000"
    "803ea87374617475736573c40100a361726da6736861646f77aa70726f70656e73697479cb3fe000000000"
    "0000a7736861646f777391a5616e206964"
)
GOLDEN_EVENT = bytes.fromhex(
    "88a26964a26531a46b696e64a5726f757465a774696d655f6e7301a86b6e6f776e5f6e7302a56d6f64656ca5"
    "6672617564a56163746f72a3616e6ea77375626a656374a26162a4626f647982a565706f636802a3776879c0"
)
GOLDEN_LAYOUT = bytes.fromhex(
    "86ab66696e6765727072696e74a26162a56d6f64656ca56672617564a66e756d62657203a6696e7075747392"
    "a161a162a8666561747572657391a166a76f75747075747391a573636f7265"
)


def golden_batch() -> DecisionBatch:
    return DecisionBatch(
        fingerprint="ab",
        route=2,
        door="http",
        time_ms=TIME_MS,
        incarnation=7,
        first_sequence=5,
        rows=2,
        callers=("ann", "bob"),
        requests=("r1", "r2"),
        inputs=encode({"matrix": np.array([[1.5, -2.0], [0.0, 3.25]])}),
        context=encode({"note": np.array(["x", None], dtype=object)}),
        features=encode({"f": np.array([1, 2], dtype=np.float32)}),
        outputs=encode({"output": np.array([0.25, 0.75], dtype=np.float32)}),
        statuses=b"\x00\x05",
        reasons={1: "not finite"},
        waited_ns=(10, 20),
        steps_ns={"predict": 1000},
    )


def golden_shadow() -> DecisionBatch:
    return DecisionBatch(
        fingerprint="ab",
        route=2,
        door="http",
        time_ms=TIME_MS,
        incarnation=7,
        first_sequence=7,
        rows=1,
        callers=("ann",),
        inputs=encode({"matrix": np.array([[1.5, -2.0]])}),
        outputs=encode({"output": np.array([0.25], dtype=np.float32)}),
        statuses=b"\x00",
        arm="shadow",
        propensity=0.5,
        shadows=("an id",),
    )


GOLDEN_LAYOUT_VALUE = Layout(
    fingerprint="ab",
    model="fraud",
    number=3,
    inputs=("a", "b"),
    features=("f",),
    outputs=("score",),
)
GOLDEN_EVENT_VALUE = Event(
    id="e1",
    kind="route",
    time_ns=1,
    known_ns=2,
    model="fraud",
    actor="ann",
    subject="ab",
    body={"epoch": 2, "why": None},
)


def test_old_pieces_stay_readable(tmp_path: Path):
    """L3, L7: a piece that holds the golden bytes gives the golden values, found and replayable."""
    piece = Piece.create(tmp_path, 7, TIME_MS, no_sync)
    run = piece._connection.execute
    run("INSERT INTO layout VALUES (?,?)", ("ab", GOLDEN_LAYOUT))
    run("INSERT INTO decision VALUES (?,?,?,?,?)", (5, 2, TIME_MS, "ab", GOLDEN_BATCH))
    run("INSERT INTO decision VALUES (?,?,?,?,?)", (7, 1, TIME_MS, "ab", GOLDEN_SHADOW))
    run("INSERT INTO event VALUES (?,?,?,?,?)", ("e1", "route", 0, "fraud", GOLDEN_EVENT))
    piece.records = 2
    with open_piece(tmp_path, piece_names(tmp_path)[0]) as reader:
        content = reader.content()
        assert content.runs == [
            (golden_batch(), GOLDEN_LAYOUT_VALUE),
            (golden_shadow(), GOLDEN_LAYOUT_VALUE),
        ]
        assert content.events == [GOLDEN_EVENT_VALUE]
        assert reader.find(DecisionId(TIME_MS, 7, 6)) == content.runs[0]
    piece.close()


@pytest.mark.parametrize(
    ("value", "golden"),
    [
        (golden_batch(), GOLDEN_BATCH),
        (golden_shadow(), GOLDEN_SHADOW),
        (GOLDEN_EVENT_VALUE, GOLDEN_EVENT),
        (GOLDEN_LAYOUT_VALUE, GOLDEN_LAYOUT),
    ],
    ids=["batch", "shadow", "event", "layout"],
)
def test_records_are_written_as_they_always_were(value, golden: bytes):
    """Whoever changes the bytes adds a golden line for the new ones beside the old."""
    assert msgspec.msgpack.encode(value) == golden
