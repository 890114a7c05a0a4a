"""Processes are killed while they write: every acknowledged decision is found, none twice. L7."""

import random
import subprocess
import sys
from pathlib import Path

from mainstay.base.ids import DecisionId
from mainstay.journal.reader import DiskJournal
from tests.journal.records import FRAUD, FRAUD_2, TIME_MS, batch
from tests.journal.writer import ROWS

KILLS = 20
COUNT = "SELECT count(*) AS n, count(DISTINCT id) AS ids FROM decisions"


def killed_writer(folder: Path, incarnation: int, after: int) -> list[int]:
    """Start a writer, kill it after some acknowledgements; returns all that it gave."""
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.journal.writer", str(folder), str(incarnation)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(after)]
    writer.kill()
    rest = writer.stdout.read()
    writer.wait()
    writer.stdout.close()
    complete = rest[: rest.rfind("\n") + 1]
    return acknowledged + [int(line) for line in complete.split()]


def test_no_acknowledged_decision_is_lost_by_kill_nine(tmp_path: Path):
    """L7, L3: killed at twenty random moments, with pieces ending and sealings in between."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    journal = DiskJournal(tmp_path / "spool", tmp_path / "lake")
    promised: dict[int, list[int]] = {}
    for incarnation in range(1, KILLS + 1):
        after = choose.randrange(1, 400)
        promised[incarnation] = killed_writer(tmp_path, incarnation, after)
        if choose.random() < 0.4:
            journal.seal()
        for first in choose.sample(promised[incarnation], k=min(5, after)):
            assert_found(journal, incarnation, first)
    for _ in range(2):  # Before the last sealing and after it.
        found = journal.query("SELECT incarnation, sequence, id FROM decisions")
        seen = set(
            zip(
                found.column("incarnation").to_pylist(),
                found.column("sequence").to_pylist(),
                strict=True,
            )
        )
        missing = {
            (incarnation, first + row)
            for incarnation, firsts in promised.items()
            for first in firsts
            for row in range(ROWS)
        } - seen
        assert not missing
        assert len(seen) == found.num_rows
        wrong = "input_amount != sequence * 0.5 OR output_fraud != sequence::FLOAT"
        assert journal.query(f"SELECT * FROM decisions WHERE {wrong}").num_rows == 0
        journal.seal()
    assert list((tmp_path / "spool").glob("*.piece*")) == []
    assert journal.query(COUNT).to_pylist() == [{"n": len(seen), "ids": len(seen)}]
    for incarnation, firsts in promised.items():
        assert_found(journal, incarnation, firsts[-1])


def assert_found(journal: DiskJournal, incarnation: int, first: int) -> None:
    layout = (FRAUD_2, FRAUD)[(first // ROWS) % 2]
    expected = batch(first, ROWS, incarnation=incarnation, layout=layout)
    assert journal.run_of(str(DecisionId(TIME_MS, incarnation, first + 1))) == (expected, layout)
