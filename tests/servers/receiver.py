"""A system that keeps answers of models, and hears over HTTP which of them are others now."""

import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """Hears on a port of its own; answers what it is told to, and only once it is let."""

    def __init__(self) -> None:
        self.heard: list[tuple[Mapping[str, str], bytes]] = []
        self.answers: list[int] = []
        """What it answers next; 204 afterwards."""
        self.may = threading.Event()
        self.may.set()
        self.url = ""

    def values(self) -> list[dict[str, Any]]:
        """What came, line by line."""
        return [json.loads(line) for _, body in self.heard for line in body.splitlines()]


@contextmanager
def receiving() -> Generator[Receiver]:
    """One that listens."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.may.wait(60)
            receiver.heard.append((dict(self.headers), body))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/corrections"
    try:
        yield receiver
    finally:
        receiver.may.set()
        server.shutdown()
        thread.join()
        server.server_close()
