"""`mainstay up` with real workers: deploys, kills and replacements under traffic (S5 S6 S10 L7)."""

import http.client
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Self

import pytest

from tests.servers.mainstay import (
    RunningServer,
    mainstay,
    pack_model,
    program,
    serving,
    start_server,
)
from tests.servers.until import until


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[RunningServer]:
    found = serving(tmp_path_factory.mktemp("up") / "shop", "--workers", "2")
    yield found
    found.stop()


class Caller:
    """Asks again and again; counts versions, failures and ids."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.versions: Counter[int] = Counter()
        self.ids: list[str] = []
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                status, answer = self.server.decide()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                self._stop.wait(0.01)
                continue
            self._stop.wait(0.005)
            if status == 200:
                self.versions[answer["version"]] += 1
                self.ids.append(answer["id"])
            else:
                self.failures.append(f"{status} {answer}")

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: len(self.ids) > 3, what="the first answers")
        return self

    def more(self, count: int = 5) -> None:
        seen = len(self.ids)
        until(lambda: len(self.ids) > seen + count, what="more answers")

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_deploying_and_rolling_back_lose_nothing(server):
    """S5 S10: one command each, every worker confirms, no request fails."""
    with Caller(server) as caller:
        second = pack_model(server.workspace, bias=1.0)
        done = program("deploy", f"sums@{second.version.number}", workspace=server.workspace)
        assert done.returncode == 0, done.stderr
        assert "All 2 workers answer" in done.stdout
        caller.more()
        assert caller.versions[second.version.number] > 0
        back = mainstay("rollback", "sums", workspace=server.workspace)
        assert back.returncode == 0, back.stderr
        caller.more()
    assert caller.failures == []
    assert server.decide()[1]["version"] == 1


def test_a_file_dropped_into_the_inbox_goes_live(server, tmp_path):
    """S5: one file dropped in place."""
    third = pack_model(server.workspace, bias=2.0)
    source = server.workspace / "bundles" / f"{third.version.fingerprint}.mainstay"
    part = server.workspace / "inbox" / ".third.mainstay"
    part.write_bytes(source.read_bytes())
    part.rename(server.workspace / "inbox" / "third.mainstay")
    number = third.version.number
    until(lambda: server.decide()[1]["version"] == number, what=f"version {number} live")
    assert mainstay("rollback", "sums", workspace=server.workspace).returncode == 0


def test_a_killed_worker_is_replaced_and_its_decisions_are_kept(server):
    """S6 L7: kill -9; the others answer, a new one comes, and no acknowledged decision is lost."""
    with Caller(server) as caller:
        victim = server.pids("worker")[0]
        os.kill(victim, signal.SIGKILL)
        until(
            lambda: len(server.pids("worker")) == 2 and victim not in server.pids("worker"),
            what="another worker in its place",
        )
        caller.more()
    for decision_id in [*caller.ids[:20], *caller.ids[-20:]]:
        status, found = server.ask("GET", f"/decisions/{decision_id}")
        assert (status, found["id"]) == (200, decision_id)


def test_a_killed_keeper_is_replaced(server):
    """S6: look-ups are away for a moment, deciding never is."""
    with Caller(server) as caller:
        victim = server.pids("keeper")[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: server.pids("keeper") not in ([], [victim]), what="another keeper")
        caller.more()
    assert caller.failures == []
    decision_id = caller.ids[-1]
    until(lambda: server.ask("GET", f"/decisions/{decision_id}")[0] == 200, what="the look-up")


def test_rolling_replacement_of_real_workers_loses_nothing(server):
    """S6: SIGHUP under traffic."""
    before = set(server.pids("worker"))
    with Caller(server) as caller:
        server.process.send_signal(signal.SIGHUP)
        until(
            lambda: len(server.pids("worker")) == 2 and not before & set(server.pids("worker")),
            what=f"two other workers: {server.said()}",
        )
        caller.more()
    assert caller.failures == []


def test_a_second_server_on_one_workspace_is_refused(server):
    done = program("up", "--port", "0", workspace=server.workspace)
    assert done.returncode == 2
    assert "is being served already" in done.stderr
    assert server.url in done.stderr


def test_status_tells_what_runs(server):
    """M1: processes, versions and requests of a running server."""
    server.decide()
    done = program("status", workspace=server.workspace)
    assert server.url in done.stdout
    assert done.stdout.count("\nworker ") == 2
    # What died before this is not among what is in use.
    assert done.stdout.count("\nin worker ") == 2
    assert "sums" in done.stdout


def test_a_decision_is_replayed_bit_for_bit(server):
    """L3: from the command line, with the version that made it."""
    _, answer = server.decide(a=0.25)
    done = mainstay("replay", "--decision", answer["id"], workspace=server.workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bit for bit" in done.stdout


def test_a_stop_answers_what_is_in_flight(tmp_path):
    """S6: SIGTERM drains; whatever was accepted is answered. A connection that no worker had
    accepted yet is reset by the kernel, as if nobody listened."""
    server = serving(tmp_path / "shop")
    with Caller(server) as caller:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(180) == 0
    fair = ("ConnectionRefusedError", "ConnectionResetError")
    broken = [words for words in caller.failures if not words.startswith(fair)]
    assert broken == []
    again = start_server(tmp_path / "shop")
    try:
        until(again.answers, what=f"the next server: {again.said()}")
        path = f"/decisions/{caller.ids[-1]}"
        until(lambda: again.ask("GET", path)[0] == 200, what="the last answer, looked up")
    finally:
        again.stop()
