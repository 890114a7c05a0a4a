"""N1: a question to the journal keeps to its memory; what does not fit is on disk, for itself."""

import tempfile
from pathlib import Path

import pytest

from mainstay.base.limits import QUERY_MEMORY_MAX_BYTES
from mainstay.journal.reader import connected, lock


def test_more_than_fits_into_memory_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """From a folder that nobody else reads, and that is gone with the question; also behind shut
    doors."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with connected() as connection:
        ((limit,),) = connection.execute("SELECT current_setting('memory_limit')").fetchall()
        number, unit = limit.split()
        assert unit == "GiB"
        assert abs(float(number) * 2**30 - QUERY_MEMORY_MAX_BYTES) < 2**30 / 10
        (folder,) = tmp_path.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        connection.execute("SET memory_limit = '20MB'")
        connection.execute("SET threads = 1")
        lock(connection, [])
        asked = "SELECT hash(i) AS h, hash(i + 1) AS g FROM range(1000000) r(i) ORDER BY h"
        pieces = connection.sql(asked).to_arrow_reader(100_000)
        before, rows = -1, 0
        for piece in pieces:
            assert rows or any(path.is_file() for path in folder.iterdir()), "it fits"
            numbers = piece.column(0).to_numpy()
            assert int(numbers[0]) > before
            before, rows = int(numbers[-1]), rows + piece.num_rows
        assert rows == 1_000_000
    assert list(tmp_path.iterdir()) == []
