"""A real server: an answer is reported, undone, and the shop hears of it (S26 S28)."""

import hashlib
import hmac
import json
import os
import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from mainstay.wiring.packing import pack
from tests.servers.mainstay import CONTRACT, MODEL, mainstay, onnx_model, start_server
from tests.servers.until import until

UNDO = """\
judge:
  undo: {within: 1h, webhook_env: SHOP_URL, secret_env: SHOP_SECRET}
  report: {say: "Thanks! Somebody reads this today."}
"""


class Shop(ThreadingHTTPServer):
    """The system that acted: away at first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.open = False
        self.refused = 0
        self.heard: list[dict[str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    server: Shop

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        stamp = self.headers["x-mainstay-timestamp"].encode()
        wanted = hmac.new(b"a secret", stamp + b"." + body, hashlib.sha256).hexdigest()
        signed = self.headers["x-mainstay-signature"] == f"sha256={wanted}"
        if self.server.open and signed:
            self.server.heard.append(json.loads(body))
        else:
            self.server.refused += 1
        self.send_response(204 if self.server.open and signed else 503)
        self.end_headers()

    def log_message(self, *said: Any) -> None:
        pass


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    server = Shop()
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("SHOP_URL", f"http://127.0.0.1:{server.server_address[1]}/undo")
    monkeypatch.setenv("SHOP_SECRET", "a secret")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_an_answer_is_reported_undone_and_the_shop_hears_of_it(tmp_path: Path, shop: Shop) -> None:
    """S26 S28: over a keeper that is killed while the shop is away, and by command as well."""
    workspace = tmp_path / "work"
    contract = tmp_path / "sums.yaml"
    contract.write_text(CONTRACT + UNDO)
    pack(
        MODEL, model=onnx_model(), confidence=np.linspace(-1, 1, 60).reshape(20, 3),
        contract=contract, workspace=workspace, classes=("low", "high"), quiet=True,
    )  # fmt: skip
    assert mainstay("deploy", MODEL, workspace=workspace).returncode == 0
    server = start_server(workspace)
    try:
        until(server.answers, what=f"an answer: {server.said()}")
        until(server.complete, what="all processes")
        first, second = (server.decide(a=place)[1]["id"] for place in (1.0, 2.0))
        status, said = server.ask("POST", f"/decisions/{first}/report", {"what": "wrong"})
        assert (status, said["words"]) == (200, "Thanks! Somebody reads this today.")
        status, said = server.ask("POST", f"/decisions/{first}/undo", {"reason": "a mistake"})
        assert (status, said["already"]) == (200, False)
        until(lambda: shop.refused, what="a first try")
        [keeper] = server.pids("keeper")
        os.kill(keeper, signal.SIGKILL)
        until(lambda: server.pids("keeper") not in ([], [keeper]), what="another keeper")
        undone = mainstay("undo", second, "--reason", "and this", workspace=workspace)
        assert undone.returncode == 0, undone.stderr
        again = mainstay("undo", second, "--reason", "and this", workspace=workspace)
        assert "undone before" in again.stdout
        shop.open = True
        until(lambda: len(shop.heard) >= 2, what="the shop to hear")
        assert {each["undo"] for each in shop.heard} == {first, second}

        def told() -> bool:
            _, shown = server.ask("GET", f"/decisions/{first}")
            return any(event.get("undo_delivery") == "told" for event in shown["since"])

        until(told, what="the delivery to be recorded")
        listed = mainstay("reports", "list", MODEL, "--json", workspace=workspace)
        [report] = json.loads(listed.stdout)["reports"]
        assert (report["what"], report["decision"], report["by"]) == ("wrong", first, "local")
        reaction = {"reaction": "ignored", "dwell_ms": 900}
        assert server.ask("POST", f"/decisions/{second}/outcome", reaction)[0] == 200
        asked = mainstay("engagement", MODEL, "--since", "1h", "--json", workspace=workspace)
        findings = {each["check"]: each for each in json.loads(asked.stdout)["findings"]}
        assert findings["ignored"]["samples"] == 1  # S27
        assert findings["use"]["samples"] >= 2
    finally:
        server.stop()


def test_what_cannot_be_undone_or_is_not_known_is_said(tmp_path: Path) -> None:
    """S28: in words, with the exit status of a refusal."""
    workspace = tmp_path / "work"
    assert mainstay("init", str(workspace)).returncode == 0
    for arguments, words in (
        (("undo", "0" * 28, "--reason", "x"), "no decision has this id"),
        (("undo", "0" * 28, "--reason", " "), "must be words for a person"),
        (("reports", "list", "nobody"), "nobody"),
    ):
        done = mainstay(*arguments, workspace=workspace)
        assert done.returncode != 0
        assert words in done.stderr, done.stderr
