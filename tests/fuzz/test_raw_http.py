"""Bytes that are not quite HTTP, or not at all: answered or hung up on, and the server goes on."""

import itertools
import re
import socket
from urllib.parse import urlsplit

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from tests.servers.mainstay import MODEL, RunningServer

PATIENCE_SECONDS = 10.0
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Z]")
BODY = b'{"inputs": {"a": 1, "b": 2, "c": 3}}'
GOOD = b"POST /models/%s/decide HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (
    MODEL.encode(), len(BODY), BODY,
)  # fmt: skip
CLOSING = GOOD.replace(b"host: x", b"host: x\r\nconnection: close")
BOUNDED = settings(
    max_examples=500, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip

PARTS = st.sampled_from([
    b"GET", b"POST", b"HEAD", b"PRI * HTTP/2.0", b"CONNECT x:1", b" ", b"  ", b"\t", b"\r\n", b"\n",
    b"\r", b"\0", b"/", b"//", b"/v2", b"/%00", b"/%", b"/..", b"*", b"http://x/v2", b"HTTP/1.1",
    b"HTTP/1.0", b"HTTP/9.9", b"host: x", b"Host: y", b": ", b":", b"content-length: 0",
    b"content-length: -1", b"content-length: 5", b"content-length: 99999999999999999999",
    b"content-length: 5, 6", b"transfer-encoding: chunked", b"transfer-encoding: gzip, chunked",
    b"transfer-encoding: x", b"connection: close", b"connection: upgrade", b"upgrade: websocket",
    b"expect: 100-continue", b"expect: 200", b"inference-header-content-length: 7",
    b"inference-header-content-length: -7", b"authorization: Bearer \xff", b"0\r\n\r\n",
    b"5\r\nhello\r\n", b"ffffffffffffffff\r\n", b"-1\r\n", b"5;x=y\r\nhello\r\n", BODY, b"\xff" * 9,
    b"x" * 40_000, b" folded: value",
])  # fmt: skip


def exchange(server: RunningServer, data: bytes) -> bytes:
    """Everything that comes back once nothing more is sent; a hang fails."""
    place = urlsplit(server.url)
    found = b""
    with socket.create_connection((place.hostname, place.port), PATIENCE_SECONDS) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                found += part
        except ConnectionError:
            pass  # hung up on, which is an answer, too
    return found


def hold(server: RunningServer, data: bytes) -> None:
    """Each answer is one of ours, none is a failure of the server, and it still decides."""
    found = exchange(server, data)
    if found:
        assert found.startswith(b"HTTP/1.1 "), (data, found)
        statuses = [int(each) for each in STATUS.findall(found)]
        assert statuses, (data, found)
        assert max(statuses) < 500, (data, found)
    assert exchange(server, CLOSING).startswith(b"HTTP/1.1 200 "), data


@BOUNDED
@given(data=st.binary(max_size=300))
def test_arbitrary_bytes(running_server: RunningServer, data: bytes) -> None:
    """S3"""
    hold(running_server, data)


@BOUNDED
@given(parts=st.lists(PARTS | st.binary(max_size=4), max_size=14))
def test_pieces_of_http_in_any_order(running_server: RunningServer, parts: list[bytes]) -> None:
    """S3"""
    hold(running_server, b"".join(parts))


@BOUNDED
@given(headers=st.lists(PARTS, max_size=6), body=PARTS | st.just(BODY))
def test_a_good_request_line_with_any_headers(
    running_server: RunningServer, headers: list[bytes], body: bytes
) -> None:
    """S3"""
    head = b"POST /models/%s/decide HTTP/1.1\r\n" % MODEL.encode()
    lines = b"".join(header + b"\r\n" for header in headers)
    hold(running_server, head + lines + b"\r\n" + body)


@BOUNDED
@given(data=st.data())
def test_a_good_request_with_bytes_changed(
    running_server: RunningServer, data: st.DataObject
) -> None:
    """S3"""
    at = data.draw(st.integers(0, len(GOOD)))
    removed = data.draw(st.integers(0, 20))
    put = data.draw(st.binary(max_size=5) | PARTS)
    hold(running_server, GOOD[:at] + put + GOOD[at + removed :])


@BOUNDED
@given(cuts=st.lists(st.integers(0, len(GOOD) * 3), max_size=6))
def test_good_requests_cut_anywhere_are_all_answered(
    running_server: RunningServer, cuts: list[int]
) -> None:
    """S3: three requests in one go, in whatever pieces they arrive."""
    whole = GOOD * 2 + CLOSING
    place = urlsplit(running_server.url)
    with socket.create_connection((place.hostname, place.port), PATIENCE_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
        for begin, end in itertools.pairwise(edges):
            connection.sendall(whole[begin:end])
        found = b""
        while part := connection.recv(65536):
            found += part
    assert found.count(b"HTTP/1.1 200 ") == 3
