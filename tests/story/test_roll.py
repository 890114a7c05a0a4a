"""Replacing all workers, and stopping them, under load: what was accepted is answered."""

import signal
import time
from collections.abc import Callable, Iterator

import pytest

from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import RunningServer, serving
from tests.servers.until import until
from tests.story.accounts import hold_answers, hold_to_account, in_journal
from tests.story.callers import Callers

pytestmark = pytest.mark.slow

ROLLS = 3
BIASES = {1: 0.0}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    found = serving(tmp_path_factory.mktemp("roll") / "shop", "--workers", "2")
    yield found
    found.stop()


def test_replacing_all_workers_fails_nobody(
    server: RunningServer, measured: Callable[[str, object], None]
) -> None:
    """S6: SIGHUP under load, three times; clients that close when asked to see no failure."""
    took: list[float] = []
    with Callers(server, seed=4) as callers:
        for _ in range(ROLLS):
            before = {*server.pids("worker"), *server.pids("keeper")}
            began = time.monotonic()
            server.process.send_signal(signal.SIGHUP)
            until(
                lambda before=before: (
                    server.complete()
                    and not before & {*server.pids("worker"), *server.pids("keeper")}
                    and not server.report.rolling
                ),
                what=f"other processes: {server.said()[-2000:]}",
            )
            took.append(time.monotonic() - began)
            callers.more(20)
    heard = callers.heard
    assert heard.failures == []
    # A worker that drains says so to whoever had reached it the moment before.
    assert [told for told in callers.unready if "'ready': False" not in told] == []
    assert heard.closes >= ROLLS
    hold_answers(heard.answers, BIASES)
    workspace = open_workspace(server.workspace)
    hold_to_account(heard, in_journal(workspace))
    measured("all replaced within s", [round(each, 2) for each in took])
    measured("answers, connections closed by drains", (len(heard.answers), heard.closes))


def test_a_stop_answers_whatever_was_accepted(server: RunningServer) -> None:
    """S6 L7: SIGTERM under load. A request whose connection a worker had accepted is answered; one
    that was only in the kernel's queue is reset unseen, and so no decision was made for it."""
    with Callers(server, seed=5) as callers:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(180) == 0
    heard = callers.heard
    assert heard.hanging == []
    assert heard.refused == []
    # From the first moment of draining on, a probe rightly hears that nobody is ready.
    assert [told for told in callers.unready if "'ready': False" not in told] == []
    assert [one for one in heard.broken if one.accepted] == []
    rows = in_journal(open_workspace(server.workspace), seed=5)
    hold_to_account(heard, rows)
    assert {row["request"] for row in rows} == {one.request for one in heard.answers}
