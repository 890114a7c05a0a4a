"""One TCP connection that speaks HTTP/1.1: bytes in, requests out, answers back in order.

llhttp, through httptools, does the parsing; this module holds what a server owes beside it. It
promises that whatever arrives is answered in JSON or the connection closed, that size, count and
time of what a client sends are bounded before anything is kept, that pipelined requests are
answered in order one at a time, that a client which does not read is not read from either, and
that an answer leaves in one write. While the worker drains, every answer closes its connection.

Limits: HTTP/1.0 and 1.1, no upgrades, no trailers, no TLS (a proxy's part). There is no timer per
request; one sweep a second looks for connections that are idle or slow for too long.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple, Protocol, cast

import httptools

from mainstay.base.errors import (
    InvalidRequest,
    MainstayError,
    Overloaded,
    TooLarge,
    TooLate,
)
from mainstay.base.limits import (
    BODY_MAX_BYTES,
    CONNECTIONS_MAX,
    HEADERS_MAX,
    HEADERS_MAX_BYTES,
    PIPELINED_MAX,
    URL_MAX_BYTES,
)
from mainstay.serve.http.request import Heads, Reply, Request, read_heads, unquoted
from mainstay.serve.http.status import error_body, headers_of, status_of

REQUEST_MAX_SECONDS = 30.0
"""From the first byte of a request to its last."""
IDLE_MAX_SECONDS = 75.0
LINGER_MAX_SECONDS = 5.0
"""How long the rest of a refused body is read, so that the client sees the refusal."""
SWEEP_EVERY_SECONDS = 1.0

_LINES = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode())
    for status in HTTPStatus
}
_LENGTHS = frozenset({b"Content-Length", b"content-length"})
_HEAD_KEPT_MAX_BYTES = 2048
"""A longer head is read again with every request rather than kept for the next one."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE = b"connection: close\r\n"
_JSON = (b"content-type", b"application/json")

Respond = Callable[[Reply], None]


class Application(Protocol):
    """What answers the requests of a connection."""

    def begin(self, method: str, path: str, query: bytes, heads: Heads) -> Request | Reply:
        """What a head asks for, before its body is read; a reply where that settles it."""
        ...

    def answer(self, request: Request, body: bytes, respond: Respond) -> None:
        """Answer a whole request; `respond` is called exactly once, now or later."""
        ...


class Connections:
    """All connections of one worker, and what they share."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.draining = False
        self.open: set[Connection] = set()
        self.in_flight = 0
        self.accepted = self.refused = 0
        self.received_bytes = self.sent_bytes = 0
        self.now = 0.0
        self.date = b""
        self._loop = asyncio.get_running_loop()
        self.sweep()

    @property
    def carried(self) -> dict[str, int]:
        """What there was since the start."""
        return {
            "connections": self.accepted,
            "connections_refused": self.refused,
            "received_bytes": self.received_bytes,
            "sent_bytes": self.sent_bytes,
        }

    def make(self) -> "Connection":
        """A protocol for a connection that was just accepted."""
        return Connection(self)

    def sweep(self) -> None:
        """Once a second: the time that is shown and compared, and who took too long."""
        self.now = self._loop.time()
        self.date = b"date: %s\r\n" % formatdate(usegmt=True).encode()
        for connection in list(self.open):
            connection.look_at_time(self.now)
        self._timer = self._loop.call_later(SWEEP_EVERY_SECONDS, self.sweep)

    def close_idle(self) -> None:
        """Close every connection on which nothing is under way."""
        for connection in list(self.open):
            connection.close_if_idle()

    def stop(self) -> None:
        """Close everything now."""
        self._timer.cancel()
        for connection in list(self.open):
            connection.abort()


class _Head(NamedTuple):
    """The head of a request, as it was sent and as it was understood."""

    url: bytes
    headers: list[tuple[bytes, bytes]]
    """All but the length of the body, which differs from request to request."""
    sent: bytes
    method: str
    path: str
    query: bytes
    heads: Heads


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, connections: Connections) -> None:
        self._all = connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[Request | Reply, bytes, bool]] = deque()
        self._answering = False
        self._closing = False
        self._keep_alive = True
        self._since = connections.now
        self._receiving = False
        self._lingering = False
        self._without_body = False
        self._before: _Head | None = None
        self._reset()

    def _reset(self) -> None:
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._length = b""
        self._begun: Request | Reply | None = None
        self._parts: list[bytes] = []
        self._size = 0

    # ------------------------------------------------------------------ the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._all.open.add(self)
        self._all.accepted += 1
        if len(self._all.open) > CONNECTIONS_MAX:
            self._all.refused += 1
            self._refuse(Overloaded("this server has as many connections as it can keep"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone; what is under way ends unheard, and is recorded all the same."""
        self._transport = None
        self._closing = True
        self._waiting.clear()
        self._all.open.discard(self)

    def eof_received(self) -> bool:
        """The client sends no more; an answer that is under way still goes out."""
        self._keep_alive = False
        return self._answering

    def pause_writing(self) -> None:
        """The client does not read: neither do we."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._all.received_bytes += len(data)
        if self._closing:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request itself was read and is answered as if it had not asked; what follows
            # would be another protocol, which nobody speaks here.
            self._keep_alive = False
            self.close_if_idle()
        except httptools.HttpParserError as error:
            words = getattr(error.__context__, "message", "") or str(error)
            self._refuse(
                InvalidRequest(
                    f"this is not HTTP as HTTP/1.1 has it: {words}",
                    field="request",
                    rule="http",
                    expected="a request line, headers and a body of the length they state",
                )
            )

    # --------------------------------------------------------------------- the parser's side

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._since = self._all.now
        self._receiving = True

    def on_url(self, url: bytes) -> None:
        """A part of the request's target."""
        self._url += url
        if len(self._url) > URL_MAX_BYTES:
            self._begun = self._begun or _too_large("path", len(self._url), URL_MAX_BYTES)
            self._url = b"/"

    def on_header(self, name: bytes, value: bytes | None) -> None:
        """One header; what comes behind the body is no header any more."""
        if self._begun is None:
            if name in _LENGTHS:
                self._length = value or b""
            else:
                self._headers.append((name, value or b""))

    def on_headers_complete(self) -> None:
        """The head is whole: refuse what will be refused anyway before its body comes."""
        expects_continue, length = False, 0
        if self._begun is None:
            head = self._read_head()
            if isinstance(head, _Head):
                expects_continue = head.heads.expects_continue
                length = head.heads.content_length
                self._begun = self._all.application.begin(
                    head.method, head.path, head.query, head.heads
                )
            else:
                self._begun = head
        if self._length.isdigit():
            length = int(self._length)
        if isinstance(self._begun, Request) and length > BODY_MAX_BYTES:
            self._begun = _too_large("body", length, BODY_MAX_BYTES)
        if isinstance(self._begun, Request):
            if expects_continue and self._transport is not None:
                self._transport.write(_CONTINUE)
        elif length > HEADERS_MAX_BYTES or expects_continue:
            # Keeping a large body only to refuse it would be work for nobody. It is still read
            # for a while: closing at once would take the answer away from the client again.
            self._lingering = True
            self._answer(self._begun, b"", keep_alive=False)

    def _read_head(self) -> "_Head | Reply":
        """What the head says. Most clients say the same with every request of a connection."""
        headers, sent = self._headers, self._parser.get_method()
        head = self._before
        if (
            head is not None
            and head.url == self._url
            and head.headers == headers
            and head.sent == sent
        ):
            return head
        size = sum(len(name) + len(value) for name, value in headers)
        if len(headers) > HEADERS_MAX or size > HEADERS_MAX_BYTES:
            return _too_large("headers", size, HEADERS_MAX_BYTES)
        heads = Heads()
        read_heads(heads, headers)
        try:
            url = httptools.parse_url(self._url)
        except httptools.HttpParserInvalidURLError:
            return refuse(InvalidRequest("this is not a path", field="path"), "")
        path = unquoted(url.path)
        method = sent.decode("ascii")
        head = _Head(self._url, headers, sent, method, path, url.query or b"", heads)
        self._before = head if size + len(self._url) <= _HEAD_KEPT_MAX_BYTES else None
        return head

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if not isinstance(self._begun, Request):
            return
        self._size += len(body)
        if self._size > BODY_MAX_BYTES:
            self._begun = _too_large("body", self._size, BODY_MAX_BYTES)
            self._parts.clear()
            return
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """A whole request is here: answer it, or let it wait for the one before it."""
        begun = self._begun
        assert begun is not None
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        keep_alive = self._parser.should_keep_alive()
        self._receiving = False
        self._reset()
        if self._answering or self._waiting:
            self._waiting.append((begun, body, keep_alive))
            if len(self._waiting) >= PIPELINED_MAX and self._transport is not None:
                self._transport.pause_reading()
        else:
            self._answer(begun, body, keep_alive=keep_alive)

    # ------------------------------------------------------------------------------ answering

    def _answer(self, begun: Request | Reply, body: bytes, *, keep_alive: bool) -> None:
        self._answering = True
        self._keep_alive = self._keep_alive and keep_alive
        self._all.in_flight += 1
        if isinstance(begun, Request):
            self._without_body = begun.without_body
            self._all.application.answer(begun, body, self._respond)
        else:
            self._respond(begun)

    def _respond(self, reply: Reply) -> None:
        """Send the answer to the request that is under way, then look at the next one."""
        self._all.in_flight -= 1
        self._answering = False
        self._since = self._all.now
        transport = self._transport
        if transport is None:
            return
        keep_alive = self._keep_alive and not self._all.draining and not self._closing
        status, body, headers = reply
        first = _LINES.get(status) or b"HTTP/1.1 %d Answer\r\n" % status
        lines = b"".join([b"%s: %s\r\n" % header for header in headers])
        head = b"%b%b%bcontent-length: %d\r\n%b\r\n" % (
            first,
            self._all.date,
            lines,
            len(body),
            b"" if keep_alive else _CLOSE,
        )
        answer = head if self._without_body else head + body
        self._all.sent_bytes += len(answer)
        transport.write(answer)
        if not keep_alive:
            self._closing = True
            if self._lingering:
                transport.write_eof()
            else:
                transport.close()
        elif self._waiting:
            if len(self._waiting) == PIPELINED_MAX:
                transport.resume_reading()
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        if self._waiting and not self._answering and not self._closing:
            begun, body, keep_alive = self._waiting.popleft()
            self._answer(begun, body, keep_alive=keep_alive)

    def _refuse(self, error: MainstayError) -> None:
        """Say why this connection ends, unless an answer is under way on it."""
        self._closing = True
        if not self._answering:
            self._answering = True
            self._all.in_flight += 1
            self._respond(refuse(error, ""))

    # ----------------------------------------------------------------------------------- time

    def look_at_time(self, now: float) -> None:
        """Refuse a request that takes too long to arrive; close what is idle for too long."""
        waited = now - self._since
        if self._lingering:
            if waited > LINGER_MAX_SECONDS:
                self.abort()
        elif self._receiving and waited > REQUEST_MAX_SECONDS and not self._answering:
            self._refuse(
                TooLate(
                    "this request took too long to arrive",
                    field="body" if self._begun else "headers",
                    expected=f"a whole request within {REQUEST_MAX_SECONDS:.0f} seconds",
                )
            )
        elif not self._receiving and waited > IDLE_MAX_SECONDS:
            self.close_if_idle()

    def close_if_idle(self) -> None:
        """Close the connection unless a request is arriving or being answered."""
        if not self._answering and not self._receiving and self._transport is not None:
            self._closing = True
            self._transport.close()

    def abort(self) -> None:
        """Close the connection now."""
        if self._transport is not None:
            self._transport.abort()


def refuse(error: MainstayError, door: str) -> Reply:
    """An error in the form of its door."""
    return status_of(error), error_body(error, door), [_JSON, *headers_of(error)]


def _too_large(field: str, got: int, most: int) -> Reply:
    error = TooLarge(
        f"the {field} is too large",
        field=field,
        rule="size",
        got=got,
        expected=f"at most {most} bytes",
    )
    return refuse(error, "")
