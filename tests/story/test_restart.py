"""A server that was down answers, from its first answer on, with what is in force by then."""

import http.client
import json
import threading
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from mainstay.access.keys import create_key, revoke_key
from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import FIELDS, MODEL, RunningServer, pack_model, serving, start_server
from tests.servers.until import until

pytestmark = pytest.mark.slow

CALLERS = 3
NOT_READY = 503


class Heard(NamedTuple):
    """One answer to the caller of a key."""

    who: str
    status: int
    version: Any


class Waiting:
    """Callers with a key each, who ask from before the server answers anybody until all ended."""

    def __init__(self, server: RunningServer, keys: dict[str, str]) -> None:
        self.heard: list[Heard] = []
        self._place = urlsplit(server.url)
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(who, secret))
            for who, secret in keys.items()
            for _ in range(CALLERS)
        ]
        for thread in self._threads:
            thread.start()

    def _ask(self, who: str, secret: str) -> None:
        body = json.dumps({"inputs": dict.fromkeys(FIELDS, 0.5)})
        head = {"authorization": f"Bearer {secret}"}
        while not self._done.is_set():
            line = http.client.HTTPConnection(str(self._place.hostname), self._place.port, 120)
            line.request("POST", f"/models/{MODEL}/decide", body, head)
            answer = line.getresponse()
            told = json.loads(answer.read())
            self.heard.append(Heard(who, answer.status, told.get("version")))
            line.close()

    def end(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def told(self, who: str) -> set[tuple[int, Any]]:
        """Everything but a request to wait that somebody was told."""
        return {(one.status, one.version) for one in self.heard
                if one.who == who and one.status != NOT_READY}  # fmt: skip


def test_the_first_answers_are_those_of_this_start(tmp_path: Path) -> None:
    """S1 S5 S6: a key that was revoked while the server was down never lets anybody in, one that
    was made lets in at once, and no version answers that was replaced meanwhile: not even before
    the keeper has looked for the first time."""
    server = serving(tmp_path / "shop", "--workers", "2")
    try:
        workspace = open_workspace(server.workspace)
        old, revoked = create_key(workspace.keys, "checkout")
        orders = server.workspace / "run" / "orders.json"
        until(lambda: revoked.id in orders.read_text(), what="orders with the key")
    finally:
        server.stop()
    pack_model(server.workspace, bias=1.0)
    workspace.deploy(MODEL, 2, "while the server was down")
    revoke_key(workspace.keys, revoked.id)
    new, _ = create_key(workspace.keys, "checkout")
    assert revoked.id in orders.read_text(), "as if all this had been done on another machine"

    server = start_server(server.workspace, "--workers", "2")
    try:
        waiting = Waiting(server, {"revoked": old, "made": new})
        try:
            until(server.complete, what=f"all processes: {server.said()}")
            seen = len(waiting.heard)
            until(lambda: len(waiting.heard) > seen + 50, what="answers of all workers")
        finally:
            waiting.end()
        assert waiting.told("revoked") == {(401, None)}
        assert waiting.told("made") == {(200, 2)}
    finally:
        server.stop()


def test_with_the_database_away_a_server_starts_with_what_was_in_force(tmp_path: Path) -> None:
    """S5 O1: the keeper confirms the last orders, and says what is wrong; when the database is
    back, the server follows it."""
    server = serving(tmp_path / "shop")
    server.stop()
    database = server.workspace / "mainstay.db"
    away = database.rename(tmp_path / "away.db")
    database.mkdir()
    server = start_server(server.workspace)
    try:
        until(server.answers, what=f"an answer without the database: {server.said()}")
        assert server.decide()[1]["version"] == 1
        until(lambda: "follow the routes: " in server.said(), what="words about the database")
        database.rmdir()
        away.rename(database)
        pack_model(server.workspace, bias=1.0)
        open_workspace(server.workspace).deploy(MODEL, 2, "the database is back")
        until(lambda: server.decide()[1]["version"] == 2, what="the new version")
    finally:
        server.stop()
