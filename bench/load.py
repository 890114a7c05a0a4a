"""A closed-loop HTTP load: N kept-alive connections, each sends again when it has its answer.

`wrk` does the measuring where it is installed; elsewhere this file does, as a process of its own
that can be pinned to a core. It is slower than wrk (about 30,000 requests a second on one core), so
above that figure it measures itself: the table says which of the two was used.

    python bench/load.py --port 8080 --path / --body '{}' --connections 16 --seconds 4
"""

import argparse
import asyncio
import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import cast

LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Load:
    """What is sent, and how."""

    port: int
    path: str
    body: str
    headers: tuple[tuple[str, str], ...] = ()
    connections: int = 16
    seconds: float = 4.0


@dataclass(frozen=True)
class Result:
    """What came back. Latencies are of whole requests, in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


class Connection(asyncio.Protocol):
    """One connection: sends, waits for the whole answer, notes the time, sends again."""

    def __init__(self, request: bytes, seconds: list[float], failures: list[str]) -> None:
        self.request, self.seconds, self.failures = request, seconds, failures
        self.received = b""
        self.sent_at = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.send()

    def send(self) -> None:
        assert self.transport is not None
        self.sent_at = perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.received = self.received + data if self.received else data
        head, separator, rest = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = LENGTH.search(head)
        if length is None:
            self.failures.append("an answer without content-length")
        elif len(rest) < int(length[1]):
            return
        self.seconds.append(perf_counter() - self.sent_at)
        if head[9:10] != b"2":
            self.failures.append(head[:40].decode("latin-1"))
        self.received = b""
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None or (self.transport and not self.transport.is_closing()):
            self.failures.append("the connection was lost")


def request_bytes(load: Load) -> bytes:
    """The request as it goes over the wire."""
    body = load.body.encode()
    lines = [
        f"POST {load.path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in load.headers),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def _drive(load: Load) -> Result:
    seconds: list[float] = []
    failures: list[str] = []
    request = request_bytes(load)
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(
            lambda: Connection(request, seconds, failures), "127.0.0.1", load.port
        )
        for _ in range(load.connections)
    ]
    seconds.clear()
    started = perf_counter()
    await asyncio.sleep(load.seconds)
    took = perf_counter() - started
    done, failed = sorted(seconds), len(failures)
    for transport, _ in opened:
        transport.abort()
    if not done:
        return Result(0.0, float("nan"), float("nan"), max(failed, load.connections))
    return Result(
        per_second=len(done) / took,
        p50_ms=done[len(done) // 2] * 1e3,
        p99_ms=done[min(len(done) - 1, len(done) * 99 // 100)] * 1e3,
        failed=failed,
    )


def run_own(load: Load, core: str) -> Result:
    """Drive the load from a process of its own."""
    done = subprocess.run(
        [*pinned(core), sys.executable, __file__, json.dumps(asdict(load))],
        check=True,
        capture_output=True,
        text=True,
        timeout=load.seconds + 60,
    )
    return Result(**json.loads(done.stdout))


def run_wrk(load: Load, core: str) -> Result:
    """Drive the load with wrk."""
    headers = {"Content-Type": "application/json", **dict(load.headers)}
    script = "\n".join(
        [
            'wrk.method = "POST"',
            f"wrk.body = [==[{load.body}]==]",
            *(f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()),
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "post.lua")
        file.write_text(script, encoding="utf-8")
        said = subprocess.run(
            [*pinned(core), "wrk", "-t1", f"-c{load.connections}", f"-d{load.seconds:g}s",
             "--latency", "-s", str(file), f"http://127.0.0.1:{load.port}{load.path}"],
            check=True, capture_output=True, text=True, timeout=load.seconds + 60,
        ).stdout  # fmt: skip
    return read_wrk(said)


def read_wrk(said: str) -> Result:
    """The figures in what wrk prints."""

    def milliseconds(share: str) -> float:
        found = re.search(rf"\s{share}%\s+([\d.]+)(us|ms|s|m)\b", said)
        scale = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
        return float(found[1]) * scale[found[2]] if found else float("nan")

    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    sockets = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said
    )
    failed = int(wrong[1]) if wrong else 0
    failed += sum(map(int, sockets.groups())) if sockets else 0
    return Result(
        per_second=float(rate[1]) if rate else 0.0,
        p50_ms=milliseconds("50"),
        p99_ms=milliseconds("99"),
        failed=failed,
    )


def pinned(core: str) -> list[str]:
    """What starts a command on some of the cores only."""
    return ["taskset", "-c", core] if core and shutil.which("taskset") else []


def run(load: Load, core: str, tool: str) -> Result:
    """Drive a load with `wrk` or with `own`."""
    return run_wrk(load, core) if tool == "wrk" else run_own(load, core)


def choose_tool() -> str:
    """The better load generator that is here."""
    return "wrk" if shutil.which("wrk") else "own"


def main() -> None:
    """Drive one load, described as JSON or by options, and print its result as JSON."""
    try:
        import uvloop

        runner = uvloop.run
    except ImportError:
        runner = asyncio.run
    if len(sys.argv) == 2 and sys.argv[1].startswith("{"):
        given = json.loads(sys.argv[1])
        load = Load(**{**given, "headers": tuple(map(tuple, given["headers"]))})
    else:
        parser = argparse.ArgumentParser(description="Drive a closed-loop HTTP load.")
        parser.add_argument("--port", type=int, required=True)
        parser.add_argument("--path", default="/")
        parser.add_argument("--body", default="{}")
        parser.add_argument("--connections", type=int, default=16)
        parser.add_argument("--seconds", type=float, default=4.0)
        load = Load(**vars(parser.parse_args()))
    print(json.dumps(asdict(runner(_drive(load)))))


if __name__ == "__main__":
    main()
