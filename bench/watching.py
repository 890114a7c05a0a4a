"""Measure what continuous watching costs a server that is asked as fast as it can answer.

The same server twice in one run, with a keeper that watches and measures and with one that does all
but that, on core 0; the load on core 1, on one after the other, in an order that alternates. What
counts is processor time: all that a server's processes used over the whole run and the minute after
it, in which the last decisions are taken in, by the requests it answered.

    python bench/watching.py
    python bench/watching.py --short     seconds; exits 1 when an answer fails
"""

import argparse
import json
import statistics
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep
from typing import Any

import load
import mainstay_server
import servers
from models import asked_rows, onnx_file
from servers import Running, Server, Setting

MODEL = "linear"
WATCHING = {"watch", "measure"}
AFTER_SECONDS = 90.0
"""Pieces are sealed within a minute, and taken in within ten seconds."""


def serve(workspace: str, port: int) -> int:
    """`mainstay up` with a keeper that does not watch."""
    from mainstay.wiring import server
    from mainstay.wiring.folders import open_places

    def keeper(_places: object, start: str, line: int) -> list[str]:
        options = ["--workspace", workspace, "--lifeline", str(line), "--start", start]
        return [sys.executable, __file__, "--keep", *options]

    server._keeper = keeper  # noqa: SLF001  # because there is no setting that turns watching off
    return server.serve(open_places(workspace), server.Serving(port=port), lambda: True, print)


def keep(arguments: list[str]) -> int:
    """The keeper without these duties."""
    from mainstay.wiring import duties, keeper

    def others(*given: Any) -> list[Any]:
        return [duty for duty in duties.duties_of(*given) if duty.name not in WATCHING]

    setattr(keeper, "duties_of", others)  # noqa: B010  # because it is no part of what the module offers
    return keeper.main(arguments)


def without(setting: Setting) -> list[str]:
    workspace = str(setting.folder / "workspace")
    return [sys.executable, __file__, "--serve", workspace, str(setting.port)]


def processor(up: Running) -> float:
    return sum(up.processor_seconds("mainstay.wiring.worker"))


def asked(up: Running, body: str, seconds: float) -> load.Result:
    one = load.Load(up.port, up.path, body, up.headers, 16, seconds)
    return load.run(one, "1", "own")


def measure(rounds: int, seconds: float, after: float) -> int:
    watched = mainstay_server.variant("written", name="watching")
    pair: list[Server] = [watched, replace(watched, name="not watching", command=without)]
    failed = 0
    with TemporaryDirectory() as folder, ExitStack() as stack:
        onnx = onnx_file(MODEL, Path(folder))
        body = json.dumps(watched.body([round(float(v), 3) for v in asked_rows(1)[0]]))
        ups = [
            stack.enter_context(servers.running(one, MODEL, onnx, "0", workers=1)) for one in pair
        ]
        for up in ups:
            asked(up, body, min(2.0, seconds))
        before = [processor(up) for up in ups]
        answered = [0.0, 0.0]
        ratios: list[float] = []
        for number in range(rounds):
            rates = [0.0, 0.0]
            for place in (0, 1) if number % 2 == 0 else (1, 0):
                result = asked(ups[place], body, seconds)
                rates[place] = result.per_second
                answered[place] += result.per_second * seconds
                failed += result.failed
            ratios.append(rates[0] / rates[1])
            print(f"  round {number + 1}: {rates[0]:,.0f} and {rates[1]:,.0f} a second", flush=True)
        sleep(after)
        used = [processor(up) - begun for up, begun in zip(ups, before, strict=True)]
    each = [1e6 * spent / max(count, 1.0) for spent, count in zip(used, answered, strict=True)]
    for one, cost, count in zip(pair, each, answered, strict=True):
        print(f"{one.name:28}{count:12,.0f} requests{cost:9.1f} µs of processor time each")
    print(f"watching costs {each[0] / each[1] - 1.0:+.1%} of processor time;", end=" ")
    print(f"throughput beside it × {statistics.median(ratios):.3f} (median of {rounds} pairs)")
    return failed


def main() -> int:
    if sys.argv[1:2] == ["--serve"]:
        return serve(sys.argv[2], int(sys.argv[3]))
    if sys.argv[1:2] == ["--keep"]:
        return keep(sys.argv[2:])
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="seconds, for correctness")
    short = parser.parse_args().short
    failed = measure(2, 2.0, 1.0) if short else measure(8, 15.0, AFTER_SECONDS)
    if failed:
        print(f"{failed} requests failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
