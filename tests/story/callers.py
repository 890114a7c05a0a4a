"""Callers over real HTTP that write down all they were told, to hold the server to it afterwards.

Each caller is a closed loop: one request, its answer, a short thinking time, the next. Connections
are kept alive, given up when the server says so, and now and then by the caller itself, so that
they spread over all workers. Every request has an id of its own and is never sent twice.
"""

import asyncio
import contextlib
import json
import math
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from tests.servers.mainstay import FIELDS, MODEL, RunningServer
from tests.servers.until import until

PATIENCE_SECONDS = 60.0
"""Nobody on this machine may ever have to wait that long; who does counts as hanging."""
_HEAD = b"HTTP/1.1\r\nhost: mainstay\r\ncontent-type: application/json\r\n"
_LOST = (ConnectionError, asyncio.IncompleteReadError)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An answer, what it was the answer to, and when it came."""

    request: str
    values: tuple[float, ...]
    id: str
    version: int
    confidence: float
    answer: str
    at: float


@dataclass(frozen=True, slots=True)
class Broken:
    """A request whose connection was lost before its answer: who knows what became of it."""

    request: str
    at: float
    accepted: bool
    """The connection had carried an answer before, so a worker had certainly accepted it."""


@dataclass(slots=True)
class Heard:
    """What all callers were told."""

    answers: list[Acknowledged] = field(default_factory=list[Acknowledged])
    broken: list[Broken] = field(default_factory=list[Broken])
    hanging: list[str] = field(default_factory=list[str])
    refused: list[tuple[int, Any]] = field(default_factory=list[tuple[int, Any]])
    unconnected: list[str] = field(default_factory=list[str])
    closes: int = 0
    """How often the server asked to close a connection after an answer."""

    @property
    def failures(self) -> list[Any]:
        """Everything but an answer."""
        return [*self.broken, *self.hanging, *self.refused, *self.unconnected]


def confidence(values: tuple[float, ...], bias: float) -> float:
    """What the version of a bias must answer: the model, written a second time."""
    a, b, c = values
    high = 1.0 / (1.0 + math.exp(-(a + 2 * b + 3 * c + bias)))
    return max(high, 1.0 - high)


class Connection:
    """One kept-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.closing = False
        self.accepted = False

    @classmethod
    async def open(cls, url: str) -> Self:
        place = urlsplit(url)
        return cls(*await asyncio.open_connection(place.hostname, place.port))

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        """One request and its answer; `ConnectionError` when there is none."""
        length = b"content-length: %d\r\n\r\n" % len(body)
        self._writer.write(b"%s %s " % (method.encode(), path.encode()) + _HEAD + length + body)
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise AssertionError(f"a torn answer: {error.partial!r}") from error
            raise
        first, *lines = head.decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        data = await self._reader.readexactly(int(headers["content-length"]))
        self.closing = headers.get("connection") == "close"
        self.accepted = True
        return int(first.split()[1]), json.loads(data) if data else None

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class Callers:
    """A number of callers on an event loop in a thread of their own, until the block ends."""

    def __init__(
        self, server: RunningServer, *, count: int = 12, think: float = 0.025, seed: int = 1
    ) -> None:
        self.heard = Heard()
        self.waiting: set[str] = set()
        """Requests without an answer yet."""
        self.unready: list[str] = []
        self.readies = 0
        self._url = server.url
        self._count = count
        self._think = think
        self._seed = seed
        self._stop = threading.Event()
        self._failure: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name="callers")

    def __enter__(self) -> Self:
        self._thread.start()
        self.more(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_SECONDS * 3)
        assert not self._thread.is_alive()
        if self._failure:
            raise self._failure[0]

    def more(self, count: int) -> None:
        """Wait until so many more answers came."""
        goal = len(self.heard.answers) + count

        def enough() -> bool:
            if self._failure:
                raise self._failure[0]
            return len(self.heard.answers) >= goal

        until(enough, what=f"{count} more answers; {self.heard.failures[-3:]}")

    def in_flight(self, count: int) -> None:
        """Wait until so many requests wait for their answers at once."""
        until(lambda: len(self.waiting) >= count, what=f"{count} requests at once")

    def _run(self) -> None:
        try:
            asyncio.run(self._all())
        except BaseException as error:  # noqa: BLE001  # because it is raised where the block ends
            self._failure.append(error)

    async def _all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(self._count):
                group.create_task(self._call(number))
            group.create_task(self._ask_whether_ready())

    async def _call(self, number: int) -> None:
        draw = random.Random(self._seed * 1000 + number)
        connection: Connection | None = None
        sent = 0
        while not self._stop.is_set():
            sent += 1
            if connection is None:
                connection = await self._connect()
                continue
            kept = await self._one(connection, f"{self._seed}-{number}-{sent}", draw)
            if not kept or connection.closing or draw.random() < 0.04:
                await connection.close()
                connection = None
            await asyncio.sleep(self._think * draw.random() * 2)
        if connection is not None:
            await connection.close()

    async def _connect(self) -> Connection | None:
        try:
            return await asyncio.wait_for(Connection.open(self._url), PATIENCE_SECONDS)
        except (OSError, TimeoutError) as error:
            self.heard.unconnected.append(repr(error))
            await asyncio.sleep(self._think)
            return None

    async def _one(self, connection: Connection, request: str, draw: random.Random) -> bool:
        """One decision; whether the connection is still good."""
        values = tuple(draw.randrange(-512, 513) / 1024 for _ in FIELDS)
        inputs = dict(zip(FIELDS, values, strict=True))
        body = json.dumps({"inputs": inputs, "request": request}).encode()
        ask = connection.ask("POST", f"/models/{MODEL}/decide", body)
        self.waiting.add(request)
        try:
            status, told = await asyncio.wait_for(ask, PATIENCE_SECONDS)
        except _LOST:
            self.heard.broken.append(Broken(request, time.monotonic(), connection.accepted))
            return False
        except TimeoutError:
            self.heard.hanging.append(request)
            return False
        finally:
            self.waiting.remove(request)
        if status != 200:
            self.heard.refused.append((status, told))
            return True
        assert told["request"] == request
        self.heard.closes += connection.closing
        self.heard.answers.append(
            Acknowledged(
                request, values, told["id"], told["version"], told["confidence"], told["answer"],
                time.monotonic(),
            )
        )  # fmt: skip
        return True

    async def _ask_whether_ready(self) -> None:
        """Who says that it is ready is asked to prove it at once, on the same connection."""
        body = json.dumps({"inputs": dict.fromkeys(FIELDS, 0.5)}).encode()
        while not self._stop.is_set():
            with contextlib.suppress(*_LOST):  # the worker was killed in between
                await self._prove(await Connection.open(self._url), body)
            await asyncio.sleep(self._think)

    async def _prove(self, connection: Connection, body: bytes) -> None:
        try:
            status, told = await connection.ask("GET", "/v2/health/ready")
            if status == 200:
                self.readies += 1
                if not connection.closing:
                    status, told = await connection.ask("POST", f"/models/{MODEL}/decide", body)
            if status != 200:
                self.unready.append(f"{status} {told}")
        finally:
            await connection.close()


async def _found(url: str, ids: list[str], found: dict[str, Any]) -> None:
    connection = await Connection.open(url)
    for decision_id in ids:
        ask = connection.ask("GET", f"/decisions/{decision_id}")
        found[decision_id] = await asyncio.wait_for(ask, PATIENCE_SECONDS)
        if connection.closing:
            await connection.close()
            connection = await Connection.open(url)
    await connection.close()


def look_up(server: RunningServer, ids: list[str]) -> dict[str, tuple[int, Any]]:
    """What `GET /decisions/{id}` tells of each."""
    found: dict[str, Any] = {}

    async def all_of_them() -> None:
        await asyncio.gather(*(_found(server.url, ids[part::4], found) for part in range(4)))

    asyncio.run(all_of_them())
    return found
