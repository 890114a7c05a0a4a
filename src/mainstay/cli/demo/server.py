"""The demonstration's server: the real `mainstay up`, in a process of its own."""

import http.client
import signal
import subprocess
import sys
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from mainstay.base.errors import NotReady
from mainstay.wiring.folders import Places
from mainstay.wiring.server import running

_START_SECONDS = 120.0
_STOP_SECONDS = 40.0
_LOOK_SECONDS = 0.01


class DemoServer:
    """`mainstay up` as a child, and where it listens."""

    def __init__(self, places: Places, port: int, workers: int) -> None:
        self._places = places
        command = [sys.executable, "-m", "mainstay", "up", "--workspace", str(places.root)]
        command += ["--port", str(port), "--workers", str(workers)]
        self.log = places.run / "up.log"
        self._began = time.monotonic()
        with self.log.open("wb") as out:
            # A group of its own: Ctrl-C at the terminal is ours to pass on.
            self._process = subprocess.Popen(command, stdout=out, stderr=out, process_group=0)
        self.url = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def first_answer(self, path: str, body: bytes) -> tuple[Any, float]:
        """Wait for the first answer; it, and how many seconds it took from the very start."""
        end = self._began + _START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise NotReady(f"the server ended at once: {self._last_words()}", field="server")
            report = running(self._places.run)
            if report is not None:
                self.url = report.url
                answer = self._try(path, body)
                if answer is not None:
                    return answer, time.monotonic() - self._began
            time.sleep(_LOOK_SECONDS)
        raise NotReady(
            f"the server did not answer within {_START_SECONDS:.0f} s: {self._last_words()}",
            expected=f"a look into {self.log}",
        )

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        """One request of our own."""
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(f"{place.hostname}", place.port, timeout=60)
        try:
            connection.request(method, path, body or None)
            answer = connection.getresponse()
            return answer.status, msgspec.json.decode(answer.read())
        finally:
            connection.close()

    def _try(self, path: str, body: bytes) -> Any:
        try:
            status, answer = self.ask("POST", path, body)
        except (OSError, http.client.HTTPException, msgspec.MsgspecError):
            return None
        return answer if status == 200 else None

    def wait(self) -> None:
        """Until it ends, or Ctrl-C."""
        self._process.wait()

    def stop(self) -> None:
        """Drain and end it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _last_words(self) -> str:
        text = self.log.read_text(errors="replace").strip()
        return text.splitlines()[-1] if text else "it said nothing"
