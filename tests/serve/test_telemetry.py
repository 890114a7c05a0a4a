"""Where traces and metrics go, what they say, and what they never do. O14 M22."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from mainstay.base.clock import ManualClock
from mainstay.base.errors import InvalidUsage, NotReady
from mainstay.serve.exposition import Family, gauge, histogram_samples
from mainstay.serve.otel import OtelMetrics, OtelTracing, resource_of
from mainstay.serve.sources import HttpLookup
from mainstay.serve.tracing import OUTGOING
from mainstay.wiring import telemetry
from mainstay.wiring.settings import TEMPLATE, read_settings
from mainstay.wiring.telemetry import Telemetry, telemetry_of, trouble
from tests.servers.collector import Collector, values

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.close()


@pytest.mark.parametrize(
    ("setting", "environment", "expected"),
    [
        ("", {}, Telemetry()),
        ("http://c:4318/", {}, Telemetry(traces="http://c:4318/v1/traces", metrics="http://c:4318/v1/metrics")),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://d:1"}, Telemetry(traces="http://d:1/v1/traces", metrics="http://d:1/v1/metrics")),
        ("http://c:1", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://d:1", "OTEL_METRICS_EXPORTER": "none"}, Telemetry(traces="http://c:1/v1/traces")),
        ("", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x"}, Telemetry(traces="http://t/x")),
        ("", {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://m/x", "OTEL_METRIC_EXPORT_INTERVAL": "2500"}, Telemetry(metrics="http://m/x", every_seconds=2.5)),
        ("http://c:1", {"OTEL_SDK_DISABLED": "true"}, Telemetry()),
    ],
)  # fmt: skip
def test_where_things_go(setting: str, environment: Mapping[str, str], expected: Telemetry) -> None:
    """O14: by the setting, else by the variables that OpenTelemetry reads everywhere."""
    assert telemetry_of(setting, environment) == expected


def test_a_setting_without_the_extra_is_an_error_and_a_variable_is_told_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """O14: a setting that has no effect does not exist; what others set stops nobody."""
    monkeypatch.setattr(telemetry, "_LIBRARY", "no_such_package.at.all")
    with pytest.raises(InvalidUsage) as refused:
        telemetry_of("http://c:1", {})
    assert refused.value.expected == "pip install 'mainstay[otel]'"
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://d:1"}
    assert telemetry_of("", variables) == Telemetry()
    assert "pip install 'mainstay[otel]'" in trouble("", variables)
    assert trouble("", {}) == ""


def test_another_protocol_is_told_of() -> None:
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://d:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert "http/protobuf" in trouble("", asked)


@pytest.mark.parametrize("wrong", ['"localhost:4318"', "4318", '"ftp://x"', '"http://"'])
def test_a_wrong_address_is_refused_in_words(tmp_path, wrong: str) -> None:
    file = tmp_path / "mainstay.toml"
    file.write_text(f"telemetry = {wrong}\n")
    with pytest.raises(InvalidUsage, match=r"mainstay.toml:1: `telemetry` cannot be") as refused:
        read_settings(file)
    assert "http://localhost:4318" in str(refused.value.expected)
    file.write_text(TEMPLATE.replace('telemetry = ""', 'telemetry = "http://localhost:4318"'))
    assert read_settings(file).telemetry == "http://localhost:4318"


def test_nothing_is_imported_where_nobody_wants_to_know() -> None:
    """O14: neither by a worker nor by a keeper."""
    code = (
        "import sys; import mainstay.wiring.worker, mainstay.wiring.keeper;"
        "from mainstay.wiring.telemetry import telemetry_of;"
        "assert not telemetry_of('', {}).traces;"
        "print([m for m in sys.modules if m.startswith(('opentelemetry', 'google', 'requests'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_sampled_out_or_goes_nowhere_costs_no_answer(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    """O14: the caller's own decision holds; a collector that is away raises nothing."""
    clock = ManualClock()

    async def story(endpoint: str) -> None:
        tracing = OtelTracing(endpoint, resource_of({}), clock)
        for parent in (PARENT[:-2] + "00", PARENT, "", "nonsense"):
            trace = tracing.begin("decide", "sum", (parent, ""), clock.elapsed_ns())
            trace.step("gather", 0, 1)
            trace.replied(503)
            assert trace.traceparent.startswith(parent[:35] if parent.startswith("00-") else "00-")
        await asyncio.sleep(0)
        await asyncio.to_thread(tracing.close)

    asyncio.run(story(f"{collector.url}/v1/traces"))
    traces = [span.trace_id.hex() for span in collector.spans if span.name == "decide sum"]
    assert len(traces) == len(set(traces)) == 3
    assert PARENT[3:35] in traces
    assert {span.status.code for span in collector.spans if span.name == "decide sum"} == {2}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    collector.close()
    asyncio.run(story(f"{collector.url}/v1/traces"))


def test_metrics_are_those_of_the_page(collector: Collector) -> None:
    """O14 M1: counters, gauges and histograms, number by number."""
    sends = OtelMetrics(f"{collector.url}/v1/metrics", resource_of({"service.name": "x"}), 5)
    lines = histogram_samples("mainstay_h", {"model": "m"}, ["0.5", "1.0"], [3, 0, 2], 4.5)
    counter = Family("mainstay_c", "counter", "Words.", [])
    counter.samples += gauge("c", "", [({"model": "m"}, 7.0)]).samples
    families = [
        counter,
        gauge("g", "More words.", [({"slot": "0"}, 0.25)]),
        Family("mainstay_h", "histogram", "Times.", lines),
        Family("mainstay_none", "counter", "Nothing yet.", []),
    ]
    sends.send(families, 9)
    assert set(collector.metrics) == {"mainstay_c", "mainstay_g", "mainstay_h"}
    counted = collector.metrics["mainstay_c"]
    assert (counted.description, counted.sum.is_monotonic) == ("Words.", True)
    (point,) = counted.sum.data_points
    assert (point.as_double, point.start_time_unix_nano, point.time_unix_nano) == (7.0, 5, 9)
    assert values(point.attributes) == {"model": "m"}
    (level,) = collector.metrics["mainstay_g"].gauge.data_points
    assert level.as_double == 0.25
    (times,) = collector.metrics["mainstay_h"].histogram.data_points
    assert list(times.bucket_counts) == [3, 0, 2]
    assert list(times.explicit_bounds) == [0.5, 1.0]
    assert (times.count, times.sum) == (5, 4.5)
    assert values(times.attributes) == {"model": "m"}
    assert collector.resources[-1]["service.name"] == "x"
    collector.close()
    with pytest.raises(NotReady):
        sends.send(families, 9)


def test_look_ups_carry_the_trace_on(collector: Collector) -> None:
    """O14: over HTTP, and into the thread that a look-up runs in."""
    lookup = HttpLookup(f"{collector.url}/accounts/{{key}}")
    assert lookup.fetch(["a"]) == {"a": {"age_days": 3}}
    token = OUTGOING.set(PARENT)
    try:
        lookup.fetch(["b"])
    finally:
        OUTGOING.reset(token)
    (first, plain), (second, traced) = collector.asked
    assert (first, second) == ("/accounts/a", "/accounts/b")
    assert "traceparent" not in plain
    assert traced["traceparent"] == PARENT
