"""Every desk keeps what waits, and what was decided first (S29)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec import structs

from mainstay.base.errors import NotFound, Overloaded
from mainstay.judge.holding import Counted, Holding
from mainstay.serve.held.folder import FolderDesk
from mainstay.serve.held.memory import MemoryDesk
from mainstay.serve.held.model import Settled, Told, Waiting
from mainstay.serve.held.port import Desk

Open = Callable[[int], Desk]
COUNTED = Counted(name="hold", key="all", bucket_ns=1, buckets=3)


@pytest.fixture(params=["memory", "folder"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    def open_desk(most: int = 100) -> Desk:
        if request.param == "memory":
            return MemoryDesk(most)
        return FolderDesk(tmp_path / "held", most)

    return open_desk


def waiting(number: int, time_ns: int = 0) -> Waiting:
    return Waiting(
        id=f"{number:028x}",
        model="price",
        version=2,
        caller="ann",
        time_ns=time_ns or number,
        until_ns=1000 + number,
        holding=Holding(
            side="above", words="a lot", value=5.0, limit=3.0, wait="1h", counted=COUNTED
        ),
        shown=Told(["a", "b"], None, [{"answer": "a", "score": 1.0}]),
    )


def settled(number: int, event: str = "e" * 28, verdict: str = "released") -> Settled:
    return Settled(
        id=f"{number:028x}", model="price", caller="ann", verdict=verdict, actor="bob",
        reason="fine", time_ns=number, event=event, shown=Told(5.0, None, []),
    )  # fmt: skip


def test_what_waits_is_found_and_listed_oldest_first(opened: Open) -> None:
    """S29: nothing of it is lost on the way to a person."""
    desk = opened(100)
    assert desk.waiting() == []
    assert desk.find(f"{1:028x}") == (None, None)
    for number in (3, 1, 2):
        desk.put(waiting(number))
    assert [each.time_ns for each in desk.waiting()] == [1, 2, 3]
    assert desk.find(f"{2:028x}") == (waiting(2), None)
    desk.take_back(f"{2:028x}")
    desk.take_back(f"{2:028x}")
    assert [each.time_ns for each in desk.waiting()] == [1, 3]


def test_the_first_who_decides_decides(opened: Open) -> None:
    """S29: what was decided stays, and does not wait any more."""
    desk = opened(100)
    desk.put(waiting(1))
    assert desk.settle(settled(1)) == settled(1)
    assert desk.settle(settled(1, "f" * 28, "rejected")) == settled(1)
    assert desk.waiting() == []
    assert desk.find(f"{1:028x}") == (waiting(1), settled(1))
    assert desk.unfinished() == [(waiting(1), settled(1))]
    desk.close(f"{1:028x}")
    assert desk.unfinished() == []
    assert desk.find(f"{1:028x}") == (None, settled(1))


def test_of_many_at_once_one_decides(opened: Open) -> None:
    """S29: everybody is told the same, whoever was first."""
    desk = opened(100)
    for number in range(20):
        desk.put(waiting(number))
        mine = [
            settled(number, f"{place:028x}", "released" if place % 2 else "rejected")
            for place in range(8)
        ]
        with ThreadPoolExecutor(8) as threads:
            told = list(threads.map(desk.settle, mine))
        assert len(set(map(repr, told))) == 1
        assert told[0] in mine


def test_only_so_many_wait(opened: Open) -> None:
    """S29: a desk is bounded, and says so."""
    desk = opened(2)
    desk.put(waiting(1))
    desk.put(waiting(2))
    with pytest.raises(Overloaded, match="too many answers wait"):
        desk.put(waiting(3))
    desk.settle(settled(1))
    desk.close(f"{1:028x}")
    desk.put(waiting(3))


def test_what_was_decided_long_ago_is_forgotten(opened: Open) -> None:
    """S29: but nothing of which something is left to do."""
    desk = opened(100)
    for number in (1, 2, 3):
        desk.put(waiting(number))
        desk.settle(settled(number))
    desk.close(f"{1:028x}")
    desk.close(f"{3:028x}")
    assert desk.forget(3) == 1
    assert desk.find(f"{1:028x}") == (None, None)
    assert desk.find(f"{2:028x}") == (waiting(2), settled(2))
    assert desk.find(f"{3:028x}") == (None, settled(3))


def test_a_folder_outlives_its_processes_and_reads_no_strange_names(tmp_path: Path) -> None:
    """S29: another process finds all of it; an id that is none never becomes a path."""
    FolderDesk(tmp_path).put(waiting(1))
    other = FolderDesk(tmp_path)
    assert other.waiting() == [waiting(1)]
    other.settle(settled(1))
    assert FolderDesk(tmp_path).find(f"{1:028x}") == (waiting(1), settled(1))
    with pytest.raises(NotFound):
        other.find("../waiting/secret")
    (tmp_path / "waiting" / f"{9:028x}.json").write_bytes(b"{half")
    assert other.waiting() == []
    modes = {path.stat().st_mode & 0o077 for path in tmp_path.rglob("*.json")}
    assert 0 in modes
    assert structs.asdict(waiting(1))["caller"] == "ann"
