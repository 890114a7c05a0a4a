"""Counts through one file: replicas merge, kills lose little and double nothing (S25 S34)."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.clock import ManualClock
from mainstay.base.errors import StorageFailed
from mainstay.tally.sqlite import SqliteTally

HOUR = 3_600_000_000_000
CLOCK = ManualClock()
START = CLOCK.now_ns()
NEVER = 1e6


def replica(file: Path) -> SqliteTally:
    """One whose thread never wakes: the test says when it exchanges."""
    tally = SqliteTally(file, CLOCK, every_seconds=NEVER)
    tally.declare("asked", HOUR, 24, 1)
    return tally


def count(tally: SqliteTally, key: str = "ann") -> float:
    return tally.read("asked", key, START - 30 * HOUR, START + 30 * HOUR)[0]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 2), st.sampled_from("ab"), st.integers(0, 3)),
        st.tuples(st.just("exchange"), st.integers(0, 2)),
        st.tuples(st.just("fail"), st.integers(0, 2)),
        st.tuples(st.just("unheard"), st.integers(0, 2)),
        st.tuples(st.just("restart"), st.integers(0, 2)),
        st.tuples(st.just("kill"), st.integers(0, 2)),
    ),
    max_size=40,
)


class Broken(SqliteTally):
    """One whose file can fail before anything is written, or after all of it was."""

    fails = ""

    def _in_one_transaction(self, now_ns: int):
        if self.fails == "before":
            raise apsw.IOError("the disk is away")
        got = super()._in_one_transaction(now_ns)
        if self.fails == "after":
            raise apsw.IOError("the disk went away before it could say so")
        return got


class Group:
    """Three replicas on one file, and what should have been brought into it."""

    def __init__(self, folder: str) -> None:
        self.file = Path(folder) / "tally.db"
        self.brought = {"a": 0, "b": 0}
        self.own = [{"a": 0, "b": 0} for _ in range(3)]
        self.replicas = [self.fresh() for _ in range(3)]

    def fresh(self) -> Broken:
        tally = Broken(self.file, CLOCK, every_seconds=NEVER)
        tally.declare("asked", HOUR, 24, 1)
        return tally

    def bring(self, place: int, left: dict[str, int]) -> None:
        for key in "ab":
            self.brought[key] += self.own[place][key] - left[key]
        self.own[place] = left

    def add(self, place: int, key: str, hours_ago: int) -> None:
        tally = self.replicas[place]
        before = count(tally, key)
        tally.add("asked", key, (1,), START - hours_ago * HOUR)
        self.own[place][key] += 1
        assert count(tally, key) == before + 1

    def exchange(self, place: int) -> None:
        waiting = self.waiting(place)
        self.replicas[place].exchange()
        self.bring(place, waiting)

    def waiting(self, place: int) -> dict[str, int]:
        """What stays behind when an exchange succeeds: where one failed before, its part goes
        first, and what was added since waits for the next one."""
        left = {"a": 0, "b": 0}
        if self.replicas[place]._leaving:
            for (_, key, _), amounts in self.replicas[place]._pending.items():
                left[key] += int(amounts[0])
        return left

    def fail(self, place: int) -> None:
        self._failing(place, "before")

    def unheard(self, place: int) -> None:
        self.bring(place, self.waiting(place))
        self._failing(place, "after")

    def _failing(self, place: int, when: str) -> None:
        tally = self.replicas[place]
        tally.fails = when
        with pytest.raises(StorageFailed, match="cannot be shared"):
            tally.exchange()
        tally.fails = ""

    def restart(self, place: int) -> None:
        self.replicas[place].close()
        self.bring(place, {"a": 0, "b": 0})
        self.replicas[place] = self.fresh()

    def kill(self, place: int) -> None:
        end(self.replicas[place])
        self.own[place] = {"a": 0, "b": 0}
        self.replicas[place] = self.fresh()


def end(tally: SqliteTally) -> None:
    """As if the process were gone: nothing is brought any more."""
    tally._disconnect()
    with tally._wake:
        tally._closing = True
        tally._wake.notify()


@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
def test_replicas_sum_to_the_same_whatever_the_order(steps):
    """Any interleaving of additions, exchanges, failed exchanges, exchanges whose end nobody heard
    of, restarts and kills: all agree afterwards on everything but what a killed one had not
    brought into the file, and nothing counts twice."""
    with TemporaryDirectory() as folder:
        group = Group(folder)
        for what, *given_to in steps:
            getattr(group, what)(*given_to)
        for place in (0, 1, 2, 0, 1, 2, 0, 1, 2):
            group.exchange(place)
        for tally in group.replicas:
            assert {key: count(tally, key) for key in "ab"} == group.brought
            end(tally)


def test_an_exchange_whose_end_nobody_heard_of_counts_once(tmp_path: Path):
    """Whoever does not know whether something was kept tries again, and nothing doubles; what was
    added meanwhile counts here at once, and goes with the next exchange."""
    one = Broken(tmp_path / "tally.db", CLOCK, every_seconds=NEVER)
    one.declare("asked", HOUR, 24, 1)
    other = replica(tmp_path / "tally.db")
    one.add("asked", "ann", (1,), START)
    one.fails = "after"
    with pytest.raises(StorageFailed):
        one.exchange()
    one.fails = ""
    one.add("asked", "ann", (10,), START)
    one.exchange()
    assert count(one) == 11
    other.exchange()
    assert count(other) == 1
    one.exchange()
    other.exchange()
    assert count(one) == count(other) == 11
    for tally in (one, other):
        tally.close()


def test_a_restart_forgets_nothing(tmp_path: Path):
    """Closing brings everything into the file, and declaring reads it at once."""
    tally = replica(tmp_path / "state" / "tally.db")
    tally.add("asked", "ann", (3,), START)
    tally.close()
    assert count(replica(tmp_path / "state" / "tally.db")) == 3


KILLED = """
import os, sys, time
from pathlib import Path
from mainstay.tally.sqlite import SqliteTally
tally = SqliteTally(Path(sys.argv[1]), every_seconds=0.01)
tally.declare("asked", 10**15, 24, 1)
for done in range(1, 10**9):
    tally.add("asked", "ann", (1,), time.time_ns())
    if done % 100 == 0:
        print(done, int(tally._seen), flush=True)
"""


def test_a_killed_process_loses_only_what_it_had_not_brought(tmp_path: Path):
    """Killed in the middle of counting, several times: the file holds a part of what was added,
    at least what an exchange had confirmed, and never more."""
    file = tmp_path / "tally.db"
    total = 0.0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(file)], stdout=subprocess.PIPE, text=True
        )
        added = exchanges = 0
        first = 0
        assert process.stdout is not None
        while exchanges < first + 3:
            added, exchanges = map(int, process.stdout.readline().split())
            first = first or exchanges or 1
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().split("\n")
        process.wait()
        process.stdout.close()
        last = [line for line in rest if len(line.split()) == 2]
        added = int(last[-1].split()[0]) if last else added
        with apsw.Connection(str(file)) as connection:
            kept = connection.execute("SELECT sum(amount) FROM amount").get
        assert total < kept <= total + added + 100
        total = kept


def test_a_file_that_is_away_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """The own numbers count; it is said once; and they are brought when the file works again."""
    place = tmp_path / "state"
    place.write_text("a file where the folder should be")
    tally = replica(place / "tally.db")
    tally.add("asked", "ann", (1,), START)
    tally._try()
    assert count(tally) == 1
    assert caplog.text.count("cannot be shared") == 1
    place.unlink()
    tally._try()
    tally.add("asked", "ann", (1,), START)
    tally.close()
    assert "shared again" in caplog.text
    assert count(replica(place / "tally.db")) == 2


def test_the_file_is_tidied(tmp_path: Path):
    """Buckets that count no more leave the file."""
    clock = ManualClock()
    tally = SqliteTally(tmp_path / "tally.db", clock, every_seconds=NEVER)
    tally.declare("asked", HOUR, 2, 1)
    for _ in range(5):
        tally.add("asked", "ann", (1,), clock.now_ns())
        tally.exchange()
        clock.advance(3600)
    with apsw.Connection(str(tmp_path / "tally.db")) as connection:
        assert connection.execute("SELECT count(*) FROM amount").get <= 4
    tally.close()


def test_its_own_thread_brings_what_was_added(tmp_path: Path):
    """Two processes agree without anybody telling them to."""
    from tests.servers.until import until

    one, other = (SqliteTally(tmp_path / "tally.db", CLOCK, every_seconds=0.01) for _ in range(2))
    for tally in (one, other):
        tally.declare("asked", HOUR, 24, 1)
    one.add("asked", "ann", (1,), START)
    until(lambda: count(other) == 1, what="the other process to know")
    one.close()
    other.close()
