"""HTTP as clients of every kind speak it, well and badly, on real sockets."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mainstay.access.model import Caller, Key, KeyRing, digest_of
from mainstay.base.ids import DecisionIds
from mainstay.base.limits import BODY_MAX_BYTES, HEADERS_MAX, URL_MAX_BYTES
from mainstay.serve.choices.follow import Choices
from mainstay.serve.choices.make import Chooser
from mainstay.serve.follow import Follower
from mainstay.serve.http.app import App
from mainstay.serve.http.connection import (
    IDLE_MAX_SECONDS,
    REQUEST_MAX_SECONDS,
    Connections,
)
from mainstay.serve.metrics import Metrics
from mainstay.serve.outcomes import Outcomes
from tests.serve.test_follow import Shelf, order, write
from tests.serve.world import World

Said = tuple[int, dict[str, str], bytes]


class Client:
    """One open connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def receive(self) -> Said:
        """One whole answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(first.split()[1]), headers, body

    async def ask(
        self, method: str, path: str, body: bytes = b"", *headers: str
    ) -> tuple[int, dict[str, Any]]:
        """One request, and its answer as JSON."""
        lines = [f"{method} {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        status, _, content = await self.receive()
        return status, json.loads(content)


class Server:
    """A worker's HTTP door on a port of its own."""

    def __init__(self, world: World, connections: Connections, follower: Follower, port: int):
        self.world = world
        self.connections = connections
        self.follower = follower
        self.port = port
        self.clients: list[Client] = []

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def close(self) -> None:
        for client in self.clients:
            client.writer.close()
            with contextlib.suppress(OSError):
                await client.writer.wait_closed()


def serving(
    tmp_path: Path, story: Callable[[Server], Awaitable[None]], *keys: Key, local: bool = True
) -> None:
    """Run a story against a server with one model."""

    async def run() -> None:
        world = World()
        engine = world.engine()
        follower = Follower(engine, Shelf(), tmp_path, 0, world.clock)
        write(tmp_path, order(1, 1), keys=keys)
        await follower.look(local=local)
        metrics = Metrics(0, 1, world.clock)
        metrics.loaded("sum", 1, ["a", "b"])

        async def find(decision: str) -> bytes:
            return msgspec.json.encode(world.journal.find(decision))

        ids = DecisionIds(7, world.clock)
        told = Outcomes(world.spool, ids, world.clock).record
        chooser = Chooser(Choices(tmp_path, world.clock), world.spool.append, ids, world.clock)
        app = App(engine, follower, metrics, world.clock, find, metrics.render, told, chooser)
        connections = Connections(app)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(connections.make, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            place = Server(world, connections, follower, port)
            try:
                await asyncio.wait_for(story(place), timeout=120)
            finally:
                await place.close()
        finally:
            connections.stop()
            server.close()

    asyncio.run(run())


GOOD = b'{"inputs": {"a": 1, "b": 2}}'


def test_an_outcome_is_answered_once_it_is_recorded(tmp_path: Path) -> None:
    """L2 M3: what the world said is kept with the decision's id, and nonsense is refused."""

    async def story(server: Server) -> None:
        client = await server.connect()
        _, answer = await client.ask("POST", "/models/sum/decide", GOOD)
        path = f"/decisions/{answer['id']}/outcome"
        for body in (b'{"label": "low"}', b'{"label": "high", "model": "sum"}'):
            status, kept = await client.ask("POST", path, body)
            assert (status, kept["decision"], kept["model"]) == (200, answer["id"], "sum")
        events = server.world.journal.query(
            "SELECT subject, actor, body FROM events WHERE kind = 'outcome' ORDER BY body"
        ).to_pylist()
        assert [event["subject"] for event in events] == [answer["id"]] * 2
        assert [event["body"] for event in events] == ['{"label":"high"}', '{"label":"low"}']
        for refused, body, said in (
            (path, b'{"label": "hihg"}', "high"),
            (path, b'{"label": 1}', "a class of the model"),
            (path, b'{"label": "low", "label": "high"}', "every key once"),
            (path, b'{"labels": "low"}', ""),
            (path, b'{"label": null}', ""),
            (path, b"", "JSON"),
        ):
            status, error = await client.ask("POST", refused, body)
            assert status == 400, body
            assert said in error.get("expected", ""), error
        for missing, body in (
            (f"/decisions/{'0' * 28}/outcome", b'{"label": "low"}'),
            ("/decisions/x/outcome", b'{"label": "low", "model": "sum"}'),
            (path, b'{"label": "low", "model": "nobody"}'),
        ):
            assert (await client.ask("POST", missing, body))[0] == 404

    serving(tmp_path, story)


def test_a_decision_is_answered_and_found_again(tmp_path: Path) -> None:
    """S16 L1: the answer carries the id under which everything about it is kept."""

    async def story(server: Server) -> None:
        client = await server.connect()
        status, answer = await client.ask("POST", "/models/sum/decide", GOOD)
        assert (status, answer["status"], answer["answer"]) == (200, "answered", "high")
        status, decision = await client.ask("GET", f"/decisions/{answer['id']}")
        assert status == 200
        assert decision["inputs"] == {"a": 1.0, "b": 2.0}
        assert decision["caller"] == "local"

    serving(tmp_path, story)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/models/sum/decide", 405, "wrong_method"),
        ("POST", "/v2/models/other/infer", 404, "not_found"),
        ("POST", "/v2/models/sum/versions/9/infer", 404, "not_found"),
        ("GET", "/decisions/zzz", 404, "not_found"),
        ("GET", "/" + "x" * (URL_MAX_BYTES + 1), 413, "too_large"),
        ("POST", "/models/sum/decide", 400, "invalid_request"),
    ],
)
def test_every_refusal_is_json(
    tmp_path: Path, method: str, path: str, status: int, code: str
) -> None:
    """S3: whatever is wrong with a request, its sender reads what and what would be right."""

    async def story(server: Server) -> None:
        client = await server.connect()
        said, error = await client.ask(method, path)
        assert (said, error["code"]) == (status, code)
        assert error["error"]

    serving(tmp_path, story)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_the_connection_closed(
    tmp_path: Path, nonsense: bytes
) -> None:
    """S3: bytes that are no request get a 400 in JSON, and nothing after them is listened to."""

    async def story(server: Server) -> None:
        client = await server.connect()
        client.send(nonsense)
        status, headers, body = await client.receive()
        assert status == 400
        assert headers["connection"] == "close"
        assert json.loads(body)["code"] == "invalid_request"
        assert await client.reader.read() == b""

    serving(tmp_path, story)


def test_a_body_in_many_pieces_is_one_body(tmp_path: Path) -> None:
    """S16: chunked and dribbled bodies are read whole."""

    async def story(server: Server) -> None:
        client = await server.connect()
        client.send(b"POST /models/sum/decide HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")
        for place in range(len(GOOD)):
            client.send(b"1\r\n" + GOOD[place : place + 1] + b"\r\n")
            await client.writer.drain()
        client.send(b"0\r\n\r\n")
        status, _, body = await client.receive()
        assert (status, json.loads(body)["status"]) == (200, "answered")

    serving(tmp_path, story)


def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    """S16: a hundred requests sent at once on one connection get their answers in that order."""

    async def story(server: Server) -> None:
        client = await server.connect()
        for i in range(100):
            body = b'{"inputs": {"a": %d, "b": 0}, "request": "r%d"}' % (i - 50, i)
            client.send(
                b"POST /models/sum/decide HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body)
            )
            client.send(body)
        for i in range(100):
            _, _, body = await client.receive()
            identity = json.loads(body)["id"]
            assert server.world.journal.find(identity).request == f"r{i}"

    serving(tmp_path, story)


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_above_the_limit_is_refused(tmp_path: Path, *, declared: bool) -> None:
    """S3: declared or chunked, more bytes than a request may carry are refused with 413, and
    the sender gets to read it."""

    async def story(server: Server) -> None:
        client = await server.connect()
        client.send(b"POST /models/sum/decide HTTP/1.1\r\n")
        if declared:
            client.send(b"content-length: %d\r\n\r\n" % (BODY_MAX_BYTES + 1))
            client.send(b"x" * 100_000)
        else:
            client.send(b"transfer-encoding: chunked\r\n\r\n")
            for _ in range(BODY_MAX_BYTES // 1_000_000 + 2):
                client.send(b"f4240\r\n" + b"x" * 1_000_000 + b"\r\n")
            client.send(b"0\r\n\r\n")
        status, _, body = await client.receive()
        assert (status, json.loads(body)["code"]) == (413, "too_large")

    serving(tmp_path, story)


def test_too_many_headers_are_refused(tmp_path: Path) -> None:
    """S3: headers are counted."""

    async def story(server: Server) -> None:
        client = await server.connect()
        many = [f"x-{i}: 1" for i in range(HEADERS_MAX + 1)]
        status, error = await client.ask("GET", "/v2/health/live", b"", *many)
        assert (status, error["field"]) == (413, "headers")

    serving(tmp_path, story)


def test_head_and_expect_are_answered_as_http_says(tmp_path: Path) -> None:
    """S16: HEAD has no body; a client that asks before sending its body is told to go on."""

    async def story(server: Server) -> None:
        client = await server.connect()
        client.send(b"HEAD /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        client.send(
            b"POST /models/sum/decide HTTP/1.1\r\nexpect: 100-continue\r\n"
            b"content-length: %d\r\n\r\n" % len(GOOD)
        )
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(GOOD)
        assert (await client.receive())[0] == 200

    serving(tmp_path, story)


def test_an_upgrade_is_not_made(tmp_path: Path) -> None:
    """S16: a request that asks for another protocol is answered in this one, and that is all."""

    async def story(server: Server) -> None:
        client = await server.connect()
        client.send(b"GET / HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
        status, _, body = await client.receive()
        assert (status, json.loads(body)["name"]) == (200, "mainstay")
        assert await client.reader.read() == b""

    serving(tmp_path, story)


def test_a_slow_request_is_cut_and_an_idle_connection_closed(tmp_path: Path) -> None:
    """S37: a client that dribbles or sleeps does not hold a place for ever."""

    async def story(server: Server) -> None:
        slow, idle = await server.connect(), await server.connect()
        slow.send(b"POST /models/sum/decide HTTP/1.1\r\ncontent-length: 10\r\n\r\n{")
        assert (await idle.ask("GET", "/v2/health/live"))[0] == 200
        assert len(server.connections.open) == 2
        now = server.connections.now
        for connection in list(server.connections.open):
            connection.look_at_time(now + REQUEST_MAX_SECONDS + 1)
        status, _, body = await slow.receive()
        assert (status, json.loads(body)["code"]) == (504, "too_late")
        assert (await idle.ask("GET", "/v2/health/live"))[0] == 200
        for connection in list(server.connections.open):
            connection.look_at_time(now + IDLE_MAX_SECONDS + 1)
        assert await idle.reader.read() == b""

    serving(tmp_path, story)


def test_draining_answers_and_then_closes(tmp_path: Path) -> None:
    """S6: while a worker drains it is not ready, and each answer tells its client to move on."""

    async def story(server: Server) -> None:
        client = await server.connect()
        assert (await client.ask("GET", "/v2/health/ready"))[0] == 200
        server.follower.draining = server.connections.draining = True
        body = b"POST /models/sum/decide HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(GOOD)
        client.send(body + GOOD)
        status, headers, _ = await client.receive()
        assert (status, headers["connection"]) == (200, "close")
        other = await server.connect()
        assert (await other.ask("GET", "/v2/health/ready"))[0] == 503

    serving(tmp_path, story)


def test_keys_say_who_calls_and_what_they_may_reach(tmp_path: Path) -> None:
    """S1 S2: without a key, with a wrong one, and with one for another model nothing is reached;
    the right one is written down with the decision."""

    def key(secret: str, *models: str, environment: str = "production") -> Key:
        caller = Caller(name=secret, models=models, environment=environment)
        return Key(id=secret, digest=digest_of(secret), caller=caller, created_at_ns=0)

    async def story(server: Server) -> None:
        client = await server.connect()
        path = "/models/sum/decide"
        assert (await client.ask("POST", path, GOOD))[0] == 401
        assert (await client.ask("POST", path, GOOD, "authorization: Bearer no"))[0] == 401
        assert (await client.ask("POST", path, GOOD, "authorization: Basic bob"))[0] == 401
        assert (await client.ask("POST", path, GOOD, "authorization: Bearer bob"))[0] == 403
        status, answer = await client.ask("POST", path, GOOD, "authorization: Bearer eve")
        assert status == 403, "O18: a key of another environment"
        assert "'test', and this server is 'production'" in answer["error"]
        status, answer = await client.ask("POST", path, GOOD, "authorization: Bearer ann")
        assert status == 200
        assert server.world.journal.find(answer["id"]).caller == "ann"
        found = f"/decisions/{answer['id']}"
        assert (await client.ask("GET", found, b"", "authorization: Bearer bob"))[0] == 403
        _, models = await client.ask("GET", "/models", b"", "authorization: Bearer bob")
        assert models == {"models": []}
        assert (await client.ask("GET", "/v2/health/live"))[0] == 200

    eve = key("eve", "sum", environment="test")
    serving(tmp_path, story, key("ann", "sum"), key("bob", "other"), eve, local=False)


def test_metrics_count_what_was_answered(tmp_path: Path) -> None:
    """M1: requests by model, door and status are on the page."""

    async def story(server: Server) -> None:
        client = await server.connect()
        await client.ask("POST", "/models/sum/decide", GOOD)
        await client.ask("POST", "/models/sum/decide", b'{"inputs": {"a": 1000, "b": 0}}')
        client.send(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
        _, _, page = await client.receive()
        text = page.decode()
        wanted = 'mainstay_requests_total{door="decide",model="sum",status="%d"} 1.0'
        assert wanted % 200 in text
        assert wanted % 400 in text
        assert 'mainstay_refused_values_total{field="a",model="sum"} 1.0' in text

    serving(tmp_path, story)


def test_connections_and_what_they_carried_are_counted(tmp_path: Path) -> None:
    """M1: network level: every byte of both ways, of connections that are gone as well."""

    async def story(server: Server) -> None:
        sent = received = 0
        for _ in range(2):
            client = await server.connect()
            request = b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
            client.send(request)
            sent += len(request)
            received += len(await client.reader.read())
        carried = server.connections.carried
        assert carried == {
            "connections": 2, "connections_refused": 0,
            "received_bytes": sent, "sent_bytes": received,
        }  # fmt: skip

    serving(tmp_path, story)


def test_what_a_connection_said_before_is_read_once_and_asked_anew(tmp_path: Path) -> None:
    """S15 S37: a head that is the same again is not read again, but who it speaks for is asked
    for with the keys of the moment; and what differs, however little, is another request."""
    key = Key(id="a", digest=digest_of("secret"), caller=Caller(name="anna"), created_at_ns=0)

    async def story(server: Server) -> None:
        client = await server.connect()
        given = "authorization: Bearer secret"
        bodies = (GOOD, b'{"inputs": {"a": 1, "b": 2.125}}', GOOD)
        answers = [await client.ask("POST", "/models/sum/decide", b, given) for b in bodies]
        assert [status for status, _ in answers] == [200, 200, 200]
        sums = [server.world.journal.find(each["id"]).inputs["b"] for _, each in answers]
        assert sums == [2.0, 2.125, 2.0]
        assert (await client.ask("GET", "/models/sum/decide", b"", given))[0] == 405
        assert (await client.ask("POST", "/models/sum/decide", GOOD))[0] == 401
        assert (await client.ask("POST", "/models/sun/decide", GOOD, given))[0] == 404
        assert (await client.ask("POST", "/models/sum/decide", GOOD, given))[0] == 200
        server.follower.keys = KeyRing((), local=False)
        assert (await client.ask("POST", "/models/sum/decide", GOOD, given))[0] == 401
        server.follower.keys = KeyRing((key,), local=False)
        assert (await client.ask("POST", "/models/sum/decide", GOOD, given))[0] == 200

    serving(tmp_path, story, key, local=False)
