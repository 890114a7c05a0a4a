"""The supervisor over real processes: what dies is replaced, what is told to go drains (S5, S6)."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from mainstay.base.errors import InvalidUsage
from mainstay.serve.supervise import PlaceReport, SupervisorReport, backoff_seconds, listen
from tests.servers.until import until

SCRIPT = Path(__file__).with_name("supervised.py")


class Supervised:
    """A supervisor in a process of its own."""

    def __init__(self, folder: Path, workers: int, grace: float) -> None:
        self.folder = folder
        with (folder / "out.txt").open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(SCRIPT), str(folder), str(workers), str(grace)],
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self.workers = workers

    def said(self) -> str:
        return (self.folder / "out.txt").read_text()

    def report(self) -> SupervisorReport | None:
        try:
            data = (self.folder / "supervisor.json").read_bytes()
        except FileNotFoundError:
            return None
        return msgspec.json.decode(data, type=SupervisorReport)

    def pids(self, role: str) -> list[int]:
        """The ready processes of a role, once all of them are ready."""

        def look() -> list[PlaceReport]:
            report = self.report()
            places = [p for p in report.places if p.role == role] if report else []
            wanted = self.workers if role == "worker" else 1
            calm = len(places) == wanted and all(p.ready for p in places)
            return places if calm and not (report and report.rolling) else []

        found = until(look, what=f"every {role} ready; it said: {self.said()}")
        return [place.pid for place in found if place.pid is not None]

    def url(self) -> str:
        found = until(self.report, what="the supervisor's report")
        assert found is not None
        return found.url

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(180)


@pytest.fixture
def start(tmp_path) -> Iterator:
    running: list[Supervised] = []

    def begin(workers: int = 1, grace: float = 10.0) -> Supervised:
        running.append(Supervised(tmp_path, workers, grace))
        return running[-1]

    yield begin
    for supervised in running:
        if supervised.process.poll() is None:
            supervised.process.kill()
            supervised.process.wait()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("role", ["worker", "keeper"])
def test_what_is_killed_is_replaced(start, role):
    """S6: kill -9 of a worker or the keeper; the others stay, a new one takes the place."""
    supervised = start(workers=2)
    workers, keeper = supervised.pids("worker"), supervised.pids("keeper")
    victim = workers[0] if role == "worker" else keeper[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in (supervised.pids(role)), what="another process in its place")
    after = supervised.pids("worker") + supervised.pids("keeper")
    assert len(set(after) & {*workers, *keeper}) == 2
    assert "SIGKILL" in supervised.said()
    assert supervised.stop() == 0


def test_what_dies_at_once_is_started_ever_more_slowly(start, tmp_path):
    """A broken worker does not become a storm of processes, and its end is told."""
    (tmp_path / "broken-worker").touch()
    supervised = start()
    until(lambda: supervised.said().count("ended with status 3") >= 3, what="three deaths told")
    said = supervised.said()
    assert "again in 0.2 s" in said or "again in 0.3 s" in said
    assert "again in 0.5 s" in said
    assert "Serving at" not in said
    (tmp_path / "broken-worker").unlink()
    assert supervised.pids("worker")
    assert supervised.stop() == 0


def test_backoff_grows_and_is_bounded():
    waits = [backoff_seconds(deaths) for deaths in range(20)]
    assert waits[0] == 0.0
    assert waits == sorted(waits)
    assert waits[-1] == 30.0


def test_a_stop_drains_workers_before_the_keeper(start, tmp_path):
    """S6: on SIGTERM every process ends by itself, the keeper last, and the socket is closed."""
    supervised = start(workers=2)
    supervised.pids("worker")
    supervised.pids("keeper")
    assert supervised.stop() == 0
    ends = [line.split()[1] for line in (tmp_path / "life.log").read_text().splitlines()
            if line.startswith("end")]  # fmt: skip
    assert ends == ["worker", "worker", "keeper"]
    assert not (tmp_path / "supervisor.json").exists()


def test_nobody_waits_at_a_door_that_nobody_will_open(start, tmp_path):
    """S6: while the keeper still has something to end, callers are refused at once."""
    (tmp_path / "busy").touch()
    supervised = start(grace=600)
    supervised.pids("keeper")
    (worker,) = supervised.pids("worker")
    address = urlsplit(supervised.url())
    supervised.process.send_signal(signal.SIGTERM)
    until(lambda: f"end worker {worker}" in (tmp_path / "life.log").read_text(), what="its end")

    def refused() -> bool:
        with socket.socket() as caller:
            return caller.connect_ex((str(address.hostname), address.port)) == errno.ECONNREFUSED

    until(refused, what="a caller to be refused")
    assert "end keeper" not in (tmp_path / "life.log").read_text()
    (tmp_path / "busy").unlink()
    assert supervised.process.wait(180) == 0


def test_a_worker_that_does_not_drain_is_ended(start, tmp_path):
    """S6: the graceful stop is bounded in time."""
    (tmp_path / "stubborn").touch()
    supervised = start(grace=0.3)
    pids = supervised.pids("worker") + supervised.pids("keeper")
    assert supervised.stop() == 1
    assert all(gone(pid) for pid in pids)
    assert "did not end within 0.3 s" in supervised.said()


def test_a_ctrl_c_at_the_terminal_reaches_the_supervisor_alone(start):
    """S6: children are in groups of their own, so that they drain when they are told to."""
    supervised = start()
    for pid in (*supervised.pids("worker"), *supervised.pids("keeper")):
        assert os.getpgid(pid) == pid
    assert supervised.stop() == 0


def test_a_second_ctrl_c_ends_everything_now(start, tmp_path):
    (tmp_path / "stubborn").touch()
    supervised = start(grace=600)
    pids = supervised.pids("worker") + supervised.pids("keeper")
    supervised.process.send_signal(signal.SIGINT)
    until(lambda: "Stopping:" in supervised.said(), what="the first Ctrl-C heard")
    assert supervised.stop(signal.SIGINT) == 1
    assert all(gone(pid) for pid in pids)


def test_no_child_outlives_a_killed_supervisor(start, tmp_path):
    """S6: the supervisor's own death is noticed, and the children stop gracefully."""
    supervised = start(workers=2)
    pids = supervised.pids("worker") + supervised.pids("keeper")
    supervised.stop(signal.SIGKILL)
    until(lambda: all(gone(pid) for pid in pids), what="children gone")
    assert (tmp_path / "life.log").read_text().count("end ") == 3


def test_rolling_replacement_loses_nothing(start, tmp_path):
    """S6: SIGHUP replaces every process under traffic, and not one request fails."""
    supervised = start(workers=2)
    before = set(supervised.pids("worker"))
    keeper = supervised.pids("keeper")
    url, stop = supervised.url(), threading.Event()
    seen: list[int] = []
    failed: list[Exception] = []

    def ask() -> None:
        while not stop.is_set():
            try:
                with urllib.request.urlopen(url, timeout=60) as answer:
                    seen.append(int(answer.read()))
            except OSError as error:
                failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    supervised.process.send_signal(signal.SIGHUP)
    until(lambda: "All workers are replaced" in supervised.said(), what="the replacement's end")
    after = set(supervised.pids("worker"))
    until(lambda: keeper != supervised.pids("keeper"), what="another keeper")
    count = len(seen)
    until(lambda: len(seen) > count + 5, what="answers after the replacement")
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert not before & after
    assert set(seen) & before
    assert set(seen) & after
    assert supervised.stop() == 0


def test_a_replacement_that_cannot_start_is_called_off(start, tmp_path):
    """S6: a broken new worker never costs an old one."""
    supervised = start(workers=2)
    before = supervised.pids("worker")
    (tmp_path / "broken-worker").touch()
    supervised.process.send_signal(signal.SIGHUP)
    until(lambda: "called off" in supervised.said(), what="the end of the replacement")
    assert supervised.pids("worker") == before
    assert supervised.stop() == 0


def test_a_port_that_is_taken_is_told():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(InvalidUsage, match=f"127.0.0.1:{port}") as refused:
            listen("127.0.0.1", port)
    assert "--port 0" in (refused.value.expected or "")
