"""Callers of the demonstration: threads that send one payment after the other over real HTTP, and
tell what each of them turned out to be.

A demonstration is no benchmark: after each payment a caller takes a breath, so that what a
candidate answers unseen, for which nobody waits, gets its turn on a small machine too.
"""

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from mainstay.cli.demo.world import card

_PATIENCE_SECONDS = 60.0
_BREATH_SECONDS = 0.004
_HEADERS = {"Content-Type": "application/json"}


class Heard(msgspec.Struct, kw_only=True):
    """What one caller was told."""

    requests: int = 0
    failed: int = 0
    outcomes: int = 0
    """Payments of which it told what they were."""
    versions: Counter[int] = msgspec.field(default_factory=Counter[int])
    latencies_ms: list[float] = []
    newest: dict[int, str] = {}
    """Version to the id of the newest decision it made."""
    failures: list[str] = []


class Callers:
    """A few callers at once, until told to stop."""

    def __init__(
        self, url: str, model: str, payments: Sequence[tuple[dict[str, Any], str]], count: int
    ) -> None:
        """`payments` are rows, each with what it turns out to be."""
        self._place = urlsplit(url)
        self._model = model
        self._payments = payments
        self._stop = threading.Event()
        self.heard = [Heard() for _ in range(count)]
        self._threads = [
            threading.Thread(target=self._call, args=(heard, seed), daemon=True)
            for seed, heard in enumerate(self.heard)
        ]

    def start(self) -> None:
        """Begin to call."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every caller finish the request it has."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_PATIENCE_SECONDS * 2)

    def wait_for(self, more: int, patience_seconds: float = 600.0) -> bool:
        """Wait until so many more requests were answered."""
        goal = self.requests + more
        end = time.monotonic() + patience_seconds
        while self.requests < goal and time.monotonic() < end:
            time.sleep(0.01)
        return self.requests >= goal

    @property
    def requests(self) -> int:
        """How many were answered or failed."""
        return sum(heard.requests for heard in self.heard)

    def _call(self, heard: Heard, caller: int) -> None:
        order = random.Random(caller)  # noqa: S311  # because it only chooses which payment comes next
        connection = self._connect()
        while not self._stop.is_set():
            row, truth = order.choice(self._payments)
            # Every payment is made with another card: a user counts once in a comparison.
            inputs = {**row, "card": card(caller, heard.requests)}
            began = time.perf_counter()
            try:
                status, data = self._post(
                    connection, f"/models/{self._model}/decide", {"inputs": inputs}
                )
                heard.latencies_ms.append((time.perf_counter() - began) * 1e3)
                if status == 200:
                    self._tell(connection, heard, msgspec.json.decode(data), truth)
            except (OSError, http.client.HTTPException) as error:
                self._failed(heard, repr(error))
                connection.close()
                connection = self._connect()
                continue
            heard.requests += 1
            if status != 200:
                heard.failed += 1
                heard.failures.append(f"{status} {data[:200]!r}")
            self._stop.wait(order.expovariate(1 / _BREATH_SECONDS))
        connection.close()

    def _tell(
        self, connection: http.client.HTTPConnection, heard: Heard, told: Any, truth: str
    ) -> None:
        """Remember an answer, and tell what the payment turned out to be."""
        heard.versions[told["version"]] += 1
        heard.newest[told["version"]] = told["id"]
        status, data = self._post(
            connection,
            f"/decisions/{told['id']}/outcome",
            {"label": truth, "model": self._model},
        )
        if status == 200:
            heard.outcomes += 1
        else:
            heard.failed += 1
            heard.failures.append(f"{status} {data[:200]!r}")

    def _post(
        self, connection: http.client.HTTPConnection, path: str, body: dict[str, Any]
    ) -> tuple[int, bytes]:
        connection.request("POST", path, msgspec.json.encode(body), _HEADERS)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def _failed(self, heard: Heard, words: str) -> None:
        heard.requests += 1
        heard.failed += 1
        heard.failures.append(words)
        self._stop.wait(0.05)

    def _connect(self) -> http.client.HTTPConnection:
        port = self._place.port
        return http.client.HTTPConnection(
            f"{self._place.hostname}", port, timeout=_PATIENCE_SECONDS
        )


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """What all callers were told."""

    requests: int
    failed: int
    outcomes: int
    versions: dict[int, int]
    newest: dict[int, str]
    p50_ms: float
    p99_ms: float
    failures: list[str]


def total_of(heard: Sequence[Heard]) -> Total:
    """Add up."""
    versions: Counter[int] = Counter()
    newest: dict[int, str] = {}
    latencies: list[float] = []
    for one in heard:
        versions.update(one.versions)
        newest.update(one.newest)
        latencies += one.latencies_ms
    latencies.sort()
    return Total(
        requests=sum(one.requests for one in heard),
        failed=sum(one.failed for one in heard),
        outcomes=sum(one.outcomes for one in heard),
        versions=dict(sorted(versions.items())),
        newest=newest,
        p50_ms=_at(latencies, 0.5),
        p99_ms=_at(latencies, 0.99),
        failures=[words for one in heard for words in one.failures][:5],
    )


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
