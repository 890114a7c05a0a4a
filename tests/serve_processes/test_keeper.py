"""Duties fail alone, are tried again, and say so (S6)."""

import os
import threading

import msgspec
import pytest

from mainstay.base.clock import ManualClock, SystemClock
from mainstay.base.errors import StorageFailed
from mainstay.serve.keeper import Duty, DutyLoop, Keeper, KeeperReport


@pytest.fixture
def said() -> list[str]:
    return []


def test_a_duty_that_raises_is_counted_and_tried_again(said):
    """A failure is told once, not every time, and so is the end of it."""
    clock = ManualClock()
    faults = [StorageFailed("the database is away"), StorageFailed("the database is away"),
              ValueError("odd"), None, None]  # fmt: skip

    def run() -> None:
        fault = faults.pop(0)
        if fault is not None:
            raise fault

    loop = DutyLoop(Duty("follow routes", 0.2, run), clock, said.append)
    started = clock.now_ns()
    loop.once()
    clock.advance(1)
    loop.once()
    assert loop.report.failures == 2
    assert loop.report.failing_since_ns == started
    loop.once()
    assert loop.report.error == "ValueError: odd"
    loop.once()
    loop.once()
    assert loop.report.error == ""
    assert loop.report.failing_since_ns is None
    assert loop.report.runs == 5
    assert said == [
        "follow routes: the database is away",
        "follow routes: ValueError: odd",
        "follow routes: works again after 3 failure(s).",
    ]


def test_one_duty_that_fails_or_hangs_holds_up_no_other(tmp_path, said):
    """The keeper goes on, and its file names the one that fails."""
    release, twice = threading.Event(), threading.Event()
    runs: list[int] = []

    def hang() -> None:
        release.wait(120)

    def fail() -> None:
        raise StorageFailed("broken")

    def work() -> None:
        runs.append(1)
        if len(runs) == 2:
            twice.set()

    duties = [
        Duty("hangs", 0.01, hang),
        Duty("fails", 0.01, fail),
        Duty("works", 0.01, work),
    ]
    keeper = Keeper(tmp_path, duties, SystemClock(), said.append)
    thread = threading.Thread(target=keeper.run)
    thread.start()
    assert twice.wait(120)
    keeper.publish(ready=True)
    report = msgspec.json.decode((tmp_path / "keeper.json").read_bytes(), type=KeeperReport)
    release.set()
    keeper.stop()
    thread.join(120)
    assert not thread.is_alive()
    assert report.pid == os.getpid()
    errors = {duty.name: duty.error for duty in report.duties}
    assert errors == {"hangs": "", "fails": "broken", "works": ""}
    after = msgspec.json.decode((tmp_path / "keeper.json").read_bytes(), type=KeeperReport)
    assert not after.ready
