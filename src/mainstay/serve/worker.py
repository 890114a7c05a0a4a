"""One worker process: an event loop, the HTTP door, the engine and a spool of its own.

Promises that a signal to stop first takes readiness away, then lets what is in flight end, then
seals the spool; that new connections go to other workers from the first moment of draining; and
that answers under way on open connections carry `Connection: close`, so clients move on by
themselves. A second signal, or a drain that takes too long, ends the process at once.
"""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from mainstay.base.clock import Clock
from mainstay.base.files import write_whole
from mainstay.base.ids import DecisionIds
from mainstay.base.limits import CONNECTIONS_MAX
from mainstay.journal.port import Spool
from mainstay.serve.beside import read_beside
from mainstay.serve.choices.follow import Choices
from mainstay.serve.choices.make import Chooser
from mainstay.serve.engine import Counts, Engine, Levels, Machinery
from mainstay.serve.failures import Failures
from mainstay.serve.follow import Follower, Loader
from mainstay.serve.held.memory import MemoryDesk
from mainstay.serve.held.port import Desk
from mainstay.serve.http.app import App, FindDecision
from mainstay.serve.http.connection import Connections
from mainstay.serve.http.keyed import KeyedDoor
from mainstay.serve.http.labelling import AskForLabels, LabelDoor, nobody_asks
from mainstay.serve.machine import machine_use
from mainstay.serve.metrics import Metrics
from mainstay.serve.mixture import Missed
from mainstay.serve.model import Run
from mainstay.serve.outcomes import Outcomes
from mainstay.serve.routes.model import Route
from mainstay.serve.tracing import Tracing
from mainstay.serve.validity import FindingEvents, Rounds
from mainstay.tally.port import Tally

DRAIN_MAX_SECONDS = 20.0
ACCEPT_WITHIN_SECONDS = 2.0
"""A worker that could not follow any orders by then accepts connections, to say so."""
TRACES_MAX_SECONDS = 5.0
"""How long a collector may take for the last traces."""
IDLE_GRACE_SECONDS = 1.0
"""How long an idle open connection may still send a request after draining began."""


@dataclass(slots=True, frozen=True, kw_only=True)
class WorkerSettings:
    """Where a worker stands."""

    slot: int
    run_folder: Path
    local: bool
    """Only this machine can reach the socket, so a caller without a key is `local`."""
    start: str
    """The mark of the server start, which the orders to follow carry."""


@dataclass(slots=True, frozen=True, kw_only=True)
class WorkerParts:
    """The adapters that wiring chose for a worker."""

    spool: Spool
    loader: Loader
    ids: DecisionIds
    clock: Clock
    metrics: Metrics
    find_decision: FindDecision
    tally: Tally
    desk: Desk = field(default_factory=MemoryDesk)
    """Where answers wait for a person."""
    tracing: Tracing | None = None
    """Where somebody wants to know the way of requests."""
    ask_for_labels: AskForLabels = nobody_asks
    """What somebody who labels is told."""


class Worker:
    """One worker's life on its event loop."""

    def __init__(self, settings: WorkerSettings, parts: WorkerParts) -> None:
        self._settings = settings
        self._parts = parts
        self._models = ThreadPoolExecutor(8, thread_name_prefix="model")
        self._lookups = ThreadPoolExecutor(32, thread_name_prefix="lookup")
        self._choices = Choices(settings.run_folder, parts.clock)
        self._engine = Engine(
            Machinery(
                ids=parts.ids,
                spool=parts.spool,
                models=self._models,
                lookups=self._lookups,
                clock=parts.clock,
                observe=self._observe,
                announce=self._announce,
                missed=self._missed,
                counted=self._counted,
                chose=self._choices.of,
                tally=parts.tally,
                desk=parts.desk,
            )
        )
        self._failures = Failures(parts.spool, parts.ids, parts.clock, settings.slot)
        findings = FindingEvents(parts.spool, parts.ids, parts.clock, settings.slot)
        self._follower = Follower(
            self._engine,
            parts.loader,
            settings.run_folder,
            settings.slot,
            parts.clock,
            findings.record,
            settings.start,
        )
        self._rounds = Rounds(self._engine, self._follower, settings.slot, parts.clock)
        outcomes = Outcomes(parts.spool, parts.ids, parts.clock)
        self._app = App(
            self._engine,
            self._follower,
            parts.metrics,
            parts.clock,
            parts.find_decision,
            self._render_metrics,
            outcomes.record,
            Chooser(self._choices, parts.spool.append, parts.ids, parts.clock),
        )
        self._app.also(LabelDoor(parts.ask_for_labels).handlers)
        self._app.also(KeyedDoor(self._engine, outcomes.record_keyed, parts.clock).handlers)
        self._app.tracing = parts.tracing
        self._metrics_file = settings.run_folder / f"metrics-{settings.slot}.json"

    def _observe(self, route: Route, run: Run) -> None:
        self._parts.metrics.ran(route.model, route.number, run.rows, run.steps_ns, run.processor_ns)
        if self._app.tracing is not None:
            for call in run.calls:
                if call.trace is not None:
                    call.trace.ran(route, run)
        if run.counts or run.levels:
            self._counted(route, run.counts, run.levels)

    def _counted(self, route: Route, counts: Counts, levels: Levels) -> None:
        self._parts.metrics.judged(route.model, route.number, counts, levels)

    def _announce(self, route: Route, fields: Iterable[str]) -> None:
        self._parts.metrics.loaded(route.model, route.number, fields)

    def _missed(self, missed: Missed) -> None:
        route = missed.route
        if missed.arm == "shadow":
            self._parts.metrics.shadow_missed(route.model, route.number, missed.rows, missed.why)
        if missed.why == "failed":
            self._failures.add(missed)

    def _render_metrics(self) -> bytes:
        others: list[bytes] = []
        for file in sorted(self._settings.run_folder.glob("metrics-*.json")):
            if file != self._metrics_file:
                with contextlib.suppress(FileNotFoundError):
                    others.append(file.read_bytes())
        folder = self._settings.run_folder
        beside = read_beside(folder, self._parts.clock)
        machine = machine_use(folder, () if beside is None else beside.gpus)
        keeper = None if beside is None else beside.keeper
        return self._parts.metrics.render(others, machine, keeper)

    def _beat(self, connections: Connections) -> None:
        metrics = self._parts.metrics
        metrics.in_flight = connections.in_flight
        metrics.connections_open = len(connections.open)
        metrics.carried("http", connections.carried)
        metrics.waiting_rows = self._engine.waiting_rows
        self._failures.record()
        metrics.tally_forgotten(self._parts.tally.forgotten)
        write_whole(self._metrics_file, metrics.snapshot())

    async def serve(self, listening: socket.socket) -> None:
        """Serve until told to stop, then drain."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _on_signal, stop)
        connections = Connections(self._app)
        ahead = asyncio.create_task(self._follower.look_ahead())
        choosing = asyncio.create_task(self._choices.follow())
        following = asyncio.create_task(
            self._follower.follow(
                local=self._settings.local, each_beat=lambda: self._beat(connections)
            )
        )
        waiting = asyncio.create_task(stop.wait())
        followed = asyncio.create_task(self._follower.followed.wait())
        await asyncio.wait(
            {following, waiting, followed},
            timeout=ACCEPT_WITHIN_SECONDS,
            return_when=asyncio.FIRST_COMPLETED,
        )
        server = await loop.create_server(connections.make, sock=listening, backlog=CONNECTIONS_MAX)
        gc.collect()
        gc.freeze()  # what is loaded by now lives as long as the process
        checking = asyncio.create_task(self._rounds.keep())
        await asyncio.wait({following, checking, waiting}, return_when=asyncio.FIRST_COMPLETED)
        beside = (ahead, followed, choosing, checking)
        for task in beside:
            task.cancel()
        await self._drain(server, connections)
        for task in (following, waiting):
            task.cancel()
        await asyncio.gather(following, waiting, *beside, return_exceptions=True)
        self._beat(connections)
        self._follower.report()
        self._parts.spool.close()
        self._parts.tally.close()
        if self._parts.tracing is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(
                    asyncio.to_thread(self._parts.tracing.close), TRACES_MAX_SECONDS
                )

    async def _drain(self, server: asyncio.Server, connections: Connections) -> None:
        """No longer ready, no new connections; wait for what is in flight."""
        self._follower.draining = True
        self._follower.report()
        connections.draining = True
        server.close()
        read = self._parts.clock.elapsed_ns
        started = read()
        while (passed := (read() - started) / 1e9) < DRAIN_MAX_SECONDS:
            if passed > IDLE_GRACE_SECONDS:
                connections.close_idle()
            if not connections.open and self._engine.idle:
                break
            await asyncio.sleep(0.02)
        connections.stop()


def _on_signal(stop: asyncio.Event) -> None:
    if stop.is_set():
        raise SystemExit(1)
    stop.set()


def run_worker(settings: WorkerSettings, parts: WorkerParts, listening: socket.socket) -> None:
    """A worker's whole life; returns when it has stopped."""

    async def live() -> None:
        await Worker(settings, parts).serve(listening)

    with asyncio.Runner(loop_factory=_loop_factory) as runner:
        runner.run(live())


def _loop_factory() -> asyncio.AbstractEventLoop:
    """The fast event loop."""
    return uvloop.new_event_loop()
