"""Measure serving: Mainstay with everything on against other servers, in one run, on one table.

Each server runs on core 0 and the load on core 1. Rounds are interleaved, figures are medians over
the rounds, and what counts are the ratios within the run: absolute figures are the machine's.

    python bench/serve.py                      what is installed here
    python bench/serve.py --peers              also the peers of bench/peers.sh
    python bench/serve.py --short              seconds; exits 1 when an answer is wrong
"""

import argparse
import json
import os
import statistics
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import load
import mainstay_server
import servers
from models import MODELS, asked_rows, onnx_file, right_answers
from servers import Server

TOLERANCE = 1e-5
CHECKED_ROWS = 64
YARDSTICKS = (servers.CONSTANT_DOOR.name, servers.CONSTANT.name, servers.FASTAPI.name)


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float
    connections: tuple[int, ...]
    models: tuple[str, ...]
    tool: str
    server_cores: str
    load_core: str
    workers: int

    @property
    def shared(self) -> bool:
        """Whether the load takes processor time from what it measures."""
        first, _, last = self.server_cores.partition("-")
        return int(first) <= int(self.load_core) <= int(last or first)


@dataclass(frozen=True)
class Figure:
    """One measurement of one server."""

    server: str
    model: str
    connections: int
    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int
    start_seconds: float
    memory_mb: float
    """Proportional set size of all its processes."""
    largest_mb: float
    """Resident size of the largest one."""
    cpu_us: float
    """Processor time per request of the processes that answer."""
    beside_us: float
    """Processor time per request of its other processes."""


def check_answers(server: Server, up: servers.Running, onnx: Path) -> None:
    """Every server must answer what onnxruntime answers."""
    if server.read is None:
        return
    rows = asked_rows(CHECKED_ROWS)
    for number, (row, right) in enumerate(zip(rows, right_answers(onnx, rows), strict=True)):
        body = server.body([round(float(value), 3) for value in row])
        got = server.read(servers.ask(up.port, up.path, body, dict(up.headers)))
        if not abs(got - right) <= TOLERANCE:
            raise RuntimeError(f"{server.name} answers {got} for row {number}, right is {right}")


def measure(server: Server, model: str, plan: Plan, folder: Path) -> list[Figure]:
    """One server, one model, one round."""
    onnx = onnx_file(model, folder)
    body = json.dumps(server.body([round(float(value), 3) for value in asked_rows(1)[0]]))
    figures: list[Figure] = []
    with servers.running(server, model, onnx, plan.server_cores, workers=plan.workers) as up:
        check_answers(server, up, onnx)
        if server.answering and not plan.shared:
            up.make_room(server.answering, plan.load_core)
        for connections in plan.connections:
            one = load.Load(up.port, up.path, body, up.headers, connections, 1.0)
            load.run(one, plan.load_core, plan.tool)
            one = load.Load(up.port, up.path, body, up.headers, connections, plan.seconds)
            before = up.processor_seconds(server.answering)
            result = load.run(one, plan.load_core, plan.tool)
            after = up.processor_seconds(server.answering)
            requests = max(result.per_second * plan.seconds, 1.0)
            cpu, beside = ((b - a) / requests * 1e6 for a, b in zip(before, after, strict=True))
            memory, largest = up.memory_mb()
            figures.append(
                Figure(
                    server=server.name,
                    model=model,
                    connections=connections,
                    start_seconds=up.seconds_to_answer,
                    memory_mb=memory,
                    largest_mb=largest,
                    cpu_us=cpu,
                    beside_us=beside,
                    **asdict(result),
                )
            )
    return figures


def medians(figures: list[Figure]) -> list[Figure]:
    """One figure for each server, model and number of connections."""
    groups: dict[tuple[str, str, int], list[Figure]] = defaultdict(list)
    for figure in figures:
        groups[figure.server, figure.model, figure.connections].append(figure)

    def middle(group: list[Figure], name: str) -> float:
        return statistics.median(getattr(figure, name) for figure in group)

    measured = (
        "per_second", "p50_ms", "p99_ms", "start_seconds", "memory_mb", "largest_mb", "cpu_us",
        "beside_us",
    )  # fmt: skip
    return [
        Figure(
            server=server,
            model=model,
            connections=connections,
            failed=sum(figure.failed for figure in group),
            **{name: middle(group, name) for name in measured},
        )
        for (server, model, connections), group in groups.items()
    ]


def method(plan: Plan) -> str:
    """How the figures came about, in one sentence."""
    if plan.workers == 1:
        where = (
            f"one worker on core {plan.server_cores}, load by {plan.tool} on core {plan.load_core}"
            " (where Mainstay's keeper runs too)"
        )
    else:
        where = (
            f"{plan.workers} workers on cores {plan.server_cores}, load by {plan.tool} on core"
            f" {plan.load_core}"
        )
        if plan.shared:
            where += ", which it takes from them"
    return f"{where}, {plan.rounds} interleaved rounds of {plan.seconds:g} s, medians"


def table(figures: list[Figure], plan: Plan) -> str:
    """The table for people: each figure also as a share of the constant answer."""
    rate = {(f.server, f.model, f.connections): f.per_second for f in figures}
    lines = [method(plan)]
    for model in plan.models:
        for connections in plan.connections:
            lines.append("")
            title = f"{model}, {connections} connections"
            lines.append(
                f"{title:<34} {'req/s':>8} {'of door':>8} {'of constant':>11} {'of FastAPI':>10}"
                f" {'p50 ms':>8} {'p99 ms':>8} {'failed':>6} {'CPU µs':>7} {'beside':>7}"
                f" {'start s':>8} {'PSS MB':>7} {'RSS MB':>7}"
            )
            for f in figures:
                if (f.model, f.connections) != (model, connections):
                    continue
                shares = [
                    f.per_second / other if (other := rate.get((name, model, connections))) else 0
                    for name in YARDSTICKS
                ]
                lines.append(
                    f"{f.server:<34} {f.per_second:>8.0f} {shares[0]:>8.2f} {shares[1]:>11.2f}"
                    f" {shares[2]:>10.2f} {f.p50_ms:>8.2f} {f.p99_ms:>8.2f} {f.failed:>6}"
                    f" {f.cpu_us:>7.1f} {f.beside_us:>7.1f} {f.start_seconds:>8.2f}"
                    f" {f.memory_mb:>7.0f} {f.largest_mb:>7.0f}"
                )
    return "\n".join(lines)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure serving against other servers.")
    parser.add_argument("--short", action="store_true", help="seconds: is every answer right?")
    parser.add_argument("--peers", action="store_true", help="also what bench/peers.sh installed")
    parser.add_argument("--only", default="", help="servers whose name contains this word")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", default="16,64,256")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--workers", type=int, default=1, help="worker processes, a core for each")
    parser.add_argument("--load", choices=["wrk", "own"], default=load.choose_tool())
    parser.add_argument("--json", action="store_true", help="figures of every round, for machines")
    return parser.parse_args()


def main() -> int:
    """Measure, print, and say by the exit code whether every answer was right."""
    given = options()
    short = given.short
    cores = os.cpu_count() or 1
    plan = Plan(
        rounds=1 if short else given.rounds,
        seconds=1.0 if short else given.seconds,
        connections=(16,) if short else tuple(map(int, given.connections.split(","))),
        models=tuple(given.models.split(",")),
        tool=given.load,
        server_cores="0" if given.workers == 1 else f"0-{min(given.workers, cores) - 1}",
        load_core="1" if cores > 1 else "0",
        workers=given.workers,
    )
    compared = [
        servers.CONSTANT,
        servers.CONSTANT_DOOR,
        *mainstay_server.variants(),
        servers.FASTAPI,
    ]
    compared += servers.installed_peers() if given.peers else []
    compared = [s for s in compared if given.only.lower() in s.name.lower()]
    folder = Path(__file__).parent / ".models"
    figures: list[Figure] = []
    wrong: list[str] = []
    for number in range(plan.rounds):
        for model in plan.models:
            for server in compared:
                print(f"round {number + 1}: {model}, {server.name}", file=sys.stderr, flush=True)
                try:
                    figures += measure(server, model, plan, folder)
                except RuntimeError as error:
                    wrong.append(f"{server.name}, {model}: {error}")
    middle = medians(figures)
    if given.json:
        print(json.dumps({"rounds": [asdict(f) for f in figures], "wrong": wrong}, indent=1))
    else:
        print(table(middle, plan))
    for line in wrong:
        print(f"WRONG {line}", file=sys.stderr)
    wrong += [f"{f.server} failed {f.failed} requests" for f in middle if f.failed and short]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
