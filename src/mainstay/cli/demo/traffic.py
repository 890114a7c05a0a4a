"""Callers of the demonstration: threads that send one payment after the other over real HTTP."""

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

_PATIENCE_SECONDS = 10.0


class Heard(msgspec.Struct, kw_only=True):
    """What one caller was told."""

    requests: int = 0
    failed: int = 0
    versions: Counter[int] = msgspec.field(default_factory=Counter[int])
    latencies_ms: list[float] = []
    newest: dict[int, str] = {}
    """Version to the id of the newest decision it made."""
    failures: list[str] = []


class Callers:
    """A few callers at once, until told to stop."""

    def __init__(self, url: str, model: str, rows: Sequence[dict[str, Any]], count: int) -> None:
        self._place = urlsplit(url)
        self._path = f"/models/{model}/decide"
        self._bodies = [msgspec.json.encode({"inputs": row}) for row in rows]
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

    def wait_for(self, more: int, patience_seconds: float = 60.0) -> bool:
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

    def _call(self, heard: Heard, seed: int) -> None:
        order = random.Random(seed)  # noqa: S311  # because it only chooses which payment comes next
        connection = self._connect()
        while not self._stop.is_set():
            body = order.choice(self._bodies)
            began = time.perf_counter()
            try:
                connection.request("POST", self._path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                data = answer.read()
            except OSError as error:
                self._failed(heard, repr(error))
                connection.close()
                connection = self._connect()
                continue
            heard.requests += 1
            heard.latencies_ms.append((time.perf_counter() - began) * 1e3)
            if answer.status == 200:
                decision = msgspec.json.decode(data)
                heard.versions[decision["version"]] += 1
                heard.newest[decision["version"]] = decision["id"]
            else:
                heard.failed += 1
                heard.failures.append(f"{answer.status} {data[:200]!r}")
        connection.close()

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
        versions=dict(sorted(versions.items())),
        newest=newest,
        p50_ms=_at(latencies, 0.5),
        p99_ms=_at(latencies, 0.99),
        failures=[words for one in heard for words in one.failures][:5],
    )


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
