"""Sends traces and metrics to collectors; imported only where there are some."""

from mainstay.base.clock import Clock
from mainstay.serve.beside import read_beside
from mainstay.serve.machine import machine_use
from mainstay.serve.metrics import families_of
from mainstay.serve.otel import OtelMetrics, OtelTracing, resource_of
from mainstay.serve.tracing import Tracing
from mainstay.wiring.folders import Places
from mainstay.wiring.running import Server


def tracing_to(endpoint: str, places: Places, slot: int, clock: Clock) -> Tracing:
    """What a worker tells of its requests."""
    names = _names(places) | {"service.instance.id": f"worker-{slot}"}
    return OtelTracing(endpoint, resource_of(names), clock)


class MetricSender:
    """Sends what all workers of a machine counted. Lives in its keeper."""

    def __init__(self, places: Places, clock: Clock, endpoint: str) -> None:
        self._run = places.run
        self._clock = clock
        self._server = Server(places.run, clock)
        self._metrics = OtelMetrics(endpoint, resource_of(_names(places)), clock.now_ns())

    def send(self) -> None:
        """Everything as it is now."""
        now_ns = self._clock.now_ns()
        beside = read_beside(self._run, self._clock)
        machine = machine_use(self._run, () if beside is None else beside.gpus)
        keeper = None if beside is None else beside.keeper
        families = families_of(self._server.snapshots(), machine, keeper, now_ns)
        self._metrics.send(families, now_ns)


def _names(places: Places) -> dict[str, str]:
    return {
        "service.name": "mainstay",
        "deployment.environment.name": places.settings.environment,
    }
