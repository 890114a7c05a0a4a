"""Traces and metrics in the protocol of OpenTelemetry, over HTTP, by its own libraries.

Promises that a collector that is away, slow or confused costs no request anything: traces wait in a
bounded queue and are sent by a thread beside, and what finds no room is let go. Imported only where
a collector is configured (extra `otel`).
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mainstay.base.clock import Clock
from mainstay.base.errors import NotReady
from mainstay.serve.exposition import Family, Sample
from mainstay.serve.routes.model import Route
from mainstay.serve.tracing import Timed, Trace

_SCOPE = "mainstay"
_SECONDS = 5.0
"""How long a collector may take to answer."""
_propagator = TraceContextTextMapPropagator()
# A collector that is away is told of by `mainstay status`, not line by line.
logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)


def resource_of(names: dict[str, str]) -> Resource:
    """Who tells: these names, and before them what `OTEL_RESOURCE_ATTRIBUTES` and
    `OTEL_SERVICE_NAME` say."""
    return Resource.create({**names, **OTELResourceDetector().detect().attributes})


class OtelTracing:
    """Sends traces to one collector."""

    def __init__(self, endpoint: str, resource: Resource, clock: Clock) -> None:
        self._clock = clock
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(_SCOPE)

    def begin(self, name: str, model: str, parents: tuple[str, str], began_ns: int) -> Trace:
        """A request that asks for something by this name."""
        carrier = dict(zip(("traceparent", "tracestate"), parents, strict=True))
        context = _propagator.extract({key: value for key, value in carrier.items() if value})
        # The clock that only grows says how long, the other one when.
        offset_ns = self._clock.now_ns() - self._clock.elapsed_ns()
        span = self._tracer.start_span(
            f"{name} {model}".strip(),
            context,
            SpanKind.SERVER,
            {"mainstay.model": model, "mainstay.door": name},
            start_time=began_ns + offset_ns,
        )
        return _OtelTrace(self._tracer, span, offset_ns, began_ns, self._clock)

    def close(self) -> None:
        """Send what is left, in a bounded time."""
        self._provider.shutdown()


class _OtelTrace:
    """One request; its steps are told when it is over."""

    def __init__(
        self, tracer: Tracer, span: Span, offset_ns: int, began_ns: int, clock: Clock
    ) -> None:
        self._tracer = tracer
        self._span = span
        self._offset_ns = offset_ns
        self._began_ns = began_ns
        self._clock = clock
        self._steps: list[tuple[str, int, int, dict[str, Any]]] = []

    @property
    def traceparent(self) -> str:
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"

    def step(self, name: str, began_ns: int, ended_ns: int) -> None:
        self._steps.append((name, began_ns, ended_ns, {}))

    def ran(self, route: Route, run: Timed) -> None:
        about = {"mainstay.version": route.number, "mainstay.rows": run.rows}
        self._steps.append(("wait", self._began_ns, run.started_ns, {}))
        began_ns = run.started_ns
        for name, took_ns in run.steps_ns.items():
            self._steps.append((name, began_ns, began_ns + took_ns, about))
            began_ns += took_ns

    def decided(self, decision: str, status: str) -> None:
        self._span.set_attributes({"mainstay.decision": decision, "mainstay.status": status})

    def replied(self, status: int) -> None:
        ended_ns = self._clock.elapsed_ns()
        # What a run took is known a moment after its answers went out.
        asyncio.get_running_loop().call_soon(self._tell, status, ended_ns)

    def _tell(self, status: int, ended_ns: int) -> None:
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)
        if self._span.is_recording():
            inside = set_span_in_context(self._span, Context())
            for name, began_ns, stopped_ns, about in self._steps:
                step = self._tracer.start_span(
                    name, inside, attributes=about, start_time=began_ns + self._offset_ns
                )
                step.end(stopped_ns + self._offset_ns)
        self._span.end(ended_ns + self._offset_ns)


class OtelMetrics:
    """Sends what was counted to one collector."""

    def __init__(self, endpoint: str, resource: Resource, since_ns: int) -> None:
        self._exporter = OTLPMetricExporter(endpoint=endpoint, timeout=_SECONDS)
        self._resource = resource
        self._since_ns = since_ns

    def send(self, families: Iterable[Family], now_ns: int) -> None:
        """Everything as it is now; `NotReady` when the collector did not take it."""
        metrics = [_metric(family, self._since_ns, now_ns) for family in families if family.samples]
        scope = ScopeMetrics(InstrumentationScope(_SCOPE), metrics, "")
        data = MetricsData([ResourceMetrics(self._resource, [scope], "")])
        told = self._exporter.export(data, _SECONDS * 1000)  # pyright: ignore[reportUnknownMemberType]  # because what else it takes has no types
        if told is not MetricExportResult.SUCCESS:
            raise NotReady("the collector of metrics did not take them")


def _metric(family: Family, since_ns: int, now_ns: int) -> Metric:
    cumulative = AggregationTemporality.CUMULATIVE
    if family.kind == "histogram":
        points = _histograms(family, since_ns, now_ns)
        return Metric(family.name, family.about, None, Histogram(points, cumulative))
    numbers = [
        NumberDataPoint(dict(sample.labels), since_ns, now_ns, sample.value)
        for sample in family.samples
    ]
    data = Sum(numbers, cumulative, True) if family.kind == "counter" else Gauge(numbers)  # noqa: FBT003  # because its own name for it is positional
    return Metric(family.name, family.about, None, data)


def _histograms(family: Family, since_ns: int, now_ns: int) -> list[HistogramDataPoint]:
    """The lines of each set of labels as one point."""
    groups: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
    for sample in family.samples:
        named = {name: label for name, label in sample.labels.items() if name != "le"}
        groups.setdefault(tuple(sorted(named.items())), []).append(sample)
    return [_point(dict(labels), lines, since_ns, now_ns) for labels, lines in groups.items()]


def _point(
    labels: dict[str, str], lines: Sequence[Sample], since_ns: int, now_ns: int
) -> HistogramDataPoint:
    buckets = {line.labels["le"]: line.value for line in lines if line.name.endswith("_bucket")}
    upto = sorted((float(bound), value) for bound, value in buckets.items())
    counts = [round(value) for _, value in upto]
    total = next(line.value for line in lines if line.name.endswith("_sum"))
    return HistogramDataPoint(
        labels,
        since_ns,
        now_ns,
        counts[-1],
        total,
        [after - before for before, after in zip([0, *counts], counts, strict=False)],
        [bound for bound, _ in upto[:-1]],
        float("nan"),
        float("nan"),
    )
