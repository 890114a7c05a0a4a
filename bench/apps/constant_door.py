"""Mainstay's own HTTP server, reading each body and returning constant bytes.

What is left of a request when nothing is asked of it: the parsing of its head, the reading of its
body and the writing of an answer. Mainstay's other figures are a share of this one.
"""

import asyncio
import os
import sys

import uvloop
from constant import BODY

from mainstay.serve.http.connection import Connections, Respond
from mainstay.serve.http.request import Heads, Request, Target

TARGET = Target("constant")
REPLY = (200, BODY, [(b"content-type", b"application/json")])


class Constant:
    """An application that has one answer."""

    def begin(self, method: str, path: str, query: bytes, heads: Heads) -> Request:
        """Every head asks for the same."""
        del method, path
        return Request(TARGET, heads, query, None, None, 0)

    def answer(self, request: Request, body: bytes, respond: Respond) -> None:
        """The answer, once the body is read."""
        del request, body
        respond(REPLY)


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    connections = Connections(Constant())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(connections.make, "127.0.0.1", port, reuse_port=True)
    await server.serve_forever()


if __name__ == "__main__":
    for _ in range(int(sys.argv[2]) - 1):
        if not os.fork():
            break
    uvloop.run(serve(int(sys.argv[1])))
